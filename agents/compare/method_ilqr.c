/* iLQR as a method of comparison: where it starts, in which model it plans, how its plan is carried out.

   The cost is goal tracking where the goal is a state, 1/2 |s - goal|^2 a step with the weights of
   ml3_ilqr_goal_weights, angles by the shortest way from the start (none where the problem's cost is of the last state
   alone), 100/2 |s_H - goal|^2 at the end and 1e-3/2 |u|^2; elsewhere the environment's own reward. A restarted search
   keeps the plan with the least cost in its model. Its curve: the best plan after each iteration, judged. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "agents/control/ensemble.h"
#include "agents/control/goal_plan.h"
#include "agents/control/mpc.h"

typedef enum start { ZEROS, RANDOM, RESTARTS } start;
typedef enum knowledge { NOMINAL, LEARNED, TRUE_WORLD } knowledge;
typedef enum execution { OPEN_LOOP, FEEDBACK, RECEDING } execution;

typedef struct options {
  start start;
  knowledge model;
  execution execution;
} options;

enum { MPC_ITERATIONS = 10, CURVE_ITERATIONS = 60 }; /* of later plans; on a curve, then every tenth */

/* ---- learned dynamics --------------------------------------------------------------------------------------------- */

static void release_ensemble(void *shared) {
  ml3_ensemble_free(shared);
}

/* Fitted to random transitions of the environment as the models have it. */
static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  const options *o = method->options;
  const ml3_compare_settings *s = &arena->settings;
  (void)loss;
  if (ml3_env_need_state(arena->env, method->name, error) != ML3_OK) return ML3_ERR_UNAVAILABLE;
  const int continuous = ml3_env_need_continuous(arena->env, "it", error);
  if (continuous != ML3_OK || o->model != LEARNED) return continuous;
  const ml3_ensemble_settings shape = ml3_ensemble_defaults();
  ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults(s->seed);
  ml3_ensemble_fit_report report;
  fit.threads = s->threads;
  ml3_transitions *data =
      ml3_transitions_explore(arena->env, NULL, s->transitions_states ? ML3_EXPLORE_STATES : ML3_EXPLORE_ROLLOUTS,
                              s->transitions_hold, s->transitions, s->seed, error);
  ml3_ensemble *e = data ? ml3_ensemble_new(arena->env, &shape, s->seed, error) : NULL;
  int code = e ? ml3_ensemble_fit(e, data, &fit, &report, error) : ML3_ERR_MEMORY;
  ml3_transitions_free(data);
  if (code != ML3_OK) {
    ml3_ensemble_free(e);
    return error ? error->code : code;
  }
  double error_mean = 0;
  for (int i = 0; i < shape.members; i++) error_mean += report.error[i] / shape.members;
  snprintf(
      note, note_size,
      "the learned model, fitted to %d random transitions (%s), errs by %.2g of a step's deviation on those left out",
      s->transitions, s->transitions_states ? "from states all over" : "in episodes", error_mean);
  *steps = s->transitions;
  *shared = e;
  return ML3_OK;
}

/* ---- one trial ---------------------------------------------------------------------------------------------------- */

typedef struct search {
  ml3_trial *trial;
  const options *options;
  ml3_error *error;
  int horizon, m;
  ml3_model *model;
  ml3_ilqr_cost cost;
  ml3_ilqr_goal_cost tracking;
  double *goal, *weights;
  ml3_ilqr *ilqr;
  double *actions, *best; /* [horizon][m] */
  double best_cost;
  int iterations;      /* over all starts */
  double steps_before; /* of the model, by searches before this one */
  int code;
} search;

typedef struct plan {
  const double *actions;
  size_t m;
} plan;

static void play_plan(void *user, int step, const double *obs, const double *state, double *action) {
  const plan *p = user;
  (void)obs, (void)state;
  memcpy(action, p->actions + (size_t)step * p->m, p->m * sizeof *action);
}

static void play_feedback(void *user, int step, const double *obs, const double *state, double *action) {
  (void)obs;
  ml3_ilqr_act(user, step, state, action);
}

/* The best plan so far after every iteration, as a point of the curve. */
static int observe(void *user, const ml3_ilqr_iteration *i) {
  search *s = user;
  ml3_trial *t = s->trial;
  if (i->iteration == 0) return 0;
  s->iterations++;
  if (s->iterations > CURVE_ITERATIONS && s->iterations % 10) return 0;
  plan p = {i->cost < s->best_cost ? i->actions : s->best, (size_t)s->m};
  const double steps = s->steps_before + (double)i->model_steps - ml3_trial_spent(t); /* of the search that goes on */
  ml3_trial_spend(t, steps);
  if (s->code == ML3_OK) s->code = ml3_trial_report_policy(t, s->iterations, false, play_plan, &p, s->error);
  ml3_trial_spend(t, -steps);
  return s->code != ML3_OK;
}

static int make_model(search *s, ml3_error *error) {
  ml3_trial *t = s->trial;
  if (s->options->model == LEARNED) {
    const ml3_ensemble *e = t->shared;
    s->model = ml3_model_of_dynamics(&e->dynamics, e->context, t->arena->env, error);
  } else {
    ml3_env *env = ml3_env_new(t->arena->env, error);
    ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    if (env) ml3_env_reset(env, s->options->model == TRUE_WORLD ? t->world_task.env_task : t->task.env_task, &none);
    s->model = env ? ml3_model_of_env(env, error) : NULL;
    ml3_env_free(env);
  }
  return s->model ? ML3_OK : ML3_ERR_MEMORY;
}

static int make_cost(search *s, ml3_error *error) {
  const ml3_trial *t = s->trial;
  const ml3_env_spec *spec = t->arena->env;
  ml3_env *env = ml3_env_new(spec, error);
  if (!env) return ML3_ERR_MEMORY;
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(env, t->task.env_task, &none);
  if (ml3_env_goal_is_state(spec)) {
    s->tracking = ml3_ilqr_goal_tracking(env, t->start, s->goal, s->weights);
    if (t->arena->play.last_only) s->tracking.state_weight = 0;
    s->cost = ml3_ilqr_goal(&s->tracking);
  } else {
    s->cost = ml3_ilqr_reward(env, 1e-3, error);
  }
  ml3_env_free(env);
  return s->cost.evaluate ? ML3_OK : ML3_ERR_MEMORY;
}

static long budget_left(const search *s) {
  const long budget = s->trial->arena->settings.budget;
  if (budget <= 0) return 0;
  const double left = (double)budget - ml3_trial_spent(s->trial);
  return left >= 1 ? (long)left : -1;
}

/* Solves from the controls in s->actions and keeps the plan when its cost in the model is the least. A start from which the
   model diverges is passed over. */
static void try_controls(search *s) {
  ml3_ilqr_report report = {0};
  const long left = budget_left(s);
  if (left < 0 || (left > 0 && left < s->horizon)) return;
  const ml3_ilqr_settings d = ml3_ilqr_defaults(s->horizon);
  ml3_ilqr_set_limits(s->ilqr, d.max_iterations, left, d.regularization);
  s->steps_before = ml3_trial_spent(s->trial);
  const int code = ml3_ilqr_solve(s->ilqr, s->trial->start, 0, s->actions, &report, NULL);
  ml3_trial_spend(s->trial, (double)report.model_steps);
  if (code != ML3_OK || !(report.cost < s->best_cost)) return;
  s->best_cost = report.cost;
  memcpy(s->best, s->actions, (size_t)s->horizon * (size_t)s->m * sizeof *s->best);
}

static int run_plans(search *s, ml3_error *error) {
  ml3_trial *t = s->trial;
  const options *o = s->options;
  ml3_ilqr_settings settings = ml3_ilqr_defaults(s->horizon);
  settings.observe = observe;
  settings.observe_user = s;
  if (!(s->ilqr = ml3_ilqr_new(s->model, &s->cost, &settings, error))) return ML3_ERR_MEMORY;
  const int searches = o->start == RESTARTS ? 1 + t->arena->settings.ilqr_restarts : 1;
  for (int i = 0; i < searches && s->code == ML3_OK; i++) {
    const bool zeros = o->start == ZEROS || (o->start == RESTARTS && i == 0);
    ml3_ilqr_first_actions(t->arena->env, s->horizon, zeros ? NULL : &t->random, s->actions);
    try_controls(s);
  }
  if (s->code != ML3_OK) return s->code;
  if (!isfinite(s->best_cost)) return ml3_trial_report_failure(t, s->iterations, error);
  if (o->execution == FEEDBACK) return ml3_trial_report_policy(t, s->iterations, true, play_feedback, s->ilqr, error);
  plan p = {s->best, (size_t)s->m};
  return ml3_trial_report_policy(t, s->iterations, true, play_plan, &p, error);
}

/* ---- receding horizon: the plan is made in the world, step by step; the episode that comes of it is judged ---------------- */

static int run_receding(search *s, ml3_error *error) {
  ml3_trial *t = s->trial;
  const size_t n = (size_t)t->arena->env->state_dim, m = (size_t)s->m;
  ml3_mpc_settings settings = ml3_mpc_defaults(s->horizon);
  settings.iterations = MPC_ITERATIONS;
  settings.episode = s->horizon;
  settings.max_model_steps = t->arena->settings.budget;
  ml3_mpc *mpc = ml3_mpc_new(s->model, &s->cost, &settings, error);
  if (!mpc) return ML3_ERR_MEMORY;
  ml3_ilqr_first_actions(t->arena->env, s->horizon, s->options->start == ZEROS ? NULL : &t->random, s->actions);
  ml3_mpc_begin(mpc, s->actions);
  double state[n];
  for (int step = 0; step < s->horizon; step++) {
    double *action = s->best + (size_t)step * m;
    ml3_env_get_state(t->world, state);
    ml3_mpc_act(mpc, step, state, action, NULL); /* a plan that fails: the one before goes on, or a zero action */
    ml3_env_step(t->world, action);
  }
  const ml3_mpc_report report = ml3_mpc_report_of(mpc);
  ml3_mpc_free(mpc);
  ml3_trial_spend(t, (double)report.model_steps);
  plan p = {s->best, m}; /* the world does the same again: the judge sees what happened */
  return ml3_trial_report_policy(t, report.plans, true, play_plan, &p, error);
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const ml3_env_spec *spec = t->arena->env;
  const size_t plan_size = (size_t)t->arena->horizon * (size_t)spec->action_dim, n = (size_t)spec->state_dim;
  search s = {.trial = t,
              .options = method->options,
              .error = error,
              .horizon = t->arena->horizon,
              .m = spec->action_dim,
              .best_cost = INFINITY};
  double *block = calloc(2 * plan_size + 2 * n, sizeof *block);
  if (!block) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a plan");
  s.actions = block;
  s.best = block + plan_size;
  s.goal = s.best + plan_size;
  s.weights = s.goal + n;
  int code = make_model(&s, error);
  if (code == ML3_OK) code = make_cost(&s, error);
  if (code == ML3_OK) code = s.options->execution == RECEDING ? run_receding(&s, error) : run_plans(&s, error);
  ml3_ilqr_free(s.ilqr);
  ml3_ilqr_cost_free(&s.cost);
  ml3_model_free(s.model);
  free(block);
  return code;
}

/* ---- the variants ------------------------------------------------------------------------------------------------- */

#define VARIANT(symbol, label_, start_, model_, execution_, summary_)                      \
  static const options symbol##_options = {start_, model_, execution_};                    \
  const ml3_method ml3_method_##symbol = {.name = #symbol,                                 \
                                          .label = label_,                                 \
                                          .summary = summary_,                             \
                                          .options = &symbol##_options,                    \
                                          .shares = model_ == LEARNED ? "ensemble" : NULL, \
                                          .prepare = prepare,                              \
                                          .release = release_ensemble,                     \
                                          .run = run}

VARIANT(ilqr, "iLQR", ZEROS, NOMINAL, OPEN_LOOP, "from zero controls, open loop");
VARIANT(ilqr_feedback, "iLQR, feedback", ZEROS, NOMINAL, FEEDBACK, "from zero controls, with its feedback gains");
VARIANT(ilqr_random, "iLQR, random start", RANDOM, NOMINAL, OPEN_LOOP, "from random controls, open loop");
VARIANT(ilqr_restarts, "iLQR, restarts", RESTARTS, NOMINAL, OPEN_LOOP,
        "the best of zero controls and test.ilqr_restarts random ones");
VARIANT(ilqr_mpc, "iLQR, receding horizon", ZEROS, NOMINAL, RECEDING,
        "receding horizon: ten iterations at every step from the last plan");
VARIANT(ilqr_learned, "iLQR, learned model", ZEROS, LEARNED, OPEN_LOOP,
        "as ilqr, in an ensemble fitted to random transitions");
VARIANT(ilqr_learned_random, "iLQR, learned model, random start", RANDOM, LEARNED, OPEN_LOOP,
        "as ilqr_random, in the ensemble");
VARIANT(ilqr_learned_restarts, "iLQR, learned model, restarts", RESTARTS, LEARNED, OPEN_LOOP,
        "as ilqr_restarts, in the ensemble");
VARIANT(ilqr_learned_mpc, "iLQR, learned model, receding", ZEROS, LEARNED, RECEDING, "as ilqr_mpc, in the ensemble");
VARIANT(ilqr_true, "iLQR, the world's model", ZEROS, TRUE_WORLD, OPEN_LOOP,
        "as ilqr, with the true parameters of the world: an upper bound");
