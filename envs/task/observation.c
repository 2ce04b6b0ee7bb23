/* `observation:`, and the names and units of the state. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/task/task.h"

/* ---- fields --------------------------------------------------------------------------------------------------------- */

static int joint_of(const mjModel *m, int index, bool velocity, int *k) {
  for (int j = m->njnt - 1; j >= 0; j--) {
    const int first = velocity ? m->jnt_dofadr[j] : m->jnt_qposadr[j];
    if (index < first) continue;
    *k = index - first;
    return j;
  }
  return 0;
}

/* Number `index` of qpos (or qvel) as a field of the state. */
static ml3_env_field joint_field(ml3_task_reader *r, int index, bool velocity) {
  const mjModel *m = r->model;
  int k = 0;
  const int joint = joint_of(m, index, velocity, &k), type = m->jnt_type[joint];
  const bool scalar = type == mjJNT_HINGE || type == mjJNT_SLIDE;
  const bool limited = scalar && !velocity && m->jnt_limited[joint];
  const bool in_m = type == mjJNT_SLIDE || (type == mjJNT_FREE && k < 3); /* else a turn: an angle, or a quaternion */
  const char *name = mj_id2name(m, mjOBJ_JOINT, joint), *what = velocity ? "_velocity" : "";
  char number[24];
  snprintf(number, sizeof number, "joint_%d", joint);
  if (!name || !*name) name = number;
  return (ml3_env_field){.name = scalar ? ml3_task_text(r->task, r->error, "%s%s", name, what)
                                        : ml3_task_text(r->task, r->error, "%s%s_%d", name, what, k),
                         .unit = velocity ? (in_m ? "m/s" : "rad/s")
                                 : in_m   ? "m"
                                 : scalar ? "rad"
                                          : "1",
                         .low = limited ? m->jnt_range[2 * joint] : -INFINITY,
                         .high = limited ? m->jnt_range[2 * joint + 1] : INFINITY};
}

int ml3_task_fill_state(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  const int dim = m->nq + m->nv + m->na;
  int n = 0;
  t->state = ml3_task_allocate(t, (size_t)dim + 1, sizeof *t->state, r->error);
  if (!t->state) return ML3_ERR_MEMORY;
  for (int i = 0; i < m->nq; i++) t->state[n++] = joint_field(r, i, false);
  for (int i = 0; i < m->nv; i++) t->state[n++] = joint_field(r, i, true);
  for (int i = 0; i < m->na; i++)
    t->state[n++] = (ml3_env_field){ml3_task_text(t, r->error, "activation_%d", i), "1", -INFINITY, INFINITY};
  for (int i = 0; i < dim; i++)
    if (!t->state[i].name) return ML3_ERR_MEMORY;
  return ML3_OK;
}

/* The instruction that made a value, if it is a part of what one read. */
static const ml3_instruction *read_by(const ml3_program *p, ml3_value x) {
  for (int i = 0; i < p->count; i++)
    if (p->code[i].op == ML3_OP_READ && p->code[i].out <= x.reg && x.reg < p->code[i].out + p->code[i].n)
      return &p->code[i];
  return NULL;
}

/* A name for numbers of a text: letters, digits and underscores; "body torso" is "torso", "qpos[2:]" "qpos". */
static void name_of(const char *text, char name[128]) {
  static const char *const dropped[] = {"body ", "xbody ", "site ", "geom ", "mocap ", "camera ", "sensor "};
  size_t n = 0;
  for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
    if (strncmp(text, dropped[i], strlen(dropped[i])) == 0) {
      text += strlen(dropped[i]);
      break;
    }
  for (; *text && *text != '[' && *text != '(' && n < 100; text++)
    if (isalnum((unsigned char)*text) || *text == '_')
      name[n++] = *text;
    else if (n && name[n - 1] != '_')
      name[n++] = '_';
  while (n && name[n - 1] == '_') n--;
  name[n] = '\0';
  if (!n) snprintf(name, 128, "observation");
}

/* "cos qpos[:2]" is cos_shoulder, cos_elbow; an empty name: it is no function of numbers of joints. */
static ml3_env_field function_field(ml3_task_reader *r, ml3_value x, int k, const char *text) {
  const ml3_program *p = &r->task->step;
  for (int i = 0; i < p->count; i++) {
    const ml3_instruction *f = &p->code[i];
    if (f->op < ML3_OP_NEGATE || f->op > ML3_OP_ROUND || x.reg < f->out || x.reg >= f->out + f->n) continue;
    const int operand = f->a + (x.reg - f->out) * f->a_step;
    const ml3_instruction *by = read_by(p, (ml3_value){operand, x.n});
    const bool velocity = by && by->array == offsetof(mjData, qvel);
    if (!velocity && !(by && by->array == offsetof(mjData, qpos))) continue;
    const ml3_env_field joint = joint_field(r, by->first + operand - by->out + k, velocity);
    const char *name = ml3_task_text(r->task, r->error, "%.*s_%s", (int)strcspn(text, " ("), text, joint.name);
    return (ml3_env_field){.name = name, .unit = "1", .low = -INFINITY, .high = INFINITY};
  }
  return (ml3_env_field){0};
}

/* "_x" for the first number of a text that ends in " xy" and so on; NULL: numbers are counted. */
static const char *axis_of(const char *text, int k) {
  static const char *const pairs[3][3] = {{" xy", "_x", "_y"}, {" xz", "_x", "_z"}, {" yz", "_y", "_z"}};
  const size_t n = text ? strlen(text) : 0;
  for (int i = 0; i < 3 && n > 3 && k < 2; i++)
    if (strcmp(text + n - 3, pairs[i][0]) == 0) return pairs[i][1 + k];
  return NULL;
}

/* Field k of the n numbers of a quantity with that text. */
static ml3_env_field field_of(ml3_task_reader *r, ml3_value x, int k, const char *name, const char *text) {
  const ml3_instruction *by = read_by(&r->task->step, x);
  const bool position = by && by->array == offsetof(mjData, qpos), velocity = by && by->array == offsetof(mjData, qvel);
  if (position || velocity) {
    ml3_env_field field = joint_field(r, by->first + x.reg - by->out + k, velocity);
    field.low = -INFINITY, field.high = INFINITY; /* MuJoCo's limits give way a little */
    return field;
  }
  const bool place = x.n == 3 && by &&
                     (by->array == offsetof(mjData, xpos) || by->array == offsetof(mjData, site_xpos) ||
                      by->array == offsetof(mjData, geom_xpos) || by->array == offsetof(mjData, xipos));
  const bool goal = x.n == 3 && (strcmp(name, "goal") == 0 || strcmp(name, "to_goal") == 0);
  ml3_env_field field = {.unit = place || goal ? "m" : "1", .low = -INFINITY, .high = INFINITY};
  field.name = x.n == 1                       ? ml3_task_text(r->task, r->error, "%s", name)
               : x.n == 3                     ? ml3_task_text(r->task, r->error, "%s_%c", name, 'x' + k)
               : x.n == 2 && axis_of(text, k) ? ml3_task_text(r->task, r->error, "%s%s", name, axis_of(text, k))
                                              : ml3_task_text(r->task, r->error, "%s_%d", name, k);
  if (strncmp(name, "sin_", 4) == 0 || strncmp(name, "cos_", 4) == 0) field.low = -1, field.high = 1;
  return field;
}

/* ---- lists of quantities -------------------------------------------------------------------------------------------- */

/* `QUANTITY`, or `{of: QUANTITY, name: N, range: [low, high], unit: m}`: the quantity, and what is said of its numbers in
   `said`. */
static const ml3_tree *open_line(ml3_task_reader *r, const ml3_tree *at, ml3_env_field *said) {
  static const char *const keys[] = {"of", "range", "unit", "name"};
  *said = (ml3_env_field){.low = -INFINITY, .high = INFINITY};
  if (at->kind != ML3_TREE_MAP) return at;
  const ml3_tree *of = ml3_tree_find(at, "of"), *range = ml3_tree_find(at, "range"), *unit = ml3_tree_find(at, "unit");
  const ml3_tree *name = ml3_tree_find(at, "name");
  if (ml3_tree_keys(at, "a quantity", keys, 4, r->error) != ML3_OK) return NULL;
  if (!of || (name && !ml3_tree_text(name)) || (unit && !ml3_tree_text(unit))) {
    ml3_tree_wrong(at, r->error, "expected {of: QUANTITY, name: N, range: [low, high], unit: m}");
    return NULL;
  }
  if (range && ml3_tree_range(range, "range", &said->low, &said->high, r->error) != ML3_OK) return NULL;
  if (name && !(said->name = ml3_task_text(r->task, r->error, "%s", name->text))) return NULL;
  if (unit && !(said->unit = ml3_task_text(r->task, r->error, "%s", unit->text))) return NULL;
  return of;
}

/* The fields of one line, from fields[0] on; key NULL: it has none. */
static int fill_fields(ml3_task_reader *r, ml3_value x, const char *key, const ml3_tree *line,
                       const ml3_env_field *said, ml3_env_field *fields) {
  const char *text = ml3_tree_text(line);
  char name[128];
  name_of(said->name ? said->name : key ? key : text ? text : "observation", name);
  for (int k = 0; k < x.n; k++) {
    fields[k] = !key && !said->name && text ? function_field(r, x, k, text) : (ml3_env_field){0};
    const char *of_joint = fields[k].name;
    fields[k] = field_of(r, x, k, of_joint ? of_joint : name, text);
    if (of_joint) fields[k].name = of_joint;
    if (said->name && x.n == 1) fields[k].name = said->name;
    if (!fields[k].name) return ML3_ERR_MEMORY;
    if (said->low > -INFINITY) fields[k].low = said->low;
    if (said->high < INFINITY) fields[k].high = said->high;
    if (said->unit) fields[k].unit = said->unit;
  }
  return ML3_OK;
}

int ml3_task_read_list(ml3_task_reader *r, const ml3_tree *at, ml3_value *value, ml3_env_field **fields) {
  const int count = at->kind == ML3_TREE_TEXT ? 0 : at->count;
  ml3_value *parts = ml3_task_allocate(r->task, (size_t)count + 1, sizeof *parts, r->error);
  ml3_env_field *said = ml3_task_allocate(r->task, (size_t)count + 1, sizeof *said, r->error);
  const ml3_tree **lines = ml3_task_allocate(r->task, (size_t)count + 1, sizeof *lines, r->error);
  int dim = 0, n = 0;
  if (!parts || !said || !lines) return ML3_ERR_MEMORY;
  for (int i = 0; i < count; i++) {
    lines[i] = open_line(r, at->items[i], &said[i]);
    parts[i] = lines[i] ? ml3_compile(&r->step, lines[i]) : (ml3_value){0, 0};
    if (!parts[i].n) return r->error->code;
    dim += parts[i].n;
  }
  if (!(*fields = ml3_task_allocate(r->task, (size_t)dim, sizeof **fields, r->error))) return ML3_ERR_MEMORY;
  for (int i = 0; i < count; n += parts[i++].n) {
    const char *key = at->kind == ML3_TREE_MAP ? at->keys[i]->text : NULL;
    if (fill_fields(r, parts[i], key, lines[i], &said[i], *fields + n) != ML3_OK) return ML3_ERR_MEMORY;
  }
  *value = ml3_join(&r->step, parts, count);
  return value->n ? ML3_OK : r->error->code;
}

int ml3_task_read_observation(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  ml3_tree usual[3], *items[3] = {usual, usual + 1, usual + 2};
  char *texts[3] = {"qpos", "qvel", "to_goal"};
  for (int i = 0; i < 3; i++)
    usual[i] = (ml3_tree){.kind = ML3_TREE_TEXT, .file = r->root->file, .line = 1, .text = texts[i]};
  const ml3_tree list = {
      .kind = ML3_TREE_LIST, .file = r->root->file, .line = 1, .count = r->goal_of.n ? 3 : 2, .items = items};
  if (at && (at->kind == ML3_TREE_TEXT || at->count == 0))
    return ml3_tree_wrong(at, r->error, "observation: expected a list such as [qpos, qvel]");
  const int code = ml3_task_read_list(r, at ? at : &list, &t->observation, &t->obs);
  t->specs[0].obs_dim = t->observation.n;
  return code;
}
