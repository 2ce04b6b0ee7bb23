/* From a graph to a flat program.

     1. what is needed: outputs and what they rest on, each node with the earliest stage that needs it
     2. levels: elementwise nodes of one shape and level become one fused pass over memory
     3. places: views are offsets; parts of an assembled tensor are written straight into it
     4. emit.c: instructions in order of stage and level; then layout.c packs buffers by lifetime */
#include "nn/compile_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- 1. what is needed ------------------------------------------------------------------------------ */

static void find_needed(compiler *c, const ml3_nn_output *outputs, int count) {
  for (int i = 0; i < c->n; i++) {
    c->canon[i] = node(c, i)->op == OP_PASS ? c->canon[node(c, i)->a] : i;
    c->stage[i] = INT_MAX;
  }
  for (int i = 0; i < count; i++) {
    ml3_node x = c->canon[outputs[i].node];
    if (outputs[i].stage < c->stage[x]) c->stage[x] = outputs[i].stage;
    c->stored[x] = true;
    c->is_output[x] = true;
  }
  for (int x = c->n - 1; x >= 0; x--) {
    if (c->stage[x] == INT_MAX) continue;
    bool fused = ml3_nn_is_elementwise(node(c, x)->op);
    if (node(c, x)->op == OP_PRODUCT && node(c, x)->transpose_b) c->right_uses[c->canon[node(c, x)->b]]++;
    for (int i = 0; i < operand_count(c, x); i++) {
      ml3_node o = operand(c, x, i);
      if (c->stage[x] < c->stage[o]) c->stage[o] = c->stage[x];
      /* Fused passes read broadcasts and constants on the fly; everybody else reads memory. */
      if (!fused && node(c, x)->op != OP_BROADCAST) c->stored[o] = true;
    }
    if (node(c, x)->op == OP_BROADCAST) c->stored[operand(c, x, 0)] = true;
  }
}

/* ---- 2. levels ---------------------------------------------------------------------------------------- */

static void find_levels(compiler *c) {
  for (int x = 0; x < c->n; x++) {
    if (c->stage[x] == INT_MAX || c->canon[x] != x) continue;
    const ml3_nn_node *n = node(c, x);
    int level = n->op == OP_INPUT ? 0 : 1;
    for (int i = 0; i < operand_count(c, x); i++) {
      ml3_node o = operand(c, x, i);
      if (!ml3_nn_is_elementwise(n->op)) {
        int after = c->level[o] + (n->op == OP_VIEW ? 0 : 1);
        if (after > level) level = after;
        continue;
      }
      if (node(c, o)->op == OP_CONSTANT) continue;
      ml3_node s = source(c, o);
      const ml3_nn_node *ns = node(c, s);
      bool joins = s == o && ml3_nn_is_elementwise(ns->op) && ns->rows == n->rows && ns->cols == n->cols &&
                   c->stage[s] == c->stage[x];
      int after = c->level[s] + (joins ? 0 : 1);
      if (after > level) level = after;
    }
    c->level[x] = level;
  }
  /* A value read by another pass, or by a product, needs memory. */
  for (int x = 0; x < c->n; x++) {
    if (c->stage[x] == INT_MAX || c->canon[x] != x || !ml3_nn_is_elementwise(node(c, x)->op)) continue;
    for (int i = 0; i < operand_count(c, x); i++) {
      ml3_node o = operand(c, x, i), s = source(c, o);
      if (s != o || (ml3_nn_is_elementwise(node(c, o)->op) && !same_unit(c, x, o))) c->stored[s] = true;
    }
  }
}

/* ---- order --------------------------------------------------------------------------------------------- */

typedef struct sort_key {
  int stage, level, other, rows, cols; /* other: 0 for fused nodes, which come first */
  ml3_node node;
} sort_key;

static int compare_keys(const void *x, const void *y) {
  const int *a = x, *b = y; /* sort_key is six ints */
  for (int i = 0; i < 6; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

/* Lists the nodes that do work, those of one fused pass next to each other. */
static bool order_nodes(compiler *c) {
  sort_key *keys = malloc((size_t)c->n * sizeof *keys);
  if (!keys) return false;
  int count = 0;
  for (int x = 0; x < c->n; x++) {
    ml3_nn_op op = node(c, x)->op;
    if (c->stage[x] == INT_MAX || c->canon[x] != x || op == OP_INPUT || op == OP_VIEW) continue;
    bool fused = fusable(c, x);
    if (!fused && (op == OP_BROADCAST || op == OP_CONSTANT)) continue;
    keys[count++] =
        (sort_key){c->stage[x], c->level[x], !fused, fused ? node(c, x)->rows : 0, fused ? node(c, x)->cols : 0, x};
  }
  qsort(keys, (size_t)count, sizeof *keys, compare_keys);
  for (int i = 0; i < count; i++) c->order[i] = keys[i].node;
  c->order_count = count;
  free(keys);
  return true;
}

/* ---- 3. places ------------------------------------------------------------------------------------------ */

/* Parts of an assembled tensor are written straight into it, unless they live elsewhere already. */
static void place_parts(compiler *c, ml3_node x) {
  const ml3_nn_node *n = node(c, x);
  for (int i = 0; i < n->parts; i++) {
    ml3_nn_part part = c->g->parts[n->first_part + i];
    ml3_node o = c->canon[part.node];
    ml3_nn_op op = node(c, o)->op;
    if (op == OP_INPUT || op == OP_VIEW || c->is_output[o] || c->at[o].root != o) continue;
    c->at[o] = (place){c->at[x].root, c->at[x].offset + part.offset};
  }
}

static void find_places(compiler *c) {
  for (int x = 0; x < c->n; x++) c->at[x] = (place){x, 0};
  for (int x = c->n - 1; x >= 0; x--)
    if (c->stage[x] != INT_MAX && c->canon[x] == x && node(c, x)->op == OP_ASSEMBLE) place_parts(c, x);
  for (int x = 0; x < c->n; x++)
    if (c->stage[x] != INT_MAX && c->canon[x] == x && node(c, x)->op == OP_VIEW) {
      place from = c->at[c->canon[node(c, x)->a]];
      c->at[x] = (place){from.root, from.offset + node(c, x)->offset};
    }
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

/* Slots grouped by root, so that binding an input moves all its views. */
static bool index_slots(ml3_nn_program *p) {
  p->slots_of_root = malloc((size_t)(p->slot_count + 1) * sizeof *p->slots_of_root);
  if (!p->slots_of_root) return false;
  for (int i = 1; i < p->slot_count; i++) p->roots[p->slots[i].root].slots++;
  int at = 0;
  for (int r = 0; r < p->root_count; r++) {
    p->roots[r].first_slot = at;
    at += p->roots[r].slots;
    p->roots[r].slots = 0;
    if (p->roots[r].input >= 0 && p->roots[r].entries > p->largest_input) p->largest_input = p->roots[r].entries;
  }
  for (int i = 1; i < p->slot_count; i++) {
    ml3_nn_root *r = &p->roots[p->slots[i].root];
    p->slots_of_root[r->first_slot + r->slots++] = i;
  }
  return true;
}

/* One block of memory for all the compiler's per-node arrays. */
static void *carve(char **from, size_t n, size_t size) {
  void *piece = *from;
  *from += (n * size + 15) / 16 * 16;
  return piece;
}

static int check(const ml3_nn_graph *g, const ml3_nn_output *outputs, int count, ml3_error *error) {
  if (g->error[0]) return ml3_error_set(error, g->no_memory ? ML3_ERR_MEMORY : ML3_ERR_ARGUMENT, "%s", g->error);
  if (count < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "ml3_nn_compile: a program needs an output");
  for (int i = 0; i < count; i++)
    if (outputs[i].node < 0 || outputs[i].node >= g->count || outputs[i].stage < 0 || outputs[i].stage > 15)
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "ml3_nn_compile: output %d is not a node of the graph with a stage of 0 to 15", i);
  return ML3_OK;
}

static bool compile(compiler *c, const ml3_nn_output *outputs, int count, char *memory) {
  ml3_nn_program *p = c->p;
  size_t n = (size_t)c->n;
  c->canon = carve(&memory, n, sizeof(int));
  c->stage = carve(&memory, n, sizeof(int));
  c->level = carve(&memory, n, sizeof(int));
  c->slot = carve(&memory, n, sizeof(int));
  c->reg = carve(&memory, n, sizeof(int));
  c->order = carve(&memory, n, sizeof(int));
  c->transposed = carve(&memory, n, sizeof(int));
  c->right_uses = carve(&memory, n, sizeof(int));
  c->packed = carve(&memory, n, sizeof *c->packed);
  c->at = carve(&memory, n, sizeof(place));
  c->stored = carve(&memory, n, sizeof(bool));
  c->is_output = carve(&memory, n, sizeof(bool));
  int *last_use = carve(&memory, n, sizeof(int));
  bool *taken = carve(&memory, n, sizeof(bool));

  for (int i = 0; i < count; i++)
    if (outputs[i].stage >= p->stages) p->stages = outputs[i].stage + 1;
  p->outputs = count;
  p->output_slot = calloc((size_t)count, sizeof *p->output_slot);
  p->stage_begin = calloc((size_t)p->stages + 1, sizeof *p->stage_begin);
  p->slots = calloc(3 * n + (size_t)count + 1, sizeof *p->slots); /* a node, a product's two operands made ready; outputs */
  p->slot_count = 1; /* none */
  p->roots = calloc(3 * n + (size_t)count, sizeof *p->roots);
  if (!p->output_slot || !p->stage_begin || !p->slots || !p->roots) return false;

  find_needed(c, outputs, count);
  find_levels(c);
  find_places(c);
  if (!order_nodes(c)) return false;
  ml3_nn_emit(c, outputs, count, last_use, taken);
  return !c->sick && index_slots(p) && ml3_nn_lay_out(p);
}

ml3_nn_program *ml3_nn_compile(const ml3_nn_graph *g, const ml3_nn_output *outputs, int count, ml3_error *error) {
  if (check(g, outputs, count, error) != ML3_OK) return NULL;

  ml3_nn_program *p = calloc(1, sizeof *p);
  char *memory = calloc((size_t)g->count + 16, 15 * sizeof(int) + 4 * sizeof(bool) + 16);
  bool compiled = false;
  if (p && memory) {
    p->kernels = ml3_nn_kernels_pick();
    p->tiles = ml3_nn_tiles_pick();
    p->parts = g->fast_products ? 2 : 3;
    compiler c = {.g = g, .p = p, .n = g->count};
    compiled = compile(&c, outputs, count, memory);
  }
  free(memory);
  if (compiled) return p;
  ml3_nn_program_free(p);
  ml3_error_set(error, ML3_ERR_MEMORY, "ml3_nn_compile: no memory for a program of %d operations", g->count);
  return NULL;
}

void ml3_nn_program_free(ml3_nn_program *p) {
  if (!p) return;
  free(p->instructions);
  free(p->stage_begin);
  free(p->groups);
  free(p->loads);
  free(p->stores);
  free(p->micros);
  free(p->slots);
  free(p->roots);
  free(p->slots_of_root);
  free(p->output_slot);
  free(p->constants);
  free(p);
}
