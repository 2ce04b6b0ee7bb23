/* Where a parameter of a task may be, by split, and numbers drawn from there. */
#include <math.h>

#include "envs/task/task.h"

const char *const ml3_task_split_names[ML3_SPLITS] = {"train", "validation", "test", "ood"};

static int add_interval(ml3_task_reader *r, ml3_task_region *g, int room, const ml3_tree *at, double low, double high) {
  if (!g->intervals) g->intervals = ml3_task_allocate(r->task, (size_t)room, sizeof *g->intervals, r->error);
  if (!g->intervals) return ML3_ERR_MEMORY;
  if (!isfinite(low) || !isfinite(high)) return ml3_tree_wrong(at, r->error, "task: a range needs finite ends");
  g->intervals[g->count][0] = low, g->intervals[g->count++][1] = high;
  return ML3_OK;
}

/* [low, high], a list of those, {values: [..]}, or one number. */
static int read_region(ml3_task_reader *r, const ml3_tree *at, const char *name, ml3_task_region *g) {
  static const char *const keys[] = {"values"};
  double low, high;
  const ml3_tree *values = at->kind == ML3_TREE_MAP ? ml3_tree_find(at, "values") : NULL;
  if (at->kind == ML3_TREE_MAP && ml3_tree_keys(at, name, keys, 1, r->error) != ML3_OK) return ML3_ERR_FORMAT;
  if (values) {
    if (values->kind != ML3_TREE_LIST || values->count == 0)
      return ml3_tree_wrong(values, r->error, "%s: values: expected a list of numbers", name);
    for (int i = 0; i < values->count; i++) {
      int code = ml3_tree_number(values->items[i], name, -1e300, 1e300, &low, r->error);
      if (code == ML3_OK) code = add_interval(r, g, values->count, values->items[i], low, low);
      if (code != ML3_OK) return code;
    }
    return ML3_OK;
  }
  if (at->kind == ML3_TREE_TEXT) {
    const int code = ml3_tree_number(at, name, -1e300, 1e300, &low, r->error);
    return code == ML3_OK ? add_interval(r, g, 1, at, low, low) : code;
  }
  if (at->kind == ML3_TREE_LIST && at->count > 0 && at->items[0]->kind == ML3_TREE_LIST) {
    for (int i = 0; i < at->count; i++) {
      int code = ml3_tree_range(at->items[i], name, &low, &high, r->error);
      if (code == ML3_OK) code = add_interval(r, g, at->count, at->items[i], low, high);
      if (code != ML3_OK) return code;
    }
    return ML3_OK;
  }
  const int code = ml3_tree_range(at, name, &low, &high, r->error);
  return code == ML3_OK ? add_interval(r, g, 1, at, low, high) : code;
}

static bool inside(const ml3_task_region *g, double low, double high) {
  for (int i = 0; i < g->count; i++)
    if (low >= g->intervals[i][0] && high <= g->intervals[i][1]) return true;
  return false;
}

/* Do two splits share tasks by this parameter? Lists: a value; ranges: the whole of `b` lies in `a`. */
static bool shares(const ml3_task_region *a, const ml3_task_region *b) {
  int count = 0;
  bool points = true;
  for (int i = 0; i < b->count; i++) {
    points = points && b->intervals[i][0] == b->intervals[i][1];
    count += inside(a, b->intervals[i][0], b->intervals[i][1]);
  }
  return points ? count > 0 : count == b->count;
}

/* Where a parameter may be, by split; those that are not given are as `train`. */
int ml3_task_read_regions(ml3_task_reader *r, const ml3_tree *at, const char *name,
                          ml3_task_region regions[ML3_SPLITS]) {
  static const char *const keys[] = {"train", "validation", "test", "ood", "value", "power", "unit"};
  ml3_task *t = r->task;
  const bool split = at->kind == ML3_TREE_MAP && !ml3_tree_find(at, "values");
  if (!split) {
    const int code = read_region(r, at, name, &regions[0]);
    for (int s = 1; s < ML3_SPLITS; s++) regions[s] = regions[0];
    return code;
  }
  if (ml3_tree_keys(at, name, keys, 7, r->error) != ML3_OK) return ML3_ERR_FORMAT;
  if (!ml3_tree_find(at, "train")) return ml3_tree_wrong(at, r->error, "%s: the split `train` is missing", name);
  for (int s = 0; s < ML3_SPLITS; s++) {
    const ml3_tree *found = ml3_tree_find(at, ml3_task_split_names[s]);
    int code = found ? read_region(r, found, name, &regions[s]) : ML3_OK;
    if (code != ML3_OK) return code;
    if (!found) regions[s] = regions[0];
    t->has_split[s] = t->has_split[s] || found;
    if (found && s > 0 && shares(&regions[0], &regions[s]) &&
        (s == 3 || regions[s].intervals[0][0] == regions[s].intervals[0][1]))
      return ml3_tree_wrong(found, r->error, "%s: the split `%s` overlaps `train`: %s", name, ml3_task_split_names[s],
                            s == 3 ? "all of its tasks are inside" : "they share a value");
  }
  return ML3_OK;
}

bool ml3_task_inside(const ml3_task_region *g, double value) {
  return inside(g, value, value);
}

double ml3_task_draw(const ml3_task_region *g, double low, double high, ml3_random *random) {
  double length = 0;
  int k = 0;
  if (g->count == 1) return low < high ? ml3_random_uniform(random, low, high) : low; /* which may be narrower */
  for (int i = 0; i < g->count; i++) length += g->intervals[i][1] - g->intervals[i][0];
  if (length > 0) {
    double at = ml3_random_uniform(random, 0, length);
    while (k + 1 < g->count && at >= g->intervals[k][1] - g->intervals[k][0]) {
      at -= g->intervals[k][1] - g->intervals[k][0];
      k++;
    }
    return fmin(g->intervals[k][0] + at, g->intervals[k][1]);
  }
  k = (int)ml3_random_below(random, (uint32_t)g->count);
  return g->intervals[k][0];
}
