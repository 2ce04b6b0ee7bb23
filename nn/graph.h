/* nn: tensor programs, part one: build and differentiate.

   A graph is a list of operations on matrices of ml3_real (row-major). Building is symbolic: nothing is
   computed. Equal operations on equal operands are one node; constants are folded. Gradients are appended
   as ordinary operations, so a gradient of a gradient is the same call again.

   Every operation takes and returns node numbers. A number that is no node, a wrong shape or one of 2^30 entries or more
   makes the graph sick: the operation returns ML3_NN_NONE, all that follow do too, and ml3_nn_compile reports the first
   mistake with its shapes. */
#ifndef ML3_NN_GRAPH_H
#define ML3_NN_GRAPH_H

#include "base/error.h"
#include "base/real.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_nn_graph ml3_nn_graph; /* a graph of operations on matrices, to be compiled */
typedef int ml3_node; /* a node of a graph, by its number */
#define ML3_NN_NONE (-1)

ml3_nn_graph *ml3_nn_graph_new(void); /* NULL when out of memory */
void ml3_nn_graph_free(ml3_nn_graph *g); /* may be NULL */

int ml3_nn_rows(const ml3_nn_graph *g, ml3_node x); /* rows of a node; 0 of what is no node */
int ml3_nn_cols(const ml3_nn_graph *g, ml3_node x); /* its columns */

/* On machines with a matrix unit (Intel AMX), large products to float32's precision (the default), or twice as fast
   with an error of at most 1.2e-5 |a| |b| a term (kernels/tiles.h). No difference elsewhere. */
void ml3_nn_graph_fast_products(ml3_nn_graph *g, bool fast);

/* The first mistake, or NULL while the graph is well. */
const char *ml3_nn_graph_error(const ml3_nn_graph *g);
/* For who builds on these operations: makes it a mistake that there is no memory. Answers ML3_NN_NONE. */
ml3_node ml3_nn_out_of_memory(ml3_nn_graph *g);

/* ---- leaves ---------------------------------------------------------------------------------- */
ml3_node ml3_nn_input(ml3_nn_graph *g, int rows, int cols); /* bound to memory at run time */
ml3_node ml3_nn_constant(ml3_nn_graph *g, int rows, int cols, double value); /* all entries alike */

/* ---- product --------------------------------------------------------------------------------- */
ml3_node ml3_nn_matmul(ml3_nn_graph *g, ml3_node a, ml3_node b); /* [m,k] [k,n] -> [m,n] */
/* With transposes: op(a) op(b). */
ml3_node ml3_nn_product(ml3_nn_graph *g, ml3_node a, bool transpose_a, ml3_node b, bool transpose_b);
ml3_node ml3_nn_transpose(ml3_nn_graph *g, ml3_node x);

/* ---- elementwise, two operands: same shape, or one of them [1,1], [1,cols] or [rows,1] ----------- */
ml3_node ml3_nn_add(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a + b */
ml3_node ml3_nn_sub(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a - b */
ml3_node ml3_nn_mul(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a b */
ml3_node ml3_nn_div(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a / b */
ml3_node ml3_nn_min(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a tie: the gradient goes to a */
ml3_node ml3_nn_max(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a tie: the gradient goes to a */
ml3_node ml3_nn_greater(ml3_nn_graph *g, ml3_node a, ml3_node b);       /* a >  b: 1, else 0; gradient 0 */
ml3_node ml3_nn_greater_equal(ml3_nn_graph *g, ml3_node a, ml3_node b); /* a >= b: 1, else 0; gradient 0 */
/* where c is not 0: a, elsewhere: b. No gradient to c. */
ml3_node ml3_nn_select(ml3_nn_graph *g, ml3_node c, ml3_node a, ml3_node b);
ml3_node ml3_nn_scale(ml3_nn_graph *g, ml3_node x, double factor);
ml3_node ml3_nn_shift(ml3_nn_graph *g, ml3_node x, double offset);

/* ---- elementwise, one operand ------------------------------------------------------------------ */
/* exp, log, sin, cos, tanh and elu are within 4 units in the last place (of 1e-3, where the value is smaller), sigmoid and
   softplus within 8: by the C library's vector functions where there are any. */
ml3_node ml3_nn_neg(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_exp(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_log(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_sin(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_cos(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_sqrt(ml3_nn_graph *g, ml3_node x); /* gradient 0 at 0, so that norms have one */
ml3_node ml3_nn_square(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_abs(ml3_nn_graph *g, ml3_node x); /* gradient 0 at 0 */
ml3_node ml3_nn_tanh(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_sigmoid(ml3_nn_graph *g, ml3_node x);
ml3_node ml3_nn_softplus(ml3_nn_graph *g, ml3_node x); /* log(1 + exp x), without overflow */
ml3_node ml3_nn_elu(ml3_nn_graph *g, ml3_node x);      /* alpha 1 */
ml3_node ml3_nn_relu(ml3_nn_graph *g, ml3_node x);     /* gradient 0 at 0 */
/* Gradient 1 inside and at the bounds, else 0. */
ml3_node ml3_nn_clamp(ml3_nn_graph *g, ml3_node x, double low, double high);

/* ---- what the gradient sees --------------------------------------------------------------------- */
ml3_node ml3_nn_stop_gradient(ml3_nn_graph *g, ml3_node x); /* the value; no gradient passes */
/* The value of `value`, the gradient of `path` (same shapes): straight-through estimators. */
ml3_node ml3_nn_straight_through(ml3_nn_graph *g, ml3_node value, ml3_node path);

/* ---- shape -------------------------------------------------------------------------------------- */
ml3_node ml3_nn_broadcast(ml3_nn_graph *g, ml3_node x, int rows, int cols); /* from [1,1], [1,c], [r,1] */
ml3_node ml3_nn_sum(ml3_nn_graph *g, ml3_node x);      /* -> [1,1] */
ml3_node ml3_nn_mean(ml3_nn_graph *g, ml3_node x);     /* -> [1,1] */
ml3_node ml3_nn_sum_rows(ml3_nn_graph *g, ml3_node x); /* over the rows: [r,c] -> [1,c] */
ml3_node ml3_nn_sum_cols(ml3_nn_graph *g, ml3_node x); /* over the columns: [r,c] -> [r,1] */
/* rows*cols consecutive entries of x from `offset` as a [rows,cols] matrix; costs nothing. */
ml3_node ml3_nn_view(ml3_nn_graph *g, ml3_node x, int offset, int rows, int cols);
ml3_node ml3_nn_slice_rows(ml3_nn_graph *g, ml3_node x, int first, int count);
ml3_node ml3_nn_slice_cols(ml3_nn_graph *g, ml3_node x, int first, int count);
ml3_node ml3_nn_concat_rows(ml3_nn_graph *g, const ml3_node *parts, int count);
ml3_node ml3_nn_concat_cols(ml3_nn_graph *g, const ml3_node *parts, int count);
/* Row i of the result is row index[i] of x; index [n,1] holds whole numbers in [0, rows of x). Any other number makes the
   run report it (ml3_nn_run), and the row NaN. */
ml3_node ml3_nn_gather_rows(ml3_nn_graph *g, ml3_node x, ml3_node index);

/* ---- compositions -------------------------------------------------------------------------------- */
ml3_node ml3_nn_dot(ml3_nn_graph *g, ml3_node a, ml3_node b); /* sum of a*b -> [1,1] */
ml3_node ml3_nn_norm(ml3_nn_graph *g, ml3_node x);            /* Frobenius -> [1,1]; gradient 0 at 0 */
ml3_node ml3_nn_log_softmax(ml3_nn_graph *g, ml3_node logits); /* of each row, without overflow */

/* ---- differentiate ------------------------------------------------------------------------------- */
/* out[i] = d y / d wrt[i], of wrt[i]'s shape; y is [1,1]. A wrt that y does not depend on gets an exact
   zero. Returns 0, or a negative code when the graph is sick, as it is with a wrt that is no node. */
int ml3_nn_gradient(ml3_nn_graph *g, ml3_node y, const ml3_node *wrt, int count, ml3_node *out);

#ifdef __cplusplus
}
#endif

#endif
