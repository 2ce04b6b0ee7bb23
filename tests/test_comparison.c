/* What a comparison makes of its trials: failed ones have no success, count nowhere else, and are counted. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/comparison.h"

enum { TASKS = 4 };

/* One method of one update; on tasks 1 and 3 it failed, on task 3 without a word. */
typedef struct fixture {
  ml3_compare_point points[TASKS][2];
  ml3_compare_points trials[TASKS];
  ml3_compare_series series;
  ml3_compare compare;
  ml3_compare_settings settings;
  ml3_lab_comparison comparison;
} fixture;

static void open_fixture(fixture *f) {
  *f = (fixture){0};
  for (int i = 0; i < TASKS; i++) {
    for (int k = 0; k < 2; k++)
      f->points[i][k] =
          (ml3_compare_point){.updates = k,
                              .env_steps = 10 * k,
                              .outcome = {.task_loss = i, .episode_return = -10 - i, .distance = 1 + i, .success = 1}};
    f->trials[i] = (ml3_compare_points){.points = f->points[i], .count = i == 3 ? 0 : 2};
  }
  f->points[1][1].outcome = (ml3_outcome){.task_loss = NAN, .episode_return = NAN, .distance = 0, .success = 1};
  f->series = (ml3_compare_series){.label = "a method", .method = "a", .by_updates = true, .most_updates = 1};
  f->series.trials = f->trials;
  f->compare = (ml3_compare){.tasks = TASKS, .count = 1, .series = &f->series};
  f->settings = (ml3_compare_settings){.tasks = TASKS, .steps = {1}, .step_count = 1};
  f->comparison = (ml3_lab_comparison){.compare = &f->compare, .settings = f->settings, .seeds = 1};
}

Test(comparison, failed_trials_have_no_success_and_count_nowhere_else) {
  fixture f;
  open_fixture(&f);
  int count;
  double x[TASKS];
  cr_assert_eq(ml3_lab_comparison_fill_rows(&f.comparison), ML3_OK);
  const ml3_lab_comparison_row *rows = f.comparison.rows;
  count = f.comparison.count;
  cr_assert_eq(count, 1);
  cr_expect_str_eq(rows[0].name, "a method, 1 update");
  cr_expect_eq(ml3_lab_comparison_failures(&f.comparison, &rows[0]), 2);
  ml3_lab_comparison_values(&f.comparison, &rows[0], ML3_LAB_SUCCESS, x);
  cr_expect(x[0] == 1 && x[1] == 0 && x[2] == 1 && x[3] == 0);
  cr_expect_float_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_SUCCESS, x).mean, 0.5, 1e-12);
  for (int q = ML3_LAB_RETURN; q <= ML3_LAB_TASK_LOSS; q++) {
    ml3_lab_comparison_values(&f.comparison, &rows[0], (ml3_lab_quantity)q, x);
    cr_expect(isnan(x[1]) && isnan(x[3]), "quantity %d", q);
  }
  ml3_lab_comparison_values(&f.comparison, &rows[0], ML3_LAB_DISTANCE, x);
  cr_expect_float_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_DISTANCE, x).mean, 2, 1e-12);
  ml3_lab_comparison_values(&f.comparison, &rows[0], ML3_LAB_STEPS, x);
  cr_expect_float_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_STEPS, x).mean, 10, 1e-12, "what it took all the same");
  free(f.comparison.rows);
}

Test(comparison, where_all_trials_agree_success_has_wilsons_interval) {
  fixture f;
  open_fixture(&f);
  const double all[TASKS] = {1, 1, 1, 1}, none[TASKS] = {0, 0, 0, 0};
  cr_expect_float_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_SUCCESS, all).low, 0.510109, 1e-6);
  cr_expect_float_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_SUCCESS, none).high, 0.489891, 1e-6);
  cr_expect_eq(ml3_lab_comparison_interval(&f.comparison, ML3_LAB_RETURN, none).high, 0);
}

Test(comparison, the_reference_is_found_by_method_label_or_row) {
  fixture f;
  open_fixture(&f);
  cr_assert_eq(ml3_lab_comparison_fill_rows(&f.comparison), ML3_OK);
  const ml3_lab_comparison_row *rows = f.comparison.rows;
  static const char *const names[] = {"a", "a method", "a method, 1 update"};
  for (int i = 0; i < 3; i++) {
    f.comparison.reference = names[i];
    cr_expect_eq(ml3_lab_comparison_reference(&f.comparison), &rows[0]);
  }
  f.comparison.reference = "another";
  cr_expect_null(ml3_lab_comparison_reference(&f.comparison));
  free(f.comparison.rows);
}

/* Three methods of one point each on four tasks, by success, return and environment steps. */
typedef struct trio {
  ml3_compare_point points[3];
  ml3_compare_points trials[3][TASKS];
  ml3_compare_series series[3];
  ml3_compare compare;
  ml3_lab_comparison comparison;
} trio;

static void open_trio(trio *f, const double (*rows)[3]) {
  static const char *const labels[] = {"learned loss", "task gradient", "iLQR"};
  static const char *const methods[] = {"learned_loss", "task_gradient", "ilqr"};
  *f = (trio){.compare = {.tasks = TASKS, .count = 3}};
  for (int i = 0; i < 3; i++) {
    f->points[i] = (ml3_compare_point){.env_steps = rows[i][2]};
    f->points[i].outcome = (ml3_outcome){.success = rows[i][0], .passed = rows[i][0], .episode_return = rows[i][1]};
    for (int j = 0; j < TASKS; j++) f->trials[i][j] = (ml3_compare_points){.points = &f->points[i], .count = 1};
    f->series[i] = (ml3_compare_series){.method = methods[i], .trials = f->trials[i]};
    strcpy(f->series[i].label, labels[i]);
  }
  f->series[0].once_steps = 3.36e6;
  f->compare.series = f->series;
  f->comparison = (ml3_lab_comparison){.compare = &f->compare, .settings = {.tasks = TASKS}, .seeds = 1};
  cr_assert_eq(ml3_lab_comparison_fill_rows(&f->comparison), ML3_OK);
}

static void expect_conclusion(const double (*rows)[3], bool no_goal, const char *expected) {
  trio f;
  char text[512];
  open_trio(&f, rows);
  f.comparison.no_goal = no_goal;
  ml3_lab_comparison_conclusion(&f.comparison, text, sizeof text);
  cr_expect_str_eq(text, expected);
  free(f.comparison.rows);
}

Test(comparison, ends_in_the_best_method_by_success_and_return_with_its_cost) {
  expect_conclusion((const double[][3]){{0, -43, 175}, {0, -50, 175}, {1, -31.1, 6206}}, false,
                    "Best by success and by return: iLQR, 100.0 % and -31.1 at 6,206 environment steps a task.\n"
                    "learned loss: 0.0 % and -43 at 175 environment steps a task (35 times fewer), after 3.36 million "
                    "steps of meta-training.");
  expect_conclusion((const double[][3]){{1, -43, 175}, {0, -50, 175}, {1, -31.1, 6206}}, false,
                    "Best by success: learned loss, 100.0 % at 175 environment steps a task, after 3.36 million steps of "
                    "meta-training. Best by return: iLQR, -31.1 at "
                    "6,206 environment steps a task.");
  expect_conclusion((const double[][3]){{1, -3, 175}, {1, -5, 350}, {0, -31.1, 6206}}, false,
                    "Best by success and by return: learned loss, 100.0 % and -3 at 175 environment steps a task, after 3.36 "
                    "million steps of meta-training.\n"
                    "task gradient: 100.0 % and -5 at 350 environment steps a task (2.0 times more); the intervals of "
                    "success overlap.");
  expect_conclusion((const double[][3]){{0, -3, 175}, {0, -5, 350}, {0, NAN, 6206}}, false,
                    "No method succeeds. Best by return: learned loss, -3 at 175 environment steps a task, after 3.36 "
                    "million steps of meta-training.");
  expect_conclusion((const double[][3]){{0, 3, 1000}, {0, 5, 1000}, {0, NAN, 6206}}, true,
                    "Best by return: task gradient, 5 at 1,000 environment steps a task.\n"
                    "learned loss: 3 at 1,000 environment steps a task, after 3.36 million steps of meta-training.");
}

Test(comparison, success_is_not_applicable_without_a_goal_and_p_values_need_a_reference) {
  trio f;
  ml3_lab_table *shown, *numbers;
  ml3_error error = {0};
  open_trio(&f, (const double[][3]){{0, 3, 1000}, {0, 5, 1000}, {0, 7, 6206}});
  for (int k = 0; k < 2; k++) {
    f.comparison.no_goal = k, f.comparison.reference = k ? "ilqr" : NULL;
    cr_assert_eq(ml3_lab_comparison_tables(&f.comparison, &shown, &numbers, &error), ML3_OK, "%s", error.message);
    cr_expect_eq(ml3_lab_table_columns(shown), k ? 10 : 8);
    cr_expect_str_eq(ml3_lab_table_cell(shown, -1, 5), "environment steps");
    cr_expect_str_eq(ml3_lab_table_cell(shown, -1, 6), "meta-training steps");
    cr_expect_str_eq(ml3_lab_table_cell(shown, 0, 6), "3.36 million");
    cr_expect_eq(strcmp(ml3_lab_table_cell(shown, 0, 1), "n/a") == 0, k == 1, "%s", ml3_lab_table_cell(shown, 0, 1));
    cr_expect_str_eq(ml3_lab_table_cell(shown, 0, 7), "< 0.001");
    ml3_lab_table_free(shown);
    ml3_lab_table_free(numbers);
  }
  free(f.comparison.rows);
}
