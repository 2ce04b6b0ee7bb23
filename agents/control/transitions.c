/* Transitions, and random exploration for them: see transitions.h. */
#include "agents/control/transitions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ml3_transitions *ml3_transitions_new(int state_dim, int action_dim, int capacity, ml3_error *error) {
  if (capacity < 1 || state_dim < 1 || action_dim < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "room for %d transitions of %d state and %d action entries makes no sense",
                  capacity, state_dim, action_dim);
    return NULL;
  }
  const size_t c = (size_t)capacity, n = (size_t)state_dim, m = (size_t)action_dim;
  ml3_transitions *t = calloc(1, sizeof *t);
  double *block = calloc(c * (2 * n + m), sizeof *block);
  if (!t || !block) {
    free(t);
    free(block);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d transitions", capacity);
    return NULL;
  }
  *t = (ml3_transitions){.state_dim = state_dim,
                         .action_dim = action_dim,
                         .capacity = capacity,
                         .states = block,
                         .actions = block + c * n,
                         .next = block + c * (n + m)};
  return t;
}

void ml3_transitions_free(ml3_transitions *t) {
  if (!t) return;
  free(t->states);
  free(t);
}

int ml3_transitions_reserve(ml3_transitions *t, int capacity, ml3_error *error) {
  if (capacity <= t->capacity) return ML3_OK;
  ml3_transitions *grown = ml3_transitions_new(t->state_dim, t->action_dim, capacity, error);
  if (!grown) return error ? error->code : ML3_ERR_MEMORY;
  const size_t n = (size_t)(t->count * t->state_dim), m = (size_t)(t->count * t->action_dim);
  memcpy(grown->states, t->states, n * sizeof *t->states);
  memcpy(grown->actions, t->actions, m * sizeof *t->actions);
  memcpy(grown->next, t->next, n * sizeof *t->next);
  grown->count = t->count;
  ml3_transitions old = *t;
  *t = *grown;
  *grown = old;
  ml3_transitions_free(grown);
  return ML3_OK;
}

int ml3_transitions_add(ml3_transitions *t, const double *state, const double *action, const double *next) {
  if (t->count == t->capacity) return 0;
  const size_t n = (size_t)t->state_dim, m = (size_t)t->action_dim, at = (size_t)t->count++;
  memcpy(t->states + at * n, state, n * sizeof *state);
  memcpy(t->actions + at * m, action, m * sizeof *action);
  memcpy(t->next + at * n, next, n * sizeof *next);
  return 1;
}

int ml3_transitions_add_episode(ml3_transitions *t, const ml3_episode *e) {
  const size_t n = (size_t)t->state_dim, m = (size_t)t->action_dim;
  int added = 0;
  for (size_t i = 0; i < (size_t)e->steps; i++)
    added += ml3_transitions_add(t, e->states + i * n, e->actions + i * m, e->states + (i + 1) * n);
  return added;
}

/* ---- exploration ------------------------------------------------------------------------------------------------- */

typedef struct explorer {
  const ml3_env_spec *spec;
  ml3_random random;
  int hold;
} explorer;

static void explore(void *user, int step, const double *obs, const double *state, double *action) {
  explorer *e = user;
  (void)obs, (void)state;
  if (step % e->hold) return; /* the one before is still in place */
  ml3_env_draw_action(e->spec, &e->random, action);
}

static void begin_episode(ml3_env *env, const double *task, double *drawn, ml3_random *random) {
  const ml3_env_spec *spec = env->spec;
  for (int i = 0; i < spec->task_dim; i++) {
    const ml3_env_parameter *p = &spec->task[i];
    const bool is_start = strncmp(p->name, "start_", 6) == 0;
    drawn[i] = is_start && p->low < p->high ? ml3_random_uniform(random, p->low, p->high) : task ? task[i] : p->value;
  }
  ml3_env_reset(env, drawn, random);
}

static void explore_rollouts(ml3_transitions *t, ml3_env *env, const double *task, double *drawn, int hold,
                             uint64_t seed) {
  const ml3_env_spec *spec = env->spec;
  double state[spec->state_dim], next[spec->state_dim], action[spec->action_dim];
  for (uint32_t episode = 0; t->count < t->capacity; episode++) {
    explorer e = {.spec = spec, .random = ml3_random_stream(seed, ML3_PURPOSE_BASELINE, episode, 0), .hold = hold};
    begin_episode(env, task, drawn, &e.random);
    for (int step = 0; step < spec->horizon && t->count < t->capacity; step++) {
      ml3_env_get_state(env, state);
      explore(&e, step, NULL, state, action);
      const ml3_env_result result = ml3_env_step(env, action);
      ml3_env_get_state(env, next);
      ml3_transitions_add(t, state, action, next);
      if (result.terminated || result.code < 0) break;
    }
  }
}

static int explore_states(ml3_transitions *t, ml3_env *env, const double *task, double *drawn, uint64_t seed,
                          ml3_error *error) {
  const ml3_env_spec *spec = env->spec;
  double state[spec->state_dim], next[spec->state_dim], action[spec->action_dim];
  for (int i = 0; i < spec->state_dim; i++)
    if (!isfinite(spec->state[i].low) || !isfinite(spec->state[i].high))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "states of '%s' cannot be drawn uniformly: '%s' has no bounds; explore by rollouts",
                           spec->name, spec->state[i].name);
  if (ml3_env_need_state(spec, "drawing states uniformly", error) != ML3_OK) return ML3_ERR_UNAVAILABLE;
  for (uint32_t i = 0; t->count < t->capacity; i++) {
    explorer e = {.spec = spec, .random = ml3_random_stream(seed, ML3_PURPOSE_BASELINE, i, 0), .hold = 1};
    begin_episode(env, task, drawn, &e.random);
    for (int j = 0; j < spec->state_dim; j++)
      state[j] = ml3_random_uniform(&e.random, spec->state[j].low, spec->state[j].high);
    explore(&e, 0, NULL, state, action);
    ml3_env_set_state(env, state);
    ml3_env_step(env, action);
    ml3_env_get_state(env, next);
    ml3_transitions_add(t, state, action, next);
  }
  return ML3_OK;
}

ml3_transitions *ml3_transitions_explore(const ml3_env_spec *spec, const double *task, ml3_exploration how, int hold,
                                         int count, uint64_t seed, ml3_error *error) {
  ml3_transitions *t = ml3_transitions_new(spec->state_dim, spec->action_dim, count, error);
  ml3_env *env = t ? ml3_env_new(spec, error) : NULL;
  double *drawn = calloc((size_t)spec->task_dim + 1, sizeof *drawn);
  int code = env && drawn ? ML3_OK : ML3_ERR_MEMORY;
  if (env && !drawn) ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a task of '%s'", spec->name);
  if (code == ML3_OK && how == ML3_EXPLORE_ROLLOUTS) explore_rollouts(t, env, task, drawn, hold < 1 ? 1 : hold, seed);
  if (code == ML3_OK && how == ML3_EXPLORE_STATES) code = explore_states(t, env, task, drawn, seed, error);
  if (code == ML3_OK) code = ml3_env_failed(spec, error);
  free(drawn);
  ml3_env_free(env);
  if (code == ML3_OK) return t;
  ml3_transitions_free(t);
  return NULL;
}
