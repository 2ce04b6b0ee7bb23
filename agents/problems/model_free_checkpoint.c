/* What a model-free problem keeps in checkpoints: how observations are normalised, demonstrations, the expert. See model_free.h. */
#include <string.h>

#include "agents/problems/model_free_internal.h"

static const char *const prefix = "problem.";

int ml3_model_free_keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error) {
  const model_free *m = self(p);
  int code = ml3_policy_put_scaling(&m->settings.policy, prefix, file, error);
  if (code == ML3_OK && m->demonstrations) code = ml3_demonstrations_put(m->demonstrations, file, error);
  return code == ML3_OK && m->expert ? ml3_expert_put(m->expert, file, error) : code;
}

int ml3_model_free_restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error) {
  model_free *m = p->user;
  int code = ml3_policy_get_scaling(&m->settings.policy, prefix, file, error);
  if (code == ML3_OK && m->demonstrations) code = ml3_demonstrations_get(m->demonstrations, file, error);
  return code == ML3_OK && m->expert ? ml3_expert_get(m->expert, file, error) : code;
}

void ml3_model_free_get_scaling(const ml3_problem *p, double *shift, double *scale) {
  const ml3_policy *policy = &self(p)->settings.policy;
  memcpy(shift, policy->shift, (size_t)policy->net.inputs * sizeof *shift);
  memcpy(scale, policy->scale, (size_t)policy->net.inputs * sizeof *scale);
}

void ml3_model_free_set_scaling(ml3_problem *p, const double *shift, const double *scale) {
  model_free *m = p->user;
  ml3_policy *policy = &m->settings.policy;
  memcpy(policy->shift, shift, (size_t)policy->net.inputs * sizeof *shift);
  memcpy(policy->scale, scale, (size_t)policy->net.inputs * sizeof *scale);
}
