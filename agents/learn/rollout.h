/* Rollouts: N environments of one kind, stepped side by side under one Gaussian policy whose network is one product a
   layer for all of them.

   An environment that ends is reset at once, so that every row of a rollout is of use. One whose simulation diverges (its
   reward or observation is no number) ends too: as a truncated episode that stays where it was before that step, with reward
   0 for it, which rewards and punishes nothing. It is counted apart, and is in none of the means. What is drawn depends on
   (key, environment, episode) and on (key, environment, collection) alone: the same bits on any number of threads. */
#ifndef ML3_AGENTS_ROLLOUT_H
#define ML3_AGENTS_ROLLOUT_H

#include "agents/learn/policy.h"
#include "base/outcome.h"
#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a step ended. */
typedef enum ml3_end { ML3_GOES_ON, ML3_TERMINATED, ML3_TRUNCATED } ml3_end;

/* What rollouts of many environments side by side have seen. */
typedef struct ml3_rollout {
  int envs, steps, inputs, action_dim, state_dim, obs_dim;
  ml3_real *x;        /* [steps][envs][inputs] what the policy saw, normalised */
  ml3_real *action;   /* [steps][envs][action_dim] as drawn; environments got them clipped */
  ml3_real *log_prob; /* [steps][envs]; of a squashed policy's action: of its shares */
  ml3_real *reward;   /* [steps][envs] */
  ml3_real *state;    /* [steps][envs][state_dim] after the step, where they are kept, else NULL */
  ml3_real *mean, *log_std; /* [steps][envs][action_dim] of the policy that drew, where they are kept, else NULL */
  double *obs; /* [steps][envs][obs_dim] as observed before the step, where ml3_rollout_keep_obs says so, else NULL */
  unsigned char *end;    /* [steps][envs] a ml3_end: how the step ended */
  ml3_real *last_x;      /* [envs][inputs] after the last step */
  ml3_real *truncated_x; /* [steps][envs][inputs] the last input of an episode, where `end` says truncated */
  int episodes;          /* that ended in it, and their means; NAN when there were none */
  double episode_return, episode_length, distance;
  double success, passed; /* shares of those at the goal in their last state, and in any */
  int diverged;           /* episodes that ended because the simulation diverged, not among `episodes` */
  int diverged_envs;      /* in how many of the environments */
} ml3_rollout;

/* state_dim 0: states are not kept. Freed by ml3_rollout_free. */
ml3_rollout *ml3_rollout_new(const ml3_policy *policy, int envs, int steps, int state_dim, ml3_error *error);
void ml3_rollout_free(ml3_rollout *rollout);
int ml3_rollout_keep_obs(ml3_rollout *rollout, int obs_dim, ml3_error *error); /* from now on */
int ml3_rollout_keep_policy(ml3_rollout *rollout, ml3_error *error); /* from now on mean and log_std of a Gaussian policy */

typedef struct ml3_sampler ml3_sampler; /* the environments; one a thread that collects */

/* envs environments; episodes are truncated after `horizon` steps (0: the environment's own). `threads` step them. Keeps
   the pointers. The policy's shape is fixed; its normalisation may change between collections. */
ml3_sampler *ml3_sampler_new(const ml3_env_spec *env, const ml3_policy *policy, int envs, int horizon, int threads,
                             ml3_error *error);
void ml3_sampler_free(ml3_sampler *sampler);

/* Begins new episodes everywhere. task NULL: every episode draws its own. task[task_dim]: that one, but parameters whose
   names begin with "start_" are drawn anew for every episode. */
void ml3_sampler_reset(ml3_sampler *sampler, const double *task, uint64_t key);

/* From the next reset on every episode begins in start[state_dim] (copied), whatever the task says; NULL: as it says. */
void ml3_sampler_start_at(ml3_sampler *sampler, const double *start);

/* goal[goal_dim] of a task. Ends the sampler's episodes: reset it before it collects. */
void ml3_sampler_goal(ml3_sampler *sampler, const double *task, double *goal);

/* From now on actions are uniform within their bounds, or the policy's again. */
void ml3_sampler_explore(ml3_sampler *sampler, bool uniform);

/* Goes on for rollout->steps steps. Where normalizer is not NULL it sees every input first, and the policy, which must be
   the one of the sampler, takes its normalisation from it. No allocation. */
int ml3_sampler_collect(ml3_sampler *sampler, const ml3_real *theta, ml3_normalizer *normalizer, ml3_policy *policy,
                        ml3_rollout *rollout, ml3_error *error);

/* Every environment as it stands between two collections, into a file and back into a sampler of the same kind: it then goes
   on with the same bits. */
int ml3_sampler_put(const ml3_sampler *sampler, ml3_nn_tensors *file, ml3_error *error);
int ml3_sampler_get(ml3_sampler *sampler, const ml3_nn_tensors *file, ml3_error *error);

/* Draws those parameters of the task that begin with "start_". */
void ml3_task_draw_start(const ml3_env_spec *env, ml3_random *random, double *task);

/* How a policy's mean does from `episodes` starts of the task, drawn from the stream (key, RESET, episode): means over the
   episodes, task_loss minus the return. theta NULL: actions uniform within their bounds instead. */
int ml3_judge(const ml3_env_spec *env, const ml3_policy *policy, const ml3_real *theta, const double *task, int horizon,
              int episodes, uint64_t key, ml3_outcome *outcome, ml3_error *error);
/* The one of those from start number `start`, to look at. The caller frees it. */
ml3_episode *ml3_judge_episode(const ml3_env_spec *env, const ml3_policy *policy, const ml3_real *theta,
                               const double *task, int horizon, int start, uint64_t key, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
