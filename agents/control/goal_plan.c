/* Plans to a goal: see goal_plan.h. */
#include "agents/control/goal_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 24 }; /* states and actions */

struct ml3_goal_plan {
  const ml3_env_spec *spec;
  int horizon;
  ml3_model *model;
  ml3_ilqr_goal_cost tracking;
  ml3_ilqr_cost cost;
  ml3_ilqr *ilqr;
  double *goal, *weights, *actions, *best;
};

ml3_ilqr_goal_cost ml3_ilqr_goal_tracking(const ml3_env *env, const double *state, double *goal, double *weights) {
  const ml3_env_spec *spec = env->spec;
  ml3_env_goal(env, goal);
  ml3_ilqr_goal_near(spec, state, goal);
  ml3_ilqr_goal_weights(spec, goal, weights);
  return (ml3_ilqr_goal_cost){.state_dim = spec->state_dim,
                              .action_dim = spec->action_dim,
                              .goal = goal,
                              .weights = weights,
                              .state_weight = 1,
                              .action_weight = 1e-3,
                              .final_weight = 100};
}

void ml3_ilqr_first_actions(const ml3_env_spec *spec, int horizon, ml3_random *random, double *actions) {
  for (int t = 0; t < horizon; t++)
    for (int i = 0; i < spec->action_dim; i++) {
      const ml3_env_field *f = &spec->action[i];
      actions[t * spec->action_dim + i] =
          random ? ml3_random_uniform(random, f->low, f->high) : fmin(fmax(0, f->low), f->high);
    }
}

bool ml3_goal_plan_possible(const ml3_env_spec *spec) {
  return !spec->choices && ml3_env_goal_is_state(spec) && spec->state_dim + spec->action_dim <= SMALL;
}

static int make_solver(ml3_goal_plan *p, const double *env_task, const double *state, ml3_error *error) {
  const ml3_env_spec *spec = p->spec;
  ml3_env *env = ml3_env_new(spec, error);
  if (!env) return error ? error->code : ML3_ERR_MEMORY;
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(env, env_task, &none);
  p->tracking = ml3_ilqr_goal_tracking(env, state, p->goal, p->weights);
  p->cost = ml3_ilqr_goal(&p->tracking);
  ml3_ilqr_settings settings = ml3_ilqr_defaults(p->horizon);
  settings.threads = 1;
  p->model = ml3_model_of_env(env, error);
  p->ilqr = p->model ? ml3_ilqr_new(p->model, &p->cost, &settings, error) : NULL;
  ml3_env_free(env);
  return p->ilqr ? ML3_OK : error ? error->code : ML3_ERR_MEMORY;
}

/* The best start is solved again at the end, so that its feedback is there. */
static int search(ml3_goal_plan *p, const double *state, int restarts, ml3_random *random, ml3_error *error) {
  const size_t bytes = (size_t)p->horizon * (size_t)p->spec->action_dim * sizeof *p->actions;
  double least = INFINITY;
  for (int i = 0; i <= restarts; i++) {
    ml3_ilqr_report report = {0};
    ml3_ilqr_first_actions(p->spec, p->horizon, i ? random : NULL, p->actions);
    if (ml3_ilqr_solve(p->ilqr, state, 0, p->actions, &report, NULL) != ML3_OK || !(report.cost < least)) continue;
    least = report.cost;
    memcpy(p->best, p->actions, bytes);
  }
  if (!isfinite(least)) return ml3_error_set(error, ML3_ERR_NUMERIC, "iLQR found no finite plan from here");
  return ml3_ilqr_solve(p->ilqr, state, 0, p->best, NULL, error);
}

ml3_goal_plan *ml3_goal_plan_new(const ml3_env_spec *spec, const double *env_task, const double *state, int horizon,
                                 int restarts, ml3_random *random, ml3_error *error) {
  const size_t n = (size_t)spec->state_dim, size = (size_t)horizon * (size_t)spec->action_dim;
  ml3_goal_plan *p = calloc(1, sizeof *p);
  if (p) p->goal = calloc(2 * n + 2 * size, sizeof *p->goal);
  if (!p || !p->goal) {
    free(p);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a plan of %d steps", horizon);
    return NULL;
  }
  p->spec = spec;
  p->horizon = horizon;
  p->weights = p->goal + n;
  p->actions = p->weights + n;
  p->best = p->actions + size;
  if (make_solver(p, env_task, state, error) == ML3_OK && search(p, state, restarts, random, error) == ML3_OK) return p;
  ml3_goal_plan_free(p);
  return NULL;
}

void ml3_goal_plan_free(ml3_goal_plan *p) {
  if (!p) return;
  ml3_ilqr_free(p->ilqr);
  ml3_ilqr_cost_free(&p->cost);
  ml3_model_free(p->model);
  free(p->goal);
  free(p);
}

void ml3_goal_plan_act(const ml3_goal_plan *p, int step, const double *state, double *action) {
  if (step >= 0 && step < p->horizon)
    ml3_ilqr_act(p->ilqr, step, state, action);
  else
    memset(action, 0, (size_t)p->spec->action_dim * sizeof *action);
}
