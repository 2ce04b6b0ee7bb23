/* Elementwise operations of a graph, and what brings operands to one shape. The shape rule of each, and what can be
   simplified while building: x + 0, x * 1, x * 0, chains of scales. Constants are folded. */
#include <math.h>

#include "nn/graph_internal.h"

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
  if (!ml3_nn_exists(g, ml3_nn_op_name[op], x)) return ML3_NN_NONE;
  const ml3_nn_node *n = &g->nodes[x];
  double v;
  if (ml3_nn_constant_value(g, x, &v)) return ml3_nn_constant(g, n->rows, n->cols, fold_unary(op, v));
  if (op == OP_NEG && n->op == OP_NEG) return n->a;
  return ml3_nn_make(g, op, n->rows, n->cols, x, ML3_NN_NONE, ML3_NN_NONE);
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
  if (!ml3_nn_exists(g, "broadcast", x) || !ml3_nn_shape_ok(g, "broadcast", rows, cols)) return ML3_NN_NONE;
  ml3_nn_node n = g->nodes[x];
  if (n.rows == rows && n.cols == cols) return x;
  if ((n.rows != 1 && n.rows != rows) || (n.cols != 1 && n.cols != cols))
    return ml3_nn_mistake(g, "broadcast", x, ML3_NN_NONE, "each side must be 1 or that of the target");
  if (n.op == OP_CONSTANT) return ml3_nn_constant(g, rows, cols, n.value);
  if (n.op == OP_BROADCAST) x = n.a;
  return ml3_nn_make(g, OP_BROADCAST, rows, cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

/* Brings two operands to one shape. */
static bool match(ml3_nn_graph *g, ml3_nn_op op, ml3_node *a, ml3_node *b) {
  if (!ml3_nn_both_exist(g, ml3_nn_op_name[op], *a, *b)) return false;
  int ra = ml3_nn_rows(g, *a), ca = ml3_nn_cols(g, *a), rb = ml3_nn_rows(g, *b), cb = ml3_nn_cols(g, *b);
  bool fits = (ra == rb || ra == 1 || rb == 1) && (ca == cb || ca == 1 || cb == 1);
  int rows = ra > rb ? ra : rb, cols = ca > cb ? ca : cb;
  if (!fits) return ml3_nn_mistake(g, ml3_nn_op_name[op], *a, *b, "shapes must be equal, or a side of one be 1") >= 0;
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
  return ml3_nn_make(g, op, g->nodes[a].rows, g->nodes[a].cols, a, b, ML3_NN_NONE);
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
  if (!ml3_nn_exists(g, "scale", x)) return ML3_NN_NONE; /* before the constant has a number */
  return ml3_nn_mul(g, x, ml3_nn_constant(g, 1, 1, factor));
}

ml3_node ml3_nn_shift(ml3_nn_graph *g, ml3_node x, double offset) {
  if (!ml3_nn_exists(g, "shift", x)) return ML3_NN_NONE;
  return ml3_nn_add(g, x, ml3_nn_constant(g, 1, 1, offset));
}

/* ---- elementwise: three operands, and compositions -------------------------------------------------- */

ml3_node ml3_nn_select(ml3_nn_graph *g, ml3_node c, ml3_node a, ml3_node b) {
  if (!match(g, OP_SELECT, &a, &b) || !match(g, OP_SELECT, &c, &a) || !match(g, OP_SELECT, &a, &b))
    return ML3_NN_NONE;
  double v;
  if (ml3_nn_constant_value(g, c, &v)) return v != 0 ? a : b;
  if (a == b) return a;
  return ml3_nn_make(g, OP_SELECT, g->nodes[a].rows, g->nodes[a].cols, c, a, b);
}

ml3_node ml3_nn_relu(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "relu", x)) return ML3_NN_NONE;
  return ml3_nn_max(g, ml3_nn_constant(g, 1, 1, 0), x);
}

ml3_node ml3_nn_clamp(ml3_nn_graph *g, ml3_node x, double low, double high) {
  if (!ml3_nn_exists(g, "clamp", x)) return ML3_NN_NONE;
  ml3_node floor = isinf(low) ? x : ml3_nn_max(g, x, ml3_nn_constant(g, 1, 1, low));
  return isinf(high) ? floor : ml3_nn_min(g, floor, ml3_nn_constant(g, 1, 1, high));
}

ml3_node ml3_nn_stop_gradient(ml3_nn_graph *g, ml3_node x) {
  if (!ml3_nn_exists(g, "stop_gradient", x)) return ML3_NN_NONE;
  if (g->nodes[x].op == OP_CONSTANT) return x;
  return ml3_nn_make(g, OP_PASS, g->nodes[x].rows, g->nodes[x].cols, x, ML3_NN_NONE, ML3_NN_NONE);
}

ml3_node ml3_nn_straight_through(ml3_nn_graph *g, ml3_node value, ml3_node path) {
  if (!ml3_nn_both_exist(g, "straight_through", value, path)) return ML3_NN_NONE;
  if (ml3_nn_rows(g, value) != ml3_nn_rows(g, path) || ml3_nn_cols(g, value) != ml3_nn_cols(g, path))
    return ml3_nn_mistake(g, "straight_through", value, path, "shapes must be equal");
  return ml3_nn_make(g, OP_PASS, g->nodes[value].rows, g->nodes[value].cols, value, path, ML3_NN_NONE);
}
