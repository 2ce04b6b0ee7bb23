/* problem: model_based. Rollouts of a policy through a differentiable model of an environment. */
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "lab/experiment.h"
#include "lab/policies.h"
#include "lab/problems.h"

/* What an ensemble is learned with. */
typedef struct learning {
  ml3_ensemble *ensemble;
  ml3_transitions *data;
  ml3_ensemble_fit_settings fit;
} learning;

static int ensemble_settings(const ml3_lab_config *c, const ml3_env_spec *env, ml3_ensemble_settings *s,
                             ml3_error *error) {
  ml3_geometry geometry;
  *s = ml3_ensemble_defaults();
  s->members = (int)ML3_LAB_GET(c, dynamics)->members;
  s->depth = ML3_LAB_GET(c, dynamics)->hidden.count;
  s->second_order = ML3_LAB_GET(c, dynamics)->second_order;
  int code = ml3_lab_copy_widths(&ML3_LAB_GET(c, dynamics)->hidden, s->hidden, "dynamics.hidden", error);
  if (code == ML3_OK) code = ml3_geometry_init(&geometry, env, error);
  if (code != ML3_OK || geometry.moving_dim == env->state_dim) return code;
  s->moving_count = geometry.moving_dim;
  for (int i = 0; i < geometry.moving_dim; i++) s->moving[i] = geometry.moving[i];
  return ML3_OK;
}

/* An ensemble fitted to random transitions, or one from a file; not fitted when a checkpoint has it. */
static int learn(const ml3_lab_config *c, const ml3_env_spec *env, learning *l, ml3_error *error) {
  ml3_ensemble_settings settings;
  l->fit = ml3_ensemble_fit_defaults((uint64_t)c->seed);
  l->fit.epochs = (int)ML3_LAB_GET(c, dynamics)->epochs;
  l->fit.threads = ml3_lab_threads(c);
  l->fit.ranks = c->ranks;
  if (*ML3_LAB_GET(c, dynamics)->file && !ML3_LAB_GET(c, dynamics)->every)
    return (l->ensemble = ml3_ensemble_load(env, ML3_LAB_GET(c, dynamics)->file, error)) ? ML3_OK : error->code;
  int code = ensemble_settings(c, env, &settings, error);
  if (code != ML3_OK) return code;
  l->data = ml3_transitions_explore(env, NULL, ML3_EXPLORE_ROLLOUTS, (int)ML3_LAB_GET(c, dynamics)->hold,
                                    (int)ML3_LAB_GET(c, dynamics)->transitions, (uint64_t)c->seed, error);
  if (!l->data) return error->code;
  if (*ML3_LAB_GET(c, dynamics)->file)
    l->ensemble = ml3_ensemble_load(env, ML3_LAB_GET(c, dynamics)->file, error);
  else
    l->ensemble = ml3_ensemble_new(env, &settings, (uint64_t)c->seed, error);
  if (!l->ensemble) return error->code;
  return *ML3_LAB_GET(c, dynamics)->file || c->from_checkpoint
             ? ML3_OK
             : ml3_ensemble_fit(l->ensemble, l->data, &l->fit, NULL, error);
}

static ml3_problem *make_in(const ml3_lab_config *c, const ml3_env_spec *env, const ml3_ensemble *ensemble,
                            ml3_error *error) {
  ml3_model_based_settings s = {.env = env,
                                .ensemble = ensemble,
                                .horizon = (int)c->horizon,
                                .starts = (int)ML3_LAB_GET(c, model_based)->starts,
                                .detach_state = ML3_LAB_GET(c, model_based)->detach_state,
                                .near = ML3_LAB_GET(c, model_based)->near,
                                .cost = (ml3_cost_kind)ML3_LAB_GET(c, model_based)->cost_kind,
                                .cost_from_step = (int)ML3_LAB_GET(c, model_based)->cost_from_step,
                                .velocity_weight = ML3_LAB_GET(c, model_based)->cost_velocity_weight,
                                .action_weight = ML3_LAB_GET(c, model_based)->cost_action_weight,
                                .extra = ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_EXPLORATION_GOAL,
                                .extra_until_step = (int)ML3_LAB_GET(c, extra)->until_step};
  if (ml3_lab_policy_init(c, env, &s.policy, error) != ML3_OK) return NULL;
  s.energy = ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_ENERGY;
  if (ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_KNOWN_PARAMETERS ||
      ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_PHYSICS || ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_ADVICE) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "extra.kind: a model-based problem takes none, exploration_goal, demonstration or energy");
    return NULL;
  }
  if (s.extra && ML3_LAB_GET(c, extra)->goal.count != env->goal_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; the goal of environment '%s' has %d",
                  ML3_LAB_GET(c, extra)->goal.count, env->name, env->goal_dim);
    return NULL;
  }
  for (int i = 0; i < ML3_LAB_GET(c, extra)->goal.count && i < ML3_STATE_MAX; i++)
    s.extra_goal[i] = ML3_LAB_GET(c, extra)->goal.values[i];
  ml3_demonstrations *shown = NULL;
  if (ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_DEMONSTRATION &&
      !(shown = ml3_lab_demonstrations_new(c, env, error)))
    return NULL;
  s.demonstrations = shown;
  ml3_problem *problem = ml3_model_based_new(&s, error);
  if (problem)
    ml3_model_based_own_demonstrations(problem, shown);
  else
    ml3_demonstrations_free(shown);
  return problem;
}

static ml3_problem *make(const ml3_lab_config *c, ml3_error *error) {
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  if (env && !ML3_LAB_GET(c, dynamics)->kind &&
      !ml3_model_based_dynamics(env, error)) { /* of all mistakes the first to tell */
    free(env);
    return NULL;
  }
  learning l = {0};
  const bool ready = env && (!ML3_LAB_GET(c, dynamics)->kind || learn(c, env, &l, error) == ML3_OK);
  ml3_problem *problem = ready ? make_in(c, env, l.ensemble, error) : NULL;
  if (problem) {
    ml3_model_based_own(problem, env, l.ensemble);
    if (l.data) ml3_model_based_let_learn(problem, l.data, &l.fit);
  } else {
    ml3_transitions_free(l.data);
    ml3_ensemble_free(l.ensemble);
    free(env);
  }
  return problem;
}

const ml3_ensemble *ml3_lab_problem_ensemble(const ml3_lab_config *config, const ml3_problem *problem) {
  return strcmp(config->problem, ml3_lab_problem_model_based.name) == 0 ? ml3_model_based_ensemble(problem) : NULL;
}

const ml3_lab_problem_kind ml3_lab_problem_model_based = {
    .name = "model_based",
    .summary = "a policy through a differentiable model of its environment",
    .rollouts = true,
    .make = make,
    .playable = ml3_model_based_playable};
