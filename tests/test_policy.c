/* Policies: the graph, the numbers and the file say the same; log-probabilities and gradients are right. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/policy.h"
#include "nn/program.h"

enum { ROWS = 5, MAX_THETA = 4096 };

static const ml3_env_spec *reacher(void) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("reacher", &error);
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

static ml3_policy make_policy(ml3_policy_kind kind, int depth, ml3_squash squash) {
  ml3_error error = {0};
  ml3_policy policy;
  const int hidden[3] = {7, 6, 5};
  cr_assert_eq(ml3_policy_init(&policy, reacher(), hidden, depth, ML3_TANH, true, &error), 0, "%s", error.message);
  policy.squash = squash;
  if (kind != ML3_POLICY_DETERMINISTIC)
    cr_assert_eq(ml3_policy_make_gaussian(&policy, kind, -0.7, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_add_goal(&policy, reacher(), &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_reserve(&policy, &error), 0, "%s", error.message);
  for (int i = 0; i < policy.net.inputs; i++) policy.shift[i] = 0.1 * i, policy.scale[i] = 1 + 0.2 * i;
  if (depth == 2) { /* relative to another observation, and to the goal */
    cr_assert_eq(ml3_policy_make_relative(&policy, 0, 4, &error), 0);
    cr_assert_eq(ml3_policy_make_relative(&policy, 5, policy.obs_dim + 1, &error), 0);
  }
  return policy;
}

/* Mean, log_std, log-probability and entropy of ROWS rows, from raw observations and from inputs. */
typedef struct answer {
  ml3_real raw_mean[2 * ROWS], mean[2 * ROWS], log_std[2 * ROWS], log_prob[ROWS], entropy[ROWS];
} answer;

static void run(const ml3_policy *policy, const ml3_real *theta, const ml3_real *obs, const ml3_real *x,
                const ml3_real *actions, answer *a) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node in_theta = ml3_nn_input(g, 1, ml3_policy_size(policy)), in_obs = ml3_nn_input(g, ROWS, policy->net.inputs);
  ml3_node in_x = ml3_nn_input(g, ROWS, policy->net.inputs), in_actions = ml3_nn_input(g, ROWS, 2);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, policy, in_theta, in_x);
  const bool gaussian = policy->kind != ML3_POLICY_DETERMINISTIC;
  ml3_nn_output outputs[5] = {{ml3_policy_build(g, policy, in_theta, in_obs), 0}, {at.mean, 0}};
  if (gaussian) {
    outputs[2] = (ml3_nn_output){at.log_std, 0};
    outputs[3] = (ml3_nn_output){ml3_policy_build_log_prob(g, at, in_actions), 0};
    outputs[4] = (ml3_nn_output){ml3_policy_build_entropy(g, at), 0};
  }
  ml3_nn_program *p = ml3_nn_compile(g, outputs, gaussian ? 5 : 2, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_nn_bind_input(w, in_theta, theta);
  ml3_nn_bind_input(w, in_obs, obs);
  ml3_nn_bind_input(w, in_x, x);
  ml3_nn_bind_input(w, in_actions, actions);
  ml3_nn_bind_output(w, 0, a->raw_mean);
  ml3_nn_bind_output(w, 1, a->mean);
  if (gaussian)
    ml3_nn_bind_output(w, 2, a->log_std), ml3_nn_bind_output(w, 3, a->log_prob), ml3_nn_bind_output(w, 4, a->entropy);
  ml3_nn_run(w, 0);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

static void check_policy(ml3_policy_kind kind, int depth, ml3_squash squash) {
  ml3_policy policy = make_policy(kind, depth, squash);
  ml3_real theta[MAX_THETA], obs[ROWS * 16], x[ROWS * 16], actions[ROWS * 2];
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  const int n = policy.net.inputs;
  answer a;
  cr_assert_leq(ml3_policy_size(&policy), MAX_THETA);
  ml3_policy_draw(&policy, &random, theta);
  for (int i = 0; i < ROWS * n; i++) obs[i] = (ml3_real)ml3_random_uniform(&random, -1, 1);
  for (int i = 0; i < ROWS * 2; i++) actions[i] = (ml3_real)ml3_random_uniform(&random, -1, 1);
  for (int r = 0; r < ROWS; r++) {
    double row[16];
    for (int i = 0; i < n; i++) row[i] = obs[r * n + i];
    ml3_policy_input(&policy, row, row + policy.obs_dim, x + r * n);
  }
  run(&policy, theta, obs, x, actions, &a);
  for (int r = 0; r < ROWS; r++) {
    double row[16], action[2], log_prob = 0, entropy = 0;
    for (int i = 0; i < n; i++) row[i] = obs[r * n + i];
    ml3_policy_act(&policy, theta, row, row + policy.obs_dim, action);
    for (int k = 0; k < 2; k++) {
      cr_expect_float_eq(a.raw_mean[r * 2 + k], action[k], 1e-5);
      cr_expect_float_eq(a.mean[r * 2 + k], action[k], 1e-5);
      if (kind == ML3_POLICY_DETERMINISTIC) continue;
      const double sigma = exp(a.log_std[r * 2 + k]), z = (actions[r * 2 + k] - a.mean[r * 2 + k]) / sigma;
      log_prob += log(exp(-z * z / 2) / (sigma * sqrt(2 * M_PI)));
      entropy += 0.5 * log(2 * M_PI * M_E * sigma * sigma);
      if (kind == ML3_POLICY_GAUSSIAN)
        cr_expect_float_eq(a.log_std[r * 2 + k], -0.7, 1e-6);
      else
        cr_expect(a.log_std[r * 2 + k] > -5 && a.log_std[r * 2 + k] < 2);
    }
    if (kind == ML3_POLICY_DETERMINISTIC) continue;
    cr_expect_float_eq(a.log_prob[r], log_prob, 1e-4);
    cr_expect_float_eq(a.entropy[r], entropy, 1e-4);
  }
  ml3_policy_free(&policy);
}

Test(policy, deterministic_one_row_is_like_many) {
  check_policy(ML3_POLICY_DETERMINISTIC, 2, ML3_SQUASH_TANH);
}
Test(policy, clamped_one_row_is_like_many) {
  check_policy(ML3_POLICY_DETERMINISTIC, 1, ML3_SQUASH_CLAMP);
}
Test(policy, linear_one_row_is_like_many) {
  check_policy(ML3_POLICY_GAUSSIAN, 0, ML3_SQUASH_TANH);
}
Test(policy, gaussian_says_its_log_probability) {
  check_policy(ML3_POLICY_GAUSSIAN, 3, ML3_SQUASH_TANH);
}
Test(policy, gaussian_with_deviation_by_state_says_its_log_probability) {
  check_policy(ML3_POLICY_GAUSSIAN_STATE, 2, ML3_SQUASH_TANH);
}

Test(policy, deviation_by_state_starts_where_it_should) {
  ml3_policy policy = make_policy(ML3_POLICY_GAUSSIAN_STATE, 1, ML3_SQUASH_TANH);
  ml3_real theta[MAX_THETA] = {0}, x[ROWS * 16] = {0}, actions[ROWS * 2] = {0};
  answer a;
  run(&policy, theta, x, x, actions, &a);
  cr_expect_float_eq(a.log_std[0], -0.7, 2e-3);
  ml3_policy_free(&policy);
}

Test(policy, refuses_to_be_relative_to_what_is_not_there) {
  ml3_policy policy = make_policy(ML3_POLICY_DETERMINISTIC, 1, ML3_SQUASH_TANH);
  ml3_error error = {0};
  cr_expect_eq(ml3_policy_make_relative(&policy, 0, policy.net.inputs, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "cannot be taken relative"), "%s", error.message);
  cr_expect_eq(ml3_policy_make_relative(&policy, 3, 3, &error), ML3_ERR_ARGUMENT);
  ml3_policy_free(&policy);
}

/* Without biases, and with its place relative to the goal, it does nothing at rest there, whatever its parameters. */
Test(policy, rests_at_the_goal_without_biases) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass_goal", &error);
  const int hidden[2] = {8, 8};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, env, hidden, 2, ML3_TANH, false, &error), 0, "%s", error.message);
  policy.squash = ML3_SQUASH_TANH;
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(ml3_policy_make_relative(&policy, i, 4 + i, &error), 0, "%s", error.message);
    policy.scale[4 + i] = 0;
  }
  ml3_real theta[MAX_THETA];
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&policy, &random, theta);
  const double at_rest[6] = {0.3, -0.2, 0, 0, 0.3, -0.2}, moving[6] = {0.3, -0.2, 1, 0, 0.3, -0.2};
  double action[2];
  ml3_policy_act(&policy, theta, at_rest, NULL, action);
  cr_expect_float_eq(fabs(action[0]) + fabs(action[1]), 0, 1e-12);
  ml3_policy_act(&policy, theta, moving, NULL, action);
  cr_expect_gt(fabs(action[0]) + fabs(action[1]), 1e-6);
  ml3_policy_free(&policy);
}

Test(policy, keeps_what_is_made_of_its_inputs_when_a_goal_comes_behind_them) {
  ml3_error error = {0};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, reacher(), NULL, 0, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_relative(&policy, 0, 4, &error), 0, "%s", error.message);
  policy.scale[1] = 2, policy.shift[2] = 0.5;
  cr_assert_eq(ml3_policy_add_goal(&policy, reacher(), &error), 0, "%s", error.message);
  const int last = policy.net.inputs - 1;
  cr_assert_gt(last, policy.obs_dim);
  cr_expect(policy.minus[0] == 5 && policy.scale[1] == 2 && policy.shift[2] == 0.5);
  cr_expect(policy.minus[last] == 0 && policy.scale[last] == 1 && policy.shift[last] == 0);
  ml3_policy_free(&policy);
}

Test(policy, gain_is_of_the_last_layer) {
  ml3_policy policy = make_policy(ML3_POLICY_DETERMINISTIC, 1, ML3_SQUASH_TANH);
  ml3_real plain[MAX_THETA], gentle[MAX_THETA];
  const int size = ml3_policy_size(&policy), last = 2 * (7 + 1);
  ml3_random one = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0), other = one;
  ml3_policy_draw(&policy, &one, plain);
  policy.output_gain = 0.25;
  ml3_policy_draw(&policy, &other, gentle);
  for (int i = 0; i < size; i++) cr_expect_eq(gentle[i], i < size - last ? plain[i] : plain[i] * (ml3_real)0.25);
  ml3_policy_free(&policy);
}

Test(policy, refuses_a_deviation_out_of_range) {
  ml3_policy policy = make_policy(ML3_POLICY_DETERMINISTIC, 1, ML3_SQUASH_TANH);
  ml3_error error = {0};
  cr_expect_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, 9, &error), ML3_ERR_ARGUMENT);
  cr_expect(strstr(error.message, "starts at 9"), "%s", error.message);
  ml3_policy_free(&policy);
}

Test(policy, normalizer_in_pieces_is_like_all_at_once) {
  double rows[60];
  ml3_normalizer whole, pieces;
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 0);
  for (int i = 0; i < 60; i++) rows[i] = 3 + (i % 3) * ml3_random_normal(&random); /* column 0 never changes */
  ml3_error error = {0};
  cr_assert_eq(ml3_normalizer_init(&whole, 3, &error), 0);
  cr_assert_eq(ml3_normalizer_init(&pieces, 3, &error), 0);
  ml3_normalizer_add(&whole, rows, 20);
  ml3_normalizer_add(&pieces, rows, 1);
  ml3_normalizer_add(&pieces, rows + 3, 12);
  ml3_normalizer_add(&pieces, rows + 39, 7);
  for (int c = 0; c < 3; c++) {
    double mean = 0, squares = 0;
    for (int r = 0; r < 20; r++) mean += rows[3 * r + c] / 20;
    for (int r = 0; r < 20; r++) squares += pow(rows[3 * r + c] - mean, 2);
    cr_expect_float_eq(whole.mean[c], mean, 1e-12);
    cr_expect_float_eq(pieces.mean[c], mean, 1e-12);
    cr_expect_float_eq(whole.squares[c], squares, 1e-10);
    cr_expect_float_eq(pieces.squares[c], squares, 1e-10);
  }
  ml3_policy policy = make_policy(ML3_POLICY_GAUSSIAN, 0, ML3_SQUASH_TANH);
  ml3_normalizer_apply(&whole, &policy);
  cr_expect_eq(policy.scale[0], 1.0);
  cr_expect_float_eq(policy.scale[1], 1 / sqrt(whole.squares[1] / 20), 1e-6);
  ml3_real x[16];
  double far[16] = {1e9, 3, 3};
  ml3_policy_input(&policy, far, far, x);
  cr_expect_eq(x[0], (ml3_real)10, "inputs are bounded");
  ml3_normalizer_free(&whole), ml3_normalizer_free(&pieces);
  ml3_policy_free(&policy);
}

Test(policy, orthogonal_weights_are_orthogonal) {
  const ml3_mlp mlp = {.inputs = 6, .outputs = 3, .depth = 1, .hidden = {9}, .activation = ML3_TANH, .bias = true};
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_error error = {0};
  ml3_real w[6 * 9 + 9 + 9 * 3 + 3];
  cr_assert_eq(ml3_mlp_draw_orthogonal(&mlp, 0.5, &random, w, &error), 0);
  for (int i = 0; i < 6; i++) /* 9 x 6: columns */
    for (int j = 0; j < 6; j++) {
      double dot = 0;
      for (int k = 0; k < 9; k++) dot += (double)w[k * 6 + i] * w[k * 6 + j];
      cr_expect_float_eq(dot, i == j ? 2 : 0, 1e-5);
    }
  const ml3_real *last = w + 6 * 9 + 9; /* 3 x 9: rows */
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double dot = 0;
      for (int k = 0; k < 9; k++) dot += (double)last[i * 9 + k] * last[j * 9 + k];
      cr_expect_float_eq(dot, i == j ? 0.25 : 0, 1e-6);
    }
  cr_expect_eq(w[6 * 9], (ml3_real)0, "no biases");
}

Test(policy, a_file_brings_back_parameters_and_normalisation) {
  char folder[] = "/tmp/ml3-policy-XXXXXX", path[64];
  ml3_error error = {0};
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/policy.safetensors", folder);
  ml3_policy policy = make_policy(ML3_POLICY_GAUSSIAN, 2, ML3_SQUASH_TANH),
             other = make_policy(ML3_POLICY_GAUSSIAN, 2, ML3_SQUASH_TANH);
  ml3_real theta[MAX_THETA], loaded[MAX_THETA] = {0};
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&policy, &random, theta);
  policy.clip_input = true;
  for (int i = 0; i < other.net.inputs; i++) other.shift[i] = 0, other.scale[i] = 1;
  cr_assert_eq(ml3_policy_save(&policy, theta, path, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_load(&other, loaded, path, &error), 0, "%s", error.message);
  cr_expect_eq(memcmp(theta, loaded, (size_t)ml3_policy_size(&policy) * sizeof *theta), 0);
  cr_expect_float_eq(other.shift[3], policy.shift[3], 1e-6);
  cr_expect_float_eq(other.scale[3], policy.scale[3], 1e-6);
  cr_expect(other.clip_input);

  ml3_policy narrow = make_policy(ML3_POLICY_GAUSSIAN, 1, ML3_SQUASH_TANH);
  cr_expect_eq(ml3_policy_load(&narrow, loaded, path, &error), ML3_ERR_FORMAT);
  cr_expect(strstr(error.message, "another shape") && strstr(error.message, "[7,6]"), "%s", error.message);
  unlink(path);
  rmdir(folder);
  ml3_policy_free(&policy);
  ml3_policy_free(&other);
  ml3_policy_free(&narrow);
}

/* Of the entropy, by every parameter. */
static void entropy_gradient(const ml3_policy *policy, const ml3_real *theta, ml3_real *gradient, ml3_real *entropy) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  const ml3_real x[16] = {0};
  const int size = ml3_policy_size(policy);
  ml3_node in_theta = ml3_nn_input(g, 1, size), in_x = ml3_nn_input(g, 1, policy->net.inputs), by;
  ml3_node out = ml3_nn_sum(g, ml3_policy_build_entropy(g, ml3_policy_build_from_input(g, policy, in_theta, in_x)));
  ml3_nn_gradient(g, out, &in_theta, 1, &by);
  const ml3_nn_output outputs[2] = {{out, 0}, {by, 0}};
  ml3_nn_program *p = ml3_nn_compile(g, outputs, 2, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_nn_bind_input(w, in_theta, theta);
  ml3_nn_bind_input(w, in_x, x);
  ml3_nn_run(w, 0);
  *entropy = ml3_nn_output_at(w, 0)[0];
  memcpy(gradient, ml3_nn_output_at(w, 1), (size_t)size * sizeof *gradient);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

/* Its value is bounded, its gradient is not lost: what was driven out can come back. */
Test(policy, a_deviation_beyond_its_bounds_keeps_its_gradient) {
  ml3_policy policy = make_policy(ML3_POLICY_GAUSSIAN, 1, ML3_SQUASH_TANH);
  ml3_real theta[MAX_THETA] = {0}, gradient[MAX_THETA], at_bounds, beyond;
  const int at = ml3_mlp_size(&policy.net);
  theta[at] = 2, theta[at + 1] = -5;
  entropy_gradient(&policy, theta, gradient, &at_bounds);
  cr_expect_eq(gradient[at], (ml3_real)1);
  theta[at] = 3, theta[at + 1] = -7;
  entropy_gradient(&policy, theta, gradient, &beyond);
  cr_expect_eq(gradient[at], (ml3_real)1);
  cr_expect_eq(gradient[at + 1], (ml3_real)1);
  cr_expect_eq(beyond, at_bounds);
  ml3_policy_bound_log_std(&policy, theta);
  cr_expect_eq(theta[at], (ml3_real)2);
  cr_expect_eq(theta[at + 1], (ml3_real)-5);
  ml3_policy_free(&policy);
}

/* Loads what was saved with a number that is none, in a policy's file at `path`. */
static void refuses(const char *path, const ml3_policy *policy, const ml3_real *theta, const char *tensor,
                    const char *number) {
  ml3_error error = {0};
  ml3_policy opened;
  ml3_real *loaded = NULL;
  cr_assert_eq(ml3_policy_save(policy, theta, path, &error), 0, "%s", error.message);
  cr_expect_eq(ml3_policy_open(path, reacher(), &opened, &loaded, &error), ML3_ERR_FORMAT, "%s in '%s' is taken",
               number, tensor);
  cr_expect(strstr(error.message, path) && strstr(error.message, tensor) && strstr(error.message, number),
            "'%s' and %s are not in: %s", tensor, number, error.message);
  free(loaded);
}

Test(policy, a_file_with_a_number_that_is_not_finite_is_refused) {
  char folder[] = "/tmp/ml3-policy-XXXXXX", path[64];
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/policy.safetensors", folder);
  ml3_policy good = make_policy(ML3_POLICY_GAUSSIAN, 2, ML3_SQUASH_TANH), bad;
  ml3_error error = {0};
  ml3_real theta[MAX_THETA];
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&good, &random, theta);
  theta[5] = NAN;
  refuses(path, &good, theta, "'theta'", "nan");
  theta[5] = -INFINITY;
  refuses(path, &good, theta, "'theta'", "-inf");
  theta[5] = 0;
  cr_assert_eq(ml3_policy_copy(&bad, &good, &error), 0, "%s", error.message);
  bad.shift[1] = NAN;
  refuses(path, &bad, theta, "'shift'", "nan");
  bad.shift[1] = 0, bad.scale[2] = INFINITY;
  refuses(path, &bad, theta, "'scale'", "inf");
  ml3_policy_free(&bad);
  ml3_env_field bounds[2] = {{.low = NAN, .high = 1}, {.low = -1, .high = 1}};
  bad = good, bad.action = bounds;
  refuses(path, &bad, theta, "'action_low'", "nan");
  bounds[0].low = -1, bounds[1].high = INFINITY;
  refuses(path, &bad, theta, "'action_high'", "inf");
  unlink(path);
  rmdir(folder);
  ml3_policy_free(&good);
}
