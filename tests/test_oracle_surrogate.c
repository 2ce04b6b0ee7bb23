/* Losses of probability ratios against values and derivatives by hand (oracle/surrogates.py): PPO's clipped surrogate, the discovered
   drift; and the ratio of a model-free problem's own data. */
#define _DEFAULT_SOURCE /* M_PI */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/surrogate.h"
#include "agents/problems/model_free_internal.h"
#include "nn/program.h"
#include "tests/oracle_file.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-12;
#else
static const double tolerance = 1e-6;
#endif

enum { MOST = 32 };

static int read_numbers(const json_t *list, ml3_real *to) {
  const int count = (int)json_array_size(list);
  cr_assert(count > 0 && count <= MOST);
  for (int i = 0; i < count; i++) to[i] = (ml3_real)json_number_value(json_array_get(list, (size_t)i));
  return count;
}

static void check(const json_t *oracle, const char *name, ml3_surrogate kind) {
  const json_t *expected = json_object_get(oracle, name);
  ml3_real log_ratio[MOST], advantage[MOST], slopes[MOST];
  ml3_error error = {0};
  const int n = read_numbers(json_object_get(oracle, "log_ratio"), log_ratio);
  cr_assert_eq(read_numbers(json_object_get(oracle, "advantage"), advantage), n);
  cr_assert_eq(read_numbers(json_object_get(expected, "gradient"), slopes), n);
  ml3_nn_graph *g = ml3_nn_graph_new();
  const ml3_node l = ml3_nn_input(g, n, 1), a = ml3_nn_input(g, n, 1);
  ml3_node loss = ml3_surrogate_build(g, kind, l, a), gradient;
  ml3_nn_gradient(g, loss, &l, 1, &gradient);
  const ml3_nn_output outputs[] = {{loss, 0}, {gradient, 0}};
  ml3_nn_program *program = ml3_nn_compile(g, outputs, 2, &error);
  cr_assert_not_null(program, "%s", error.message);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  ml3_nn_bind_input(work, l, log_ratio);
  ml3_nn_bind_input(work, a, advantage);
  ml3_nn_run(work, 0);
  cr_expect_float_eq(ml3_nn_output_at(work, 0)[0], json_number_value(json_object_get(expected, "value")), tolerance);
  for (int i = 0; i < n; i++)
    cr_expect_float_eq(ml3_nn_output_at(work, 1)[i], slopes[i], tolerance, "%s, row %d: %g, not %g", name, i,
                       (double)ml3_nn_output_at(work, 1)[i], (double)slopes[i]);
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
}

Test(surrogate, and_drift_have_the_values_and_gradients_of_their_formulas) {
  json_t *oracle = load_oracle("surrogates");
  check(oracle, "clipped", ML3_SURROGATE_CLIPPED);
  check(oracle, "drift", ML3_SURROGATE_DRIFT);
  json_decref(oracle);
}

static double log_density(const double *action, const double *mean, const double *log_std, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum -= 0.5 * pow((action[i] - mean[i]) / exp(log_std[i]), 2) + log_std[i] + 0.5 * log(2 * M_PI);
  return sum;
}

/* 0 at the policy that drew; elsewhere the logarithm of the whole action's ratio. */
Test(surrogate, sees_the_ratio_of_the_whole_action) {
  ml3_error error = {0};
  const int hidden = 5;
  ml3_model_free_settings s = {.env = ml3_env_find("reacher", &error),
                               .horizon = 6,
                               .rollouts = 2,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.9,
                               .lambda = 0.8};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, &hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN, -0.7, &error), 0, "%s", error.message);
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  const model_free *m = self(p);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_real *task = calloc((size_t)(p->task_size + 2 * p->theta_size + p->inner_size), sizeof *task);
  ml3_real *theta = task + p->task_size, *moved = theta + p->theta_size, *inner = moved + p->theta_size;
  cr_assert_eq(p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, &error), 0);
  cr_assert_eq(p->collect(p, task, theta, &random, inner, NULL, &error), 0, "%s", error.message);
  for (int i = 0; i < p->theta_size; i++) moved[i] = theta[i] + (ml3_real)(0.05 * sin(3.0 * i));

  ml3_nn_graph *g = ml3_nn_graph_new();
  const ml3_node in = ml3_nn_input(g, 1, p->theta_size), data = ml3_nn_input(g, 1, p->inner_size);
  const ml3_model_free_nodes at = ml3_model_free_build_nodes(p, g, in, data);
  const ml3_policy_nodes policy =
      ml3_policy_build_from_input(g, &m->settings.policy, in, ml3_block_view(g, m->inner[INNER_X], data));
  const ml3_nn_output outputs[] = {{at.log_ratio, 0}, {at.advantage, 0}, {policy.mean, 0}, {policy.log_std, 0}};
  ml3_nn_program *program = ml3_nn_compile(g, outputs, 4, &error);
  cr_assert_not_null(program, "%s", error.message);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  ml3_nn_bind_input(work, data, inner);
  double old[64];
  for (int pass = 0; pass < 2; pass++) {
    double most = 0;
    ml3_nn_bind_input(work, in, pass ? moved : theta);
    ml3_nn_run(work, 0);
    for (int r = 0; r < inner_rows(m); r++) {
      double action[2], mean[2], log_std[2];
      for (int k = 0; k < 2; k++) {
        action[k] = ml3_block_in(m->inner[INNER_ACTION], inner)[2 * r + k];
        mean[k] = ml3_nn_output_at(work, 2)[2 * r + k], log_std[k] = ml3_nn_output_at(work, 3)[2 * r + k];
      }
      const double log_pi = log_density(action, mean, log_std, 2);
      if (!pass) old[r] = log_pi;
      cr_expect_float_eq(ml3_nn_output_at(work, 0)[r], log_pi - old[r], 50 * tolerance, "row %d", r);
      cr_expect_eq(ml3_nn_output_at(work, 1)[r], ml3_block_in(m->inner[INNER_ADVANTAGE], inner)[r]);
      most = fmax(most, fabs(log_pi - old[r]));
    }
    cr_expect_eq(most > 0.05, pass == 1);
  }
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
  free(task);
  p->free(p);
  ml3_policy_free(&s.policy);
}
