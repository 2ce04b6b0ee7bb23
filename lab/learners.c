/* Learners of a configuration: see learners.h. */
#include "lab/learners.h"

#include <stdlib.h>

#include "lab/policies.h"

const ml3_learner_kind *ml3_lab_learner_kind(const ml3_lab_config *c) {
  static const char *const names[] = {
      [METHOD_PPO] = "ppo", [METHOD_REINFORCE] = "reinforce", [METHOD_RANDOM] = "random"};
  return ml3_lab_trains_policy(c) ? ml3_learner_find(names[c->method], NULL) : NULL;
}

ml3_learner_settings ml3_lab_learner_settings(const ml3_lab_config *c, const ml3_env_spec *env,
                                              const ml3_policy *policy) {
  ml3_learner_settings s = ml3_learner_defaults(env, policy);
  s.seed = (uint64_t)c->seed;
  s.envs = (int)ML3_LAB_GET(c, learner)->envs, s.steps = (int)ML3_LAB_GET(c, learner)->steps,
  s.horizon = (int)c->horizon;
  s.threads = c->threads ? (int)c->threads : 1;
  s.updates = ML3_LAB_GET(c, learner)->updates;
  s.normalize_obs = ML3_LAB_GET(c, policy)->normalize, s.normalize_reward = ML3_LAB_GET(c, learner)->normalize_reward;
  s.anneal = ML3_LAB_GET(c, learner)->anneal, s.rate = ML3_LAB_GET(c, learner)->rate;
  s.discount = ML3_LAB_GET(c, learner)->discount, s.lambda = ML3_LAB_GET(c, learner)->lambda;
  s.entropy_weight = ML3_LAB_GET(c, learner)->entropy, s.clip_norm = ML3_LAB_GET(c, learner)->clip_norm;
  s.epochs = (int)ML3_LAB_GET(c, learner)->epochs, s.minibatches = (int)ML3_LAB_GET(c, learner)->minibatches;
  s.clip = ML3_LAB_GET(c, learner)->clip, s.value_weight = ML3_LAB_GET(c, learner)->value_weight;
  return s;
}

ml3_learner *ml3_lab_learner_new(const ml3_lab_config *c, ml3_error *error) {
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  const ml3_learner_kind *kind = env ? ml3_lab_learner_kind(c) : NULL;
  ml3_policy policy;
  double task[ML3_POLICY_MAX_OBS];
  if (!kind || ml3_lab_policy_init(c, env, &policy, error) != ML3_OK) {
    free(env);
    return NULL;
  }
  ml3_learner_settings s = ml3_lab_learner_settings(c, env, &policy);
  if (ML3_LAB_GET(c, learner)->task >= 0 && env->task_dim <= ML3_POLICY_MAX_OBS) {
    ml3_random random =
        ml3_random_stream((uint64_t)c->seed, ML3_PURPOSE_TEST, (uint32_t)ML3_LAB_GET(c, learner)->task, 0);
    ml3_env_sample_task(env, &random, task);
    s.task = task;
  }
  s.owned = env;
  return ml3_learner_new(kind, &s, error);
}
