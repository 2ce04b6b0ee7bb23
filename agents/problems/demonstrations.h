/* An expert's episodes, as extra information while meta-training: tasks with observations and actions along a path. */
#ifndef ML3_AGENTS_DEMONSTRATIONS_H
#define ML3_AGENTS_DEMONSTRATIONS_H

#include <stdint.h>

#include "agents/problems/expert.h"
#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An expert's episodes. */
typedef struct ml3_demonstrations {
  const ml3_env_spec *env;
  int count, steps;      /* episodes, and room for that many steps in each */
  int *length;           /* [count], steps of each; rows beyond are 0 and count for nothing */
  double *task;          /* [count][task_dim] */
  double *obs;           /* [count][steps][obs_dim] */
  double *action;        /* [count][steps][action_dim] */
  double episode_return; /* their mean */
} ml3_demonstrations;

/* Room for them, each of all `steps`. Freed by ml3_demonstrations_free. */
ml3_demonstrations *ml3_demonstrations_new(const ml3_env_spec *env, int count, int steps, ml3_error *error);
void ml3_demonstrations_free(ml3_demonstrations *demonstrations);

/* sqrt(steps / length) for each of episode number i's steps and 0 for the rest: times an error, so that the mean of squares over
   all rows is that over the episode's own. weights[steps]; all 0 where i is -1. */
void ml3_demonstrations_weigh(const ml3_demonstrations *demonstrations, int i, ml3_real *weights);

/* Plans by iLQR in the simulator, from zero controls: for `count` tasks drawn from the streams (seed, INIT, task, 2), the goal
   tracked where that is a state (1/2 |s - goal|^2 a step with velocities weighted 0.05, and 1e-3/2 |u|^2), else the environment's
   reward. Planned on `threads` (0: all cores, or OMP_NUM_THREADS); the bits do not depend on it. observe may be NULL: called before
   a plan, between its iterations and after it, one call at a time, with how many plans are done; a non-zero answer stops with
   ML3_ERR_INTERRUPTED. */
ml3_demonstrations *ml3_demonstrations_plan(const ml3_env_spec *env, int count, int steps, uint64_t seed, int threads,
                                            int (*observe)(void *user, int planned), void *user, ml3_error *error);

/* What the expert's mean does in `count` tasks, drawn as above. */
ml3_demonstrations *ml3_demonstrations_show(const ml3_env_spec *env, const ml3_expert *expert, int count, int steps,
                                            uint64_t seed, ml3_error *error);

/* From a data set (envs/dataset.h) of that environment: its first `count` episodes, or all (0), the first `steps` steps of each. A
   shorter one must have come to its end: the environment ended it, or the goal was reached. Task parameters that env does not draw
   must have its values. */
ml3_demonstrations *ml3_demonstrations_read(const ml3_env_spec *env, const char *path, int count, int steps,
                                            ml3_error *error);

/* Into a checkpoint, as problem.demonstration_*, and back into one of the same tasks, episodes and steps. */
int ml3_demonstrations_put(const ml3_demonstrations *demonstrations, ml3_nn_tensors *file, ml3_error *error);
int ml3_demonstrations_get(ml3_demonstrations *demonstrations, const ml3_nn_tensors *file, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
