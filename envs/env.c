/* What is the same for all environments: instances, tasks, time limit, centred differences. */
#include "envs/env.h"

#include <stdlib.h>
#include <string.h>

/* Relative to the size of the entry it moves; the error of a centred difference is about its square. */
static const double DIFFERENCE_STEP = 1e-6;

ml3_env *ml3_env_new(const ml3_env_spec *spec, ml3_error *error) {
  ml3_env *env = calloc(1, sizeof *env);
  double *task = calloc((size_t)spec->task_dim + 1, sizeof *task);
  if (!env || !task) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an environment '%s'", spec->name);
    free(env);
    free(task);
    return NULL;
  }

  env->spec = spec;
  env->task = task;
  if (spec->create(env, error)) {
    ml3_error_prefix(error, "environment '%s'", spec->name);
    free(task);
    free(env);
    return NULL;
  }

  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(env, NULL, &random);
  return env;
}

void ml3_env_free(ml3_env *env) {
  if (!env) return;
  env->spec->destroy(env);
  free(env->task);
  free(env);
}

void ml3_env_reset(ml3_env *env, const double *task, ml3_random *random) {
  if (task)
    memcpy(env->task, task, (size_t)env->spec->task_dim * sizeof *task);
  else
    ml3_env_default_task(env->spec, env->task);

  env->steps = 0;
  env->spec->reset(env, random);
}

ml3_env_result ml3_env_step(ml3_env *env, const double *action) {
  ml3_env_result result = {0};
  env->spec->step(env, action, &result);
  env->steps++;
  result.truncated = env->steps >= env->spec->horizon;
  return result;
}

void ml3_env_observe(const ml3_env *env, double *obs) {
  env->spec->observe(env, obs);
}

void ml3_env_goal(const ml3_env *env, double *goal) {
  env->spec->goal_now(env, goal);
}

void ml3_env_get_state(const ml3_env *env, double *state) {
  env->spec->get_state(env, state);
}

void ml3_env_set_state(ml3_env *env, const double *state) {
  env->spec->set_state(env, state);
}

double ml3_env_distance(const ml3_env *env) {
  return env->spec->distance(env);
}

bool ml3_env_success(const ml3_env *env) {
  return env->spec->success(env);
}

/* next[state_dim] after one step from state under action; steps is not counted. */
static void state_after(ml3_env *env, const double *state, const double *action, double *next) {
  ml3_env_result unused = {0};
  env->spec->set_state(env, state);
  env->spec->step(env, action, &unused);
  env->spec->get_state(env, next);
}

/* Fills column `column` of jacobian[state_dim][columns]: the input x[column] is moved both ways. */
static void difference_column(ml3_env *env, const double *state, const double *action, double *x, int column,
                              int columns, double *jacobian) {
  int n = env->spec->state_dim;
  double plus[n], minus[n], x0 = x[column], h = DIFFERENCE_STEP * (1 + (x0 < 0 ? -x0 : x0));

  x[column] = x0 + h;
  state_after(env, state, action, plus);
  x[column] = x0 - h;
  state_after(env, state, action, minus);
  x[column] = x0;
  for (int i = 0; i < n; i++) jacobian[i * columns + column] = (plus[i] - minus[i]) / (2 * h);
}

void ml3_env_linearize(ml3_env *env, const double *action, double *a, double *b) {
  const ml3_env_spec *spec = env->spec;
  if (spec->linearize) {
    spec->linearize(env, action, a, b);
    return;
  }

  double here[spec->state_dim], state[spec->state_dim], u[spec->action_dim];
  spec->get_state(env, here);
  memcpy(state, here, sizeof here);
  memcpy(u, action, sizeof u);
  for (int i = 0; i < spec->state_dim; i++) difference_column(env, state, u, state, i, spec->state_dim, a);
  for (int i = 0; i < spec->action_dim; i++) difference_column(env, state, u, u, i, spec->action_dim, b);
  spec->set_state(env, here);
}

void ml3_env_sample_task(const ml3_env_spec *spec, ml3_random *random, double *task) {
  for (int i = 0; i < spec->task_dim; i++) {
    const ml3_env_parameter *p = &spec->task[i];
    task[i] = p->low < p->high ? ml3_random_uniform(random, p->low, p->high) : p->low;
  }
}

void ml3_env_default_task(const ml3_env_spec *spec, double *task) {
  for (int i = 0; i < spec->task_dim; i++) task[i] = spec->task[i].value;
}

int ml3_env_task_index(const ml3_env_spec *spec, const char *name) {
  for (int i = 0; i < spec->task_dim; i++) {
    if (strcmp(spec->task[i].name, name) == 0) return i;
  }
  return -1;
}
