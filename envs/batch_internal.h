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

/* Where a row's episodes come from, and which one is next. */
typedef struct batch_stream {
  uint64_t seed;
  uint32_t number, episode;
} batch_stream;

struct ml3_env_batch {
  const ml3_env_spec *spec;
  int count, threads;
  int horizon;
  bool sample_tasks;
  ml3_autoreset autoreset;
  batch_stream *streams; /* [count] */
  bool *ended;           /* [count], rows that begin their next episode in the next step */
  const double *tasks;   /* during a reset: [count][task_dim], NAN where nothing is given; or NULL */
  bool watched;          /* something is reported: */
  ml3_env_batch_infos now, final;
  batch_worker *workers; /* [threads] */
  ml3_env **envs;        /* [count]: the rows; with lanes, those that ml3_env_batch_at has handed out, else NULL */

  int *failed_at; /* [count], of the rows whose last step failed: which step of the episode it was */

  bool *borrows; /* [count], rows that work in their worker's memory and are in `kept` meanwhile; NULL: none does */
  double *kept;  /* [count][kept_dim] */
  int kept_dim;

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

/* What is watched of row i, which is in env. */
void ml3_batch_tell(const ml3_env_batch_infos *to, const ml3_env *env, int i);

/* Rows that are instances; step returns false where it failed. */
int ml3_batch_rows_open(ml3_env_batch *b, ml3_error *error);
void ml3_batch_rows_reset(ml3_env_batch *b, int i, batch_worker *w, ml3_real *obs);
void ml3_batch_rows_send(ml3_env_batch *b, const ml3_real *actions); /* begins the steps of all rows elsewhere */
bool ml3_batch_rows_step(ml3_env_batch *b, int i, batch_worker *w, const batch_step *to);
ml3_env *ml3_batch_rows_at(ml3_env_batch *b, int i);
void ml3_batch_rows_get_full(ml3_env_batch *b, int i, batch_worker *w, double *full); /* as ml3_env_get_full has it */
void ml3_batch_rows_set_full(ml3_env_batch *b, int i, batch_worker *w, const double *full);

/* Rows that are lanes, block k; step returns the first row that failed, or -1. */
int ml3_batch_lanes_open(ml3_env_batch *b, ml3_error *error);
void ml3_batch_lanes_reset(ml3_env_batch *b, int k, batch_worker *w, const bool *mask, ml3_real *obs);
int ml3_batch_lanes_step(ml3_env_batch *b, int k, batch_worker *w, const batch_step *to);
ml3_env *ml3_batch_lanes_at(ml3_env_batch *b, int i);
void ml3_batch_lanes_get_full(ml3_env_batch *b, int i, batch_worker *w, double *full);
void ml3_batch_lanes_set_full(ml3_env_batch *b, int i, batch_worker *w, const double *full);

#endif
