/* `task:`: what varies from task to task, in which ranges, by split; and which numbers of the model follow from it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/task/task.h"

/* ---- the lines of `task` -------------------------------------------------------------------------------------------- */

/* "scale mass torso" in its parts. */
typedef struct line {
  const ml3_tree *key, *value;
  const ml3_number_kind *kind; /* NULL: a name of its own */
  char object[128];
  bool scale;
  int axis; /* -1: none */
} line;

static int split_key(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *value, line *l) {
  char text[256];
  *l = (line){.key = key, .value = value, .axis = -1};
  if (snprintf(text, sizeof text, "%s", key->text) >= (int)sizeof text)
    return ml3_tree_wrong(key, r->error, "task: the name of a parameter is too long");
  char *at = text;
  if (strncmp(at, "scale ", 6) == 0) l->scale = true, at += 6;
  const size_t n = strcspn(at, " ");
  const bool alone = at[n] == '\0';
  at[n] = '\0';
  for (int i = 0; i < ML3_NUMBER_KINDS; i++)
    if (strcmp(ml3_task_numbers[i].name, at) == 0 && (!alone || ml3_task_numbers[i].object < 0))
      l->kind = &ml3_task_numbers[i];
  if (!l->kind && !alone) {
    const char *names[ML3_NUMBER_KINDS];
    char hint[96];
    for (int i = 0; i < ML3_NUMBER_KINDS; i++) names[i] = ml3_task_numbers[i].name;
    return ml3_tree_wrong(key, r->error, "task: unknown parameter '%.60s'%s", at,
                          ml3_tree_suggestion(at, names, ML3_NUMBER_KINDS, hint));
  }
  if (l->scale && (!l->kind || l->kind->number < ML3_NUMBER_MASS || l->kind->number > ML3_NUMBER_GRAVITY))
    return ml3_tree_wrong(key, r->error,
                          "task: `scale` is for mass, inertia, damping, armature, friction, gear and gravity");
  if (alone) return ML3_OK;
  char *object = at + n + 1;
  const size_t length = strlen(object);
  if (l->kind->axis && length >= 1 && object[length - 1] >= 'x' && object[length - 1] <= 'z' &&
      (length == 1 ? l->kind->object < 0 : object[length - 2] == ' ')) {
    l->axis = object[length - 1] - 'x';
    object[length > 1 ? length - 2 : 0] = '\0';
  }
  snprintf(l->object, sizeof l->object, "%s", object);
  return ML3_OK;
}

/* The site of `goal: {site: S}`, or the one that is called goal. */
static int goal_site(ml3_task_reader *r, const line *l) {
  const ml3_tree *site = ml3_tree_find(ml3_tree_find(r->root, "goal"), "site");
  r->step.at = site ? site : l->key;
  return ml3_compile_object(&r->step, mjOBJ_SITE, ml3_tree_text(site) ? site->text : "goal");
}

/* "TENDON JOINT": where the joint's coefficient in that fixed tendon is; -1 with a complaint. */
static int coefficient_of(ml3_task_reader *r, const line *l) {
  const mjModel *m = r->model;
  char tendon[128];
  const char *space = strrchr(l->object, ' ');
  if (!space) {
    ml3_tree_wrong(l->key, r->error, "task: expected `tendon TENDON JOINT`: a joint's coefficient in a fixed tendon");
    return -1;
  }
  snprintf(tendon, sizeof tendon, "%.*s", (int)(space - l->object), l->object);
  const int id = ml3_compile_object(&r->step, mjOBJ_TENDON, tendon);
  const int joint = id < 0 ? -1 : ml3_compile_object(&r->step, mjOBJ_JOINT, space + 1);
  for (int k = 0; joint >= 0 && k < m->tendon_num[id]; k++) {
    const int at = m->tendon_adr[id] + k;
    if (m->wrap_type[at] == mjWRAP_JOINT && m->wrap_objid[at] == joint) return at;
  }
  if (joint >= 0) ml3_tree_wrong(l->key, r->error, "task: joint '%s' is not in the tendon '%s'", space + 1, tendon);
  return -1;
}

static int object_of(ml3_task_reader *r, const line *l) {
  r->step.at = l->key;
  if (l->kind->number == ML3_NUMBER_TENDON) return coefficient_of(r, l);
  if (l->kind->number == ML3_NUMBER_GRAVITY) return 0;
  if (l->kind->object < 0) return goal_site(r, l);
  int id = -1;
  if (l->kind->object == mjOBJ_ACTUATOR) { /* or the one that drives the joint of that name */
    const int joint = mj_name2id(r->model, mjOBJ_JOINT, l->object);
    for (int i = 0; joint >= 0 && i < ml3_actuators(r->model) && id < 0; i++)
      if (r->model->actuator_trntype[i] == mjTRN_JOINT && r->model->actuator_trnid[2 * i] == joint) id = i;
    if (id >= 0 && mj_name2id(r->model, mjOBJ_ACTUATOR, l->object) < 0) return id;
  }
  id = ml3_compile_object(&r->step, l->kind->object, l->object);
  if (id >= 0 && l->kind->number == ML3_NUMBER_LENGTH && !ml3_task_has_length(r->model, id)) {
    ml3_tree_wrong(l->key, r->error,
                   "task: geom '%.60s' has no length that can vary: expected a capsule or cylinder that "
                   "is all of its body's mass",
                   l->object);
    return -1;
  }
  if (id >= 0 && l->kind->object == mjOBJ_JOINT && r->model->jnt_type[id] != mjJNT_HINGE &&
      r->model->jnt_type[id] != mjJNT_SLIDE) {
    ml3_tree_wrong(l->key, r->error, "joint '%.60s' is a ball or free joint; expected a hinge or a slide", l->object);
    return -1;
  }
  if (id >= 0 && (l->kind->number == ML3_NUMBER_MASS || l->kind->number == ML3_NUMBER_INERTIA) &&
      r->model->body_mass[id] <= 0) {
    ml3_tree_wrong(l->key, r->error, "task: body '%.60s' has no mass in the MJCF", l->object);
    return -1;
  }
  return id;
}

static int check_sign(ml3_task_reader *r, const line *l, const ml3_task_region *g) {
  const ml3_task_number n = l->kind ? l->kind->number : ML3_NUMBER_OWN;
  if (ml3_tree_find(l->value, "power")) return ML3_OK;
  for (int i = 0; i < g->count; i++) {
    const double low = g->intervals[i][0];
    if ((n == ML3_NUMBER_MASS || n == ML3_NUMBER_INERTIA || n == ML3_NUMBER_LENGTH) && low <= 0)
      return ml3_tree_wrong(l->value, r->error, "task: a %s must be above 0",
                            n == ML3_NUMBER_LENGTH ? "length" : "mass");
    if ((n == ML3_NUMBER_DAMPING || n == ML3_NUMBER_FRICTION || n == ML3_NUMBER_ARMATURE) && low < 0)
      return ml3_tree_wrong(l->value, r->error, "task: %s must not be negative", l->kind->name);
  }
  return ML3_OK;
}

/* One parameter, with its variable; `object` is -1 where it has none of the model. */
static int add_parameter(ml3_task_reader *r, const line *l, int object, const char *object_name) {
  ml3_task *t = r->task;
  const int i = t->task_dim;
  const char *kind = l->kind ? l->kind->name : NULL;
  const char *axis = l->axis >= 0 ? (const char *[]){"_x", "_y", "_z"}[l->axis] : "";
  char *name = kind ? (char *)ml3_task_text(t, r->error, "%s%s%s%s", kind, *object_name ? "_" : "", object_name, axis)
                    : (char *)ml3_task_text(t, r->error, "%s", l->key->text);
  if (!name) return ML3_ERR_MEMORY;
  for (char *c = name; *c; c++) *c = *c == ' ' ? '_' : *c;
  for (int k = 0; k < i; k++)
    if (strcmp(t->parameters[k].name, name) == 0)
      return ml3_tree_wrong(l->key, r->error, "task: '%s' is given twice", l->key->text);
  int code = ml3_task_read_regions(r, l->value, l->key->text, t->regions[i]);
  for (int s = 0; s < ML3_SPLITS && code == ML3_OK; s++) code = check_sign(r, l, &t->regions[i][s]);
  if (code != ML3_OK) return code;

  ml3_task_variable v = {.number = l->kind ? l->kind->number : ML3_NUMBER_OWN, .scale = l->scale, .reg = i};
  if (l->kind) v.index = ml3_task_number_index(r->model, l->kind, object) + (l->axis >= 0 ? l->axis : 0);
  t->variables[t->variable_count++] = v;
  const ml3_task_region *g = &t->regions[i][0];
  const ml3_tree *given = l->value->kind == ML3_TREE_MAP ? ml3_tree_find(l->value, "value") : NULL;
  double value = g->count == 1 ? (g->intervals[0][0] + g->intervals[0][1]) / 2 : g->intervals[0][0];
  const bool fixed = g->count == 1 && g->intervals[0][0] == g->intervals[0][1];
  if (l->kind && !l->scale && !fixed) value = ml3_task_number_value(r->model, t->key, &v);
  if (l->scale) value = ml3_tree_find(l->value, "power") ? 0 : 1;
  if (given && ml3_tree_number(given, "value", -1e300, 1e300, &value, r->error) != ML3_OK) return ML3_ERR_FORMAT;
  const ml3_tree *unit_given = l->value->kind == ML3_TREE_MAP ? ml3_tree_find(l->value, "unit") : NULL;
  const char *unit = l->kind && !l->scale ? l->kind->unit : "1";
  if (unit_given && !ml3_tree_text(unit_given)) return ml3_tree_wrong(unit_given, r->error, "unit: expected a text");
  if (unit_given && !(unit = ml3_task_text(t, r->error, "%s", unit_given->text))) return ML3_ERR_MEMORY;
  t->parameters[i] = (ml3_env_parameter){.name = name, .unit = unit, .value = value};
  t->task_dim++;
  return ML3_OK;
}

/* A site that is fixed in the world is placed without a copy of the model. */
static bool is_placed(const ml3_task_reader *r, const ml3_task_variable *v) {
  return v->number == ML3_NUMBER_SITE && r->model->site_bodyid[v->index / 3] == 0;
}

static bool is_expression(const ml3_tree *value) {
  double x;
  ml3_error unused;
  return value->kind == ML3_TREE_TEXT && ml3_tree_number(value, "", -1e300, 1e300, &x, &unused) != ML3_OK;
}

/* How many objects `*` stands for, those that do not count included. */
static int count_of(const ml3_task_reader *r, const line *l) {
  const int counts_of[] = {r->model->nbody, r->model->njnt, r->model->ngeom, ml3_actuators(r->model)};
  const int type = l->kind->object;
  return counts_of[type == mjOBJ_BODY ? 0 : type == mjOBJ_JOINT ? 1 : type == mjOBJ_GEOM ? 2 : 3];
}

static int nothing_to_scale(ml3_task_reader *r, const line *l) {
  return ml3_tree_wrong(l->key, r->error, "task: the model has nothing to scale by '%s'", l->key->text);
}

/* `*`: one parameter for each object that counts. */
static int add_all(ml3_task_reader *r, const line *l) {
  const int type = l->kind->object, count = count_of(r, l);
  bool found = false;
  for (int i = 0; i < count; i++) {
    char number[24];
    const char *name = mj_id2name(r->model, type, i);
    snprintf(number, sizeof number, "%d", i);
    if (!ml3_task_number_counts(r->model, l->kind->number, i)) continue;
    const int code = add_parameter(r, l, i, name && *name ? name : number);
    if (code != ML3_OK) return code;
    found = true;
  }
  return found ? ML3_OK : nothing_to_scale(r, l);
}

static int read_line(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *value) {
  line l;
  int code = split_key(r, key, value, &l);
  if (code != ML3_OK || is_expression(value)) return code; /* which follows from parameters: later */
  if (l.kind && l.kind->axis && l.axis < 0)
    return ml3_tree_wrong(key, r->error, "task: expected `%s x`, y or z", key->text);
  if (l.kind && l.kind->number == ML3_NUMBER_INERTIA && !l.scale)
    return ml3_tree_wrong(key, r->error, "task: an inertia has three numbers; `scale inertia %s` gives a factor",
                          l.object);
  if (l.kind && strcmp(l.object, "*") == 0)
    return l.scale ? add_all(r, &l) : ml3_tree_wrong(key, r->error, "task: `*` goes with `scale`");
  const int object = l.kind ? object_of(r, &l) : 0;
  if (object < 0) return ML3_ERR_FORMAT;
  if (l.kind && l.kind->object < 0 && l.kind->axis && r->model->site_bodyid[object] != 0)
    return ml3_tree_wrong(
        key, r->error,
        "task: the goal's site is on a body that moves; put it into worldbody to give its place a range");
  return add_parameter(r, &l, object, l.object);
}

int ml3_task_read_parameters(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  if (at && at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "task: expected lines such as `mass pole: [0.5, 2]`");
  const size_t room = 1 + (size_t)(at ? at->count : 0) * (size_t)(1 + m->nbody + m->njnt + m->ngeom + m->nu);
  t->parameters = ml3_task_allocate(t, room, sizeof *t->parameters, r->error);
  t->variables = ml3_task_allocate(t, room, sizeof *t->variables, r->error);
  t->regions = ml3_task_allocate(t, room, sizeof *t->regions, r->error);
  t->placed = ml3_task_allocate(t, room, sizeof *t->placed, r->error);
  if (!t->parameters || !t->variables || !t->regions || !t->placed) return ML3_ERR_MEMORY;
  for (int i = 0; at && i < at->count; i++) {
    const int code = read_line(r, at->keys[i], at->items[i]);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- afterwards, when names can be compiled ------------------------------------------------------------------------- */

/* Sites of the world from their parameters. */
static int place_sites(ml3_task_reader *r) {
  ml3_task *t = r->task;
  for (int i = 0; i < t->variable_count; i++) {
    const ml3_task_variable *v = &t->variables[i];
    const int site = v->index / 3;
    ml3_value parts[3];
    bool known = false;
    if (!is_placed(r, v)) continue;
    for (int k = 0; k < t->placed_count; k++) known = known || t->placed[k].site == site;
    if (known) continue;
    for (int axis = 0; axis < 3; axis++) {
      parts[axis] = ml3_constant(&r->step, r->model->site_pos[3 * site + axis]);
      for (int k = 0; k < t->variable_count; k++)
        if (t->variables[k].number == ML3_NUMBER_SITE && t->variables[k].index == 3 * site + axis)
          parts[axis] = (ml3_value){t->parameter.reg + t->variables[k].reg, 1};
    }
    t->placed[t->placed_count] = (ml3_placed){site, ml3_join(&r->step, parts, 3)};
    if (!t->placed[t->placed_count++].value.n) return r->error->code;
  }
  return ML3_OK;
}

/* `scale damping *: EXPRESSION`: one factor for all objects that count. */
static int scale_all(ml3_task_reader *r, const line *l) {
  ml3_task *t = r->task;
  if (!l->scale) return ml3_tree_wrong(l->key, r->error, "task: `*` goes with `scale`");
  const ml3_value x = ml3_compile_width(&r->derive, l->value, 1);
  const int before = t->variable_count;
  for (int i = 0; x.n && i < count_of(r, l); i++)
    if (ml3_task_number_counts(r->model, l->kind->number, i))
      t->variables[t->variable_count++] = (ml3_task_variable){
          .number = l->kind->number, .index = ml3_task_number_index(r->model, l->kind, i), .reg = x.reg, .scale = true};
  if (!x.n) return r->error->code;
  return t->variable_count > before ? ML3_OK : nothing_to_scale(r, l);
}

/* `site goal: EXPRESSION` is its value at the start of an episode; of other numbers what follows from parameters. */
static int read_expression(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *value) {
  ml3_task *t = r->task;
  line l;
  int code = split_key(r, key, value, &l);
  if (code != ML3_OK || !l.kind) return code;
  if (strcmp(l.object, "*") == 0) return scale_all(r, &l);
  const int object = object_of(r, &l);
  if (object < 0) return ML3_ERR_FORMAT;
  if (l.kind->number == ML3_NUMBER_SITE && l.axis < 0) {
    if (r->model->site_bodyid[object] != 0)
      return ml3_tree_wrong(key, r->error, "task: a site that is placed by an expression must be in worldbody");
    const ml3_value where = ml3_compile_width(&r->step, value, 3);
    if (!where.n) return r->error->code;
    const ml3_value kept = {ml3_program_registers(&t->step, NULL, 3), 3};
    if (kept.reg < 0) return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory for a task");
    if (r->step.start_count == ML3_LATCHES_MAX) return ml3_tree_wrong(key, r->error, "task: too many expressions");
    r->step.starts[r->step.start_count++] = (ml3_latch){where.reg, kept.reg, 3};
    t->placed[t->placed_count++] = (ml3_placed){object, kept};
    r->step.placed_count = t->placed_count;
    return ML3_OK;
  }
  if (l.kind->axis && l.axis < 0) return ml3_tree_wrong(key, r->error, "task: expected `%s x`, y or z", key->text);
  if (l.kind->number == ML3_NUMBER_SITE && r->model->site_bodyid[object] == 0)
    return ml3_tree_wrong(key, r->error, "task: an expression places a site of worldbody whole: `site %s: [x, y, z]`",
                          l.object);
  const ml3_value x = ml3_compile_width(&r->derive, value, 1);
  if (!x.n) return r->error->code;
  t->variables[t->variable_count++] =
      (ml3_task_variable){.number = l.kind->number,
                          .index = ml3_task_number_index(r->model, l.kind, object) + (l.axis >= 0 ? l.axis : 0),
                          .reg = x.reg,
                          .scale = l.scale};
  return ML3_OK;
}

/* A power: base ^ parameter instead of the parameter. */
static int raise(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  for (int i = 0, next = 0; i < at->count; i++) {
    const ml3_tree *power = at->items[i]->kind == ML3_TREE_MAP ? ml3_tree_find(at->items[i], "power") : NULL;
    double base;
    line l;
    if (is_expression(at->items[i])) continue;
    if (split_key(r, at->keys[i], at->items[i], &l) != ML3_OK) return ML3_ERR_FORMAT;
    const int first = next; /* the parameters of this line: one, or one of each object */
    next++;
    if (l.kind && strcmp(l.object, "*") == 0) {
      while (next < t->variable_count && t->variables[next].number == l.kind->number && t->variables[next].scale)
        next++;
    }
    if (!power) continue;
    if (ml3_tree_number(power, "power", 1e-9, 1e9, &base, r->error) != ML3_OK) return ML3_ERR_FORMAT;
    for (int k = first; k < next; k++) {
      const ml3_value x = ml3_combine(&r->derive, ML3_OP_POWER, ml3_constant(&r->derive, base), (ml3_value){k, 1});
      if (!x.n) return r->error->code;
      t->variables[k].reg = x.reg;
    }
  }
  return ML3_OK;
}

int ml3_task_finish_parameters(ml3_task_reader *r, const ml3_tree *at) {
  int code = place_sites(r);
  r->step.placed = r->task->placed;
  r->step.placed_count = r->task->placed_count;
  if (code == ML3_OK && at) code = raise(r, at);
  for (int i = 0; at && i < at->count && code == ML3_OK; i++)
    if (is_expression(at->items[i])) code = read_expression(r, at->keys[i], at->items[i]);
  return code;
}
