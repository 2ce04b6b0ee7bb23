/* Intervals and tests of lab/statistics.h beside numbers of SciPy (oracle/statistics_oracle.py). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "lab/statistics.h"
#include "tests/oracle_file.h"

enum { MOST = 256 };

/* The list under key, null as NAN; returns its length. */
static int list(const json_t *json, const char *key, double *x) {
  const json_t *values = key ? json_object_get(json, key) : json;
  const int n = (int)json_array_size(values);
  cr_assert(n > 0 && n <= MOST);
  for (int i = 0; i < n; i++) {
    const json_t *value = json_array_get(values, (size_t)i);
    x[i] = json_is_null(value) ? NAN : json_number_value(value);
  }
  return n;
}

static int whole(const json_t *json, const char *key) {
  return (int)json_integer_value(json_object_get(json, key));
}

static void expect_number(double got, double wanted, const char *what) {
  cr_expect_leq(fabs(got - wanted), 1e-9 * fmax(fabs(wanted), 1e-3), "%s: %.15g, not %.15g", what, got, wanted);
}

static void expect_interval(ml3_lab_interval got, const json_t *json, const char *what) {
  double wanted[MOST];
  cr_assert_eq(list(json, "interval", wanted), 3);
  expect_number(got.mean, wanted[0], what);
  expect_number(got.low, wanted[1], what);
  expect_number(got.high, wanted[2], what);
}

Test(statistics, students_quantile_is_exact_at_any_degree_of_freedom) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "t_quantile"), i, row) {
    double x[MOST];
    list(row, NULL, x);
    cr_expect_leq(fabs(ml3_lab_t_quantile((int)x[0]) - x[1]), 1e-12 * x[1], "%g degrees: %.15g, not %.15g", x[0],
                  ml3_lab_t_quantile((int)x[0]), x[1]);
  }
  json_decref(all);
}

Test(statistics, rates_have_wilsons_interval) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "rate"), i, row) {
    double x[MOST];
    list(row, NULL, x);
    const ml3_lab_interval in = ml3_lab_rate_interval(x[0], x[1]);
    expect_number(in.mean, x[0] / x[1], "rate");
    expect_number(in.low, x[2], "low");
    expect_number(in.high, x[3], "high");
  }
  json_decref(all);
}

Test(statistics, the_bootstrap_draws_groups_then_values) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "group"), i, row) {
    double x[MOST];
    const int n = list(row, "x", x), groups = whole(row, "groups");
    const uint64_t seed = (uint64_t)json_integer_value(json_object_get(row, "seed"));
    expect_interval(ml3_lab_group_interval(x, groups, n / groups, seed), row, "bootstrap");
    if (groups == 1) expect_interval(ml3_lab_mean_interval(x, n, seed), row, "bootstrap");
  }
  json_decref(all);
}

Test(statistics, means_of_few_values_have_students_interval) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "sample"), i, row) {
    double x[MOST];
    const int n = list(row, "x", x);
    const bool positive = json_is_true(json_object_get(row, "positive"));
    expect_interval(ml3_lab_sample_interval(x, n, positive ? ML3_LAB_POSITIVE : ML3_LAB_REAL), row, "Student");
    if (positive) cr_expect_eq(ml3_lab_range_of(x, n), ML3_LAB_POSITIVE);
  }
  json_decref(all);
}

Test(statistics, shares_of_few_seeds_have_wilsons_interval_of_the_effective_trials) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "share"), i, row) {
    double x[MOST];
    const int n = list(row, "x", x);
    expect_interval(ml3_lab_share_interval(x, n, whole(row, "trials")), row, "share");
  }
  json_decref(all);
}

Test(statistics, paired_differences_are_tested_by_flipping_signs) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "paired"), i, row) {
    double x[MOST], y[MOST];
    const int n = list(row, "x", x), groups = whole(row, "groups");
    list(row, "y", y);
    const double p = ml3_lab_paired_test(x, y, groups, n / groups, json_is_true(json_object_get(row, "by_group")),
                                     (uint64_t)whole(row, "seed"));
    expect_number(p, json_number_value(json_object_get(row, "p")), "p");
  }
  json_decref(all);
}

Test(statistics, the_median_of_an_even_number_is_between_the_two_in_the_middle) {
  json_t *all = load_oracle("statistics"), *row;
  size_t i;
  json_array_foreach(json_object_get(all, "median"), i, row) {
    double x[MOST];
    const int n = list(row, "x", x);
    expect_number(ml3_lab_median(x, n), json_number_value(json_object_get(row, "median")), "median");
  }
  json_decref(all);
}
