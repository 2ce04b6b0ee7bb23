/* Operations of a graph: the shape rule of each, and what can be simplified while building.

   A small table of algebra keeps derivative graphs small: x + 0, x * 1, x * 0, products by zero, transposes inside
   products, views of views. Constants are folded. */
#include "nn/graph_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- making nodes ------------------------------------------------------------------------------ */

/* Records the first mistake; every operation on a sick graph is ML3_NN_NONE. */
static ml3_node mistake(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b, const char *expected) {
  if (g->error[0]) return ML3_NN_NONE;
  if (b == ML3_NN_NONE)
    snprintf(g->error, sizeof g->error, "%s of [%d x %d]: %s", op, ml3_nn_rows(g, a), ml3_nn_cols(g, a),
             expected);
  else
    snprintf(g->error, sizeof g->error, "%s of [%d x %d] and [%d x %d]: %s", op, ml3_nn_rows(g, a),
             ml3_nn_cols(g, a), ml3_nn_rows(g, b), ml3_nn_cols(g, b), expected);
  return ML3_NN_NONE;
}

/* All operands exist. Otherwise the graph is sick, or a caller passed a number that is no node. */
static bool exist(ml3_nn_graph *g, const char *op, ml3_node a, ml3_node b) {
  if (!g->error[0] && a >= 0 && a < g->count && b < g->count) return true;
  if (!g->error[0]) snprintf(g->error, sizeof g->error, "%s: an operand is not a node of this graph", op);
  return false;
}

static ml3_nn_node blank(ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c) {
  return (ml3_nn_node){.op = op, .rows = rows, .cols = cols, .a = a, .b = b, .c = c};
}

static ml3_node make(ml3_nn_graph *g, ml3_nn_op op, int rows, int cols, ml3_node a, ml3_node b, ml3_node c) {
  return ml3_nn_append(g, blank(op, rows, cols, a, b, c), NULL, 0);
}

static bool is_constant(const ml3_nn_graph *g, ml3_node x, double value) {
  double v;
  return ml3_nn_constant_value(g, x, &v) && v == value;
}

static bool shape_ok(ml3_nn_graph *g, const char *op, int rows, int cols) {
  if (g->error[0]) return false;
  if (rows > 0 && cols > 0 && (long)rows * cols < 1L << 30) return true;
  snprintf(g->error, sizeof g->error, "%s: [%d x %d] is not a shape; both sides must be positive", op, rows,
           cols);
  return false;
}

/* ---- leaves ------------------------------------------------------------------------------------ */

ml3_node ml3_nn_input(ml3_nn_graph *g, int rows, int cols) {
  if (!shape_ok(g, "input", rows, cols)) return ML3_NN_NONE;
  return make(g, OP_INPUT, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_constant(ml3_nn_graph *g, int rows, int cols, double value) {
  if (!shape_ok(g, "constant", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = blank(OP_CONSTANT, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE);
  n.value = value + 0.0; /* -0 and 0 are one constant */
  return ml3_nn_append(g, n, NULL, 0);
}

/* ---- elementwise: one operand -------------------------------------------------------------------- */

static double fold_unary(ml3_nn_op op, double x) {
  switch (op) {
    case OP_NEG: return -x;
    case OP_EXP: return exp(x);
    case OP_LOG: return log(x);
    case OP_SIN: return sin(x);
    case OP_COS: return cos(x);
    case OP_SQRT: return sqrt(x);
    case OP_SQUARE: return x * x;
    case OP_ABS: return fabs(x);
    case OP_TANH: return tanh(x);
    case OP_SIGMOID: return 1 / (1 + exp(-x));
    case OP_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
    case OP_ELU: return x > 0 ? x : expm1(x);
    default: return x;
  }
}

static ml3_node unary(ml3_nn_graph *g, ml3_nn_op op, ml3_node x) {
  if (!exist(g, ml3_nn_op_name[op], x, ML3_NN_NONE)) return ML3_NN_NONE;
  const ml3_nn_node *n = &g->nodes[x];
  double v;
  if (ml3_nn_constant_value(g, x, &v)) return ml3_nn_constant(g, n->rows, n->cols, fold_unary(op, v));
  if (op == OP_NEG && n->op == OP_NEG) return n->a;
  return make(g, op, n->rows, n->cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_neg(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_NEG, x); }
ml3_node ml3_nn_exp(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_EXP, x); }
ml3_node ml3_nn_log(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_LOG, x); }
ml3_node ml3_nn_sin(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_SIN, x); }
ml3_node ml3_nn_cos(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_COS, x); }
ml3_node ml3_nn_sqrt(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_SQRT, x); }
ml3_node ml3_nn_square(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_SQUARE, x); }
ml3_node ml3_nn_abs(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_ABS, x); }
ml3_node ml3_nn_tanh(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_TANH, x); }
ml3_node ml3_nn_sigmoid(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_SIGMOID, x); }
ml3_node ml3_nn_softplus(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_SOFTPLUS, x); }
ml3_node ml3_nn_elu(ml3_nn_graph *g, ml3_node x) { return unary(g, OP_ELU, x); }

/* ---- elementwise: two operands -------------------------------------------------------------------- */

ml3_node ml3_nn_broadcast(ml3_nn_graph *g, ml3_node x, int rows, int cols) {
  if (!exist(g, "broadcast", x, ML3_NN_NONE) || !shape_ok(g, "broadcast", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows == rows && n.cols == cols) return x;
  if ((n.rows != 1 && n.rows != rows) || (n.cols != 1 && n.cols != cols))
    return mistake(g, "broadcast", x, ML3_NN_NONE, "each side must be 1 or that of the target");
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, rows, cols, n.value);
  if (n.op == OP_BROADCAST) x = n.a;
  return make(g, OP_BROADCAST, rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

/* Brings two operands to one shape. */
static bool match(ml3_nn_graph *g, ml3_nn_op op, ml3_node *a, ml3_node *b) {
  if (!exist(g, ml3_nn_op_name[op], *a, *b) || *b < 0) return false;
  int ra = ml3_nn_rows(g, *a), ca = ml3_nn_cols(g, *a), rb = ml3_nn_rows(g, *b), cb = ml3_nn_cols(g, *b);
  bool fits = (ra == rb || ra == 1 || rb == 1) && (ca == cb || ca == 1 || cb == 1);
  int rows = ra > rb ? ra : rb, cols = ca > cb ? ca : cb;
  if (!fits) return mistake(g, ml3_nn_op_name[op], *a, *b, "shapes must be equal, or a side of one be 1") >= 0;
  *a = ml3_nn_broadcast(g, *a, rows, cols);
  *b = ml3_nn_broadcast(g, *b, rows, cols);
  return *a >= 0 && *b >= 0;
}

static double fold_binary(ml3_nn_op op, double x, double y) {
  switch (op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_DIV: return x / y;
    case OP_MIN: return y < x ? y : x;
    case OP_MAX: return y > x ? y : x;
    case OP_GREATER: return x > y;
    default: return x >= y;
  }
}

/* What a binary operation with a constant comes to without computing, or ML3_NN_NONE. */
static ml3_node simplify(ml3_nn_graph *g, ml3_nn_op op, ml3_node a, ml3_node b) {
  int rows = g->nodes[a].rows, cols = g->nodes[a].cols;
  double x, y;
  bool ca = ml3_nn_constant_value(g, a, &x), cb = ml3_nn_constant_value(g, b, &y);
  if (ca && cb) return ml3_nn_constant(g, rows, cols, fold_binary(op, x, y));

  if (op == OP_ADD && ca && x == 0) return b;
  if ((op == OP_ADD || op == OP_SUB) && cb && y == 0) return a;
  if (op == OP_SUB && ca && x == 0) return ml3_nn_neg(g, b);
  if (op == OP_SUB && a == b) return ml3_nn_constant(g, rows, cols, 0);
  if (op == OP_ADD && g->nodes[b].op == OP_NEG) return ml3_nn_sub(g, a, g->nodes[b].a);
  if (op == OP_MUL && ((ca && x == 0) || (cb && y == 0))) return ml3_nn_constant(g, rows, cols, 0);
  if (op == OP_MUL && ca && x == 1) return b;
  if ((op == OP_MUL || op == OP_DIV) && cb && y == 1) return a;
  if (op == OP_DIV && ca && x == 0) return ml3_nn_constant(g, rows, cols, 0);
  return ML3_NN_NONE;
}

/* (z * y1) * y2 = z * (y1 y2): chains of scales become one. */
static ml3_node merge_scales(ml3_nn_graph *g, ml3_node a, double y) {
  const ml3_nn_node *n = &g->nodes[a];
  double inner;
  if (n->op != OP_MUL || !ml3_nn_constant_value(g, n->b, &inner)) return ML3_NN_NONE;
  return ml3_nn_scale(g, n->a, inner * y);
}

static ml3_node binary(ml3_nn_graph *g, ml3_nn_op op, ml3_node a, ml3_node b) {
  if (!match(g, op, &a, &b)) return ML3_NN_NONE;
  ml3_node simple = simplify(g, op, a, b);
  if (simple != ML3_NN_NONE) return simple;

  double y;
  if ((op == OP_ADD || op == OP_MUL) && (g->nodes[a].op == OP_CONSTANT || (a > b && g->nodes[b].op != OP_CONSTANT))) {
    ml3_node t = a; /* one order for equal sums and products, constants last */
    a = b;
    b = t;
  }
  if (op == OP_MUL && ml3_nn_constant_value(g, b, &y)) {
    ml3_node merged = merge_scales(g, a, y);
    if (merged != ML3_NN_NONE) return merged;
  }
  return make(g, op, g->nodes[a].rows, g->nodes[a].cols, a, b, ML3_NN_NONE);
}

ml3_node ml3_nn_add(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_ADD, a, b); }
ml3_node ml3_nn_sub(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_SUB, a, b); }
ml3_node ml3_nn_mul(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_MUL, a, b); }
ml3_node ml3_nn_div(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_DIV, a, b); }
ml3_node ml3_nn_min(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_MIN, a, b); }
ml3_node ml3_nn_max(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_MAX, a, b); }
ml3_node ml3_nn_greater(ml3_nn_graph *g, ml3_node a, ml3_node b) { return binary(g, OP_GREATER, a, b); }
ml3_node ml3_nn_greater_equal(ml3_nn_graph *g, ml3_node a, ml3_node b) {
  return binary(g, OP_GREATER_EQUAL, a, b);
}

ml3_node ml3_nn_scale(ml3_nn_graph *g, ml3_node x, double factor) {
  return ml3_nn_mul(g, x, ml3_nn_constant(g, 1, 1, factor));
}

ml3_node ml3_nn_shift(ml3_nn_graph *g, ml3_node x, double offset) {
  return ml3_nn_add(g, x, ml3_nn_constant(g, 1, 1, offset));
}

/* ---- elementwise: three operands, and compositions -------------------------------------------------- */

ml3_node ml3_nn_select(ml3_nn_graph *g, ml3_node c, ml3_node a, ml3_node b) {
  if (!match(g, OP_SELECT, &a, &b) || !match(g, OP_SELECT, &c, &a) || !match(g, OP_SELECT, &a, &b))
    return ML3_NN_NONE;
  double v;
  if (ml3_nn_constant_value(g, c, &v)) return v != 0 ? a : b;
  if (a == b) return a;
  return make(g, OP_SELECT, g->nodes[a].rows, g->nodes[a].cols, c, a, b);
}

ml3_node ml3_nn_relu(ml3_nn_graph *g, ml3_node x) { return ml3_nn_max(g, ml3_nn_constant(g, 1, 1, 0), x); }

ml3_node ml3_nn_clamp(ml3_nn_graph *g, ml3_node x, double low, double high) {
  ml3_node floor = isinf(low) ? x : ml3_nn_max(g, x, ml3_nn_constant(g, 1, 1, low));
  return isinf(high) ? floor : ml3_nn_min(g, floor, ml3_nn_constant(g, 1, 1, high));
}

ml3_node ml3_nn_stop_gradient(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "stop_gradient", x, ML3_NN_NONE)) return ML3_NN_NONE;
  if (g->nodes[x].op == OP_CONSTANT) return x;
  return make(g, OP_PASS, g->nodes[x].rows, g->nodes[x].cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_straight_through(ml3_nn_graph *g, ml3_node value, ml3_node path) {
  if (!exist(g, "straight_through", value, path) || path < 0) return ML3_NN_NONE;
  if (ml3_nn_rows(g, value) != ml3_nn_rows(g, path) || ml3_nn_cols(g, value) != ml3_nn_cols(g, path))
    return mistake(g, "straight_through", value, path, "shapes must be equal");
  return make(g, OP_PASS, g->nodes[value].rows, g->nodes[value].cols, value, path, ML3_NN_NONE);
}

/* ---- product ------------------------------------------------------------------------------------ */

/* Multiplying few by many runs along the many only when they are consecutive in memory: a copy of the small
   matrix, made once, pays for all products with it. */
static bool better_transposed(int k, int n, bool transpose_b) {
  return transpose_b ? k <= 8 && n >= 32 : n <= 8 && k >= 32;
}

ml3_node ml3_nn_product(ml3_nn_graph *g, ml3_node a, bool ta, ml3_node b, bool tb) {
  if (!exist(g, "matmul", a, b) || b < 0) return ML3_NN_NONE;
  ml3_nn_node na = g->nodes[a], nb = g->nodes[b];
  int m = ta ? na.cols : na.rows, k = ta ? na.rows : na.cols;
  int kb = tb ? nb.cols : nb.rows, n = tb ? nb.rows : nb.cols;
  if (k != kb) return mistake(g, "matmul", a, b, "the inner sides must be equal");

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

  ml3_nn_node node = blank(OP_PRODUCT, m, n, a, b, ML3_NN_NONE);
  node.transpose_a = ta;
  node.transpose_b = tb;
  return ml3_nn_append(g, node, NULL, 0);
}

ml3_node ml3_nn_matmul(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_product(g, a, false, b, false); }

ml3_node ml3_nn_transpose(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "transpose", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.op == OP_TRANSPOSE) return n.a;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.cols, n.rows, n.value);
  if (n.rows == 1 || n.cols == 1) return ml3_nn_view(g, x, 0, n.cols, n.rows);
  return make(g, OP_TRANSPOSE, n.cols, n.rows, x, ML3_NN_NONE, ML3_NN_NONE);
}

/* ---- sums ---------------------------------------------------------------------------------------- */

ml3_node ml3_nn_sum_rows(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "sum_rows", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, 1, n.cols, n.value * n.rows);
  return make(g, n.cols == 1 ? OP_SUM : OP_SUM_ROWS, 1, n.cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_sum_cols(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "sum_cols", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.cols == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.rows, 1, n.value * n.cols);
  return make(g, n.rows == 1 ? OP_SUM : OP_SUM_COLS, n.rows, 1, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_sum(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "sum", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows * n.cols == 1) return x;
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, 1, 1, n.value * n.rows * n.cols);
  return make(g, OP_SUM, 1, 1, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_mean(ml3_nn_graph *g, ml3_node x) {
  if (!exist(g, "mean", x, ML3_NN_NONE)) return ML3_NN_NONE;
  return ml3_nn_scale(g, ml3_nn_sum(g, x), 1.0 / ml3_nn_entries(&g->nodes[x]));
}

ml3_node ml3_nn_dot(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_sum(g, ml3_nn_mul(g, a, b)); }
ml3_node ml3_nn_norm(ml3_nn_graph *g, ml3_node x) { return ml3_nn_sqrt(g, ml3_nn_sum(g, ml3_nn_square(g, x))); }

/* ---- parts --------------------------------------------------------------------------------------- */

ml3_node ml3_nn_view(ml3_nn_graph *g, ml3_node x, int offset, int rows, int cols) {
  if (!exist(g, "view", x, ML3_NN_NONE) || !shape_ok(g, "view", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (offset < 0 || (long)offset + (long)rows * cols > (long)n.rows * n.cols)
    return mistake(g, "view", x, ML3_NN_NONE, "the part reaches outside");
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
  ml3_nn_node view = blank(OP_VIEW, rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
  view.offset = offset;
  return ml3_nn_append(g, view, NULL, 0);
}

ml3_node ml3_nn_slice_rows(ml3_nn_graph *g, ml3_node x, int first, int count) {
  int cols = ml3_nn_cols(g, x);
  return ml3_nn_view(g, x, first * cols, count, cols ? cols : 1);
}

ml3_node ml3_nn_slice_cols(ml3_nn_graph *g, ml3_node x, int first, int count) {
  if (!exist(g, "slice_cols", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (first < 0 || count < 1 || first + count > n.cols)
    return mistake(g, "slice_cols", x, ML3_NN_NONE, "the columns reach outside");
  if (count == n.cols) return x;
  if (n.rows == 1) return ml3_nn_view(g, x, first, 1, count);
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, n.rows, count, n.value);
  if (n.op == OP_CONCAT_COLS) /* the whole of one part */
    for (int i = 0; i < n.parts; i++) {
      ml3_nn_part p = g->parts[n.first_part + i];
      if (p.offset == first && g->nodes[p.node].cols == count) return p.node;
    }
  ml3_nn_node slice = blank(OP_SLICE_COLS, n.rows, count, x, ML3_NN_NONE, ML3_NN_NONE);
  slice.offset = first;
  return ml3_nn_append(g, slice, NULL, 0);
}

ml3_node ml3_nn_pad_cols(ml3_nn_graph *g, ml3_node x, int first, int cols) {
  if (!exist(g, "pad_cols", x, ML3_NN_NONE)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (is_constant(g, x, 0)) return ml3_nn_constant(g, n.rows, cols, 0);
  if (n.rows == 1) return ml3_nn_assemble(g, 1, cols, &(ml3_nn_part){x, first}, 1);
  ml3_nn_node pad = blank(OP_PAD_COLS, n.rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
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
    result = ml3_nn_append(g, blank(OP_ASSEMBLE, rows, cols, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE), kept, n);
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
    if (!exist(g, op, parts[i], ML3_NN_NONE)) goto sick;
    const ml3_nn_node *n = &g->nodes[parts[i]];
    int side = by_rows ? n->cols : n->rows;
    if (i && side != across) {
      mistake(g, op, parts[0], parts[i], "the other side must be equal");
      goto sick;
    }
    across = side;
    list[i] = (ml3_nn_part){parts[i], by_rows ? along * side : along};
    along += by_rows ? n->rows : n->cols;
  }
  ml3_node result;
  if (by_rows)
    result = ml3_nn_assemble(g, along, across, list, count);
  else if (across == 1) /* one row: columns are consecutive */
    result = ml3_nn_assemble(g, 1, along, list, count);
  else
    result = count == 1 ? parts[0]
                        : ml3_nn_append(g, blank(OP_CONCAT_COLS, across, along, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE),
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
  if (!exist(g, "gather_rows", x, index) || index < 0) return ML3_NN_NONE;
  if (ml3_nn_cols(g, index) != 1) return mistake(g, "gather_rows", x, index, "the index must be one column");
  return make(g, OP_GATHER_ROWS, ml3_nn_rows(g, index), ml3_nn_cols(g, x), x, index, ML3_NN_NONE);
}

ml3_node ml3_nn_scatter_rows(ml3_nn_graph *g, ml3_node x, ml3_node index, int rows) {
  if (!exist(g, "scatter_rows", x, index)) return ML3_NN_NONE;
  if (is_constant(g, x, 0)) return ml3_nn_constant(g, rows, ml3_nn_cols(g, x), 0);
  return make(g, OP_SCATTER_ROWS, rows, ml3_nn_cols(g, x), x, index, ML3_NN_NONE);
}
