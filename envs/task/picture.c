/* Pictures and the hand in a window: where a scene's bodies are, `plane:` and `hand:`. */
#include "envs/task/picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mjcf.h"
#include "envs/task/instance.h"

typedef ml3_task_instance instance;

static const ml3_task *task_of(const ml3_env *env) {
  return env->spec->own;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static int read_pair(ml3_task_reader *r, const ml3_tree *at, const char *key, double x[2]) {
  const ml3_tree *pair = ml3_tree_find(at, key);
  int code = ML3_OK;
  if (!pair || pair->kind != ML3_TREE_LIST || pair->count != 2)
    return ml3_tree_wrong(pair ? pair : at, r->error, "plane: %s: expected two numbers, one for each axis", key);
  for (int i = 0; i < 2 && code == ML3_OK; i++)
    code = ml3_tree_number(pair->items[i], "plane", -1e9, 1e9, &x[i], r->error);
  return code;
}

/* The entry of the state of that name; -1 with a complaint. */
static int state_entry(ml3_task_reader *r, const ml3_tree *at) {
  const int dim = r->model->nq + r->model->nv + r->model->na;
  const char *text = ml3_tree_text(at), **names = ml3_task_allocate(r->task, (size_t)dim, sizeof *names, r->error);
  char hint[96];
  if (!names) return -1;
  for (int i = 0; i < dim; i++) names[i] = r->task->state[i].name;
  for (int i = 0; i < dim && text; i++)
    if (strcmp(names[i], text) == 0) return i;
  ml3_tree_wrong(at, r->error, "plane: the state has no entry '%.60s'%s", text ? text : "",
                 text ? ml3_tree_suggestion(text, names, dim, hint) : "");
  return -1;
}

static int read_plane(ml3_task_reader *r, const ml3_tree *at) {
  static const char *const keys[] = {"along", "low", "high", "from", "to", "height"};
  ml3_env_plane *p = ml3_task_allocate(r->task, 1, sizeof *p, r->error);
  if (!p) return ML3_ERR_MEMORY;
  int code = ml3_tree_keys(at, "plane", keys, 6, r->error);
  if (code != ML3_OK) return code;
  const ml3_tree *along = ml3_tree_find(at, "along"), *height = ml3_tree_find(at, "height");
  if (!along || along->kind != ML3_TREE_LIST || along->count != 2)
    return ml3_tree_wrong(at, r->error, "plane: along: expected two entries of the state");
  if ((p->along_x = state_entry(r, along->items[0])) < 0) return r->error->code;
  if ((p->along_y = state_entry(r, along->items[1])) < 0) return r->error->code;
  code = read_pair(r, at, "low", p->low);
  if (code == ML3_OK) code = read_pair(r, at, "high", p->high);
  if (code == ML3_OK) code = read_pair(r, at, "from", p->from);
  if (code == ML3_OK) code = read_pair(r, at, "to", p->to);
  for (int i = 0; i < 2 && code == ML3_OK; i++)
    if (!(p->low[i] < p->high[i]) || p->from[i] == p->to[i])
      code = ml3_tree_wrong(at, r->error, "plane: low must be below high, and from is not to");
  if (code == ML3_OK && height) code = ml3_tree_number(height, "plane: height", -1e9, 1e9, &p->height, r->error);
  if (code == ML3_OK) r->task->specs[0].plane = p;
  return code;
}

/* Entries of the state that an episode begins with and that follow from the parameters of the hand: of a slide or hinge its
   velocity too. */
static int find_followers(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  bool *marked = ml3_task_allocate(t, (size_t)t->reset.size + 1, sizeof *marked, r->error);
  t->followers = ml3_task_allocate(t, (size_t)(m->nq + m->nv), sizeof *t->followers, r->error);
  if (!marked || !t->followers) return ML3_ERR_MEMORY;
  for (int i = 0; i < t->hand_count; i++) marked[t->hand_sets[i].parameter] = true;
  ml3_program_spread(&t->reset, marked);
  for (int j = 0; j < m->njnt; j++) {
    const bool scalar = m->jnt_type[j] == mjJNT_HINGE || m->jnt_type[j] == mjJNT_SLIDE;
    if (scalar && marked[t->task_dim + m->jnt_qposadr[j]]) marked[t->task_dim + m->nq + m->jnt_dofadr[j]] = true;
  }
  for (int i = 0; i < m->nq + m->nv; i++)
    if (marked[t->task_dim + i]) t->followers[t->follower_count++] = i;
  return ML3_OK;
}

/* PARAMETER: QUANTITY of the point `hand` and of parameters. */
static int read_hand(ml3_task_reader *r, const ml3_tree *at) {
  ml3_task *t = r->task;
  if (at->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(at, r->error, "hand: expected lines such as `goal_x: clip(hand x, -1, 1)`");
  t->hand_sets = ml3_task_allocate(t, (size_t)at->count, sizeof *t->hand_sets, r->error);
  const char **names = ml3_task_allocate(t, (size_t)t->task_dim, sizeof *names, r->error);
  if (!t->hand_sets || !names) return ML3_ERR_MEMORY;
  for (int i = 0; i < t->task_dim; i++) names[i] = t->parameters[i].name;
  for (int i = 0; i < at->count; i++) {
    char hint[96];
    int k = 0;
    while (k < t->task_dim && strcmp(names[k], at->keys[i]->text) != 0) k++;
    if (k == t->task_dim)
      return ml3_tree_wrong(at->keys[i], r->error, "hand: the task has no parameter '%.60s'%s", at->keys[i]->text,
                            ml3_tree_suggestion(at->keys[i]->text, names, t->task_dim, hint));
    const ml3_value x = ml3_compile_width(&r->hand, at->items[i], 1);
    if (!x.n) return r->error->code;
    t->hand_sets[t->hand_count++] = (ml3_task_hand){k, x.reg};
  }
  if (t->hand.needs)
    return ml3_tree_wrong(at, r->error, "hand: expected quantities of `hand`, parameters and numbers alone");
  return find_followers(r);
}

/* The object of row `row` of an array of mjData, if the body is its own; -1: the array says nothing of where bodies are. */
static int body_of_row(const mjModel *m, size_t array, int number) {
  static const struct {
    size_t array;
    int type, width;
  } frames[] = {{offsetof(mjData, xpos), mjOBJ_BODY, 3},      {offsetof(mjData, xquat), mjOBJ_BODY, 4},
                {offsetof(mjData, xmat), mjOBJ_BODY, 9},      {offsetof(mjData, xipos), mjOBJ_BODY, 3},
                {offsetof(mjData, ximat), mjOBJ_BODY, 9},     {offsetof(mjData, geom_xpos), mjOBJ_GEOM, 3},
                {offsetof(mjData, geom_xmat), mjOBJ_GEOM, 9}, {offsetof(mjData, site_xpos), mjOBJ_SITE, 3},
                {offsetof(mjData, site_xmat), mjOBJ_SITE, 9}};
  for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
    if (frames[i].array == array) {
      const int id = number / frames[i].width;
      return frames[i].type == mjOBJ_BODY ? id : frames[i].type == mjOBJ_GEOM ? m->geom_bodyid[id] : m->site_bodyid[id];
    }
  return -1;
}

/* Does an instruction look at that body, or at something that may depend on it? */
static bool looks_at(const mjModel *m, const ml3_instruction *k, int body) {
  static const size_t own[] = {offsetof(mjData, qpos), offsetof(mjData, qvel),      offsetof(mjData, act),
                               offsetof(mjData, ctrl), offsetof(mjData, mocap_pos), offsetof(mjData, mocap_quat)};
  if (k->op > ML3_OP_INTO_FRAME || k->op == ML3_OP_TIME) return false;
  if (k->op == ML3_OP_INERTIAL_QUATERNION) return k->first == body;
  if (k->op == ML3_OP_VELOCITY) return true;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (k->array == own[i]) return false;
  const int n = k->op == ML3_OP_READ ? k->n : 9, stride = k->op == ML3_OP_READ ? k->stride : 1;
  for (int i = 0; i < n; i++) {
    const int found = body_of_row(m, k->array, k->first + i * stride);
    if (found < 0 || found == body) return true;
  }
  return false;
}

/* A body of the world that touches nothing and that nothing looks at is for pictures alone: moving it changes no simulation, so
   that none needs a model of its own. */
static bool is_picture(const ml3_task_reader *r, int body) {
  const mjModel *m = r->model;
  const ml3_program *p = &r->task->step;
  if (body == 0 || m->body_parentid[body] != 0 || m->body_dofnum[body] > 0 || m->body_mocapid[body] >= 0) return false;
  if (m->nsensor > 0 || m->neq > 0 || m->ntendon > 0) return false;
  for (int i = 1; i < m->nbody; i++)
    if (m->body_parentid[i] == body) return false;
  for (int i = 0; i < m->ngeom; i++)
    if (m->geom_bodyid[i] == body && (m->geom_contype[i] || m->geom_conaffinity[i])) return false;
  for (int i = 0; i < p->count; i++)
    if (looks_at(m, &p->code[i], body)) return false;
  return true;
}

int ml3_task_read_pictures(ml3_task_reader *r) {
  const ml3_tree *plane = ml3_tree_find(r->root, "plane"), *hand = ml3_tree_find(r->root, "hand");
  ml3_task *t = r->task;
  for (int i = 0; i < t->variable_count; i++)
    if (t->variables[i].number == ML3_NUMBER_BODY) t->variables[i].picture = is_picture(r, t->variables[i].index / 3);
  int code = plane ? read_plane(r, plane) : ML3_OK;
  return code == ML3_OK && hand ? read_hand(r, hand) : code;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------- */

void ml3_task_pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == task_of(env)->model->nq) mju_copy(qpos, ((instance *)env->data)->simulation.data->qpos, nq);
}

/* A scene may have geoms of the world more, which come before those of bodies. */
static ml3_task_variable in_scene(const ml3_task *t, const ml3_task_variable *v, const mjModel *scene) {
  const bool in_array = v->number == ML3_NUMBER_GEOM;
  ml3_task_variable moved = *v;
  if ((in_array || v->number == ML3_NUMBER_LENGTH) && t->model->geom_bodyid[in_array ? v->index / 3 : v->index] > 0)
    moved.index += (scene->ngeom - t->model->ngeom) * (in_array ? 3 : 1);
  return moved;
}

void ml3_task_arrange(const ml3_env *env, mjModel *scene) {
  const ml3_task *t = task_of(env);
  const instance *s = env->data;
  ml3_task_see(env);
  for (int i = 0; i < t->placed_count; i++)
    if (t->placed[i].site < scene->nsite) {
      scene->site_sameframe[t->placed[i].site] = 0; /* it may have been compiled at the world's origin */
      mju_copy3(scene->site_pos + 3 * t->placed[i].site, s->r + t->placed[i].value.reg);
    }
  for (int i = 0; i < t->variable_count; i++) {
    const ml3_task_number number = t->variables[i].number;
    if (number != ML3_NUMBER_BODY && number != ML3_NUMBER_GEOM && number != ML3_NUMBER_LENGTH) continue;
    const ml3_task_variable v = in_scene(t, &t->variables[i], scene);
    ml3_task_set_number(scene, &v, s->derive[v.reg]);
  }
}

/* ---- the hand ------------------------------------------------------------------------------------------------------- */

/* The site of the goal, where its place has parameters; -1: none. */
static int goal_site(const ml3_task *t) {
  for (int i = 0; i < t->placed_count; i++)
    if (t->goal.n && t->placed[i].value.reg == t->goal.reg) return t->placed[i].site;
  return -1;
}

/* Along the axes that tasks have a range for, and within it. */
static void move_site(ml3_env *env, int site, const double *point) {
  const ml3_task *t = task_of(env);
  for (int i = 0; i < t->variable_count; i++) {
    const ml3_task_variable *v = &t->variables[i];
    if (v->number != ML3_NUMBER_SITE || v->index / 3 != site || v->reg >= t->task_dim) continue;
    const ml3_env_parameter *p = &env->spec->task[v->reg];
    env->task[v->reg] = fmin(fmax(point[v->index % 3], p->low), p->high);
  }
}

/* As `hand` says. */
static void move_parameters(ml3_env *env, const double *point) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  if (t->task_dim) memcpy(s->hand, env->task, (size_t)t->task_dim * sizeof *s->hand);
  mju_copy3(s->hand + t->task_dim, point);
  ml3_program_run(&t->hand, 0, t->model, s->simulation.data, NULL, s->hand);
  for (int i = 0; i < t->hand_count; i++) env->task[t->hand_sets[i].parameter] = s->hand[t->hand_sets[i].reg];
}

/* The full state comes back, but for what follows from those parameters. */
static void move_state(ml3_env *env, const double *full) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  mjData *d = s->simulation.data;
  double state[t->model->nq + t->model->nv + t->model->na + 1];
  if (t->follower_count) ml3_task_start_state(env, state);
  ml3_simulation_load(&s->simulation, full);
  for (int i = 0; i < t->follower_count; i++) {
    const int k = t->followers[i];
    *(k < t->model->nq ? d->qpos + k : d->qvel + k - t->model->nq) = state[k];
  }
  ml3_simulation_place(&s->simulation);
}

/* A model that is changed, and a look at where episodes begin, take the simulation's state. */
void ml3_task_move_goal(ml3_env *env, const double *point) {
  const ml3_task *t = task_of(env);
  const ml3_simulation *s = &((instance *)env->data)->simulation;
  double full[ml3_simulation_full_dim(s)];
  ml3_simulation_get_full(s, full);
  if (t->hand_count)
    move_parameters(env, point);
  else
    move_site(env, goal_site(t), point);
  ml3_task_change(env);
  move_state(env, full);
  ml3_task_begin(env);
}

bool ml3_task_has_hand(const ml3_task *t) {
  return t->hand_count > 0 || goal_site(t) >= 0;
}

void ml3_task_push(ml3_env *env, int body, const double *point, const double *force) {
  const ml3_simulation *s = &((instance *)env->data)->simulation;
  ml3_task_see(env);
  ml3_mjcf_push(s->model, s->data, body, point, force);
}
