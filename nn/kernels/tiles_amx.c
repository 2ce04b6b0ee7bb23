/* The products of tiles.h on AMX. Packed operands are tiles of 16 outer rows by 32 k, 1 KB each, as the unit loads them:

     left tile    row i: the 32 k of outer row i
     right tile   row i: for each of 16 outer columns the pair k = 2i, 2i + 1

   so one is the other transposed in units of pairs. [outer tile][k tile][part]: a product reads each operand as one
   stream a strip of outer tiles. k is filled up with zeros. */
#define _GNU_SOURCE
#include "nn/kernels/tiles.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nn/kernels/transpose16.h"

enum { OUTER = 16, DEPTH = 32, TILE_BYTES = 1024 };

static int tiles_of(int n, int size) { return (n + size - 1) / size; }

/* ---- packing ------------------------------------------------------------------------------------------ */

static size_t packed_entries(const ml3_nn_packing *p) {
  const int k = p->k_is_rows ? p->rows : p->cols, outer = p->k_is_rows ? p->cols : p->rows;
  return (size_t)p->parts * (size_t)tiles_of(outer, OUTER) * (size_t)tiles_of(k, DEPTH) * (TILE_BYTES / sizeof(float));
}

static __mmask16 first(int n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Two vectors to bfloat16, which is taken off them: x0 in the low half of the answer, x1 in the high half. */
static inline __m512i take_part(__m512 *x0, __m512 *x1) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(*x1, *x0);
  const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
  const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1));
  *x0 = _mm512_sub_ps(*x0, _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)));
  *x1 = _mm512_sub_ps(*x1, _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)));
  return both;
}

/* A tile whose rows are 32 entries of a row of x each. */
static inline void split_rows(const float *x, int stride, int rows, int cols, int parts, char *tile) {
  for (int i = 0; i < OUTER; i++) {
    __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
    if (i < rows) {
      low = _mm512_maskz_loadu_ps(first(cols), x + (size_t)i * (size_t)stride);
      high = _mm512_maskz_loadu_ps(first(cols - 16), x + (size_t)i * (size_t)stride + 16);
    }
    for (int p = 0; p < parts; p++)
      _mm512_storeu_si512(tile + p * TILE_BYTES + 64 * i, take_part(&low, &high));
  }
}

/* A tile whose row i holds rows 2i and 2i + 1 of x, 16 entries of each, interleaved. */
static inline void split_pairs(const float *x, int stride, int rows, int cols, int parts, char *tile) {
  const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                              21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int i = 0; i < OUTER; i++) {
    const float *even = x + (size_t)(2 * i) * (size_t)stride;
    __m512 x0 = 2 * i < rows ? _mm512_maskz_loadu_ps(first(cols), even) : _mm512_setzero_ps();
    __m512 x1 = 2 * i + 1 < rows ? _mm512_maskz_loadu_ps(first(cols), even + stride) : _mm512_setzero_ps();
    for (int p = 0; p < parts; p++)
      _mm512_storeu_si512(tile + p * TILE_BYTES + 64 * i,
                          _mm512_permutexvar_epi16(interleave, take_part(&x0, &x1)));
  }
}

/* A tile of 16 x 16 pairs, transposed in place. */
static inline void transpose_tile(char *tile) {
  __m512i r[16];
  for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(tile + 64 * i);
  ml3_nn_transpose16(r);
  for (int i = 0; i < 16; i++) _mm512_storeu_si512(tile + 64 * i, r[i]);
}

static void pack(const ml3_nn_packing *p, const float *x, float *packed) {
  const int k = p->k_is_rows ? p->rows : p->cols, outer = p->k_is_rows ? p->cols : p->rows;
  const int outer_tiles = tiles_of(outer, OUTER), k_tiles = tiles_of(k, DEPTH);
  const bool transpose = p->k_is_rows != p->right;
  char *tile = (char *)packed;
  for (int i = 0; i < outer_tiles; i++)
    for (int j = 0; j < k_tiles; j++, tile += p->parts * TILE_BYTES) {
      const int rows = outer - i * OUTER, depth = k - j * DEPTH;
      if (p->k_is_rows)
        split_pairs(x + (size_t)(j * DEPTH) * (size_t)p->cols + i * OUTER, p->cols, depth, rows, p->parts, tile);
      else
        split_rows(x + (size_t)(i * OUTER) * (size_t)p->cols + j * DEPTH, p->cols, rows, depth, p->parts, tile);
      for (int q = 0; q < p->parts && transpose; q++) transpose_tile(tile + q * TILE_BYTES);
    }
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* Tiles 0 .. 3 sum a block of 2 x 2 tiles of c; 4, 5 hold left tiles, 6, 7 right ones. */
typedef struct block {
  const char *left, *right; /* first tile */
  size_t strip;             /* bytes from outer tile to outer tile */
  int k_tiles;
  bool tall, wide; /* is there a second tile down, and across? */
} block;

static void configure(int rows, int cols) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } c = {.palette = 1};
  const int height[2] = {rows > 16 ? 16 : rows, rows > 16 ? rows - 16 : 1};
  const int width[2] = {cols > 16 ? 16 : cols, cols > 16 ? cols - 16 : 1};
  for (int i = 0; i < 2; i++) {
    for (int j = 0; j < 2; j++) c.rows[2 * i + j] = (uint8_t)height[i], c.bytes[2 * i + j] = (uint16_t)(4 * width[j]);
    c.rows[4 + i] = (uint8_t)height[i], c.bytes[4 + i] = 64;
    c.rows[6 + i] = 16, c.bytes[6 + i] = (uint16_t)(4 * width[i]);
  }
  _tile_loadconfig(&c);
}

static inline void load_left(const block *b, const char *tile) {
  _tile_loadd(4, tile, 64);
  if (b->tall) _tile_loadd(5, tile + b->strip, 64);
}

static inline void multiply_right(const block *b, const char *tile) {
  _tile_loadd(6, tile, 64);
  _tile_dpbf16ps(0, 4, 6);
  if (b->tall) _tile_dpbf16ps(2, 5, 6);
  if (!b->wide) return;
  _tile_loadd(7, tile + b->strip, 64);
  _tile_dpbf16ps(1, 4, 7);
  if (b->tall) _tile_dpbf16ps(3, 5, 7);
}

/* The k tile after this one to the first-level cache: what a block reads is used too soon to be fetched in time. */
static inline void fetch_ahead(const char *at, int bytes) {
  for (int i = 0; i < bytes; i += 64) _mm_prefetch(at + bytes + i, _MM_HINT_T0);
}

static inline void run_block(const block *b, int parts, float *c, int stride) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const char *left = b->left, *right = b->right;
  const int step = parts * TILE_BYTES;
  for (int k = 0; k < b->k_tiles; k++, left += step, right += step) {
    fetch_ahead(left, step);
    fetch_ahead(right, step);
    if (b->tall) fetch_ahead(left + b->strip, step);
    if (b->wide) fetch_ahead(right + b->strip, step);
    for (int i = 0; i < parts; i++) { /* part i of the left with parts 0 .. parts - 1 - i of the right */
      load_left(b, left + i * TILE_BYTES);
      for (int j = 0; j < parts - i; j++) multiply_right(b, right + j * TILE_BYTES);
    }
  }
  const size_t bytes = (size_t)stride * sizeof *c;
  _tile_stored(0, c, bytes);
  if (b->wide) _tile_stored(1, c + 16, bytes);
  if (b->tall) _tile_stored(2, c + 16 * (size_t)stride, bytes);
  if (b->tall && b->wide) _tile_stored(3, c + 16 * (size_t)stride + 16, bytes);
}

static void product(int m, int n, int k, int parts, const float *left, const float *right, float *c) {
  const int k_tiles = tiles_of(k, DEPTH);
  const size_t strip = (size_t)(k_tiles * parts) * TILE_BYTES;
  block b = {.strip = strip, .k_tiles = k_tiles};
  int rows = 0, cols = 0; /* as configured */
  for (int i = 0; i < m; i += 32)
    for (int j = 0; j < n; j += 32) {
      const int height = m - i < 32 ? m - i : 32, width = n - j < 32 ? n - j : 32;
      if (height != rows || width != cols) configure(rows = height, cols = width);
      b.tall = height > 16;
      b.wide = width > 16;
      b.left = (const char *)left + (size_t)(i / OUTER) * strip;
      b.right = (const char *)right + (size_t)(j / OUTER) * strip;
      float *const to = c + (size_t)i * (size_t)n + j;
      if (parts == 3) /* apart, so that each has its loops unrolled */
        run_block(&b, 3, to, n);
      else
        run_block(&b, 2, to, n);
    }
  _tile_release();
}

/* ---- is it there? ---------------------------------------------------------------------------------------- */

const ml3_nn_tiles *ml3_nn_tiles_amx(void) {
  static const ml3_nn_tiles amx = {
      .name = "AMX", .packed_entries = packed_entries, .pack = pack, .product = product};
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18, TILE = 1 << 24, BF16 = 1 << 22 };
  unsigned a, b, c, d, avx512_bf16;
  if (!__get_cpuid_count(7, 1, &avx512_bf16, &b, &c, &d) || !(avx512_bf16 & 1u << 5)) return NULL;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (TILE | BF16)) != (TILE | BF16)) return NULL;
  /* The system keeps the unit's registers for processes that have asked. */
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 ? &amx : NULL;
}
