/* Learners of a configuration: see learners.h. */
#include "lab/learners.h"

#include <stdlib.h>

#include "agents/compare/compare.h"
#include "lab/methods.h"
#include "lab/policies.h"
#include "lab/problems.h"

bool ml3_lab_learner_owners(int i, const ml3_keys *owners[ML3_LAB_LEARNER_OWNERS]) {
  const ml3_learner_kind *kind = ml3_learner_at(i);
  int count = 0;
  if (!kind) return false;
  owners[count++] = &ml3_lab_acting_keys, owners[count++] = &ml3_policy_keys, owners[count++] = &ml3_rollout_keys;
  owners[count++] = &ml3_learner_keys;
  if (kind->keys) owners[count++] = kind->keys;
  owners[count++] = &ml3_compare_keys;
  owners[count] = NULL;
  return true;
}

const char *ml3_lab_learner_defaults(const ml3_lab_config *c) {
  const ml3_learner_kind *kind = ml3_lab_learner_kind(c);
  return kind ? kind->defaults : NULL;
}

const ml3_learner_kind *ml3_lab_learner_kind(const ml3_lab_config *c) {
  return ml3_lab_trains_policy(c) ? ml3_learner_at(c->method - ML3_LAB_META_METHODS) : NULL;
}

ml3_learner_settings ml3_lab_learner_settings(const ml3_lab_config *c, const ml3_learner_kind *kind,
                                              const ml3_env_spec *env, const ml3_policy *policy) {
  const ml3_learner_options *own = ML3_LAB_GET(c, learner);
  ml3_learner_settings s = ml3_learner_defaults(env, policy);
  s.seed = (uint64_t)c->seed;
  s.envs = (int)own->envs, s.steps = (int)own->steps, s.updates = own->updates;
  s.horizon = (int)c->horizon;
  s.threads = c->threads ? (int)c->threads : 1;
  s.normalize_obs = ML3_LAB_GET(c, policy)->normalize;
  s.own = kind->keys ? ml3_lab_config_get(c, kind->keys) : NULL;
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
  ml3_learner_settings s = ml3_lab_learner_settings(c, kind, env, &policy);
  if (ml3_lab_learner_task(c, env, task)) s.task = task;
  s.owned = env;
  return ml3_learner_new(kind, &s, error);
}
