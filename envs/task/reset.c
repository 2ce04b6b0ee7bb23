/* `reset:`: how an episode begins. In the order written; noise alone is added to what is there, all else replaces it. All of it is
   drawn again where `accept`, a condition on the state, does not hold. */
#include <string.h>

#include "envs/task/task.h"

static int state_size(const mjModel *m) {
  return m->nq + m->nv + m->na + 7 * m->nmocap;
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
  r->reset.state = t->task_dim;
  if (at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "reset: expected lines such as `qpos: uniform 0.1`");
  for (int i = 0; i < at->count; i++) {
    if (strcmp(at->keys[i]->text, "keyframe") == 0) continue; /* read before */
    if (strcmp(at->keys[i]->text, "accept") == 0) continue;   /* after them all */
    const int code = read_line(r, at->keys[i], at->items[i]);
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
