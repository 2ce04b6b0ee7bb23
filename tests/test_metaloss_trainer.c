/* The outer loop: the same bits on any number of threads, resumable, and it learns. */
#define _DEFAULT_SOURCE /* mkstemp, truncate */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metaloss_setup.h"

static ml3_trainer *make_trainer_with(ml3_problem *problem, int threads, bool from_checkpoint) {
  ml3_error error = {0};
  ml3_trainer_settings s = {.meta = make_settings(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0),
                            .optimizer = ml3_nn_adam(1e-2),
                            .seed = 11,
                            .threads = threads,
                            .tasks = 5,
                            .task_clip_norm = 0.5,
                            .normalize = ML3_NORMALIZE_FIRST,
                            .validation_tasks = 7,
                            .from_checkpoint = from_checkpoint};
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static ml3_trainer *make_trainer(ml3_problem *problem, int threads) {
  return make_trainer_with(problem, threads, false);
}

Test(trainer, gives_the_same_bits_on_one_two_and_four_threads) {
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 1);
  ml3_trainer *one = make_trainer(problem, 1), *two = make_trainer(problem, 2), *four = make_trainer(problem, 4);
  steps(one, 8);
  steps(two, 8);
  steps(four, 8);
  expect_same(one, two);
  expect_same(one, four);
  ml3_trainer_free(one);
  ml3_trainer_free(two);
  ml3_trainer_free(four);
  problem->free(problem);
}

/* Sixteen tasks without clipping are taken four at a time. */
static ml3_trainer *make_batching_trainer_with(ml3_problem *problem, int threads, ml3_numerics numerics, double rate) {
  ml3_error error = {0};
  ml3_trainer_settings s = {.meta = make_settings(2, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0),
                            .optimizer = ml3_nn_adam(1e-2),
                            .seed = 12,
                            .threads = threads,
                            .tasks = 16,
                            .numerics = numerics,
                            .validation_tasks = 7};
  s.meta.loss.rate = rate;
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static ml3_trainer *make_batching_trainer(ml3_problem *problem, int threads) {
  return make_batching_trainer_with(problem, threads, ML3_NUMERICS_SKIP, 0.5);
}

Test(trainer, gives_the_same_bits_on_any_number_of_threads_in_batches) {
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 1);
  ml3_trainer *one = make_batching_trainer(problem, 1), *two = make_batching_trainer(problem, 2),
              *four = make_batching_trainer(problem, 4);
  steps(one, 8);
  steps(two, 8);
  steps(four, 8);
  expect_same(one, two);
  expect_same(one, four);
  ml3_trainer_free(one);
  ml3_trainer_free(two);
  ml3_trainer_free(four);
  problem->free(problem);
}

static int (*all_samples)(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                          ml3_error *error);

/* Every so often a start that is not a number. */
static int spoilt_samples(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                          ml3_error *error) {
  const int code = all_samples(p, split, random, task, theta, error);
  if (ml3_random_uniform(random, 0, 1) < 0.2) task[0] = (ml3_real)NAN;
  return code;
}

Test(trainer, leaves_a_spoilt_task_out_and_keeps_the_rest_of_its_batch) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 1);
  all_samples = problem->sample;
  problem->sample = spoilt_samples;
  ml3_trainer *one = make_batching_trainer(problem, 1), *two = make_batching_trainer(problem, 2);
  int skipped = 0;
  for (int i = 0; i < 6; i++) {
    ml3_trainer_report a, b;
    cr_assert_eq(ml3_trainer_step(one, &a, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_trainer_step(two, &b, &error), 0, "%s", error.message);
    cr_expect_eq(a.skipped, b.skipped);
    cr_expect(isfinite(a.gradient_norm) && a.gradient_norm > 0);
    skipped += a.skipped;
  }
  cr_expect_gt(skipped, 5);
  cr_expect_lt(skipped, 40);
  expect_same(one, two);
  ml3_trainer_free(one);
  ml3_trainer_free(two);
  problem->free(problem);
}

Test(trainer, ends_at_a_spoilt_task_if_that_is_wanted_and_names_it) {
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 1);
  all_samples = problem->sample;
  problem->sample = spoilt_samples;
  ml3_error errors[2] = {{0}};
  for (int k = 0; k < 2; k++) {
    ml3_trainer *t = make_batching_trainer_with(problem, k + 1, ML3_NUMERICS_STOP, 0.5);
    const ml3_loss *loss = ml3_trainer_loss(t);
    const size_t bytes = (size_t)loss->size * sizeof *loss->phi;
    ml3_real *before = malloc(bytes);
    ml3_trainer_report report;
    int code = ML3_OK;
    for (int i = 0; i < 6 && code == ML3_OK; i++) {
      memcpy(before, loss->phi, bytes);
      code = ml3_trainer_step(t, &report, &errors[k]);
    }
    cr_expect_eq(code, ML3_ERR_NUMERIC);
    cr_expect_eq(memcmp(before, loss->phi, bytes), 0);
    free(before);
    ml3_trainer_free(t);
  }
  cr_expect_not_null(strstr(errors[0].message, "outer step "), "%s", errors[0].message);
  cr_expect_not_null(strstr(errors[0].message, "the task's data is not finite"), "%s", errors[0].message);
  cr_expect_str_eq(errors[0].message, errors[1].message);
  problem->free(problem);
}

/* Data that are no numbers where the optimizee has gone too far. */
static int spoilt_when_far(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error) {
  (void)random, (void)error;
  double squares = 0;
  for (int i = 0; i < p->theta_size; i++) squares += (double)theta[i] * (double)theta[i];
  memcpy(inner ? inner : outer, task, (size_t)p->task_size * sizeof *task);
  if (squares > 8) (inner ? inner : outer)[0] = (ml3_real)INFINITY;
  return ML3_OK;
}

Test(trainer, takes_a_task_that_goes_too_far_with_smaller_steps) {
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 1);
  problem->collect = spoilt_when_far;
  ml3_trainer *skips = make_batching_trainer_with(problem, 1, ML3_NUMERICS_SKIP, 8),
              *one = make_batching_trainer_with(problem, 1, ML3_NUMERICS_REDUCE, 8),
              *two = make_batching_trainer_with(problem, 2, ML3_NUMERICS_REDUCE, 8);
  ml3_error error = {0}, what = {0};
  int skipped = 0, reduced = 0, left_out = 0;
  for (int i = 0; i < 3; i++) {
    ml3_trainer_report report;
    cr_assert_eq(ml3_trainer_step(skips, &report, &error), 0, "%s", error.message);
    skipped += report.skipped;
    cr_assert_eq(ml3_trainer_step(two, &report, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_trainer_step(one, &report, &error), 0, "%s", error.message);
    reduced += report.reduced, left_out += report.skipped;
    if (report.reduced + report.skipped > 0) {
      cr_expect(ml3_trainer_trouble(one, &what));
      cr_expect_not_null(strstr(what.message, "the data of the rollouts"), "%s", what.message);
    }
  }
  cr_expect_gt(skipped, 0);
  cr_expect_gt(reduced, 0, "%d skipped, %d reduced, %d left out all the same", skipped, reduced, left_out);
  cr_expect_lt(left_out, skipped);
  expect_same(one, two);
  ml3_trainer_free(skips);
  ml3_trainer_free(one);
  ml3_trainer_free(two);
  problem->free(problem);
}

Test(trainer, goes_on_from_a_checkpoint_with_the_same_bits) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path)), unlink(path); /* a name; what a save replaces would be kept beside it */
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer *whole = make_trainer(problem, 2), *first = make_trainer(problem, 2), *second = make_trainer(problem, 1);
  steps(whole, 16);
  steps(first, 8);
  cr_assert_eq(ml3_trainer_save(first, path, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_trainer_load(second, path, &error), 0, "%s", error.message);
  cr_expect_eq(ml3_trainer_outer_step(second), 8);
  steps(second, 8);
  expect_same(whole, second);
  unlink(path);
  ml3_trainer_free(whole);
  ml3_trainer_free(first);
  ml3_trainer_free(second);
  problem->free(problem);
}

static int is_empty(const ml3_problem *problem, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                    ml3_error *error) {
  (void)split, (void)random, (void)task, (void)theta;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' has no tasks yet: its demonstrations are in the checkpoint",
                       problem->name);
}

Test(trainer, draws_no_task_before_its_checkpoint_is_loaded) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path)), unlink(path);
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1), *empty = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer *whole = make_trainer(problem, 1);
  steps(whole, 8);
  cr_assert_eq(ml3_trainer_save(whole, path, &error), 0, "%s", error.message);
  const ml3_problem filled = *empty;
  empty->sample = is_empty;
  ml3_trainer *resumed = make_trainer_with(empty, 1, true);
  cr_assert_eq(ml3_trainer_load(resumed, path, &error), 0, "%s", error.message);
  *empty = filled;
  steps(whole, 8);
  steps(resumed, 8);
  expect_same(whole, resumed);
  unlink(path);
  ml3_trainer_free(whole);
  ml3_trainer_free(resumed);
  problem->free(problem);
  empty->free(empty);
}

Test(trainer, refuses_a_checkpoint_of_another_run_and_a_damaged_one) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path)), unlink(path); /* a name; what a save replaces would be kept beside it */
  ml3_problem *one = make_problem(ML3_SQUASH_TANH, 1), *other = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer *a = make_trainer(one, 1);
  other->name = "something_else";
  ml3_trainer *b = make_trainer(other, 1);
  cr_assert_eq(ml3_trainer_save(a, path, &error), 0, "%s", error.message);
  cr_expect_eq(ml3_trainer_load(b, path, &error), ML3_ERR_FORMAT);
  cr_expect_not_null(strstr(error.message, "another run"), "%s", error.message);
  cr_assert_eq(truncate(path, 500), 0);
  cr_expect_neq(ml3_trainer_load(a, path, &error), 0);
  cr_expect_not_null(strstr(error.message, path), "the sentence names the file: %s", error.message);
  unlink(path);
  ml3_trainer_free(a);
  ml3_trainer_free(b);
  one->free(one);
  other->free(other);
}

Test(trainer, improves_on_its_objective) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer *t = make_trainer(problem, 2);
  ml3_trainer_report before, after;
  ml3_trainer_validate(t, &before, &error);
  steps(t, 120);
  ml3_trainer_validate(t, &after, &error);
  cr_expect_lt(ml3_trainer_best_report(t)->objective, before.objective - 0.01);
  ml3_trainer_free(t);
  problem->free(problem);
}

/* The graph's rollout and the environment's are the same trajectory. */
Test(model_based, judges_in_the_environment_what_the_model_predicts) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_CLAMP, 3);
  ml3_meta_settings settings = make_settings(1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, 0);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  for (int i = 0; i < 20; i++) {
    ml3_real task[64], theta[64];
    ml3_random random = ml3_random_stream(9, ML3_PURPOSE_USER, (uint32_t)i, 0);
    ml3_outcome outcome;
    double predicted;
    problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
    cr_assert_eq(ml3_meta_task_gradient(work, task, theta, &random, &predicted, NULL, &error), 0, "%s", error.message);
    cr_assert_eq(problem->evaluate(problem, task, theta, &outcome, &error), 0, "%s", error.message);
    cr_expect_float_eq(predicted, outcome.task_loss, 1e-4);
  }
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}
