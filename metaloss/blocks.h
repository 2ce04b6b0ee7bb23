/* Named blocks of numbers that lie one behind the other: what a problem's task, D and D' consist of. A problem fills one table
   for each, indexed by an enum; who writes the numbers and who reads them in graphs share it.

     m->blocks[ACTION] = ml3_block_of(rows, action_dim);           a block of 0 rows is not there
     size = ml3_blocks_lay_out(m->blocks, BLOCKS);
     memcpy(ml3_block_in(m->blocks[ACTION], data), ...);           in memory
     ml3_block_view(g, m->blocks[ACTION], data);                   in a graph */
#ifndef ML3_METALOSS_BLOCKS_H
#define ML3_METALOSS_BLOCKS_H

#include "nn/graph.h"

/* [rows][cols] numbers from `offset` on. */
typedef struct ml3_block {
  int rows, cols, offset;
} ml3_block;

static inline ml3_block ml3_block_of(int rows, int cols) {
  return (ml3_block){.rows = rows, .cols = cols};
}

static inline int ml3_block_size(ml3_block b) {
  return b.rows * b.cols;
}

/* Puts the blocks one behind the other and returns how many numbers they all have. */
static inline int ml3_blocks_lay_out(ml3_block *blocks, int count) {
  int size = 0;
  for (int i = 0; i < count; i++) {
    blocks[i].offset = size;
    size += ml3_block_size(blocks[i]);
  }
  return size;
}

/* Where the block is in those numbers; they are const where the caller's are, and are then not to be written. */
static inline ml3_real *ml3_block_in(ml3_block b, const ml3_real *data) {
  return (ml3_real *)data + b.offset;
}

/* The same of a node [1, size]: [rows, cols]. */
static inline ml3_node ml3_block_view(ml3_nn_graph *g, ml3_block b, ml3_node data) {
  return ml3_nn_view(g, data, b.offset, b.rows, b.cols);
}

#endif
