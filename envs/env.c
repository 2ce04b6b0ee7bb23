/* What is the same for all environments: instances, tasks, time limit. */
#include "envs/env.h"
#include "envs/difference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ml3_env_check_sizes(const ml3_env_spec *spec, ml3_error *error) {
  static const char *const names[] = {"state", "observation", "action", "goal", "task"};
  const int sizes[] = {spec->state_dim, spec->obs_dim, spec->action_dim, spec->goal_dim, spec->task_dim};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i] < 0 || sizes[i] > ML3_ENV_MAX_ENTRIES)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s': its %s has %d entries; up to %d are possible",
                           spec->name, names[i], sizes[i], ML3_ENV_MAX_ENTRIES);
  return ML3_OK;
}

ml3_env *ml3_env_new(const ml3_env_spec *spec, ml3_error *error) {
  if (ml3_env_check_sizes(spec, error) != ML3_OK) return NULL;
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
  if (env->spec->change_task) env->spec->change_task(env);
  ml3_random own = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  env->spec->reset(env, random ? random : &own);
}

/* ---- stepping ------------------------------------------------------------------------------------------- */

bool ml3_env_takes(const ml3_env_spec *spec, double action) {
  if (!spec->choices) return isfinite(action);
  return action >= 0 && action < spec->choices && action == floor(action);
}

/* The first entry of an action that cannot be taken, or -1. */
static int first_unusable(const ml3_env_spec *spec, const double *action) {
  for (int i = 0; i < spec->action_dim; i++) {
    if (!ml3_env_takes(spec, action[i])) return i;
  }
  return -1;
}

/* What the simulation was in is lost: back to where the task begins. */
static void begin_again(ml3_env *env, ml3_env_result *result) {
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  env->spec->reset(env, &random);
  result->terminated = true;
}

ml3_env_result ml3_env_step(ml3_env *env, const double *action) {
  ml3_env_result result = {0};
  if (first_unusable(env->spec, action) >= 0) {
    result.code = ML3_ERR_NUMERIC;
  } else {
    env->spec->step(env, action, &result);
    env->steps++;
    if (result.code >= 0 && !isfinite(result.reward)) result.code = ML3_ERR_NUMERIC;
    if (result.code < 0) begin_again(env, &result);
  }
  if (result.code < 0) result.reward = NAN;
  result.truncated = result.truncated || env->steps >= env->spec->horizon;
  return result;
}

void ml3_env_send(ml3_env *env, const double *action) {
  if (env->spec->send && !(action && first_unusable(env->spec, action) >= 0)) env->spec->send(env, action);
}

int ml3_env_failed(const ml3_env_spec *spec, ml3_error *error) {
  return spec->failed ? spec->failed(spec, error) : ML3_OK;
}

int ml3_env_threads(const ml3_env_spec *spec, int threads) {
  return spec->threads > 0 && (threads <= 0 || threads > spec->threads) ? spec->threads : threads;
}

int ml3_env_step_error(const ml3_env_spec *spec, const char *what, int step, const double *action, const char *said,
                       ml3_error *error) {
  int bad = first_unusable(spec, action);
  if (bad < 0 && ml3_env_failed(spec, error) != ML3_OK) return error ? error->code : ML3_ERR_UNAVAILABLE;
  if (bad < 0)
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "%s, step %d: the simulation diverged or could not go on%s%s; it is back where its task begins", what, step,
        said && *said ? ": MuJoCo says: " : "", said ? said : "");
  if (spec->choices)
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "%s, step %d: the action (%s) is %g; a whole number from 0 to %d is needed, and nothing was stepped", what,
        step, spec->action[bad].name, action[bad], spec->choices - 1);
  return ml3_error_set(error, ML3_ERR_NUMERIC,
                       "%s, step %d: action %d (%s) is %g; a finite number is needed, and nothing was stepped", what,
                       step, bad, spec->action[bad].name, action[bad]);
}

int ml3_env_step_checked(ml3_env *env, const double *action, ml3_env_result *result, ml3_error *error) {
  char what[128];
  int step = env->steps;
  *result = ml3_env_step(env, action);
  if (result->code >= 0) return ML3_OK;
  snprintf(what, sizeof what, "environment '%.100s'", env->spec->name);
  return ml3_env_step_error(env->spec, what, step, action, env->warnings.failure, error);
}

/* ---- state ------------------------------------------------------------------------------------------------ */

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
  if (env->spec->set_state) env->spec->set_state(env, state);
}

/* Laid out as steps, task, the environment's own. */
static int own_dim(const ml3_env *env) {
  return env->spec->full_dim ? env->spec->full_dim(env) : env->spec->state_dim;
}

int ml3_env_full_dim(const ml3_env *env) {
  return 1 + env->spec->task_dim + own_dim(env);
}

void ml3_env_get_full(const ml3_env *env, double *full) {
  const ml3_env_spec *spec = env->spec;
  full[0] = env->steps;
  memcpy(full + 1, env->task, (size_t)spec->task_dim * sizeof *full);
  (spec->get_full ? spec->get_full : spec->get_state)(env, full + 1 + spec->task_dim);
}

void ml3_env_set_full(ml3_env *env, const double *full) {
  const ml3_env_spec *spec = env->spec;
  size_t task_size = (size_t)spec->task_dim * sizeof *full;
  env->steps = (int)full[0];
  if (memcmp(env->task, full + 1, task_size) != 0) {
    memcpy(env->task, full + 1, task_size);
    if (spec->change_task) spec->change_task(env);
  }
  (spec->set_full ? spec->set_full : spec->set_state)(env, full + 1 + spec->task_dim);
}

ml3_env *ml3_env_clone(const ml3_env *env, ml3_error *error) {
  ml3_env *twin = ml3_env_new(env->spec, error);
  double *full = twin ? malloc((size_t)ml3_env_full_dim(env) * sizeof *full) : NULL;
  if (full) {
    ml3_env_get_full(env, full);
    ml3_env_set_full(twin, full);
  } else if (twin) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a copy of an environment '%s'", env->spec->name);
    ml3_env_free(twin);
    twin = NULL;
  }
  free(full);
  return twin;
}

double ml3_env_distance(const ml3_env *env) {
  return env->spec->distance(env);
}

bool ml3_env_success(const ml3_env *env) {
  return env->spec->success(env);
}

void ml3_env_linearize(ml3_env *env, const double *action, double *a, double *b) {
  if (env->spec->linearize) {
    env->spec->linearize(env, action, a, b);
  } else if (env->spec->get_full) { /* what is kept besides the state comes back too */
    double full[env->spec->full_dim(env)];
    env->spec->get_full(env, full);
    ml3_env_difference(env, action, a, b);
    env->spec->set_full(env, full);
  } else {
    ml3_env_difference(env, action, a, b);
  }
}

bool ml3_env_expand(ml3_env *env, const double *action, ml3_env_expansion *expansion) {
  if (!env->spec->expand) return false;
  env->spec->expand(env, action, expansion);
  return true;
}

bool ml3_env_move_goal(ml3_env *env, const double *point) {
  if (!env->spec->move_goal) return false;
  env->spec->move_goal(env, point);
  return true;
}

bool ml3_env_push(ml3_env *env, int body, const double *point, const double *force) {
  if (!env->spec->push) return false;
  env->spec->push(env, body, point, force);
  return true;
}

void ml3_env_draw_action(const ml3_env_spec *spec, ml3_random *random, double *action) {
  for (int i = 0; i < spec->action_dim; i++) {
    const ml3_env_field *f = &spec->action[i];
    if (spec->choices)
      action[i] = (double)ml3_random_below(random, (uint32_t)spec->choices);
    else
      action[i] = ml3_random_uniform(random, isfinite(f->low) ? f->low : -1, isfinite(f->high) ? f->high : 1);
  }
}

int ml3_env_need_continuous(const ml3_env_spec *spec, const char *what, ml3_error *error) {
  if (!spec->choices) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "%s needs derivatives by the action, and environment '%s' takes one of %d discrete actions",
                       what, spec->name, spec->choices);
}

int ml3_env_need_state(const ml3_env_spec *spec, const char *what, ml3_error *error) {
  if (spec->set_state) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                       "%s needs to set the state, and that of environment '%s' cannot be set: its observations are all "
                       "that is known of it",
                       what, spec->name);
}

void ml3_env_sample_task(const ml3_env_spec *spec, ml3_random *random, double *task) {
  if (spec->draw_task) {
    spec->draw_task(spec, random, task);
    return;
  }
  for (int i = 0; i < spec->task_dim; i++) {
    const ml3_env_parameter *p = &spec->task[i];
    task[i] = p->low < p->high ? ml3_random_uniform(random, p->low, p->high) : p->low;
  }
}

void ml3_env_sample_split(const ml3_env_spec *spec, int split, ml3_random *random, double *task) {
  ml3_env_parameter ranges[spec->task_dim + 1];
  ml3_env_spec of = *spec;
  if (spec->splits && spec->split == 0) {
    of.split = split;
    of.task = ranges;
    for (int i = 0; i < spec->task_dim; i++) {
      ranges[i] = spec->task[i];
      if (ranges[i].low >= ranges[i].high) continue; /* it does not vary, or was fixed */
      ranges[i].low = spec->splits[split].task[i].low;
      ranges[i].high = spec->splits[split].task[i].high;
    }
  }
  ml3_env_sample_task(&of, random, task);
}

void ml3_env_default_task(const ml3_env_spec *spec, double *task) {
  for (int i = 0; i < spec->task_dim; i++) task[i] = spec->task[i].value;
}

bool ml3_env_goal_is_state(const ml3_env_spec *spec) {
  if (spec->goal_dim != spec->state_dim) return false;
  for (int i = 0; i < spec->state_dim; i++)
    if (strcmp(spec->goal[i].name, spec->state[i].name) != 0) return false;
  return true;
}

int ml3_env_task_index(const ml3_env_spec *spec, const char *name) {
  for (int i = 0; i < spec->task_dim; i++) {
    if (strcmp(spec->task[i].name, name) == 0) return i;
  }
  return -1;
}
