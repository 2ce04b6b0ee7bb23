/* The instructions of a program: nodes in order of stage and level become fused passes, products and moves. */
#include "nn/compile_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists that grow --------------------------------------------------------------------------------------- */

static void *push(compiler *c, int list, void **items, int *count, size_t size) {
  if (*count == c->capacity[list]) {
    int capacity = 2 * c->capacity[list] + 64;
    void *grown = realloc(*items, (size_t)capacity * size);
    if (!grown) {
      c->sick = true;
      return NULL;
    }
    *items = grown;
    c->capacity[list] = capacity;
  }
  return (char *)*items + (size_t)(*count)++ * size;
}

static void emit(compiler *c, ml3_nn_instruction i) {
  ml3_nn_instruction *slot = push(c, 0, (void **)&c->p->instructions, &c->p->count, sizeof i);
  if (slot) *slot = i;
}

/* ---- roots and slots ---------------------------------------------------------------------------------------- */

static int add_root(compiler *c, int entries, ml3_node input) {
  ml3_nn_root *r = &c->p->roots[c->p->root_count]; /* room for a root and slot a node and an output */
  *r = (ml3_nn_root){.entries = entries, .input = input};
  return c->p->root_count++;
}

static ml3_nn_slot_id add_slot(compiler *c, ml3_nn_slot slot) {
  c->p->slots[c->p->slot_count] = slot;
  return (ml3_nn_slot_id){c->p->slot_count++};
}

/* One in a buffer of its own. */
static ml3_nn_slot_id add_own_slot(compiler *c, int rows, int cols) {
  return add_slot(c, (ml3_nn_slot){.root = add_root(c, rows * cols, ML3_NN_NONE), .rows = rows, .cols = cols});
}

static ml3_nn_slot_id slot_of(compiler *c, ml3_node x) {
  x = c->canon[x];
  if (ml3_nn_is_slot(c->slot[x])) return c->slot[x];

  const ml3_nn_node *n = node(c, x);
  const place at = c->at[x];
  const int root = at.root == x ? add_root(c, ml3_nn_entries(n), n->op == OP_INPUT ? x : ML3_NN_NONE)
                                : ml3_nn_slot_at(c->p, slot_of(c, at.root))->root;
  return c->slot[x] = add_slot(c, (ml3_nn_slot){.root = root, .offset = at.offset, .rows = n->rows, .cols = n->cols});
}

/* ---- fused passes ------------------------------------------------------------------------ */

static int constant_number(compiler *c, double value) {
  for (int i = 0; i < c->p->constant_count; i++)
    if (memcmp(&c->p->constants[i], &value, sizeof value) == 0) return i;
  double *slot = push(c, 5, (void **)&c->p->constants, &c->p->constant_count, sizeof value);
  if (slot) *slot = value;
  return c->p->constant_count - 1;
}

/* How a pass of x's shape reads operand o. */
static ml3_nn_load load_of(compiler *c, ml3_node x, ml3_node o) {
  if (node(c, o)->op == OP_CONSTANT)
    return (ml3_nn_load){.mode = LOAD_CONSTANT, .constant = constant_number(c, node(c, o)->value)};
  ml3_node s = source(c, o);
  const ml3_nn_node *n = node(c, s), *target = node(c, x);
  ml3_nn_load_mode mode = n->rows == target->rows && n->cols == target->cols ? LOAD_FULL
                          : n->rows == 1 && n->cols == 1                     ? LOAD_SCALAR
                          : n->rows == 1                                     ? LOAD_ROW
                                                                             : LOAD_COL;
  return (ml3_nn_load){.mode = mode, .slot = slot_of(c, s)};
}

static int load_register(compiler *c, ml3_nn_group *group, ml3_nn_load load) {
  for (int i = 0; i < group->loads; i++) {
    const ml3_nn_load *l = &c->p->loads[group->first_load + i];
    if (l->mode == load.mode && l->slot.number == load.slot.number && l->constant == load.constant) return i;
  }
  ml3_nn_load *slot = push(c, 2, (void **)&c->p->loads, &c->p->load_count, sizeof load);
  if (!slot) return 0;
  *slot = load;
  if (load.mode == LOAD_ROW || load.mode == LOAD_COL) group->flat = false;
  return group->loads++;
}

static bool in_register(const compiler *c, ml3_node x, ml3_node o) {
  return ml3_nn_is_elementwise(node(c, o)->op) && same_unit(c, x, o);
}

/* The operands of a fused node; a stored broadcast or constant is a copy of what it reads. */
static int fused_operands(const compiler *c, ml3_node x, ml3_node *list) {
  if (!ml3_nn_is_elementwise(node(c, x)->op)) {
    list[0] = x;
    return 1;
  }
  int count = operand_count(c, x);
  for (int i = 0; i < count; i++) list[i] = operand(c, x, i);
  return count;
}

/* First look at a group: its loads and stores, and when each register is last used. */
static void survey_group(compiler *c, ml3_nn_group *group, const ml3_node *nodes, int count, int *last_use) {
  for (int i = 0; i < count; i++) {
    ml3_node x = nodes[i], list[3];
    int operands = fused_operands(c, x, list);
    for (int j = 0; j < operands; j++) {
      if (x != list[j] && in_register(c, x, list[j]))
        last_use[list[j]] = i;
      else
        load_register(c, group, load_of(c, x, list[j]));
    }
    last_use[x] = i;
    if (!c->stored[x]) continue;
    ml3_nn_slot_id *slot = push(c, 3, (void **)&c->p->stores, &c->p->store_count, sizeof *slot);
    if (!slot) return;
    *slot = slot_of(c, x);
    group->stores++;
  }
}

/* Second look: registers and micro-operations. Temporaries are reused once their value is dead. */
static void fill_group(compiler *c, ml3_nn_group *group, const ml3_node *nodes, int count, const int *last_use) {
  int first_temporary = group->loads + group->stores, next_store = group->loads, free_count = 0;
  int *free_list = malloc((size_t)count * sizeof *free_list);
  if (!free_list) {
    c->sick = true;
    return;
  }
  for (int i = 0; i < count && !c->sick; i++) {
    ml3_node x = nodes[i], list[3];
    int operands = fused_operands(c, x, list), reg[3] = {0, 0, 0};
    for (int j = 0; j < operands; j++)
      reg[j] = x != list[j] && in_register(c, x, list[j]) ? c->reg[list[j]]
                                                          : load_register(c, group, load_of(c, x, list[j]));
    if (c->stored[x])
      c->reg[x] = next_store++;
    else if (free_count)
      c->reg[x] = free_list[--free_count];
    else
      c->reg[x] = first_temporary + group->temporaries++;

    ml3_nn_op op = ml3_nn_is_elementwise(node(c, x)->op) ? node(c, x)->op : OP_COPY;
    ml3_nn_micro *micro = push(c, 4, (void **)&c->p->micros, &c->p->micro_count, sizeof *micro);
    if (!micro) break;
    *micro = (ml3_nn_micro){op, c->reg[x], reg[0], reg[1], reg[2]};
    group->micros++;

    for (int j = 0; j < operands; j++) { /* dead after this one, each once */
      bool again = (j > 0 && list[j] == list[0]) || (j > 1 && list[j] == list[1]);
      if (!again && x != list[j] && in_register(c, x, list[j]) && last_use[list[j]] == i && !c->stored[list[j]])
        free_list[free_count++] = c->reg[list[j]];
    }
  }
  free(free_list);
}

static void emit_group(compiler *c, const ml3_node *nodes, int count, int *last_use) {
  const ml3_nn_node *first = node(c, nodes[0]);
  ml3_nn_group group = {.rows = first->rows,
                        .cols = first->cols,
                        .flat = true,
                        .first_load = c->p->load_count,
                        .first_store = c->p->store_count,
                        .first_micro = c->p->micro_count};
  survey_group(c, &group, nodes, count, last_use);
  fill_group(c, &group, nodes, count, last_use);

  int registers = group.loads + group.stores + group.temporaries;
  if (registers > c->p->max_registers) c->p->max_registers = registers;
  int in_scratch = group.loads + group.temporaries; /* loads too: broadcast ones are laid out in scratch */
  if (in_scratch > c->p->max_temporaries) c->p->max_temporaries = in_scratch;

  ml3_nn_group *slot = push(c, 1, (void **)&c->p->groups, &c->p->group_count, sizeof group);
  if (!slot) return;
  *slot = group;
  emit(c, (ml3_nn_instruction){.kind = KIND_GROUP,
                               .stage = c->stage[nodes[0]],
                               .m = first->rows,
                               .n = first->cols,
                               .k = group.micros,
                               .group = c->p->group_count - 1});
}

/* ---- the rest ---------------------------------------------------------------------------- */

static ml3_nn_instruction plain(ml3_nn_kind kind, int stage, ml3_nn_slot_id dst, ml3_nn_slot_id a, int m, int n) {
  return (ml3_nn_instruction){.kind = kind, .stage = stage, .dst = dst, .a = a, .m = m, .n = n};
}

/* Rows of so many entries from a to dst. */
typedef struct block {
  ml3_nn_slot_id dst, a;
  int rows, cols;
  ml3_nn_row_layout from, to; /* in a, in dst */
} block;

static void emit_block(compiler *c, int stage, block b) {
  ml3_nn_instruction i = plain(KIND_BLOCK, stage, b.dst, b.a, b.rows, b.cols);
  i.from = b.from, i.to = b.to;
  emit(c, i);
}

/* So many columns of a, from column `from` on, to columns of x from `to` on. */
static void emit_columns(compiler *c, ml3_node x, ml3_node a, int cols, int from, int to) {
  emit_block(c, c->stage[x],
             (block){.dst = slot_of(c, x),
                     .a = slot_of(c, a),
                     .rows = node(c, x)->rows,
                     .cols = cols,
                     .from = {.offset = from, .stride = node(c, a)->cols},
                     .to = {.offset = to, .stride = node(c, x)->cols}});
}

/* Zeros from entry `offset` of dst on. */
static void emit_fill(compiler *c, int stage, ml3_nn_slot_id dst, int offset, int entries) {
  emit(c,
       (ml3_nn_instruction){.kind = KIND_FILL, .stage = stage, .dst = dst, .m = 1, .n = entries, .to.offset = offset});
}

/* The slot of x packed as an operand, with the instruction that packs it the first time. */
static ml3_nn_slot_id packed_slot(compiler *c, int stage, ml3_node x, bool k_is_rows, bool right) {
  ml3_nn_slot_id *slot = &c->packed[c->canon[x]][2 * k_is_rows + right];
  if (ml3_nn_is_slot(*slot)) return *slot;
  const ml3_nn_node *n = node(c, x);
  const ml3_nn_packing packing = {n->rows, n->cols, k_is_rows, right, c->p->parts};
  *slot = add_own_slot(c, 1, (int)c->p->tiles->packed_entries(&packing));
  ml3_nn_instruction i = plain(KIND_PACK, stage, *slot, slot_of(c, x), n->rows, n->cols);
  i.k_is_rows = k_is_rows;
  i.right = right;
  emit(c, i);
  return *slot;
}

/* Packing takes its time: only large products win it back. */
static bool suits_tiles(const compiler *c, int m, int n, int k) {
  return c->p->tiles && m >= 16 && n >= 16 && k >= 32 && (double)m * n * k > 3e6;
}

/* The slot of x transposed, with the instruction that does it when it is the first time. */
static ml3_nn_slot_id transposed_slot(compiler *c, int stage, ml3_node x) {
  ml3_nn_slot_id *slot = &c->transposed[c->canon[x]];
  if (ml3_nn_is_slot(*slot)) return *slot;
  const ml3_nn_node *n = node(c, x);
  *slot = add_own_slot(c, n->cols, n->rows);
  emit(c, plain(KIND_TRANSPOSE, stage, *slot, slot_of(c, x), n->rows, n->cols));
  return *slot;
}

/* A small product with a transposed weight is slow: its sums go across vectors. Where the weight serves many time
   steps, transposing it once is cheaper. */
static bool worth_transposing(const compiler *c, const ml3_nn_node *n, int m) {
  enum { MANY = 8 };
  return n->transpose_b && m <= 4 && node(c, n->b)->rows > 1 && c->right_uses[c->canon[n->b]] >= MANY;
}

static ml3_nn_product_by product_by(const compiler *c, const ml3_nn_instruction *i) {
  const ml3_nn_kernels *k = c->p->kernels;
  if (k->panels_suit && k->panels_suit(i->m, i->n, i->k)) return BY_PANELS;
  const bool thin = i->m <= 4 || i->n <= 4 || i->k <= 4; /* there BLAS spends most of its time getting ready */
  return (i->transpose_a && i->transpose_b) || (!thin && (double)i->m * i->n * i->k > 8000) ? BY_BLAS : BY_LOOPS;
}

static void emit_product(compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x), *a = node(c, n->a);
  ml3_nn_instruction i = plain(KIND_PRODUCT, c->stage[x], slot_of(c, x), slot_of(c, n->a), n->rows, n->cols);
  i.b = slot_of(c, n->b);
  i.k = n->transpose_a ? a->rows : a->cols;
  i.transpose_a = n->transpose_a;
  i.transpose_b = n->transpose_b;
  i.by = product_by(c, &i);
  if (suits_tiles(c, i.m, i.n, i.k)) {
    i.kind = KIND_TILES;
    i.a = packed_slot(c, i.stage, n->a, n->transpose_a, false);
    i.b = packed_slot(c, i.stage, n->b, !n->transpose_b, true);
  } else if (i.by == BY_LOOPS && worth_transposing(c, n, i.m)) {
    i.b = transposed_slot(c, i.stage, n->b);
    i.transpose_b = false;
  }
  emit(c, i);
}

/* Zeros where no part lies. */
static void emit_gaps(compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x);
  int at = 0, size = ml3_nn_entries(n);
  while (at < size) {
    int next = size, after = size; /* the part that begins first at or behind `at` */
    for (int i = 0; i < n->parts; i++) {
      ml3_nn_part part = c->g->parts[n->first_part + i];
      if (part.offset < at || part.offset >= next) continue;
      next = part.offset;
      after = next + ml3_nn_entries(node(c, part.node));
    }
    if (next > at) emit_fill(c, c->stage[x], slot_of(c, x), at, next - at);
    at = after;
  }
}

static void emit_assemble(compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x);
  const ml3_nn_slot_id dst = slot_of(c, x);
  emit_gaps(c, x);
  for (int i = 0; i < n->parts; i++) {
    ml3_nn_part part = c->g->parts[n->first_part + i];
    ml3_node o = c->canon[part.node];
    place here = {c->at[x].root, c->at[x].offset + part.offset};
    if (c->at[o].root == here.root && c->at[o].offset == here.offset) continue; /* written in place */
    int entries = ml3_nn_entries(node(c, o));
    emit_block(c, c->stage[x],
               (block){.dst = dst, .a = slot_of(c, o), .rows = 1, .cols = entries, .to.offset = part.offset});
  }
}

static void emit_node(compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x), *a = n->a >= 0 ? node(c, n->a) : NULL;
  int stage = c->stage[x];
  switch (n->op) {
    case OP_PRODUCT:
      emit_product(c, x);
      break;
    case OP_ASSEMBLE:
      emit_assemble(c, x);
      break;
    case OP_SUM:
      emit(c, plain(KIND_SUM, stage, slot_of(c, x), slot_of(c, n->a), 1, ml3_nn_entries(a)));
      break;
    case OP_SUM_ROWS:
    case OP_SUM_COLS:
    case OP_TRANSPOSE: {
      const ml3_nn_kind kind = n->op == OP_SUM_ROWS   ? KIND_SUM_ROWS
                               : n->op == OP_SUM_COLS ? KIND_SUM_COLS
                                                      : KIND_TRANSPOSE;
      emit(c, plain(kind, stage, slot_of(c, x), slot_of(c, n->a), a->rows, a->cols));
      break;
    }
    case OP_SLICE_COLS:
      emit_columns(c, x, n->a, n->cols, n->offset, 0);
      break;
    case OP_PAD_COLS:
      emit_fill(c, stage, slot_of(c, x), 0, ml3_nn_entries(n));
      emit_columns(c, x, n->a, a->cols, 0, n->offset);
      break;
    case OP_CONCAT_COLS:
      for (int i = 0; i < n->parts; i++) {
        ml3_nn_part part = c->g->parts[n->first_part + i];
        emit_columns(c, x, part.node, node(c, part.node)->cols, 0, part.offset);
      }
      break;
    default: { /* gather, scatter */
      ml3_nn_instruction i = plain(n->op == OP_GATHER_ROWS ? KIND_GATHER : KIND_SCATTER, stage, slot_of(c, x),
                                   slot_of(c, n->a), n->op == OP_GATHER_ROWS ? n->rows : a->rows, n->cols);
      i.b = slot_of(c, n->b);
      i.k = n->op == OP_GATHER_ROWS ? a->rows : n->rows;
      emit(c, i);
    }
  }
}

/* An output has memory of its own: its node's, unless that is an input, part of something, or taken. */
static void emit_outputs(compiler *c, const ml3_nn_output *outputs, int count, int stage, bool *taken) {
  for (int i = 0; i < count; i++) {
    if (outputs[i].stage != stage) continue;
    ml3_node x = c->canon[outputs[i].node];
    const ml3_nn_node *n = node(c, x);
    ml3_nn_slot_id slot = slot_of(c, x);
    if (taken[x] || n->op == OP_INPUT || n->op == OP_VIEW || c->at[x].root != x) {
      const ml3_nn_slot_id own = add_own_slot(c, n->rows, n->cols);
      emit_block(c, stage, (block){.dst = own, .a = slot, .rows = 1, .cols = ml3_nn_entries(n)});
      slot = own;
    }
    taken[x] = true;
    c->p->output_slot[i] = slot;
  }
}

void ml3_nn_emit(compiler *c, const ml3_nn_output *outputs, int count, int *last_use, bool *taken) {
  int i = 0;
  for (int stage = 0; stage < c->p->stages; stage++) {
    c->p->stage_begin[stage] = c->p->count;
    while (i < c->order_count && c->stage[c->order[i]] == stage && !c->sick) {
      int end = i + 1;
      if (!fusable(c, c->order[i])) {
        emit_node(c, c->order[i]);
      } else {
        while (end < c->order_count && fusable(c, c->order[end]) && same_unit(c, c->order[i], c->order[end])) end++;
        emit_group(c, c->order + i, end - i, last_use);
      }
      i = end;
    }
    emit_outputs(c, outputs, count, stage, taken);
  }
  c->p->stage_begin[c->p->stages] = c->p->count;
}
