/* Stepping a task: see task.h. A step is MuJoCo's, then one run of the program; all that is observed is in registers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/difference.h"
#include "envs/mjcf.h"
#include "envs/task/instance.h"
#include "envs/task/picture.h"

typedef ml3_task_instance instance;

static const ml3_task *task_of(const ml3_env *env) {
  return env->spec->own;
}

static ml3_simulation *simulation(const ml3_env *env) {
  return &((instance *)env->data)->simulation;
}

/* ---- making --------------------------------------------------------------------------------------------------------- */

static void free_instance(instance *s) {
  free(s->r);
  free(s->derive);
  free(s->reset);
  free(s->hand);
  free(s->control);
  ml3_task_expansion_free(s->expansion);
  free(s);
}

static void destroy(ml3_env *env) {
  instance *s = env->data;
  ml3_simulation_close(&s->simulation);
  free_instance(s);
}

static double *registers(const ml3_program *p) {
  double *r = malloc(((size_t)p->size + 1) * sizeof *r);
  if (r && p->size) memcpy(r, p->initial, (size_t)p->size * sizeof *r);
  return r;
}

static int create(ml3_env *env, ml3_error *error) {
  const ml3_task *t = task_of(env);
  instance *s = calloc(1, sizeof *s);
  if (!s) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an instance");
  env->data = s;
  s->r = registers(&t->step);
  s->derive = registers(&t->derive);
  s->reset = registers(&t->reset);
  s->hand = registers(&t->hand);
  s->control = calloc((size_t)t->model->nu + 1, sizeof *s->control);
  int code = s->r && s->derive && s->reset && s->hand && s->control
                 ? ml3_simulation_open_model(&s->simulation, env, t->model, t->key, error)
                 : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an instance");
  if (code != ML3_OK) {
    free_instance(s);
    return code;
  }
  for (int i = 0; i < t->term_count && env->spec->weights; i++)
    if (!isnan(env->spec->weights[i]) && t->terms[i].weight >= 0) s->r[t->terms[i].weight] = env->spec->weights[i];
  mju_copy(s->control, s->simulation.data->ctrl, t->model->nu);
  s->simulation.needs = t->step.needs;
  s->simulation.lagged = t->lagged;
  return ML3_OK;
}

/* ---- registers ------------------------------------------------------------------------------------------------------ */

typedef struct running {
  const ml3_env *env;
  ml3_random *random;
} running;

static void run_step_program(void *user) {
  const running *run = user;
  const instance *s = run->env->data;
  ml3_program_run(&task_of(run->env)->step, 0, s->simulation.model, s->simulation.data, NULL, s->r);
}

/* False where MuJoCo gave up in it. */
static bool run(const ml3_env *env) {
  ml3_mjcf_said said;
  running what = {env, NULL};
  if (ml3_mjcf_try(run_step_program, &what, &said)) return true;
  ml3_simulation_recover(simulation(env), &said);
  return false;
}

static void keep(double *r, const ml3_latch *latches, int count) {
  for (int i = 0; i < count; i++) memcpy(r + latches[i].to, r + latches[i].from, (size_t)latches[i].n * sizeof *r);
}

/* What is seen of the present state, which has no past. */
void ml3_task_begin(const ml3_env *env) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  s->unseen = false;
  if (t->task_dim) memcpy(s->r + t->parameter.reg, env->task, (size_t)t->task_dim * sizeof *s->r);
  memset(s->r + t->action.reg, 0, (size_t)t->action.n * sizeof *s->r);
  memset(s->r + t->last_action.reg, 0, (size_t)t->last_action.n * sizeof *s->r);
  run(env);
  if (!t->latch_count && !t->start_count) return;
  for (int pass = 0; pass < 2; pass++) { /* what has a past may be made of such */
    keep(s->r, t->starts, t->start_count);
    keep(s->r, t->latches, t->latch_count);
    run(env);
  }
  keep(s->r, t->latches, t->latch_count);
}

void ml3_task_see(const ml3_env *env) {
  if (!((const instance *)env->data)->unseen) return;
  ml3_simulation_place(simulation(env));
  ml3_task_begin(env);
}

/* Blocks of registers that going on needs, besides the simulation. */
enum { FIXED_BLOCKS = 5 };

static int block_count(const ml3_task *t) {
  return FIXED_BLOCKS + t->latch_count + t->start_count;
}

static ml3_value block(const ml3_task *t, int i) {
  const ml3_value fixed[FIXED_BLOCKS] = {
      t->last_action, t->observation, t->goal, {t->distance, t->distance >= 0}, {t->success, t->success >= 0}};
  if (i < FIXED_BLOCKS) return fixed[i];
  i -= FIXED_BLOCKS;
  const ml3_latch *l = i < t->latch_count ? &t->latches[i] : &t->starts[i - t->latch_count];
  return (ml3_value){l->to, l->n};
}

/* ---- state ---------------------------------------------------------------------------------------------------------- */

/* Planners set states and make a step, without a look at them: what is seen of a state is computed when it is asked for. */
static void get_state(const ml3_env *env, double *state) {
  ml3_simulation_get_state(simulation(env), state);
}

static void set_state(ml3_env *env, const double *state) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  ml3_simulation_put_state(&s->simulation, state);
  if (t->task_dim) memcpy(s->r + t->parameter.reg, env->task, (size_t)t->task_dim * sizeof *s->r);
  memset(s->r + t->last_action.reg, 0, (size_t)t->last_action.n * sizeof *s->r);
  s->unseen = true;
}

static int full_dim(const ml3_env *env) {
  int dim = ml3_simulation_full_dim(simulation(env));
  for (int i = 0; i < block_count(task_of(env)); i++) dim += block(task_of(env), i).n;
  return dim;
}

static void get_full(const ml3_env *env, double *full) {
  const ml3_task *t = task_of(env);
  const double *r = ((const instance *)env->data)->r;
  ml3_task_see(env);
  ml3_simulation_get_full(simulation(env), full);
  full += ml3_simulation_full_dim(simulation(env));
  for (int i = 0; i < block_count(t); i++) {
    const ml3_value b = block(t, i);
    if (b.n) memcpy(full, r + b.reg, (size_t)b.n * sizeof *full);
    full += b.n;
  }
}

static void put_registers(const ml3_env *env, const double *full) {
  const ml3_task *t = task_of(env);
  double *r = ((instance *)env->data)->r;
  ((instance *)env->data)->unseen = false;
  full += ml3_simulation_full_dim(simulation(env));
  if (t->task_dim) memcpy(r + t->parameter.reg, env->task, (size_t)t->task_dim * sizeof *r);
  for (int i = 0; i < block_count(t); i++) {
    const ml3_value b = block(t, i);
    if (b.n) memcpy(r + b.reg, full, (size_t)b.n * sizeof *full);
    full += b.n;
  }
}

static void set_full(ml3_env *env, const double *full) {
  ml3_simulation_set_full(simulation(env), full);
  put_registers(env, full);
}

/* Registers are an instance's own. */
static int kept_dim(const ml3_env *env) {
  return ml3_simulation_full_dim(simulation(env));
}

static void keep_simulation(const ml3_env *env, double *kept) {
  ml3_task_see(env);
  ml3_simulation_get_full(simulation(env), kept);
}

static void load(ml3_env *env, const double *kept) {
  ml3_simulation_load(simulation(env), kept);
}

static int borrow(ml3_env *env, const ml3_env *host, ml3_error *error) {
  return ml3_simulation_borrow(simulation(env), host ? simulation(host) : NULL, error);
}

static void observe(const ml3_env *env, double *obs) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  memcpy(obs, ((const instance *)env->data)->r + t->observation.reg, (size_t)t->observation.n * sizeof *obs);
}

static void goal_now(const ml3_env *env, double *goal) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  if (env->spec->goal_dim)
    memcpy(goal, ((const instance *)env->data)->r + t->goal.reg, (size_t)t->goal.n * sizeof *goal);
}

static double distance(const ml3_env *env) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  return t->distance < 0 ? 0 : ((const instance *)env->data)->r[t->distance];
}

static bool success(const ml3_env *env) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  return t->success >= 0 && ((const instance *)env->data)->r[t->success] != 0;
}

static void terms(const ml3_env *env, double *values) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  for (int i = 0; i < t->term_count; i++) values[i] = ((const instance *)env->data)->r[t->terms[i].value];
}

static const char *term_name(const ml3_env_spec *spec, int term) {
  const ml3_task *t = spec->own;
  return t->terms[term].name;
}

static void limits(const ml3_env *env, bool *hold) {
  const ml3_task *t = task_of(env);
  ml3_task_see(env);
  for (int i = 0; i < t->limit_count; i++) hold[i] = ((const instance *)env->data)->r[t->limits[i].value] != 0;
}

static const char *limit_name(const ml3_env_spec *spec, int limit) {
  const ml3_task *t = spec->own;
  return t->limits[limit].name;
}

/* ---- stepping ------------------------------------------------------------------------------------------------------- */

static void fill_control(const ml3_env *env, const double *action) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  for (int i = 0; i < t->control_count; i++) {
    const ml3_task_control *c = &t->controls[i];
    const double a = action[c->action];
    s->control[c->control] = c->offset + c->factor * (c->about ? fmin(fmax(a, -1), 1) : a);
  }
  for (int i = 0; i < t->mocap_count; i++) {
    const ml3_task_mocap *p = &t->mocaps[i];
    double *place = s->simulation.data->mocap_pos + 3 * p->mocap;
    for (int k = 0; k < 3; k++)
      place[k] = fmin(fmax(place[k] + p->scale * fmin(fmax(action[p->action + k], -1), 1), p->low[k]), p->high[k]);
  }
}

int ml3_task_advance(ml3_env *env, const double *action) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  if (!s->blind && (t->latch_count || t->start_count)) ml3_task_see(env); /* what is kept */
  s->unseen = s->blind;
  fill_control(env, action);
  const int code = ml3_simulation_step(simulation(env), s->control, t->frame_skip);
  if (s->blind) return code;
  memcpy(s->r + t->action.reg, action, (size_t)t->action.n * sizeof *action);
  return run(env) ? code : ML3_ERR_NUMERIC;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  const ml3_task *t = task_of(env);
  const instance *s = env->data;
  result->code = ml3_task_advance(env, action);
  result->reward = s->r[t->reward];
  result->terminated = s->r[t->ended] != 0;
  keep(s->r, t->latches, t->latch_count);
  memcpy(s->r + t->last_action.reg, action, (size_t)t->action.n * sizeof *action);
}

/* By the controls that are driven. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const ml3_task *t = task_of(env);
  const int n = env->spec->state_dim, count = t->control_count;
  int columns[count + 1];
  fill_control(env, action);
  for (int i = 0; i < count; i++) columns[i] = t->controls[i].control;
  ml3_simulation_linearize(simulation(env),
                           &(ml3_simulation_action){.control = ((instance *)env->data)->control,
                                                    .frame_skip = t->frame_skip,
                                                    .columns = columns,
                                                    .column_count = count},
                           a, b);
  for (int i = 0; i < count; i++)
    for (int k = 0; k < n && t->controls[i].about; k++)
      b[k * count + i] *= fabs(action[i]) > 1 ? 0 : t->controls[i].factor;
}

/* Where MuJoCo has no derivative: differences of states, of which nothing is seen. */
static void difference(ml3_env *env, const double *action, double *a, double *b) {
  instance *s = env->data;
  double full[full_dim(env)];
  get_full(env, full);
  s->blind = true;
  s->simulation.needs = 0;
  ml3_env_difference(env, action, a, b);
  s->simulation.needs = task_of(env)->step.needs;
  s->blind = false;
  set_full(env, full);
}

static bool can_linearize(const ml3_task *t) {
  for (int i = 0; i < t->control_count; i++)
    if (t->controls[i].action != i || (t->controls[i].factor != 1 && !t->controls[i].about)) return false;
  return t->mocap_count == 0 && (ml3_simulation_can_linearize(t->model) || ml3_simulation_has_delays(t->model));
}

void ml3_task_functions(ml3_task *t) {
  ml3_env_spec *spec = &t->specs[0];
  bool simple = true;
  spec->own = t;
  spec->create = create;
  spec->destroy = destroy;
  spec->change_task = ml3_task_change;
  spec->reset = ml3_task_reset;
  spec->step = step;
  spec->observe = observe;
  spec->goal_now = goal_now;
  spec->get_state = get_state;
  spec->set_state = set_state;
  spec->full_dim = full_dim;
  spec->get_full = get_full;
  spec->set_full = set_full;
  spec->kept_dim = kept_dim;
  spec->keep = keep_simulation;
  spec->load = load;
  spec->borrow = borrow;
  spec->distance = distance;
  spec->success = success;
  spec->terms = terms;
  spec->term_name = term_name;
  spec->limits = limits;
  spec->limit_name = limit_name;
  spec->linearize = can_linearize(t) ? linearize : difference;
  spec->expand = ml3_task_expand;
  spec->pose = ml3_task_pose;
  spec->arrange = ml3_task_arrange;
  spec->push = ml3_task_push;
  if (ml3_task_has_hand(t)) spec->move_goal = ml3_task_move_goal;
  for (int i = 0; i < t->task_dim; i++)
    for (int k = 0; k < ML3_SPLITS; k++) simple = simple && t->regions[i][k].count == 1;
  if (!simple || t->has_split[ML3_SPLITS - 1]) spec->draw_task = ml3_task_draw_any;
}
