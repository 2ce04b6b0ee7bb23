/* iLQR on 180 small problems with bounded actions, linear and curved, whose least costs ipopt has found
   (oracle/ilqr_optima.py says what they are). The cost's unit, from 1e-15 to 1e15, and each action's, from 1e-3 to 1e3, are the
   test's own: neither may matter. */
#include <criterion/criterion.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr.h"

enum { PROBLEMS = 180, N_MAX = 4, M_MAX = 3, T_MAX = 20 };

static double number(int p, int k) {
  return sin(12.9898 * (p + 1) + 78.233 * (k + 1));
}

/* A problem is a model and the numbers of its cost. Actions are in units of their own: u = v / unit of what the file has. */
typedef struct problem {
  ml3_model model; /* first: it is one */
  int n, m, horizon;
  bool curved;
  double a[N_MAX][N_MAX], b[N_MAX][M_MAX], weight[N_MAX], energy[M_MAX], final, goal[N_MAX], start[N_MAX];
  double low[M_MAX], high[M_MAX], unit[M_MAX], cost_unit;
  double own_low[M_MAX], own_high[M_MAX], state[N_MAX];
} problem;

static void start(ml3_model *model, const double *state) {
  problem *q = (problem *)model;
  memcpy(q->state, state, (size_t)q->n * sizeof *state);
}

/* s' of s and the model's own action; with a and b not NULL its derivatives. */
static void dynamics(const problem *q, const double *s, const double *own, double *next, double *a, double *b) {
  double u[M_MAX];
  for (int j = 0; j < q->m; j++) u[j] = own[j] / q->unit[j];
  for (int i = 0; i < q->n; i++) {
    const int j = (i + 1) % q->n, k = i % q->m;
    const double range = q->high[k] - q->low[k], v = (2 * u[k] - q->low[k] - q->high[k]) / range;
    const double bend = q->curved ? tanh(s[j]) : 0, slope = q->curved ? 1 - bend * bend : 0;
    double sum = 0.05 * (1 + v) * bend;
    for (int l = 0; l < q->n; l++) sum += q->a[i][l] * s[l];
    for (int l = 0; l < q->m; l++) sum += q->b[i][l] * u[l];
    next[i] = sum;
    if (!a) continue;
    for (int l = 0; l < q->n; l++) a[i * q->n + l] = q->a[i][l] + (l == j ? 0.05 * (1 + v) * slope : 0);
    for (int l = 0; l < q->m; l++)
      b[i * q->m + l] = (q->b[i][l] + (l == k ? 0.1 * bend / range : 0)) / q->unit[l];
  }
}

static void step(ml3_model *model, const double *action, double *next) {
  problem *q = (problem *)model;
  dynamics(q, q->state, action, next, NULL, NULL);
  memcpy(q->state, next, (size_t)q->n * sizeof *next);
}

static void linearize(ml3_model *model, int count, const double *states, const double *actions, double *a, double *b) {
  const problem *q = (problem *)model;
  double next[N_MAX];
  for (int i = 0; i < count; i++)
    dynamics(q, states + i * q->n, actions + i * q->m, next, a + i * q->n * q->n, b + i * q->n * q->m);
}

static double evaluate(void *user, int t, const double *state, const double *action, ml3_ilqr_expansion *e) {
  const problem *q = user;
  const double scale = q->cost_unit * (action ? 1 : q->final);
  double cost = 0;
  (void)t;
  for (int i = 0; i < q->n; i++) {
    const double away = state[i] - q->goal[i], weight = scale * q->weight[i];
    cost += 0.5 * weight * away * away;
    if (e) e->ls[i] = weight * away, e->lss[i * q->n + i] = weight;
  }
  for (int i = 0; i < q->m && action; i++) {
    const double weight = scale * q->energy[i] / (q->unit[i] * q->unit[i]);
    cost += 0.5 * weight * action[i] * action[i];
    if (e) e->lu[i] = weight * action[i], e->luu[i * q->m + i] = weight;
  }
  return cost;
}

static ml3_model *clone(ml3_model *model, ml3_error *error) {
  problem *copy = malloc(sizeof *copy);
  (void)error;
  if (!copy) return NULL;
  *copy = *(problem *)model;
  copy->model.low = copy->own_low, copy->model.high = copy->own_high;
  return &copy->model;
}

static void release(ml3_model *model) {
  free(model);
}

static problem *make(const json_t *json, int p) {
  problem *q = calloc(1, sizeof *q);
  q->n = 1 + p % 4, q->m = 1 + p / 4 % 3, q->horizon = 3 + p % 18;
  q->curved = json_integer_value(json_array_get(json_object_get(json, "curved"), (size_t)p)) != 0;
  q->cost_unit = p % 9 == 4 ? 1e15 : p % 9 == 8 ? 1e-15 : 1;
  q->final = pow(10, 1 + number(p, 215));
  for (int i = 0; i < q->n; i++) {
    q->weight[i] = pow(10, number(p, 200 + i));
    q->goal[i] = 1.5 * number(p, 230 + i);
    q->start[i] = 2 * number(p, 240 + i);
    for (int j = 0; j < q->n; j++) q->a[i][j] = (i == j) + 0.25 / q->n * number(p, i * q->n + j);
    for (int j = 0; j < q->m; j++) q->b[i][j] = 0.5 * number(p, 100 + i * q->m + j);
  }
  for (int i = 0; i < q->m; i++) {
    const double width = pow(10, number(p, 220 + i)), middle = 0.3 * number(p, 260 + i) * width;
    q->energy[i] = pow(10, 1.5 * number(p, 210 + i) - 1.5);
    q->low[i] = middle - width, q->high[i] = middle + width;
    q->unit[i] = p % 5 == 3 ? pow(10, 3 * number(p, 270 + i)) : 1;
    q->own_low[i] = q->low[i] * q->unit[i], q->own_high[i] = q->high[i] * q->unit[i];
  }
  q->model = (ml3_model){.name = "a problem",
                         .state_dim = q->n,
                         .action_dim = q->m,
                         .low = q->own_low,
                         .high = q->own_high,
                         .precision = DBL_EPSILON,
                         .start = start,
                         .step = step,
                         .linearize = linearize,
                         .clone = clone,
                         .free = release};
  return q;
}

static double optimum_of(const json_t *json, int p) {
  return json_number_value(json_array_get(json_object_get(json, "optimum"), (size_t)p));
}

static json_t *load(void) {
  char path[512];
  snprintf(path, sizeof path, "%s/oracle/ilqr_optima.json", ML3_TEST_DATA);
  json_t *json = json_load_file(path, 0, NULL);
  cr_assert_not_null(json, "cannot read %s", path);
  cr_assert_eq(json_array_size(json_object_get(json, "optimum")), PROBLEMS);
  return json;
}

/* Solves problem p from zero controls, and again from where that ended. True: it converged. */
static bool solve(const json_t *json, int p, const ml3_ilqr_settings *changed) {
  problem *q = make(json, p);
  ml3_error error = {0};
  ml3_ilqr_settings settings = *changed;
  settings.horizon = q->horizon;
  const ml3_ilqr_cost cost = {.evaluate = evaluate, .user = q};
  ml3_ilqr *ilqr = ml3_ilqr_new(&q->model, &cost, &settings, &error);
  cr_assert_not_null(ilqr, "%s", error.message);
  double actions[T_MAX * M_MAX] = {0};
  ml3_ilqr_report first, again;
  cr_assert_eq(ml3_ilqr_solve(ilqr, q->start, 0, actions, &first, &error), 0, "%s", error.message);
  const double least = q->cost_unit * optimum_of(json, p);
  cr_expect_leq(fabs(first.cost - least), 1e-6 * least, "problem %d: cost %.12g, ipopt %.12g: %s", p, first.cost, least,
                ml3_ilqr_end_text(first.end));
  for (int i = 0; i < q->horizon * q->m; i++)
    cr_expect(actions[i] >= q->own_low[i % q->m] && actions[i] <= q->own_high[i % q->m], "problem %d", p);
  if (first.converged) {
    cr_assert_eq(ml3_ilqr_solve(ilqr, q->start, 0, actions, &again, &error), 0, "%s", error.message);
    cr_expect(again.converged, "problem %d, from its optimum: %s", p, ml3_ilqr_end_text(again.end));
    cr_expect_eq(again.iterations, 1, "problem %d, from its optimum: %d iterations", p, again.iterations);
    cr_expect_eq(again.model_steps, 2 * q->horizon, "a rollout and derivatives");
  }
  ml3_ilqr_free(ilqr);
  free(q);
  return first.converged;
}

static int count_converged(const ml3_ilqr_settings *settings) {
  json_t *json = load();
  int converged = 0;
  for (int p = 0; p < PROBLEMS; p++) converged += solve(json, p, settings);
  json_decref(json);
  return converged;
}

Test(ilqr_optima, are_ipopts_and_said_to_be_reached) {
  const ml3_ilqr_settings settings = ml3_ilqr_defaults(1);
  const int converged = count_converged(&settings);
  cr_expect_geq(converged, 178, "%d of %d problems converged", converged, PROBLEMS);
}

Test(ilqr_optima, are_ipopts_with_the_states_regularised) {
  ml3_ilqr_settings settings = ml3_ilqr_defaults(1);
  settings.regularize_state = true;
  const int converged = count_converged(&settings);
  cr_expect_geq(converged, 178, "%d of %d problems converged", converged, PROBLEMS);
}

/* An expected decrease that is the slope's alone is twice the true one: a step would hardly ever be good enough. */
Test(ilqr_optima, are_ipopts_when_every_step_must_keep_what_was_promised) {
  ml3_ilqr_settings settings = ml3_ilqr_defaults(1);
  settings.accept_ratio = 0.6;
  const int converged = count_converged(&settings);
  cr_expect_geq(converged, 178, "%d of %d problems converged", converged, PROBLEMS);
}

static int check_promise(void *user, const ml3_ilqr_iteration *i) {
  const int p = *(const int *)user;
  if (i->iteration > 0 && i->step == 1 && i->actual > 1e-9 * i->cost)
    cr_expect_float_eq(i->expected, i->actual, 1e-6 * i->actual, "problem %d, mu %g: expected %.9g, came %.9g", p,
                       i->regularization, i->expected, i->actual);
  return 0;
}

/* Without bounds the quadratic model of a linear problem is the problem, with mu and without. */
Test(ilqr_optima, what_the_quadratic_model_promises_comes) {
  json_t *json = load();
  int checked = 0;
  for (int p = 0; p < PROBLEMS; p++) {
    problem *q = make(json, p);
    ml3_error error = {0};
    ml3_ilqr_settings settings = ml3_ilqr_defaults(q->horizon);
    settings.observe = check_promise, settings.observe_user = &p;
    settings.regularize_state = p % 4 >= 2;
    for (int i = 0; i < q->m; i++) q->own_low[i] = -INFINITY, q->own_high[i] = INFINITY;
    const ml3_ilqr_cost cost = {.evaluate = evaluate, .user = q};
    ml3_ilqr *ilqr = q->curved ? NULL : ml3_ilqr_new(&q->model, &cost, &settings, &error);
    double actions[T_MAX * M_MAX] = {0};
    if (ilqr) cr_assert_eq(ml3_ilqr_solve(ilqr, q->start, 0, actions, NULL, &error), 0, "%s", error.message);
    checked += ilqr && q->m > 1;
    ml3_ilqr_free(ilqr);
    free(q);
  }
  cr_expect_geq(checked, 60);
  json_decref(json);
}
