/* What a validation says of tasks that fail, and what counts as the best of all validations. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "metaloss/meta_test.h"
#include "metaloss/supervised.h"
#include "metaloss/trainer.h"

enum { TASKS = 100 };

/* theta is drawn to the task's number, which is uniform in [-1, 1]; tasks below a bound cannot be judged. */
static double bound;
static ml3_outcome judged;

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  return ml3_nn_sub(g, theta, data);
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  return ml3_nn_square(g, ml3_nn_sub(g, theta, data));
}

/* Tasks that can be drawn; negative: any number. */
static int samples_left = -1;

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  (void)p, (void)split;
  if (samples_left == 0) return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "there are no more tasks");
  samples_left -= samples_left > 0;
  task[0] = (ml3_real)ml3_random_uniform(random, -1, 1);
  theta[0] = 0;
  return ML3_OK;
}

/* A judgement that fails may have begun to fill the outcome. */
static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *o, ml3_error *error) {
  (void)p, (void)theta;
  *o = judged;
  if ((double)task[0] >= bound) return ML3_OK;
  *o = (ml3_outcome){.episode_return = 7, .env_steps = 3};
  return ml3_error_set(error, ML3_ERR_NUMERIC, "diverged");
}

static const ml3_problem problem = {.name = "half",
                                    .theta_size = 1,
                                    .task_size = 1,
                                    .inner_size = 1,
                                    .outer_size = 1,
                                    .features = 1,
                                    .build_features = build_features,
                                    .build_task_loss = build_task_loss,
                                    .sample = sample,
                                    .evaluate = evaluate};

static ml3_trainer_settings settings_of(ml3_select select) {
  return (ml3_trainer_settings){
      .meta = {.loss = {.net = {.inputs = 1, .outputs = 1, .depth = 1, .hidden = {8}, .activation = ML3_TANH, .bias = true},
                        .rate = 0.1},
               .inner_steps = 1,
               .task_weight = 1},
      .optimizer = ml3_nn_adam(1e-3),
      .threads = 1,
      .tasks = 4,
      .validation_tasks = TASKS,
      .select = select};
}

static ml3_trainer *make_trainer(ml3_select select) {
  ml3_error error = {0};
  const ml3_trainer_settings s = settings_of(select);
  ml3_trainer *t = ml3_trainer_new(&problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  judged = (ml3_outcome){.task_loss = 10, .episode_return = -100, .distance = 10, .success = 1, .env_steps = 5};
  return t;
}

static ml3_trainer_report validate(ml3_trainer *t) {
  ml3_error error = {0};
  ml3_trainer_report r;
  cr_assert_eq(ml3_trainer_validate(t, &r, &error), ML3_OK, "%s", error.message);
  return r;
}

static void expect_near(const char *what, double got, double right) {
  cr_expect(fabs(got - right) <= 1e-9 * fabs(right), "%s is %.12g, not %.12g", what, got, right);
}

Test(validation, failed_tasks_are_failures_and_in_no_other_mean) {
  ml3_trainer *t = make_trainer(ML3_SELECT_LOSS);
  bound = -0.2; /* some 40 of the 100 */
  ml3_trainer_report r = validate(t);
  cr_assert(r.skipped > 25 && r.skipped < 50, "%d of the tasks fail", r.skipped);
  expect_near("the task loss", r.outcome.task_loss, 10);
  expect_near("the return", r.outcome.episode_return, -100);
  expect_near("the distance", r.outcome.distance, 10);
  expect_near("success", r.outcome.success, (TASKS - r.skipped) / (double)TASKS);
  expect_near("the steps", r.outcome.env_steps, 5.0 * (TASKS - r.skipped));
  expect_near("the median distance", r.median_distance, 10);
  bound = -2;
  r = validate(t);
  cr_expect_eq(r.skipped, 0);
  expect_near("the return", r.outcome.episode_return, -100);
  expect_near("success", r.outcome.success, 1);
  ml3_trainer_free(t);
}

Test(validation, failed_tasks_are_as_far_off_as_can_be_in_the_median) {
  ml3_trainer *t = make_trainer(ML3_SELECT_DISTANCE);
  bound = 0.2; /* some 60 of the 100 */
  const ml3_trainer_report r = validate(t);
  cr_assert(r.skipped > 50 && r.skipped < 75, "%d of the tasks fail", r.skipped);
  cr_expect(isinf(r.median_distance) && r.median_distance > 0, "the median distance is %g", r.median_distance);
  cr_expect_not(r.is_best, "more than half have failed");
  cr_expect_null(ml3_trainer_best_report(t));
  ml3_trainer_free(t);
}

Test(validation, has_no_means_when_every_task_fails) {
  ml3_trainer *t = make_trainer(ML3_SELECT_LOSS);
  bound = 2;
  const ml3_trainer_report r = validate(t);
  cr_expect_eq(r.skipped, TASKS);
  cr_expect(isnan(r.objective) && isnan(r.outcome.task_loss) && isnan(r.outcome.episode_return) &&
            isnan(r.outcome.distance));
  cr_expect_eq(r.outcome.success, 0);
  cr_expect(isinf(r.median_distance));
  cr_expect_not(r.is_best);
  ml3_trainer_free(t);
}

/* A validation of that outcome and bound; is it the best so far? */
static bool is_best(ml3_trainer *t, double task_loss, double success, double distance, double fails_below) {
  judged.task_loss = task_loss, judged.success = success, judged.distance = distance;
  bound = fails_below;
  return validate(t).is_best;
}

Test(validation, less_task_loss_is_better_but_fewer_failures_come_first) {
  ml3_trainer *t = make_trainer(ML3_SELECT_TASK_LOSS);
  cr_expect(is_best(t, 10, 1, 1, -2), "the first");
  cr_expect_not(is_best(t, 11, 1, 1, -2), "more");
  cr_expect(is_best(t, 9, 1, 1, -2), "less");
  cr_expect_not(is_best(t, 1, 1, 1, -0.9), "less, of fewer tasks");
  expect_near("the best", ml3_trainer_best_report(t)->outcome.task_loss, 9);
  ml3_trainer_free(t);
}

Test(validation, more_success_is_better) {
  ml3_trainer *t = make_trainer(ML3_SELECT_SUCCESS);
  cr_expect(is_best(t, 1, 0.5, 1, -2));
  cr_expect_not(is_best(t, 0, 0.4, 0, -2));
  cr_expect(is_best(t, 2, 0.6, 2, -2));
  cr_expect_not(is_best(t, 2, 0.6, 2, -0.5), "a failed task has no success");
  ml3_trainer_free(t);
}

Test(validation, less_median_distance_is_better) {
  ml3_trainer *t = make_trainer(ML3_SELECT_DISTANCE);
  cr_expect(is_best(t, 1, 0, 1, -2));
  cr_expect_not(is_best(t, 0, 1, 2, -2));
  cr_expect(is_best(t, 2, 0, 0.5, -2));
  ml3_trainer_free(t);
}

/* The objective is the mean of (theta_1 - task)^2, which outer steps lower. */
Test(validation, less_objective_is_better_and_its_loss_is_kept) {
  ml3_error error = {0};
  ml3_trainer *t = make_trainer(ML3_SELECT_LOSS);
  double least = INFINITY;
  bound = -2;
  for (int i = 0; i < 30; i++) {
    ml3_trainer_report r;
    const ml3_trainer_report now = validate(t);
    cr_expect_eq(now.is_best, now.objective < least, "validation %d: %g, least before it %g", i, now.objective, least);
    least = fmin(least, now.objective);
    cr_expect_eq(ml3_trainer_best_report(t)->objective, least);
    const ml3_loss *best = ml3_trainer_best_loss(t), *present = ml3_trainer_loss(t);
    if (now.is_best) cr_expect_eq(memcmp(best->phi, present->phi, (size_t)best->size * sizeof *best->phi), 0);
    cr_assert_eq(ml3_trainer_step(t, &r, &error), ML3_OK, "%s", error.message);
  }
  ml3_trainer_free(t);
}

Test(validation, a_rule_that_fails_in_a_comparison_is_as_bad_as_can_be) {
  ml3_error error = {0};
  ml3_trainer *t = make_trainer(ML3_SELECT_LOSS);
  const ml3_rule rule = {"learned loss", ml3_trainer_meta(t), ml3_trainer_loss(t)};
  const ml3_meta_test_settings s = {.tasks = 20, .rate_tasks = 2, .steps = {1}, .step_count = 1, .rate = 0.1, .threads = 1};
  bound = 2;
  ml3_meta_test *test = ml3_meta_test_run(&problem, &rule, 1, &s, NULL, NULL, &error);
  cr_assert_not_null(test, "%s", error.message);
  for (int i = 0; i < test->count; i++)
    for (int j = 0; j < test->tasks; j++) {
      const ml3_outcome *o = &test->rows[i].outcome[j];
      cr_expect(o->task_loss == INFINITY && o->distance == INFINITY && o->episode_return == -INFINITY && o->success == 0);
    }
  ml3_meta_test_free(test);
  ml3_trainer_free(t);
}

/* ---- sizes ----------------------------------------------------------------------------------------------------------- */

Test(metaloss_sizes, more_numbers_than_a_tensor_has_are_told) {
  static const struct {
    int theta, task, inner, outer, batch;
    const char *words;
  } cases[] = {{1 << 29, 1, 1, 1, 4, "536870912 parameters of the optimizee, 4 tasks at once"},
               {1, 1 << 29, 1, 1, 4, "536870912 numbers of a task"},
               {1, 1, 1 << 30, 1, 1, "1073741824 numbers of data to learn from"},
               {1, 1, 1, 0, 1, "0 numbers of data to judge by"},
               {-5, 1, 1, 1, 1, "-5 parameters of the optimizee"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ml3_error error = {0};
    ml3_problem p = problem;
    p.theta_size = cases[i].theta, p.task_size = cases[i].task;
    p.inner_size = cases[i].inner, p.outer_size = cases[i].outer;
    const ml3_meta_settings s = {.loss = {.kind = ML3_LOSS_TASK, .rate = 0.1}, .inner_steps = 1, .batch = cases[i].batch};
    cr_expect_null(ml3_meta_new(&p, &s, &error));
    cr_expect_eq(error.code, ML3_ERR_ARGUMENT);
    cr_expect_not_null(strstr(error.message, cases[i].words), "%s", error.message);
  }
}

Test(metaloss_sizes, a_task_of_too_many_samples_is_told) {
  ml3_error error = {0};
  const ml3_supervised_settings s = {.name = "wide",
                                     .model = {.inputs = 4096, .outputs = 4096},
                                     .inner_points = 100000,
                                     .outer_points = 100000};
  const ml3_sample_source source = {0};
  cr_expect_null(ml3_supervised_new(&s, &source, &error));
  cr_expect_eq(error.code, ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "a task of 200000 samples of 8192 numbers; fewer than 2^30"), "%s",
                     error.message);
}

/* Drawing a task may fail, as where an environment cannot be made: whoever draws passes the sentence on. */
Test(validation, passes_on_why_a_task_could_not_be_drawn) {
  ml3_trainer_settings s = settings_of(ML3_SELECT_LOSS);
  s.normalize = ML3_NORMALIZE_FIRST;
  const struct {
    int first, step, validation; /* tasks that can be drawn when it is made, for a step, for a validation */
  } cases[] = {{5, 0, 0}, {1000, 2, 1000}, {1000, 1000, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ml3_error error = {0};
    ml3_trainer_report report;
    samples_left = cases[i].first;
    ml3_trainer *t = ml3_trainer_new(&problem, &s, &error);
    int code = t ? ML3_OK : error.code;
    samples_left = cases[i].step;
    if (code == ML3_OK) code = ml3_trainer_step(t, &report, &error);
    samples_left = cases[i].validation;
    if (code == ML3_OK) code = ml3_trainer_validate(t, &report, &error);
    cr_expect_eq(code, ML3_ERR_UNAVAILABLE, "case %zu", i);
    cr_expect_str_eq(error.message, "there are no more tasks", "case %zu: %s", i, error.message);
    ml3_trainer_free(t);
  }
}
