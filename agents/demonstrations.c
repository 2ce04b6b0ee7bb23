/* An expert's episodes: see demonstrations.h. */
#include "agents/demonstrations.h"

#include <stdlib.h>

ml3_demonstrations *ml3_demonstrations_new(const ml3_env_spec *env, int count, int steps, ml3_error *error) {
  if (count < 1 || steps < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "%d demonstrations of %d steps; at least one of each is needed", count,
                  steps);
    return NULL;
  }
  ml3_demonstrations *d = calloc(1, sizeof *d);
  const size_t n = (size_t)count, rows = n * (size_t)steps;
  if (d) {
    *d = (ml3_demonstrations){.env = env, .count = count, .steps = steps};
    d->task = calloc(n * (size_t)env->task_dim + 1, sizeof *d->task);
    d->obs = calloc(rows * (size_t)env->obs_dim, sizeof *d->obs);
    d->action = calloc(rows * (size_t)env->action_dim, sizeof *d->action);
  }
  if (d && d->task && d->obs && d->action) return d;
  ml3_demonstrations_free(d);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d demonstrations of %d steps", count, steps);
  return NULL;
}

void ml3_demonstrations_free(ml3_demonstrations *d) {
  if (!d) return;
  free(d->task);
  free(d->obs);
  free(d->action);
  free(d);
}
