/* iLQR against the Riccati solution of a linear-quadratic problem, its limits, and what it says of a bad start. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr.h"

enum { N = 2, M = 1, T = 30 };

/* ---- a double integrator: x' = A x + B u ------------------------------------------------------------------ */

static const double A[N][N] = {{1, 0.1}, {0, 1}}, B[N] = {0.005, 0.1};

typedef struct integrator {
  double x[N];
} integrator;

static int create(ml3_env *env, ml3_error *error) {
  (void)error;
  env->data = calloc(1, sizeof(integrator));
  return env->data ? ML3_OK : ML3_ERR_MEMORY;
}
static void destroy(ml3_env *env) {
  free(env->data);
}
static void reset(ml3_env *env, ml3_random *random) {
  (void)random;
  *(integrator *)env->data = (integrator){{1, -0.5}};
}
static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  integrator *s = env->data;
  double x = s->x[0], v = s->x[1];
  for (int i = 0; i < N; i++) s->x[i] = A[i][0] * x + A[i][1] * v + B[i] * action[0];
  *result = (ml3_env_result){0};
}
static void observe(const ml3_env *env, double *obs) {
  memcpy(obs, env->data, sizeof(integrator));
}
static void goal_now(const ml3_env *env, double *goal) {
  (void)env;
  goal[0] = goal[1] = 0;
}
static void set_state(ml3_env *env, const double *state) {
  memcpy(env->data, state, sizeof(integrator));
}
static double distance(const ml3_env *env) {
  return fabs(((integrator *)env->data)->x[0]);
}
static bool success(const ml3_env *env) {
  return distance(env) < 0.01;
}
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  (void)env, (void)action;
  memcpy(a, A, sizeof A);
  memcpy(b, B, sizeof B);
}

static const ml3_env_field fields[N] = {{"x", "m", -INFINITY, INFINITY}, {"v", "m/s", -INFINITY, INFINITY}};
static const ml3_env_field free_action[M] = {{"u", "N", -1e9, 1e9}},
                           tight_action[M] = {{"u", "N", -0.3, 0.3}};
static const ml3_env_parameter nothing[1] = {{"unused", "1", 0, 0, 0}};

static ml3_env_spec spec_with(const ml3_env_field *action) {
  return (ml3_env_spec){.name = "double_integrator",
                        .summary = "x' = A x + B u",
                        .dt_s = 0.1,
                        .horizon = T,
                        .state_dim = N,
                        .obs_dim = N,
                        .action_dim = M,
                        .goal_dim = N,
                        .task_dim = 1,
                        .state = fields,
                        .obs = fields,
                        .action = action,
                        .goal = fields,
                        .task = nothing,
                        .create = create,
                        .destroy = destroy,
                        .reset = reset,
                        .step = step,
                        .observe = observe,
                        .goal_now = goal_now,
                        .get_state = observe,
                        .set_state = set_state,
                        .distance = distance,
                        .success = success,
                        .linearize = linearize};
}

static const double zeros[N] = {0, 0}, ones[N] = {1, 1};
static const ml3_ilqr_goal_cost quadratic = {.state_dim = N,
                                             .action_dim = M,
                                             .goal = zeros,
                                             .weights = ones,
                                             .state_weight = 1,
                                             .action_weight = 0.1,
                                             .final_weight = 5};

/* The finite-horizon discrete Riccati recursion, written out for one control: gains k[t] with u = -k x, and the cost. */
static double riccati(double k[T][N], const double *x0) {
  double p[N][N] = {{5, 0}, {0, 5}};
  for (int t = T - 1; t >= 0; t--) {
    double pb[N], pa[N][N], bpb = 0.1, next[N][N];
    for (int i = 0; i < N; i++) {
      pb[i] = p[i][0] * B[0] + p[i][1] * B[1];
      for (int j = 0; j < N; j++) pa[i][j] = p[i][0] * A[0][j] + p[i][1] * A[1][j];
    }
    bpb += B[0] * pb[0] + B[1] * pb[1];
    for (int j = 0; j < N; j++) k[t][j] = (B[0] * pa[0][j] + B[1] * pa[1][j]) / bpb;
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++)
        next[i][j] = (i == j) + A[0][i] * pa[0][j] + A[1][i] * pa[1][j] - k[t][i] * bpb * k[t][j];
    memcpy(p, next, sizeof p);
  }
  return 0.5 * (x0[0] * (p[0][0] * x0[0] + p[0][1] * x0[1]) + x0[1] * (p[1][0] * x0[0] + p[1][1] * x0[1]));
}

static ml3_ilqr_report solve(const ml3_env_spec *spec, double *actions, double *gains) {
  ml3_error error = {0};
  ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
  ml3_ilqr_report report = {0};
  settings.cost_tolerance = 0;
  settings.gradient_tolerance = 1e-12;
  settings.regularization = settings.regularization_min = 1e-14;
  ml3_env *env = ml3_env_new(spec, &error);
  cr_assert_not_null(env, "%s", error.message);
  ml3_model *model = ml3_model_of_env(env, &error);
  const ml3_ilqr_cost cost = ml3_ilqr_goal(&quadratic);
  ml3_ilqr *ilqr = ml3_ilqr_new(model, &cost, &settings, &error);
  cr_assert_not_null(ilqr, "%s", error.message);
  double state[N];
  ml3_env_get_state(env, state);
  cr_assert_eq(ml3_ilqr_solve(ilqr, state, 0, actions, &report, &error), 0, "%s", error.message);
  cr_expect_eq(report.model_steps, report.rollout_steps + report.linearizations);
  if (gains) memcpy(gains, ml3_ilqr_gains(ilqr), T * N * sizeof *gains);
  ml3_ilqr_free(ilqr);
  ml3_model_free(model);
  ml3_env_free(env);
  return report;
}

Test(ilqr, equals_the_riccati_solution_of_a_linear_quadratic_problem) {
  const double x0[N] = {1, -0.5};
  double k[T][N], actions[T] = {0}, x[N] = {1, -0.5};
  double cost = riccati(k, x0);
  ml3_env_spec spec = spec_with(free_action);
  double gains[T][N];
  ml3_ilqr_report report = solve(&spec, actions, gains[0]);
  cr_expect_float_eq(report.cost, cost, 1e-9, "cost %.12g, Riccati %.12g", report.cost, cost);
  for (int t = 0; t < T; t++) {
    double u = -k[t][0] * x[0] - k[t][1] * x[1], p = x[0], v = x[1];
    cr_expect_float_eq(actions[t], u, 1e-9, "control %d: %.12g, Riccati %.12g", t, actions[t], u);
    for (int i = 0; i < N; i++) x[i] = A[i][0] * p + A[i][1] * v + B[i] * u;
    for (int i = 0; i < N; i++) cr_expect_float_eq(gains[t][i], -k[t][i], 1e-9, "gain %d", t);
  }
}

Test(ilqr, never_leaves_the_limits_and_meets_the_optimality_conditions_there) {
  double actions[T], best;
  for (int t = 0; t < T; t++) actions[t] = t % 2 ? 7 : -7; /* a start far outside is clipped */
  ml3_env_spec spec = spec_with(tight_action);
  best = solve(&spec, actions, NULL).cost;
  bool touched = false;
  for (int t = 0; t < T; t++) {
    cr_expect_leq(fabs(actions[t]), 0.3);
    touched |= fabs(actions[t]) == 0.3;
  }
  cr_expect(touched, "the limits matter in this problem");
  for (int t = 0; t < T; t += 5) /* no control moved alone within the limits does better */
    for (int sign = -1; sign <= 1; sign += 2) {
      double x[N] = {1, -0.5}, sum = 0;
      for (int s = 0; s < T; s++) {
        double u = s == t ? fmin(fmax(actions[s] + 0.02 * sign, -0.3), 0.3) : actions[s], p = x[0], v = x[1];
        sum += 0.5 * (p * p + v * v) + 0.05 * u * u;
        for (int i = 0; i < N; i++) x[i] = A[i][0] * p + A[i][1] * v + B[i] * u;
      }
      sum += 2.5 * (x[0] * x[0] + x[1] * x[1]);
      cr_expect_geq(sum, best - 1e-9, "moving control %d does better: %.12g < %.12g", t, sum, best);
    }
}

Test(ilqr, a_simulation_that_diverges_is_no_next_state) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(ml3_env_find("pointmass", &error), &error);
  ml3_model *model = ml3_model_of_env(env, &error);
  cr_assert_not_null(model, "%s", error.message);
  const double far[4] = {0, 0, 1e30, 0}, still[2] = {0};
  double next[4] = {0};
  model->start(model, far);
  model->step(model, still, next);
  cr_expect(isnan(next[0]), "MuJoCo puts it back to where it began, which no action leads to: %g", next[0]);
  ml3_model_free(model);
  ml3_env_free(env);
}

static double not_a_number(void *user, int t, const double *state, const double *action,
                           ml3_ilqr_expansion *e) {
  (void)user, (void)t, (void)state, (void)action, (void)e;
  return NAN;
}

/* Finite itself, with a gradient that is not at one step. */
static double broken_gradient(void *user, int t, const double *state, const double *action, ml3_ilqr_expansion *e) {
  const int *at = user;
  if (e) {
    for (int i = 0; i < N; i++) e->lss[i * N + i] = 1, e->ls[i] = t == *at ? NAN : state[i];
    if (action) e->luu[0] = 1, e->lu[0] = action[0];
  }
  return 1;
}

Test(ilqr, a_derivative_that_is_not_finite_is_told_with_its_step) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  ml3_env *env = ml3_env_new(&spec, &error);
  ml3_model *model = ml3_model_of_env(env, &error);
  for (int at = 0; at <= T; at += T / 2) { /* the first, one between, the end */
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    const ml3_ilqr_cost cost = {.evaluate = broken_gradient, .user = &at};
    char told[32];
    for (int iterations = 0; iterations <= 5; iterations += 5) {
      settings.max_iterations = iterations;
      ml3_ilqr *ilqr = ml3_ilqr_new(model, &cost, &settings, &error);
      double actions[T] = {0.25}, state[N] = {1, -0.5};
      cr_expect_eq(ml3_ilqr_solve(ilqr, state, 0, actions, NULL, &error), ML3_ERR_NUMERIC);
      snprintf(told, sizeof told, "at step %d of", at);
      cr_expect_not_null(strstr(error.message, told), "%s", error.message);
      ml3_ilqr_free(ilqr);
    }
  }
  ml3_model_free(model);
  ml3_env_free(env);
}

Test(ilqr, a_start_that_is_not_finite_is_told_and_left_alone) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
  ml3_env *env = ml3_env_new(&spec, &error);
  ml3_model *model = ml3_model_of_env(env, &error);
  const ml3_ilqr_cost cost = {.evaluate = not_a_number};
  ml3_ilqr *ilqr = ml3_ilqr_new(model, &cost, &settings, &error);
  double actions[T] = {0.25}, state[N] = {1, -0.5}, action = 7;
  cr_expect_eq(ml3_ilqr_solve(ilqr, state, 0, actions, NULL, &error), ML3_ERR_NUMERIC);
  cr_expect_eq(actions[0], 0.25);
  cr_expect_gt(strlen(error.message), 20);
  ml3_ilqr_act(ilqr, 0, state, &action);
  cr_expect_eq(action, 0, "nothing of it is handed out");
  ml3_ilqr_free(ilqr);
  ml3_model_free(model);
  ml3_env_free(env);
}

/* ---- where a solve ends ------------------------------------------------------------------------------------- */

typedef struct solver {
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr *ilqr;
} solver;

static solver open_solver(const ml3_env_spec *spec, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings) {
  ml3_error error = {0};
  solver s = {.env = ml3_env_new(spec, &error)};
  s.model = ml3_model_of_env(s.env, &error);
  s.ilqr = ml3_ilqr_new(s.model, cost, settings, &error);
  cr_assert_not_null(s.ilqr, "%s", error.message);
  return s;
}

static void close_solver(solver *s) {
  ml3_ilqr_free(s->ilqr);
  ml3_model_free(s->model);
  ml3_env_free(s->env);
}

Test(ilqr, a_solve_that_begins_at_its_optimum_converges_at_the_cost_of_one_iteration) {
  const char *names[] = {"pendulum_swing_up", "pointmass", "mountain_car", "mountain_car_goal", "pointmass_goal"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    ml3_error error = {0};
    const ml3_env_spec *spec = ml3_env_find(names[k], &error);
    const int horizon = spec->horizon;
    double goal[8], weights[8], state[8], *actions = calloc((size_t)(horizon * spec->action_dim), sizeof *actions);
    ml3_ilqr_goal_cost tracking = {spec->state_dim, spec->action_dim, goal, weights, 1, 1e-3, 100};
    const ml3_ilqr_cost cost = ml3_ilqr_goal(&tracking);
    const ml3_ilqr_settings settings = ml3_ilqr_defaults(horizon);
    solver s = open_solver(spec, &cost, &settings);
    ml3_env_goal(s.env, goal);
    ml3_ilqr_goal_weights(spec, goal, weights);
    ml3_env_get_state(s.env, state);
    ml3_ilqr_report first, again;
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions, &first, &error), 0, "%s", error.message);
    cr_expect(first.converged, "%s: %s", names[k], ml3_ilqr_end_text(first.end));
    for (int warm = 0; warm < 2; warm++) {
      const int code = warm ? ml3_ilqr_solve_on(s.ilqr, 0, state, 0, actions, &again, &error)
                            : ml3_ilqr_solve(s.ilqr, state, 0, actions, &again, &error);
      cr_assert_eq(code, 0, "%s", error.message);
      cr_expect(again.converged, "%s: %s", names[k], ml3_ilqr_end_text(again.end));
      cr_expect_eq(again.end, ML3_ILQR_CONVERGED);
      cr_expect_eq(again.iterations, 1, "%s: %d", names[k], again.iterations);
      cr_expect_eq(again.model_steps, 2 * horizon, "%s: %ld", names[k], again.model_steps);
      cr_expect_eq(again.cost, first.cost);
    }
    close_solver(&s);
    free(actions);
  }
}

/* A linear-quadratic problem in other units: powers of 2, so that rounding is the same. */
Test(ilqr, neither_the_unit_of_the_cost_nor_the_first_mu_decides) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(tight_action);
  double actions[3][T] = {{0}}, state[N] = {1, -0.5};
  ml3_ilqr_report report[3];
  for (int k = 0; k < 3; k++) {
    const double scale = k == 0 ? 1 : k == 1 ? 0x1p52 : 0x1p-60; /* 4.5e15 */
    ml3_ilqr_goal_cost scaled = quadratic;
    scaled.state_weight *= scale, scaled.action_weight *= scale, scaled.final_weight *= scale;
    const ml3_ilqr_cost cost = ml3_ilqr_goal(&scaled);
    const ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    solver s = open_solver(&spec, &cost, &settings);
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions[k], &report[k], &error), 0, "%s", error.message);
    close_solver(&s);
    cr_expect(report[k].converged, "cost times %g: %s", scale, ml3_ilqr_end_text(report[k].end));
    cr_expect_eq(memcmp(actions[0], actions[k], sizeof actions[0]), 0, "cost times %g", scale);
    cr_expect_eq(report[k].iterations, report[0].iterations);
    cr_expect_eq(report[k].cost, scale * report[0].cost);
  }
  for (int k = 0; k < 2; k++) { /* a first mu far too large hides nothing */
    const ml3_ilqr_cost cost = ml3_ilqr_goal(&quadratic);
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.regularization = k ? 1e9 : 0;
    solver s = open_solver(&spec, &cost, &settings);
    memset(actions[1], 0, sizeof actions[1]);
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions[1], &report[1], &error), 0, "%s", error.message);
    cr_expect(report[1].converged, "%s", ml3_ilqr_end_text(report[1].end));
    cr_expect_float_eq(report[1].cost, report[0].cost, 1e-7 * report[0].cost);
    close_solver(&s);
  }
}

static int check_promise(void *user, const ml3_ilqr_iteration *i) {
  double *largest = user;
  if (i->iteration > 0 && i->step == 1 && i->actual > 1e-9)
    cr_expect_float_eq(i->expected, i->actual, 1e-6 * i->actual, "expected %.9g, came %.9g", i->expected, i->actual);
  if (i->iteration > 0) *largest = fmax(*largest, i->actual);
  return 0;
}

/* The quadratic model is the problem: what it promises comes, with mu and without. */
Test(ilqr, what_the_quadratic_model_promises_comes_and_mu_falls) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  const ml3_ilqr_cost cost = ml3_ilqr_goal(&quadratic);
  for (int k = 0; k < 4; k++) {
    double actions[T] = {0}, state[N] = {1, -0.5}, largest = 0;
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.regularization = k % 2 ? settings.regularization : 0;
    settings.regularize_state = k >= 2;
    settings.accept_ratio = 0.9;
    settings.observe = check_promise, settings.observe_user = &largest;
    solver s = open_solver(&spec, &cost, &settings);
    ml3_ilqr_report report;
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions, &report, &error), 0, "%s", error.message);
    cr_expect(report.converged, "%s", ml3_ilqr_end_text(report.end));
    cr_expect_gt(largest, 0.1);
    cr_expect_leq(report.iterations, k % 2 ? 9 : 2, "%d iterations", report.iterations);
    cr_expect_leq(report.regularization, 0.1, "mu is %g in the end", report.regularization);
    close_solver(&s);
  }
}

Test(ilqr, what_is_promised_at_the_start_is_the_way_to_the_riccati_solution) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  const ml3_ilqr_cost cost = ml3_ilqr_goal(&quadratic);
  ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
  settings.max_iterations = 0;
  solver s = open_solver(&spec, &cost, &settings);
  double actions[T] = {0}, state[N] = {1, -0.5}, k[T][N];
  ml3_ilqr_report report;
  cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions, &report, &error), 0, "%s", error.message);
  cr_expect(!report.converged);
  cr_expect_float_eq(report.expected_decrease, report.cost - riccati(k, state), 1e-9, "promised %.12g",
                     report.expected_decrease);
  close_solver(&s);
}

/* The sum of squares, whose gradient is told with the wrong sign, and whose curvature at will. */
static double misled(void *user, int t, const double *state, const double *action, ml3_ilqr_expansion *e) {
  const double *curvature = user;
  (void)t, (void)state;
  if (!action) return 0;
  if (e) e->lu[0] = *curvature < 0 ? action[0] - 1 : 1 - action[0], e->luu[0] = *curvature;
  return 0.5 * (action[0] - 1) * (action[0] - 1);
}

Test(ilqr, a_search_that_comes_to_nothing_says_why) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  const struct {
    double curvature, regularization_max;
    int max_iterations;
    long max_model_steps;
    ml3_ilqr_end end;
  } cases[] = {{1, 1e10, 500, 0, ML3_ILQR_STUCK},
               {-1, 0.5, 500, 0, ML3_ILQR_INDEFINITE},
               {1, 1e10, 3, 0, ML3_ILQR_ITERATIONS},
               {1, 1e10, 500, 5 * T, ML3_ILQR_BUDGET}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double actions[T] = {0}, state[N] = {1, -0.5}, curvature = cases[k].curvature;
    const ml3_ilqr_cost cost = {.evaluate = misled, .user = &curvature};
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.max_iterations = cases[k].max_iterations;
    settings.max_model_steps = cases[k].max_model_steps;
    settings.regularization_max = cases[k].regularization_max;
    settings.regularization = 0;
    solver s = open_solver(&spec, &cost, &settings);
    ml3_ilqr_report report;
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, actions, &report, &error), 0, "%s", error.message);
    cr_expect(!report.converged);
    cr_expect_eq(report.end, cases[k].end, "case %zu: %s", k, ml3_ilqr_end_text(report.end));
    cr_expect_eq(report.cost, 0.5 * T);
    for (int t = 0; t < T; t++) cr_expect_eq(actions[t], 0);
    close_solver(&s);
  }
}

Test(ilqr, a_warm_start_is_the_rest_of_the_plan_with_its_last_action_held) {
  ml3_error error = {0};
  ml3_env_spec spec = spec_with(free_action);
  const ml3_ilqr_cost cost = ml3_ilqr_goal(&quadratic);
  const int passed[] = {0, 1, 7, T - 1, T, T + 5};
  for (size_t k = 0; k < sizeof passed / sizeof *passed; k++) {
    const ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    solver s = open_solver(&spec, &cost, &settings);
    double plan[T] = {0}, next[T], state[N] = {1, -0.5};
    cr_assert_eq(ml3_ilqr_solve(s.ilqr, state, 0, plan, NULL, &error), 0, "%s", error.message);
    const int last = passed[k] < T ? passed[k] : T;
    memcpy(state, ml3_ilqr_states(s.ilqr) + last * N, sizeof state); /* as planned: the gains have nothing to do */
    ml3_ilqr_set_limits(s.ilqr, 0, 0, 0);
    cr_assert_eq(ml3_ilqr_solve_on(s.ilqr, passed[k], state, 0, next, NULL, &error), 0, "%s", error.message);
    for (int t = 0; t < T; t++)
      cr_expect_eq(next[t], plan[t + passed[k] < T ? t + passed[k] : T - 1], "%d steps passed, control %d", passed[k], t);
    close_solver(&s);
  }
}
