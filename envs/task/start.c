/* How an episode begins: the model of its task, and the state that `reset` draws. */
#include <string.h>

#include "envs/mjcf.h"
#include "envs/simulation.h"
#include "envs/task/instance.h"
#include "envs/task/task.h"

typedef ml3_task_instance instance;

static const ml3_task *task_of(const ml3_env *env) {
  return env->spec->own;
}

void ml3_task_change(ml3_env *env) {
  const ml3_task *t = task_of(env);
  instance *s = env->data;
  bool departs = false;
  if (t->task_dim) {
    memcpy(s->derive, env->task, (size_t)t->task_dim * sizeof *env->task);
    memcpy(s->r + t->parameter.reg, env->task, (size_t)t->task_dim * sizeof *env->task);
  }
  ml3_program_run(&t->derive, 0, t->model, s->simulation.data, NULL, s->derive);
  for (int i = 0; i < t->variable_count && !departs; i++)
    departs = ml3_task_departs(t, &t->variables[i], s->derive[t->variables[i].reg]);
  if (!departs) {
    ml3_simulation_unedited(&s->simulation);
    return;
  }
  mjModel *m = ml3_simulation_edit(&s->simulation);
  if (!m) return;
  for (int i = 0; i < t->variable_count; i++)
    if (ml3_task_departs(t, &t->variables[i], s->derive[t->variables[i].reg]))
      ml3_task_set_number(m, &t->variables[i], s->derive[t->variables[i].reg]);
  ml3_simulation_edited(&s->simulation);
}

/* The registers that the program `reset` begins with: parameters, and the state of the keyframe, taken whole, or where the MJCF
   puts the bodies, then as the task says. */
static void fill_start(const ml3_env *env, double *state, double *mocap) {
  const ml3_task *t = task_of(env);
  const mjModel *m = t->model;
  instance *s = env->data;
  const mjData *d = s->simulation.data;
  ml3_simulation_first_state(&s->simulation, state);
  if (t->task_dim) memcpy(s->reset, env->task, (size_t)t->task_dim * sizeof *s->reset);
  if (m->nmocap) {
    memcpy(mocap, d->mocap_pos, (size_t)(3 * m->nmocap) * sizeof *mocap);
    memcpy(mocap + 3 * m->nmocap, d->mocap_quat, (size_t)(4 * m->nmocap) * sizeof *mocap);
  }
  for (int i = 0; i < t->variable_count; i++) {
    const ml3_task_variable *v = &t->variables[i];
    if (v->number == ML3_NUMBER_START) state[v->index] = s->derive[v->reg];
    if (v->number == ML3_NUMBER_START_VELOCITY) state[m->nq + v->index] = s->derive[v->reg];
  }
}

void ml3_task_start_state(const ml3_env *env, double *state) {
  const ml3_task *t = task_of(env);
  const mjModel *m = t->model;
  instance *s = env->data;
  double *from = s->reset + t->task_dim;
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  fill_start(env, from, from + m->nq + m->nv + m->na);
  ml3_program_run(&t->reset, 0, s->simulation.model, s->simulation.data, &random, s->reset);
  memcpy(state, from, (size_t)(m->nq + m->nv + m->na) * sizeof *state);
}

static void collide(void *user) {
  const instance *s = user;
  mj_fwdPosition(s->simulation.model, s->simulation.data);
}

/* Does anything touch? Not where MuJoCo cannot tell. */
static bool touches(instance *s) {
  ml3_mjcf_said said;
  if (ml3_mjcf_try(collide, s, &said)) return s->simulation.data->ncon > 0;
  ml3_simulation_recover(&s->simulation, &said);
  return false;
}

/* Drawn until it is accepted; where nothing is, the last one is taken. */
void ml3_task_reset(ml3_env *env, ml3_random *random) {
  enum { TRIES = 1000 };
  const ml3_task *t = task_of(env);
  const mjModel *m = t->model;
  instance *s = env->data;
  double *state = s->reset + t->task_dim, *mocap = state + m->nq + m->nv + m->na;
  bool accepted = false;
  for (int i = 0; i < TRIES && !accepted; i++) {
    fill_start(env, state, mocap);
    ml3_program_run(&t->reset, 0, s->simulation.model, s->simulation.data, random, s->reset);
    accepted = t->accepted < 0 || s->reset[t->accepted] != 0;
    if (!accepted && i + 1 < TRIES) continue;
    if (t->reset.count && !t->lagged) mj_normalizeQuat(m, state); /* Gymnasium shows quaternions with their noise */
    ml3_simulation_reset(&s->simulation, state, m->nmocap ? mocap : NULL);
    accepted = !t->apart || !touches(s);
  }
  ml3_task_begin(env);
}

void ml3_task_draw_any(const ml3_env_spec *spec, ml3_random *random, double *task) {
  enum { TRIES = 1000 };
  const ml3_task *t = spec->own;
  for (int k = 0; k < TRIES; k++) {
    bool trained = true;
    for (int i = 0; i < t->task_dim; i++) {
      task[i] = ml3_task_draw(&t->regions[i][spec->split], spec->task[i].low, spec->task[i].high, random);
      trained = trained && ml3_task_inside(&t->regions[i][0], task[i]);
    }
    if (spec->split != ML3_SPLITS - 1 || !trained) return; /* out of distribution is not in it */
  }
}
