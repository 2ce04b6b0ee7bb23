/* The driver of control-limited iLQR: roll out, differentiate, backward pass, line search, repeat.

     u_t = clip(u_t + alpha k_t + K_t (s_t - s~_t)),   alpha = 1 ... line_search_min
     accept when  J - J_new > accept_ratio * -(alpha slope + alpha^2 curvature)

   mu grows by an accelerating factor after a failed pass and shrinks likewise after a successful one (Tassa,
   Erez, Todorov, IROS 2012, section II-F). Failure at one mu is never the end: the search goes on until
   mu exceeds regularization_max. The gains handed out belong to the solution itself, from one more
   backward pass with the least mu that works, not to the trajectory before it. */
#include "agents/ilqr.h"

#include "agents/ilqr_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 10 }; /* small decreases in a row after which a large mu no longer excuses them */

static const double MU_SETTLED = 1e-5; /* at most this, a short step is the problem's and not mu's doing */

typedef struct schedule {
  double mu, growth;
} schedule;

typedef enum outcome { GO_ON, CONVERGED, STUCK, BROKEN } outcome;

/* ---- cost ------------------------------------------------------------------------------------ */

static double goal_evaluate(const void *user, int step, const double *state, const double *action,
                            ml3_ilqr_expansion *expansion) {
  (void)step;
  const ml3_ilqr_goal_cost *c = user;
  const size_t n = (size_t)c->state_dim, m = action ? (size_t)c->action_dim : 0;
  const double scale = action ? c->state_weight : c->final_weight;
  double cost = 0;
  for (size_t i = 0; i < n; i++) {
    const double weight = scale * c->weights[i], error = state[i] - c->goal[i];
    cost += 0.5 * weight * error * error;
    if (!expansion) continue;
    expansion->ls[i] = weight * error;
    expansion->lss[i * n + i] = weight;
  }
  for (size_t i = 0; i < m; i++) {
    cost += 0.5 * c->action_weight * action[i] * action[i];
    if (!expansion) continue;
    expansion->lu[i] = c->action_weight * action[i];
    expansion->luu[i * m + i] = c->action_weight;
  }
  return cost;
}

/* ---- construction ---------------------------------------------------------------------------- */

static int check_settings(const ml3_ilqr_settings *s, ml3_error *error) {
  const struct {
    const char *name, *expected;
    double value;
    bool good;
  } checks[] = {
      {"horizon", "at least 1", s->horizon, s->horizon >= 1},
      {"max_iterations", "at least 1", s->max_iterations, s->max_iterations >= 1},
      {"cost_tolerance", "0 or more", s->cost_tolerance, s->cost_tolerance >= 0},
      {"gradient_tolerance", "0 or more", s->gradient_tolerance, s->gradient_tolerance >= 0},
      {"regularization", "0 or more and finite", s->regularization,
       s->regularization >= 0 && isfinite(s->regularization)},
      {"regularization_min", "above 0", s->regularization_min, s->regularization_min > 0},
      {"regularization_max", "finite and not below regularization_min", s->regularization_max,
       s->regularization_max >= s->regularization_min && isfinite(s->regularization_max)},
      {"regularization_factor", "above 1 and finite", s->regularization_factor,
       s->regularization_factor > 1 && isfinite(s->regularization_factor)},
      {"line_search_steps", "at least 1", s->line_search_steps, s->line_search_steps >= 1},
      {"line_search_min", "above 0 and at most 1", s->line_search_min,
       s->line_search_min > 0 && s->line_search_min <= 1},
      {"accept_ratio", "0 or more and below 1", s->accept_ratio, s->accept_ratio >= 0 && s->accept_ratio < 1},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    if (!checks[i].good) {
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "iLQR setting %s must be %s, not %g", checks[i].name,
                           checks[i].expected, checks[i].value);
    }
  }
  return ML3_OK;
}

static int check_spec(const ml3_env_spec *spec, ml3_error *error) {
  if (spec->state_dim < 1 || spec->action_dim < 1) {
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "iLQR needs a state and an action; environment '%s' has %d state and %d action entries", spec->name,
        spec->state_dim, spec->action_dim);
  }
  for (int i = 0; i < spec->action_dim; i++) {
    const ml3_env_field *field = &spec->action[i];
    if (!(field->low <= field->high)) {
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "action '%s' of environment '%s' has bounds [%g, %g]; the low one must not be above", field->name,
          spec->name, field->low, field->high);
    }
  }
  return ML3_OK;
}

/* One zeroed block, cut into the workspace's arrays. */
static bool allocate_arrays(ml3_ilqr *w) {
  const size_t n = w->n, m = w->m, T = w->horizon;
  const struct {
    double **array;
    size_t count;
  } arrays[] = {
      {&w->low, m},
      {&w->high, m},
      {&w->step_sizes, (size_t)w->settings.line_search_steps},
      {&w->start, n},
      {&w->states, (T + 1) * n},
      {&w->actions, T * m},
      {&w->new_states, (T + 1) * n},
      {&w->new_actions, T * m},
      {&w->a, T * n * n},
      {&w->b, T * n * m},
      {&w->ls, (T + 1) * n},
      {&w->lu, (T + 1) * m},
      {&w->lss, (T + 1) * n * n},
      {&w->luu, (T + 1) * m * m},
      {&w->lus, (T + 1) * m * n},
      {&w->feed_forward, T * m},
      {&w->gains, T * m * n},
      {&w->vs, n},
      {&w->vss, n * n},
      {&w->qs, n},
      {&w->qu, m},
      {&w->qss, n * n},
      {&w->quu, m * m},
      {&w->qus, m * n},
      {&w->quu_reg, m * m},
      {&w->qus_reg, m * n},
      {&w->va, n * n},
      {&w->vb, n * m},
      {&w->room_low, m},
      {&w->room_high, m},
      {&w->qu_new, m},
      {&w->qus_new, m * n},
  };
  const size_t num_arrays = sizeof arrays / sizeof *arrays;
  size_t total = 0;
  for (size_t i = 0; i < num_arrays; i++) total += arrays[i].count;
  w->arena = calloc(total, sizeof *w->arena);
  if (!w->arena) return false;
  double *next = w->arena;
  for (size_t i = 0; i < num_arrays; i++) {
    *arrays[i].array = next;
    next += arrays[i].count;
  }
  return true;
}

static void fill_constants(ml3_ilqr *w) {
  for (size_t i = 0; i < w->m; i++) {
    w->low[i] = w->spec->action[i].low;
    w->high[i] = w->spec->action[i].high;
  }
  const int count = w->settings.line_search_steps;
  for (int i = 0; i < count; i++) {
    w->step_sizes[i] = count > 1 ? pow(w->settings.line_search_min, (double)i / (count - 1)) : 1;
  }
}

/* ---- one pass -------------------------------------------------------------------------------- */

static double clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

static bool all_finite(const double *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(x[i])) return false;
  }
  return true;
}

/* u_t + alpha k_t + K_t (s - s_t), clipped. */
static void closed_loop_action(const ml3_ilqr *w, size_t t, double alpha, const double *state,
                               double *action) {
  const double *nominal = w->states + t * w->n;
  for (size_t i = 0; i < w->m; i++) {
    const double *gain = w->gains + (t * w->m + i) * w->n;
    double u = w->actions[t * w->m + i] + alpha * w->feed_forward[t * w->m + i];
    for (size_t j = 0; j < w->n; j++) u += gain[j] * (state[j] - nominal[j]);
    action[i] = clip(u, w->low[i], w->high[i]);
  }
}

/* Fills new_states and new_actions and returns their cost, NAN when a number on the way is not finite;
   *broken (may be NULL) is then the step. */
static double roll_out(ml3_ilqr *w, ml3_env *env, const ml3_ilqr_cost *cost, double alpha, size_t *broken) {
  const size_t n = w->n, m = w->m;
  double total = 0;
  ml3_env_set_state(env, w->start);
  memcpy(w->new_states, w->start, n * sizeof *w->start);
  for (size_t t = 0; t <= w->horizon; t++) {
    const double *state = w->new_states + t * n;
    double *action = t < w->horizon ? w->new_actions + t * m : NULL;
    if (broken) *broken = t;
    if (!all_finite(state, n)) return NAN;
    if (action) {
      closed_loop_action(w, t, alpha, state, action);
      if (!all_finite(action, m)) return NAN;
    }
    total += cost->evaluate(cost->user, (int)t, state, action, NULL);
    if (!isfinite(total)) return NAN;
    if (action) {
      ml3_env_step(env, action);
      ml3_env_get_state(env, w->new_states + (t + 1) * n);
      w->env_steps++;
    }
  }
  return total;
}

static void keep_trial(ml3_ilqr *w) {
  double *states = w->states, *actions = w->actions;
  w->states = w->new_states;
  w->actions = w->new_actions;
  w->new_states = states;
  w->new_actions = actions;
}

/* Derivatives of the model and the cost along the best trajectory. */
static int differentiate(ml3_ilqr *w, ml3_env *env, const ml3_ilqr_cost *cost, ml3_error *error) {
  const size_t n = w->n, m = w->m, T = w->horizon;
  memset(w->ls, 0, (T + 1) * n * sizeof *w->ls);
  memset(w->lu, 0, (T + 1) * m * sizeof *w->lu);
  memset(w->lss, 0, (T + 1) * n * n * sizeof *w->lss);
  memset(w->luu, 0, (T + 1) * m * m * sizeof *w->luu);
  memset(w->lus, 0, (T + 1) * m * n * sizeof *w->lus);
  for (size_t t = 0; t <= T; t++) {
    ml3_ilqr_expansion e = {.ls = w->ls + t * n,
                            .lu = w->lu + t * m,
                            .lss = w->lss + t * n * n,
                            .luu = w->luu + t * m * m,
                            .lus = w->lus + t * m * n};
    const double *state = w->states + t * n, *action = t < T ? w->actions + t * m : NULL;
    cost->evaluate(cost->user, (int)t, state, action, &e);
    bool finite = all_finite(e.ls, n) && all_finite(e.lss, n * n);
    if (action) {
      double *a = w->a + t * n * n, *b = w->b + t * n * m;
      ml3_env_set_state(env, state);
      ml3_env_linearize(env, action, a, b);
      w->env_steps++;
      finite = finite && all_finite(e.lu, m) && all_finite(e.luu, m * m) && all_finite(e.lus, m * n) &&
               all_finite(a, n * n) && all_finite(b, n * m);
    }
    if (!finite) {
      return ml3_error_set(
          error, ML3_ERR_NUMERIC,
          "iLQR on '%s': a derivative of the model or the cost is not finite at step %zu of %zu; "
          "check ml3_env_linearize and the cost's expansion there",
          w->spec->name, t, T);
    }
  }
  return ML3_OK;
}

static bool raise_regularization(const ml3_ilqr *w, schedule *s) {
  const double factor = w->settings.regularization_factor;
  s->growth = fmax(s->growth * factor, factor);
  s->mu = fmax(s->mu * s->growth, w->settings.regularization_min);
  return s->mu <= w->settings.regularization_max;
}

static void lower_regularization(const ml3_ilqr *w, schedule *s) {
  const double factor = w->settings.regularization_factor;
  s->growth = fmin(s->growth / factor, 1 / factor);
  s->mu *= s->growth;
  if (s->mu < w->settings.regularization_min) s->mu = 0;
}

/* The first step size whose decrease is fair becomes the best trajectory. Returns it, or 0. */
static double search_line(ml3_ilqr *w, ml3_env *env, const ml3_ilqr_cost *cost, double *best_cost) {
  for (int i = 0; i < w->settings.line_search_steps; i++) {
    const double alpha = w->step_sizes[i];
    const double new_cost = roll_out(w, env, cost, alpha, NULL);
    const double actual = *best_cost - new_cost;
    const double expected = -alpha * (w->slope + alpha * w->curvature);
    if (actual > 0 && actual >= w->settings.accept_ratio * expected) {
      keep_trial(w);
      *best_cost = new_cost;
      return alpha;
    }
  }
  return 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void log_iteration(const ml3_ilqr *w, int iteration, double cost, double alpha, double mu) {
  if (!w->settings.log) return;
  if (alpha > 0) {
    fprintf(w->settings.log, "iLQR %4d  cost %-14.8g expected %-10.3g step %-8.3g mu %.3g\n", iteration, cost,
            -(w->slope + w->curvature), alpha, mu);
  } else {
    fprintf(w->settings.log, "iLQR %4d  cost %-14.8g no step, mu %.3g\n", iteration, cost, mu);
  }
}

/* One backward and one forward pass with the derivatives at hand. *moved says whether those are now stale. */
static outcome iterate(ml3_ilqr *w, ml3_env *env, const ml3_ilqr_cost *cost, schedule *s, int *small_in_a_row,
                       bool *moved, ml3_ilqr_report *report) {
  const ml3_ilqr_settings *settings = &w->settings;
  const bool settled = s->mu <= MU_SETTLED;
  double alpha = 0, expected = INFINITY;
  const double before = report->cost;
  if (ml3_ilqr_backward(w, s->mu)) {
    expected = -(w->slope + w->curvature);
    if (settled &&
        (w->largest_relative <= settings->gradient_tolerance || expected <= DBL_EPSILON * fabs(before))) {
      return CONVERGED;
    }
    alpha = search_line(w, env, cost, &report->cost);
  }
  log_iteration(w, report->iterations, report->cost, alpha, s->mu);
  *moved = alpha > 0;
  if (!*moved) {
    if (settled && expected <= settings->cost_tolerance * fabs(before)) return CONVERGED;
    return raise_regularization(w, s) ? GO_ON : STUCK;
  }
  lower_regularization(w, s);
  const bool is_small = before - report->cost <= settings->cost_tolerance * fabs(before);
  *small_in_a_row = is_small ? *small_in_a_row + 1 : 0;
  return is_small && (settled || *small_in_a_row >= PATIENCE) ? CONVERGED : GO_ON;
}

/* Gains of the solution itself, with the least regularisation that works; none when nothing does. */
static void settle_gains(ml3_ilqr *w) {
  schedule s = {.mu = 0, .growth = 1};
  bool done = ml3_ilqr_backward(w, s.mu);
  while (!done && raise_regularization(w, &s)) done = ml3_ilqr_backward(w, s.mu);
  if (!done) {
    memset(w->gains, 0, w->horizon * w->m * w->n * sizeof *w->gains);
    w->slope = w->curvature = 0;
  }
}

/* From w->start and w->actions to the solution in w. */
static int optimize(ml3_ilqr *w, ml3_env *env, const ml3_ilqr_cost *cost, ml3_ilqr_report *report,
                    ml3_error *error) {
  size_t broken = 0;
  report->cost = roll_out(w, env, cost, 0, &broken);
  if (!isfinite(report->cost)) {
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "iLQR on '%s': the rollout of the start is not finite at step %zu of %zu (state, action or "
        "cost); start from actions and a state from which the model stays finite",
        w->spec->name, broken, w->horizon);
  }
  keep_trial(w);
  schedule s = {.mu = w->settings.regularization, .growth = 1};
  outcome now = GO_ON;
  bool stale = true;
  for (int small_in_a_row = 0; now == GO_ON && report->iterations < w->settings.max_iterations;) {
    if (stale && differentiate(w, env, cost, error) != ML3_OK) return ML3_ERR_NUMERIC;
    stale = false;
    report->iterations++;
    now = iterate(w, env, cost, &s, &small_in_a_row, &stale, report);
  }
  if (stale && differentiate(w, env, cost, error) != ML3_OK) return ML3_ERR_NUMERIC;
  settle_gains(w);
  report->converged = now == CONVERGED;
  report->expected_decrease = -(w->slope + w->curvature);
  report->regularization = s.mu;
  return ML3_OK;
}

static void forget_solution(ml3_ilqr *w) {
  memset(w->states, 0, (w->horizon + 1) * w->n * sizeof *w->states);
  memset(w->actions, 0, w->horizon * w->m * sizeof *w->actions);
  memset(w->feed_forward, 0, w->horizon * w->m * sizeof *w->feed_forward);
  memset(w->gains, 0, w->horizon * w->m * w->n * sizeof *w->gains);
}

/* ---- public ---------------------------------------------------------------------------------- */

ml3_ilqr_cost ml3_ilqr_goal(const ml3_ilqr_goal_cost *cost) {
  return (ml3_ilqr_cost){.evaluate = goal_evaluate, .user = cost};
}

ml3_ilqr_settings ml3_ilqr_defaults(int horizon) {
  return (ml3_ilqr_settings){.horizon = horizon,
                             .max_iterations = 500,
                             .cost_tolerance = 1e-7,
                             .gradient_tolerance = 1e-6,
                             .regularization = 1,
                             .regularization_min = 1e-6,
                             .regularization_max = 1e10,
                             .regularization_factor = 1.6,
                             .line_search_steps = 11,
                             .line_search_min = 1e-3};
}

ml3_ilqr *ml3_ilqr_new(const ml3_env_spec *spec, const ml3_ilqr_settings *settings, ml3_error *error) {
  if (check_settings(settings, error) || check_spec(spec, error)) return NULL;
  ml3_ilqr *w = calloc(1, sizeof *w);
  if (w) {
    w->spec = spec;
    w->settings = *settings;
    w->n = (size_t)spec->state_dim;
    w->m = (size_t)spec->action_dim;
    w->horizon = (size_t)settings->horizon;
    w->qp = ml3_boxqp_new(spec->action_dim, NULL);
  }
  if (!w || !w->qp || !allocate_arrays(w)) {
    ml3_ilqr_free(w);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for iLQR on '%s' with a horizon of %d steps", spec->name,
                  settings->horizon);
    return NULL;
  }
  fill_constants(w);
  return w;
}

void ml3_ilqr_free(ml3_ilqr *ilqr) {
  if (!ilqr) return;
  ml3_boxqp_free(ilqr->qp);
  free(ilqr->arena);
  free(ilqr);
}

int ml3_ilqr_solve(ml3_ilqr *ilqr, ml3_env *env, const ml3_ilqr_cost *cost, double *actions,
                   ml3_ilqr_report *report, ml3_error *error) {
  if (env->spec != ilqr->spec) {
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "this iLQR was made for environment '%s' and got an instance of '%s'",
                         ilqr->spec->name, env->spec->name);
  }
  ml3_ilqr_report mine = {0};
  const int steps = env->steps;
  ilqr->env_steps = 0;
  forget_solution(ilqr);
  ml3_env_get_state(env, ilqr->start);
  memcpy(ilqr->actions, actions, ilqr->horizon * ilqr->m * sizeof *actions);
  const int code = optimize(ilqr, env, cost, &mine, error);
  ml3_env_set_state(env, ilqr->start);
  env->steps = steps; /* planning is no part of the episode */
  mine.env_steps = ilqr->env_steps;
  if (report) *report = mine;
  if (code != ML3_OK) {
    forget_solution(ilqr);
    return code;
  }
  memcpy(actions, ilqr->actions, ilqr->horizon * ilqr->m * sizeof *actions);
  return ML3_OK;
}

void ml3_ilqr_act(const ml3_ilqr *ilqr, int step, const double *state, double *action) {
  const size_t last = ilqr->horizon - 1;
  const size_t t = step < 0 ? 0 : (size_t)step < last ? (size_t)step : last;
  closed_loop_action(ilqr, t, 0, state, action);
}

const double *ml3_ilqr_states(const ml3_ilqr *ilqr) {
  return ilqr->states;
}

const double *ml3_ilqr_gains(const ml3_ilqr *ilqr) {
  return ilqr->gains;
}
