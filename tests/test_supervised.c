/* Supervised problems: gradients through updates, tasks kept apart, the same initial distribution for all. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metaloss/meta.h"
#include "metaloss/sine.h"
#include "metaloss/tables.h"
#include "metaloss/trainer.h"

static const ml3_sine_settings sine = {.train = {{1, 1}, {3, 3}, {-2, 2}}, .test = {{0.2, 5}, {-3, 3}, {-5, 5}}};

static ml3_supervised_settings make_settings(int inner, int outer) {
  return (ml3_supervised_settings){
      .name = "test",
      .model = {.inputs = 1, .outputs = 1, .depth = 1, .hidden = {5}, .activation = ML3_TANH, .bias = true},
      .inner_points = inner,
      .outer_points = outer,
      .feature_x = true,
      .extra_points = 9,
      .physics_frequency = 1,
      .physics_step = 0.5};
}

static ml3_problem *make_sine(ml3_extra extra) {
  ml3_error error = {0};
  ml3_supervised_settings s = make_settings(7, 6);
  s.extra = extra;
  ml3_problem *p = ml3_sine_new(&sine, &s, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

static ml3_problem *make_digits(void) {
  ml3_error error = {0};
  ml3_supervised_settings s = make_settings(6, 8);
  const ml3_classes_settings classes = {.ways = 3, .train = {4, {0, 1, 2, 3}}, .test = {4, {5, 6, 7, 8}}};
  ml3_problem *p = ml3_classes_new(&classes, ml3_digits(&error), &s, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

static ml3_problem *make_shaped(bool known) {
  ml3_error error = {0};
  const ml3_shaped_sine_settings s = {
      .start = {0.1, 0.1}, .goal = {-5, 5}, .points = 20, .both_signs = true, .extra_known = known, .tolerance = 0.5};
  ml3_problem *p = ml3_shaped_sine_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

/* ---- the meta-gradient ------------------------------------------------------------------------------------------- */

/* Through three updates against centred differences of the objective; in float against a tolerance that tells signs. */
static void check_gradient_with(ml3_problem *problem, double extra_weight, int base) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-7;
#else
  const double h = 1e-2, tolerance = 5e-2;
#endif
  ml3_error error = {0};
  const ml3_meta_settings settings = {.loss = {.net = {.inputs = problem->features,
                                                       .outputs = 1,
                                                       .depth = 1,
                                                       .hidden = {8},
                                                       .activation = ML3_TANH,
                                                       .bias = true},
                                               .base = base,
                                               .rate = 0.3,
                                               .learn_rate = ML3_RATE_SCALAR},
                                      .inner_steps = 3,
                                      .weights = ML3_WEIGHTS_ALL,
                                      .task_weight = 1,
                                      .extra_weight = extra_weight};
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real *task = calloc((size_t)problem->task_size, sizeof *task),
           *theta = calloc((size_t)problem->theta_size, sizeof *theta);
  ml3_real *gradient = calloc((size_t)loss->size, sizeof *gradient);
  problem->sample(problem, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  double objective, norm = 0;
  cr_assert_eq(ml3_meta_gradient(work, loss, task, theta, &random, gradient, &objective, NULL, &error), 0, "%s",
               error.message);
  for (int i = 0; i < loss->size; i++) norm += (double)gradient[i] * (double)gradient[i];
  norm = sqrt(norm);
  cr_assert_gt(norm, 1e-6);
  for (int i = 0; i < loss->size; i += 2) {
    double up, down;
    const ml3_real keep = loss->phi[i];
    loss->phi[i] = (ml3_real)(keep + h);
    double width = loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &up, &error);
    loss->phi[i] = (ml3_real)(keep - h);
    width -= loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &down, &error);
    loss->phi[i] = keep;
    cr_expect_leq(fabs((up - down) / width - (double)gradient[i]), tolerance * norm, "%s, phi[%d]: %g is not %g",
                  problem->name, i, (double)gradient[i], (up - down) / width);
  }
  free(task);
  free(theta);
  free(gradient);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}

static void check_gradient(ml3_problem *problem, double extra_weight) {
  check_gradient_with(problem, extra_weight, 0);
}

Test(supervised, a_correction_of_the_task_loss_agrees_with_differences) {
  ml3_problem *digits = make_digits(), *line = make_sine(ML3_EXTRA_NOTHING);
  check_gradient_with(digits, 0, digits->features);
  check_gradient_with(line, 0, line->features);
}

Test(supervised, regression_agrees_with_differences) {
  check_gradient(make_sine(ML3_EXTRA_NOTHING), 0);
}
Test(supervised, a_demonstration_agrees_with_differences) {
  check_gradient(make_sine(ML3_EXTRA_DEMONSTRATION), 2);
}
Test(supervised, physics_agrees_with_differences) {
  check_gradient(make_sine(ML3_EXTRA_PHYSICS), 0.1);
}
Test(supervised, classification_agrees_with_differences) {
  check_gradient(make_digits(), 0);
}
Test(supervised, known_parameters_agree_with_differences) {
  check_gradient(make_shaped(true), 1);
}

/* ---- extra information -------------------------------------------------------------------------------------------- */

/* L_extra alone after five updates by the present loss, on validation tasks. */
static double extra_of(ml3_trainer *t) {
  ml3_error error = {0};
  ml3_trainer_report report;
  cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0, "%s", error.message);
  return report.objective;
}

/* Meta-training by extra information alone leaves less of it to be wished for. */
static void check_acts(ml3_extra extra) {
  ml3_error error = {0};
  ml3_problem *problem = make_sine(extra);
  const ml3_mlp net = {
      .inputs = problem->features, .outputs = 1, .depth = 1, .hidden = {8}, .activation = ML3_TANH, .bias = true};
  const ml3_trainer_settings s = {.meta = {.loss = {.net = net, .rate = 0.1, .learn_rate = ML3_RATE_SCALAR},
                                           .inner_steps = 5,
                                           .weights = ML3_WEIGHTS_LAST,
                                           .task_weight = 0,
                                           .extra_weight = 1},
                                  .optimizer = ml3_nn_adam(2e-2),
                                  .seed = 1,
                                  .threads = 1,
                                  .tasks = 4,
                                  .validation_tasks = 16};
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  const double before = extra_of(t);
  ml3_trainer_report report;
  for (int i = 0; i < 200; i++) cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
  cr_expect_lt(extra_of(t), 0.8 * before, "%g before", before);
  ml3_trainer_free(t);
  problem->free(problem);
}

Test(supervised, a_demonstration_acts_on_what_is_learned) {
  check_acts(ML3_EXTRA_DEMONSTRATION);
}
Test(supervised, physics_acts_on_what_is_learned) {
  check_acts(ML3_EXTRA_PHYSICS);
}

/* ---- what the losses say ------------------------------------------------------------------------------------------- */

/* L_task of the program against the judgement from plain numbers. */
static void check_judgement(ml3_problem *problem) {
  ml3_error error = {0};
  const ml3_meta_settings settings = {
      .loss = {.net = {.inputs = problem->features, .outputs = 1}, .rate = 1}, .inner_steps = 1, .task_weight = 1};
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_real *task = calloc((size_t)problem->task_size, sizeof *task),
           *theta = calloc((size_t)problem->theta_size, sizeof *theta);
  for (uint32_t i = 0; i < 4; i++) {
    ml3_random random = ml3_random_stream(4, ML3_PURPOSE_USER, i, 0);
    ml3_outcome outcome;
    double value;
    problem->sample(problem, ML3_SPLIT_TEST, &random, task, theta, NULL);
    cr_assert_eq(ml3_meta_task_gradient(work, task, theta, &random, &value, NULL, &error), 0);
    cr_assert_eq(problem->evaluate(problem, task, theta, &outcome, &error), 0, "%s", error.message);
    cr_expect_float_eq(outcome.task_loss, value, 1e-5 * fmax(1, value), "%s: %g, judged %g", problem->name, value,
                       outcome.task_loss);
  }
  free(task);
  free(theta);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}

Test(supervised, regression_is_judged_by_its_task_loss) {
  check_judgement(make_sine(ML3_EXTRA_NOTHING));
}
Test(supervised, classification_is_judged_by_its_task_loss) {
  check_judgement(make_digits());
}
Test(supervised, the_shaped_sine_is_judged_by_its_task_loss) {
  check_judgement(make_shaped(false));
}

Test(supervised, a_model_whose_outputs_are_not_numbers_is_told) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  ml3_error error = {0};
  ml3_outcome outcome;
  ml3_real *task = calloc((size_t)p->task_size, sizeof *task), *theta = calloc((size_t)p->theta_size, sizeof *theta);
  theta[0] = (ml3_real)NAN;
  cr_expect_eq(p->evaluate(p, task, theta, &outcome, &error), ML3_ERR_NUMERIC);
  cr_expect_not_null(strstr(error.message, "not finite"));
  free(task);
  free(theta);
  p->free(p);
}

/* A network of zeros added to the feature `loss` is the task's own loss; the file says that it is added. */
Test(supervised, a_learned_loss_can_be_a_correction_of_the_task_loss) {
  ml3_error error = {0};
  const ml3_loss_spec spec = {
      .net = {.inputs = 4, .outputs = 1, .depth = 1, .hidden = {3}, .activation = ML3_TANH, .bias = true},
      .base = 4,
      .rate = 1};
  ml3_random random = ml3_random_stream(8, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&spec, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  const double row[4] = {0.2, 0.3, 0.9, 0.36};
  const double before = ml3_loss_value(loss, row);
  cr_expect(before != 0.36 && fabs(before - 0.36) < 0.2, "it does not begin as a small correction: %g", before);
  char path[64];
  snprintf(path, sizeof path, "/tmp/ml3_base_%d.safetensors", (int)getpid());
  cr_assert_eq(ml3_loss_save(loss, path, &error), 0, "%s", error.message);
  ml3_loss *again = ml3_loss_load(path, &error);
  cr_assert_not_null(again, "%s", error.message);
  cr_expect_eq(again->spec.base, 4);
  cr_expect_float_eq(ml3_loss_value(again, row), before, 0);
  memset(loss->phi, 0, (size_t)loss->size * sizeof *loss->phi);
  cr_expect_float_eq(ml3_loss_value(loss, row), 0.36, 1e-12);
  remove(path);
  ml3_loss_free(loss);
  ml3_loss_free(again);
}

/* ---- tasks ---------------------------------------------------------------------------------------------------------- */

Test(supervised, classes_of_meta_test_are_never_drawn_for_meta_training) {
  ml3_error error = {0};
  ml3_dataset *digits = ml3_digits(&error);
  ml3_problem *p = make_digits();
  ml3_real *task = calloc((size_t)p->task_size, sizeof *task), *theta = calloc((size_t)p->theta_size, sizeof *theta);
  for (uint32_t i = 0; i < 60; i++) {
    const ml3_split split = i % 2 ? ML3_SPLIT_TEST : ML3_SPLIT_TRAIN;
    ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, i, 0);
    p->sample(p, split, &random, task, theta, NULL);
    int classes[3] = {-1, -1, -1};
    for (int which = 0; which < 2; which++) { /* six samples to learn from, eight others; all different */
      const int points = which ? 8 : 6;
      const ml3_real *x = task + (which ? 6 * 67 : 0), *labels = x + points * 64;
      for (int k = 0; k < points; k++) {
        int row = 0, way = 0;
        while (row < digits->rows && memcmp(digits->x + row * 64, x + k * 64, 64 * sizeof *x) != 0) row++;
        cr_assert_lt(row, digits->rows, "a sample is not of the data");
        while (way < 3 && labels[k * 3 + way] != 1) way++;
        cr_assert_lt(way, 3, "a sample has no label");
        const int class = (int)digits->y[row];
        cr_expect(classes[way] < 0 || classes[way] == class, "one label for two digits");
        classes[way] = class;
        cr_expect(split == ML3_SPLIT_TEST ? class >= 5 && class <= 8 : class <= 3, "split %d has digit %d", split,
                  class);
        for (int j = 0; which && j < 6; j++)
          cr_expect(memcmp(task + j * 64, x + k * 64, 64 * sizeof *x) != 0, "judged on what it learned from");
      }
    }
    cr_expect(classes[0] != classes[1] && classes[1] != classes[2] && classes[0] != classes[2]);
  }
  ml3_dataset_free(digits);
  free(task);
  free(theta);
  p->free(p);
}

/* A table of 60 rows: x = 0 .. 59, y = x; task = x / 6 in ten groups when `grouped`. */
static ml3_dataset *make_rows(bool grouped) {
  ml3_dataset *d = calloc(1, sizeof *d);
  *d = (ml3_dataset){.rows = 60, .inputs = 1, .outputs = 1, .groups = grouped ? 10 : 0};
  d->x = calloc(60, sizeof *d->x);
  d->y = calloc(60, sizeof *d->y);
  d->group = grouped ? calloc(60, sizeof *d->group) : NULL;
  for (int i = 0; i < 60; i++) {
    d->x[i] = d->y[i] = (ml3_real)i;
    if (grouped) d->group[i] = i / 6;
  }
  return d;
}

static void check_rows(bool grouped) {
  ml3_error error = {0};
  const ml3_table_settings settings = {.validation_share = 0.2, .test_share = 0.3};
  ml3_supervised_settings s = make_settings(3, 3);
  ml3_problem *p = ml3_table_new(&settings, make_rows(grouped), &s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_real task[12], *theta = calloc((size_t)p->theta_size, sizeof *theta);
  double seen[3][60], mean = 0;
  int count[3] = {0};
  for (uint32_t i = 0; i < 900; i++) {
    ml3_random random = ml3_random_stream(6, ML3_PURPOSE_USER, i, 0);
    const int split = (int)(i % 3);
    p->sample(p, (ml3_split)split, &random, task, theta, NULL);
    for (int k = 0; k < 6; k++) {
      const double x = k < 3 ? task[k] : task[3 + k];
      for (int j = 0; j < k; j++) cr_expect(x != (double)(j < 3 ? task[j] : task[3 + j]), "a row twice in a task");
      int at = 0;
      while (at < count[split] && seen[split][at] != x) at++;
      if (at == count[split]) seen[split][count[split]++] = x;
    }
  }
  cr_expect_eq(count[0], 30);
  cr_expect_eq(count[1], 12);
  cr_expect_eq(count[2], 18);
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < a; b++)
      for (int i = 0; i < count[a]; i++)
        for (int j = 0; j < count[b]; j++) cr_expect(seen[a][i] != seen[b][j], "a row in two splits");
  for (int i = 0; i < count[0]; i++) mean += seen[0][i] / count[0];
  cr_expect_float_eq(mean, 0, 1e-5, "the rows of meta-training are standardised");
  free(theta);
  p->free(p);
}

Test(supervised, rows_of_a_table_are_in_one_split_only) {
  check_rows(false);
}
Test(supervised, tasks_of_a_table_are_in_one_split_only) {
  check_rows(true);
}

Test(supervised, a_table_that_is_too_small_is_told) {
  ml3_error error = {0};
  const ml3_table_settings settings = {.validation_share = 0.2, .test_share = 0.3};
  ml3_supervised_settings s = make_settings(5, 3);
  cr_expect_null(ml3_table_new(&settings, make_rows(true), &s, &error));
  cr_expect_not_null(strstr(error.message, "has 6 rows; samples.inner and samples.outer together need 8"), "%s",
                     error.message);
}

Test(supervised, initial_parameters_are_drawn_alike_for_training_and_test) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  ml3_real *task = calloc((size_t)p->task_size, sizeof *task), *theta = calloc((size_t)p->theta_size, sizeof *theta);
  double squares[3] = {0};
  for (uint32_t i = 0; i < 3000; i++) {
    ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, i, 0);
    p->sample(p, (ml3_split)(i % 3), &random, task, theta, NULL);
    for (int j = 0; j < p->theta_size; j++)
      squares[i % 3] += (double)theta[j] * (double)theta[j] / p->theta_size / 1000;
  }
  for (int i = 1; i < 3; i++) cr_expect_float_eq(squares[i], squares[0], 0.05 * squares[0]);
  free(task);
  free(theta);
  p->free(p);
}
