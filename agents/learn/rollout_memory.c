/* Memory for what rollouts have seen: see rollout.h. */
#include <stdlib.h>

#include "agents/learn/rollout_internal.h"

ml3_rollout *ml3_rollout_new(const ml3_policy *policy, int envs, int steps, int state_dim, ml3_error *error) {
  ml3_rollout *r = calloc(1, sizeof *r);
  const size_t n = (size_t)envs, rows = n * (size_t)steps, inputs = (size_t)policy->net.inputs;
  if (r) {
    *r = (ml3_rollout){.envs = envs,
                       .steps = steps,
                       .inputs = policy->net.inputs,
                       .action_dim = policy->action_dim,
                       .state_dim = state_dim};
    r->x = calloc(rows * inputs, sizeof *r->x);
    r->action = calloc(rows * (size_t)policy->action_dim, sizeof *r->action);
    r->log_prob = calloc(rows, sizeof *r->log_prob);
    r->reward = calloc(rows, sizeof *r->reward);
    r->state = state_dim ? calloc(rows * (size_t)state_dim, sizeof *r->state) : NULL;
    r->end = calloc(rows, sizeof *r->end);
    r->last_x = calloc(n * inputs, sizeof *r->last_x);
    r->truncated_x = calloc(rows * inputs, sizeof *r->truncated_x);
  }
  if (r && r->x && r->action && r->log_prob && r->reward && (r->state || !state_dim) && r->end && r->last_x &&
      r->truncated_x)
    return r;
  ml3_rollout_free(r);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a rollout of %d steps in %d environments", steps, envs);
  return NULL;
}

int ml3_rollout_keep_obs(ml3_rollout *r, int obs_dim, ml3_error *error) {
  r->obs_dim = obs_dim;
  r->obs = calloc((size_t)r->steps * (size_t)r->envs * (size_t)obs_dim, sizeof *r->obs);
  if (r->obs) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the observations of %d steps in %d environments", r->steps,
                       r->envs);
}

int ml3_rollout_keep_policy(ml3_rollout *r, ml3_error *error) {
  const size_t numbers = (size_t)r->steps * (size_t)r->envs * (size_t)r->action_dim;
  r->mean = calloc(numbers, sizeof *r->mean);
  r->log_std = calloc(numbers, sizeof *r->log_std);
  if (r->mean && r->log_std) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for what the policy says in %d steps of %d environments",
                       r->steps, r->envs);
}

void ml3_rollout_free(ml3_rollout *r) {
  if (!r) return;
  free(r->x);
  free(r->action);
  free(r->log_prob);
  free(r->reward);
  free(r->state);
  free(r->mean);
  free(r->log_std);
  free(r->obs);
  free(r->end);
  free(r->last_x);
  free(r->truncated_x);
  free(r);
}
