/* N environments stepped together: observations land in one contiguous [N][obs_dim] array, so that a
   policy is one matrix product. Bits do not depend on the number of threads. */
#ifndef ML3_ENVS_BATCH_H
#define ML3_ENVS_BATCH_H

#include "base/real.h"
#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_env_batch ml3_env_batch; /* many simulations, stepped together */

/* count environments of that spec; `threads` <= 0 means all cores. Environment i draws from the stream
   (seed, ML3_PURPOSE_RESET, i, episode). sample_tasks: a new task from the ranges each episode, else the
   default task. */
ml3_env_batch *ml3_env_batch_new(const ml3_env_spec *spec, int count, int threads, uint64_t seed, bool sample_tasks,
                                 ml3_error *error);
void ml3_env_batch_free(ml3_env_batch *batch);

/* Begins the next episode of all; obs[count][obs_dim]. */
void ml3_env_batch_reset(ml3_env_batch *batch, ml3_real *obs);

/* Steps all with actions[count][action_dim]. An environment that ended is reset at once: obs then holds
   the first observation of the new episode and final_obs (may be NULL) the last one of the old.
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

#ifdef __cplusplus
}
#endif

#endif
