/* `reset:`: how an episode begins. In the order written; noise alone is added to what is there, all else replaces it. All of it is
   drawn again where `accept`, a condition on the state, does not hold. */
#include <string.h>

#include "envs/task/task.h"

static int state_size(const mjModel *m) {
  return m->nq + m->nv + m->na + 7 * m->nmocap;
}

/* The parts of a joint's qpos: what stays, and what is drawn. */
static ml3_value random_joint(ml3_compiler *c, int joint, ml3_value parts[2]) {
  const mjModel *m = c->model;
  const int type = m->jnt_type[joint], first = c->state + m->jnt_qposadr[joint];
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
  const ml3_value to = ml3_compile(c, key);
  if (!to.n) return r->error->code;
  if (to.reg < c->state || to.reg + to.n > c->state + state_size(r->model)) {
    ml3_refuse(c, "reset: expected a part of qpos, qvel, act, mocap_pos or mocap_quat, or a joint");
    return r->error->code;
  }
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
  ml3_value accepted = {-1, 1};
  t->reset.changes = true;
  if (at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "reset: expected lines such as `qpos: uniform 0.1`");
  for (int i = 0; i < at->count; i++) {
    if (strcmp(at->keys[i]->text, "keyframe") == 0) continue; /* read before */
    if (strcmp(at->keys[i]->text, "accept") == 0) continue;   /* after them all */
    const int code = strcmp(at->keys[i]->text, "contacts") == 0 ? read_contacts(r, at->items[i])
                                                                : read_line(r, at->keys[i], at->items[i]);
    if (code != ML3_OK) return code;
  }
  const ml3_tree *accept = ml3_tree_find(at, "accept");
  if (accept) accepted = ml3_compile_condition(&r->reset, accept);
  if (!accepted.n) return r->error->code;
  t->accepted = accepted.reg;
  return t->reset.needs && t->reset.needs != ML3_NEEDS_FORCES
             ? ml3_tree_wrong(at, r->error,
                              "reset: places and velocities are not known yet when an episode begins; "
                              "expected qpos, qvel, task parameters and numbers")
             : ML3_OK;
}
