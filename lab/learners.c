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

int ml3_lab_learner_task(const ml3_lab_config *c, const ml3_env_spec *env, double **task, ml3_error *error) {
  *task = NULL;
  if (ML3_LAB_GET(c, learner)->task < 0) return ML3_OK;
  if (!(*task = calloc((size_t)env->task_dim + 1, sizeof **task)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a task of '%s'", env->name);
  ml3_random random =
      ml3_random_stream((uint64_t)c->seed, ML3_PURPOSE_TEST, (uint32_t)ML3_LAB_GET(c, learner)->task, 0);
  ml3_env_sample_split(env, ML3_SPLIT_TEST, &random, *task);
  return ML3_OK;
}

ml3_learner *ml3_lab_learner_new(const ml3_lab_config *c, ml3_error *error) {
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  const ml3_learner_kind *kind = env ? ml3_lab_learner_kind(c) : NULL;
  ml3_policy policy = {0};
  double *task = NULL;
  ml3_learner *learner = NULL;
  if (kind && ml3_lab_policy_init(c, env, &policy, error) == ML3_OK &&
      ml3_lab_learner_task(c, env, &task, error) == ML3_OK) {
    ml3_learner_settings s = ml3_lab_learner_settings(c, kind, env, &policy);
    s.task = task;
    s.owned = env;
    learner = ml3_learner_new(kind, &s, error); /* or frees env */
  } else {
    free(env);
  }
  free(task);
  ml3_policy_free(&policy);
  return learner;
}
