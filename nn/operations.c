/* Operations of a graph other than elementwise ones (elementwise.c): leaves, products, sums and parts. The shape rule of
   each, and what can be simplified while building.

   A small table of algebra keeps derivative graphs small: products by zero, transposes inside products, views of views.
   Constants are folded. */
#include <stdio.h>
#include <stdlib.h>

#include "nn/graph_internal.h"

static bool is_constant(const ml3_nn_graph *g, ml3_node x, double value) {
  double v;
  return ml3_nn_constant_value(g, x, &v) && v == value;
}

/* ---- leaves ------------------------------------------------------------------------------------ */

ml3_node ml3_nn_input(ml3_nn_graph *g, int rows, int cols) {
  if (!ml3_nn_shape_ok(g, "input", rows, cols)) return ML3_NN_NONE;
  return ml3_nn_make(g, OP_INPUT, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_constant(ml3_nn_graph *g, int rows, int cols, double value) {
  if (!ml3_nn_shape_ok(g, "constant", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = ml3_nn_blank(OP_CONSTANT, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE);
  n.value = value + 0.0; /* -0 and 0 are one constant */
  return ml3_nn_append(g, n, NULL, 0);
}

/* ---- product ------------------------------------------------------------------------------------ */

/* Multiplying few by many runs along the many only when they are consecutive in memory: a copy of the small
   matrix, made once, pays for all products with it. */
static bool better_transposed(int k, int n, bool transpose_b) {
  return transpose_b ? k <= 8 && n >= 32 : n <= 8 && k >= 32;
}

ml3_node ml3_nn_product(ml3_nn_graph *g, ml3_node a, bool ta, ml3_node b, bool tb) {
  if (!ml3_nn_both_exist(g, "matmul", a, b)) return ML3_NN_NONE;
  ml3_nn_node na = g->nodes[a], nb = g->nodes[b];
  int m = ta ? na.cols : na.rows, k = ta ? na.rows : na.cols;
  int kb = tb ? nb.cols : nb.rows, n = tb ? nb.rows : nb.cols;
  if (k != kb) return ml3_nn_mistake(g, "matmul", a, b, "the inner sides must be equal");

  if (is_constant(g, a, 0) || is_constant(g, b, 0)) return ml3_nn_constant(g, m, n, 0);
  if (na.op == OP_TRANSPOSE) return ml3_nn_product(g, na.a, !ta, b, tb);
  if (nb.op == OP_TRANSPOSE && !better_transposed(k, n, !tb)) return ml3_nn_product(g, a, ta, nb.a, !tb);
  if (nb.op != OP_TRANSPOSE && better_transposed(k, n, tb)) {
    b = ml3_nn_transpose(g, b);
    tb = !tb;
  }
  if (na.rows == 1 || na.cols == 1) { /* a vector is its own transpose up to shape */
    if (ta) a = ml3_nn_view(g, a, 0, na.cols, na.rows);
    ta = false;
  }
  if (g->nodes[b].rows == 1 || g->nodes[b].cols == 1) {
    if (tb) b = ml3_nn_view(g, b, 0, g->nodes[b].cols, g->nodes[b].rows);
    tb = false;
  }
  if (m == 1 && n == 1 && k == 1) return ml3_nn_mul(g, a, b);

  ml3_nn_node node = ml3_nn_blank(OP_PRODUCT, m, n, a, b, ML3_NN_NONE);
  node.transpose_a = ta;
  node.transpose_b = tb;
  return ml3_nn_append(g, node, NULL, 0);
}

ml3_node ml3_nn_matmul(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_product(g, a, false, b, false); }

ml3_node ml3_nn_transpose(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "transpose", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.op == OP_TRANSPOSE) return n.a;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.cols, n.rows, n.value);
  if (n.rows == 1 || n.cols == 1) return ml3_nn_view(g, x, 0, n.cols, n.rows);
  return ml3_nn_make(g, OP_TRANSPOSE, n.cols, n.rows, x, ML3_NN_NONE, ML3_NN_NONE);
}

/* ---- sums ---------------------------------------------------------------------------------------- */

ml3_node ml3_nn_sum_rows(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "sum_rows", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, 1, n.cols, n.value * n.rows);
  return ml3_nn_make(g, n.cols == 1 ? OP_SUM : OP_SUM_ROWS, 1, n.cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_sum_cols(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "sum_cols", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.cols == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.rows, 1, n.value * n.cols);
  return ml3_nn_make(g, n.rows == 1 ? OP_SUM : OP_SUM_COLS, n.rows, 1, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_sum(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "sum", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows * n.cols == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, 1, 1, n.value * n.rows * n.cols);
  return ml3_nn_make(g, OP_SUM, 1, 1, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_mean(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "mean", x)) return ML3_NN_NONE;
  return ml3_nn_scale(g, ml3_nn_sum(g, x), 1.0 / ml3_nn_entries(&g->nodes[x]));
}

ml3_node ml3_nn_dot(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_sum(g, ml3_nn_mul(g, a, b)); }
ml3_node ml3_nn_norm(ml3_nn_graph *g, ml3_node x) { return ml3_nn_sqrt(g, ml3_nn_sum(g, ml3_nn_square(g, x))); }

/* The greatest entry of a row is taken off first, as a number. */
ml3_node ml3_nn_log_softmax(ml3_nn_graph *g, ml3_node logits) {
  ml3_node greatest = ml3_nn_slice_cols(g, logits, 0, 1);
  for (int i = 1; i < ml3_nn_cols(g, logits); i++)
    greatest = ml3_nn_max(g, greatest, ml3_nn_slice_cols(g, logits, i, 1));
  ml3_node shifted = ml3_nn_sub(g, logits, ml3_nn_stop_gradient(g, greatest));
  return ml3_nn_sub(g, shifted, ml3_nn_log(g, ml3_nn_sum_cols(g, ml3_nn_exp(g, shifted))));
}

/* ---- parts --------------------------------------------------------------------------------------- */

ml3_node ml3_nn_view(ml3_nn_graph *g, ml3_node x, int offset, int rows, int cols) {
  if (!ml3_nn_exists(g, "view", x) || !ml3_nn_shape_ok(g, "view", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (offset < 0 || (long)offset + (long)rows * cols > (long)n.rows * n.cols)
    return ml3_nn_mistake(g, "view", x, ML3_NN_NONE, "the part reaches outside");
  if (offset == 0 && rows == n.rows && cols == n.cols) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, rows, cols, n.value);
  if (n.op == OP_VIEW) return ml3_nn_view(g, n.a, n.offset + offset, rows, cols);
  if (n.op == OP_ASSEMBLE) /* the whole of one part */
    for (int i = 0; i < n.parts; i++) {
      ml3_nn_part p = g->parts[n.first_part + i];
      int size = ml3_nn_entries(&g->nodes[p.node]);
      if (offset >= p.offset && offset + rows * cols <= p.offset + size)
        return ml3_nn_view(g, p.node, offset - p.offset, rows, cols);
    }
  ml3_nn_node view = ml3_nn_blank(OP_VIEW, rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
  view.offset = offset;
  return ml3_nn_append(g, view, NULL, 0);
}

ml3_node ml3_nn_slice_rows(ml3_nn_graph *g, ml3_node x, int first, int count) {
  if (!ml3_nn_exists(g, "slice_rows", x)) return ML3_NN_NONE;
  const ml3_nn_node *n = &g->nodes[x];
  if (first < 0 || count < 1 || count > n->rows - first)
    return ml3_nn_mistake(g, "slice_rows", x, ML3_NN_NONE, "the rows reach outside");
  return ml3_nn_view(g, x, first * n->cols, count, n->cols);
}

ml3_node ml3_nn_slice_cols(ml3_nn_graph *g, ml3_node x, int first, int count) {
  if (!ml3_nn_exists(g, "slice_cols", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (first < 0 || count < 1 || count > n.cols - first)
    return ml3_nn_mistake(g, "slice_cols", x, ML3_NN_NONE, "the columns reach outside");
  if (count == n.cols) return x;
  if (n.rows == 1) return ml3_nn_view(g, x, first, 1, count);
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.rows, count, n.value);
  if (n.op == OP_CONCAT_COLS) /* the whole of one part */
    for (int i = 0; i < n.parts; i++) {
      ml3_nn_part p = g->parts[n.first_part + i];
      if (p.offset == first && g->nodes[p.node].cols == count) return p.node;
    }
  ml3_nn_node slice = ml3_nn_blank(OP_SLICE_COLS, n.rows, count, x, ML3_NN_NONE, ML3_NN_NONE);
  slice.offset = first;
  return ml3_nn_append(g, slice, NULL, 0);
}

ml3_node ml3_nn_pad_cols(ml3_nn_graph *g, ml3_node x, int first, int cols) {
  if (!ml3_nn_exists(g, "pad_cols", x)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (is_constant(g, x, 0)) return ml3_nn_constant(g, n.rows, cols, 0);
  if (n.rows == 1) return ml3_nn_assemble(g, 1, cols, &(ml3_nn_part){x, first}, 1);
  ml3_nn_node pad = ml3_nn_blank(OP_PAD_COLS, n.rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
  pad.offset = first;
  return ml3_nn_append(g, pad, NULL, 0);
}

ml3_node ml3_nn_assemble(ml3_nn_graph *g, int rows, int cols, const ml3_nn_part *parts, int count) {
  ml3_nn_part *kept = malloc((size_t)count * sizeof *kept);
  if (!kept) return ml3_nn_out_of_memory(g);
  int n = 0;
  for (int i = 0; i < count; i++) /* zeros need not be laid */
    if (!is_constant(g, parts[i].node, 0)) kept[n++] = parts[i];

  ml3_node result;
  if (n == 0)
    result = ml3_nn_constant(g, rows, cols, 0);
  else if (n == 1 && ml3_nn_entries(&g->nodes[kept[0].node]) == rows * cols)
    result = ml3_nn_view(g, kept[0].node, 0, rows, cols);
  else
    result = ml3_nn_append(g, ml3_nn_blank(OP_ASSEMBLE, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE), kept, n);
  free(kept);
  return result;
}

/* Parts side by side along one side: each part's offset is the running sum of what `along` measures. */
static ml3_node concat(ml3_nn_graph *g, const char *op, const ml3_node *parts, int count, bool by_rows) {
  ml3_nn_part *list = count > 0 ? malloc((size_t)count * sizeof *list) : NULL;
  if (count <= 0 && !g->error[0]) snprintf(g->error, sizeof g->error, "%s: no parts", op);
  if (!list) return ml3_nn_out_of_memory(g);
  int across = 0, along = 0;
  for (int i = 0; i < count; i++) {
    if (!ml3_nn_exists(g, op, parts[i])) goto sick;
    const ml3_nn_node *n = &g->nodes[parts[i]];
    int side = by_rows ? n->cols : n->rows;
    if (i && side != across) {
      ml3_nn_mistake(g, op, parts[0], parts[i], "the other side must be equal");
      goto sick;
    }
    across = side;
    list[i] = (ml3_nn_part){parts[i], by_rows ? along * side : along};
    along += by_rows ? n->rows : n->cols;
    if (!ml3_nn_shape_ok(g, op, along, across)) goto sick;
  }
  ml3_node result;
  if (by_rows)
    result = ml3_nn_assemble(g, along, across, list, count);
  else if (across == 1) /* one row: columns are consecutive */
    result = ml3_nn_assemble(g, 1, along, list, count);
  else
    result = count == 1 ? parts[0]
                        : ml3_nn_append(g,
                                        ml3_nn_blank(OP_CONCAT_COLS, across, along, ML3_NN_NONE, ML3_NN_NONE,
                                                     ML3_NN_NONE),
                                        list, count);
  free(list);
  return result;
sick:
  free(list);
  return ML3_NN_NONE;
}

ml3_node ml3_nn_concat_rows(ml3_nn_graph *g, const ml3_node *parts, int count) {
  return concat(g, "concat_rows", parts, count, true);
}

ml3_node ml3_nn_concat_cols(ml3_nn_graph *g, const ml3_node *parts, int count) {
  return concat(g, "concat_cols", parts, count, false);
}

ml3_node ml3_nn_gather_rows(ml3_nn_graph *g, ml3_node x, ml3_node index) {
  if (!ml3_nn_both_exist(g, "gather_rows", x, index)) return ML3_NN_NONE;
  if (ml3_nn_cols(g, index) != 1) return ml3_nn_mistake(g, "gather_rows", x, index, "the index must be one column");
  return ml3_nn_make(g, OP_GATHER_ROWS, ml3_nn_rows(g, index), ml3_nn_cols(g, x), x, index, ML3_NN_NONE);
}

ml3_node ml3_nn_scatter_rows(ml3_nn_graph *g, ml3_node x, ml3_node index, int rows) {
  if (!ml3_nn_both_exist(g, "scatter_rows", x, index)) return ML3_NN_NONE;
  if (is_constant(g, x, 0)) return ml3_nn_constant(g, rows, ml3_nn_cols(g, x), 0);
  return ml3_nn_make(g, OP_SCATTER_ROWS, rows, ml3_nn_cols(g, x), x, index, ML3_NN_NONE);
}
