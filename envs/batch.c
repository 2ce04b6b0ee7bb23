/* A batch: one environment a row, rows shared out over OpenMP threads. A row touches only its own
   environment and its own stretch of every array, so the bits do not depend on who steps it. */
#include "envs/batch.h"

#include <omp.h>
#include <stdlib.h>

struct ml3_env_batch {
  const ml3_env_spec *spec;
  int count, threads;
  uint64_t seed;
  bool sample_tasks;
  ml3_env **envs;     /* [count] */
  uint32_t *episodes; /* [count], episodes begun */
  double *obs;        /* [count][obs_dim], in the environments' precision */
  double *actions;    /* [count][action_dim] */
  double *tasks;      /* [count][task_dim] */
};

static bool allocate(ml3_env_batch *b) {
  const ml3_env_spec *spec = b->spec;
  size_t n = (size_t)b->count;
  b->envs = calloc(n, sizeof(ml3_env *));
  b->episodes = calloc(n, sizeof(uint32_t));
  b->obs = calloc(n * (size_t)spec->obs_dim, sizeof(double));
  b->actions = calloc(n * (size_t)spec->action_dim, sizeof(double));
  b->tasks = calloc(n * (size_t)spec->task_dim + 1, sizeof(double));
  return b->envs && b->episodes && b->obs && b->actions && b->tasks;
}

ml3_env_batch *ml3_env_batch_new(const ml3_env_spec *spec, int count, int threads, uint64_t seed, bool sample_tasks,
                                 ml3_error *error) {
  if (count < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a batch of %d environments was asked for; it needs at least 1", count);
    return NULL;
  }

  ml3_env_batch *b = calloc(1, sizeof *b);
  if (b) {
    *b = (ml3_env_batch){.spec = spec, .count = count, .seed = seed, .sample_tasks = sample_tasks};
    b->threads = threads > 0 ? threads : omp_get_num_procs();
    if (b->threads > count) b->threads = count;
  }
  if (!b || !allocate(b)) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a batch of %d environments '%s'", count, spec->name);
    ml3_env_batch_free(b);
    return NULL;
  }

  for (int i = 0; i < count; i++) {
    b->envs[i] = ml3_env_new(spec, error);
    if (!b->envs[i]) {
      ml3_env_batch_free(b);
      return NULL;
    }
  }
  return b;
}

void ml3_env_batch_free(ml3_env_batch *b) {
  if (!b) return;
  for (int i = 0; b->envs && i < b->count; i++) ml3_env_free(b->envs[i]);
  free(b->envs);
  free(b->episodes);
  free(b->obs);
  free(b->actions);
  free(b->tasks);
  free(b);
}

/* The observation of row i into out[count][obs_dim]. */
static void observe_row(ml3_env_batch *b, int i, ml3_real *out) {
  int n = b->spec->obs_dim;
  double *row = b->obs + (size_t)i * (size_t)n;
  ml3_env_observe(b->envs[i], row);
  for (int k = 0; k < n; k++) out[(size_t)i * (size_t)n + (size_t)k] = (ml3_real)row[k];
}

/* Begins the next episode of row i. */
static void reset_row(ml3_env_batch *b, int i) {
  ml3_random random = ml3_random_stream(b->seed, ML3_PURPOSE_RESET, (uint32_t)i, b->episodes[i]++);
  double *task = NULL;
  if (b->sample_tasks) {
    task = b->tasks + (size_t)i * (size_t)b->spec->task_dim;
    ml3_env_sample_task(b->spec, &random, task);
  }
  ml3_env_reset(b->envs[i], task, &random);
}

static ml3_env_result step_row(ml3_env_batch *b, int i, const ml3_real *actions) {
  size_t n = (size_t)b->spec->action_dim, at = (size_t)i * n;
  for (size_t k = 0; k < n; k++) b->actions[at + k] = (double)actions[at + k];
  return ml3_env_step(b->envs[i], b->actions + at);
}

void ml3_env_batch_reset(ml3_env_batch *b, ml3_real *obs) {
#pragma omp parallel for num_threads(b->threads) schedule(static)
  for (int i = 0; i < b->count; i++) {
    reset_row(b, i);
    observe_row(b, i, obs);
  }
}

void ml3_env_batch_step(ml3_env_batch *b, const ml3_real *actions, ml3_real *obs, ml3_real *rewards, bool *terminated,
                        bool *truncated, ml3_real *final_obs) {
#pragma omp parallel for num_threads(b->threads) schedule(static)
  for (int i = 0; i < b->count; i++) {
    ml3_env_result result = step_row(b, i, actions);
    rewards[i] = (ml3_real)result.reward;
    terminated[i] = result.terminated;
    truncated[i] = result.truncated;

    if (result.terminated || result.truncated) {
      if (final_obs) observe_row(b, i, final_obs);
      reset_row(b, i);
    }
    observe_row(b, i, obs);
  }
}

ml3_env *ml3_env_batch_at(ml3_env_batch *b, int i) {
  return i >= 0 && i < b->count ? b->envs[i] : NULL;
}
