/* From files to a task: see task.h. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"
#include "envs/simulation.h"
#include "envs/task/files.h"
#include "envs/task/task.h"

/* ---- memory --------------------------------------------------------------------------------------------------------- */

void *ml3_task_allocate(ml3_task *t, size_t count, size_t size, ml3_error *error) {
  if (t->memory_count == t->memory_room) {
    const int room = 2 * t->memory_room + 16;
    void **grown = realloc(t->memory, (size_t)room * sizeof *grown);
    if (!grown) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a task"), NULL;
    t->memory = grown;
    t->memory_room = room;
  }
  void *memory = calloc(count ? count : 1, size);
  if (!memory) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a task"), NULL;
  return t->memory[t->memory_count++] = memory;
}

const char *ml3_task_text(ml3_task *t, ml3_error *error, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = length < 0 ? NULL : ml3_task_allocate(t, (size_t)length + 1, 1, error);
  if (text) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

void ml3_task_free(ml3_task *t) {
  if (!t) return;
  if (t->model) mj_deleteModel(t->model);
  ml3_program_free(&t->step);
  ml3_program_free(&t->derive);
  ml3_program_free(&t->reset);
  ml3_program_free(&t->hand);
  for (int i = 0; i < t->memory_count; i++) free(t->memory[i]);
  free(t->memory);
  free(t);
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

int ml3_task_add_name(ml3_task_reader *r, const ml3_tree *at, const char *name, const ml3_tree *text, ml3_value value) {
  ml3_compiler *all[4] = {&r->step, &r->derive, &r->reset, &r->hand};
  for (int i = 0; i < r->step.name_count; i++)
    if (strcmp(r->step.names[i].name, name) == 0)
      return ml3_tree_wrong(at, r->error, "'%.60s' is the name of something else already", name);
  if (r->step.name_count == ML3_NAMES_MAX) return ml3_tree_wrong(at, r->error, "more than %d names", ML3_NAMES_MAX);
  for (int i = 0; i < 4; i++) {
    /* Parameters are the first registers of the other programs; what else has a value is of steps alone. */
    const bool parameter =
        !text && value.reg >= r->task->parameter.reg && value.reg < r->task->parameter.reg + r->task->task_dim;
    if (i > 0 && !text && !parameter) continue;
    const ml3_value own = {i == 0 || text ? value.reg : value.reg - r->task->parameter.reg, value.n};
    all[i]->names[all[i]->name_count++] = (ml3_named){.name = name, .text = text, .value = own};
  }
  return ML3_OK;
}

static int open_compilers(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  ml3_compiler *all[4] = {&r->step, &r->derive, &r->reset, &r->hand};
  ml3_program *programs[4] = {&t->step, &t->derive, &t->reset, &t->hand};
  for (int i = 0; i < 4; i++) {
    *all[i] = (ml3_compiler){.program = programs[i],
                             .model = m,
                             .error = r->error,
                             .at = r->root,
                             .dt_s = m->opt.timestep * t->frame_skip,
                             .names = ml3_task_allocate(t, ML3_NAMES_MAX, sizeof(ml3_named), r->error)};
    if (!all[i]->names) return ML3_ERR_MEMORY;
  }
  r->step.may_remember = r->reset.may_draw = true;
  r->step.latches = t->latches = ml3_task_allocate(t, ML3_LATCHES_MAX, sizeof *t->latches, r->error);
  r->step.starts = t->starts = ml3_task_allocate(t, ML3_LATCHES_MAX, sizeof *t->starts, r->error);
  return t->latches && t->starts ? ML3_OK : ML3_ERR_MEMORY;
}

/* Registers that every program begins with. */
static int make_registers(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  const int n = t->task_dim, actions = t->specs[0].action_dim;
  t->parameter = (ml3_value){ml3_program_registers(&t->step, NULL, n), n};
  t->action = r->step.action = (ml3_value){ml3_program_registers(&t->step, NULL, actions), actions};
  t->last_action = r->step.last_action = (ml3_value){ml3_program_registers(&t->step, NULL, actions), actions};
  const bool room = ml3_program_registers(&t->derive, NULL, n) == 0 &&
                    ml3_program_registers(&t->hand, NULL, n + 3) == 0 &&
                    ml3_program_registers(&t->reset, NULL, n + m->nq + m->nv + m->na + 7 * m->nmocap) == 0;
  if (!room || t->parameter.reg < 0 || t->action.reg < 0 || t->last_action.reg < 0)
    return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory for a task");
  r->reset.state = n;
  r->hand.names[r->hand.name_count++] = (ml3_named){.name = "hand", .value = {n, 3}};
  return ML3_OK;
}

static int name_parameters(ml3_task_reader *r) {
  ml3_task *t = r->task;
  int code = ML3_OK;
  for (int i = 0; i < t->task_dim && code == ML3_OK; i++)
    code = ml3_task_add_name(r, r->root, t->parameters[i].name, NULL, (ml3_value){t->parameter.reg + i, 1});
  return code;
}

/* `points`, and parameters of a name of their own that follow from others. */
static int name_points(ml3_task_reader *r) {
  const ml3_tree *points = ml3_tree_find(r->root, "points"), *task = ml3_tree_find(r->root, "task");
  int code = ML3_OK;
  double x;
  ml3_error unused;
  if (points && points->kind != ML3_TREE_MAP)
    return ml3_tree_wrong(points, r->error, "points: expected lines such as `handle: body drawer + [0, -0.16, 0]`");
  for (int i = 0; points && i < points->count && code == ML3_OK; i++)
    code = ml3_task_add_name(r, points->keys[i], points->keys[i]->text, points->items[i], (ml3_value){0, 0});
  for (int i = 0; task && i < task->count && code == ML3_OK; i++)
    if (!strchr(task->keys[i]->text, ' ') && strcmp(task->keys[i]->text, "gravity") != 0 &&
        task->items[i]->kind == ML3_TREE_TEXT &&
        ml3_tree_number(task->items[i], "", -1e300, 1e300, &x, &unused) != ML3_OK)
      code = ml3_task_add_name(r, task->keys[i], task->keys[i]->text, task->items[i], (ml3_value){0, 0});
  return code;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static int read_scalars(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const ml3_tree *at;
  int code = ML3_OK;
  if ((at = ml3_tree_find(r->root, "summary"))) {
    if (!ml3_tree_text(at)) return ml3_tree_wrong(at, r->error, "summary: expected a text");
    snprintf(t->summary, sizeof t->summary, "%s", at->text);
  }
  if ((at = ml3_tree_find(r->root, "horizon")))
    code = ml3_tree_whole(at, "horizon", 1, 1000000, &t->specs[0].horizon, r->error);
  if (code == ML3_OK && (at = ml3_tree_find(r->root, "frame_skip")))
    code = ml3_tree_whole(at, "frame_skip", 1, 10000, &t->frame_skip, r->error);
  if (code == ML3_OK && (at = ml3_tree_find(r->root, "version")))
    code = ml3_tree_whole(at, "version", 0, 1000000, &t->version, r->error);
  if (code == ML3_OK && (at = ml3_tree_find(r->root, "timestep")))
    code = ml3_tree_number(at, "timestep", 1e-9, 1, &t->model->opt.timestep, r->error);
  if (code == ML3_OK && (at = ml3_tree_find(r->root, "evaluate"))) {
    const char *text = ml3_tree_text(at);
    t->lagged = text && strcmp(text, "lagged") == 0;
    if (!t->lagged && !(text && strcmp(text, "fresh") == 0))
      return ml3_tree_wrong(at, r->error, "evaluate is '%.60s'; expected fresh or lagged", text ? text : "a list");
  }
  const ml3_tree *key = ml3_tree_find(ml3_tree_find(r->root, "reset"), "keyframe");
  t->key = t->model->nkey > 0 ? 0 : -1;
  if (code == ML3_OK && key) {
    const char *name = ml3_tree_text(key);
    t->key = name && strcmp(name, "none") == 0 ? -1 : mj_name2id(t->model, mjOBJ_KEY, name ? name : "");
    if (t->key < 0 && !(name && strcmp(name, "none") == 0))
      return ml3_tree_wrong(key, r->error, "reset: the model has no keyframe '%.60s'", name ? name : "");
  }
  return code;
}

static const char *const SECTIONS[] = {"summary",     "version",  "model",     "extends",   "horizon",   "frame_skip",
                                       "timestep",    "evaluate", "goal",      "actions",   "actuators", "points",
                                       "observation", "hidden",   "reward",    "terminate", "limits",    "success",
                                       "reset",       "task",     "worldbody", "plane",     "hand"};

static int compile_sections(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const ml3_tree *task = ml3_tree_find(r->root, "task"), *reward = ml3_tree_find(r->root, "reward");
  const ml3_tree *reset = ml3_tree_find(r->root, "reset"), *actions = ml3_tree_find(r->root, "actions");
  bool ends = false;
  int code = read_scalars(r);
  if (code == ML3_OK) code = open_compilers(r);
  if (code == ML3_OK) code = ml3_task_read_actions(r, actions ? actions : ml3_tree_find(r->root, "actuators"));
  if (code == ML3_OK) code = ml3_task_read_parameters(r, task);
  if (code == ML3_OK) code = make_registers(r);
  if (code == ML3_OK) code = name_parameters(r);
  if (code == ML3_OK) code = name_points(r);
  if (code == ML3_OK) code = ml3_task_finish_parameters(r, task);
  if (code == ML3_OK) code = ml3_task_read_goal(r, &ends);
  if (code == ML3_OK) code = ml3_task_read_success(r, &ends);
  if (code == ML3_OK) code = ml3_task_read_terminate(r);
  if (code == ML3_OK) code = ml3_task_finish_end(r, ends);
  if (code == ML3_OK && reward) code = ml3_task_read_reward(r, reward);
  if (code == ML3_OK && !reward) { /* the way to the goal, or nothing */
    const ml3_value x =
        t->distance >= 0 ? ml3_apply(&r->step, ML3_OP_NEGATE, (ml3_value){t->distance, 1}) : ml3_constant(&r->step, 0);
    t->reward = x.reg;
    code = x.n ? ML3_OK : r->error->code;
  }
  if (code == ML3_OK) code = ml3_task_read_observation(r, ml3_tree_find(r->root, "observation"));
  if (code == ML3_OK) code = ml3_task_read_hidden(r);
  if (code == ML3_OK && reset) code = ml3_task_read_reset(r, reset);
  if (code == ML3_OK) code = ml3_task_fill_state(r);
  if (code == ML3_OK) code = ml3_task_read_pictures(r);
  t->latch_count = r->step.latch_count;
  t->start_count = r->step.start_count;
  return code;
}

/* The spec of each split: ranges are the hulls of its regions. */
static int fill_specs(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const mjModel *m = r->model;
  ml3_env_spec *s = &t->specs[0];
  s->state_dim = m->nq + m->nv + m->na;
  s->task_dim = t->task_dim;
  s->dt_s = m->opt.timestep * t->frame_skip;
  s->state = t->state, s->obs = t->obs, s->action = t->actions, s->goal = t->goals;
  s->name = t->name, s->summary = t->summary;
  if (t->hides_goal) s->goal_dim = 0, s->hides_task = true;
  s->no_goal = t->distance < 0 && t->success < 0;
  s->term_count = t->term_count;
  s->limit_count = t->limit_count;
  ml3_task_functions(t);
  for (int k = ML3_SPLITS - 1; k >= 0; k--) {
    ml3_env_parameter *p = ml3_task_allocate(t, (size_t)t->task_dim, sizeof *p, r->error);
    if (!p) return ML3_ERR_MEMORY;
    for (int i = 0; i < t->task_dim; i++) {
      const ml3_task_region *g = &t->regions[i][k];
      p[i] = t->parameters[i];
      p[i].low = INFINITY, p[i].high = -INFINITY;
      for (int j = 0; j < g->count; j++)
        p[i].low = fmin(p[i].low, g->intervals[j][0]), p[i].high = fmax(p[i].high, g->intervals[j][1]);
    }
    if (k > 0) t->specs[k] = t->specs[0];
    t->specs[k].task = p;
    t->specs[k].split = k;
    t->specs[k].splits = t->specs;
    if (k > 0 && !(t->specs[k].name = ml3_task_text(t, r->error, "%s:%s", t->name, ml3_task_split_names[k])))
      return ML3_ERR_MEMORY;
  }
  return ML3_OK;
}

static int check_model(const ml3_task_reader *r) {
  if (r->model->njnt < 1) return ml3_tree_wrong(r->root, r->error, "the model has no joints: nothing can move");
  return ml3_tree_keys(r->root, "the environment", SECTIONS, sizeof SECTIONS / sizeof *SECTIONS, r->error);
}

ml3_task *ml3_task_read(const char *path, const char *name, ml3_error *error) {
  ml3_error own = {0}, *e = error ? error : &own;
  ml3_task *t = calloc(1, sizeof *t);
  if (!t) return ml3_error_set(e, ML3_ERR_MEMORY, "no memory for the environment '%s'", path), NULL;
  t->frame_skip = 1;
  t->specs[0].horizon = 200;
  t->reward = t->distance = t->success = t->accepted = -1;
  t->name = (char *)ml3_task_text(t, e, "%s", name);
  snprintf(t->summary, sizeof t->summary, "a model of yours, %.200s", path);

  ml3_tree *root = t->name ? ml3_task_open_files(t, path, e) : NULL;
  ml3_task_reader r = {.task = t, .model = t->model, .root = root, .error = e};
  int code = root ? check_model(&r) : e->code;
  if (code == ML3_OK) code = compile_sections(&r);
  if (code == ML3_OK) code = fill_specs(&r);
  ml3_tree_free(root);
  if (code == ML3_OK) return t;
  ml3_task_free(t);
  return NULL;
}
