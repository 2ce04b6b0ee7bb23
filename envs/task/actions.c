/* `actions:`: what a policy drives: actuators, about a rest or within bounds, several of them by one number, mocap bodies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/task/task.h"

static int add_action(ml3_task_reader *r, const char *name, double low, double high) {
  ml3_task *t = r->task;
  const int i = t->specs[0].action_dim;
  const char *kept = ml3_task_text(t, r->error, "%s", name);
  if (!kept) return ML3_ERR_MEMORY;
  t->actions[i] = (ml3_env_field){kept, "1", low, high};
  t->specs[0].action_dim++;
  return ML3_OK;
}

static int drive(ml3_task_reader *r, const ml3_tree *at, int control, int action, double factor) {
  ml3_task *t = r->task;
  for (int i = 0; i < t->control_count; i++)
    if (t->controls[i].control == control)
      return ml3_tree_wrong(at, r->error, "actuator '%.60s' is given twice", ml3_tree_text(at) ? at->text : "");
  t->controls[t->control_count++] = (ml3_task_control){.control = control, .action = action, .factor = factor};
  return ML3_OK;
}

/* The number in the name that an action of an actuator without a name has: actuator_3; -1: it is none of these. */
static int unnamed_actuator(const mjModel *m, const char *name) {
  char *end;
  if (!name || strncmp(name, "actuator_", 9) != 0) return -1;
  const long i = strtol(name + 9, &end, 10);
  const bool is_one = end > name + 9 && !*end && i >= 0 && i < ml3_actuators(m);
  const char *own = is_one ? mj_id2name(m, mjOBJ_ACTUATOR, (int)i) : NULL;
  return is_one && (!own || !*own) ? (int)i : -1;
}

/* An actuator of that name, or the one that drives the joint of that name; -1 with a complaint. */
static int find_actuator(ml3_task_reader *r, const ml3_tree *at, const char *name) {
  const mjModel *m = r->model;
  const int joint = name && *name ? mj_name2id(m, mjOBJ_JOINT, name) : -1;
  const int unnamed = unnamed_actuator(m, name);
  r->step.at = at;
  if (unnamed >= 0 && mj_name2id(m, mjOBJ_ACTUATOR, name) < 0) return unnamed;
  if (joint >= 0 && mj_name2id(m, mjOBJ_ACTUATOR, name) < 0) {
    for (int i = 0; i < ml3_actuators(m); i++)
      if (m->actuator_trntype[i] == mjTRN_JOINT && m->actuator_trnid[2 * i] == joint) return i;
    ml3_tree_wrong(at, r->error, "no actuator drives joint '%.60s'; add a motor for it to the MJCF", name);
    return -1;
  }
  return ml3_compile_object(&r->step, mjOBJ_ACTUATOR, name);
}

/* All controls of an actuator, each an action within its bounds, or within range[2]. */
static int add_actuator(ml3_task_reader *r, const ml3_tree *at, int id, const double *range) {
  const mjModel *m = r->model;
  int first, code = ML3_OK;
  const int count = ml3_controls(m, id, &first);
  const char *name = mj_id2name(m, mjOBJ_ACTUATOR, id);
  if (!name || !*name) name = ml3_task_text(r->task, r->error, "actuator_%d", id);
  if (!name) return ML3_ERR_MEMORY;
  if (count == 0) return ml3_tree_wrong(at, r->error, "actuator '%.60s' has no control: nothing can drive it", name);
  for (int k = 0; k < count && code == ML3_OK; k++) {
    const int control = first + k;
    const double *bounds = range ? range : m->actuator_ctrlrange + 2 * control;
    if (!range && !m->actuator_ctrllimited[control])
      return ml3_tree_wrong(
          at, r->error,
          "actuator '%.60s' has no bounds; give it ctrllimited=\"true\" and a ctrlrange in the MJCF, or "
          "a range in `actions`",
          name);
    code = drive(r, at, control, r->task->specs[0].action_dim, 1);
    const char *own = count > 1 ? ml3_task_text(r->task, r->error, "%s_%d", name, k) : name;
    if (code == ML3_OK) code = own ? add_action(r, own, bounds[0], bounds[1]) : ML3_ERR_MEMORY;
  }
  return code;
}

/* NAME: {ACTUATOR: factor, ...}: one number within +-1 drives them all. */
static int add_together(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *at) {
  int code = ML3_OK;
  for (int i = 0; i < at->count && code == ML3_OK; i++) {
    double factor;
    int first;
    const int id = find_actuator(r, at->keys[i], at->keys[i]->text);
    if (id < 0) return ML3_ERR_FORMAT;
    code = ml3_tree_number(at->items[i], "actions: a factor", -1e9, 1e9, &factor, r->error);
    if (code == ML3_OK && ml3_controls(r->model, id, &first) != 1)
      code = ml3_tree_wrong(at->keys[i], r->error, "actuator '%.60s' has not one control", at->keys[i]->text);
    if (code == ML3_OK) code = drive(r, at->keys[i], first, r->task->specs[0].action_dim, factor);
  }
  return code == ML3_OK ? add_action(r, key->text, -1, 1) : code;
}

/* ACTUATOR: {offset: o, scale: s}: each of its controls is o + s a, with an action a within +-1. */
static int add_about(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *at) {
  ml3_task *t = r->task;
  const ml3_tree *offset = ml3_tree_find(at, "offset"), *scale = ml3_tree_find(at, "scale");
  double o = 0, s = 1;
  int code = ML3_OK, first = 0;
  if (offset) code = ml3_tree_number(offset, "actions: offset", -1e9, 1e9, &o, r->error);
  if (code == ML3_OK && scale) code = ml3_tree_number(scale, "actions: scale", 1e-12, 1e9, &s, r->error);
  const int id = code == ML3_OK ? find_actuator(r, key, key->text) : -1;
  if (id < 0) return code == ML3_OK ? ML3_ERR_FORMAT : code;
  const int count = ml3_controls(r->model, id, &first);
  if (count == 0)
    return ml3_tree_wrong(key, r->error, "actuator '%.60s' has no control: nothing can drive it", key->text);
  for (int k = 0; k < count && code == ML3_OK; k++) {
    const char *own = count > 1 ? ml3_task_text(t, r->error, "%s_%d", key->text, k) : key->text;
    if (!own) return ML3_ERR_MEMORY;
    code = drive(r, key, first + k, t->specs[0].action_dim, s);
    if (code != ML3_OK) return code;
    t->controls[t->control_count - 1].offset = o;
    t->controls[t->control_count - 1].about = true;
    code = add_action(r, own, -1, 1);
  }
  return code;
}

static bool is_about(const ml3_tree *at) {
  for (int i = 0; i < at->count; i++)
    if (strcmp(at->keys[i]->text, "offset") != 0 && strcmp(at->keys[i]->text, "scale") != 0) return false;
  return at->count > 0;
}

static int read_three(ml3_task_reader *r, const ml3_tree *at, const char *what, double x[3]) {
  int code = ML3_OK;
  if (at->kind != ML3_TREE_LIST || at->count != 3) return ml3_tree_wrong(at, r->error, "%s: expected [x, y, z]", what);
  for (int i = 0; i < 3 && code == ML3_OK; i++)
    code = ml3_tree_number(at->items[i], what, -1e300, 1e300, &x[i], r->error);
  return code;
}

/* mocap BODY: {position: scale, low: [x, y, z], high: [x, y, z]}. */
static int add_mocap(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *at) {
  static const char *const keys[] = {"position", "low", "high"};
  ml3_task *t = r->task;
  const char *name = key->text + 6;
  r->step.at = key;
  const int body = ml3_compile_object(&r->step, mjOBJ_BODY, name);
  if (body < 0) return ML3_ERR_FORMAT;
  if (r->model->body_mocapid[body] < 0)
    return ml3_tree_wrong(key, r->error, "body '%.60s' is no mocap body; give it mocap=\"true\" in the MJCF", name);
  ml3_task_mocap p = {.mocap = r->model->body_mocapid[body], .action = t->specs[0].action_dim, .scale = 1};
  for (int i = 0; i < 3; i++) p.low[i] = -INFINITY, p.high[i] = INFINITY;
  const ml3_tree *found;
  int code = ml3_tree_keys(at, "actions", keys, 3, r->error);
  if (code == ML3_OK && (found = ml3_tree_find(at, "position")))
    code = ml3_tree_number(found, "actions: position", 1e-12, 1e9, &p.scale, r->error);
  if (code == ML3_OK && (found = ml3_tree_find(at, "low"))) code = read_three(r, found, "actions: low", p.low);
  if (code == ML3_OK && (found = ml3_tree_find(at, "high"))) code = read_three(r, found, "actions: high", p.high);
  for (int i = 0; i < 3 && code == ML3_OK; i++) {
    char action[160];
    snprintf(action, sizeof action, "%.120s_%c", name, 'x' + i);
    code = add_action(r, action, -1, 1);
  }
  t->mocaps[t->mocap_count++] = p;
  return code;
}

static int read_one(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *value) {
  double range[2];
  if (strncmp(key->text, "mocap ", 6) == 0) return add_mocap(r, key, value);
  if (value->kind == ML3_TREE_MAP) return is_about(value) ? add_about(r, key, value) : add_together(r, key, value);
  const int id = find_actuator(r, key, key->text);
  if (id < 0) return ML3_ERR_FORMAT;
  if (value->kind == ML3_TREE_TEXT && strcmp(value->text, "ctrlrange") == 0) return add_actuator(r, key, id, NULL);
  const int code = ml3_tree_range(value, key->text, &range[0], &range[1], r->error);
  if (code == ML3_OK && !(isfinite(range[0]) && isfinite(range[1])))
    return ml3_tree_wrong(value, r->error, "%s: the bounds of an action are finite", key->text);
  return code == ML3_OK ? add_actuator(r, key, id, range) : code;
}

int ml3_task_read_actions(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  int code = ML3_OK, first;
  const size_t room = (size_t)(m->nu + 3 * (at ? at->count : 0)) + 1;
  t->controls = ml3_task_allocate(t, room, sizeof *t->controls, r->error);
  t->actions = ml3_task_allocate(t, room, sizeof *t->actions, r->error);
  t->mocaps = ml3_task_allocate(t, room, sizeof *t->mocaps, r->error);
  if (!t->controls || !t->actions || !t->mocaps) return ML3_ERR_MEMORY;
  if (at && at->kind == ML3_TREE_TEXT)
    return ml3_tree_wrong(at, r->error, "actions: expected a list such as [shoulder, elbow]");
  for (int i = 0; at && i < at->count && code == ML3_OK; i++) {
    if (at->kind == ML3_TREE_MAP) {
      code = read_one(r, at->keys[i], at->items[i]);
      continue;
    }
    const int id = find_actuator(r, at->items[i], ml3_tree_text(at->items[i]));
    code = id < 0 ? ML3_ERR_FORMAT : add_actuator(r, at->items[i], id, NULL);
  }
  for (int i = 0; !at && i < ml3_actuators(m) && code == ML3_OK; i++)
    if (ml3_controls(m, i, &first) > 0) code = add_actuator(r, r->root, i, NULL);
  if (code == ML3_OK && t->specs[0].action_dim == 0)
    code = ml3_tree_wrong(at ? at : r->root, r->error, "the model has no actuators to act with");
  return code;
}
