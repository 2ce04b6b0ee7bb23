/* problem: model_based. Rollouts of a policy through a differentiable model of an environment. */
#include "agents/dynamics.h"
#include "agents/model_based.h"
#include "cli/policies.h"
#include "cli/problems.h"

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
  if (cli_policy_init(c, env, &s.policy, error) != ML3_OK) return NULL;
  if (c->extra_kind > CLI_EXTRA_EXPLORATION_GOAL) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: a model-based problem takes none or exploration_goal");
    return NULL;
  }
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
