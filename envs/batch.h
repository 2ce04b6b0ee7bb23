/* N environments stepped together: observations land in one contiguous [N][obs_dim] array, so that a
   policy is one matrix product. Bits do not depend on the number of threads. In a child of fork() whose parent had
   threads one steps them all, since OpenMP's are not copied. */
#ifndef ML3_ENVS_BATCH_H
#define ML3_ENVS_BATCH_H

#include "base/real.h"
#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_env_batch ml3_env_batch; /* many simulations, stepped together */

/* When a row begins its next episode; Gymnasium's AutoresetMode. */
typedef enum ml3_autoreset {
  ML3_AUTORESET_SAME_STEP, /* in the step that ended it: the default */
  ML3_AUTORESET_NEXT_STEP, /* in the step after, which ignores the action; its reward is 0, it ends nothing */
  ML3_AUTORESET_DISABLED   /* in ml3_env_batch_reset_rows alone; a row that ended can be stepped on */
} ml3_autoreset;

/* What can be reported of all rows besides their observations, in double precision. Each may be NULL. */
typedef struct ml3_env_batch_infos {
  double *reward;   /* [count], of the last step; not of a reset */
  double *state;    /* [count][state_dim] */
  double *task;     /* [count][task_dim] */
  double *distance; /* [count], to the goal */
  bool *success;    /* [count], is the goal reached */
} ml3_env_batch_infos;

/* count environments of that spec; `threads` <= 0 means all cores, or OMP_NUM_THREADS; it takes fewer where a step of all is
   too short for them (formulas). Environment i draws from the
   stream (seed, ML3_PURPOSE_RESET, i, episode). sample_tasks: a new task from the ranges each episode, else the
   default task. */
ml3_env_batch *ml3_env_batch_new(const ml3_env_spec *spec, int count, int threads, uint64_t seed, bool sample_tasks,
                                 ml3_error *error);
void ml3_env_batch_free(ml3_env_batch *batch);

/* ---- settings, between steps --------------------------------------------------------------------------------- */

/* What becomes of an environment that has ended; ML3_AUTORESET_SAME_STEP at first. */
void ml3_env_batch_set_autoreset(ml3_env_batch *batch, ml3_autoreset mode);
void ml3_env_batch_set_horizon(ml3_env_batch *batch, int steps); /* until truncation; less than 1: the spec's */

/* Row i's next episodes come from the streams (seed, ML3_PURPOSE_RESET, stream, 0), then 1 ...: with stream i as in a new
   batch of that seed, with 0 as in python/'s single environment of that seed. */
void ml3_env_batch_seed_row(ml3_env_batch *batch, int i, uint64_t seed, uint32_t stream);

/* From now on each reset and step writes the rows it touches into `now`, as they are afterwards, and a step writes those
   that end in it into `final`, as they ended. The arrays are the caller's; both may be NULL: nothing is written. */
void ml3_env_batch_watch(ml3_env_batch *batch, const ml3_env_batch_infos *now, const ml3_env_batch_infos *final);

/* ---- episodes ------------------------------------------------------------------------------------------------ */

/* Begins the next episode of all; obs[count][obs_dim]. */
void ml3_env_batch_reset(ml3_env_batch *batch, ml3_real *obs);

/* The same of the rows in mask[count] (NULL: all), in tasks[count][task_dim] (NULL: as usual); a NAN there leaves that
   parameter as usual. Other rows of obs are not written. */
void ml3_env_batch_reset_rows(ml3_env_batch *batch, const bool *mask, const double *tasks, ml3_real *obs);

/* Steps all with actions[count][action_dim]. An environment that ended is reset at once (or as ml3_env_batch_set_autoreset
   says): obs then holds the first observation of the new episode and final_obs (may be NULL) the last one of the old.
   rewards[count], terminated[count], truncated[count]. No allocation.

   A row whose action is no finite number stays as it was, with reward NAN; one whose simulation diverged is terminated
   and reset. All others are stepped all the same, and ML3_ERR_NUMERIC is returned with a sentence that names the
   environment, the first such row, its step and action. Rows that lost contacts are counted: ml3_env_batch_warnings. */
int ml3_env_batch_step(ml3_env_batch *batch, const ml3_real *actions, ml3_real *obs, ml3_real *rewards,
                       bool *terminated, bool *truncated, ml3_real *final_obs, ml3_error *error);

/* What all rows were warned of since the batch was made. */
void ml3_env_batch_warnings(const ml3_env_batch *batch, ml3_env_warnings *sum);

/* Row i as an instance, which belongs to the batch: it shows the row between steps, and the batch goes on from what is
   done to it (reset, set_state, set_full). NULL when there is no such row or no memory. The first time makes the row a
   little slower for good. */
ml3_env *ml3_env_batch_at(ml3_env_batch *batch, int i);

/* All that going on with the same bits needs, streams and step counts included: full[count][ml3_env_batch_full_dim]; fits
   every batch of the same spec and count. Autoreset, horizon and what is watched are settings, and not in it. */
int ml3_env_batch_full_dim(const ml3_env_batch *batch);
void ml3_env_batch_get_full(ml3_env_batch *batch, double *full);
void ml3_env_batch_set_full(ml3_env_batch *batch, const double *full);

#ifdef __cplusplus
}
#endif

#endif
