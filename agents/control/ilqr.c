/* The driver of control-limited iLQR: roll out, differentiate, backward pass, line search, repeat.

   mu grows by an accelerating factor after a failed pass or line search and shrinks likewise after a successful one
   (Tassa, Erez, Todorov, IROS 2012, section II-F). Failure at one mu is never the end: the search goes on until mu
   exceeds regularization_max, or until what the quadratic model promises at that mu is lost in the cost's rounding.

   A pass that promises next to nothing may do so because of its mu alone. What decides is the pass with the least mu
   that works, most often 0: either it promises as little, and the solve has converged, or the search goes on from
   there. Its gains are those handed out: they belong to the solution itself, not to the trajectory before it. */
#include "agents/control/ilqr.h"

#include <math.h>
#include <string.h>

#include "agents/control/ilqr_internal.h"

enum { PATIENCE = 10 }; /* small decreases in a row that end the search */
enum { ROUNDINGS = 8 }; /* a promise of so many is none where no step keeps it: costs take several operations */

/* Where a solve stands. */
typedef struct search {
  double mu, growth; /* of the next backward pass; what mu was multiplied by last */
  bool stale;        /* the derivatives are those of a trajectory before */
  bool measured;     /* the workspace's size is this solve's */
  int failures;      /* passes and line searches that failed with the derivatives at hand */
  bool examined;     /* with the derivatives at hand, the pass with the least mu promises a decrease */
  int small_in_a_row;
} search;

/* ---- regularisation ---------------------------------------------------------------------------------------------- */

static bool raise_regularization(const ml3_ilqr *w, search *s) {
  const double factor = w->settings.regularization_factor;
  s->growth = fmax(s->growth * factor, factor);
  s->mu = fmax(s->mu * s->growth, w->settings.regularization_min);
  return s->mu <= w->settings.regularization_max;
}

static void lower_regularization(const ml3_ilqr *w, search *s) {
  const double factor = w->settings.regularization_factor;
  s->growth = fmin(s->growth / factor, 1 / factor);
  s->mu *= s->growth;
  if (s->mu < w->settings.regularization_min) s->mu = 0;
}

/* A pass with the least mu that works, which goes into *mu; false when none does. */
static bool pass_with_least(ml3_ilqr *w, double *mu) {
  search s = {.mu = 0, .growth = 1};
  bool done = ml3_ilqr_backward(w, s.mu);
  while (!done && raise_regularization(w, &s)) done = ml3_ilqr_backward(w, s.mu);
  *mu = s.mu;
  return done;
}

/* ---- what a pass promises ---------------------------------------------------------------------------------------- */

static double promise(const ml3_ilqr *w) {
  return -(w->slope + w->curvature);
}

/* Of the cost's sum, whose terms may cancel. */
static double rounding_error(const ml3_ilqr *w) {
  return w->lanes[0].model->precision * w->magnitude;
}

static double small_decrease(const ml3_ilqr *w) {
  return fmax(w->settings.cost_tolerance * w->magnitude, rounding_error(w));
}

static bool promises_little(const ml3_ilqr *w) {
  return promise(w) <= small_decrease(w) || w->largest_relative <= w->settings.gradient_tolerance;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

/* Tells the observer; true: it wants no more. */
static bool observed_enough(const ml3_ilqr *w, const ml3_ilqr_report *report, double before, double alpha, double mu) {
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

typedef enum pass_end { PASSED, FAILED, OPTIMAL, HOPELESS } pass_end;

/* A pass at s->mu has promised little: is that its mu's doing? Leaves a pass at s->mu, which may be another one. */
static pass_end examine(ml3_ilqr *w, search *s) {
  if (!s->examined) {
    double least;
    const bool passed = pass_with_least(w, &least);
    if (passed && promises_little(w)) return OPTIMAL;
    s->examined = true;
    if (passed && s->failures == 0) { /* no step has failed there */
      s->mu = least;
      s->growth = 1;
      return PASSED;
    }
    ml3_ilqr_backward(w, s->mu);
  }
  return promise(w) <= rounding_error(w) ? HOPELESS : PASSED;
}

/* The pass from which to search: feed-forward terms and gains. */
static pass_end find_direction(ml3_ilqr *w, search *s) {
  if (!s->measured) {
    s->measured = true;
    if (ml3_ilqr_measure(w) && promises_little(w)) return OPTIMAL;
  }
  if (!ml3_ilqr_backward(w, s->mu)) return FAILED;
  return promises_little(w) ? examine(w, s) : PASSED;
}

enum { GO_ON = -1 };

/* No step lowers the cost: is there nothing left to lower? Leaves the pass with the least mu. */
static ml3_ilqr_end end_where_no_step_helps(ml3_ilqr *w) {
  double least;
  const bool settled = pass_with_least(w, &least) && promise(w) <= ROUNDINGS * rounding_error(w);
  return settled ? ML3_ILQR_CONVERGED : ML3_ILQR_STUCK;
}

/* One backward and one forward pass. Returns an ml3_ilqr_end (ML3_ILQR_FAILED: a derivative is not finite) or GO_ON. */
static int iterate(ml3_ilqr *w, search *s, ml3_ilqr_report *report, ml3_error *error) {
  const double before = report->cost, small = small_decrease(w);
  double alpha = 0;
  const pass_end found = find_direction(w, s);
  if (found == OPTIMAL) return ML3_ILQR_CONVERGED;
  if (found == HOPELESS) return end_where_no_step_helps(w);
  if (found == FAILED && ml3_ilqr_check_derivatives(w, error) != ML3_OK) return ML3_ILQR_FAILED;
  const double mu = s->mu;
  if (found == PASSED) alpha = ml3_ilqr_search_line(w, &report->cost);
  s->stale = alpha > 0;
  if (observed_enough(w, report, before, alpha, mu)) return ML3_ILQR_OBSERVER;
  if (!s->stale) {
    s->failures++;
    if (raise_regularization(w, s)) return GO_ON;
    return found == FAILED ? ML3_ILQR_INDEFINITE : end_where_no_step_helps(w);
  }
  lower_regularization(w, s);
  s->failures = 0;
  s->examined = false;
  s->small_in_a_row = before - report->cost <= small ? s->small_in_a_row + 1 : 0;
  return s->small_in_a_row >= PATIENCE ? ML3_ILQR_SLOW : GO_ON;
}

/* From the start's rollout to the end of the search, which goes into report->end. */
static int iterate_to_the_end(ml3_ilqr *w, search *s, ml3_ilqr_report *report, ml3_error *error) {
  int now = observed_enough(w, report, report->cost, 0, s->mu) ? ML3_ILQR_OBSERVER : GO_ON;
  while (now == GO_ON) {
    if (report->iterations >= w->settings.max_iterations) {
      now = ML3_ILQR_ITERATIONS;
    } else if (!ml3_ilqr_affords(w, (s->stale ? 2 : 1) * w->horizon)) {
      now = ML3_ILQR_BUDGET; /* nothing would come of derivatives alone */
    } else {
      if (s->stale) ml3_ilqr_differentiate(w);
      s->stale = false;
      report->iterations++;
      now = iterate(w, s, report, error);
    }
  }
  report->end = (ml3_ilqr_end)now;
  return report->end == ML3_ILQR_FAILED ? ML3_ERR_NUMERIC : ML3_OK;
}

/* Gains of the solution itself, with the least regularisation that works; none when nothing does. */
static int settle_gains(ml3_ilqr *w, const search *s, ml3_error *error) {
  double least;
  const bool done = !s->stale && pass_with_least(w, &least);
  if (!done && !s->stale && ml3_ilqr_check_derivatives(w, error) != ML3_OK) return ML3_ERR_NUMERIC;
  if (done) return ML3_OK;
  memset(w->gains, 0, w->horizon * w->m * w->n * sizeof *w->gains);
  w->slope = w->curvature = 0;
  return ML3_OK;
}

/* From w->start and the policy in w to the solution in w. */
static int optimize(ml3_ilqr *w, ml3_ilqr_report *report, ml3_error *error) {
  char said[256];
  report->cost = ml3_ilqr_first_rollout(w);
  if (!isfinite(report->cost))
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "iLQR on '%s': the rollout of the start is not finite at step %zu of %zu (state, action or "
                         "cost); start from actions and a state from which the model stays finite%s",
                         w->lanes[0].model->name, w->lanes[0].broken, w->horizon,
                         ml3_ilqr_trouble(w, said, sizeof said));
  search s = {.mu = w->settings.regularization, .growth = 1, .stale = true};
  int code = iterate_to_the_end(w, &s, report, error);
  if (code != ML3_OK) return code;
  report->converged = report->end == ML3_ILQR_CONVERGED;
  if (s.stale && ml3_ilqr_affords(w, w->horizon)) {
    ml3_ilqr_differentiate(w);
    s.stale = false;
  }
  if (!report->converged && (code = settle_gains(w, &s, error)) != ML3_OK) return code; /* else they are there */
  memset(w->feed_forward, 0, w->horizon * w->m * sizeof *w->feed_forward);
  report->expected_decrease = promise(w);
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
  const size_t kept = passed < old ? old - passed : 0;
  if (kept > 0 && passed > 0) memmove(rows, rows + passed * width, kept * width * sizeof *rows);
  if (kept == 0 && hold && length > 0 && old > 1) memcpy(rows, rows + (old - 1) * width, width * sizeof *rows);
  for (size_t t = kept > 0 || !hold ? kept : 1; t < length; t++) {
    if (hold)
      memcpy(rows + t * width, rows + (t - 1) * width, width * sizeof *rows);
    else
      memset(rows + t * width, 0, width * sizeof *rows);
  }
}

const char *ml3_ilqr_end_text(ml3_ilqr_end end) {
  static const char *const texts[] = {
      [ML3_ILQR_FAILED] = "it failed",
      [ML3_ILQR_CONVERGED] = "it has converged",
      [ML3_ILQR_ITERATIONS] = "the limit of iterations is reached",
      [ML3_ILQR_BUDGET] = "the budget of model steps is used up",
      [ML3_ILQR_OBSERVER] = "it was stopped",
      [ML3_ILQR_SLOW] = "the cost decreases much less than the quadratic model predicts",
      [ML3_ILQR_STUCK] = "no step size decreases the cost, although the quadratic model predicts a decrease",
      [ML3_ILQR_INDEFINITE] = "no regularisation makes the quadratic model convex"};
  const size_t i = (size_t)end;
  return i < sizeof texts / sizeof *texts ? texts[i] : "unknown";
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

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
