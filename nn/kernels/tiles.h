/* Matrix products on a matrix unit (Intel AMX), where the processor has one.

   The unit multiplies bfloat16 tiles and sums in float32. A float32 number is the sum of three bfloat16 numbers to its
   last bit. With three parts, a product of two numbers is taken without its three smallest terms,

     a b = a1 b1 + (a1 b2 + a2 b1) + (a2 b2 + a1 b3 + a3 b1)        error at most 3 * 2^-26 |a b|

   which is less than the rounding of one float32 product (2^-24). With two parts,

     a b = a1 b1 + (a1 b2 + a2 b1)                                  error at most 3 * 2^-18 |a b| = 1.2e-5 |a b|

   at half the cost. Numbers under 2^-110 lose their last bits.

   An operand is packed once and used in any number of products. */
#ifndef ML3_NN_TILES_H
#define ML3_NN_TILES_H

#include <stdbool.h>
#include <stddef.h>

/* How x[rows][cols] becomes an operand of a product over k: its outer dimension is m (left) or n (right). */
typedef struct ml3_nn_packing {
  int rows, cols;
  bool k_is_rows; /* sum over its rows; else over its columns */
  bool right;     /* the right operand, else the left */
  int parts;      /* 3, or 2 */
} ml3_nn_packing;

typedef struct ml3_nn_tiles {
  const char *name;
  size_t (*packed_entries)(const ml3_nn_packing *packing); /* float-sized entries; multiples of 64 bytes */
  void (*pack)(const ml3_nn_packing *packing, const float *x, float *packed);
  /* c[m][n] = left right, from packed operands. 64-byte alignment of packed serves speed only. */
  void (*product)(int m, int n, int k, int parts, const float *left, const float *right, float *c);
} ml3_nn_tiles;

/* The unit of this machine; NULL when there is none, or the system does not grant it. */
const ml3_nn_tiles *ml3_nn_tiles_pick(void);
const ml3_nn_tiles *ml3_nn_tiles_amx(void); /* in builds for x86-64 */

#endif
