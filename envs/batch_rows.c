/* Rows that are instances. A simulation's working memory is some ten thousand numbers, its state some ten: rows keep their
   state alone and work in their thread's memory, which so stays in the processor's cache. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/batch_internal.h"

static double *kept_of(const ml3_env_batch *b, int i) {
  return b->kept + (size_t)i * (size_t)b->kept_dim;
}

static bool is_guest(const ml3_env_batch *b, int i) {
  return b->borrows && b->borrows[i];
}

int ml3_batch_rows_open(ml3_env_batch *b, ml3_error *error) {
  const ml3_env_spec *spec = b->spec;
  if (spec->borrow && spec->load) {
    b->kept_dim = spec->kept_dim(b->workers[0].env);
    b->kept = calloc((size_t)b->count * (size_t)b->kept_dim, sizeof *b->kept);
    b->borrows = calloc((size_t)b->count, sizeof *b->borrows);
    if (!b->kept || !b->borrows)
      return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a batch of '%s'", spec->name);
  }
  for (int i = 0; i < b->count; i++) {
    b->envs[i] = ml3_env_new(spec, error);
    if (!b->envs[i]) return ML3_ERR_MEMORY;
    if (!b->borrows) continue;
    spec->keep(b->envs[i], kept_of(b, i));
    b->borrows[i] = spec->borrow(b->envs[i], b->workers[0].env, NULL) == ML3_OK;
  }
  return ML3_OK;
}

/* Row i, ready in the worker's memory. */
static ml3_env *enter(ml3_env_batch *b, int i, batch_worker *w) {
  if (is_guest(b, i)) {
    b->spec->borrow(b->envs[i], w->env, NULL);
    b->spec->load(b->envs[i], kept_of(b, i));
  }
  return b->envs[i];
}

static void leave(ml3_env_batch *b, int i) {
  if (is_guest(b, i)) b->spec->keep(b->envs[i], kept_of(b, i));
}

static void observe(ml3_env_batch *b, int i, batch_worker *w, ml3_real *out) {
  ml3_env_observe(b->envs[i], w->obs);
  ml3_batch_write_obs(b, i, w, out);
}

static void begin_episode(ml3_env_batch *b, int i, batch_worker *w) {
  ml3_random random;
  const double *task = ml3_batch_next_task(b, i, w, &random);
  ml3_env_reset(b->envs[i], task, &random);
}

void ml3_batch_rows_reset(ml3_env_batch *b, int i, batch_worker *w, ml3_real *obs) {
  enter(b, i, w);
  begin_episode(b, i, w);
  observe(b, i, w, obs);
  if (b->watched) ml3_batch_tell(&b->now, b->envs[i], i);
  leave(b, i);
}

/* The episode is over. */
static void end_episode(ml3_env_batch *b, int i, batch_worker *w, const batch_step *to) {
  if (to->final_obs) observe(b, i, w, to->final_obs);
  if (b->watched) ml3_batch_tell(&b->final, b->envs[i], i);
  b->ended[i] = b->autoreset == ML3_AUTORESET_NEXT_STEP;
  if (b->autoreset == ML3_AUTORESET_SAME_STEP) begin_episode(b, i, w);
}

/* It ended in the step before: this one begins the next. */
static bool begin_in_step(ml3_env_batch *b, int i, batch_worker *w, const batch_step *to) {
  to->rewards[i] = 0;
  if (b->now.reward) b->now.reward[i] = 0;
  to->terminated[i] = to->truncated[i] = false;
  ml3_batch_rows_reset(b, i, w, to->obs);
  return true;
}

static void tell(const ml3_env_batch *b, int i, double reward) {
  if (b->now.reward) b->now.reward[i] = reward;
  ml3_batch_tell(&b->now, b->envs[i], i);
}

void ml3_batch_rows_send(ml3_env_batch *b, const ml3_real *actions) {
  const int n = b->spec->action_dim;
  double *action = b->workers[0].action;
  for (int i = 0; i < b->count; i++) {
    if (b->autoreset == ML3_AUTORESET_NEXT_STEP && b->ended[i]) continue;
    for (int k = 0; k < n; k++) action[k] = (double)actions[(size_t)i * (size_t)n + (size_t)k];
    ml3_env_send(b->envs[i], action);
  }
}

bool ml3_batch_rows_step(ml3_env_batch *b, int i, batch_worker *w, const batch_step *to) {
  const int n = b->spec->action_dim;
  if (b->autoreset == ML3_AUTORESET_NEXT_STEP && b->ended[i]) return begin_in_step(b, i, w, to);
  for (int k = 0; k < n; k++) w->action[k] = (double)to->actions[(size_t)i * (size_t)n + (size_t)k];

  ml3_env *env = enter(b, i, w);
  int step = env->steps;
  ml3_env_result result = ml3_env_step(env, w->action);
  to->rewards[i] = (ml3_real)result.reward;
  to->terminated[i] = result.terminated;
  to->truncated[i] = env->steps >= b->horizon || (result.truncated && env->steps < b->spec->horizon);
  if (result.code < 0) b->failed_at[i] = step;
  if (to->terminated[i] || to->truncated[i]) end_episode(b, i, w, to);
  observe(b, i, w, to->obs);
  if (b->watched) tell(b, i, result.reward);
  leave(b, i);
  return result.code >= 0;
}

/* From now on the row has memory of its own. */
ml3_env *ml3_batch_rows_at(ml3_env_batch *b, int i) {
  ml3_env *env = b->envs[i];
  if (!is_guest(b, i)) return env;
  if (b->spec->borrow(env, NULL, NULL) != ML3_OK) return NULL;
  double full[b->spec->full_dim(env)];
  b->spec->load(env, kept_of(b, i));
  b->spec->get_full(env, full);
  b->spec->set_full(env, full); /* the places of bodies too */
  b->borrows[i] = false;
  return env;
}

void ml3_batch_rows_get_full(ml3_env_batch *b, int i, batch_worker *w, double *full) {
  ml3_env_get_full(enter(b, i, w), full);
}

void ml3_batch_rows_set_full(ml3_env_batch *b, int i, batch_worker *w, const double *full) {
  if (is_guest(b, i)) b->spec->borrow(b->envs[i], w->env, NULL);
  ml3_env_set_full(b->envs[i], full);
  leave(b, i);
}
