/* The driver of control-limited iLQR: roll out, differentiate, backward pass, line search, repeat.

   mu grows by an accelerating factor after a failed pass and shrinks likewise after a successful one (Tassa,
   Erez, Todorov, IROS 2012, section II-F). Failure at one mu is never the end: the search goes on until
   mu exceeds regularization_max. The gains handed out belong to the solution itself, from one more
   backward pass with the least mu that works, not to the trajectory before it. */
#include "agents/ilqr.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "agents/ilqr_internal.h"

enum { PATIENCE = 10 }; /* small decreases in a row after which a large mu no longer excuses them */

static const double MU_SETTLED = 1e-5; /* at most this, a short step is the problem's and not mu's doing */

typedef struct schedule {
  double mu, growth;
} schedule;

typedef enum outcome { GO_ON, CONVERGED, STUCK, BROKEN } outcome;

/* ---- construction ------------------------------------------------------------------------------------------------ */

static int check_settings(const ml3_ilqr_settings *s, ml3_error *error) {
  const struct {
    const char *name, *expected;
    double value;
    bool good;
  } checks[] = {
      {"horizon", "at least 1", s->horizon, s->horizon >= 1},
      {"max_iterations", "0 or more", s->max_iterations, s->max_iterations >= 0},
      {"max_model_steps", "0 or more", (double)s->max_model_steps, s->max_model_steps >= 0},
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
      {"threads", "0 to 1024", s->threads, s->threads >= 0 && s->threads <= 1024},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    if (!checks[i].good)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "iLQR setting %s must be %s, not %g", checks[i].name,
                           checks[i].expected, checks[i].value);
  }
  return ML3_OK;
}

static int check_model(const ml3_model *model, ml3_error *error) {
  if (model->state_dim < 1 || model->action_dim < 1)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "iLQR needs a state and an action; environment '%s' has %d state and %d action entries", model->name,
        model->state_dim, model->action_dim);
  for (int i = 0; i < model->action_dim; i++) {
    if (!(model->low[i] <= model->high[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "action %d of environment '%s' has bounds [%g, %g]; the low one must not be above",
                           i, model->name, model->low[i], model->high[i]);
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
      {&w->step_sizes, (size_t)w->settings.line_search_steps},
      {&w->start, n},
      {&w->states, (T + 1) * n},
      {&w->actions, T * m},
      {&w->a, T * n * n},
      {&w->b, T * n * m},
      {&w->expansion, (T + 1) * ml3_ilqr_expansion_size(w)},
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
      {&w->k_now, m},
      {&w->gains_now, m * n},
  };
  const size_t num_arrays = sizeof arrays / sizeof *arrays, trajectory = (T + 1) * n + T * m;
  size_t total = (size_t)w->lane_count * trajectory;
  for (size_t i = 0; i < num_arrays; i++) total += arrays[i].count;
  w->arena = calloc(total, sizeof *w->arena);
  if (!w->arena) return false;
  double *next = w->arena;
  for (size_t i = 0; i < num_arrays; i++) {
    *arrays[i].array = next;
    next += arrays[i].count;
  }
  for (int i = 0; i < w->lane_count; i++, next += trajectory) {
    w->lanes[i].states = next;
    w->lanes[i].actions = next + (T + 1) * n;
  }
  return true;
}

static int make_lanes(ml3_ilqr *w, ml3_model *model, const ml3_ilqr_cost *cost, ml3_error *error) {
  w->lanes[0].model = model;
  w->lanes[0].cost = *cost;
  for (int i = 1; i < w->lane_count; i++) {
    w->lanes[i].cost = *cost;
    if (!(w->lanes[i].model = model->clone(model, error))) return error ? error->code : ML3_ERR_MEMORY;
    if (!cost->clone) continue;
    if (!(w->lanes[i].cost.user = cost->clone(cost->user, error)))
      return error ? error->code : ML3_ERR_MEMORY;
  }
  return ML3_OK;
}

static void fill_step_sizes(ml3_ilqr *w) {
  const int count = w->settings.line_search_steps;
  for (int i = 0; i < count; i++)
    w->step_sizes[i] = count > 1 ? pow(w->settings.line_search_min, (double)i / (count - 1)) : 1;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

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

/* Tells the observer; true: it wants no more. */
static bool observed_enough(const ml3_ilqr *w, const ml3_ilqr_report *report, double before, double alpha,
                            double mu) {
  if (!w->settings.observe) return false;
  const bool first = report->iterations == 0;
  const ml3_ilqr_iteration iteration = {.iteration = report->iterations,
                                        .cost = report->cost,
                                        .expected = first ? NAN : -alpha * (w->slope + alpha * w->curvature),
                                        .actual = first ? NAN : before - report->cost,
                                        .regularization = mu,
                                        .step = first ? NAN : alpha,
                                        .gradient = first ? NAN : w->largest_relative,
                                        .model_steps = w->rollout_steps + w->linearizations,
                                        .actions = w->actions};
  return w->settings.observe(w->settings.observe_user, &iteration) != 0;
}

/* One backward and one forward pass with the derivatives at hand. *moved says whether those are now stale. */
static outcome iterate(ml3_ilqr *w, schedule *s, int *small_in_a_row, bool *moved, ml3_ilqr_report *report,
                       ml3_error *error) {
  const ml3_ilqr_settings *settings = &w->settings;
  const double before = report->cost, mu = s->mu, noise = w->lanes[0].model->precision * fabs(before);
  const double tolerance = fmax(settings->cost_tolerance * fabs(before), noise);
  const bool settled = mu <= MU_SETTLED;
  double alpha = 0, expected = INFINITY;
  if (ml3_ilqr_backward(w, mu)) {
    expected = -(w->slope + w->curvature);
    if (settled && (w->largest_relative <= settings->gradient_tolerance || expected <= noise))
      return CONVERGED;
    alpha = ml3_ilqr_search_line(w, &report->cost);
  } else if (ml3_ilqr_check_derivatives(w, error) != ML3_OK) {
    return BROKEN;
  }
  *moved = alpha > 0;
  if (observed_enough(w, report, before, alpha, mu)) return STUCK;
  if (!*moved) {
    if (settled && expected <= tolerance) return CONVERGED;
    return raise_regularization(w, s) ? GO_ON : STUCK;
  }
  lower_regularization(w, s);
  const bool is_small = before - report->cost <= tolerance;
  *small_in_a_row = is_small ? *small_in_a_row + 1 : 0;
  return is_small && (settled || *small_in_a_row >= PATIENCE) ? CONVERGED : GO_ON;
}

/* Gains of the solution itself, with the least regularisation that works; none when nothing does. */
static int settle_gains(ml3_ilqr *w, ml3_error *error) {
  schedule s = {.mu = 0, .growth = 1};
  bool done = ml3_ilqr_backward(w, s.mu);
  if (!done && ml3_ilqr_check_derivatives(w, error) != ML3_OK) return ML3_ERR_NUMERIC;
  while (!done && raise_regularization(w, &s)) done = ml3_ilqr_backward(w, s.mu);
  if (!done) {
    memset(w->gains, 0, w->horizon * w->m * w->n * sizeof *w->gains);
    w->slope = w->curvature = 0;
  }
  return ML3_OK;
}

/* From w->start and the policy in w to the solution in w. */
static int optimize(ml3_ilqr *w, ml3_ilqr_report *report, ml3_error *error) {
  char said[256];
  report->cost = ml3_ilqr_first_rollout(w);
  if (!isfinite(report->cost))
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "iLQR on '%s': the rollout of the start is not finite at step %zu of %zu (state, action or "
        "cost); start from actions and a state from which the model stays finite%s",
        w->lanes[0].model->name, w->lanes[0].broken, w->horizon, ml3_ilqr_trouble(w, said, sizeof said));
  schedule s = {.mu = w->settings.regularization, .growth = 1};
  outcome now = observed_enough(w, report, report->cost, 0, s.mu) ? STUCK : GO_ON;
  bool stale = true;
  for (int small_in_a_row = 0; now == GO_ON && report->iterations < w->settings.max_iterations;) {
    if (!ml3_ilqr_affords(w, (stale ? 2 : 1) * w->horizon))
      break; /* nothing would come of derivatives alone */
    if (stale) ml3_ilqr_differentiate(w);
    stale = false;
    report->iterations++;
    now = iterate(w, &s, &small_in_a_row, &stale, report, error);
    if (now == BROKEN) return ML3_ERR_NUMERIC;
  }
  if (stale && ml3_ilqr_affords(w, w->horizon)) {
    ml3_ilqr_differentiate(w);
    stale = false;
  }
  if (stale)
    memset(w->gains, 0, w->horizon * w->m * w->n * sizeof *w->gains);
  else if (settle_gains(w, error) != ML3_OK)
    return ML3_ERR_NUMERIC;
  memset(w->feed_forward, 0, w->horizon * w->m * sizeof *w->feed_forward);
  report->converged = now == CONVERGED;
  report->expected_decrease = -(w->slope + w->curvature);
  report->regularization = s.mu;
  return ML3_OK;
}

static void forget_solution(ml3_ilqr *w) {
  const size_t most = (size_t)w->settings.horizon;
  w->solved = 0;
  memset(w->states, 0, (most + 1) * w->n * sizeof *w->states);
  memset(w->actions, 0, most * w->m * sizeof *w->actions);
  memset(w->feed_forward, 0, most * w->m * sizeof *w->feed_forward);
  memset(w->gains, 0, most * w->m * w->n * sizeof *w->gains);
}

/* With the policy to begin from in states, actions and gains. */
static int solve(ml3_ilqr *w, const double *state, int first_step, double *actions, ml3_ilqr_report *report,
                 ml3_error *error) {
  ml3_ilqr_report mine = {0};
  w->rollout_steps = w->linearizations = 0;
  w->first_step = first_step;
  memcpy(w->start, state, w->n * sizeof *state);
  const int code = optimize(w, &mine, error);
  mine.rollout_steps = w->rollout_steps;
  mine.linearizations = w->linearizations;
  mine.model_steps = w->rollout_steps + w->linearizations;
  if (report) *report = mine;
  if (code != ML3_OK) {
    forget_solution(w);
    return code;
  }
  w->solved = w->horizon;
  memcpy(actions, w->actions, w->horizon * w->m * sizeof *actions);
  return ML3_OK;
}

/* rows[old][width] without its first `passed` ones, filled up to `length` rows by its last one, or by zeros. */
static void shift(double *rows, size_t old, size_t length, size_t width, size_t passed, bool hold) {
  double held[width];
  const size_t kept = passed < old ? old - passed : 0;
  memcpy(held, rows + (old - 1) * width, width * sizeof *held);
  if (!hold) memset(held, 0, width * sizeof *held);
  memmove(rows, rows + passed * width * (kept > 0), kept * width * sizeof *rows);
  for (size_t t = kept; t < length; t++) memcpy(rows + t * width, held, width * sizeof *rows);
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

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
                             .line_search_min = 1e-3,
                             .threads = 1};
}

ml3_ilqr *ml3_ilqr_new(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings,
                       ml3_error *error) {
  if (check_settings(settings, error) || check_model(model, error)) return NULL;
  const int threads = settings->threads > 0 ? settings->threads : omp_get_num_procs();
  ml3_ilqr *w = calloc(1, sizeof *w);
  if (w) {
    w->settings = *settings;
    w->n = (size_t)model->state_dim;
    w->m = (size_t)model->action_dim;
    w->horizon = (size_t)settings->horizon;
    w->lanes = calloc((size_t)threads, sizeof *w->lanes);
    w->lane_count = w->lanes ? threads : 0;
    w->qp = ml3_boxqp_new(model->action_dim, NULL);
  }
  if (!w || !w->lanes || !w->qp || !allocate_arrays(w)) {
    ml3_ilqr_free(w);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for iLQR on '%s' with a horizon of %d steps", model->name,
                  settings->horizon);
    return NULL;
  }
  fill_step_sizes(w);
  if (make_lanes(w, model, cost, error) == ML3_OK) return w;
  ml3_ilqr_free(w);
  return NULL;
}

void ml3_ilqr_free(ml3_ilqr *w) {
  if (!w) return;
  for (int i = 1; i < w->lane_count; i++) { /* lane 0 is the caller's */
    ml3_ilqr_lane *lane = &w->lanes[i];
    ml3_model_free(lane->model);
    if (lane->cost.clone && lane->cost.user != w->lanes[0].cost.user && lane->cost.user)
      lane->cost.free(lane->cost.user);
  }
  ml3_boxqp_free(w->qp);
  free(w->lanes);
  free(w->arena);
  free(w);
}

int ml3_ilqr_solve(ml3_ilqr *w, const double *state, int first_step, double *actions, ml3_ilqr_report *report,
                   ml3_error *error) {
  forget_solution(w);
  memcpy(w->actions, actions, w->horizon * w->m * sizeof *actions);
  return solve(w, state, first_step, actions, report, error);
}

int ml3_ilqr_solve_on(ml3_ilqr *w, int passed, const double *state, int first_step, double *actions,
                      ml3_ilqr_report *report, ml3_error *error) {
  const size_t old = w->solved, length = w->horizon, steps = passed > 0 ? (size_t)passed : 0;
  if (old == 0) forget_solution(w);
  if (old > 0) {
    shift(w->states, old + 1, length + 1, w->n, steps, true);
    shift(w->actions, old, length, w->m, steps, true);
    shift(w->gains, old, length, w->m * w->n, steps, false);
  }
  return solve(w, state, first_step, actions, report, error);
}

void ml3_ilqr_set_horizon(ml3_ilqr *w, int horizon) {
  const int most = w->settings.horizon;
  w->horizon = (size_t)(horizon < 1 ? 1 : horizon > most ? most : horizon);
}

void ml3_ilqr_set_limits(ml3_ilqr *w, int max_iterations, long max_model_steps, double regularization) {
  w->settings.max_iterations = max_iterations;
  w->settings.max_model_steps = max_model_steps;
  w->settings.regularization = regularization;
}

void ml3_ilqr_act(const ml3_ilqr *w, int step, const double *state, double *action) {
  const size_t last = w->horizon - 1;
  const size_t t = step < 0 ? 0 : (size_t)step < last ? (size_t)step : last;
  ml3_ilqr_control(w, t, 0, state, action);
}

const double *ml3_ilqr_states(const ml3_ilqr *w) {
  return w->states;
}

const double *ml3_ilqr_gains(const ml3_ilqr *w) {
  return w->gains;
}
