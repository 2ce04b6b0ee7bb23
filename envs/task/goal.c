/* `goal:`, `success:` and `terminate:`: what is to be reached, and when an episode ends. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/task/task.h"

static ml3_value goal_site(ml3_task_reader *r, const ml3_tree *goal, const char *key) {
  const ml3_tree *at = ml3_tree_find(goal, key);
  char text[160];
  if (!at || !ml3_tree_text(at)) {
    ml3_tree_wrong(goal, r->error, "goal: needs `site`, where the goal is, and `tip`, the site that should get there");
    return (ml3_value){0, 0};
  }
  r->step.at = at;
  if (ml3_compile_object(&r->step, mjOBJ_SITE, at->text) < 0) return (ml3_value){0, 0};
  snprintf(text, sizeof text, "site '%.120s'", at->text);
  const ml3_tree quoted = {.kind = ML3_TREE_TEXT, .file = at->file, .line = at->line, .text = text};
  return ml3_compile(&r->step, &quoted);
}

/* Keeps `ends` of goal and success: does success end the episode? */
static int read_ends(ml3_task_reader *r, const ml3_tree *at, bool *ends) {
  const ml3_tree *found = ml3_tree_find(at, "ends");
  return found ? ml3_tree_boolean(found, "goal: ends", ends, r->error) : ML3_OK;
}

/* The goal as policies and losses have it: the target, or the quantities of `shown`. */
static int show_goal(ml3_task_reader *r, const ml3_tree *shown, ml3_value goal) {
  ml3_task *t = r->task;
  int code = ML3_OK;
  t->goal = goal;
  if (shown && (shown->kind == ML3_TREE_TEXT || shown->count == 0))
    return ml3_tree_wrong(shown, r->error, "goal: shown: expected lines such as `x: goal_x`, or a list");
  if (shown) {
    code = ml3_task_read_list(r, shown, &t->goal, &t->goals);
  } else if (!(t->goals = ml3_task_allocate(t, (size_t)goal.n, sizeof *t->goals, r->error))) {
    return ML3_ERR_MEMORY;
  }
  t->specs[0].goal_dim = t->goal.n;
  for (int k = 0; k < goal.n && !shown; k++) {
    t->goals[k] = (ml3_env_field){
        goal.n <= 3 ? ml3_task_text(t, r->error, "goal_%c", 'x' + k) : ml3_task_text(t, r->error, "goal_%d", k), "m",
        -INFINITY, INFINITY};
    if (!t->goals[k].name) code = ML3_ERR_MEMORY;
  }
  return code;
}

int ml3_task_read_goal(ml3_task_reader *r, bool *ends) {
  static const char *const keys[] = {"of", "target", "radius", "ends", "site", "tip", "shown"};
  ml3_task *t = r->task;
  ml3_compiler *c = &r->step;
  const ml3_tree *at = ml3_tree_find(r->root, "goal"), *found;
  double radius = 0.05;
  t->distance = t->success = -1;
  if (!at) return ML3_OK;
  int code = ml3_tree_keys(at, "goal", keys, 7, r->error);
  if (code == ML3_OK && (found = ml3_tree_find(at, "radius")))
    code = ml3_tree_number(found, "goal: radius", 1e-9, 1e9, &radius, r->error);
  if (code == ML3_OK) code = read_ends(r, at, ends);
  if (code != ML3_OK) return code;
  const ml3_tree *target = ml3_tree_find(at, "target"), *of = ml3_tree_find(at, "of");
  if ((target != NULL) != (of != NULL))
    return ml3_tree_wrong(at, r->error, "goal: `of`, what should get there, and `target`, where that is, go together");
  const ml3_value goal = target ? ml3_compile(c, target) : goal_site(r, at, "site");
  r->goal_of = goal.n ? (of ? ml3_compile(c, of) : goal_site(r, at, "tip")) : goal;
  if (!r->goal_of.n) return r->error->code;
  const ml3_value off = ml3_combine(c, ML3_OP_SUBTRACT, goal, r->goal_of), distance = ml3_reduce(c, ML3_OP_NORM, off);
  const ml3_value zero = ml3_constant(c, 0), far = ml3_constant(c, radius);
  if (!distance.n || !zero.n || !far.n) return r->error->code;
  const ml3_value there = ml3_emit(
      c, (ml3_instruction){.op = ML3_OP_WITHIN, .n = 1, .a = distance.reg, .b = zero.reg, .c = far.reg, .a_step = 1},
      1);
  t->distance = distance.reg;
  t->success = there.reg;
  if (!there.n) return r->error->code;
  if (code == ML3_OK) code = ml3_task_add_name(r, at, "goal", NULL, goal);
  if (code == ML3_OK) code = ml3_task_add_name(r, at, "to_goal", NULL, off);
  if (code == ML3_OK) code = show_goal(r, ml3_tree_find(at, "shown"), goal);
  return code;
}

/* `success: CONDITION`, with `ends` among its lines. */
int ml3_task_read_success(ml3_task_reader *r, bool *ends) {
  const ml3_tree *at = ml3_tree_find(r->root, "success");
  if (!at) return ML3_OK;
  int code = read_ends(r, at, ends);
  const int k = ml3_tree_index(at, "ends");
  ml3_tree rest = *at;
  if (code == ML3_OK && k >= 0) {
    rest.keys = ml3_task_allocate(r->task, (size_t)at->count, sizeof *rest.keys, r->error);
    rest.items = ml3_task_allocate(r->task, (size_t)at->count, sizeof *rest.items, r->error);
    if (!rest.keys || !rest.items) return ML3_ERR_MEMORY;
    rest.count = 0;
    for (int i = 0; i < at->count; i++)
      if (i != k) rest.keys[rest.count] = at->keys[i], rest.items[rest.count++] = at->items[i];
  }
  const ml3_value x = code == ML3_OK ? ml3_compile_condition(&r->step, &rest) : (ml3_value){0, 0};
  r->task->success = x.reg;
  return x.n ? ML3_OK : r->error->code;
}

static int add_limit(ml3_task_reader *r, const ml3_tree *key, ml3_value x) {
  ml3_task *t = r->task;
  const char *name = x.n ? ml3_task_text(t, r->error, "%s", key->text) : NULL;
  if (!name) return r->error->code;
  t->limits[t->limit_count++] = (ml3_task_limit){name, x.reg};
  r->healthy = r->healthy.n ? ml3_combine(&r->step, ML3_OP_MULTIPLY, r->healthy, x) : x;
  return r->healthy.n ? ML3_OK : r->error->code;
}

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

/* Conditions that must hold for the episode to go on, by name; `limits` are some without one. */
int ml3_task_read_terminate(ml3_task_reader *r) {
  const ml3_tree *at = ml3_tree_find(r->root, "terminate"), *limits = ml3_tree_find(r->root, "limits");
  int code = ML3_OK;
  if (at && at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "terminate: expected lines such as `healthy: {body torso z: [0.2, 1]}`");
  if (limits && limits->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(limits, r->error, "limits: expected lines such as `qpos hinge: [-1, 1]`");
  const size_t count = (size_t)(at ? at->count : 0) + (size_t)(limits ? limits->count : 0);
  if (!(r->task->limits = ml3_task_allocate(r->task, count, sizeof *r->task->limits, r->error))) return ML3_ERR_MEMORY;
  for (int i = 0; at && i < at->count && code == ML3_OK; i++) {
    const ml3_value x = ml3_compile_condition(&r->step, at->items[i]);
    code = add_limit(r, at->keys[i], x);
    if (code == ML3_OK) code = ml3_task_add_name(r, at->keys[i], at->keys[i]->text, NULL, x);
  }
  for (int i = 0; limits && i < limits->count && code == ML3_OK; i++) {
    ml3_tree one = *limits;
    one.count = 1, one.keys = limits->keys + i, one.items = limits->items + i;
    code = add_limit(r, limits->keys[i], ml3_compile_condition(&r->step, &one));
  }
  return code;
}

/* ended: not healthy, or at the goal where that ends it. */
int ml3_task_finish_end(ml3_task_reader *r, bool ends) {
  ml3_task *t = r->task;
  ml3_compiler *c = &r->step;
  const ml3_value one = ml3_constant(c, 1);
  ml3_value ended = r->healthy.n ? ml3_combine(c, ML3_OP_SUBTRACT, one, r->healthy) : ml3_constant(c, 0);
  if (ends && t->success >= 0) ended = ml3_combine(c, ML3_OP_MAX, ended, (ml3_value){t->success, 1});
  t->ended = ended.reg;
  return ended.n && one.n ? ML3_OK : r->error->code;
}
