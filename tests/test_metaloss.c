/* Learning through several updates, and the outer loop: exact, the same bits on any number of threads, resumable. */
#define _DEFAULT_SOURCE /* mkstemp, truncate */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/model_based.h"
#include "metaloss/trainer.h"

static ml3_problem *make_problem(ml3_squash squash, int starts) {
  ml3_error error = {0};
  const int hidden[1] = {6};
  ml3_model_based_settings s = {.env = ml3_env_find("mountain_car", &error),
                                .horizon = 12,
                                .starts = starts,
                                .cost = ML3_COST_TRAJECTORY,
                                .cost_from_step = 5,
                                .extra = true,
                                .extra_goal = {-0.947, -0.0055},
                                .extra_until_step = 5};
  cr_assert_not_null(s.env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_IDENTITY, false, &error), 0, "%s", error.message);
  s.policy.squash = squash;
  ml3_problem *problem = ml3_model_based_new(&s, &error);
  cr_assert_not_null(problem, "%s", error.message);
  return problem;
}

static ml3_meta_settings make_settings(int steps, ml3_step_weights weights, ml3_learn_rate learn_rate, int theta_size) {
  return (ml3_meta_settings){.loss = {.net = {.inputs = 4, .outputs = 1, .depth = 2, .hidden = {10, 10}, .activation = ML3_TANH, .bias = true},
                                      .rate = 0.5,
                                      .learn_rate = learn_rate,
                                      .theta_size = theta_size},
                             .inner_steps = steps,
                             .weights = weights,
                             .task_weight = 1,
                             .extra_weight = 0.5};
}

/* The features without the distance: that is detached, which differences through several updates would see. */
static ml3_node (*all_features)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context);

static ml3_node attached_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  ml3_node rows = all_features(p, g, theta, data, context);
  ml3_node parts[2] = {ml3_nn_slice_cols(g, rows, 0, 3), ml3_nn_constant(g, ml3_nn_rows(g, rows), 1, 0.7)};
  return ml3_nn_concat_cols(g, parts, 2);
}

/* The meta-gradient through `steps` updates against centred differences of the objective, entry by entry. */
static void check_gradient(int steps, ml3_step_weights weights, ml3_learn_rate learn_rate, int starts) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-7;
#else
  const double h = 2e-2, tolerance = 5e-2;
#endif
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, starts);
  all_features = problem->build_features;
  problem->build_features = attached_features;
  ml3_meta_settings settings = make_settings(steps, weights, learn_rate, problem->theta_size);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real task[64], theta[64], *gradient = calloc((size_t)loss->size, sizeof *gradient);
  problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta);
  double objective, norm = 0;
  cr_assert_eq(ml3_meta_gradient(work, loss, task, theta, &random, gradient, &objective, NULL, &error), 0, "%s", error.message);
  for (int i = 0; i < loss->size; i++) norm += (double)gradient[i] * gradient[i];
  norm = sqrt(norm);
  cr_assert_gt(norm, 1e-6);
  for (int i = 0; i < loss->size; i += 3) {
    double up, down;
    ml3_real keep = loss->phi[i];
    loss->phi[i] = (ml3_real)(keep + h);
    double width = loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &up, &error);
    loss->phi[i] = (ml3_real)(keep - h);
    width -= loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &down, &error);
    loss->phi[i] = keep;
    cr_expect_leq(fabs((up - down) / width - gradient[i]), tolerance * norm, "K = %d, phi[%d]: %g is not %g", steps, i,
                  (double)gradient[i], (up - down) / width);
  }
  free(gradient);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}

Test(meta_gradient, agrees_with_differences_through_one_update) { check_gradient(1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, 1); }
Test(meta_gradient, agrees_with_differences_through_four_updates) { check_gradient(4, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, 1); }
Test(meta_gradient, agrees_with_differences_when_every_update_counts) { check_gradient(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 2); }
Test(meta_gradient, agrees_with_differences_by_each_step_size) { check_gradient(2, ML3_WEIGHTS_LINEAR, ML3_RATE_PARAMETER, 1); }

/* A batch of four tasks in one program against the four one by one; a task that is not a number spoils the batch. */
static void check_batch(ml3_learn_rate learn_rate) {
  enum { BATCH = 4 };
#ifdef ML3_DOUBLE
  const double tolerance = 1e-12;
#else
  const double tolerance = 1e-5;
#endif
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  const size_t task_size = (size_t)problem->task_size, theta_size = (size_t)problem->theta_size;
  ml3_meta_settings settings = make_settings(3, ML3_WEIGHTS_ALL, learn_rate, problem->theta_size);
  ml3_meta *single = ml3_meta_new(problem, &settings, &error);
  settings.batch = BATCH;
  ml3_meta *batch = ml3_meta_new(problem, &settings, &error);
  cr_assert(single && batch, "%s", error.message);
  ml3_meta_work *one = ml3_meta_work_new(single, &error), *all = ml3_meta_work_new(batch, &error);
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_USER, 0, 0), streams[BATCH];
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real task[BATCH * 64], theta[BATCH * 64];
  ml3_real *sum = calloc(3 * (size_t)loss->size, sizeof *sum), *piece = sum + loss->size, *together = piece + loss->size;
  double objective, objectives[BATCH], losses[4], all_losses[BATCH][4], norm = 0;
  for (size_t i = 0; i < BATCH; i++) {
    problem->sample(problem, ML3_SPLIT_TRAIN, &random, task + i * task_size, theta + i * theta_size);
    streams[i] = ml3_random_stream(5, ML3_PURPOSE_USER, (uint32_t)i, 0);
  }
  cr_assert_eq(ml3_meta_gradient(all, loss, task, theta, streams, together, objectives, all_losses[0], &error), 0, "%s",
               error.message);
  for (size_t i = 0; i < BATCH; i++) {
    streams[i] = ml3_random_stream(5, ML3_PURPOSE_USER, (uint32_t)i, 0);
    cr_assert_eq(ml3_meta_gradient(one, loss, task + i * task_size, theta + i * theta_size, &streams[i], piece, &objective,
                                   losses, &error), 0, "%s", error.message);
    cr_expect_float_eq(objective, objectives[i], tolerance * 10);
    for (int k = 1; k <= 3; k++) cr_expect_float_eq(losses[k], all_losses[i][k], tolerance * 10);
    for (int j = 0; j < loss->size; j++) sum[j] += piece[j];
  }
  for (int j = 0; j < loss->size; j++) norm += (double)sum[j] * sum[j];
  for (int j = 0; j < loss->size; j++) cr_expect_leq(fabs((double)sum[j] - together[j]), tolerance * sqrt(norm), "phi[%d]", j);

  task[2 * task_size] = (ml3_real)NAN;
  cr_expect_eq(ml3_meta_gradient(all, loss, task, theta, streams, together, NULL, NULL, &error), ML3_ERR_NUMERIC);
  free(sum);
  ml3_loss_free(loss);
  ml3_meta_work_free(one);
  ml3_meta_work_free(all);
  ml3_meta_free(single);
  ml3_meta_free(batch);
  problem->free(problem);
}

Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks) { check_batch(ML3_RATE_SCALAR); }
Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks_with_a_step_size_each) { check_batch(ML3_RATE_PARAMETER); }

/* ---- the outer loop ------------------------------------------------------------------------------------------- */

static ml3_trainer *make_trainer(ml3_problem *problem, int threads) {
  ml3_error error = {0};
  ml3_trainer_settings s = {.meta = make_settings(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0),
                            .optimizer = ml3_nn_adam(1e-2),
                            .seed = 11,
                            .threads = threads,
                            .tasks = 5,
                            .task_clip_norm = 0.5,
                            .normalize = true,
                            .validation_tasks = 7};
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static void steps(ml3_trainer *t, int count) {
  ml3_error error = {0};
  ml3_trainer_report report;
  for (int i = 0; i < count; i++) {
    cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    if (i % 4 == 3) cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0, "%s", error.message);
  }
}

static void expect_same(const ml3_trainer *a, const ml3_trainer *b) {
  const ml3_loss *x = ml3_trainer_loss(a), *y = ml3_trainer_loss(b);
  cr_expect_eq(memcmp(x->phi, y->phi, (size_t)x->size * sizeof *x->phi), 0, "the losses differ");
  x = ml3_trainer_best_loss(a), y = ml3_trainer_best_loss(b);
  cr_expect_eq(memcmp(x->phi, y->phi, (size_t)x->size * sizeof *x->phi), 0, "the best losses differ");
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
static ml3_trainer *make_batching_trainer(ml3_problem *problem, int threads) {
  ml3_error error = {0};
  ml3_trainer_settings s = {.meta = make_settings(2, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0),
                            .optimizer = ml3_nn_adam(1e-2),
                            .seed = 12,
                            .threads = threads,
                            .tasks = 16,
                            .validation_tasks = 7};
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
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

static void (*all_samples)(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta);

/* Every so often a start that is not a number. */
static void spoilt_samples(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta) {
  all_samples(p, split, random, task, theta);
  if (ml3_random_uniform(random, 0, 1) < 0.2) task[0] = (ml3_real)NAN;
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

Test(trainer, goes_on_from_a_checkpoint_with_the_same_bits) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path));
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

Test(trainer, refuses_a_checkpoint_of_another_run_and_a_damaged_one) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path));
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

Test(loss, is_the_same_after_saving_and_loading) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_loss_XXXXXX";
  close(mkstemp(path));
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_meta_settings s = make_settings(1, ML3_WEIGHTS_LAST, ML3_RATE_SCALAR, 0);
  ml3_loss *loss = ml3_loss_new(&s.loss, &random, &error);
  loss->shift[1] = (ml3_real)0.25, loss->scale[2] = 3;
  cr_assert_eq(ml3_loss_save(loss, path, &error), 0, "%s", error.message);
  ml3_loss *again = ml3_loss_load(path, &error);
  cr_assert_not_null(again, "%s", error.message);
  const double row[4] = {-0.5, 0.3, 0.1, 1.2};
  cr_expect_eq(ml3_loss_value(loss, row), ml3_loss_value(again, row));
  cr_expect_eq(ml3_loss_rate(loss), ml3_loss_rate(again));
  unlink(path);
  ml3_loss_free(loss);
  ml3_loss_free(again);
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
    problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta);
    cr_assert_eq(ml3_meta_task_gradient(work, task, theta, &random, &predicted, NULL, &error), 0, "%s", error.message);
    cr_assert_eq(problem->evaluate(problem, task, theta, &outcome, &error), 0, "%s", error.message);
    cr_expect_float_eq(predicted, outcome.task_loss, 1e-4);
  }
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}
