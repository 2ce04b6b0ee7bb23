/* Environments as formulas: see formula.h. */
#include "envs/formula.h"

#include <stdlib.h>
#include <string.h>

int ml3_formula_create(ml3_env *env, ml3_error *error) {
  env->data = calloc(ML3_FORMULA_NUMBERS, sizeof(double));
  return env->data ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", env->spec->name);
}

void ml3_formula_destroy(ml3_env *env) {
  free(env->data);
}

void ml3_formula_reset(ml3_env *env, ml3_random *random) {
  (void)random;
  memset(env->data, 0, ML3_FORMULA_NUMBERS * sizeof(double));
  ml3_formula_set_state(env, env->task);
}

void ml3_formula_get_state(const ml3_env *env, double *state) {
  memcpy(state, env->data, (size_t)env->spec->state_dim * sizeof *state);
}

void ml3_formula_set_state(ml3_env *env, const double *state) {
  memcpy(env->data, state, (size_t)env->spec->state_dim * sizeof *state);
}

void ml3_formula_goal(const ml3_env *env, double *goal) {
  memcpy(goal, env->task + env->spec->state_dim, (size_t)env->spec->goal_dim * sizeof *goal);
}
