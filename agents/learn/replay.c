/* Replay buffers: see replay.h. */
#include "agents/learn/replay.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/squashed.h"

int ml3_replay_init(ml3_replay *r, const ml3_policy *policy, int64_t capacity, ml3_error *error) {
  const int n = policy->net.inputs, actions = policy->action_dim, width = 2 * n + actions + 2;
  *r = (ml3_replay){.inputs = n, .actions = actions, .width = width, .capacity = capacity};
  if (capacity < 1 || capacity > INT_MAX / width)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "a replay buffer of %lld transitions; 1 to %d of %d numbers are possible", (long long)capacity,
                         INT_MAX / width, width);
  r->rows = calloc((size_t)capacity * (size_t)width, sizeof *r->rows);
  if (r->rows) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a replay buffer of %lld transitions", (long long)capacity);
}

void ml3_replay_free(ml3_replay *r) {
  free(r->rows);
  r->rows = NULL;
}

/* The input after step t of environment i: of the same episode, even where the next one has begun. */
static const ml3_real *input_after(const ml3_rollout *r, int t, int i) {
  const size_t n = (size_t)r->inputs, envs = (size_t)r->envs, at = (size_t)t * envs + (size_t)i;
  if (r->end[at] != ML3_GOES_ON) return r->truncated_x + at * n;
  return t + 1 < r->steps ? r->x + (at + envs) * n : r->last_x + (size_t)i * n;
}

static void add(ml3_replay *r, const ml3_policy *policy, const ml3_rollout *from, int t, int i) {
  const size_t n = (size_t)r->inputs, at = (size_t)t * (size_t)from->envs + (size_t)i;
  ml3_real *to = r->rows + (size_t)r->next * (size_t)r->width;
  memcpy(to, from->x + at * n, n * sizeof *to);
  to += n;
  for (int k = 0; k < r->actions; k++)
    *to++ = (ml3_real)ml3_squashed_share(policy, k, (double)from->action[at * (size_t)r->actions + (size_t)k]);
  *to++ = from->reward[at];
  *to++ = from->end[at] != ML3_TERMINATED;
  memcpy(to, input_after(from, t, i), n * sizeof *to);
  r->next = (r->next + 1) % r->capacity;
  if (r->count < r->capacity) r->count++;
}

void ml3_replay_add(ml3_replay *r, const ml3_policy *policy, const ml3_rollout *rollout) {
  for (int t = 0; t < rollout->steps; t++)
    for (int i = 0; i < rollout->envs; i++) add(r, policy, rollout, t, i);
}

void ml3_replay_draw(const ml3_replay *r, ml3_random *random, int rows, const ml3_replay_batch *b) {
  const size_t n = (size_t)r->inputs, both = n + (size_t)r->actions;
  for (size_t k = 0; k < (size_t)rows; k++) {
    const ml3_real *row = r->rows + (size_t)ml3_random_below(random, (uint32_t)r->count) * (size_t)r->width;
    memcpy(b->x + k * n, row, n * sizeof *row);
    memcpy(b->x_action + k * both, row, both * sizeof *row);
    b->reward[k] = row[both];
    b->goes_on[k] = row[both + 1];
    memcpy(b->next_x + k * n, row + both + 2, n * sizeof *row);
  }
}

int ml3_replay_put(const ml3_replay *r, ml3_nn_tensors *file, ml3_error *error) {
  const int64_t place[2] = {r->count, r->next};
  const int code = ml3_nn_tensors_put_ints(file, "replay_place", 2, place, error);
  if (code || r->count == 0) return code;
  return ml3_nn_tensors_put(file, "replay", (int)r->count, r->width, r->rows, error);
}

/* Turns count rows in place so that row `first` becomes row 0: each of both parts is reversed, then all. */
static void reverse(ml3_real *rows, size_t count, size_t width) {
  for (size_t i = 0; i < count / 2; i++)
    for (size_t k = 0; k < width; k++) {
      ml3_real *a = rows + i * width + k, *b = rows + (count - 1 - i) * width + k, kept = *a;
      *a = *b, *b = kept;
    }
}
static void rotate(ml3_real *rows, size_t count, size_t width, size_t first) {
  reverse(rows, first, width);
  reverse(rows + first * width, count - first, width);
  reverse(rows, count, width);
}

int ml3_replay_get(ml3_replay *r, const ml3_nn_tensors *file, ml3_error *error) {
  int64_t place[2];
  int code = ml3_nn_tensors_get_ints(file, "replay_place", 2, place, error);
  if (code) return code;
  const int64_t count = place[0], next = place[1];
  if (count < 0 || count > r->capacity || next < 0 || next > count || next >= r->capacity)
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "tensor 'replay_place' says %lld transitions, the next at %lld; at most %lld fit",
                         (long long)count, (long long)next, (long long)r->capacity);
  r->count = count, r->next = next;
  if (!count) return ML3_OK;
  code = ml3_nn_tensors_get(file, "replay", (size_t)count * (size_t)r->width, r->rows, error);
  if (code != ML3_OK || count == r->capacity || next == count) return code;
  rotate(r->rows, (size_t)count, (size_t)r->width, (size_t)next); /* a full one, of a run that had less room */
  r->next = count;
  return ML3_OK;
}
