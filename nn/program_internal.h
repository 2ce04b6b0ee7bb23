/* What compile.c, layout.c, run.c and print.c share: the flat form of a program. */
#ifndef ML3_NN_PROGRAM_INTERNAL_H
#define ML3_NN_PROGRAM_INTERNAL_H

#include "nn/graph_internal.h"
#include "nn/kernels/kernels.h"
#include "nn/kernels/tiles.h"
#include "nn/program.h"

enum { ML3_NN_TILE = 512 }; /* entries of one tile of a fused pass: registers stay in the first-level cache */

typedef enum ml3_nn_kind {
  KIND_GROUP,   /* a fused elementwise pass */
  KIND_PRODUCT, /* dst[m][n] = op(a) op(b) */
  KIND_PACK,    /* an operand made ready for the matrix unit: a[m][n] to dst */
  KIND_TILES,   /* dst[m][n] = a b, of packed operands */
  KIND_SUM,
  KIND_SUM_ROWS,
  KIND_SUM_COLS,
  KIND_TRANSPOSE,
  KIND_FILL,  /* zeros */
  KIND_BLOCK, /* m rows of n entries from a to dst, with strides and offsets */
  KIND_GATHER,
  KIND_SCATTER,
  KIND_COUNT
} ml3_nn_kind;

extern const char *const ml3_nn_kind_name[KIND_COUNT];
extern const char *const ml3_nn_product_by_name[3];

/* Who computes a product. */
typedef enum ml3_nn_product_by { BY_LOOPS, BY_PANELS, BY_BLAS } ml3_nn_product_by;

/* Which slot. Number 0 is no slot, so that what is left out of an initializer is none. */
typedef struct ml3_nn_slot_id {
  int number;
} ml3_nn_slot_id;

static inline bool ml3_nn_is_slot(ml3_nn_slot_id s) {
  return s.number != 0;
}

/* Where rows of a block lie within a slot, in entries. */
typedef struct ml3_nn_row_layout {
  int offset, stride;
} ml3_nn_row_layout;

typedef struct ml3_nn_instruction {
  ml3_nn_kind kind;
  int stage;
  ml3_nn_slot_id dst, a, b;
  int m, n, k;
  bool transpose_a, transpose_b;
  ml3_nn_product_by by;
  bool k_is_rows, right; /* pack: see kernels/tiles.h */
  ml3_nn_row_layout from, to; /* block, of a and of dst; fill: to alone */
  int group;            /* index of the group */
} ml3_nn_instruction;

/* How a fused pass reads an operand from memory. */
typedef enum ml3_nn_load_mode { LOAD_FULL, LOAD_SCALAR, LOAD_ROW, LOAD_COL, LOAD_CONSTANT } ml3_nn_load_mode;

typedef struct ml3_nn_load {
  ml3_nn_load_mode mode;
  ml3_nn_slot_id slot; /* none for a constant */
  int constant;        /* its number */
} ml3_nn_load;

/* Registers: 0 .. loads-1 are loads, then stores, then temporaries in scratch. */
typedef struct ml3_nn_micro {
  ml3_nn_op op;
  int d, a, b, c;
} ml3_nn_micro;

typedef struct ml3_nn_group {
  int rows, cols;
  bool flat; /* every load is full, scalar or constant: rows and columns do not matter */
  int first_load, loads;
  int first_store, stores; /* slots written */
  int first_micro, micros;
  int temporaries;
} ml3_nn_group;

/* A slot is a tensor in memory: an offset into a root buffer. */
typedef struct ml3_nn_slot {
  int root, offset; /* entries */
  int rows, cols;
} ml3_nn_slot;

/* A root buffer: an input's memory, or a piece of the arena. */
typedef struct ml3_nn_root {
  int entries;
  ml3_node input; /* the graph's node, or ML3_NN_NONE for a piece of the arena */
  size_t at;      /* entries from the start of the arena */
  int first_slot, slots; /* in slots_of_root */
} ml3_nn_root;

struct ml3_nn_program {
  ml3_nn_instruction *instructions;
  int count;
  int *stage_begin; /* [stages + 1] */
  int stages;

  ml3_nn_group *groups;
  ml3_nn_load *loads;
  ml3_nn_slot_id *stores;
  ml3_nn_micro *micros;
  int group_count, load_count, store_count, micro_count;

  ml3_nn_slot *slots; /* [slot_count], of which number 0 is none */
  int slot_count;
  ml3_nn_root *roots;
  int root_count;
  int *slots_of_root; /* [slot_count], grouped by root */

  ml3_nn_slot_id *output_slot; /* [outputs] */
  int outputs;

  double *constants;
  int constant_count;

  size_t arena_entries;
  int largest_input, max_registers, max_temporaries;
  const ml3_nn_kernels *kernels;
  const ml3_nn_tiles *tiles; /* the matrix unit; NULL where there is none */
  int parts;                 /* of a number on it: 3, or 2 */
};

/* The first index of a run that no row has. */
typedef struct ml3_nn_bad_index {
  bool seen;
  double value;
  int entry, rows; /* its place in the index; what it had to be below */
} ml3_nn_bad_index;

static inline const ml3_nn_slot *ml3_nn_slot_at(const ml3_nn_program *p, ml3_nn_slot_id s) {
  return &p->slots[s.number];
}

struct ml3_nn_workspace {
  const ml3_nn_program *p;
  ml3_real *arena;
  ml3_real **at;         /* [slots] where each tensor is; NULL for none */
  ml3_real **registers;  /* [max_registers] of the pass that runs */
  ml3_real *scratch;     /* [max_temporaries][tile] */
  ml3_real *constants;   /* [constants][tile] */
  ml3_real *zeros;       /* [largest_input] what unbound inputs read */
  double *seconds;       /* [instructions] of a profile; NULL when none is taken */
  long *calls;
  ml3_nn_bad_index bad_index; /* since stage 0 */
};

/* run.c: c = a b, n x n, by BLAS. */
void ml3_nn_square_product(int n, const ml3_real *a, const ml3_real *b, ml3_real *c);

/* run.c: one instruction. */
void ml3_nn_run_one(ml3_nn_workspace *w, const ml3_nn_instruction *i);

/* profile.c: the same, timed; the number of the instruction. */
void ml3_nn_run_profiled(ml3_nn_workspace *w, int number);

/* layout.c: gives every root of the arena its place by lifetime. Returns false when out of memory. */
bool ml3_nn_lay_out(ml3_nn_program *p);

#endif
