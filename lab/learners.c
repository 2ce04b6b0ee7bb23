/* Learners of a configuration: see learners.h. */
#include "lab/learners.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/compare.h"
#include "lab/methods.h"
#include "lab/policies.h"
#include "lab/problems.h"

#define AT(field) offsetof(ml3_learner_options, field)
static const ml3_key keys[] = {
    {"learner.updates", ML3_KEY_INT, AT(updates), "100", 1, 1e9, NULL, NULL, "of a policy by ppo, reinforce ..."},
    {"learner.envs", ML3_KEY_INT, AT(envs), "8", 1, 65536, NULL, NULL, "environments side by side"},
    {"learner.steps", ML3_KEY_INT, AT(steps), "256", 1, 1000000, NULL, NULL, "of each, an update"},
    {"learner.task", ML3_KEY_INT, AT(task), "-1", -1, 65535, NULL, NULL,
     "-1: a new task every episode; else the number of a held-out one"},
    {"learner.rate", ML3_KEY_REAL, AT(rate), "3e-4", 0, 1e3, NULL, NULL, "Adam's step size"},
    {"learner.anneal", ML3_KEY_BOOL, AT(anneal), "true", 0, 0, NULL, NULL, "to 0 at the last update"},
    {"learner.discount", ML3_KEY_REAL, AT(discount), "0.99", 1e-6, 1, NULL, NULL, "of rewards to go"},
    {"learner.lambda", ML3_KEY_REAL, AT(lambda), "0.95", 0, 1, NULL, NULL, "ppo: of generalised advantages"},
    {"learner.epochs", ML3_KEY_INT, AT(epochs), "10", 1, 1000, NULL, NULL, "ppo: passes over a rollout"},
    {"learner.minibatches", ML3_KEY_INT, AT(minibatches), "32", 1, 65536, NULL, NULL, "ppo: pieces of one"},
    {"learner.clip", ML3_KEY_REAL, AT(clip), "0.2", 0, 10, NULL, NULL, "ppo: how far a probability's ratio may move"},
    {"learner.entropy_weight", ML3_KEY_REAL, AT(entropy), "0", 0, 1e3, NULL, NULL, ""},
    {"learner.value_weight", ML3_KEY_REAL, AT(value_weight), "0.5", 0, 1e3, NULL, NULL, "ppo: of the value net's loss"},
    {"learner.clip_norm", ML3_KEY_REAL, AT(clip_norm), "0.5", 0, 1e9, NULL, NULL, "of the gradient; 0: none"},
    {"learner.normalize_reward", ML3_KEY_BOOL, AT(normalize_reward), "false", 0, 0, NULL, NULL,
     "ppo: by the deviation of the discounted return"},
};
#undef AT
const ml3_keys ml3_learner_keys = ML3_KEYS(keys, ml3_learner_options);

bool ml3_lab_learner_owners(int i, const ml3_keys *owners[ML3_LAB_LEARNER_OWNERS]) {
  static const ml3_keys *const all[] = {&ml3_lab_acting_keys, &ml3_policy_keys,  &ml3_rollout_keys,
                                        &ml3_learner_keys,    &ml3_compare_keys, NULL};
  memcpy(owners, all, sizeof all);
  return ml3_learner_at(i) != NULL;
}

const char *ml3_lab_learner_defaults(const ml3_lab_config *c) {
  return ml3_lab_trains_policy(c)
             ? "policy.kind=gaussian policy.log_std=0 policy.hidden=[64,64] policy.activation=tanh "
               "policy.bias=true policy.squash=clamp policy.obs_scale=[]"
             : NULL;
}

const ml3_learner_kind *ml3_lab_learner_kind(const ml3_lab_config *c) {
  return ml3_lab_trains_policy(c) ? ml3_learner_at(c->method - ML3_LAB_META_METHODS) : NULL;
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

bool ml3_lab_learner_task(const ml3_lab_config *c, const ml3_env_spec *env, double *task) {
  if (ML3_LAB_GET(c, learner)->task < 0 || env->task_dim > ML3_POLICY_MAX_OBS) return false;
  ml3_random random =
      ml3_random_stream((uint64_t)c->seed, ML3_PURPOSE_TEST, (uint32_t)ML3_LAB_GET(c, learner)->task, 0);
  ml3_env_sample_task(env, &random, task);
  return true;
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
  if (ml3_lab_learner_task(c, env, task)) s.task = task;
  s.owned = env;
  return ml3_learner_new(kind, &s, error);
}
