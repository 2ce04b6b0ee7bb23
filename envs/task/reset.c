/* `reset:`: how an episode begins. In the order written; noise alone is added to what is there, all else replaces it. */
#include <string.h>

#include "envs/task/task.h"

/* The registers of the state that a quantity was read from; n 0 with a complaint. */
static ml3_value target_of(ml3_task_reader *r, ml3_value x) {
  const mjModel *m = r->model;
  const ml3_program *p = &r->task->reset;
  const int state = r->task->task_dim;
  for (int i = 0; i < p->count; i++) {
    const ml3_instruction *k = &p->code[i];
    if (k->op != ML3_OP_READ || x.reg < k->out || x.reg + x.n > k->out + k->n || k->stride != 1) continue;
    const int first = k->first + (x.reg - k->out);
    int base = -1;
    if (k->array == offsetof(mjData, qpos)) base = state;
    if (k->array == offsetof(mjData, qvel)) base = state + m->nq;
    if (k->array == offsetof(mjData, act)) base = state + m->nq + m->nv;
    if (k->array == offsetof(mjData, mocap_pos)) base = state + m->nq + m->nv + m->na;
    if (k->array == offsetof(mjData, mocap_quat)) base = state + m->nq + m->nv + m->na + 3 * m->nmocap;
    if (base >= 0) return (ml3_value){base + first, x.n};
  }
  return ml3_refuse(&r->reset, "reset: expected a part of qpos, qvel, act, mocap_pos or mocap_quat, or a joint");
}

/* The parts of a joint's qpos: what stays, and what is drawn. */
static ml3_value random_joint(ml3_compiler *c, int joint, ml3_value parts[2]) {
  const mjModel *m = c->model;
  const int type = m->jnt_type[joint], first = c->start + m->jnt_qposadr[joint];
  const bool limited = m->jnt_limited[joint];
  const double pi = 3.14159265358979323846, *range = m->jnt_range + 2 * joint;
  if (type == mjJNT_BALL && limited)
    return ml3_refuse(c, "`random joints`: ball joint %d has a range; draw its quaternion by itself", joint);
  if (type == mjJNT_FREE) parts[0] = (ml3_value){first, 3};
  if (type == mjJNT_SLIDE && !limited) return parts[0] = (ml3_value){first, 1};
  if (type == mjJNT_FREE || type == mjJNT_BALL)
    return parts[type == mjJNT_FREE] = ml3_emit(c, (ml3_instruction){.op = ML3_OP_QUATERNION, .n = 4}, 4);
  const ml3_value low = ml3_constant(c, limited ? range[0] : -pi), high = ml3_constant(c, limited ? range[1] : pi);
  return parts[0] = ml3_emit(c, (ml3_instruction){.op = ML3_OP_UNIFORM, .n = 1, .a = low.reg, .b = high.reg}, 1);
}

/* As dm_control's randomize_limited_and_rotational_joints, whose free joints do not turn as evenly. */
ml3_value ml3_compile_random_joints(ml3_compiler *c) {
  ml3_value parts[2 * c->model->njnt];
  int count = 0;
  for (int i = 0; i < c->model->njnt; i++) {
    parts[count] = parts[count + 1] = (ml3_value){0, 0};
    if (!random_joint(c, i, parts + count).n) return (ml3_value){0, 0};
    count += parts[count + 1].n ? 2 : 1;
  }
  return ml3_join(c, parts, count);
}

/* `contacts: none`: drawn again where bodies touch. */
static int read_contacts(ml3_task_reader *r, const ml3_tree *at) {
  const char *text = ml3_tree_text(at);
  r->task->apart = text && strcmp(text, "none") == 0;
  return r->task->apart
             ? ML3_OK
             : ml3_tree_wrong(at, r->error, "reset: contacts: expected none: it is drawn until nothing touches");
}

static bool is_noise(const ml3_tree *at) {
  return at->kind == ML3_TREE_TEXT && (strncmp(at->text, "uniform", 7) == 0 || strncmp(at->text, "normal", 6) == 0);
}

static int read_line(ml3_task_reader *r, const ml3_tree *key, const ml3_tree *value) {
  ml3_compiler *c = &r->reset;
  const ml3_value read = ml3_compile(c, key);
  const ml3_value to = read.n ? target_of(r, read) : read;
  if (!to.n) return r->error->code;
  c->draw_width = to.n;
  ml3_value x = ml3_compile(c, value);
  c->draw_width = 0;
  if (x.n && x.n != 1 && x.n != to.n) x = ml3_refuse(c, "reset: %d numbers for %d", x.n, to.n);
  if (x.n && is_noise(value)) x = ml3_combine(c, ML3_OP_ADD, to, x);
  if (x.n)
    x = ml3_emit(c, (ml3_instruction){.op = ML3_OP_COPY, .n = to.n, .out = to.reg, .a = x.reg, .a_step = x.n > 1},
                 to.n);
  return x.n ? ML3_OK : r->error->code;
}

int ml3_task_read_reset(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  if (at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "reset: expected lines such as `qpos: uniform 0.1`");
  for (int i = 0; i < at->count; i++) {
    if (strcmp(at->keys[i]->text, "keyframe") == 0) continue; /* read before */
    const int code = strcmp(at->keys[i]->text, "contacts") == 0 ? read_contacts(r, at->items[i])
                                                                : read_line(r, at->keys[i], at->items[i]);
    if (code != ML3_OK) return code;
  }
  return t->reset.needs && t->reset.needs != ML3_NEEDS_FORCES
             ? ml3_tree_wrong(at, r->error,
                              "reset: places and velocities are not known yet when an episode begins; "
                              "expected qpos, qvel, task parameters and numbers")
             : ML3_OK;
}
