/* Categorical policies: what they draw and how likely it is, their files, what they are refused for. Their gradients
   and whole updates are compared with numbers from outside in test_oracle_learner.c. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/learner.h"
#include "agents/learn/policy_categorical.h"
#include "agents/problems/model_free.h"
#include "nn/program.h"

TestSuite(categorical, .timeout = 120);

static ml3_error error;

static const ml3_env_spec *env_of(const char *name) {
  const ml3_env_spec *env = ml3_env_find(name, &error);
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

static ml3_policy policy_of(const char *name) {
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, env_of(name), (int[]){7}, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  return policy;
}

static ml3_real *draw(const ml3_policy *policy) {
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_INIT, 0, 0);
  ml3_real *theta = calloc((size_t)ml3_policy_size(policy), sizeof *theta);
  ml3_policy_draw(policy, &random, theta);
  return theta;
}

Test(categorical, is_what_an_environment_of_discrete_actions_has) {
  const ml3_policy acrobot = policy_of("acrobot"), car = policy_of("mountain_car");
  cr_expect(acrobot.kind == ML3_POLICY_CATEGORICAL && acrobot.choices == 3 && acrobot.net.outputs == 3);
  cr_expect_eq(ml3_policy_size(&acrobot), 6 * 7 + 7 + 7 * 3 + 3);
  cr_expect(car.kind == ML3_POLICY_DETERMINISTIC && car.choices == 0);
}

Test(categorical, refuses_to_be_gaussian_and_an_environment_of_numbers) {
  ml3_policy policy = policy_of("acrobot"), car = policy_of("mountain_car_continuous");
  cr_expect_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, 0, &error), ML3_ERR_ARGUMENT);
  cr_expect_str_eq(error.message,
                   "policy: a Gaussian one for an environment that takes one of 3 discrete actions; categorical fits");
  cr_expect_eq(ml3_policy_expects(env_of("acrobot"), ML3_POLICY_GAUSSIAN, &error), ML3_ERR_ARGUMENT);
  cr_expect_str_eq(error.message,
                   "policy.kind is gaussian, and environment 'acrobot' takes one of 3 discrete actions; "
                   "categorical fits");
  cr_expect_eq(ml3_policy_expects(env_of("reacher"), ML3_POLICY_CATEGORICAL, &error), ML3_ERR_ARGUMENT);
  cr_expect_str_eq(error.message,
                   "policy.kind is categorical, and environment 'reacher' takes numbers, not one of n "
                   "discrete actions; gaussian fits");
  ml3_policy_make_gaussian(&car, ML3_POLICY_GAUSSIAN, 0, &error);
  cr_expect_null(ml3_sampler_new(env_of("mountain_car_discrete"), &car, 2, 0, 1, &error));
  cr_expect_not_null(strstr(error.message, "takes one of 3"), "%s", error.message);
}

Test(categorical, draws_each_choice_as_often_as_its_probability_says) {
  enum { DRAWS = 40000 };
  const double p[4] = {0.1, 0.55, 0, 0.35};
  ml3_real log_p[4];
  int counts[4] = {0};
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_ACTION, 0, 0);
  for (int k = 0; k < 4; k++) log_p[k] = (ml3_real)log(p[k]);
  for (int i = 0; i < DRAWS; i++) counts[ml3_categorical_draw(log_p, 4, &random)]++;
  for (int k = 0; k < 4; k++) /* the deviation of a count is at most 100 */
    cr_expect(fabs(counts[k] - DRAWS * p[k]) <= 500 * (p[k] > 0), "%d of choice %d", counts[k], k);
}

/* log softmax of the network's outputs, as numbers. */
static double log_prob_of(const ml3_policy *policy, const ml3_real *theta, const ml3_real *x, int action) {
  double in[policy->net.inputs], y[policy->choices], sum = 0;
  for (int i = 0; i < policy->net.inputs; i++) in[i] = (double)x[i];
  ml3_mlp_forward(&policy->net, theta, in, y);
  for (int k = 0; k < policy->choices; k++) sum += exp(y[k]);
  return y[action] - log(sum);
}

Test(categorical, rollouts_keep_the_choice_and_its_log_probability_with_the_same_bits_on_any_threads) {
  enum { ENVS = 5, STEPS = 60, ROWS = ENVS * STEPS };
  const ml3_policy policy = policy_of("cart_pole");
  ml3_policy own[2] = {policy, policy};
  ml3_real *theta = draw(&policy);
  ml3_rollout *r[2];
  for (int i = 0; i < 2; i++) {
    ml3_sampler *s = ml3_sampler_new(env_of("cart_pole"), &own[i], ENVS, 0, 1 + i, &error);
    r[i] = ml3_rollout_new(&own[i], ENVS, STEPS, 0, &error);
    ml3_sampler_reset(s, NULL, 9);
    cr_assert_eq(ml3_sampler_collect(s, theta, NULL, &own[i], r[i], &error), 0, "%s", error.message);
    ml3_sampler_free(s);
  }
  cr_expect_arr_eq(r[0]->action, r[1]->action, ROWS * sizeof(ml3_real));
  cr_expect_arr_eq(r[0]->x, r[1]->x, ROWS * 4 * sizeof(ml3_real));
  int ones = 0;
  for (int i = 0; i < ROWS; i++) {
    const ml3_real action = r[0]->action[i];
    cr_assert(action == 0 || action == 1);
    ones += action == 1;
    cr_assert_float_eq(r[0]->log_prob[i], log_prob_of(&policy, theta, r[0]->x + 4 * i, (int)action), 1e-5, "row %d", i);
  }
  cr_expect(ones > ROWS / 5 && ones < ROWS * 4 / 5, "%d of %d", ones, ROWS);
  cr_expect_gt(r[0]->episodes, 0);
  for (int i = 0; i < 2; i++) ml3_rollout_free(r[i]);
  free(theta);
}

Test(categorical, is_judged_by_its_likeliest_choice_the_first_of_equals) {
  ml3_policy policy = policy_of("acrobot");
  ml3_real *theta = draw(&policy);
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  for (int i = 0; i < 50; i++) {
    double obs[6], action = -1;
    ml3_real x[6];
    for (int k = 0; k < 6; k++) obs[k] = ml3_random_uniform(&random, -3, 3);
    ml3_policy_act(&policy, theta, obs, NULL, &action);
    ml3_policy_input(&policy, obs, NULL, x);
    for (int k = 0; k < 3; k++)
      cr_expect_geq(log_prob_of(&policy, theta, x, (int)action), log_prob_of(&policy, theta, x, k));
  }
  double action = -1;
  memset(theta, 0, (size_t)ml3_policy_size(&policy) * sizeof *theta);
  ml3_policy_act(&policy, theta, (double[6]){0}, NULL, &action);
  cr_expect_eq(action, 0);
  free(theta);
}

Test(categorical, log_probabilities_of_extreme_logits_are_numbers) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node logits = ml3_nn_input(g, 2, 3), action = ml3_nn_input(g, 2, 1), log_p = ml3_nn_log_softmax(g, logits);
  const ml3_nn_output outputs[] = {{ml3_categorical_build_log_prob(g, log_p, action), 0},
                                   {ml3_categorical_build_entropy(g, log_p), 0}};
  ml3_nn_program *program = ml3_nn_compile(g, outputs, 2, &error);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  const ml3_real x[6] = {1000, 0, -1000, 0, 0, 0}, actions[2] = {1, 2};
  ml3_nn_bind_input(work, logits, x);
  ml3_nn_bind_input(work, action, actions);
  ml3_nn_run(work, 0);
  cr_expect_float_eq(ml3_nn_output_at(work, 0)[0], -1000, 1e-3);
  cr_expect_float_eq(ml3_nn_output_at(work, 0)[1], -log(3), 1e-6);
  cr_expect_float_eq(ml3_nn_output_at(work, 1)[0], 0, 1e-6);
  cr_expect_float_eq(ml3_nn_output_at(work, 1)[1], log(3), 1e-6);
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
}

Test(categorical, comes_back_from_its_file_and_fits_no_environment_of_numbers) {
  char path[] = "/tmp/ml3_categorical_XXXXXX";
  close(mkstemp(path));
  const ml3_policy policy = policy_of("acrobot");
  ml3_real *theta = draw(&policy), *read = NULL;
  ml3_policy opened;
  cr_assert_eq(ml3_policy_save(&policy, theta, path, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_open(path, env_of("acrobot"), &opened, &read, &error), 0, "%s", error.message);
  cr_expect(opened.kind == ML3_POLICY_CATEGORICAL && opened.choices == 3);
  cr_expect_arr_eq(theta, read, (size_t)ml3_policy_size(&policy) * sizeof *theta);
  free(read);
  ml3_policy_free(&opened);
  cr_expect_eq(ml3_policy_open(path, env_of("reacher"), &opened, &read, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "environment 'reacher' takes numbers"), "%s", error.message);
  cr_expect_lt(ml3_policy_open(path, env_of("cart_pole"), &opened, &read, &error), 0);
  cr_expect_not_null(strstr(error.message, "another shape"), "%s", error.message);
  unlink(path);
  free(theta);
}

Test(categorical, parameters_that_are_no_numbers_are_told) {
  ml3_policy policy = policy_of("cart_pole");
  ml3_real *theta = draw(&policy);
  theta[3] = (ml3_real)NAN;
  ml3_sampler *s = ml3_sampler_new(env_of("cart_pole"), &policy, 2, 0, 1, &error);
  ml3_rollout *r = ml3_rollout_new(&policy, 2, 5, 0, &error);
  cr_expect_eq(ml3_sampler_collect(s, theta, NULL, &policy, r, &error), ML3_ERR_NUMERIC);
  cr_expect_not_null(strstr(error.message, "the policy's action is not finite"), "%s", error.message);
  ml3_sampler_free(s);
  ml3_rollout_free(r);
  free(theta);
}

/* ---- model-free problems
   ---------------------------------------------------------------------------------------------- */

static ml3_problem *problem_of(const char *inputs, ml3_model_free_extra extra) {
  const ml3_model_free_settings s = {.env = env_of("cart_pole"),
                                     .policy = policy_of("cart_pole"),
                                     .rollouts = 2,
                                     .outer_rollouts = 2,
                                     .judge_episodes = 2,
                                     .horizon = 20,
                                     .discount = 0.99,
                                     .lambda = 0.95,
                                     .inputs = inputs,
                                     .extra = extra};
  return ml3_model_free_new(&s, &error);
}

Test(categorical, learned_losses_see_what_there_is_of_a_choice) {
  ml3_problem *p = problem_of(NULL, ML3_MODEL_FREE_NONE);
  static const char *const names[] = {"state.position", "state.velocity", "state.angle", "state.angular_velocity",
                                      "log_prob",       "credit",         "goal.angle"};
  cr_assert_not_null(p, "%s", error.message);
  cr_assert_eq(p->features, 7);
  for (int i = 0; i < 7; i++) cr_expect_str_eq(p->feature_names[i], names[i]);
  p->free(p);
  cr_expect_null(problem_of("state mean", ML3_MODEL_FREE_NONE));
  cr_expect_str_eq(error.message,
                   "loss.inputs: 'mean' is of continuous actions, and environment 'cart_pole' takes one of 2 discrete "
                   "ones; state, log_prob, credit and goal are possible");
  cr_expect_null(problem_of("log_prob action", ML3_MODEL_FREE_NONE));
  cr_expect_null(problem_of(NULL, ML3_MODEL_FREE_ENERGY));
  cr_expect_not_null(strstr(error.message, "'cart_pole' takes one of 2 discrete ones"), "%s", error.message);
}
