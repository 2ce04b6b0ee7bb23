/* Demonstrations from a data set in HDF5: see demonstrations.h. */
#include <math.h>
#include <string.h>

#include "agents/problems/demonstrations.h"
#include "envs/dataset.h"

static int check_task(const ml3_env_spec *env, const ml3_episode *e, const char *path, int number, ml3_error *error) {
  for (int i = 0; i < env->task_dim; i++) {
    const ml3_env_parameter *p = &env->task[i];
    if (p->low < p->high || fabs(e->task[i] - p->value) <= 1e-9 * (1 + fabs(p->value))) continue;
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s', episode %d: its %s is %g, where tasks here have %g (rollout.fixed)", path, number,
                         p->name, e->task[i], p->value);
  }
  return ML3_OK;
}

/* Episode number `number` as demonstration of the same number. */
static int take(ml3_demonstrations *d, ml3_dataset *file, const char *path, int number, ml3_error *error) {
  const ml3_env_spec *env = d->env;
  const size_t room = (size_t)d->steps, at = (size_t)number;
  ml3_episode *e = ml3_dataset_episode(file, number, error);
  if (!e) return error ? error->code : ML3_ERR_IO;
  int code = check_task(env, e, path, number, error);
  if (code == ML3_OK && e->steps < d->steps && !e->terminated && !e->success)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s', episode %d has %d steps; demonstrations here have %d, or end at the goal", path, number,
                         e->steps, d->steps);
  if (code == ML3_OK) {
    const size_t steps = e->steps < d->steps ? (size_t)e->steps : room;
    const size_t obs = (size_t)env->obs_dim, action = (size_t)env->action_dim, task = (size_t)env->task_dim;
    memcpy(d->task + at * task, e->task, task * sizeof *d->task);
    d->length[number] = (int)steps;
    memcpy(d->obs + at * room * obs, e->obs, steps * obs * sizeof *d->obs);
    memcpy(d->action + at * room * action, e->actions, steps * action * sizeof *d->action);
    for (size_t t = 0; t < steps; t++) d->episode_return += e->rewards[t] / d->count;
  }
  ml3_episode_free(e);
  return code;
}

ml3_demonstrations *ml3_demonstrations_read(const ml3_env_spec *env, const char *path, int count, int steps,
                                            ml3_error *error) {
  ml3_dataset *file = ml3_dataset_open(path, env, error);
  if (!file) return NULL;
  const int there = ml3_dataset_count(file);
  ml3_demonstrations *d = NULL;
  int code = ML3_OK;
  if (there < 1 || count > there)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' has %d episodes; %d were asked for", path, there,
                         count ? count : 1);
  else if (!(d = ml3_demonstrations_new(env, count ? count : there, steps, error)))
    code = ML3_ERR_MEMORY;
  for (int i = 0; code == ML3_OK && i < d->count; i++) code = take(d, file, path, i, error);
  ml3_dataset_close(file);
  if (code == ML3_OK) return d;
  ml3_demonstrations_free(d);
  return NULL;
}
