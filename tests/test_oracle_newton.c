/* Gauss-Newton steps by conjugate gradients against dense solves of NumPy's float64, and the meta-gradient through two of them
   against complex steps (oracle/newton.py, which states the problem). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "metaloss/meta.h"
#include "tests/oracle_file.h"

enum { N = 6, X = 3, ACTIONS = 2, THETA = 8, TASK = N * (X + ACTIONS), PHI_MAX = 128, STEPS = 2 };

/* Of a number of iterations. Until the residual is gone rounding makes the directions less conjugate: in float the solution
   needs more than as many iterations as there are unknowns. */
static double tolerance_of(int iterations) {
  if (sizeof(ml3_real) == sizeof(float)) return 2e-3;
  return iterations < THETA ? 1e-9 : 1e-7;
}

/* ---- the problem ---------------------------------------------------------------------------------------------------- */

static ml3_node build_x(ml3_nn_graph *g, ml3_node data) { return ml3_nn_view(g, data, 0, N, X); }

static ml3_node build_actions(ml3_nn_graph *g, ml3_node theta, ml3_node data) {
  const ml3_mlp linear = {.inputs = X, .outputs = ACTIONS, .output = ML3_TANH, .bias = true};
  return ml3_mlp_build(g, &linear, theta, 0, build_x(g, data));
}

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  const ml3_node parts[2] = {build_actions(g, theta, data), build_x(g, data)};
  return ml3_nn_concat_cols(g, parts, 2);
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  ml3_node off = ml3_nn_sub(g, build_actions(g, theta, data), ml3_nn_view(g, data, N * X, N, ACTIONS));
  return ml3_nn_scale(g, ml3_nn_sum(g, ml3_nn_square(g, off)), 1.0 / N);
}

static const ml3_problem problem = {.name = "newton",
                                    .theta_size = THETA,
                                    .task_size = TASK,
                                    .inner_size = TASK,
                                    .outer_size = TASK,
                                    .features = ACTIONS + X,
                                    .build_features = build_features,
                                    .build_task_loss = build_task_loss};

static ml3_meta_settings settings_of(int iterations, ml3_derivatives derivatives) {
  return (ml3_meta_settings){.loss = {.net = {.inputs = ACTIONS + X,
                                              .outputs = 1,
                                              .depth = 1,
                                              .hidden = {4},
                                              .activation = ML3_TANH,
                                              .bias = true},
                                      .target_count = ACTIONS,
                                      .targets = {0, 1},
                                      .rate = 0.7,
                                      .learn_rate = ML3_RATE_SCALAR,
                                      .newton = iterations},
                             .inner_steps = STEPS,
                             .task_weight = 1,
                             .derivatives = derivatives};
}

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

static int list(const json_t *json, const char *key, ml3_real *values) {
  const json_t *x = json_object_get(json, key);
  for (size_t i = 0; i < json_array_size(x); i++) values[i] = (ml3_real)json_number_value(json_array_get(x, i));
  return (int)json_array_size(x);
}

static double entry(const json_t *json, const char *key, int i) {
  return json_number_value(json_array_get(json_object_get(json, key), (size_t)i));
}

/* The distance to what is right, as a share of that. */
static double off_by(const json_t *json, const char *key, const ml3_real *got) {
  double off = 0, norm = 0;
  const int n = (int)json_array_size(json_object_get(json, key));
  for (int i = 0; i < n; i++) {
    off += pow((double)got[i] - entry(json, key, i), 2);
    norm += pow(entry(json, key, i), 2);
  }
  cr_assert_gt(norm, 0);
  return sqrt(off / norm);
}

/* A number of iterations, with everything that one task needs. */
typedef struct trial {
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_loss *loss;
  ml3_real task[TASK], theta[THETA];
  ml3_random random;
} trial;

static void make(trial *t, const json_t *json, int iterations, ml3_derivatives derivatives) {
  ml3_error error = {0};
  const ml3_meta_settings s = settings_of(iterations, derivatives);
  t->random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  t->meta = ml3_meta_new(&problem, &s, &error);
  cr_assert_not_null(t->meta, "%s", error.message);
  t->work = ml3_meta_work_new(t->meta, &error);
  t->loss = ml3_loss_new(&s.loss, &t->random, &error);
  cr_assert_not_null(t->loss, "%s", error.message);
  cr_assert_eq(list(json, "phi", t->loss->phi), t->loss->size);
  list(json, "shift", t->loss->shift);
  list(json, "scale", t->loss->scale);
  list(json, "x", t->task);
  list(json, "y", t->task + N * X);
  cr_assert_eq(list(json, "theta", t->theta), THETA);
}

static void drop(trial *t) {
  ml3_loss_free(t->loss);
  ml3_meta_work_free(t->work);
  ml3_meta_free(t->meta);
}

static void run(const json_t *json, const json_t *of) {
  const int iterations = (int)json_integer_value(json_object_get(of, "iterations"));
  const double right = json_number_value(json_object_get(of, "task_loss")), tolerance = tolerance_of(iterations);
  ml3_error error = {0};
  ml3_real gradient[PHI_MAX], stepped[THETA];
  double objective, value;
  trial t;
  make(&t, json, iterations, ML3_DERIVATIVES_EXACT);
  memcpy(stepped, t.theta, sizeof stepped);
  cr_assert_eq(ml3_meta_adapt(t.work, t.loss, t.task, stepped, &t.random, &value, &error), 0, "%s", error.message);
  cr_expect_leq(off_by(of, "theta_new", stepped), tolerance, "%d iterations: the step is off by %g", iterations,
                off_by(of, "theta_new", stepped));
  cr_expect_leq(fabs(value - json_number_value(json_object_get(json, "inner_loss"))), tolerance * fabs(value));
  cr_assert_eq(ml3_meta_gradient(t.work, t.loss, t.task, t.theta, &t.random, gradient, &objective, NULL, &error), 0, "%s",
               error.message);
  cr_expect_leq(off_by(of, "theta_two", ml3_meta_adapted(t.work, NULL)), tolerance, "%d iterations: two steps are off by %g",
                iterations, off_by(of, "theta_two", ml3_meta_adapted(t.work, NULL)));
  cr_expect_leq(fabs(objective - right), tolerance * right, "%d iterations: the task loss is %.12g, not %.12g", iterations,
                objective, right);
  cr_expect_leq(off_by(of, "meta_grad", gradient), 5 * tolerance, "%d iterations: the meta-gradient is off by %g", iterations,
                off_by(of, "meta_grad", gradient));
  drop(&t);
}

Test(oracle, gauss_newton_steps_and_their_meta_gradient_agree_with_dense_solves) {
  json_t *json = load_oracle("newton"), *cases = json_object_get(json, "cases");
  cr_assert_eq(json_array_size(cases), 5);
  for (size_t i = 0; i < json_array_size(cases); i++) run(json, json_array_get(cases, i));
  json_decref(json);
}

/* Without second derivatives by theta it is another gradient: of the first step they are what is left out. */
Test(oracle, the_meta_gradient_is_not_the_first_order_one) {
  json_t *json = load_oracle("newton"), *of = json_array_get(json_object_get(json, "cases"), 2);
  ml3_error error = {0};
  ml3_real gradient[PHI_MAX];
  trial t;
  make(&t, json, 3, ML3_DERIVATIVES_FIRST_ORDER);
  cr_assert_eq(ml3_meta_gradient(t.work, t.loss, t.task, t.theta, &t.random, gradient, NULL, NULL, &error), 0, "%s",
               error.message);
  cr_expect_gt(off_by(of, "meta_grad", gradient), 0.05);
  drop(&t);
  json_decref(json);
}
