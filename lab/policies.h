/* The policy that a configuration describes (keys policy.*). */
#ifndef ML3_LAB_POLICIES_H
#define ML3_LAB_POLICIES_H

#include "agents/learn/policy.h"
#include "agents/learn/policy_options.h"
#include "agents/problems/demonstrations.h"
#include "lab/config.h"

/* rollout.fixed, rollout.reward, rollout.episodes */
typedef struct ml3_rollout_options {
  ml3_key_names fixed, reward;
  int64_t episodes;
} ml3_rollout_options;

enum { ML3_LAB_EXPERT_ILQR, ML3_LAB_EXPERT_PPO }; /* extra.expert, in the order of its choices */

/* extra.*, of experts; extra.kind is the problem's */
typedef struct ml3_extra_options {
  int expert;
  ml3_key_numbers goal;
  int64_t until_step, demonstrations, expert_updates;
  double expert_log_std;
  char file[ML3_KEY_TEXT_MAX];
} ml3_extra_options;
extern const ml3_keys ml3_rollout_keys, ml3_extra_keys;

/* The environment of a configuration, with the task parameters of rollout.fixed at their default values and the weights of
   rollout.reward; NULL with a
   sentence. Freed by free(), unless a problem or learner owns it. */
ml3_env_spec *ml3_lab_env_new(const ml3_lab_config *config, ml3_error *error);

/* The policy that a configuration describes. Freed by ml3_policy_free; after an error there is nothing to free. */
int ml3_lab_policy_init(const ml3_lab_config *config, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error);

/* The policy that gives extra.kind: advice: of extra.file, or one that PPO has learned. With
   config->from_checkpoint the latter's parameters are 0, for the checkpoint to fill. */
ml3_expert *ml3_lab_expert_new(const ml3_lab_config *config, const ml3_env_spec *env, ml3_error *error);

/* An expert's episodes for extra.kind: demonstration: read from extra.file, or made by extra.expert. With
   config->from_checkpoint the latter are zeros, for the checkpoint to fill. */
ml3_demonstrations *ml3_lab_demonstrations_new(const ml3_lab_config *config, const ml3_env_spec *env, ml3_error *error);

#endif
