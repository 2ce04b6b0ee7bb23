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
