/* The statistics of comparisons: intervals cover, tests keep their level, everything repeats to the bit. */
#include "lab/statistics.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/random.h"

Test(statistics, a_bootstrap_interval_covers_the_mean_about_95_times_in_100) {
  int covered = 0;
  for (int trial = 0; trial < 300; trial++) {
    double x[40];
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, (uint32_t)trial, 5);
    for (int i = 0; i < 40; i++) x[i] = 3 + ml3_random_normal(&random);
    const ml3_lab_interval in = ml3_lab_mean_interval(x, 40, 0);
    covered += in.low <= 3 && 3 <= in.high;
    cr_expect(in.low <= in.mean && in.mean <= in.high);
  }
  cr_expect_geq(covered, 270);
  cr_expect_leq(covered, 297);
}

Test(statistics, groups_that_differ_widen_the_interval) {
  double x[100];
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 5);
  for (int i = 0; i < 100; i++) x[i] = i / 10 + 0.1 * ml3_random_normal(&random); /* ten groups, far apart */
  const ml3_lab_interval alone = ml3_lab_group_interval(x, 1, 100, 0), grouped = ml3_lab_group_interval(x, 10, 10, 0);
  cr_expect_float_eq(alone.mean, grouped.mean, 1e-12);
  cr_expect_gt(grouped.high - grouped.low, 2 * (alone.high - alone.low));
}

Test(statistics, entries_that_are_no_numbers_are_left_out) {
  const double x[6] = {1, NAN, 3, NAN, NAN, NAN};
  cr_expect_float_eq(ml3_lab_group_interval(x, 2, 3, 0).mean, 2, 1e-15);
  cr_expect(isnan(ml3_lab_group_interval(x + 3, 1, 3, 0).mean));
}

Test(statistics, the_paired_test_is_exact_for_few_pairs) {
  const double x[5] = {1, 2, 3, 4, 5}, y[5] = {0, 1, 1, 2, 2};
  cr_expect_float_eq(ml3_lab_paired_test(x, y, 1, 5, false, 0), 2.0 / 32, 1e-15, "all differences have one sign");
  cr_expect_float_eq(ml3_lab_paired_test(x, y, 5, 1, true, 0), 2.0 / 32, 1e-15, "groups of one are pairs");
  cr_expect_float_eq(ml3_lab_paired_test(x, x, 1, 5, false, 0), 1, 1e-15);
}

Test(statistics, the_paired_test_keeps_its_level_and_sees_differences) {
  int rejected = 0;
  double x[60], y[60], first = 0;
  for (int trial = 0; trial < 200; trial++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, (uint32_t)trial, 5);
    for (int i = 0; i < 60; i++) x[i] = ml3_random_normal(&random), y[i] = ml3_random_normal(&random);
    rejected += ml3_lab_paired_test(x, y, 1, 60, false, 0) < 0.05;
  }
  cr_expect_leq(rejected, 22, "%d of 200 at 5 %%", rejected);
  cr_expect_geq(rejected, 2);
  for (int i = 0; i < 60; i++) y[i] = x[i] + 0.5 + 0.2 * y[i];
  first = ml3_lab_paired_test(x, y, 1, 60, false, 0);
  cr_expect_lt(first, 0.001);
  cr_expect_eq(first, ml3_lab_paired_test(x, y, 1, 60, false, 0), "repeats to the bit");
}
