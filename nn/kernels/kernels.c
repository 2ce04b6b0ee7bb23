/* Inner loops, in plain C but for one, written so that gcc and clang vectorise them. ML3_KERNELS is the name of the table.

   exp, log, sin, cos, expm1 and log1p of whole vectors, in double tanh too, come from the C library's vector functions
   (glibc's libmvec; its error is at most 4 units in the last place) where the compiler can call them. */
#include "nn/kernels/kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

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

/* The same for costly functions: the last few entries are taken as a whole vector too, not one by one. */
enum { VECTOR = 64 / sizeof(real) };
#define UNARY_MATH(name, formula)                                                                  \
  static void name(int n, real *restrict d, const real *a, const real *b, const real *c) {         \
    (void)b, (void)c;                                                                              \
    const int whole = n / VECTOR * VECTOR;                                                         \
    for (int i = 0; i < whole; i++) {                                                              \
      const real x = a[i];                                                                         \
      d[i] = (formula);                                                                            \
    }                                                                                              \
    if (whole == n) return;                                                                        \
    real last[VECTOR] = {0};                                                                       \
    for (int i = whole; i < n; i++) last[i - whole] = a[i];                                        \
    for (int i = 0; i < VECTOR; i++) {                                                             \
      const real x = last[i];                                                                      \
      last[i] = (formula);                                                                         \
    }                                                                                              \
    for (int i = whole; i < n; i++) d[i] = last[i - whole];                                        \
  }

#define BINARY(name, formula)                                                                      \
  static void name(int n, real *restrict d, const real *a, const real *b, const real *c) {         \
    (void)c;                                                                                       \
    for (int i = 0; i < n; i++) {                                                                  \
      const real x = a[i], y = b[i];                                                               \
      d[i] = (formula);                                                                            \
    }                                                                                              \
  }

#ifdef ML3_DOUBLE
static inline real tanh_of(real x) { return tanh(x); }
#else
/* tanh |x| = -e / (e + 2), e = exp(-2 |x|) - 1 = 2^n exp(r) - 1 with r within half of ln 2: Taylor's polynomial of
   exp(r) - 1 to r^7 is exact to a float. Twice as fast as libmvec's; its error is at most 3 units in the last place. */
static inline float tanh_of(float x) {
  const float magnitude = fabsf(x), a = magnitude > 10 ? 10 : magnitude; /* there it is 1; a NaN stays one */
  const float shifted = a * -2.885390082f + 12582912.0f, n = shifted - 12582912.0f; /* to the nearest whole number */
  const float r = (-2 * a - n * 0.693145752f) - n * 1.42860682e-6f;              /* ln 2 in two parts */
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + r;
  uint32_t bits; /* n stands in the last bits of `shifted`; 2^n has it in its exponent */
  float power;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  memcpy(&power, &bits, sizeof power);
  const float e = power * p + (power - 1);
  return copysignf(-e / (e + 2), x);
}
#endif

UNARY(k_copy, x)
UNARY(k_neg, -x)
UNARY_MATH(k_exp, M(exp)(x))
UNARY_MATH(k_log, M(log)(x))
UNARY_MATH(k_sin, M(sin)(x))
UNARY_MATH(k_cos, M(cos)(x))
UNARY(k_sqrt, M(sqrt)(x))
UNARY(k_square, x *x)
UNARY(k_abs, M(fabs)(x))
UNARY_MATH(k_tanh, tanh_of(x))
UNARY_MATH(k_sigmoid, 1 / (1 + M(exp)(-x)))
UNARY_MATH(k_softplus, (x > 0 ? x : 0) + M(log1p)(M(exp)(-M(fabs)(x))))
UNARY_MATH(k_elu, (x > 0 ? x : 0) + M(expm1)(x > 0 ? 0 : x))
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

#if defined(__AVX512F__) && !defined(ML3_DOUBLE)

/* 16 cols entries of a row, from column pointers b with that many valid: masks spare the slow last entries. `phases`
   partial sums a column keep the multiplier busy. */
static inline __attribute__((always_inline)) void row_strip(const int cols, const int phases, int width, int k,
                                                            const real *a, long stride_a, const real *b, long stride_b,
                                                            real *row) {
  __m512 sum[8];
  __mmask16 mask[4];
  for (int j = 0; j < cols; j++) mask[j] = width >= 16 * (j + 1) ? 0xffff : (__mmask16)((1u << (width - 16 * j)) - 1);
  for (int i = 0; i < cols * phases; i++) sum[i] = _mm512_setzero_ps();
  int l = 0;
  for (; l + phases <= k; l += phases)
    for (int p = 0; p < phases; p++) {
      const __m512 factor = _mm512_set1_ps(a[(l + p) * stride_a]);
      const real *from = b + (l + p) * stride_b;
      for (int j = 0; j < cols; j++)
        sum[p * cols + j] =
            _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask[j], from + 16 * j), sum[p * cols + j]);
    }
  for (; l < k; l++)
    for (int j = 0; j < cols; j++)
      sum[j] = _mm512_fmadd_ps(_mm512_set1_ps(a[l * stride_a]),
                               _mm512_maskz_loadu_ps(mask[j], b + l * stride_b + 16 * j), sum[j]);
  for (int j = 0; j < cols; j++) {
    for (int p = 1; p < phases; p++) sum[j] = _mm512_add_ps(sum[j], sum[p * cols + j]);
    _mm512_mask_storeu_ps(row + 16 * j, mask[j], sum[j]);
  }
}

/* row[n] = sum over k of a_k b[k][n] */
static void product_row(int n, int k, const real *a, int stride_a, const real *b, real *row) {
  for (int j = 0; j < n; j += 64) {
    const int width = n - j < 64 ? n - j : 64;
    switch ((width + 15) / 16) {
      case 1: row_strip(1, 4, width, k, a, stride_a, b + j, n, row + j); break;
      case 2: row_strip(2, 4, width, k, a, stride_a, b + j, n, row + j); break;
      case 3: row_strip(3, 2, width, k, a, stride_a, b + j, n, row + j); break;
      default: row_strip(4, 2, width, k, a, stride_a, b + j, n, row + j); break;
    }
  }
}

#else

/* row[n] = sum over k of a_k b[k][n], four k at a time */
static void product_row(int n, int k, const real *a, int stride_a, const real *restrict b, real *restrict row) {
  memset(row, 0, (size_t)n * sizeof(real));
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

#endif

static inline real dot(int k, const real *restrict a, const real *restrict b) {
  real s = 0;
#pragma omp simd reduction(+ : s)
  for (int l = 0; l < k; l++) s += a[l] * b[l];
  return s;
}

/* c[j] = a b_j of four rows of b: one after the other, each would wait for its own sum. */
static void four_dots(int k, const real *restrict a, const real *restrict b, real *restrict c) {
  const real *restrict b1 = b + k, *restrict b2 = b1 + k, *restrict b3 = b2 + k;
  real s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int l = 0; l < k; l++) s0 += a[l] * b[l], s1 += a[l] * b1[l], s2 += a[l] * b2[l], s3 += a[l] * b3[l];
  c[0] = s0, c[1] = s1, c[2] = s2, c[3] = s3;
}

static void product_nt(int m, int n, int k, const real *a, const real *b, real *c) {
  for (int i = 0; i < m; i++, a += k, c += n) {
    int j = 0;
    for (; j + 4 <= n; j += 4) four_dots(k, a, b + (long)j * k, c + j);
    for (; j < n; j++) c[j] = dot(k, a, b + (long)j * k);
  }
}

static void product_nn(int m, int n, int k, const real *a, const real *b, real *c) {
  if (n == 1) { /* c' = b' a' */
    product_nt(1, m, k, b, a, c);
    return;
  }
  for (int i = 0; i < m; i++) product_row(n, k, a + (long)i * k, 1, b, c + (long)i * n);
}

static void product_tn(int m, int n, int k, const real *a, const real *b, real *c) {
  if (n == 1) { /* c' = b' a */
    product_nn(1, m, k, b, a, c);
    return;
  }
  for (int i = 0; i < m; i++) product_row(n, k, a + i, m, b, c + (long)i * n);
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

/* ---- long vectors --------------------------------------------------------------------------------- */

static void k_add_to(size_t n, real *restrict to, const real *restrict a) {
  for (size_t i = 0; i < n; i++) to[i] += a[i];
}

static void k_adam(size_t n, real *restrict p, const real *restrict g, real *restrict m, real *restrict v,
                   const ml3_nn_adam_step *step) {
  const ml3_nn_adam_step a = *step;
  for (size_t i = 0; i < n; i++) {
    const real gi = a.clip * g[i];
    m[i] = a.beta1 * m[i] + a.one_minus_beta1 * gi;
    v[i] = a.beta2 * v[i] + a.one_minus_beta2 * gi * gi;
    p[i] = a.keep * p[i] - a.rate * m[i] / (M(sqrt)(v[i]) * a.root_scale + a.epsilon);
  }
}

/* In double, in lanes that are added by halves: the same bits on every machine. */
static double k_sum_squares(size_t n, const real *a) {
  enum { LANES = 32 };
  double lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t j = 0; j < LANES; j++) lane[j] += (double)a[i + j] * (double)a[i + j];
  for (size_t j = 0; i + j < n; j++) lane[j] += (double)a[i + j] * (double)a[i + j];
  for (size_t width = LANES / 2; width > 0; width /= 2)
    for (size_t j = 0; j < width; j++) lane[j] += lane[j + width];
  return lane[0];
}

static bool k_all_finite(size_t n, const real *a) {
  real sum = 0; /* one NaN or infinity makes the sum of x * 0 a NaN */
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += a[i] * 0;
  return sum == 0;
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
#if defined(__AVX512F__) && !defined(ML3_DOUBLE)
    .panels_suit = ml3_nn_panels_suit_avx512,
    .product_panels = ml3_nn_panels_avx512,
#endif
    .sum = k_sum,
    .sum_rows = k_sum_rows,
    .sum_cols = k_sum_cols,
    .transpose = k_transpose,
    .fill = k_fill,
    .add_to = k_add_to,
    .adam = k_adam,
    .sum_squares = k_sum_squares,
    .all_finite = k_all_finite,
};
