/* Rows that are lanes: blocks of ML3_LANES_COUNT rows, numbers of a kind side by side. Lanes of the last block that are no
   rows run along and are never read. Resets are rare and go through the worker's instance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/batch_internal.h"

enum { N = ML3_LANES_COUNT };

static int rows_in(const ml3_env_batch *b, int k) {
  return b->count - k * N < N ? b->count - k * N : N;
}

static void write_column(double *lanes, int dim, int lane, const double *x) {
  for (int k = 0; k < dim; k++) lanes[k * N + lane] = x[k];
}

static void read_column(const double *lanes, int dim, int lane, double *x) {
  for (int k = 0; k < dim; k++) x[k] = lanes[k * N + lane];
}

int ml3_batch_lanes_open(ml3_env_batch *b, ml3_error *error) {
  const ml3_env_spec *spec = b->spec;
  b->block_count = (b->count + N - 1) / N;
  size_t each = (size_t)(spec->task_dim + spec->action_dim + spec->state_dim + spec->obs_dim + 1) * N;
  b->blocks = calloc((size_t)b->block_count, sizeof *b->blocks);
  b->lanes = aligned_alloc(64, (size_t)b->block_count * each * sizeof *b->lanes);
  if (!b->blocks || !b->lanes) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a batch of '%s'", spec->name);
  memset(b->lanes, 0, (size_t)b->block_count * each * sizeof *b->lanes);

  ml3_env *env = b->workers[0].env; /* in its first state */
  double state[spec->state_dim], obs[spec->obs_dim];
  ml3_env_get_state(env, state);
  ml3_env_observe(env, obs);
  for (int k = 0; k < b->block_count; k++) {
    batch_block *s = &b->blocks[k];
    s->task = b->lanes + (size_t)k * each;
    s->action = s->task + spec->task_dim * N;
    s->state = s->action + spec->action_dim * N;
    s->obs = s->state + spec->state_dim * N;
    s->reward = s->obs + spec->obs_dim * N;
    for (int i = 0; i < N; i++) {
      write_column(s->task, spec->task_dim, i, env->task);
      write_column(s->state, spec->state_dim, i, state);
      write_column(s->obs, spec->obs_dim, i, obs);
    }
  }
  return ML3_OK;
}

/* What the worker's instance is in, into a lane. */
static void copy_in(const ml3_env_spec *spec, batch_block *s, int lane, batch_worker *w) {
  double state[spec->state_dim];
  ml3_env_get_state(w->env, state);
  ml3_env_observe(w->env, w->obs);
  write_column(s->task, spec->task_dim, lane, w->env->task);
  write_column(s->state, spec->state_dim, lane, state);
  write_column(s->obs, spec->obs_dim, lane, w->obs);
}

static void begin_episode(ml3_env_batch *b, int k, int lane, batch_worker *w) {
  ml3_random random;
  const double *task = ml3_batch_next_task(b, k * N + lane, w, &random);
  ml3_env_reset(w->env, task, &random);
  copy_in(b->spec, &b->blocks[k], lane, w);
  b->blocks[k].steps[lane] = 0;
}

static void write_obs(const ml3_env_spec *spec, const batch_block *s, int lane, ml3_real *row) {
  for (int k = 0; k < spec->obs_dim; k++) row[k] = (ml3_real)s->obs[k * N + lane];
}

/* ---- rows that were handed out: they may have been changed, and see what became of them ---------------------- */

static void put_row(const ml3_env_spec *spec, const batch_block *s, int lane, ml3_env *env) {
  double state[spec->state_dim];
  read_column(s->state, spec->state_dim, lane, state);
  read_column(s->task, spec->task_dim, lane, env->task);
  env->steps = s->steps[lane];
  ml3_env_set_state(env, state);
}

static void put_rows(ml3_env_batch *b, int k) {
  for (int i = 0; i < rows_in(b, k); i++)
    if (b->envs[k * N + i]) put_row(b->spec, &b->blocks[k], i, b->envs[k * N + i]);
}

static void take_rows(ml3_env_batch *b, int k) {
  batch_block *s = &b->blocks[k];
  double state[b->spec->state_dim];
  for (int i = 0; i < rows_in(b, k); i++) {
    ml3_env *env = b->envs[k * N + i];
    if (!env) continue;
    ml3_env_get_state(env, state);
    write_column(s->state, b->spec->state_dim, i, state);
    write_column(s->task, b->spec->task_dim, i, env->task);
    s->steps[i] = env->steps;
  }
}

ml3_env *ml3_batch_lanes_at(ml3_env_batch *b, int i) {
  if (b->envs[i]) return b->envs[i];
  b->envs[i] = ml3_env_new(b->spec, NULL);
  if (b->envs[i]) put_row(b->spec, &b->blocks[i / N], i % N, b->envs[i]);
  b->handed_out = true;
  return b->envs[i];
}

/* What is watched of the row in that lane. */
static void tell(const ml3_env_batch *b, const ml3_env_batch_infos *to, int k, int lane, batch_worker *w) {
  if (!b->watched) return;
  put_row(b->spec, &b->blocks[k], lane, w->env);
  ml3_batch_tell(to, w->env, k * N + lane);
}

/* ---- stepping ----------------------------------------------------------------------------------------------- */

void ml3_batch_lanes_reset(ml3_env_batch *b, int k, batch_worker *w, const bool *mask, ml3_real *obs) {
  if (b->handed_out) take_rows(b, k); /* those that are not reset */
  for (int i = 0; i < rows_in(b, k); i++) {
    if (mask && !mask[k * N + i]) continue;
    begin_episode(b, k, i, w);
    write_obs(b->spec, &b->blocks[k], i, obs + (size_t)(k * N + i) * (size_t)b->spec->obs_dim);
    tell(b, &b->now, k, i, w);
  }
  if (b->handed_out) put_rows(b, k);
}

/* Actions into lanes, 0 for those that cannot be taken: bad[i] then, and the first such lane is returned; -1: none.
   Of rows that begin an episode in this step, [rows] `ended`, they do not matter. */
static int read_actions(const ml3_env_spec *spec, batch_block *s, int rows, const ml3_real *actions, const bool *ended,
                        bool *bad) {
  const int m = spec->action_dim;
  double sum = 0;
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < m; k++) {
      s->action[k * N + i] = (double)actions[i * m + k];
      sum += 0 * s->action[k * N + i]; /* NAN as soon as one is no number */
    }
  for (int i = 0; i < rows && spec->choices; i++) sum += !ml3_env_takes(spec, s->action[i]);
  if (sum == 0) return -1;

  int first = -1;
  for (int i = rows - 1; i >= 0; i--) {
    bad[i] = false;
    for (int k = 0; k < m; k++) bad[i] = bad[i] || !ml3_env_takes(spec, s->action[k * N + i]);
    for (int k = 0; k < m && bad[i]; k++) s->action[k * N + i] = 0;
    bad[i] = bad[i] && !ended[i];
    if (bad[i]) first = i;
  }
  return first;
}

/* One step of all lanes; those with a bad action get back what they had. */
static void step_all(const ml3_env_spec *spec, batch_block *s, int rows, const bool *bad) {
  const ml3_env_lanes lanes = {spec->obs_dim, s->task, s->action, s->state, s->obs, s->reward, s->terminated};
  memset(s->terminated, 0, sizeof s->terminated);
  if (!bad) {
    spec->step_lanes(&lanes);
    for (int i = 0; i < N; i++) s->steps[i]++;
    return;
  }
  double state[spec->state_dim * N], obs[spec->obs_dim * N];
  memcpy(state, s->state, sizeof state);
  memcpy(obs, s->obs, sizeof obs);
  spec->step_lanes(&lanes);
  for (int i = 0; i < rows; i++) {
    s->steps[i] += !bad[i];
    if (!bad[i]) continue;
    for (int k = 0; k < spec->state_dim; k++) s->state[k * N + i] = state[k * N + i];
    for (int k = 0; k < spec->obs_dim; k++) s->obs[k * N + i] = obs[k * N + i];
    s->reward[i] = NAN;
    s->terminated[i] = false;
  }
}

/* Rows that ended in the step before begin their next episode in this one. */
static void begin_in_step(ml3_env_batch *b, int k, batch_worker *w) {
  batch_block *s = &b->blocks[k];
  for (int i = 0; i < rows_in(b, k); i++) {
    if (!b->ended[k * N + i]) continue;
    s->reward[i] = 0;
    s->terminated[i] = false;
    begin_episode(b, k, i, w);
  }
}

/* The episode of the row in that lane is over. */
static void end_episode(ml3_env_batch *b, int k, int lane, batch_worker *w, ml3_real *final_obs) {
  const int row = k * N + lane;
  if (final_obs) write_obs(b->spec, &b->blocks[k], lane, final_obs + (size_t)row * (size_t)b->spec->obs_dim);
  tell(b, &b->final, k, lane, w);
  b->ended[row] = b->autoreset == ML3_AUTORESET_NEXT_STEP;
  if (b->autoreset == ML3_AUTORESET_SAME_STEP) begin_episode(b, k, lane, w);
}

static void tell_all(const ml3_env_batch *b, int k, const double *rewards, batch_worker *w) {
  for (int i = 0; i < rows_in(b, k); i++) {
    if (b->now.reward) b->now.reward[k * N + i] = rewards[i];
    tell(b, &b->now, k, i, w);
  }
}

int ml3_batch_lanes_step(ml3_env_batch *b, int k, batch_worker *w, const batch_step *to) {
  const ml3_env_spec *spec = b->spec;
  const int rows = rows_in(b, k), first = k * N, n = spec->obs_dim, horizon = b->horizon;
  batch_block *s = &b->blocks[k];
  bool bad[N];
  if (b->handed_out) take_rows(b, k);
  int failed =
      read_actions(spec, s, rows, to->actions + (size_t)first * (size_t)spec->action_dim, b->ended + first, bad);
  step_all(spec, s, rows, failed >= 0 ? bad : NULL);

  if (b->autoreset == ML3_AUTORESET_NEXT_STEP) begin_in_step(b, k, w);

  for (int i = 0; i < rows; i++) {
    const int row = first + i;
    to->rewards[row] = (ml3_real)s->reward[i];
    to->terminated[row] = s->terminated[i];
    to->truncated[row] = s->steps[i] >= horizon;
    if (to->terminated[row] || to->truncated[row]) end_episode(b, k, i, w, to->final_obs);
    write_obs(spec, s, i, to->obs + (size_t)row * (size_t)n);
  }
  if (b->watched) tell_all(b, k, s->reward, w);
  for (int i = 0; failed >= 0 && i < rows; i++)
    if (bad[i]) b->failed_at[first + i] = s->steps[i];
  if (b->handed_out) put_rows(b, k);
  return failed >= 0 ? first + failed : -1;
}

/* ---- full states ---------------------------------------------------------------------------------------------------- */

void ml3_batch_lanes_get_full(ml3_env_batch *b, int i, batch_worker *w, double *full) {
  const int k = i / N;
  if (b->envs[i]) {
    ml3_env_get_full(b->envs[i], full);
    return;
  }
  put_row(b->spec, &b->blocks[k], i % N, w->env);
  ml3_env_get_full(w->env, full);
}

void ml3_batch_lanes_set_full(ml3_env_batch *b, int i, batch_worker *w, const double *full) {
  batch_block *s = &b->blocks[i / N];
  ml3_env_set_full(w->env, full);
  copy_in(b->spec, s, i % N, w);
  s->steps[i % N] = w->env->steps;
  if (b->envs[i]) put_row(b->spec, s, i % N, b->envs[i]);
}
