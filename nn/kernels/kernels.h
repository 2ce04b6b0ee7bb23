/* Inner loops, compiled once for each instruction set; the program picks one table at start. */
#ifndef ML3_NN_KERNELS_H
#define ML3_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"
#include "nn/graph_internal.h"
#include "nn/vector.h"

/* d[n] = op(a[n], b[n], c[n]); operands an operation does not have are not read. d overlaps no operand. */
typedef void (*ml3_nn_kernel)(int n, ml3_real *d, const ml3_real *a, const ml3_real *b, const ml3_real *c);

typedef struct ml3_nn_kernels {
  const char *name;
  ml3_nn_kernel elementwise[OP_ELEMENTWISE_COUNT];
  /* c[m][n] = op(a) op(b), row-major and dense, for sizes too small for BLAS. */
  void (*product_nn)(int m, int n, int k, const ml3_real *a, const ml3_real *b, ml3_real *c);
  void (*product_tn)(int m, int n, int k, const ml3_real *a, const ml3_real *b, ml3_real *c);
  void (*product_nt)(int m, int n, int k, const ml3_real *a, const ml3_real *b, ml3_real *c);
  /* The same for larger ones, where it is faster than BLAS: panels_suit says where. NULL where there is none. */
  bool (*panels_suit)(int m, int n, int k);
  void (*product_panels)(bool transpose_a, bool transpose_b, int m, int n, int k, const ml3_real *a,
                         const ml3_real *b, ml3_real *c);
  ml3_real (*sum)(int n, const ml3_real *a);
  void (*sum_rows)(int rows, int cols, const ml3_real *a, ml3_real *d); /* d[cols] */
  void (*sum_cols)(int rows, int cols, const ml3_real *a, ml3_real *d); /* d[rows] */
  void (*transpose)(int rows, int cols, const ml3_real *a, ml3_real *d);
  void (*fill)(int n, ml3_real *d, ml3_real value);
  /* Long vectors, outside programs (nn/vector.h). */
  void (*add_to)(size_t n, ml3_real *to, const ml3_real *a);
  void (*adam)(size_t n, ml3_real *p, const ml3_real *g, ml3_real *m, ml3_real *v, const ml3_nn_adam_step *step);
  double (*sum_squares)(size_t n, const ml3_real *a);
  bool (*all_finite)(size_t n, const ml3_real *a);
} ml3_nn_kernels;

/* kernels/panels_avx512.c */
bool ml3_nn_panels_suit_avx512(int m, int n, int k);
void ml3_nn_panels_avx512(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, const float *b,
                          float *c);

/* The table for this machine's CPU. */
const ml3_nn_kernels *ml3_nn_kernels_pick(void);

#endif
