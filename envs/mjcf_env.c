/* Stepping an environment that a user's MJCF and YAML describe: see mjcf_env.h. */
#define _POSIX_C_SOURCE 200809L
#include "envs/mjcf_env.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "envs/mjcf.h"
#include "envs/simulation.h"

typedef struct instance {
  ml3_simulation simulation;
  double goal[3];  /* m, in the world, where the goal's site is fixed there */
  double *control; /* [nu]; of actuators that are not driven as new data, or the first keyframe, has it */
} instance;

static const mjcf_env_file *file_of(const ml3_env *env) {
  return env->spec->own;
}

static void destroy(ml3_env *env) {
  instance *s = env->data;
  ml3_simulation_close(&s->simulation);
  free(s->control);
  free(s);
}

static int create(ml3_env *env, ml3_error *error) {
  instance *s = calloc(1, sizeof *s);
  if (!s) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an instance");
  env->data = s;
  s->control = calloc((size_t)file_of(env)->model->nu + 1, sizeof *s->control);
  int code = s->control ? ml3_simulation_open_model(&s->simulation, env, file_of(env)->model, error)
                        : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an instance");
  if (code == ML3_OK) {
    mju_copy(s->control, s->simulation.data->ctrl, s->simulation.model->nu);
    s->simulation.places = true;
  }
  if (code != ML3_OK) {
    free(s->control);
    free(s);
  }
  return code;
}

/* ---- tasks ------------------------------------------------------------------------------------------------ */

static bool changes_model(mjcf_variable v) {
  return v >= MJCF_MASS;
}

static void set_variable(mjModel *m, const mjcf_parameter *p, double value) {
  const int i = p->index;
  switch (p->variable) {
    case MJCF_MASS:
      mju_scl3(m->body_inertia + 3 * i, m->body_inertia + 3 * i, value / m->body_mass[i]);
      m->body_mass[i] = value;
      break;
    case MJCF_DAMPING:
      m->dof_damping[i] = value;
      break;
    case MJCF_FRICTION:
      m->geom_friction[3 * i] = value;
      break;
    case MJCF_GEAR:
      m->actuator_gear[6 * i] = value;
      break;
    case MJCF_GRAVITY:
      m->opt.gravity[2] = -value;
      break;
    default:
      break;
  }
}

static void change_task(ml3_env *env) {
  const mjcf_env_file *f = file_of(env);
  instance *s = env->data;
  bool departs = false;
  mju_copy3(s->goal, f->model->site_pos + 3 * f->goal_site);
  for (int i = 0; i < f->spec.task_dim; i++) {
    if (f->parameters[i].variable == MJCF_GOAL_POSITION) s->goal[f->parameters[i].index] = env->task[i];
    departs = departs || (changes_model(f->parameters[i].variable) && env->task[i] != f->task[i].value);
  }
  if (!departs) {
    ml3_simulation_unedited(&s->simulation);
    return;
  }
  mjModel *m = ml3_simulation_edit(&s->simulation);
  if (!m) return;
  for (int i = 0; i < f->spec.task_dim; i++)
    if (env->task[i] != f->task[i].value) set_variable(m, &f->parameters[i], env->task[i]);
  ml3_simulation_edited(&s->simulation);
}

/* From the first keyframe, taken whole, or where the MJCF puts the bodies. */
static void reset(ml3_env *env, ml3_random *random) {
  const mjcf_env_file *f = file_of(env);
  ml3_simulation *s = &((instance *)env->data)->simulation;
  double state[f->spec.state_dim + 1];
  (void)random; /* the task says it all */
  ml3_simulation_first_state(s, state);
  for (int i = 0; i < f->spec.task_dim; i++) {
    if (f->parameters[i].variable == MJCF_START) state[f->parameters[i].index] = env->task[i];
    if (f->parameters[i].variable == MJCF_START_VELOCITY) state[f->model->nq + f->parameters[i].index] = env->task[i];
  }
  ml3_simulation_reset(s, state);
}

/* ---- state -------------------------------------------------------------------------------------------------- */

static ml3_simulation *simulation(const ml3_env *env) {
  return &((instance *)env->data)->simulation;
}

static void get_state(const ml3_env *env, double *state) {
  ml3_simulation_get_state(simulation(env), state);
}
static void set_state(ml3_env *env, const double *state) {
  ml3_simulation_set_state(simulation(env), state);
}
static int full_dim(const ml3_env *env) {
  return ml3_simulation_full_dim(simulation(env));
}
static void get_full(const ml3_env *env, double *full) {
  ml3_simulation_get_full(simulation(env), full);
}
static void set_full(ml3_env *env, const double *full) {
  ml3_simulation_set_full(simulation(env), full);
}
static void load(ml3_env *env, const double *full) {
  ml3_simulation_load(simulation(env), full);
  ml3_simulation_place(simulation(env)); /* which observations need */
}
static int borrow(ml3_env *env, const ml3_env *host, ml3_error *error) {
  return ml3_simulation_borrow(simulation(env), host ? simulation(host) : NULL, error);
}

/* Where the goal is: fixed in the world, or on a body that moves. */
static const double *goal_of(const ml3_env *env) {
  const mjcf_env_file *f = file_of(env);
  const instance *s = env->data;
  return f->model->site_bodyid[f->goal_site] == 0 ? s->goal : s->simulation.data->site_xpos + 3 * f->goal_site;
}

static void goal_now(const ml3_env *env, double *goal) {
  mju_copy3(goal, goal_of(env));
}

static double read_entry(const ml3_env *env, mjcf_entry e) {
  const mjData *d = simulation(env)->data;
  switch (e.quantity) {
    case MJCF_QPOS:
      return d->qpos[e.index];
    case MJCF_QVEL:
      return d->qvel[e.index];
    case MJCF_SIN:
      return sin(d->qpos[e.index]);
    case MJCF_COS:
      return cos(d->qpos[e.index]);
    case MJCF_SITE:
      return d->site_xpos[e.index];
    case MJCF_BODY:
      return d->xpos[e.index];
    case MJCF_GOAL:
      return goal_of(env)[e.index];
    case MJCF_TO_GOAL:
      return goal_of(env)[e.index] - d->site_xpos[3 * file_of(env)->tip_site + e.index];
  }
  return NAN;
}

static void observe(const ml3_env *env, double *obs) {
  const mjcf_env_file *f = file_of(env);
  for (int i = 0; i < f->spec.obs_dim; i++) obs[i] = read_entry(env, f->entries[i]);
}

static double distance(const ml3_env *env) {
  return mju_dist3(simulation(env)->data->site_xpos + 3 * file_of(env)->tip_site, goal_of(env));
}

static bool success(const ml3_env *env) {
  return distance(env) <= file_of(env)->radius_m;
}

/* ---- stepping ------------------------------------------------------------------------------------------------ */

static void fill_control(const ml3_env *env, const double *action) {
  const mjcf_env_file *f = file_of(env);
  for (int i = 0; i < f->spec.action_dim; i++) ((instance *)env->data)->control[f->controls[i]] = action[i];
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  const mjcf_env_file *f = file_of(env);
  const instance *s = env->data;
  fill_control(env, action);
  result->code = ml3_simulation_step(simulation(env), s->control, f->frame_skip);

  const double *w = f->weights, *v = s->simulation.data->qvel;
  bool there = success(env);
  result->reward = w[MJCF_DISTANCE] * distance(env) + w[MJCF_CONTROL] * mju_dot(action, action, f->spec.action_dim) +
                   w[MJCF_VELOCITY] * mju_dot(v, v, f->model->nv) + w[MJCF_ALIVE] + (there ? w[MJCF_SUCCESS] : 0);
  result->terminated = there && f->ends_at_goal;
  for (int i = 0; i < f->limit_count; i++) {
    double x = read_entry(env, f->limits[i].entry);
    if (!(x >= f->limits[i].low && x <= f->limits[i].high)) result->terminated = true;
  }
}

/* By the controls that are driven. What a delayed control does is not in the state: there is no derivative then. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const mjcf_env_file *f = file_of(env);
  fill_control(env, action);
  ml3_simulation_linearize(simulation(env),
                           &(ml3_simulation_action){.control = ((instance *)env->data)->control,
                                                    .frame_skip = f->frame_skip,
                                                    .columns = f->controls,
                                                    .column_count = f->spec.action_dim},
                           a, b);
}

/* ---- picture and hand ------------------------------------------------------------------------------------------ */

static void pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == file_of(env)->model->nq) mju_copy(qpos, simulation(env)->data->qpos, nq);
}

static void arrange(const ml3_env *env, mjModel *scene) {
  const mjcf_env_file *f = file_of(env);
  if (f->model->site_bodyid[f->goal_site] == 0 && f->goal_site < scene->nsite)
    mju_copy3(scene->site_pos + 3 * f->goal_site, ((const instance *)env->data)->goal);
}

/* Along the axes that tasks have a range for, and within it. */
static void move_goal(ml3_env *env, const double *point) {
  const mjcf_env_file *f = file_of(env);
  for (int i = 0; i < f->spec.task_dim; i++) {
    if (f->parameters[i].variable != MJCF_GOAL_POSITION) continue;
    int axis = f->parameters[i].index;
    env->task[i] = fmin(fmax(point[axis], f->task[i].low), f->task[i].high);
    ((instance *)env->data)->goal[axis] = env->task[i];
  }
}

static void push(ml3_env *env, int body, const double *point, const double *force) {
  ml3_mjcf_push(simulation(env)->model, simulation(env)->data, body, point, force);
}

void ml3_mjcf_env_functions(mjcf_env_file *f) {
  ml3_env_spec *spec = &f->spec;
  spec->own = f;
  spec->create = create;
  spec->destroy = destroy;
  spec->change_task = change_task;
  spec->reset = reset;
  spec->step = step;
  spec->observe = observe;
  spec->goal_now = goal_now;
  spec->get_state = get_state;
  spec->set_state = set_state;
  spec->full_dim = full_dim;
  spec->get_full = get_full;
  spec->set_full = set_full;
  spec->load = load;
  spec->borrow = borrow;
  spec->distance = distance;
  spec->success = success;
  if (ml3_simulation_can_linearize(f->model) || ml3_simulation_has_delays(f->model)) spec->linearize = linearize;
  spec->scene_xml = f->path;
  spec->pose = pose;
  spec->arrange = arrange;
  spec->push = push;
  for (int i = 0; i < spec->task_dim; i++)
    if (f->parameters[i].variable == MJCF_GOAL_POSITION) spec->move_goal = move_goal;
}

/* ---- the files that have been read ------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mjcf_env_file *files; /* behind the lock; specs may be in use to the end of the process */

const ml3_env_spec *ml3_mjcf_env_find(const char *path, const char *name, ml3_error *error) {
  mjcf_env_file *f = calloc(1, sizeof *f);
  if (f) f->path = strdup(path), f->name = strdup(name);
  if (!f || !f->path || !f->name) {
    ml3_mjcf_env_free(f);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the environment '%s'", path);
    return NULL;
  }

  pthread_mutex_lock(&lock);
  int code = ml3_mjcf_env_read(f, error);
  const mjcf_env_file *known = files;
  while (code == ML3_OK && known &&
         (strcmp(known->path, path) != 0 || strcmp(known->name, name) != 0 || strcmp(known->xml, f->xml) != 0 ||
          strcmp(known->yaml, f->yaml) != 0))
    known = known->next;
  if (code == ML3_OK && !known) {
    f->next = files;
    known = files = f;
    f = NULL;
  }
  pthread_mutex_unlock(&lock);
  ml3_mjcf_env_free(f);
  return code == ML3_OK ? &known->spec : NULL;
}
