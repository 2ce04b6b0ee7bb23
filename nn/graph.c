/* Storage of a graph: nodes, equal nodes found by hashing, the first mistake.

   Operations are in operations.c and elementwise.c; this file knows only that a node is a record with operands. */
#include "nn/graph_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ml3_nn_op_name[OP_COUNT] = {
    [OP_COPY] = "copy",
    [OP_NEG] = "neg",
    [OP_EXP] = "exp",
    [OP_LOG] = "log",
    [OP_SIN] = "sin",
    [OP_COS] = "cos",
    [OP_SQRT] = "sqrt",
    [OP_SQUARE] = "square",
    [OP_ABS] = "abs",
    [OP_TANH] = "tanh",
    [OP_SIGMOID] = "sigmoid",
    [OP_SOFTPLUS] = "softplus",
    [OP_ELU] = "elu",
    [OP_ADD] = "add",
    [OP_SUB] = "sub",
    [OP_MUL] = "mul",
    [OP_DIV] = "div",
    [OP_MIN] = "min",
    [OP_MAX] = "max",
    [OP_GREATER] = "greater",
    [OP_GREATER_EQUAL] = "greater_equal",
    [OP_SELECT] = "select",
    [OP_INPUT] = "input",
    [OP_CONSTANT] = "constant",
    [OP_BROADCAST] = "broadcast",
    [OP_PASS] = "pass",
    [OP_VIEW] = "view",
    [OP_PRODUCT] = "product",
    [OP_TRANSPOSE] = "transpose",
    [OP_SUM] = "sum",
    [OP_SUM_ROWS] = "sum_rows",
    [OP_SUM_COLS] = "sum_cols",
    [OP_ASSEMBLE] = "assemble",
    [OP_CONCAT_COLS] = "concat_cols",
    [OP_SLICE_COLS] = "slice_cols",
    [OP_PAD_COLS] = "pad_cols",
    [OP_GATHER_ROWS] = "gather_rows",
    [OP_SCATTER_ROWS] = "scatter_rows",
};

ml3_nn_graph *ml3_nn_graph_new(void) { return calloc(1, sizeof(ml3_nn_graph)); }

void ml3_nn_graph_free(ml3_nn_graph *g) {
  if (!g) return;
  free(g->nodes);
  free(g->parts);
  free(g->table);
  free(g);
}

static bool is_node(const ml3_nn_graph *g, ml3_node x) { return x >= 0 && x < g->count; }

int ml3_nn_rows(const ml3_nn_graph *g, ml3_node x) { return is_node(g, x) ? g->nodes[x].rows : 0; }
int ml3_nn_cols(const ml3_nn_graph *g, ml3_node x) { return is_node(g, x) ? g->nodes[x].cols : 0; }

void ml3_nn_graph_fast_products(ml3_nn_graph *g, bool fast) { g->fast_products = fast; }

const char *ml3_nn_graph_error(const ml3_nn_graph *g) { return g->error[0] ? g->error : NULL; }

bool ml3_nn_constant_value(const ml3_nn_graph *g, ml3_node x, double *value) {
  if (x < 0 || g->nodes[x].op != OP_CONSTANT) return false;
  *value = g->nodes[x].value;
  return true;
}

/* ---- equal nodes ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x) {
  h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  return h * 0xff51afd7ed558ccdu;
}

static uint64_t hash_node(const ml3_nn_node *n, const ml3_nn_part *parts) {
  uint64_t bits, h = (uint64_t)n->op;
  memcpy(&bits, &n->value, sizeof bits);
  h = mix(h, (uint64_t)n->rows << 32 | (uint32_t)n->cols);
  h = mix(h, (uint64_t)(uint32_t)n->a << 32 | (uint32_t)n->b);
  h = mix(h, (uint64_t)(uint32_t)n->c << 32 | (uint32_t)n->offset);
  h = mix(h, bits + (uint64_t)n->transpose_a * 2 + n->transpose_b);
  for (int i = 0; i < n->parts; i++)
    h = mix(h, (uint64_t)(uint32_t)parts[i].node << 32 | (uint32_t)parts[i].offset);
  return h ^ h >> 31;
}

static bool same_node(const ml3_nn_graph *g, const ml3_nn_node *x, const ml3_nn_node *n,
                      const ml3_nn_part *parts) {
  if (x->op != n->op || x->rows != n->rows || x->cols != n->cols || x->a != n->a || x->b != n->b ||
      x->c != n->c || x->offset != n->offset || x->transpose_a != n->transpose_a ||
      x->transpose_b != n->transpose_b || memcmp(&x->value, &n->value, sizeof x->value) != 0 ||
      x->parts != n->parts)
    return false;
  for (int i = 0; i < n->parts; i++) {
    const ml3_nn_part *p = &g->parts[x->first_part + i];
    if (p->node != parts[i].node || p->offset != parts[i].offset) return false;
  }
  return true;
}

ml3_node ml3_nn_out_of_memory(ml3_nn_graph *g) {
  if (!g->error[0]) {
    strcpy(g->error, "no memory for the graph of operations");
    g->no_memory = true;
  }
  return ML3_NN_NONE;
}

static bool grow_table(ml3_nn_graph *g) {
  int size = g->table_size ? 2 * g->table_size : 1024;
  ml3_node *table = malloc((size_t)size * sizeof *table);
  if (!table) return false;

  for (int i = 0; i < size; i++) table[i] = ML3_NN_NONE;
  for (int i = 0; i < g->count; i++) {
    if (g->nodes[i].op == OP_INPUT) continue;
    const ml3_nn_node *n = &g->nodes[i];
    int slot = (int)(hash_node(n, g->parts + n->first_part) & (uint64_t)(size - 1));
    while (table[slot] != ML3_NN_NONE) slot = (slot + 1) & (size - 1);
    table[slot] = i;
  }
  free(g->table);
  g->table = table;
  g->table_size = size;
  return true;
}

/* Room for one more node with that many parts. */
static bool make_room(ml3_nn_graph *g, int parts) {
  if (g->count == g->capacity) {
    int capacity = g->capacity ? 2 * g->capacity : 512;
    ml3_nn_node *nodes = realloc(g->nodes, (size_t)capacity * sizeof *nodes);
    if (!nodes) return false;
    g->nodes = nodes;
    g->capacity = capacity;
  }
  if (g->part_count + parts > g->part_capacity) {
    int capacity = 2 * (g->part_count + parts) + 64;
    ml3_nn_part *list = realloc(g->parts, (size_t)capacity * sizeof *list);
    if (!list) return false;
    g->parts = list;
    g->part_capacity = capacity;
  }
  return 4 * (g->count + 1) < 3 * g->table_size || grow_table(g);
}

ml3_node ml3_nn_append(ml3_nn_graph *g, ml3_nn_node node, const ml3_nn_part *parts, int count) {
  if (!ml3_nn_shape_ok(g, ml3_nn_op_name[node.op], node.rows, node.cols)) return ML3_NN_NONE;
  if (!make_room(g, count)) return ml3_nn_out_of_memory(g);

  node.parts = count;
  int slot = 0;
  if (node.op != OP_INPUT) { /* two inputs are never the same */
    slot = (int)(hash_node(&node, parts) & (uint64_t)(g->table_size - 1));
    for (; g->table[slot] != ML3_NN_NONE; slot = (slot + 1) & (g->table_size - 1))
      if (same_node(g, &g->nodes[g->table[slot]], &node, parts)) return g->table[slot];
    g->table[slot] = g->count;
  }

  node.first_part = g->part_count;
  if (count) memcpy(g->parts + g->part_count, parts, (size_t)count * sizeof *parts);
  g->part_count += count;
  g->nodes[g->count] = node;
  return g->count++;
}

/* ---- making nodes ------------------------------------------------------------------------------ */

ml3_node ml3_nn_mistake(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b, const char *expected) {
  if (g->error[0]) return ML3_NN_NONE;
  if (b == ML3_NN_NONE)
    snprintf(g->error, sizeof g->error, "%s of [%d x %d]: %s", op, ml3_nn_rows(g, a), ml3_nn_cols(g, a),
             expected);
  else
    snprintf(g->error, sizeof g->error, "%s of [%d x %d] and [%d x %d]: %s", op, ml3_nn_rows(g, a),
             ml3_nn_cols(g, a), ml3_nn_rows(g, b), ml3_nn_cols(g, b), expected);
  return ML3_NN_NONE;
}

bool ml3_nn_exists(ml3_nn_graph *g, const char *op, ml3_node x) {
  if (g->error[0]) return false;
  if (is_node(g, x)) return true;
  snprintf(g->error, sizeof g->error, "%s: an operand is not a node of this graph: number %d, of %d there are", op, x,
           g->count);
  return false;
}

bool ml3_nn_both_exist(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b) {
  return ml3_nn_exists(g, op, a) && ml3_nn_exists(g, op, b);
}

ml3_nn_node ml3_nn_blank(ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c) {
  return (ml3_nn_node){.op = op, .rows = rows, .cols = cols, .a = a, .b = b, .c = c};
}

ml3_node ml3_nn_make(ml3_nn_graph *g, ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c) {
  return ml3_nn_append(g, ml3_nn_blank(op, rows, cols, a, b, c), NULL, 0);
}

bool ml3_nn_shape_ok(ml3_nn_graph *g, const char *op, int64_t rows, int64_t cols) {
  if (g->error[0]) return false;
  if (rows > 0 && cols > 0 && rows <= ML3_NN_MAX_ENTRIES / cols) return true;
  const bool positive = rows > 0 && cols > 0;
  snprintf(g->error, sizeof g->error, "%s: [%" PRId64 " x %" PRId64 "] %s", op, rows, cols,
           positive ? "is too large; a matrix has fewer than 2^30 entries" : "is not a shape; both sides must be positive");
  return false;
}
