/* Rules of learning compared: each gets the same tasks and starts, on any number of threads; divergence is counted. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "metaloss/meta_test.h"
#include "metaloss/sine.h"

static ml3_problem *problem;
static ml3_meta *meta;
static ml3_loss *loss;

/* The task loss itself as a rule, with step size 0.02. */
static void make(void) {
  ml3_error error = {0};
  const ml3_sine_settings sine = {
      .train = {{1, 1}, {3, 3}, {-2, 2}}, .test = {{0.2, 1}, {-3, 3}, {-2, 2}}, .grid = true};
  const ml3_supervised_settings s = {
      .name = "sine",
      .model = {.inputs = 1, .outputs = 1, .depth = 1, .hidden = {10}, .activation = ML3_TANH, .bias = true},
      .inner_points = 12};
  const ml3_meta_settings settings = {
      .loss = {.kind = ML3_LOSS_TASK, .rate = 0.02, .learn_rate = ML3_RATE_SCALAR}, .inner_steps = 1, .task_weight = 1};
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  cr_assert_not_null(problem = ml3_sine_new(&sine, &s, &error), "%s", error.message);
  cr_assert_not_null(meta = ml3_meta_new(problem, &settings, &error), "%s", error.message);
  cr_assert_not_null(loss = ml3_loss_new(&settings.loss, &random, &error), "%s", error.message);
}

static void drop(void) {
  ml3_loss_free(loss);
  ml3_meta_free(meta);
  problem->free(problem);
}

TestSuite(meta_test, .init = make, .fini = drop);

static ml3_meta_test *run_rule(const ml3_rule rule, double rate, int threads) {
  ml3_error error = {0};
  const ml3_meta_test_settings s = {
      .seed = 3, .tasks = 9, .rate_tasks = 40, .steps = {1, 4, 20}, .step_count = 3, .rate = rate, .threads = threads};
  ml3_meta_test *t = ml3_meta_test_run(problem, &rule, 1, &s, NULL, NULL, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static ml3_meta_test *run(double rate, int threads) {
  return run_rule((ml3_rule){"rule", meta, loss}, rate, threads);
}

Test(meta_test, every_rule_gets_the_same_tasks_and_starts) {
  ml3_meta_test *t = run(0.02, 1);
  cr_assert_eq(t->count, 1 + 3 * 3);
  for (int i = 1; i <= 3; i++) {
    cr_expect_eq(t->rows[i].updates, t->rows[i + 3].updates);
    for (int task = 0; task < 9; task++)
      cr_expect_float_eq(t->rows[i].outcome[task].task_loss, t->rows[i + 3].outcome[task].task_loss, 1e-6);
  }
  cr_expect(t->rows[0].outcome[0].task_loss != t->rows[0].outcome[1].task_loss);
  cr_expect_str_eq(t->rows[4].method, "squared error");
  cr_expect_str_eq(t->rows[7].method, "squared error, best step size");
  ml3_meta_test_free(t);
}

Test(meta_test, the_best_step_size_is_better_and_is_chosen_for_each_number_of_updates) {
  ml3_meta_test *t = run(0.001, 2);
  double plain = 0, best = 0;
  for (int task = 0; task < 9; task++) {
    plain += t->rows[6].outcome[task].task_loss;
    best += t->rows[9].outcome[task].task_loss;
  }
  cr_expect_lt(best, 0.9 * plain, "%g, plain %g, rate %g", best, plain, t->rows[9].rate);
  cr_expect_float_eq(t->rows[6].rate, 0.001, 1e-12);
  cr_expect_gt(t->rows[9].rate, 0.01);
  cr_expect_lt(t->rows[9].rate, 2);
  ml3_meta_test_free(t);
}

/* Then the opponent may have momentum too; here it does better with it after twenty updates. */
Test(meta_test, a_rule_with_momentum_meets_the_best_momentum) {
  ml3_error error = {0};
  ml3_meta_settings settings = *ml3_meta_settings_of(meta);
  settings.loss.momentum = 0.9;
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  ml3_meta *with = ml3_meta_new(problem, &settings, &error);
  ml3_loss *its = ml3_loss_new(&settings.loss, &random, &error);
  cr_assert(with && its, "%s", error.message);
  ml3_meta_test *t = run_rule((ml3_rule){"rule", with, its}, 0.02, 2);
  cr_assert_eq(t->count, 1 + 3 * 4);
  const ml3_meta_test_row *best = &t->rows[9], *best_of_all = &t->rows[12];
  double plain = 0, momentum = 0;
  for (int task = 0; task < 9; task++) {
    plain += best->outcome[task].task_loss;
    momentum += best_of_all->outcome[task].task_loss;
  }
  cr_expect_str_eq(best_of_all->method, "squared error, best step size and momentum");
  cr_expect_eq(best->momentum, 0);
  cr_expect_gt(best_of_all->momentum, 0);
  cr_expect_lt(momentum, plain);
  ml3_meta_test_free(t);
  ml3_loss_free(its);
  ml3_meta_free(with);
}

Test(meta_test, gives_the_same_bits_on_any_number_of_threads) {
  ml3_meta_test *one = run(0.1, 1), *three = run(0.1, 3);
  for (int i = 0; i < one->count; i++)
    cr_expect_eq(memcmp(one->rows[i].outcome, three->rows[i].outcome, 9 * sizeof(ml3_outcome)), 0, "row %d", i);
  ml3_meta_test_free(one);
  ml3_meta_test_free(three);
}

Test(meta_test, a_rule_that_diverges_has_infinite_loss) {
  ml3_meta_test *t = run(1e9, 1);
  cr_expect(isinf(t->rows[6].outcome[0].task_loss));
  cr_expect(isfinite(t->rows[9].outcome[0].task_loss));
  ml3_meta_test_free(t);
}

Test(meta_test, refuses_numbers_of_updates_that_do_not_rise) {
  ml3_error error = {0};
  const ml3_meta_test_settings s = {.tasks = 1, .rate_tasks = 1, .steps = {4, 2}, .step_count = 2, .rate = 1};
  cr_expect_null(ml3_meta_test_run(problem, NULL, 0, &s, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, "entry 2 is 2"), "%s", error.message);
}
