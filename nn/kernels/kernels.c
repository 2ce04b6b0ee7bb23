/* Inner loops in plain C, written so that gcc and clang vectorise them. ML3_KERNELS is the name of the table.

   exp, log, sin, cos, tanh, expm1 and log1p of whole vectors come from the C library's vector functions (glibc's
   libmvec; its error is at most 4 units in the last place) where the compiler can call them. */
#include "nn/kernels/kernels.h"

#include <math.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

#ifdef ML3_DOUBLE
#define M(name) name
#else
#define M(name) name##f
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define VECTOR_MATH(f) extern ml3_real M(f)(ml3_real) __attribute__((simd("notinbranch"), const));
VECTOR_MATH(exp)
VECTOR_MATH(log)
VECTOR_MATH(sin)
VECTOR_MATH(cos)
VECTOR_MATH(tanh)
VECTOR_MATH(expm1)
VECTOR_MATH(log1p)
#endif

typedef ml3_real real;

/* ---- elementwise --------------------------------------------------------------------------------- */

#define UNARY(name, formula)                                                                       \
  static void name(int n, real *restrict d, const real *a, const real *b, const real *c) {         \
    (void)b, (void)c;                                                                              \
    for (int i = 0; i < n; i++) {                                                                  \
      const real x = a[i];                                                                         \
      d[i] = (formula);                                                                            \
    }                                                                                              \
  }

#define BINARY(name, formula)                                                                      \
  static void name(int n, real *restrict d, const real *a, const real *b, const real *c) {         \
    (void)c;                                                                                       \
    for (int i = 0; i < n; i++) {                                                                  \
      const real x = a[i], y = b[i];                                                               \
      d[i] = (formula);                                                                            \
    }                                                                                              \
  }

UNARY(k_copy, x)
UNARY(k_neg, -x)
UNARY(k_exp, M(exp)(x))
UNARY(k_log, M(log)(x))
UNARY(k_sin, M(sin)(x))
UNARY(k_cos, M(cos)(x))
UNARY(k_sqrt, M(sqrt)(x))
UNARY(k_square, x *x)
UNARY(k_abs, M(fabs)(x))
UNARY(k_tanh, M(tanh)(x))
UNARY(k_sigmoid, 1 / (1 + M(exp)(-x)))
UNARY(k_softplus, (x > 0 ? x : 0) + M(log1p)(M(exp)(-M(fabs)(x))))
UNARY(k_elu, (x > 0 ? x : 0) + M(expm1)(x > 0 ? 0 : x))
BINARY(k_add, x + y)
BINARY(k_sub, x - y)
BINARY(k_mul, x *y)
BINARY(k_div, x / y)
BINARY(k_min, y < x ? y : x)
BINARY(k_max, y > x ? y : x)
BINARY(k_greater, x > y ? 1 : 0)
BINARY(k_greater_equal, x >= y ? 1 : 0)

static void k_select(int n, real *restrict d, const real *a, const real *b, const real *c) {
  for (int i = 0; i < n; i++) {
    const real x = b[i], y = c[i];
    d[i] = a[i] != 0 ? x : y;
  }
}

static void k_fill(int n, real *d, real value) {
  for (int i = 0; i < n; i++) d[i] = value;
}

/* ---- small products -------------------------------------------------------------------------------- */

/* row[n] += sum over four k of a_k * b[k][n] */
static inline void add_rows(int n, int k, const real *a, int stride_a, const real *restrict b, real *restrict row) {
  int l = 0;
  for (; l + 4 <= k; l += 4) {
    const real a0 = a[l * stride_a], a1 = a[(l + 1) * stride_a], a2 = a[(l + 2) * stride_a],
               a3 = a[(l + 3) * stride_a];
    const real *restrict b0 = b + l * n, *restrict b1 = b0 + n, *restrict b2 = b1 + n, *restrict b3 = b2 + n;
    for (int j = 0; j < n; j++) row[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
  }
  for (; l < k; l++) {
    const real a0 = a[l * stride_a];
    const real *restrict b0 = b + l * n;
    for (int j = 0; j < n; j++) row[j] += a0 * b0[j];
  }
}

static void product_nn(int m, int n, int k, const real *a, const real *b, real *c) {
  for (int i = 0; i < m; i++) {
    memset(c + (long)i * n, 0, (size_t)n * sizeof(real));
    add_rows(n, k, a + (long)i * k, 1, b, c + (long)i * n);
  }
}

static void product_tn(int m, int n, int k, const real *a, const real *b, real *c) {
  for (int i = 0; i < m; i++) {
    memset(c + (long)i * n, 0, (size_t)n * sizeof(real));
    add_rows(n, k, a + i, m, b, c + (long)i * n);
  }
}

static inline real dot(int k, const real *restrict a, const real *restrict b) {
  real s = 0;
#pragma omp simd reduction(+ : s)
  for (int l = 0; l < k; l++) s += a[l] * b[l];
  return s;
}

static void product_nt(int m, int n, int k, const real *a, const real *b, real *c) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) c[(long)i * n + j] = dot(k, a + (long)i * k, b + (long)j * k);
}

/* ---- reductions and moves ------------------------------------------------------------------------- */

static real k_sum(int n, const real *a) {
  real s = 0;
#pragma omp simd reduction(+ : s)
  for (int i = 0; i < n; i++) s += a[i];
  return s;
}

static void k_sum_rows(int rows, int cols, const real *a, real *restrict d) {
  memcpy(d, a, (size_t)cols * sizeof(real));
  for (int i = 1; i < rows; i++) {
    const real *restrict row = a + (long)i * cols;
    for (int j = 0; j < cols; j++) d[j] += row[j];
  }
}

static void k_sum_cols(int rows, int cols, const real *a, real *d) {
  for (int i = 0; i < rows; i++) d[i] = k_sum(cols, a + (long)i * cols);
}

static void k_transpose(int rows, int cols, const real *a, real *restrict d) {
  enum { BLOCK = 16 };
  for (int i0 = 0; i0 < rows; i0 += BLOCK)
    for (int j0 = 0; j0 < cols; j0 += BLOCK)
      for (int i = i0; i < rows && i < i0 + BLOCK; i++)
        for (int j = j0; j < cols && j < j0 + BLOCK; j++) d[(long)j * rows + i] = a[(long)i * cols + j];
}

const ml3_nn_kernels JOIN(ml3_nn_kernels_, ML3_KERNELS) = {
    .name = TEXT(ML3_KERNELS),
    .elementwise = {[OP_COPY] = k_copy,       [OP_NEG] = k_neg,           [OP_EXP] = k_exp,
                    [OP_LOG] = k_log,         [OP_SIN] = k_sin,           [OP_COS] = k_cos,
                    [OP_SQRT] = k_sqrt,       [OP_SQUARE] = k_square,     [OP_ABS] = k_abs,
                    [OP_TANH] = k_tanh,       [OP_SIGMOID] = k_sigmoid,   [OP_SOFTPLUS] = k_softplus,
                    [OP_ELU] = k_elu,         [OP_ADD] = k_add,           [OP_SUB] = k_sub,
                    [OP_MUL] = k_mul,         [OP_DIV] = k_div,           [OP_MIN] = k_min,
                    [OP_MAX] = k_max,         [OP_GREATER] = k_greater,   [OP_GREATER_EQUAL] = k_greater_equal,
                    [OP_SELECT] = k_select},
    .product_nn = product_nn,
    .product_tn = product_tn,
    .product_nt = product_nt,
    .sum = k_sum,
    .sum_rows = k_sum_rows,
    .sum_cols = k_sum_cols,
    .transpose = k_transpose,
    .fill = k_fill,
};
