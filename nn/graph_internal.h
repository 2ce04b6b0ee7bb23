/* What graph.c, operations.c, elementwise.c, gradient.c, compile.c and print.c share. Not installed for users. */
#ifndef ML3_NN_GRAPH_INTERNAL_H
#define ML3_NN_GRAPH_INTERNAL_H

#include "nn/graph.h"

#include <stdint.h>

/* One list of operations serves graph, gradient, compiler and printer. Elementwise ones come first and are
   numbered as in the table of kernels (kernels/kernels.h). */
typedef enum ml3_nn_op {
  /* elementwise: one operand */
  OP_COPY,
  OP_NEG,
  OP_EXP,
  OP_LOG,
  OP_SIN,
  OP_COS,
  OP_SQRT,
  OP_SQUARE,
  OP_ABS,
  OP_TANH,
  OP_SIGMOID,
  OP_SOFTPLUS,
  OP_ELU,
  /* elementwise: two operands */
  OP_ADD,
  OP_SUB,
  OP_MUL,
  OP_DIV,
  OP_MIN,
  OP_MAX,
  OP_GREATER,
  OP_GREATER_EQUAL,
  /* elementwise: three operands */
  OP_SELECT,
  OP_ELEMENTWISE_COUNT,
  /* leaves */
  OP_INPUT = OP_ELEMENTWISE_COUNT,
  OP_CONSTANT,
  /* no work of their own */
  OP_BROADCAST,
  OP_PASS, /* value of a, gradient to b (or to none) */
  OP_VIEW, /* consecutive entries of a from `offset` */
  /* the rest */
  OP_PRODUCT, /* op(a) op(b) */
  OP_TRANSPOSE,
  OP_SUM,
  OP_SUM_ROWS,
  OP_SUM_COLS,
  OP_ASSEMBLE, /* parts laid into one buffer at entry offsets, zeros elsewhere */
  OP_CONCAT_COLS,
  OP_SLICE_COLS,
  OP_PAD_COLS, /* a at column `offset` of a wider matrix of zeros */
  OP_GATHER_ROWS,
  OP_SCATTER_ROWS, /* the derivative of gather: rows of a added to row index b[i] */
  OP_COUNT
} ml3_nn_op;

typedef struct ml3_nn_part {
  ml3_node node;
  int offset; /* entry (assemble) or column (concat_cols) */
} ml3_nn_part;

typedef struct ml3_nn_node {
  ml3_nn_op op;
  int rows, cols;
  ml3_node a, b, c;              /* operands, ML3_NN_NONE where there is none */
  int offset;                    /* view, slice_cols, pad_cols */
  bool transpose_a, transpose_b; /* product */
  double value;                  /* constant */
  int first_part, parts;         /* in the graph's list of parts */
} ml3_nn_node;

struct ml3_nn_graph {
  ml3_nn_node *nodes;
  int count, capacity;
  ml3_nn_part *parts;
  int part_count, part_capacity;
  ml3_node *table; /* hash table of nodes; ML3_NN_NONE where empty */
  int table_size;  /* a power of two */
  bool fast_products;
  bool no_memory;  /* that was the first mistake */
  char error[256]; /* the first mistake */
};

extern const char *const ml3_nn_op_name[OP_COUNT];

static inline bool ml3_nn_is_elementwise(ml3_nn_op op) { return op < OP_ELEMENTWISE_COUNT; }
static inline int ml3_nn_entries(const ml3_nn_node *n) { return n->rows * n->cols; }

/* Is x a constant? */
bool ml3_nn_constant_value(const ml3_nn_graph *g, ml3_node x, double *value);

/* Appends a node or finds its equal. parts may be NULL. */
ml3_node ml3_nn_append(ml3_nn_graph *g, ml3_nn_node node, const ml3_nn_part *parts, int count);

/* A node of that kind and shape, its operands alone given; the second appends it. */
ml3_nn_node ml3_nn_blank(ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c);
ml3_node ml3_nn_make(ml3_nn_graph *g, ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c);

/* Records the first mistake; every operation on a sick graph is ML3_NN_NONE. */
ml3_node ml3_nn_mistake(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b, const char *expected);

/* Is x a node? Otherwise the graph is sick, or becomes so: a caller passed a number that is no node. */
bool ml3_nn_exists(ml3_nn_graph *g, const char *op, ml3_node x);
bool ml3_nn_both_exist(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b);

/* Can a node have that shape? Sides are computed in 64 bits, where their sum or product may not fit an int. */
enum { ML3_NN_MAX_ENTRIES = (1 << 30) - 1 }; /* two sums of them fit an int */
bool ml3_nn_shape_ok(ml3_nn_graph *g, const char *op, int64_t rows, int64_t cols);

/* Parts (disjoint, sorted or not) laid into zeros of that shape. */
ml3_node ml3_nn_assemble(ml3_nn_graph *g, int rows, int cols, const ml3_nn_part *parts, int count);

/* x where the shape is less than the target's: broadcast; itself when equal. */
ml3_node ml3_nn_pad_cols(ml3_nn_graph *g, ml3_node x, int first, int cols);
ml3_node ml3_nn_scatter_rows(ml3_nn_graph *g, ml3_node x, ml3_node index, int rows);

#endif
