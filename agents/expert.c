/* Experts: learned, from a file, and what they advise. See expert.h. */
#include "agents/expert.h"

#include <stdlib.h>
#include <string.h>

ml3_expert *ml3_expert_new(const ml3_policy *policy, ml3_error *error) {
  ml3_expert *expert = calloc(1, sizeof *expert);
  ml3_real *theta = calloc((size_t)ml3_policy_size(policy), sizeof *theta);
  if (expert && theta) {
    expert->policy = *policy;
    expert->theta = theta;
    return expert;
  }
  free(expert);
  free(theta);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an expert of %d parameters", ml3_policy_size(policy));
  return NULL;
}

void ml3_expert_free(ml3_expert *expert) {
  if (expert) free(expert->theta);
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
  free(theta);
  return expert;
}

int ml3_expert_check(const ml3_expert *expert, const ml3_policy *policy, ml3_error *error) {
  const ml3_policy *own = &expert->policy;
  bool same =
      own->obs_dim == policy->obs_dim && own->goal_dim == policy->goal_dim && own->action_dim == policy->action_dim;
  for (int i = 0; same && i < own->net.inputs; i++) same = own->minus[i] == policy->minus[i];
  if (same) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "the expert sees other things than the policies that it advises; give it the same policy.goal and "
      "policy.relative as theirs");
}

void ml3_expert_translate(const ml3_expert *expert, const ml3_policy *policy, const ml3_real *from, ml3_real *to) {
  ml3_policy direct = *policy;
  double raw[ML3_POLICY_MAX_OBS];
  const int inputs = policy->net.inputs;
  direct.obs_dim = inputs, direct.goal_dim = 0;
  memset(direct.minus, 0, sizeof direct.minus);
  for (int i = 0; i < inputs; i++) raw[i] = from[i] / expert->policy.scale[i] + expert->policy.shift[i];
  ml3_policy_input(&direct, raw, NULL, to);
}

void ml3_expert_advise(const ml3_expert *expert, const ml3_policy *policy, const ml3_real *x, int rows,
                       ml3_real *action) {
  const ml3_policy *own = &expert->policy;
  const int inputs = policy->net.inputs, actions = policy->action_dim;
  ml3_policy direct = *own; /* differences have been taken already, the goal is among what is seen */
  direct.obs_dim = inputs, direct.goal_dim = 0;
  memset(direct.minus, 0, sizeof direct.minus);
  for (int row = 0; row < rows; row++) {
    double seen[ML3_POLICY_MAX_OBS], advice[ML3_POLICY_MAX_ACTIONS];
    for (int i = 0; i < inputs; i++) seen[i] = x[row * inputs + i] / policy->scale[i] + policy->shift[i];
    ml3_policy_act(&direct, expert->theta, seen, NULL, advice);
    for (int k = 0; k < actions; k++) action[row * actions + k] = (ml3_real)advice[k];
  }
}

static const char *const shift = "problem.expert_shift", *const scale = "problem.expert_scale",
                         *const theta = "problem.expert_theta";

int ml3_expert_put(const ml3_expert *expert, ml3_nn_tensors *file, ml3_error *error) {
  const ml3_policy *p = &expert->policy;
  int code = ml3_nn_tensors_put_doubles(file, shift, p->net.inputs, p->shift, error);
  if (code == ML3_OK) code = ml3_nn_tensors_put_doubles(file, scale, p->net.inputs, p->scale, error);
  if (code == ML3_OK) code = ml3_nn_tensors_put(file, theta, 0, ml3_policy_size(p), expert->theta, error);
  return code;
}

int ml3_expert_get(ml3_expert *expert, const ml3_nn_tensors *file, ml3_error *error) {
  ml3_policy *p = &expert->policy;
  int code = ml3_nn_tensors_get_doubles(file, shift, p->net.inputs, p->shift, error);
  if (code == ML3_OK) code = ml3_nn_tensors_get_doubles(file, scale, p->net.inputs, p->scale, error);
  if (code == ML3_OK) code = ml3_nn_tensors_get(file, theta, (size_t)ml3_policy_size(p), expert->theta, error);
  return code;
}
