/* problem: model_based. Rollouts of a policy through a differentiable model of an environment. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/ppo.h"
#include "agents/problems/model_based.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/problems.h"

typedef struct ml3_model_based_options {
  int cost_kind, extra_kind;
  int64_t cost_from_step, starts;
  double cost_velocity_weight, cost_action_weight, near;
  bool detach_state;
} ml3_model_based_options;

/* extra.kind, in the order of its choices. */
enum { NONE, EXPLORATION_GOAL, ENERGY, DEMONSTRATION };

#define AT(field) offsetof(ml3_model_based_options, field)
static const ml3_key model_based_keys[] = {
    {"cost.kind", ML3_KEY_CHOICE, AT(cost_kind), "trajectory", 0, 0, "trajectory|final|reach", NULL,
     "distance to the goal over the rollout, at its end, or the mean distance of positions from cost.from_step on"},
    {"cost.from_step", ML3_KEY_INT, AT(cost_from_step), "0", 0, 10000, NULL, "cost.kind=trajectory|reach",
     "trajectory, reach: the first state that counts"},
    {"cost.velocity_weight", ML3_KEY_REAL, AT(cost_velocity_weight), "0", 0, 1e6, NULL, "cost.kind=reach",
     "reach: weight of squared velocities in those states"},
    {"cost.action_weight", ML3_KEY_REAL, AT(cost_action_weight), "0", 0, 1e6, NULL, "cost.kind=reach",
     "reach: weight of squared actions, relative to half the range of their bounds"},
    {"extra.kind", ML3_KEY_CHOICE, AT(extra_kind), "none", 0, 0, "none|exploration_goal|energy|demonstration", NULL,
     "extra information while meta-training"},
    {"rollout.starts", ML3_KEY_INT, AT(starts), "1", 1, 4096, NULL, NULL, "number of start states for each task"},
    {"rollout.detach_state", ML3_KEY_BOOL, AT(detach_state), "true", 0, 0, NULL, NULL,
     "inner step: differentiate through actions alone, with states as data"},
    {"rollout.near", ML3_KEY_REAL, AT(near), "0.05", 1e-9, 1e9, NULL, NULL,
     "model_based: scale of the additional input tanh(offset to the goal / near)"},
};
#undef AT
static const ml3_keys ml3_model_based_keys = ML3_KEYS(model_based_keys, ml3_model_based_options);

#define AT(field) offsetof(ml3_dynamics_options, field)
static const ml3_key dynamics_keys[] = {
    {"dynamics.kind", ML3_KEY_CHOICE, AT(kind), "analytic", 0, 0, "analytic|ensemble", NULL,
     "model_based: model of the rollouts; ensemble: networks learned from transitions"},
    {"dynamics.transitions", ML3_KEY_INT, AT(transitions), "3000", 10, 1e7, NULL, "dynamics.kind=ensemble",
     "number of initial transitions, by random actions"},
    {"dynamics.hold", ML3_KEY_INT, AT(hold), "5", 1, 10000, NULL, "dynamics.kind=ensemble",
     "steps for which each random action is held"},
    {"dynamics.every", ML3_KEY_INT, AT(every), "0", 0, 1e9, NULL, "dynamics.kind=ensemble",
     "outer steps between rounds of new transitions of the current policies, with another fit; 0: never"},
    {"dynamics.tasks", ML3_KEY_INT, AT(tasks), "8", 1, 65536, NULL, "dynamics.kind=ensemble",
     "tasks of each round, each with a rollout before and after every update"},
    {"dynamics.members", ML3_KEY_INT, AT(members), "3", 1, 32, NULL, "dynamics.kind=ensemble",
     "number of networks in the ensemble"},
    {"dynamics.hidden", ML3_KEY_NUMBERS, AT(hidden), "[100, 30]", 1, 4096, NULL, "dynamics.kind=ensemble",
     "widths of their hidden layers"},
    {"dynamics.second_order", ML3_KEY_BOOL, AT(second_order), "false", 0, 0, NULL, "dynamics.kind=ensemble",
     "predict changes of velocities alone; positions are integrated from them"},
    {"dynamics.epochs", ML3_KEY_INT, AT(epochs), "500", 1, 1e6, NULL, "dynamics.kind=ensemble",
     "largest number of epochs of a fit; it stops early by held-out transitions"},
    {"dynamics.file", ML3_KEY_TEXT, AT(file), "", 0, 0, NULL, "dynamics.kind=ensemble",
     "initial ensemble.safetensors; that of a run is loaded with the run"},
};
#undef AT
const ml3_keys ml3_dynamics_keys = ML3_KEYS(dynamics_keys, ml3_dynamics_options);

static const ml3_keys *const owners[] = {&ml3_lab_acting_keys,  &ml3_policy_keys,  &ml3_rollout_keys,
                                         &ml3_model_based_keys, &ml3_extra_keys,   &ml3_dynamics_keys,
                                         &ml3_learner_keys, &ml3_ppo_keys,     &ml3_compare_keys, NULL};

/* What an ensemble is learned with. */
typedef struct learning {
  ml3_ensemble *ensemble;
  ml3_transitions *data;
  ml3_ensemble_fit_settings fit;
} learning;

/* geometry is freed by the caller, who needs the settings no more then. */
static int ensemble_settings(const ml3_lab_config *c, const ml3_env_spec *env, ml3_geometry *geometry,
                             ml3_ensemble_settings *s, ml3_error *error) {
  const ml3_dynamics_options *dynamics = ML3_LAB_GET(c, dynamics);
  *s = ml3_ensemble_defaults();
  s->members = (int)dynamics->members;
  s->depth = dynamics->hidden.count;
  s->second_order = dynamics->second_order;
  int code = ml3_lab_copy_widths(&dynamics->hidden, s->hidden, "dynamics.hidden", error);
  if (code == ML3_OK) code = ml3_geometry_init(geometry, env, error);
  if (code != ML3_OK || geometry->moving_dim == env->state_dim) return code;
  s->moving_count = geometry->moving_dim;
  s->moving = geometry->moving;
  return ML3_OK;
}

/* An ensemble fitted to random transitions, or one from a file; not fitted when a checkpoint has it. */
static int learn(const ml3_lab_config *c, const ml3_env_spec *env, learning *l, ml3_error *error) {
  const ml3_dynamics_options *dynamics = ML3_LAB_GET(c, dynamics);
  ml3_ensemble_settings settings;
  l->fit = ml3_ensemble_fit_defaults((uint64_t)c->seed);
  l->fit.epochs = (int)dynamics->epochs;
  l->fit.threads = ml3_lab_threads(c);
  l->fit.ranks = c->ranks;
  if (*dynamics->file && !dynamics->every)
    return (l->ensemble = ml3_ensemble_load(env, dynamics->file, error)) ? ML3_OK : error->code;
  ml3_geometry geometry = {0};
  const int code = ensemble_settings(c, env, &geometry, &settings, error);
  if (code == ML3_OK)
    l->data = ml3_transitions_explore(env, NULL, ML3_EXPLORE_ROLLOUTS, (int)dynamics->hold, (int)dynamics->transitions,
                                      (uint64_t)c->seed, error);
  if (l->data && *dynamics->file)
    l->ensemble = ml3_ensemble_load(env, dynamics->file, error);
  else if (l->data)
    l->ensemble = ml3_ensemble_new(env, &settings, (uint64_t)c->seed, error);
  ml3_geometry_free(&geometry);
  if (!l->ensemble) return error->code;
  return *dynamics->file || c->from_checkpoint ? ML3_OK : ml3_ensemble_fit(l->ensemble, l->data, &l->fit, NULL, error);
}

static ml3_problem *make_in(const ml3_lab_config *c, const ml3_env_spec *env, const ml3_ensemble *ensemble,
                            ml3_error *error) {
  const ml3_model_based_options *model_based = ML3_LAB_GET(c, model_based);
  const ml3_extra_options *extra = ML3_LAB_GET(c, extra);
  ml3_model_based_settings s = {.env = env,
                                .ensemble = ensemble,
                                .horizon = (int)c->horizon,
                                .starts = (int)model_based->starts,
                                .detach_state = model_based->detach_state,
                                .near = model_based->near,
                                .cost = (ml3_cost_kind)model_based->cost_kind,
                                .cost_from_step = (int)model_based->cost_from_step,
                                .velocity_weight = model_based->cost_velocity_weight,
                                .action_weight = model_based->cost_action_weight,
                                .extra = model_based->extra_kind == EXPLORATION_GOAL,
                                .extra_until_step = (int)extra->until_step};
  s.energy = model_based->extra_kind == ENERGY;
  s.extra_goal = extra->goal.values;
  if (s.extra && extra->goal.count != env->goal_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; the goal of environment '%s' has %d",
                  extra->goal.count, env->name, env->goal_dim);
    return NULL;
  }
  if (ml3_lab_policy_init(c, env, &s.policy, error) != ML3_OK) return NULL;
  ml3_demonstrations *made = NULL;
  const bool demonstrate = model_based->extra_kind == DEMONSTRATION;
  const bool ready = !demonstrate || (made = ml3_lab_demonstrations_new(c, env, error));
  s.demonstrations = made;
  ml3_problem *problem = ready ? ml3_model_based_new(&s, error) : NULL;
  ml3_policy_free(&s.policy);
  if (problem)
    ml3_model_based_own_demonstrations(problem, made);
  else
    ml3_demonstrations_free(made);
  return problem;
}

static ml3_problem *make(const ml3_lab_config *c, ml3_error *error) {
  const ml3_dynamics_options *dynamics = ML3_LAB_GET(c, dynamics);
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  if (env && (ml3_env_need_continuous(env, "problem model_based", error) != ML3_OK ||
              (!dynamics->kind && !ml3_model_based_dynamics(env, error)))) { /* of all mistakes the first to name */
    free(env);
    return NULL;
  }
  learning l = {0};
  const bool ready = env && (!dynamics->kind || learn(c, env, &l, error) == ML3_OK);
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
    .keys = owners,
    .rollouts = true,
    .make = make,
    .playable = ml3_model_based_playable};
