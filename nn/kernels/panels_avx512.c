/* Products in single precision on AVX-512, for the sizes of learned losses: a few dozen to a few hundred rows by layers
   of some hundred units, where a general library spends part of its time getting ready.

     for each strip of 32 columns of b, and each block of 192 k of it: lay it out row by row (transposed where need be)
       for each panel of at most 14 rows of a: 14 x 2 vectors of sums stay in registers over the block

   A block fits the first-level cache, and sums of blocks err less than one long sum. Rows are shared out evenly among
   panels, and a's entries are broadcast from where they are. */
#include "nn/kernels/kernels.h"
#include "nn/kernels/transpose16.h"

enum { PANEL = 14, STRIP = 32, VECTOR = 16, BLOCK = 192 };

static __mmask16 first(int n) {
  return n >= VECTOR ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* ---- a strip of b ---------------------------------------------------------------------------------------- */

/* strip[k][32] from b[k][width of a row], `width` columns of it, zeros behind. */
static void lay_out(int k, int width, const float *b, long row, float *strip) {
  const __mmask16 low = first(width), high = first(width - VECTOR);
  for (int l = 0; l < k; l++, b += row, strip += STRIP) {
    _mm512_store_ps(strip, _mm512_maskz_loadu_ps(low, b));
    _mm512_store_ps(strip + VECTOR, _mm512_maskz_loadu_ps(high, b + VECTOR));
  }
}

/* The same from b[columns][k]. */
static void lay_out_transposed(int k, int width, const float *b, long row, float *strip) {
  for (int half = 0; half < STRIP; half += VECTOR)
    for (int l = 0; l < k; l += VECTOR) {
      __m512i r[VECTOR];
      for (int i = 0; i < VECTOR; i++)
        r[i] = half + i < width ? _mm512_castps_si512(_mm512_maskz_loadu_ps(first(k - l), b + (half + i) * row + l))
                                : _mm512_setzero_si512();
      ml3_nn_transpose16(r);
      for (int i = 0; i < VECTOR && l + i < k; i++)
        _mm512_store_ps(strip + (long)(l + i) * STRIP + half, _mm512_castsi512_ps(r[i]));
    }
}

/* ---- a panel of a ------------------------------------------------------------------------------------------ */

typedef struct panel {
  int k, width;    /* of the block, and the columns of the strip that there are */
  bool add;        /* to what earlier blocks have summed up */
  long a_row, a_k; /* steps from row to row of a, and from k to k */
  long c_row;
  const float *strip;
} panel;

static inline __attribute__((always_inline)) void multiply(const int rows, const panel *p, const float *a, float *c) {
  const long a_row = p->a_row, a_k = p->a_k;
  const float *b = p->strip;
  __m512 sum[2 * PANEL];
  for (int i = 0; i < 2 * rows; i++) sum[i] = _mm512_setzero_ps();
  for (int l = 0; l < p->k; l++, b += STRIP, a += a_k) {
    const __m512 low = _mm512_load_ps(b), high = _mm512_load_ps(b + VECTOR);
    for (int i = 0; i < rows; i++) {
      const __m512 factor = _mm512_set1_ps(a[i * a_row]);
      sum[2 * i] = _mm512_fmadd_ps(factor, low, sum[2 * i]);
      sum[2 * i + 1] = _mm512_fmadd_ps(factor, high, sum[2 * i + 1]);
    }
  }
  const __mmask16 low = first(p->width), high = first(p->width - VECTOR);
  for (int i = 0; i < rows; i++, c += p->c_row) {
    if (p->add) {
      sum[2 * i] = _mm512_add_ps(sum[2 * i], _mm512_maskz_loadu_ps(low, c));
      sum[2 * i + 1] = _mm512_add_ps(sum[2 * i + 1], _mm512_maskz_loadu_ps(high, c + VECTOR));
    }
    _mm512_mask_storeu_ps(c, low, sum[2 * i]);
    _mm512_mask_storeu_ps(c + VECTOR, high, sum[2 * i + 1]);
  }
}

/* One function for each height, so that the sums are in registers. */
static void multiply_rows(int rows, const panel *p, const float *a, float *c) {
  switch (rows) {
#define HEIGHT(n)         \
  case n:                 \
    multiply(n, p, a, c); \
    break;
    HEIGHT(1)
    HEIGHT(2)
    HEIGHT(3) HEIGHT(4) HEIGHT(5) HEIGHT(6) HEIGHT(7) HEIGHT(8) HEIGHT(9) HEIGHT(10) HEIGHT(11) HEIGHT(12) HEIGHT(13)
        HEIGHT(14)
#undef HEIGHT
  }
}

/* ---- the product --------------------------------------------------------------------------------------------- */

/* Narrow ones leave half of a strip empty, low and flat ones do not pay for laying it out. */
bool ml3_nn_panels_suit_avx512(int m, int n, int k) {
  return m >= 7 && n >= 96 && k >= 32 && (double)m * n * k > 2e5;
}

static void run_block(int m, panel *p, const float *a, float *c) {
  const int panels = (m + PANEL - 1) / PANEL;
  for (int q = 0; q < panels; q++) {
    const int rows = m / panels + (q < m % panels);
    multiply_rows(rows, p, a, c);
    a += rows * p->a_row;
    c += rows * p->c_row;
  }
}

void ml3_nn_panels_avx512(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, const float *b,
                          float *c) {
  _Alignas(64) float strip[STRIP * BLOCK];
  const int blocks = (k + BLOCK - 1) / BLOCK, length = (k + blocks - 1) / blocks;
  panel p = {.a_row = transpose_a ? 1 : k, .a_k = transpose_a ? m : 1, .c_row = n, .strip = strip};
  for (int j = 0; j < n; j += STRIP) {
    p.width = n - j < STRIP ? n - j : STRIP;
    for (int l = 0; l < k; l += length) {
      p.k = k - l < length ? k - l : length;
      p.add = l > 0;
      if (transpose_b)
        lay_out_transposed(p.k, p.width, b + (long)j * k + l, k, strip);
      else
        lay_out(p.k, p.width, b + (long)l * n + j, n, strip);
      run_block(m, &p, a + l * p.a_k, c + j);
    }
  }
}
