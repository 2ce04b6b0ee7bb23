/* problem: model_based. Rollouts of a policy through a differentiable model of an environment. */
#include <stdlib.h>

#include "agents/model_based.h"
#include "cli/policies.h"
#include "cli/problems.h"

/* An ensemble fitted to random transitions; not fitted when a checkpoint has it. */
static ml3_ensemble *fit_ensemble(const cli_config *c, const ml3_env_spec *env, ml3_error *error) {
  const ml3_ensemble_settings settings = ml3_ensemble_defaults();
  if (c->from_checkpoint) return ml3_ensemble_new(env, &settings, (uint64_t)c->seed, error);
  const ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults((uint64_t)c->seed);
  ml3_transitions *data = ml3_transitions_explore(env, NULL, ML3_EXPLORE_ROLLOUTS, (int)c->dynamics_hold,
                                                  (int)c->dynamics_transitions, (uint64_t)c->seed, error);
  ml3_ensemble *ensemble = data ? ml3_ensemble_new(env, &settings, (uint64_t)c->seed, error) : NULL;
  if (ensemble && ml3_ensemble_fit(ensemble, data, &fit, NULL, error) != ML3_OK) {
    ml3_ensemble_free(ensemble);
    ensemble = NULL;
  }
  ml3_transitions_free(data);
  return ensemble;
}

static ml3_problem *make_in(const cli_config *c, const ml3_env_spec *env, const ml3_ensemble *ensemble,
                            ml3_error *error) {
  ml3_model_based_settings s = {.env = env,
                                .ensemble = ensemble,
                                .horizon = (int)c->horizon,
                                .starts = (int)c->rollout_starts,
                                .detach_state = c->rollout_detach_state,
                                .near = c->rollout_near,
                                .cost = (ml3_cost_kind)c->cost_kind,
                                .cost_from_step = (int)c->cost_from_step,
                                .velocity_weight = c->cost_velocity_weight,
                                .action_weight = c->cost_action_weight,
                                .extra = c->extra_kind == CLI_EXTRA_EXPLORATION_GOAL,
                                .extra_until_step = (int)c->extra_until_step};
  if (cli_policy_init(c, env, &s.policy, error) != ML3_OK) return NULL;
  if (c->extra_kind > CLI_EXTRA_EXPLORATION_GOAL) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: a model-based problem takes none or exploration_goal");
    return NULL;
  }
  if (s.extra && c->extra_goal.count != env->goal_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; the goal of environment '%s' has %d",
                  c->extra_goal.count, env->name, env->goal_dim);
    return NULL;
  }
  for (int i = 0; i < c->extra_goal.count && i < ML3_STATE_MAX; i++) s.extra_goal[i] = c->extra_goal.values[i];
  return ml3_model_based_new(&s, error);
}

static ml3_problem *make(const cli_config *c, ml3_error *error) {
  ml3_env_spec *env = cli_env_new(c, error);
  if (env && !c->dynamics_kind && !ml3_model_based_dynamics(env, error)) { /* of all mistakes the first to tell */
    free(env);
    return NULL;
  }
  ml3_ensemble *ensemble = env && c->dynamics_kind ? fit_ensemble(c, env, error) : NULL;
  ml3_problem *problem = env && (ensemble || !c->dynamics_kind) ? make_in(c, env, ensemble, error) : NULL;
  if (problem) {
    ml3_model_based_own(problem, env, ensemble);
  } else {
    ml3_ensemble_free(ensemble);
    free(env);
  }
  return problem;
}

const cli_problem_kind cli_problem_model_based = {
    .name = "model_based",
    .summary = "a policy through a differentiable model of its environment",
    .rollouts = true,
    .make = make,
    .playable = ml3_model_based_playable};
