/* What an iLQR is made of: its settings checked, its workspace, a lane a thread. */
#include <math.h>
#include <stdlib.h>

#include "agents/control/ilqr_internal.h"
#include "base/threads.h"

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
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "iLQR needs a state and an action; environment '%s' has %d state and %d action entries",
                         model->name, model->state_dim, model->action_dim);
  for (int i = 0; i < model->action_dim; i++) {
    if (!(model->low[i] <= model->high[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "action %d of environment '%s' has bounds [%g, %g]; the low one must not be above", i,
                           model->name, model->low[i], model->high[i]);
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
      {&w->unit, m},
      {&w->size, n > m ? n : m},
      {&w->damping, n > m ? n : m},
      {&w->start, n},
      {&w->states, (T + 1) * n},
      {&w->actions, T * m},
      {&w->a, T * n * n},
      {&w->b, T * n * m},
      {&w->expansion, (T + 1) * ml3_ilqr_expansion_size(w->n, w->m)},
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
    if (!(w->lanes[i].cost.user = cost->clone(cost->user, error))) return error ? error->code : ML3_ERR_MEMORY;
  }
  return ML3_OK;
}

static void fill_step_sizes(ml3_ilqr *w) {
  const int count = w->settings.line_search_steps;
  for (int i = 0; i < count; i++)
    w->step_sizes[i] = count > 1 ? pow(w->settings.line_search_min, (double)i / (count - 1)) : 1;
}

static void fill_units(ml3_ilqr *w, const ml3_model *model) {
  for (size_t i = 0; i < w->m; i++) w->unit[i] = fmin(1, model->high[i] - model->low[i]);
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

ml3_ilqr_settings ml3_ilqr_defaults(int horizon) {
  return (ml3_ilqr_settings){.horizon = horizon,
                             .max_iterations = 500,
                             .cost_tolerance = 1e-9,
                             .gradient_tolerance = 1e-6,
                             .regularization = 3,
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
  const int threads = ml3_threads(settings->threads);
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
  fill_units(w, model);
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
