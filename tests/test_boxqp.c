/* The quadratic programme in a box against solutions that NumPy has found by trying every set of bounds (oracle/boxqp.py), and
   how its solution moves with the gradient. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agents/control/boxqp.h"

enum { EASY = 100, PROBLEMS = 104, SIZE = 8 };

static double number(int p, int k) {
  return sin(12.9898 * (p + 1) + 78.233 * (k + 1));
}

typedef struct problem {
  int n;
  double hessian[SIZE * SIZE], gradient[SIZE], low[SIZE], high[SIZE], start[SIZE];
} problem;

static const int hard[PROBLEMS - EASY] = {557, 9119, 10499, 11879};

static problem make(int index) {
  const bool is_hard = index >= EASY;
  const int p = is_hard ? hard[index - EASY] : index;
  problem q = {.n = is_hard ? 3 + p % 6 : 2 + p % 4};
  const int n = q.n;
  for (int i = 0; i < n; i++) {
    q.gradient[i] = is_hard ? 10 * number(p, 100 + i) * number(p, 120 + i) : 3 * number(p, 100 + i);
    q.low[i] = -1 - 0.9 * number(p, 200 + i);
    q.high[i] = 1 + 0.9 * number(p, 300 + i);
    q.start[i] = q.low[i] + (q.high[i] - q.low[i]) * (0.5 + 0.5 * number(p, 400 + i));
    for (int j = 0; j < n; j++) {
      double sum = i == j ? (is_hard ? 1e-5 : 1e-3) * pow(10, 2 * number(p, 501)) : 0;
      for (int k = 0; k < n; k++) sum += number(p, k * n + i) * number(p, k * n + j);
      q.hessian[i * n + j] = sum;
    }
  }
  return q;
}

static json_t *load(void) {
  char path[512];
  snprintf(path, sizeof path, "%s/oracle/boxqp.json", ML3_TEST_DATA);
  json_t *json = json_load_file(path, 0, NULL);
  cr_assert_not_null(json, "cannot read %s", path);
  cr_assert_eq(json_array_size(json_object_get(json, "x")), PROBLEMS);
  return json;
}

Test(boxqp, ends_where_numpy_does_from_every_start) {
  json_t *json = load();
  ml3_error error = {0};
  for (int p = 0; p < PROBLEMS; p++) {
    const problem q = make(p);
    const json_t *x = json_array_get(json_object_get(json, "x"), (size_t)p);
    ml3_boxqp *qp = ml3_boxqp_new(q.n, &error);
    for (int kind = 0; kind < 4; kind++) {
      double found[SIZE];
      int free_count = 0;
      for (int i = 0; i < q.n; i++) found[i] = kind == 0 ? q.start[i] : kind == 1 ? 0 : kind == 2 ? -1e9 : 1e9;
      const int answer = ml3_boxqp_solve(qp, q.hessian, q.gradient, q.low, q.high, found);
      for (int i = 0; i < q.n; i++) {
        const double expected = json_number_value(json_array_get(x, (size_t)i));
        cr_expect_float_eq(found[i], expected, 1e-9, "problem %d, start %d: x[%d] is %.12g, not %.12g", p, kind, i, found[i],
                           expected);
        free_count += expected > q.low[i] + 1e-9 && expected < q.high[i] - 1e-9;
      }
      cr_expect_eq(answer, free_count, "problem %d: %d free entries, not %d", p, answer, free_count);
    }
    ml3_boxqp_free(qp);
  }
  json_decref(json);
}

Test(boxqp, tells_how_its_solution_moves_with_the_gradient) {
  ml3_error error = {0};
  for (int p = 0; p < EASY; p++) {
    problem q = make(p);
    ml3_boxqp *qp = ml3_boxqp_new(q.n, &error);
    double x[SIZE], moved[2][SIZE], right[SIZE], out[SIZE];
    const double h = 1e-7;
    memcpy(x, q.start, sizeof x);
    for (int i = 0; i < q.n; i++) right[i] = number(p, 600 + i);
    ml3_boxqp_solve(qp, q.hessian, q.gradient, q.low, q.high, x);
    ml3_boxqp_sensitivity(qp, 1, right, out);
    for (int s = 0; s < 2; s++) {
      problem near = q;
      for (int i = 0; i < q.n; i++) near.gradient[i] += (s ? h : -h) * right[i];
      memcpy(moved[s], x, sizeof x);
      ml3_boxqp_solve(qp, near.hessian, near.gradient, near.low, near.high, moved[s]);
    }
    for (int i = 0; i < q.n; i++) {
      const double slope = (moved[1][i] - moved[0][i]) / (2 * h);
      cr_expect_float_eq(out[i], slope, 2e-3 * (1 + fabs(slope)), "problem %d: dx[%d] is %g, not %g", p, i, out[i], slope);
    }
    ml3_boxqp_free(qp);
  }
}

Test(boxqp, a_hessian_that_is_not_definite_is_told) {
  ml3_error error = {0};
  const double hessian[4] = {1, 2, 2, 1}, gradient[2] = {0.1, 0.2}, low[2] = {-1, -1}, high[2] = {1, 1};
  double x[2] = {0, 0};
  ml3_boxqp *qp = ml3_boxqp_new(2, &error);
  cr_expect_eq(ml3_boxqp_solve(qp, hessian, gradient, low, high, x), ML3_ERR_NUMERIC);
  ml3_boxqp_free(qp);
  cr_expect_null(ml3_boxqp_new(0, &error));
}
