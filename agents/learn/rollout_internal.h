/* What rollout.c (collecting) and rollout_checkpoint.c (keeping the environments as they stand) share. Not for users. */
#ifndef ML3_AGENTS_ROLLOUT_INTERNAL_H
#define ML3_AGENTS_ROLLOUT_INTERNAL_H

#include "agents/learn/rollout.h"
#include "nn/program.h"

/* One environment and its present episode. */
typedef struct place {
  ml3_env *env;
  uint32_t episode; /* begun since the sampler's reset */
  int length;
  double episode_return;
  bool passed; /* the goal, so far */
  bool fresh;  /* begun, and not observed yet */
  ml3_random noise;
  bool ended; /* in this step: the next five are of the episode that ended */
  double ended_return, ended_distance;
  int ended_length;
  bool ended_success, ended_passed;
  bool diverged; /* in this step */
  bool broke;    /* diverged at some step of this collection */
} place;

/* The environments and what they are under. */
struct ml3_sampler {
  const ml3_env_spec *spec;
  const ml3_policy *policy;
  int envs, horizon, threads;
  uint64_t key;
  uint32_t collections; /* since the reset */
  bool one_task, one_start;
  bool uniform; /* actions are, instead of the policy's */
  double *task;   /* [task_dim], then start [state_dim] */
  double *obs;    /* [envs][inputs] present observations and goals, not normalised */
  double *action; /* [envs][action_dim] clipped */
  double *tasks;  /* [envs][task_dim] */
  place *places;  /* [envs] */
  ml3_nn_program *program;
  ml3_nn_workspace *work;
  ml3_node in_theta, in_x;
};

/* Observes the episodes that have begun since the last look. A new sampler has not looked: it may be reset before it is used,
   and a reset can be dear. */
void ml3_sampler_look(ml3_sampler *sampler);

#endif
