/* Experts: learned, from a file, and what they advise. See expert.h. */
#include "agents/problems/expert.h"

#include <stdlib.h>
#include <string.h>

ml3_expert *ml3_expert_new(const ml3_policy *policy, ml3_error *error) {
  ml3_expert *expert = calloc(1, sizeof *expert);
  if (expert) expert->theta = calloc((size_t)ml3_policy_size(policy), sizeof *expert->theta);
  if (expert && expert->theta && ml3_policy_copy(&expert->policy, policy, error) == ML3_OK) return expert;
  ml3_expert_free(expert);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an expert of %d parameters", ml3_policy_size(policy));
  return NULL;
}

void ml3_expert_free(ml3_expert *expert) {
  if (!expert) return;
  ml3_policy_free(&expert->policy);
  free(expert->theta);
  free(expert);
}

static int learn(ml3_learner *learner, int (*observe)(void *user, const ml3_learner_report *report), void *user,
                 ml3_error *error) {
  const int64_t updates = learner->settings.updates;
  while (learner->updates < updates) {
    ml3_learner_report report;
    const int code = ml3_learner_update(learner, &report, error);
    if (code != ML3_OK) return code;
    if (observe && observe(user, &report))
      return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                           "the expert was interrupted at update %lld of %lld; nothing of it is kept",
                           (long long)learner->updates, (long long)updates);
  }
  return ML3_OK;
}

ml3_expert *ml3_expert_learn(const ml3_learner_kind *kind, const ml3_learner_settings *settings,
                             int (*observe)(void *user, const ml3_learner_report *report), void *user,
                             ml3_error *error) {
  ml3_learner *learner = ml3_learner_new(kind, settings, error);
  const bool learned = learner && learn(learner, observe, user, error) == ML3_OK;
  ml3_expert *expert = learned ? ml3_expert_new(&learner->policy, error) : NULL;
  if (expert)
    memcpy(expert->theta, learner->parameters, (size_t)ml3_policy_size(&expert->policy) * sizeof *expert->theta);
  ml3_learner_free(learner);
  return expert;
}

ml3_expert *ml3_expert_open(const char *path, const ml3_env_spec *env, ml3_error *error) {
  ml3_policy policy;
  ml3_real *theta = NULL;
  if (ml3_policy_open(path, env, &policy, &theta, error) != ML3_OK) return NULL;
  ml3_expert *expert = ml3_expert_new(&policy, error);
  if (expert) memcpy(expert->theta, theta, (size_t)ml3_policy_size(&policy) * sizeof *theta);
  ml3_policy_free(&policy);
  free(theta);
  return expert;
}

void ml3_expert_advise(const ml3_expert *expert, const double *obs, const double *goal, int rows, ml3_real *action) {
  const ml3_policy *p = &expert->policy;
  double advice[p->action_dim];
  for (int row = 0; row < rows; row++) {
    ml3_policy_act(p, expert->theta, obs + row * p->obs_dim, goal, advice);
    for (int k = 0; k < p->action_dim; k++) action[row * p->action_dim + k] = (ml3_real)advice[k];
  }
}

static const char *const prefix = "problem.expert_", *const theta = "problem.expert_theta";

int ml3_expert_put(const ml3_expert *expert, ml3_nn_tensors *file, ml3_error *error) {
  const ml3_policy *p = &expert->policy;
  const int code = ml3_policy_put_scaling(p, prefix, file, error);
  return code == ML3_OK ? ml3_nn_tensors_put(file, theta, 0, ml3_policy_size(p), expert->theta, error) : code;
}

int ml3_expert_get(ml3_expert *expert, const ml3_nn_tensors *file, ml3_error *error) {
  ml3_policy *p = &expert->policy;
  const int code = ml3_policy_get_scaling(p, prefix, file, error);
  return code == ML3_OK ? ml3_nn_tensors_get(file, theta, (size_t)ml3_policy_size(p), expert->theta, error) : code;
}
