/* Buffers by lifetime: a root of the arena is live from the first instruction that writes it to the last that reads
   it; roots that never live together share memory. Outputs live to the end. First fit in order of birth. */
#include "nn/program_internal.h"

#include <limits.h>
#include <stdlib.h>

enum { ALIGNMENT = 16 }; /* entries */

typedef struct life {
  int birth, death;
} life;

typedef struct piece {
  size_t begin, end;
  int death;
} piece;

static void touch(const ml3_nn_program *p, life *ranges, ml3_nn_slot_id slot, int when) {
  if (!ml3_nn_is_slot(slot)) return;
  life *l = &ranges[ml3_nn_slot_at(p, slot)->root];
  if (when < l->birth) l->birth = when;
  if (when > l->death) l->death = when;
}

static void find_live_ranges(const ml3_nn_program *p, life *ranges) {
  for (int r = 0; r < p->root_count; r++) ranges[r] = (life){INT_MAX, -1};
  for (int i = 0; i < p->count; i++) {
    const ml3_nn_instruction *in = &p->instructions[i];
    touch(p, ranges, in->dst, i);
    touch(p, ranges, in->a, i);
    touch(p, ranges, in->b, i);
    if (in->kind != KIND_GROUP) continue;
    const ml3_nn_group *g = &p->groups[in->group];
    for (int j = 0; j < g->loads; j++) touch(p, ranges, p->loads[g->first_load + j].slot, i);
    for (int j = 0; j < g->stores; j++) touch(p, ranges, p->stores[g->first_store + j], i);
  }
  for (int i = 0; i < p->outputs; i++) ranges[ml3_nn_slot_at(p, p->output_slot[i])->root].death = INT_MAX;
}

/* The pieces in use, sorted by place: drops the dead, then takes the first gap that fits. */
static size_t take(piece *used, int *count, size_t size, int birth, int death) {
  int kept = 0;
  for (int i = 0; i < *count; i++)
    if (used[i].death >= birth) used[kept++] = used[i];

  size_t at = 0;
  int where = 0;
  while (where < kept && used[where].begin < at + size) at = used[where++].end;
  for (int i = kept; i > where; i--) used[i] = used[i - 1];
  used[where] = (piece){at, at + size, death};
  *count = kept + 1;
  return at;
}

typedef struct birth_order {
  int birth, root;
} birth_order;

static int compare_births(const void *x, const void *y) {
  const birth_order *a = x, *b = y;
  if (a->birth != b->birth) return a->birth < b->birth ? -1 : 1;
  return a->root < b->root ? -1 : 1;
}

bool ml3_nn_lay_out(ml3_nn_program *p) {
  size_t n = (size_t)p->root_count + 1;
  life *ranges = malloc(n * sizeof *ranges);
  piece *used = malloc(n * sizeof *used);
  birth_order *order = malloc(n * sizeof *order);
  bool enough = ranges && used && order;

  if (enough) {
    int count = 0, in_use = 0;
    find_live_ranges(p, ranges);
    for (int r = 0; r < p->root_count; r++)
      if (p->roots[r].input < 0 && ranges[r].birth != INT_MAX) order[count++] = (birth_order){ranges[r].birth, r};
    qsort(order, (size_t)count, sizeof *order, compare_births);

    for (int i = 0; i < count; i++) {
      ml3_nn_root *root = &p->roots[order[i].root];
      size_t size = ((size_t)root->entries + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      root->at = take(used, &in_use, size, ranges[order[i].root].birth, ranges[order[i].root].death);
      if (root->at + size > p->arena_entries) p->arena_entries = root->at + size;
    }
  }
  free(ranges);
  free(used);
  free(order);
  return enough;
}
