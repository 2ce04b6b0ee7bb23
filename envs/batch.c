/* A batch: rows (or blocks of lanes) shared out over OpenMP threads. A row touches only its own numbers and its thread's
   worker, so the bits do not depend on who steps it. */
#include "envs/batch.h"

#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "envs/batch_internal.h"

/* ---- making ----------------------------------------------------------------------------------------------- */

/* Workers' rooms end on a cache line of their own, so that threads do not wait for each other. */
static double *room(int numbers) {
  size_t lines = ((size_t)numbers * sizeof(double) + 63) / 64 + 1;
  double *x = aligned_alloc(64, lines * 64);
  if (x) memset(x, 0, lines * 64);
  return x;
}

static int no_memory(const ml3_env_batch *b, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a batch of %d environments '%s'", b->count, b->spec->name);
}

static int open_workers(ml3_env_batch *b, ml3_error *error) {
  b->workers = calloc((size_t)b->threads, sizeof *b->workers);
  if (!b->workers) return no_memory(b, error);
  for (int i = 0; i < b->threads; i++) {
    batch_worker *w = &b->workers[i];
    *w = (batch_worker){
        .obs = room(b->spec->obs_dim), .action = room(b->spec->action_dim), .task = room(b->spec->task_dim)};
    if (!w->obs || !w->action || !w->task) return no_memory(b, error);
    w->env = ml3_env_new(b->spec, error);
    if (!w->env) return ML3_ERR_MEMORY;
  }
  return ML3_OK;
}

/* Threads have to find each other in every step, which takes some microseconds, and longer where others want the cores: each is to
   have something to do. */
static int threads_worth(const ml3_env_spec *spec, int count) {
  static const double WORTH_NS = 1e5;
  const double worth = spec->step_ns > 0 ? spec->step_ns * count / WORTH_NS : count;
  return worth < 1 ? 1 : worth < count ? (int)worth : count;
}

static int open_batch(ml3_env_batch *b, ml3_error *error) {
  b->streams = calloc((size_t)b->count, sizeof *b->streams);
  b->ended = calloc((size_t)b->count, sizeof *b->ended);
  b->envs = calloc((size_t)b->count, sizeof *b->envs);
  b->failed_at = calloc((size_t)b->count, sizeof *b->failed_at);
  if (!b->streams || !b->ended || !b->envs || !b->failed_at) return no_memory(b, error);
  int code = open_workers(b, error);
  if (code != ML3_OK) return code;
  return b->spec->step_lanes ? ml3_batch_lanes_open(b, error) : ml3_batch_rows_open(b, error);
}

ml3_env_batch *ml3_env_batch_new(const ml3_env_spec *spec, int count, int threads, uint64_t seed, bool sample_tasks,
                                 ml3_error *error) {
  if (count < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a batch of %d environments was asked for; it needs at least 1", count);
    return NULL;
  }
  ml3_env_batch *b = calloc(1, sizeof *b);
  if (!b) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a batch of %d environments '%s'", count, spec->name);
    return NULL;
  }
  *b = (ml3_env_batch){.spec = spec, .count = count, .horizon = spec->horizon, .sample_tasks = sample_tasks};
  b->threads = ml3_threads(ml3_env_threads(spec, threads));
  if (b->threads > threads_worth(spec, count)) b->threads = threads_worth(spec, count);
  if (spec->send) b->threads = 1; /* others do the work */
  if (open_batch(b, error) != ML3_OK) {
    ml3_env_batch_free(b);
    return NULL;
  }
  for (int i = 0; i < count; i++) ml3_env_batch_seed_row(b, i, seed, (uint32_t)i);
  return b;
}

void ml3_env_batch_free(ml3_env_batch *b) {
  if (!b) return;
  for (int i = 0; b->envs && i < b->count; i++) ml3_env_free(b->envs[i]);
  for (int i = 0; b->workers && i < b->threads; i++) { /* after the rows, which borrow from them */
    ml3_env_free(b->workers[i].env);
    free(b->workers[i].obs);
    free(b->workers[i].action);
    free(b->workers[i].task);
  }
  free(b->workers);
  free(b->envs);
  free(b->streams);
  free(b->ended);
  free(b->failed_at);
  free(b->borrows);
  free(b->kept);
  free(b->blocks);
  free(b->lanes);
  free(b);
}

/* ---- settings --------------------------------------------------------------------------------------------------- */

void ml3_env_batch_set_autoreset(ml3_env_batch *b, ml3_autoreset mode) {
  b->autoreset = mode;
}

void ml3_env_batch_set_horizon(ml3_env_batch *b, int steps) {
  b->horizon = steps > 0 ? steps : b->spec->horizon;
}

void ml3_env_batch_seed_row(ml3_env_batch *b, int i, uint64_t seed, uint32_t stream) {
  if (i >= 0 && i < b->count) b->streams[i] = (batch_stream){.seed = seed, .number = stream};
}

void ml3_env_batch_watch(ml3_env_batch *b, const ml3_env_batch_infos *now, const ml3_env_batch_infos *final) {
  static const ml3_env_batch_infos nothing;
  b->now = now ? *now : nothing;
  b->final = final ? *final : nothing;
  b->watched = now || final;
}

/* ---- shared by rows and lanes ----------------------------------------------------------------------------- */

const double *ml3_batch_next_task(ml3_env_batch *b, int i, batch_worker *w, ml3_random *random) {
  const int n = b->spec->task_dim;
  batch_stream *stream = &b->streams[i];
  *random = ml3_random_stream(stream->seed, ML3_PURPOSE_RESET, stream->number, stream->episode++);
  b->ended[i] = false;
  if (b->sample_tasks)
    ml3_env_sample_task(b->spec, random, w->task);
  else if (!b->tasks)
    return NULL;
  else
    ml3_env_default_task(b->spec, w->task);
  for (int k = 0; b->tasks && k < n; k++) {
    const double given = b->tasks[(size_t)i * (size_t)n + (size_t)k];
    if (!isnan(given)) w->task[k] = given;
  }
  return w->task;
}

void ml3_batch_tell(const ml3_env_batch_infos *to, const ml3_env *env, int i) {
  const size_t row = (size_t)i, states = (size_t)env->spec->state_dim, tasks = (size_t)env->spec->task_dim;
  if (to->state) ml3_env_get_state(env, to->state + row * states);
  if (to->task) memcpy(to->task + row * tasks, env->task, tasks * sizeof *env->task);
  if (to->distance) to->distance[row] = ml3_env_distance(env);
  if (to->success) to->success[row] = ml3_env_success(env);
}

void ml3_batch_write_obs(const ml3_env_batch *b, int i, const batch_worker *w, ml3_real *out) {
  int n = b->spec->obs_dim;
  ml3_real *row = out + (size_t)i * (size_t)n;
  for (int k = 0; k < n; k++) row[k] = (ml3_real)w->obs[k];
}

/* ---- resetting and stepping --------------------------------------------------------------------------------- */

void ml3_env_batch_reset(ml3_env_batch *b, ml3_real *obs) {
  ml3_env_batch_reset_rows(b, NULL, NULL, obs);
}

void ml3_env_batch_reset_rows(ml3_env_batch *b, const bool *mask, const double *tasks, ml3_real *obs) {
  const int work = b->blocks ? b->block_count : b->count;
  b->tasks = tasks;
#pragma omp parallel for num_threads(ml3_threads(b->threads)) schedule(static)
  for (int i = 0; i < work; i++) {
    batch_worker *w = &b->workers[omp_get_thread_num()];
    if (b->blocks)
      ml3_batch_lanes_reset(b, i, w, mask, obs);
    else if (!mask || mask[i])
      ml3_batch_rows_reset(b, i, w, obs);
  }
  b->tasks = NULL;
}

/* The sentence for the first row that failed. */
static int report(const ml3_env_batch *b, int row, const ml3_real *actions, ml3_error *error) {
  const int n = b->spec->action_dim;
  double action[n];
  char what[160];
  for (int k = 0; k < n; k++) action[k] = (double)actions[(size_t)row * (size_t)n + (size_t)k];
  snprintf(what, sizeof what, "environment '%.100s', row %d of the batch", b->spec->name, row);
  return ml3_env_step_error(b->spec, what, b->failed_at[row], action,
                            b->envs[row] ? b->envs[row]->warnings.failure : NULL, error);
}

int ml3_env_batch_step(ml3_env_batch *b, const ml3_real *actions, ml3_real *obs, ml3_real *rewards, bool *terminated,
                       bool *truncated, ml3_real *final_obs, ml3_error *error) {
  const batch_step to = {actions, obs, rewards, final_obs, terminated, truncated};
  const int work = b->blocks ? b->block_count : b->count;
  int failed = INT_MAX;
  if (b->spec->send) ml3_batch_rows_send(b, actions);

#pragma omp parallel for num_threads(ml3_threads(b->threads)) schedule(static) reduction(min : failed)
  for (int i = 0; i < work; i++) {
    batch_worker *w = &b->workers[omp_get_thread_num()];
    int bad = b->blocks ? ml3_batch_lanes_step(b, i, w, &to) : ml3_batch_rows_step(b, i, w, &to) ? -1 : i;
    if (bad >= 0 && bad < failed) failed = bad;
  }
  return failed == INT_MAX ? ML3_OK : report(b, failed, actions, error);
}

void ml3_env_batch_warnings(const ml3_env_batch *b, ml3_env_warnings *sum) {
  *sum = (ml3_env_warnings){0};
  for (int i = 0; i < b->count; i++)
    if (b->envs[i]) ml3_env_warnings_add(sum, &b->envs[i]->warnings);
}

ml3_env *ml3_env_batch_at(ml3_env_batch *b, int i) {
  if (i < 0 || i >= b->count) return NULL;
  return b->blocks ? ml3_batch_lanes_at(b, i) : ml3_batch_rows_at(b, i);
}

/* ---- full states: the row's stream, whether it ended, and its environment's own ------------------------------------------ */

enum { STREAM_DIM = 5 }; /* a seed is two numbers: a double holds whole ones up to 2^53 */

int ml3_env_batch_full_dim(const ml3_env_batch *b) {
  return STREAM_DIM + ml3_env_full_dim(b->workers[0].env);
}

void ml3_env_batch_get_full(ml3_env_batch *b, double *full) {
  const int dim = ml3_env_batch_full_dim(b);
  for (int i = 0; i < b->count; i++, full += dim) {
    const batch_stream *s = &b->streams[i];
    full[0] = (double)(s->seed >> 32);
    full[1] = (double)(s->seed & UINT32_MAX);
    full[2] = s->number;
    full[3] = s->episode;
    full[4] = b->ended[i];
    if (b->blocks)
      ml3_batch_lanes_get_full(b, i, &b->workers[0], full + STREAM_DIM);
    else
      ml3_batch_rows_get_full(b, i, &b->workers[0], full + STREAM_DIM);
  }
}

void ml3_env_batch_set_full(ml3_env_batch *b, const double *full) {
  const int dim = ml3_env_batch_full_dim(b);
  for (int i = 0; i < b->count; i++, full += dim) {
    b->streams[i] = (batch_stream){(uint64_t)full[0] << 32 | (uint64_t)full[1], (uint32_t)full[2], (uint32_t)full[3]};
    b->ended[i] = full[4] != 0;
    if (b->blocks)
      ml3_batch_lanes_set_full(b, i, &b->workers[0], full + STREAM_DIM);
    else
      ml3_batch_rows_set_full(b, i, &b->workers[0], full + STREAM_DIM);
  }
}
