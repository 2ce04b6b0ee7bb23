/* Internal: what a batch is made of. batch.c makes it and hands out work; batch_rows.c steps rows that are instances,
   batch_lanes.c rows that are lanes. */
#ifndef ML3_ENVS_BATCH_INTERNAL_H
#define ML3_ENVS_BATCH_INTERNAL_H

#include "envs/batch.h"
#include "envs/lanes.h"

/* One thread's: an instance to work in, and room for one row's numbers. */
typedef struct batch_worker {
  ml3_env *env;
  double *obs, *action, *task;
} batch_worker;

/* ML3_LANES_COUNT rows of an environment with step_lanes. */
typedef struct batch_block {
  double *task, *action, *state, *obs, *reward; /* [their dim][lanes] */
  bool terminated[ML3_LANES_COUNT];
  int steps[ML3_LANES_COUNT];
} batch_block;

struct ml3_env_batch {
  const ml3_env_spec *spec;
  int count, threads;
  uint64_t seed;
  bool sample_tasks;
  uint32_t *episodes;    /* [count], episodes begun */
  batch_worker *workers; /* [threads] */
  ml3_env **envs;        /* [count]: the rows; with lanes, those that ml3_env_batch_at has handed out, else NULL */

  int *failed_at; /* [count], of the rows whose last step failed: which step of the episode it was */

  bool *borrows; /* [count], rows that work in their worker's memory and live in `full` meanwhile; NULL: none does */
  double *full;  /* [count][full_dim], without steps and task */
  int full_dim;

  batch_block *blocks; /* [block_count]; none without lanes */
  double *lanes;       /* all their numbers */
  int block_count;
  bool handed_out; /* some row, by ml3_env_batch_at */
};

/* Where a step's results go; see ml3_env_batch_step. */
typedef struct batch_step {
  const ml3_real *actions;
  ml3_real *obs, *rewards, *final_obs;
  bool *terminated, *truncated;
} batch_step;

/* The next episode's task and stream of row i: task is drawn into the worker's room. NULL: the default task. */
const double *ml3_batch_next_task(ml3_env_batch *b, int i, batch_worker *w, ml3_random *random);

/* The worker's observation as row i of out. */
void ml3_batch_write_obs(const ml3_env_batch *b, int i, const batch_worker *w, ml3_real *out);

/* Rows that are instances; step returns false where it failed. */
int ml3_batch_rows_open(ml3_env_batch *b, ml3_error *error);
void ml3_batch_rows_reset(ml3_env_batch *b, int i, batch_worker *w, ml3_real *obs);
bool ml3_batch_rows_step(ml3_env_batch *b, int i, batch_worker *w, const batch_step *to);
ml3_env *ml3_batch_rows_at(ml3_env_batch *b, int i);

/* Rows that are lanes, block k; step returns the first row that failed, or -1. */
int ml3_batch_lanes_open(ml3_env_batch *b, ml3_error *error);
void ml3_batch_lanes_reset(ml3_env_batch *b, int k, batch_worker *w, ml3_real *obs);
int ml3_batch_lanes_step(ml3_env_batch *b, int k, batch_worker *w, const batch_step *to);
ml3_env *ml3_batch_lanes_at(ml3_env_batch *b, int i);

#endif
