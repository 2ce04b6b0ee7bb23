/* An environment with its task shown. See ml3_env_reveal. */
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"

typedef struct revealed {
  ml3_env_spec spec; /* first: it is what the caller has and frees */
  ml3_env_field goal[];
} revealed;

static void goal_now(const ml3_env *env, double *goal) {
  memcpy(goal, env->task, (size_t)env->spec->task_dim * sizeof *goal);
}

ml3_env_spec *ml3_env_reveal(const ml3_env_spec *spec) {
  revealed *r = malloc(sizeof *r + (size_t)spec->task_dim * sizeof *r->goal);
  if (!r) return NULL;
  r->spec = *spec;
  for (int i = 0; i < spec->task_dim; i++) {
    const ml3_env_parameter *p = spec->task + i;
    r->goal[i] = (ml3_env_field){.name = p->name, .unit = p->unit, .low = p->low, .high = p->high};
  }
  r->spec.goal_dim = spec->task_dim;
  r->spec.goal = r->goal;
  r->spec.goal_now = goal_now;
  r->spec.splits = NULL;
  r->spec.hides_task = false;
  return &r->spec;
}
