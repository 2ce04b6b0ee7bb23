/* An expert: a policy that knows the tasks already. While meta-training it shows them (demonstrations.h), or gives advice where
   other policies go (Ross et al. 2011, DAgger); at meta-test it is gone. */
#ifndef ML3_AGENTS_EXPERT_H
#define ML3_AGENTS_EXPERT_H

#include "agents/learn/learner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A policy and its parameters. */
typedef struct ml3_expert {
  ml3_policy policy;
  ml3_real *theta; /* [ml3_policy_size(&policy)] */
} ml3_expert;

/* Of that shape, which is copied, all parameters 0: for a checkpoint to fill. NULL with a sentence; freed by ml3_expert_free. */
ml3_expert *ml3_expert_new(const ml3_policy *policy, ml3_error *error);
/* By a learner with those settings (no task: it learns all of the environment's tasks at once), for settings->updates. Takes what
   settings->owned is. observe may be NULL: called after every update; a non-zero answer stops with ML3_ERR_INTERRUPTED. */
ml3_expert *ml3_expert_learn(const ml3_learner_kind *kind, const ml3_learner_settings *settings,
                             int (*observe)(void *user, const ml3_learner_report *report), void *user,
                             ml3_error *error);
/* From a policy.safetensors for that environment. */
ml3_expert *ml3_expert_open(const char *path, const ml3_env_spec *env, ml3_error *error);
void ml3_expert_free(ml3_expert *expert); /* may be NULL */

/* action[rows][action_dim]: its mean at obs[rows][obs_dim] with that goal[goal_dim]. */
void ml3_expert_advise(const ml3_expert *expert, const double *obs, const double *goal, int rows, ml3_real *action);

/* Normalisation and parameters into a checkpoint, as problem.expert_*, and back into one of the same shape. */
int ml3_expert_put(const ml3_expert *expert, ml3_nn_tensors *file, ml3_error *error);
int ml3_expert_get(ml3_expert *expert, const ml3_nn_tensors *file, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
