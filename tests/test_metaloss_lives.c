/* The outer loop where optimizees live on, inputs are normalised as they come, a start is learned, or nothing gets better. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metaloss_setup.h"

/* Everything that a checkpoint must carry: optimizees that live on, with momentum, and running normalisation. */
static ml3_trainer_settings living_settings(int threads, int tasks) {
  ml3_meta_settings meta = make_settings(2, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0);
  meta.loss.momentum = 0.5;
  meta.loss.rate = 0.05;
  return (ml3_trainer_settings){.meta = meta,
                                .optimizer = ml3_nn_adam(1e-2),
                                .seed = 13,
                                .threads = threads,
                                .tasks = tasks,
                                .normalize = ML3_NORMALIZE_RUNNING,
                                .lifetime = 5,
                                .validation_tasks = 3};
}

static ml3_trainer *open_trainer(ml3_problem *problem, const ml3_trainer_settings *s) {
  ml3_error error = {0};
  ml3_trainer *t = ml3_trainer_new(problem, s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static void expect_same_inputs(const ml3_trainer *a, const ml3_trainer *b) {
  const ml3_loss *x = ml3_trainer_loss(a), *y = ml3_trainer_loss(b);
  cr_expect_arr_eq(x->shift, y->shift, 4 * sizeof *x->shift);
  cr_expect_arr_eq(x->scale, y->scale, 4 * sizeof *x->scale);
  x = ml3_trainer_best_loss(a), y = ml3_trainer_best_loss(b);
  cr_expect_arr_eq(x->shift, y->shift, 4 * sizeof *x->shift);
}

Test(trainer, gives_the_same_bits_on_any_number_of_threads_when_optimizees_live_on) {
  for (int tasks = 5; tasks <= 16; tasks += 11) { /* one by one, and four at a time */
    ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
    const ml3_trainer_settings one = living_settings(1, tasks), three = living_settings(3, tasks);
    ml3_trainer *a = open_trainer(problem, &one), *b = open_trainer(problem, &three);
    steps(a, 12);
    steps(b, 12);
    expect_same(a, b);
    expect_same_inputs(a, b);
    ml3_trainer_free(a);
    ml3_trainer_free(b);
    problem->free(problem);
  }
}

Test(trainer, goes_on_from_a_checkpoint_with_the_same_bits_when_optimizees_live_on) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path)), unlink(path); /* a name; what a save replaces would be kept beside it */
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  const ml3_trainer_settings two = living_settings(2, 16), one = living_settings(1, 16);
  ml3_trainer *whole = open_trainer(problem, &two), *first = open_trainer(problem, &two);
  ml3_trainer *second = open_trainer(problem, &one);
  steps(whole, 16);
  steps(first, 8);
  cr_assert_eq(ml3_trainer_save(first, path, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_trainer_load(second, path, &error), 0, "%s", error.message);
  steps(second, 8);
  expect_same(whole, second);
  expect_same_inputs(whole, second);
  unlink(path);
  ml3_trainer_free(whole);
  ml3_trainer_free(first);
  ml3_trainer_free(second);
  problem->free(problem);
}

/* With the loss held still, outer step n of an optimizee that lives starts n * K updates from where it was born. */
Test(trainer, carries_an_optimizee_on_until_its_life_ends) {
  enum { LIFE = 3, K = 2 };
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer_settings s = living_settings(1, 1);
  s.normalize = ML3_NORMALIZE_NONE;
  s.lifetime = LIFE;
  s.optimizer.rate = 1e-30; /* phi stays as it is */
  ml3_trainer *t = open_trainer(problem, &s);
  ml3_meta_work *work = ml3_meta_work_new(ml3_trainer_meta(t), &error);
  ml3_real task[64], theta[64];
  for (int n = 0; n < 2 * LIFE; n++) {
    ml3_random random = ml3_random_stream(s.seed, ML3_PURPOSE_TRAIN, 0, (uint32_t)n);
    ml3_trainer_report report;
    double objective;
    if (n % LIFE == 0) {
      problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
      ml3_meta_begin(work, ml3_trainer_loss(t), theta);
    }
    cr_assert_eq(ml3_meta_objective(work, ml3_trainer_loss(t), task, theta, &random, NULL, &objective, &error), 0);
    cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    cr_expect_eq(report.objective, objective, "outer step %d: %.9g, not %.9g", n, report.objective, objective);
    for (int k = 0; k < K; k++)
      cr_assert_eq(ml3_meta_adapt(work, ml3_trainer_loss(t), task, theta, &random, NULL, &error), 0);
  }
  ml3_meta_work_free(work);
  ml3_trainer_free(t);
  problem->free(problem);
}

Test(trainer, refuses_a_learned_start_for_optimizees_that_live_on) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer_settings s = living_settings(1, 1);
  s.meta.loss.learn_start = true;
  s.meta.loss.theta_size = problem->theta_size;
  cr_expect_null(ml3_trainer_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "inner.lifetime"), "%s", error.message);
  problem->free(problem);
}

/* The running mean and deviation against all rows seen, counted anew. */
Test(trainer, normalises_by_everything_it_has_seen) {
  enum { FIRST = 32, TASKS = 16, STEPS = 3, ROWS = 12 };
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer_settings s = {.meta = make_settings(1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, 0),
                            .optimizer = ml3_nn_adam(1e-3),
                            .seed = 3,
                            .threads = 2,
                            .tasks = TASKS,
                            .normalize = ML3_NORMALIZE_RUNNING,
                            .validation_tasks = 1};
  ml3_trainer *t = open_trainer(problem, &s);
  ml3_meta_work *work = ml3_meta_work_new(ml3_trainer_meta(t), &error);
  static double seen[FIRST + STEPS * TASKS][ROWS][4];
  for (int i = 0; i < FIRST + STEPS * TASKS; i++) {
    const int task_number = (i - FIRST) % TASKS, step = (i - FIRST) / TASKS;
    ml3_random random = i < FIRST ? ml3_random_stream(s.seed, ML3_PURPOSE_INIT, (uint32_t)i + 1, 0)
                                  : ml3_random_stream(s.seed, ML3_PURPOSE_TRAIN, (uint32_t)task_number, (uint32_t)step);
    ml3_real task[64], theta[64], rows[ROWS * 4];
    problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
    cr_assert_eq(ml3_meta_features(work, task, theta, &random, rows, &error), 0);
    for (int j = 0; j < ROWS * 4; j++) seen[i][j / 4][j % 4] = rows[j];
  }
  steps(t, STEPS);
  for (int c = 0; c < 4; c++) {
    double sum = 0, squares = 0;
    const int n = (FIRST + STEPS * TASKS) * ROWS;
    for (int i = 0; i < n; i++) sum += seen[i / ROWS][i % ROWS][c] / n;
    for (int i = 0; i < n; i++) squares += pow(seen[i / ROWS][i % ROWS][c] - sum, 2) / n;
    cr_expect_float_eq(ml3_trainer_loss(t)->shift[c], sum, 1e-5, "mean %d", c);
    cr_expect_float_eq(ml3_trainer_loss(t)->scale[c] * sqrt(squares), 1, 1e-4, "deviation %d", c);
  }
  cr_expect_str_eq(ml3_trainer_loss(t)->names[0], "position");
  ml3_meta_work_free(work);
  ml3_trainer_free(t);
  problem->free(problem);
}

Test(trainer, says_when_nothing_has_got_better_for_long) {
  ml3_error error = {0};
  ml3_trainer_report report;
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer_settings s = living_settings(1, 2);
  s.optimizer.rate = 1e-30; /* phi stays as it is */
  s.normalize = ML3_NORMALIZE_FIRST;
  s.patience = 2;
  ml3_trainer *t = open_trainer(problem, &s);
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(ml3_trainer_stale(t), false);
    cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0);
    cr_expect_eq(report.is_best, i == 0);
  }
  cr_expect(ml3_trainer_stale(t));
  ml3_trainer_free(t);
  problem->free(problem);
}

Test(trainer, learns_a_start_by_maml_fomaml_and_meta_sgd) {
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  for (int method = 0; method < 3; method++) {
    ml3_error error = {0};
    ml3_trainer_report before, after;
    ml3_meta_settings meta =
        make_settings(2, ML3_WEIGHTS_LAST, method == 2 ? ML3_RATE_SIGNED : ML3_RATE_FIXED, problem->theta_size);
    meta.loss.kind = ML3_LOSS_TASK;
    meta.loss.learn_start = true;
    meta.loss.rate = 0.02;
    if (method == 1) meta.derivatives = ML3_DERIVATIVES_FIRST_ORDER;
    const ml3_trainer_settings s = {
        .meta = meta, .optimizer = ml3_nn_adam(3e-2), .seed = 2, .threads = 2, .tasks = 8, .validation_tasks = 8};
    ml3_trainer *t = open_trainer(problem, &s);
    cr_assert_eq(ml3_trainer_validate(t, &before, &error), 0, "%s", error.message);
    steps(t, 60);
    cr_assert_eq(ml3_trainer_validate(t, &after, &error), 0, "%s", error.message);
    cr_expect_lt(after.objective, before.objective - 0.05, "method %d: %g is not below %g", method, after.objective,
                 before.objective);
    ml3_trainer_free(t);
  }
  problem->free(problem);
}
