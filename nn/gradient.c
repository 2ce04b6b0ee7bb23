/* Reverse-mode differentiation on the graph: each node's adjoint is the sum of what its uses contribute.

   Contributions are summed with an eye on the programs that come of them:
     - products of the form A_t' B_t (a weight used at every time step) become one product of stacked rows;
     - parts of one tensor (views) are laid into one buffer instead of being padded and added. */
#include "nn/graph_internal.h"

#include <stdlib.h>
#include <string.h>

/* What a use adds to a node's adjoint: all of it, or (part) a piece that starts at an entry. */
typedef struct contribution {
  ml3_node node;
  int offset; /* entry, for a part */
  bool part;
  int next; /* in the list of the same target, or -1 */
} contribution;

typedef struct tape {
  ml3_nn_graph *g;
  contribution *list;
  int count, capacity;
  int *head, *tail; /* [nodes at the start] */
  bool *needed;     /* depends on something differentiated by */
  bool sick;
} tape;

static void contribute(tape *t, ml3_node target, ml3_node node, bool part, int offset) {
  double v;
  if (target < 0 || !t->needed[target]) return;
  if (ml3_nn_constant_value(t->g, node, &v) && v == 0) return;
  if (node < 0) {
    t->sick = true;
    return;
  }
  if (t->count == t->capacity) {
    int capacity = 2 * t->capacity + 256;
    contribution *list = realloc(t->list, (size_t)capacity * sizeof *list);
    if (!list) {
      t->sick = true;
      return;
    }
    t->list = list;
    t->capacity = capacity;
  }
  t->list[t->count] = (contribution){node, offset, part, -1};
  if (t->head[target] < 0)
    t->head[target] = t->count;
  else
    t->list[t->tail[target]].next = t->count;
  t->tail[target] = t->count++;
}

static void give(tape *t, ml3_node target, ml3_node node) { contribute(t, target, node, false, 0); }

/* ---- summing contributions ------------------------------------------------------------------------ */

/* Lays parts into as few buffers as their overlaps allow and adds those. */
static ml3_node sum_parts(ml3_nn_graph *g, int rows, int cols, ml3_nn_part *parts, int count) {
  ml3_node sum = ML3_NN_NONE;
  while (count > 0) {
    int laid = 0, left = 0;
    ml3_nn_part *layer = malloc((size_t)count * sizeof *layer);
    if (!layer) return ml3_nn_out_of_memory(g);
    for (int i = 0; i < count; i++) {
      int size = ml3_nn_entries(&g->nodes[parts[i].node]);
      bool free_place = true;
      for (int j = 0; j < laid && free_place; j++) {
        int other = ml3_nn_entries(&g->nodes[layer[j].node]);
        free_place = parts[i].offset + size <= layer[j].offset || layer[j].offset + other <= parts[i].offset;
      }
      if (free_place)
        layer[laid++] = parts[i];
      else
        parts[left++] = parts[i];
    }
    ml3_node one = ml3_nn_assemble(g, rows, cols, layer, laid);
    sum = sum == ML3_NN_NONE ? one : ml3_nn_add(g, sum, one);
    free(layer);
    count = left;
  }
  return sum;
}

/* Can this product be stacked with others: A' B with the same shapes on the outside. */
static bool stackable(const ml3_nn_graph *g, ml3_node x) {
  const ml3_nn_node *n = &g->nodes[x];
  if (n->op != OP_PRODUCT || n->transpose_b) return false;
  return n->transpose_a || g->nodes[n->a].cols == 1; /* a column is a row, transposed */
}

/* sum_t A_t' B_t = [A_1; A_2; ...]' [B_1; B_2; ...]. */
static ml3_node stack_products(ml3_nn_graph *g, const ml3_node *products, int count) {
  ml3_node *a = malloc(2 * (size_t)count * sizeof *a), *b = a + count;
  if (!a) return ml3_nn_out_of_memory(g);
  for (int i = 0; i < count; i++) {
    ml3_nn_node n = g->nodes[products[i]];
    a[i] = n.transpose_a ? n.a : ml3_nn_view(g, n.a, 0, 1, n.rows);
    b[i] = n.b;
  }
  ml3_node result = ml3_nn_product(g, ml3_nn_concat_rows(g, a, count), true, ml3_nn_concat_rows(g, b, count), false);
  free(a);
  return result;
}

/* sum_t sum_rows(X_t) = sum_rows([X_1; X_2; ...]); single rows count as their own sum. */
static ml3_node stack_row_sums(ml3_nn_graph *g, ml3_node *terms, int count) {
  for (int i = 0; i < count; i++)
    if (g->nodes[terms[i]].op == OP_SUM_ROWS) terms[i] = g->nodes[terms[i]].a;
  return ml3_nn_sum_rows(g, ml3_nn_concat_rows(g, terms, count));
}

/* The adjoint of node x: the sum of its contributions. */
static ml3_node adjoint(tape *t, ml3_node x) {
  ml3_nn_graph *g = t->g;
  int total = 0;
  for (int i = t->head[x]; i >= 0; i = t->list[i].next) total++;
  if (total == 0) return ML3_NN_NONE;

  ml3_nn_part *parts = malloc((size_t)total * sizeof *parts);
  ml3_node *products = malloc(2 * (size_t)total * sizeof *products), *rows = products + total;
  ml3_node sum = ML3_NN_NONE;
  int n_parts = 0, n_products = 0, n_rows = 0;
  int node_rows = g->nodes[x].rows, node_cols = g->nodes[x].cols;
  if (!parts || !products) {
    t->sick = true;
    goto done;
  }
  for (int i = t->head[x]; i >= 0; i = t->list[i].next) {
    const contribution *c = &t->list[i];
    if (c->part)
      parts[n_parts++] = (ml3_nn_part){c->node, c->offset};
    else if (stackable(g, c->node))
      products[n_products++] = c->node;
    else if (node_rows == 1 && node_cols > 1)
      rows[n_rows++] = c->node;
    else
      sum = sum == ML3_NN_NONE ? c->node : ml3_nn_add(g, sum, c->node);
  }

  ml3_node groups[3] = {ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE};
  if (n_products) groups[0] = n_products == 1 ? products[0] : stack_products(g, products, n_products);
  if (n_rows) {
    groups[1] = rows[0];
    if (n_rows > 4)
      groups[1] = stack_row_sums(g, rows, n_rows);
    else
      for (int i = 1; i < n_rows; i++) groups[1] = ml3_nn_add(g, groups[1], rows[i]);
  }
  if (n_parts) groups[2] = sum_parts(g, node_rows, node_cols, parts, n_parts);
  for (int i = 0; i < 3; i++)
    if (groups[i] != ML3_NN_NONE) sum = sum == ML3_NN_NONE ? groups[i] : ml3_nn_add(g, sum, groups[i]);
done:
  free(parts);
  free(products);
  return sum;
}

/* ---- derivative rules ---------------------------------------------------------------------------- */

static ml3_node zero_like(ml3_nn_graph *g, ml3_node x) {
  return ml3_nn_constant(g, ml3_nn_rows(g, x), ml3_nn_cols(g, x), 0);
}

/* dy summed to the shape of target: the derivative of a broadcast. */
static ml3_node sum_to(ml3_nn_graph *g, ml3_node dy, ml3_node target) {
  if (ml3_nn_rows(g, target) == 1) dy = ml3_nn_sum_rows(g, dy);
  if (ml3_nn_cols(g, target) == 1) dy = ml3_nn_sum_cols(g, dy);
  return dy;
}

static void product_rule(tape *t, const ml3_nn_node *n, ml3_node dy) {
  ml3_nn_graph *g = t->g;
  if (t->needed[n->a])
    give(t, n->a, n->transpose_a ? ml3_nn_product(g, n->b, n->transpose_b, dy, true)
                                 : ml3_nn_product(g, dy, false, n->b, !n->transpose_b));
  if (t->needed[n->b])
    give(t, n->b, n->transpose_b ? ml3_nn_product(g, dy, true, n->a, n->transpose_a)
                                 : ml3_nn_product(g, n->a, !n->transpose_a, dy, false));
}

/* Elementwise: y = op(a, b, c), at node y. */
static void elementwise_rule(tape *t, const ml3_nn_node *n, ml3_node y, ml3_node dy) {
  ml3_nn_graph *g = t->g;
  ml3_node a = n->a, b = n->b, zero = zero_like(g, y), mask;
  switch (n->op) {
    case OP_COPY: give(t, a, dy); break;
    case OP_NEG: give(t, a, ml3_nn_neg(g, dy)); break;
    case OP_EXP: give(t, a, ml3_nn_mul(g, dy, y)); break;
    case OP_LOG: give(t, a, ml3_nn_div(g, dy, a)); break;
    case OP_SIN: give(t, a, ml3_nn_mul(g, dy, ml3_nn_cos(g, a))); break;
    case OP_COS: give(t, a, ml3_nn_neg(g, ml3_nn_mul(g, dy, ml3_nn_sin(g, a)))); break;
    case OP_SQRT: {
      ml3_node positive = ml3_nn_greater(g, y, zero);
      ml3_node safe = ml3_nn_select(g, positive, y, ml3_nn_shift(g, zero, 1)); /* no 1/0 behind the mask */
      give(t, a, ml3_nn_select(g, positive, ml3_nn_div(g, ml3_nn_scale(g, dy, 0.5), safe), zero));
      break;
    }
    case OP_SQUARE: give(t, a, ml3_nn_mul(g, ml3_nn_scale(g, dy, 2), a)); break;
    case OP_ABS:
      mask = ml3_nn_sub(g, ml3_nn_greater(g, a, zero), ml3_nn_greater(g, zero, a));
      give(t, a, ml3_nn_mul(g, dy, mask));
      break;
    case OP_TANH:
      give(t, a, ml3_nn_mul(g, dy, ml3_nn_sub(g, ml3_nn_shift(g, zero, 1), ml3_nn_square(g, y))));
      break;
    case OP_SIGMOID:
      give(t, a, ml3_nn_mul(g, dy, ml3_nn_mul(g, y, ml3_nn_sub(g, ml3_nn_shift(g, zero, 1), y))));
      break;
    case OP_SOFTPLUS: give(t, a, ml3_nn_mul(g, dy, ml3_nn_sigmoid(g, a))); break;
    case OP_ELU: /* 1 + min(y, 0) */
      give(t, a, ml3_nn_mul(g, dy, ml3_nn_shift(g, ml3_nn_min(g, y, zero), 1)));
      break;
    case OP_ADD:
      give(t, a, dy);
      give(t, b, dy);
      break;
    case OP_SUB:
      give(t, a, dy);
      give(t, b, ml3_nn_neg(g, dy));
      break;
    case OP_MUL:
      if (t->needed[a]) give(t, a, ml3_nn_mul(g, dy, b));
      if (t->needed[b]) give(t, b, ml3_nn_mul(g, dy, a));
      break;
    case OP_DIV:
      give(t, a, ml3_nn_div(g, dy, b));
      if (t->needed[b]) give(t, b, ml3_nn_neg(g, ml3_nn_div(g, ml3_nn_mul(g, dy, y), b)));
      break;
    case OP_MIN:
    case OP_MAX:
      mask = n->op == OP_MIN ? ml3_nn_greater_equal(g, b, a) : ml3_nn_greater_equal(g, a, b);
      give(t, a, ml3_nn_select(g, mask, dy, zero));
      give(t, b, ml3_nn_select(g, mask, zero, dy));
      break;
    case OP_SELECT:
      give(t, b, ml3_nn_select(g, a, dy, zero));
      give(t, n->c, ml3_nn_select(g, a, zero, dy));
      break;
    default: break; /* greater, greater_equal: zero almost everywhere */
  }
}

static void structure_rule(tape *t, const ml3_nn_node *n, ml3_node dy) {
  ml3_nn_graph *g = t->g;
  switch (n->op) {
    case OP_BROADCAST: give(t, n->a, sum_to(g, dy, n->a)); break;
    case OP_PASS: give(t, n->b, dy); break;
    case OP_VIEW: contribute(t, n->a, dy, true, n->offset); break;
    case OP_PRODUCT: product_rule(t, n, dy); break;
    case OP_TRANSPOSE: give(t, n->a, ml3_nn_transpose(g, dy)); break;
    case OP_SUM:
    case OP_SUM_ROWS:
    case OP_SUM_COLS:
      give(t, n->a, ml3_nn_broadcast(g, dy, ml3_nn_rows(g, n->a), ml3_nn_cols(g, n->a)));
      break;
    case OP_ASSEMBLE:
      for (int i = 0; i < n->parts; i++) {
        ml3_nn_part p = g->parts[n->first_part + i];
        if (t->needed[p.node])
          give(t, p.node, ml3_nn_view(g, dy, p.offset, ml3_nn_rows(g, p.node), ml3_nn_cols(g, p.node)));
      }
      break;
    case OP_CONCAT_COLS:
      for (int i = 0; i < n->parts; i++) {
        ml3_nn_part p = g->parts[n->first_part + i];
        if (t->needed[p.node]) give(t, p.node, ml3_nn_slice_cols(g, dy, p.offset, ml3_nn_cols(g, p.node)));
      }
      break;
    case OP_SLICE_COLS: give(t, n->a, ml3_nn_pad_cols(g, dy, n->offset, ml3_nn_cols(g, n->a))); break;
    case OP_PAD_COLS: give(t, n->a, ml3_nn_slice_cols(g, dy, n->offset, ml3_nn_cols(g, n->a))); break;
    case OP_GATHER_ROWS: give(t, n->a, ml3_nn_scatter_rows(g, dy, n->b, ml3_nn_rows(g, n->a))); break;
    case OP_SCATTER_ROWS: give(t, n->a, ml3_nn_gather_rows(g, dy, n->b)); break;
    default: break;
  }
}

/* ---- the walk ------------------------------------------------------------------------------------- */

/* Marks the nodes that depend on one of wrt along paths that carry a gradient. */
static void mark_needed(const ml3_nn_graph *g, const ml3_node *wrt, int count, int last, bool *needed) {
  for (int i = 0; i < count; i++)
    if (wrt[i] <= last) needed[wrt[i]] = true;
  for (int i = 0; i <= last; i++) {
    const ml3_nn_node *n = &g->nodes[i];
    if (n->op == OP_PASS) {
      needed[i] |= n->b >= 0 && needed[n->b];
    } else if (n->op == OP_SELECT) {
      needed[i] |= needed[n->b] || needed[n->c];
    } else if (n->op == OP_GATHER_ROWS || n->op == OP_SCATTER_ROWS) {
      needed[i] |= needed[n->a];
    } else if (n->op != OP_GREATER && n->op != OP_GREATER_EQUAL) {
      needed[i] |= (n->a >= 0 && needed[n->a]) || (n->b >= 0 && needed[n->b]);
      for (int j = 0; j < n->parts; j++) needed[i] |= needed[g->parts[n->first_part + j].node];
    }
  }
}

int ml3_nn_gradient(ml3_nn_graph *g, ml3_node y, const ml3_node *wrt, int count, ml3_node *out) {
  for (int i = 0; i < count; i++) out[i] = ML3_NN_NONE;
  if (g->error[0]) return ML3_ERR_ARGUMENT;
  if (y < 0 || y >= g->count || ml3_nn_entries(&g->nodes[y]) != 1) {
    strcpy(g->error, "gradient: the differentiated node must be a single number [1 x 1]");
    return ML3_ERR_ARGUMENT;
  }
  for (int i = 0; i < count; i++)
    if (!ml3_nn_exists(g, "gradient", wrt[i])) return ML3_ERR_ARGUMENT;

  int n = y + 1;
  tape t = {.g = g, .needed = calloc((size_t)g->count, sizeof(bool))};
  t.head = malloc(2 * (size_t)n * sizeof *t.head);
  ml3_node *adjoints = malloc((size_t)n * sizeof *adjoints);
  if (!t.needed || !t.head || !adjoints) {
    t.sick = true;
    goto done;
  }
  t.tail = t.head + n;
  for (int i = 0; i < n; i++) t.head[i] = -1, adjoints[i] = ML3_NN_NONE;
  mark_needed(g, wrt, count, y, t.needed);

  give(&t, y, ml3_nn_constant(g, 1, 1, 1));
  for (int x = y; x >= 0 && !t.sick && !g->error[0]; x--) {
    if (t.head[x] < 0) continue;
    adjoints[x] = adjoint(&t, x);
    if (adjoints[x] == ML3_NN_NONE) break;
    ml3_nn_node node = g->nodes[x]; /* a copy: the list grows */
    if (ml3_nn_is_elementwise(node.op))
      elementwise_rule(&t, &node, x, adjoints[x]);
    else
      structure_rule(&t, &node, adjoints[x]);
  }
  for (int i = 0; i < count && !g->error[0]; i++)
    out[i] = wrt[i] <= y && adjoints[wrt[i]] != ML3_NN_NONE ? adjoints[wrt[i]] : zero_like(g, wrt[i]);
done:
  free(t.list);
  free(t.head);
  free(t.needed);
  free(adjoints);
  if (t.sick) ml3_nn_out_of_memory(g);
  if (g->no_memory) return ML3_ERR_MEMORY;
  return g->error[0] ? ML3_ERR_ARGUMENT : ML3_OK;
}
