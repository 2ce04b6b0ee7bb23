/* What compile.c (what is needed, and where it goes) and emit.c (the instructions) share. */
#ifndef ML3_NN_COMPILE_INTERNAL_H
#define ML3_NN_COMPILE_INTERNAL_H

#include "nn/program_internal.h"

typedef struct place {
  ml3_node root;
  int offset;
} place;

typedef struct compiler {
  const ml3_nn_graph *g;
  ml3_nn_program *p;
  int n;
  ml3_node *canon; /* the node whose value this is (through pass) */
  int *stage;      /* INT_MAX: not needed */
  int *level;
  bool *stored; /* needs memory */
  bool *is_output;
  place *at;
  ml3_nn_slot_id *slot;        /* of a node, where it has one yet; as are */
  int *reg;                    /* register of a node in the group being made */
  ml3_nn_slot_id *transposed;  /* of a node's transpose */
  int *right_uses;             /* small products that have the node, transposed, on the right */
  ml3_nn_slot_id (*packed)[4]; /* of a node packed for the matrix unit: by k_is_rows, right */
  ml3_node *order;             /* needed nodes that do work, by stage, level, shape */
  int order_count;
  int capacity[6]; /* instructions, groups, loads, stores, micros, constants */
  bool sick;
} compiler;

static inline const ml3_nn_node *node(const compiler *c, ml3_node x) {
  return &c->g->nodes[x];
}

/* Nodes that a fused pass can produce: elementwise ones, and broadcasts and constants that need memory. */
static inline bool fusable(const compiler *c, ml3_node x) {
  ml3_nn_op op = node(c, x)->op;
  return ml3_nn_is_elementwise(op) || ((op == OP_BROADCAST || op == OP_CONSTANT) && c->stored[x]);
}

static inline int operand_count(const compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x);
  return (n->a >= 0) + (n->b >= 0) + (n->c >= 0) + n->parts;
}

static inline ml3_node operand(const compiler *c, ml3_node x, int i) {
  const ml3_nn_node *n = node(c, x);
  ml3_node o = n->parts ? c->g->parts[n->first_part + i].node : i == 0 ? n->a : i == 1 ? n->b : n->c;
  return c->canon[o];
}

static inline bool same_unit(const compiler *c, ml3_node x, ml3_node y) {
  const ml3_nn_node *a = node(c, x), *b = node(c, y);
  return c->stage[x] == c->stage[y] && c->level[x] == c->level[y] && a->rows == b->rows && a->cols == b->cols;
}

/* The memory that a fused pass reads for operand o: behind a broadcast, its source. */
static inline ml3_node source(const compiler *c, ml3_node o) {
  return node(c, o)->op == OP_BROADCAST ? c->canon[node(c, o)->a] : o;
}

/* emit.c: the program's instructions, stage by stage, of the nodes in order. last_use and taken are scratch, [n] each. */
void ml3_nn_emit(compiler *c, const ml3_nn_output *outputs, int count, int *last_use, bool *taken);

#endif
