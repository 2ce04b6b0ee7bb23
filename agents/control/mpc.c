/* Receding horizon by iLQR: see mpc.h. */
#include "agents/control/mpc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ml3_mpc {
  ml3_mpc_settings settings;
  ml3_ilqr *ilqr;
  int n, m;
  bool has_plan;
  int planned_at; /* time step of the plan in force */
  double mu;      /* regularisation that the last plan ended with */
  double *start;  /* [horizon][m] controls that the first plan starts from */
  double *plan;   /* scratch: [horizon][m] */
  double *states, *actions,
      *gains; /* the plan in force, kept from a failed one after it: [horizon + 1][n], [m], [m][n] */
  int length;
  const double *low, *high;
  ml3_mpc_report report;
};

ml3_mpc_settings ml3_mpc_defaults(int horizon) {
  return (ml3_mpc_settings){.ilqr = ml3_ilqr_defaults(horizon), .iterations = 10, .replan_every = 1};
}

static int check(const ml3_mpc_settings *s, ml3_error *error) {
  if (s->iterations >= 0 && s->replan_every >= 1 && s->episode >= 0 && s->max_model_steps >= 0) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "receding horizon: iterations (%d), episode (%d) and max_model_steps (%ld) must be 0 or more, "
      "replan_every (%d) at least 1",
      s->iterations, s->episode, s->max_model_steps, s->replan_every);
}

ml3_mpc *ml3_mpc_new(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_mpc_settings *settings,
                     ml3_error *error) {
  if (check(settings, error) != ML3_OK) return NULL;
  ml3_ilqr *ilqr = ml3_ilqr_new(model, cost, &settings->ilqr, error);
  if (!ilqr) return NULL;
  const size_t T = (size_t)settings->ilqr.horizon, n = (size_t)model->state_dim,
               m = (size_t)model->action_dim;
  ml3_mpc *p = calloc(1, sizeof *p);
  double *block = calloc(3 * T * m + (T + 1) * n + T * m * n, sizeof *block);
  if (!p || !block) {
    free(p);
    free(block);
    ml3_ilqr_free(ilqr);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a receding horizon of %zu steps", T);
    return NULL;
  }
  *p = (ml3_mpc){.settings = *settings,
                 .ilqr = ilqr,
                 .n = model->state_dim,
                 .m = model->action_dim,
                 .start = block,
                 .plan = block + T * m,
                 .actions = block + 2 * T * m,
                 .states = block + 3 * T * m,
                 .gains = block + 3 * T * m + (T + 1) * n,
                 .low = model->low,
                 .high = model->high};
  return p;
}

void ml3_mpc_free(ml3_mpc *p) {
  if (!p) return;
  ml3_ilqr_free(p->ilqr);
  free(p->start);
  free(p);
}

void ml3_mpc_begin(ml3_mpc *p, const double *actions) {
  const size_t count = (size_t)p->settings.ilqr.horizon * (size_t)p->m;
  p->has_plan = false;
  p->report = (ml3_mpc_report){0};
  p->mu = p->settings.ilqr.regularization;
  if (actions)
    memcpy(p->start, actions, count * sizeof *actions);
  else
    memset(p->start, 0, count * sizeof *p->start);
}

/* Makes the solver's solution the plan in force. */
static void adopt(ml3_mpc *p, int step, int length) {
  const size_t T = (size_t)length, n = (size_t)p->n, m = (size_t)p->m;
  memcpy(p->actions, p->plan, T * m * sizeof *p->plan);
  memcpy(p->states, ml3_ilqr_states(p->ilqr), (T + 1) * n * sizeof *p->states);
  memcpy(p->gains, ml3_ilqr_gains(p->ilqr), T * m * n * sizeof *p->gains);
  p->planned_at = step;
  p->length = length;
  p->has_plan = true;
}

/* What is left of the budget: 0 where there is none to keep to, -1 when it is used up. */
static long budget_left(const ml3_mpc *p) {
  if (p->settings.max_model_steps == 0) return 0;
  const long left = p->settings.max_model_steps - p->report.model_steps;
  return left > 0 ? left : -1;
}

static void plan(ml3_mpc *p, int step, const double *state, ml3_error *error) {
  const ml3_mpc_settings *s = &p->settings;
  const int rest = s->episode > 0 ? s->episode - step : s->ilqr.horizon;
  const int length = rest < 1 ? 1 : rest < s->ilqr.horizon ? rest : s->ilqr.horizon;
  const long left = budget_left(p);
  if (left < 0) return;
  ml3_ilqr_report report;
  int code;
  ml3_ilqr_set_horizon(p->ilqr, length);
  if (p->has_plan && s->iterations > 0)
    ml3_ilqr_set_limits(p->ilqr, s->iterations, left, p->mu);
  else
    ml3_ilqr_set_limits(p->ilqr, s->ilqr.max_iterations, left, p->mu);
  if (p->has_plan) {
    code = ml3_ilqr_solve_on(p->ilqr, step - p->planned_at, state, step, p->plan, &report, error);
  } else {
    memcpy(p->plan, p->start, (size_t)length * (size_t)p->m * sizeof *p->plan);
    code = ml3_ilqr_solve(p->ilqr, state, step, p->plan, &report, error);
  }
  p->report.plans++;
  p->report.model_steps += report.model_steps;
  if (code != ML3_OK) {
    p->report.failed++;
    return;
  }
  p->mu = fmin(report.regularization, s->ilqr.regularization);
  adopt(p, step, length);
}

int ml3_mpc_act(ml3_mpc *p, int step, const double *state, double *action, ml3_error *error) {
  ml3_error why = {0};
  if (!p->has_plan || step - p->planned_at >= p->settings.replan_every || step < p->planned_at)
    plan(p, step, state, &why);
  if (!p->has_plan) {
    for (int i = 0; i < p->m; i++) action[i] = fmin(fmax(0, p->low[i]), p->high[i]);
    if (error) *error = why;
    return why.code ? why.code
                    : ml3_error_set(error, ML3_ERR_NUMERIC,
                                    "the budget of %ld model steps is too small for a plan",
                                    p->settings.max_model_steps);
  }
  const size_t since = step > p->planned_at ? (size_t)(step - p->planned_at) : 0,
               last = (size_t)p->length - 1;
  const size_t t = since < last ? since : last;
  for (size_t i = 0; i < (size_t)p->m; i++) {
    const double *gain = p->gains + (t * (size_t)p->m + i) * (size_t)p->n,
                 *nominal = p->states + t * (size_t)p->n;
    double u = p->actions[t * (size_t)p->m + i];
    for (size_t j = 0; j < (size_t)p->n; j++) u += gain[j] * (state[j] - nominal[j]);
    action[i] = fmin(fmax(u, p->low[i]), p->high[i]);
  }
  return ML3_OK;
}

ml3_mpc_report ml3_mpc_report_of(const ml3_mpc *p) {
  return p->report;
}
