/* The meta-gradient against numbers of another implementation in double precision (oracle/): inner loss, inner
   gradient, theta after one step, task loss, its gradient, and the meta-gradient, entry by entry.

   Parameters are scale * sin(k + 1 + offset), as those files' authors chose them. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/dynamics.h"
#include "agents/problems/model_based.h"
#include "metaloss/meta.h"
#include "tests/oracle_file.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-9;
#else
static const double tolerance = 1e-3;
#endif

/* ---- reading ------------------------------------------------------------------------------------- */

static double number(const json_t *json, const char *key, double otherwise) {
  const json_t *x = json_object_get(json, key);
  return x ? json_number_value(x) : otherwise;
}

/* The list under key as reals; returns its length. */
static int list(const json_t *json, const char *key, ml3_real *values) {
  const json_t *x = json_object_get(json, key);
  for (size_t i = 0; i < json_array_size(x); i++) values[i] = (ml3_real)json_number_value(json_array_get(x, i));
  return (int)json_array_size(x);
}

static ml3_mlp network(const json_t *config, const char *key, ml3_activation activation, ml3_activation output,
                       bool bias) {
  const json_t *dims = json_object_get(config, key);
  int layers = (int)json_array_size(dims);
  ml3_mlp net = {.depth = layers - 2, .activation = activation, .output = output, .bias = bias};
  net.inputs = (int)json_integer_value(json_array_get(dims, 0));
  net.outputs = (int)json_integer_value(json_array_get(dims, (size_t)layers - 1));
  for (int i = 1; i < layers - 1; i++) net.hidden[i - 1] = (int)json_integer_value(json_array_get(dims, (size_t)i));
  return net;
}

static void fill(ml3_real *x, int n, double scale, double offset) {
  for (int k = 0; k < n; k++) x[k] = (ml3_real)(scale * sin(k + 1 + offset));
}

/* ---- comparing ----------------------------------------------------------------------------------- */

/* Relative to the norm of the whole vector. */
static void compare(const char *name, const char *what, const json_t *expected, const ml3_real *got, int n) {
  const json_t *all = json_object_get(expected, "all");
  cr_assert_eq((int)json_array_size(all), n, "%s: %s has %zu entries, not %d", name, what, json_array_size(all), n);
  double norm = number(expected, "norm", 0);
  for (int i = 0; i < n; i++) {
    double e = json_number_value(json_array_get(all, (size_t)i));
    cr_expect_leq(fabs(e - got[i]), tolerance * norm, "%s: %s[%d] is %.12g, not %.12g", name, what, i, (double)got[i], e);
  }
}

static void compare_number(const char *name, const json_t *json, const char *key, double got) {
  double e = number(json, key, NAN);
  cr_expect_leq(fabs(e - got), tolerance * fmax(fabs(e), 1e-3), "%s: %s is %.12g, not %.12g", name, key, got, e);
}

/* One outer iteration of a problem, all of it compared. */
static void run(const char *name, const json_t *json, ml3_problem *problem, const ml3_loss_spec *spec,
                const ml3_real *task, const ml3_real *theta, double extra_weight) {
  const json_t *config = json_object_get(json, "config");
  const int n = problem->theta_size;
  ml3_meta_settings settings = {.loss = *spec, .inner_steps = 1, .task_weight = 1, .extra_weight = extra_weight};
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_loss *loss = ml3_loss_new(spec, &random, &error);
  cr_assert_eq(loss->size, (int)number(config, "n_phi", 0));
  fill(loss->phi, loss->size, number(config, "loss_scale", 0), number(config, "loss_offset", 0));
  if (spec->net.inputs == 7) loss->scale[2] = loss->scale[3] = (ml3_real)0.125; /* the reacher's velocities */

  ml3_real *gradient = calloc((size_t)loss->size, sizeof *gradient);
  ml3_real *stepped = calloc((size_t)n, sizeof *stepped), *inner = calloc((size_t)n, sizeof *inner);
  double objective, value;
  memcpy(stepped, theta, (size_t)n * sizeof *stepped);
  cr_assert_eq(ml3_meta_adapt(work, loss, task, stepped, &random, &value, &error), 0, "%s", error.message);
  compare_number(name, json, "inner_loss", value);
  compare(name, "theta_new", json_object_get(json, "theta_new"), stepped, n);
#ifdef ML3_DOUBLE /* in float the difference of two thetas keeps too few digits */
  for (int i = 0; i < n; i++) inner[i] = (theta[i] - stepped[i]) / spec->rate;
  for (int i = 0; i < n; i++) {
    double e = json_number_value(json_array_get(json_object_get(json_object_get(json, "inner_grad"), "all"), (size_t)i));
    cr_expect_leq(fabs(e - inner[i]), 1e-12, "%s: inner_grad[%d] is %.12g, not %.12g", name, i, inner[i], e);
  }
#endif
  cr_assert_eq(ml3_meta_gradient(work, loss, task, theta, &random, gradient, &objective, NULL, &error), 0, "%s",
               error.message);
  compare_number(name, json, "task_loss", objective);
  compare(name, "meta_grad", json_object_get(json, "meta_grad"), gradient, loss->size);
  if (extra_weight == 0) {
    ml3_meta_task_gradient(work, task, stepped, &random, &value, inner, &error);
    compare(name, "dtask_dtheta_new", json_object_get(json, "dtask_dtheta_new"), inner, n);
  }

  free(gradient);
  free(stepped);
  free(inner);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
}

/* ---- mountain car: the library's own problem -------------------------------------------------------- */

static void mountain_car(const char *name) {
  json_t *json = load_oracle(name), *config = json_object_get(json, "config");
  ml3_error error = {0};
  const int hidden[1] = {8};
  bool shaped = json_is_true(json_object_get(config, "shaped"));
  const int starts = (int)number(config, "starts", 1);
  ml3_real extra_goal[2], task[64] = {0}, theta[24];
  ml3_model_based_settings s = {.env = ml3_env_find("mountain_car", &error),
                                .horizon = 35,
                                .starts = starts,
                                .cost = ML3_COST_TRAJECTORY,
                                .cost_from_step = shaped ? 15 : 0,
                                .extra = shaped,
                                .extra_until_step = 15};
  cr_assert_not_null(s.env, "%s", error.message);
  list(config, "goal_extra", extra_goal);
  s.extra_goal = (double[]){(double)extra_goal[0], (double)extra_goal[1]};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_IDENTITY, false, &error), 0, "%s", error.message);
  ml3_problem *problem = ml3_model_based_new(&s, &error);
  cr_assert_not_null(problem, "%s", error.message);

  list(config, "s0", task);
  cr_assert_leq(problem->task_size, 64);
  list(config, "goal", task + 2 * starts);
  fill(theta, 24, number(config, "policy_scale", 0), number(config, "policy_offset", 0));
  ml3_loss_spec spec = {.net = network(config, "loss_dims", ML3_ELU, ML3_IDENTITY, true),
                        .rate = number(config, "lr", 0)};
  run(name, json, problem, &spec, task, theta, shaped ? 1 : 0);
  problem->free(problem);
  json_decref(json);
}

Test(mountain_car, agrees_with_the_oracle_shaped) { mountain_car("mc_shaped_biglr"); }
Test(mountain_car, agrees_with_the_oracle_unshaped) { mountain_car("mc_unshaped"); }
Test(mountain_car, agrees_with_the_oracle_where_actions_saturate) { mountain_car("mc_clamp_u"); }
Test(mountain_car, agrees_with_the_oracle_at_the_walls) { mountain_car("mc_walls"); }
Test(mountain_car, agrees_with_the_oracle_from_several_starts) { mountain_car("mc_starts"); }

/* ---- sine: y = model(x) -------------------------------------------------------------------------------- */

static ml3_node columns(ml3_nn_graph *g, ml3_node data, int n, int which) {
  return ml3_nn_view(g, data, which * n, n, 1);
}

static ml3_node mean_square(ml3_nn_graph *g, ml3_node a, ml3_node b) {
  return ml3_nn_mean(g, ml3_nn_square(g, ml3_nn_sub(g, a, b)));
}

static ml3_node sine_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  int n = p->task_size / 2;
  (void)context;
  ml3_node both[2] = {ml3_mlp_build(g, p->user, theta, 0, columns(g, data, n, 0)), columns(g, data, n, 1)};
  return ml3_nn_concat_cols(g, both, 2);
}

static ml3_node sine_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  int n = p->task_size / 2;
  (void)context;
  return mean_square(g, ml3_mlp_build(g, p->user, theta, 0, columns(g, data, n, 0)), columns(g, data, n, 1));
}

Test(sine, agrees_with_the_oracle) {
  json_t *json = load_oracle("sine_biglr"), *config = json_object_get(json, "config");
  ml3_mlp model = network(config, "model", ML3_RELU, ML3_IDENTITY, true);
  ml3_real task[64], theta[256];
  int n = list(config, "x", task);
  list(config, "y", task + n);
  int size = ml3_mlp_size(&model);
  fill(theta, size, number(config, "model_scale", 0), number(config, "model_offset", 0));
  ml3_problem problem = {.name = "sine",
                         .theta_size = size,
                         .task_size = 2 * n,
                         .inner_size = 2 * n,
                         .outer_size = 2 * n,
                         .features = 2,
                         .build_features = sine_features,
                         .build_task_loss = sine_loss,
                         .user = &model};
  ml3_loss_spec spec = {.net = network(config, "loss_dims", ML3_RELU, ML3_SOFTPLUS, false),
                        .rate = number(config, "lr", 0)};
  run("sine_biglr", json, &problem, &spec, task, theta, 0);
  json_decref(json);
}

/* ---- shaped sine: y = sin(theta x), the goal known while meta-training --------------------------------------- */

static ml3_node shaped_predict(ml3_nn_graph *g, ml3_node theta, ml3_node x) {
  return ml3_nn_sin(g, ml3_nn_mul(g, x, theta));
}

static ml3_node shaped_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  int n = (p->task_size - 1) / 2;
  (void)context;
  ml3_node x = columns(g, data, n, 0);
  ml3_node three[3] = {x, shaped_predict(g, theta, x), columns(g, data, n, 1)};
  return ml3_nn_concat_cols(g, three, 3);
}

static ml3_node shaped_goal_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  (void)context;
  return ml3_nn_square(g, ml3_nn_sub(g, theta, ml3_nn_view(g, data, p->task_size - 1, 1, 1)));
}

static ml3_node shaped_plain_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context) {
  int n = (p->task_size - 1) / 2;
  (void)context;
  return mean_square(g, shaped_predict(g, theta, columns(g, data, n, 0)), columns(g, data, n, 1));
}

static void shaped_sine(const char *name) {
  json_t *json = load_oracle(name), *config = json_object_get(json, "config");
  int n = (int)number(config, "N", 0);
  double goal = number(config, "goal", 0);
  ml3_real task[64], theta[1] = {(ml3_real)number(config, "theta0", 0)};
  for (int i = 0; i < n; i++) {
    double x = -5 + 10.0 * i / (n - 1);
    task[i] = (ml3_real)x;
    task[n + i] = (ml3_real)sin(goal * x);
  }
  task[2 * n] = (ml3_real)goal;
  ml3_problem problem = {.name = name,
                         .theta_size = 1,
                         .task_size = 2 * n + 1,
                         .inner_size = 2 * n + 1,
                         .outer_size = 2 * n + 1,
                         .features = 3,
                         .build_features = shaped_features,
                         .build_task_loss =
                             json_is_true(json_object_get(config, "shaped")) ? shaped_goal_loss : shaped_plain_loss};
  ml3_loss_spec spec = {.net = network(config, "loss_dims", ML3_ELU, ML3_IDENTITY, true),
                        .rate = number(config, "lr", 0)};
  run(name, json, &problem, &spec, task, theta, 0);
  json_decref(json);
}

Test(shaped_sine, agrees_with_the_oracle) { shaped_sine("shaped_sine_T"); }
Test(shaped_sine, agrees_with_the_oracle_unshaped) { shaped_sine("shaped_sine_F"); }

/* ---- reacher through an ensemble; its parameters are the problem's context ------------------------------------ */

typedef struct reacher {
  ml3_mlp policy, member;
  int horizon;
  double dt;
} reacher;

static ml3_node scaled(ml3_nn_graph *g, ml3_node s, ml3_node more) { /* velocities divided by 8 */
  ml3_node parts[3] = {ml3_nn_slice_cols(g, s, 0, 2), ml3_nn_scale(g, ml3_nn_slice_cols(g, s, 2, 2), 0.125), more};
  return ml3_nn_concat_cols(g, parts, 3);
}

static void reacher_rollout(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context,
                            ml3_node *states, ml3_node *actions) {
  const reacher *r = p->user;
  int size = ml3_mlp_size(&r->member);
  ml3_node goal = ml3_nn_view(g, data, 4, 1, 4);
  states[0] = ml3_nn_view(g, data, 0, 1, 4);
  for (int t = 0; t < r->horizon; t++) {
    ml3_node seen = scaled(g, ml3_nn_stop_gradient(g, states[t]), goal);
    actions[t] = ml3_nn_clamp(g, ml3_mlp_build(g, &r->policy, theta, 0, seen), -1, 1);
    ml3_node input = scaled(g, states[t], actions[t]), push = ml3_nn_constant(g, 1, 2, 0);
    for (int i = 0; i < 3; i++) push = ml3_nn_add(g, push, ml3_mlp_build(g, &r->member, context, i * size, input));
    ml3_node v = ml3_nn_add(g, ml3_nn_slice_cols(g, states[t], 2, 2), ml3_nn_scale(g, push, 1.0 / 3));
    ml3_node q = ml3_nn_add(g, ml3_nn_slice_cols(g, states[t], 0, 2), ml3_nn_scale(g, v, r->dt));
    ml3_node next[2] = {ml3_nn_clamp(g, q, -3, 3), ml3_nn_clamp(g, v, -4, 4)};
    states[t + 1] = ml3_nn_concat_cols(g, next, 2);
  }
}

static ml3_node reacher_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  const reacher *r = p->user;
  ml3_node states[64], actions[64];
  reacher_rollout(p, g, theta, data, context, states, actions);
  ml3_node off = ml3_nn_sub(g, states[r->horizon], ml3_nn_view(g, data, 4, 1, 4));
  ml3_node far = ml3_nn_broadcast(g, ml3_nn_stop_gradient(g, ml3_nn_norm(g, off)), r->horizon, 1);
  ml3_node parts[3] = {ml3_nn_stop_gradient(g, ml3_nn_concat_rows(g, states, r->horizon)),
                       ml3_nn_concat_rows(g, actions, r->horizon), far};
  return ml3_nn_concat_cols(g, parts, 3);
}

static ml3_node mean_row_norm(ml3_nn_graph *g, ml3_node x) {
  return ml3_nn_mean(g, ml3_nn_sqrt(g, ml3_nn_sum_cols(g, ml3_nn_square(g, x))));
}

static ml3_node reacher_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  const reacher *r = p->user;
  ml3_node states[64], actions[64];
  reacher_rollout(p, g, theta, data, context, states, actions);
  ml3_node all = ml3_nn_concat_rows(g, states, r->horizon + 1), goal = ml3_nn_view(g, data, 4, 1, 2);
  ml3_node off = ml3_nn_sub(g, ml3_nn_slice_cols(g, all, 0, 2), goal);
  ml3_node end = ml3_nn_norm(g, ml3_nn_slice_rows(g, off, r->horizon, 1));
  ml3_node speed = ml3_nn_scale(g, mean_row_norm(g, ml3_nn_slice_cols(g, all, 2, 2)), 1e-4);
  return ml3_nn_add(g, ml3_nn_add(g, ml3_nn_scale(g, end, 10), mean_row_norm(g, off)), speed);
}

Test(reacher, agrees_with_the_oracle_through_a_learned_model) {
  json_t *json = load_oracle("reacher_clamp"), *config = json_object_get(json, "config");
  const json_t *before = json_object_get(json_object_get(json, "extra"), "before");
  const json_t *first = json_array_get(json_object_get(before, "states"), 0);
  reacher r = {.policy = network(config, "policy", ML3_TANH, ML3_IDENTITY, true),
               .member = {.inputs = 6, .outputs = 2, .depth = 2, .hidden = {8, 5}, .activation = ML3_TANH, .bias = true},
               .horizon = (int)number(config, "H", 0),
               .dt = number(config, "dt", 0)};
  int size = ml3_mlp_size(&r.member), n = ml3_mlp_size(&r.policy);
  ml3_real context[1024], theta[256], task[8];
  const double offsets[3] = {0, 10, 20};
  for (int i = 0; i < 3; i++) fill(context + i * size, size, number(config, "dyn_scale", 0), offsets[i]);
  for (size_t i = 0; i < 4; i++) task[i] = (ml3_real)json_number_value(json_array_get(first, i));
  list(config, "goal", task + 4);
  fill(theta, n, number(config, "policy_scale", 0), 0);

  ml3_problem problem = {.name = "reacher",
                         .theta_size = n,
                         .task_size = 8,
                         .inner_size = 8,
                         .outer_size = 8,
                         .context_size = 3 * size,
                         .features = 7,
                         .build_features = reacher_features,
                         .build_task_loss = reacher_loss,
                         .context = context,
                         .user = &r};
  ml3_loss_spec spec = {.net = network(config, "loss_dims", ML3_ELU, ML3_SOFTPLUS, true), .rate = number(config, "lr", 0)};
  run("reacher_clamp", json, &problem, &spec, task, theta, 0);
  json_decref(json);
}
