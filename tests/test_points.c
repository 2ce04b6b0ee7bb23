/* Points of sweeps and searches: which configurations are tried. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/points.h"

static ml3_error error;

Test(points, a_grid_has_every_combination_the_last_axis_fastest) {
  static ml3_lab_points p;
  const char *const texts[] = {"outer.rate=1e-3,1e-2", "loss.hidden=[4],[4,4],[8]", NULL};
  cr_assert_eq(ml3_lab_points_grid(&p, texts, "--sweep", &error), ML3_OK, "%s", error.message);
  cr_assert_eq(p.count, 6);
  static const char *const expected[6][2] = {{"1e-3", "[4]"}, {"1e-3", "[4,4]"}, {"1e-3", "[8]"},
                                             {"1e-2", "[4]"}, {"1e-2", "[4,4]"}, {"1e-2", "[8]"}};
  for (int i = 0; i < 6; i++)
    for (int a = 0; a < 2; a++) {
      char value[64];
      ml3_lab_points_value(&p, i, a, value);
      cr_expect_str_eq(value, expected[i][a]);
    }
}

/* Uniform in the logarithm: a third of the points in each decade of three, within five standard errors. */
Test(points, a_logarithmic_range_has_as_many_points_in_every_decade) {
  static ml3_lab_points p;
  const char *const texts[] = {"outer.rate=log:1e-5..1e-2", NULL};
  cr_assert_eq(ml3_lab_points_draw(&p, texts, 900, 7, "--over", &error), ML3_OK, "%s", error.message);
  int in_decade[3] = {0};
  for (int i = 0; i < p.count; i++) {
    char value[64];
    ml3_lab_points_value(&p, i, 0, value);
    const double x = atof(value);
    cr_assert(x >= 0.99999e-5 && x <= 1.00001e-2, "%s", value);
    in_decade[x < 1e-4 ? 0 : x < 1e-3 ? 1 : 2]++;
  }
  for (int k = 0; k < 3; k++) cr_expect(abs(in_decade[k] - 300) < 71, "%d of 900 in decade %d", in_decade[k], k);
}

Test(points, whole_numbers_take_both_ends_and_lists_all_entries) {
  static ml3_lab_points p;
  const char *const texts[] = {"inner.steps=integer:1..3", "outer.rate=linear:2..4", "outer.epochs=1,5", NULL};
  cr_assert_eq(ml3_lab_points_draw(&p, texts, 200, 0, "--over", &error), ML3_OK, "%s", error.message);
  int whole[4] = {0}, listed[2] = {0};
  double sum = 0;
  for (int i = 0; i < p.count; i++) {
    char value[3][64];
    for (int a = 0; a < 3; a++) ml3_lab_points_value(&p, i, a, value[a]);
    cr_assert(strlen(value[0]) == 1 && value[0][0] >= '1' && value[0][0] <= '3', "%s", value[0]);
    whole[value[0][0] - '0']++;
    sum += atof(value[1]);
    listed[strcmp(value[2], "5") == 0]++;
  }
  for (int k = 1; k <= 3; k++) cr_expect(whole[k] > 40, "%d is drawn %d times of 200", k, whole[k]);
  cr_expect(fabs(sum / p.count - 3) < 0.2, "mean %g of 2..4", sum / p.count);
  cr_expect(listed[0] > 70 && listed[1] > 70);
}

Test(points, a_point_is_the_same_however_many_there_are_and_another_by_another_seed) {
  static ml3_lab_points few, many, other;
  const char *const texts[] = {"outer.rate=log:1e-5..1e-2", NULL};
  cr_assert_eq(ml3_lab_points_draw(&few, texts, 5, 3, "--over", &error), ML3_OK);
  cr_assert_eq(ml3_lab_points_draw(&many, texts, 50, 3, "--over", &error), ML3_OK);
  cr_assert_eq(ml3_lab_points_draw(&other, texts, 5, 4, "--over", &error), ML3_OK);
  char a[64], b[64], c[64];
  ml3_lab_points_value(&few, 4, 0, a);
  ml3_lab_points_value(&many, 4, 0, b);
  ml3_lab_points_value(&other, 4, 0, c);
  cr_expect_str_eq(a, b);
  cr_expect_str_neq(a, c);
}

Test(points, ranges_that_are_none_are_sentences) {
  static ml3_lab_points p;
  static const struct {
    const char *text, *expected;
  } cases[] = {{"outer.rate=log:0..1", "--over outer.rate=log:0..1: a logarithmic range begins above 0"},
               {"outer.rate=log:1", "expected a range LOW..HIGH"},
               {"outer.rate=linear:2..1", "LOW below HIGH"},
               {"outer.rate=linear:nan..1", "LOW below HIGH"},
               {"inner.steps=integer:1.5..3", "takes whole numbers"},
               {"seed=integer:1..3", "several seeds are what --seeds is for"},
               {"outer.rate", "expected key=value,value or key=log:LOW..HIGH"},
               {"outer.rate=", "expected key=value,value"},
               {"outer.rate=1,,2", "expected 1 to 64 values"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *const texts[] = {cases[i].text, NULL};
    error = (ml3_error){0};
    cr_expect_eq(ml3_lab_points_draw(&p, texts, 3, 0, "--over", &error), ML3_ERR_ARGUMENT, "%s", cases[i].text);
    cr_expect(strstr(error.message, cases[i].expected), "%s: %s", cases[i].text, error.message);
  }
  const char *const range[] = {"outer.rate=log:1e-3..1", NULL};
  cr_expect_eq(ml3_lab_points_grid(&p, range, "--sweep", &error), ML3_ERR_ARGUMENT);
  cr_expect(strstr(error.message, "a range has no end of combinations"), "%s", error.message);
}
