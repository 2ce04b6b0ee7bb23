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

/* Field k of the n numbers of a quantity. */
static ml3_env_field field_of(ml3_task_reader *r, ml3_value x, int k, const char *name) {
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
  field.name = x.n == 1   ? ml3_task_text(r->task, r->error, "%s", name)
               : x.n == 3 ? ml3_task_text(r->task, r->error, "%s_%c", name, 'x' + k)
                          : ml3_task_text(r->task, r->error, "%s_%d", name, k);
  if (strncmp(name, "sin_", 4) == 0 || strncmp(name, "cos_", 4) == 0) field.low = -1, field.high = 1;
  return field;
}

/* ---- the section ---------------------------------------------------------------------------------------------------- */

int ml3_task_read_observation(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  ml3_compiler *c = &r->step;
  const ml3_tree qpos = {.kind = ML3_TREE_TEXT, .file = r->root->file, .line = 1, .text = "qpos"};
  const ml3_tree qvel = {.kind = ML3_TREE_TEXT, .file = r->root->file, .line = 1, .text = "qvel"};
  const ml3_tree to_goal = {.kind = ML3_TREE_TEXT, .file = r->root->file, .line = 1, .text = "to_goal"};
  const ml3_tree *usual[3] = {&qpos, &qvel, &to_goal};
  const int count = at ? at->count : r->goal_of.n ? 3 : 2;
  if (at && (at->kind == ML3_TREE_TEXT || count == 0))
    return ml3_tree_wrong(at, r->error, "observation: expected a list such as [qpos, qvel]");
  ml3_value *parts = ml3_task_allocate(t, (size_t)count + 1, sizeof *parts, r->error);
  if (!parts) return ML3_ERR_MEMORY;
  int dim = 0, n = 0;
  for (int i = 0; i < count; i++) {
    parts[i] = ml3_compile(c, at ? at->items[i] : usual[i]);
    if (!parts[i].n) return r->error->code;
    dim += parts[i].n;
  }
  t->obs = ml3_task_allocate(t, (size_t)dim, sizeof *t->obs, r->error);
  if (!t->obs) return ML3_ERR_MEMORY;
  for (int i = 0; i < count; i++) {
    char name[128];
    const ml3_tree *item = at ? at->items[i] : usual[i];
    name_of(at && at->kind == ML3_TREE_MAP ? at->keys[i]->text
            : ml3_tree_text(item)          ? item->text
                                           : "observation",
            name);
    for (int k = 0; k < parts[i].n; k++, n++) {
      t->obs[n] = field_of(r, parts[i], k, name);
      if (!t->obs[n].name) return ML3_ERR_MEMORY;
    }
  }
  t->observation = ml3_join(c, parts, count);
  t->specs[0].obs_dim = dim;
  return t->observation.n ? ML3_OK : r->error->code;
}
