/* A narrower task distribution: see narrow.h. */
#include "agents/control/narrow.h"

#include <math.h>
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

/* The copy, and what it points to: parameters, then weights. */
typedef struct narrowed {
  ml3_env_spec spec;
  ml3_env_warnings tally;
  ml3_env_parameter task[];
} narrowed;

ml3_env_spec *ml3_env_narrow(const ml3_env_spec *env, const char *const *names, int count, ml3_error *error) {
  const size_t parameters = (size_t)env->task_dim * sizeof *env->task, terms = (size_t)env->term_count * sizeof(double);
  narrowed *n = malloc(sizeof *n + parameters + terms);
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

int ml3_env_reweigh(ml3_env_spec *spec, const char *const *entries, int count, ml3_error *error) {
  narrowed *n = (narrowed *)(void *)spec;
  double *weights = (double *)(void *)(n->task + spec->task_dim);
  if (count == 0) return ML3_OK;
  if (spec->term_count == 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollout.reward: environment '%s' has no named terms; only tasks as data have them", spec->name);
  for (int i = 0; i < spec->term_count; i++) weights[i] = NAN;
  for (int k = 0; k < count; k++) {
    char *end = NULL, all[400] = "";
    const char *equals = strchr(entries[k], '=');
    const double weight = equals ? strtod(equals + 1, &end) : 0;
    int found = -1;
    for (int i = 0; i < spec->term_count; i++) {
      const char *name = spec->term_name(spec, i);
      snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", name);
      if (equals && strlen(name) == (size_t)(equals - entries[k]) && strncmp(name, entries[k], strlen(name)) == 0) found = i;
    }
    if (found < 0)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "reward.%.*s: the reward of '%s' has no such term; it has: %s",
                           equals ? (int)(equals - entries[k]) : 60, entries[k], spec->name, all);
    if (end == equals + 1 || *end || !isfinite(weight))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "reward.%s: the weight is '%.60s'; expected a number",
                           spec->term_name(spec, found), equals + 1);
    weights[found] = weight;
  }
  spec->weights = weights;
  return ML3_OK;
}
