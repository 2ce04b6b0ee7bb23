/* A narrower task distribution: see narrow.h. */
#include "agents/control/narrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unknown(const ml3_env_spec *env, const char *name, ml3_error *error) {
  char all[400] = "";
  for (int i = 0; i < env->task_dim; i++)
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", env->task[i].name);
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "rollout.fixed: environment '%s' has no task parameter '%s'; it has: %s", env->name, name, all);
}

ml3_env_spec *ml3_env_narrow(const ml3_env_spec *env, const char *const *names, int count, ml3_error *error) {
  struct narrowed {
    ml3_env_spec spec;
    ml3_env_warnings tally;
    ml3_env_parameter task[];
  } *n = malloc(sizeof *n + (size_t)env->task_dim * sizeof *env->task);
  if (!n) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the tasks of '%s'", env->name);
    return NULL;
  }
  n->spec = *env;
  n->spec.task = n->task;
  n->tally = (ml3_env_warnings){0};
  n->spec.tally = &n->tally;
  memcpy(n->task, env->task, (size_t)env->task_dim * sizeof *env->task);
  for (int i = 0; i < count; i++) {
    const int at = ml3_env_task_index(env, names[i]);
    if (at < 0) {
      unknown(env, names[i], error);
      free(n);
      return NULL;
    }
    n->task[at].low = n->task[at].high = n->task[at].value;
  }
  return &n->spec;
}
