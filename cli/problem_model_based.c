/* problem: model_based. Rollouts of a policy through a differentiable model of an environment. */
#include "agents/dynamics.h"
#include "agents/model_based.h"
#include "cli/problems.h"

static int make_policy(const cli_config *c, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  int widths[ML3_MLP_MAX_DEPTH];
  int code = cli_copy_widths(&c->policy_hidden, widths, "policy.hidden", error);
  if (code == ML3_OK)
    code = ml3_policy_init(policy, env, widths, c->policy_hidden.count, (ml3_activation)c->policy_activation,
                           c->policy_bias, error);
  if (code != ML3_OK) return code;
  policy->squash = (ml3_squash)c->policy_squash;
  if (c->policy_obs_scale.count && c->policy_obs_scale.count != env->obs_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy.obs_scale has %d entries; environment '%s' has %d observations",
                         c->policy_obs_scale.count, env->name, env->obs_dim);
  for (int i = 0; i < c->policy_obs_scale.count; i++) policy->scale[i] = c->policy_obs_scale.values[i];
  return ML3_OK;
}

static ml3_problem *make(const cli_config *c, ml3_error *error) {
  const ml3_env_spec *env = ml3_env_find(c->environment, error);
  if (!env || !ml3_dynamics_find(c->environment, error)) return NULL;
  ml3_model_based_settings s = {.env = env,
                                .horizon = (int)c->horizon,
                                .starts = (int)c->rollout_starts,
                                .detach_state = c->rollout_detach_state,
                                .cost = (ml3_cost_kind)c->cost_kind,
                                .cost_from_step = (int)c->cost_from_step,
                                .extra = c->extra_kind == CLI_EXTRA_EXPLORATION_GOAL,
                                .extra_until_step = (int)c->extra_until_step};
  if (c->extra_kind > CLI_EXTRA_EXPLORATION_GOAL) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: a model-based problem takes none or exploration_goal");
    return NULL;
  }
  if (make_policy(c, env, &s.policy, error) != ML3_OK) return NULL;
  if (s.extra && c->extra_goal.count != env->state_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; environment '%s' has %d state entries",
                  c->extra_goal.count, env->name, env->state_dim);
    return NULL;
  }
  for (int i = 0; i < c->extra_goal.count && i < ML3_STATE_MAX; i++)
    s.extra_goal[i] = c->extra_goal.values[i];
  return ml3_model_based_new(&s, error);
}

const cli_problem_kind cli_problem_model_based = {
    .name = "model_based",
    .summary = "a policy through a differentiable model of its environment",
    .rollouts = true,
    .make = make};
