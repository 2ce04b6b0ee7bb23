/* The derivative of a step by centred differences, (f(x + h) - f(x - h)) / 2h for every state and action entry. */
#include "envs/difference.h"

#include <string.h>

/* Relative to the size of the entry it moves; the error of a centred difference is about its square. */
static const double DIFFERENCE_STEP = 1e-6;

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

void ml3_env_difference(ml3_env *env, const double *action, double *a, double *b) {
  const ml3_env_spec *spec = env->spec;
  double here[spec->state_dim], state[spec->state_dim], u[spec->action_dim];
  spec->get_state(env, here);
  memcpy(state, here, sizeof here);
  memcpy(u, action, sizeof u);

  for (int i = 0; i < spec->state_dim; i++) difference_column(env, state, u, state, i, spec->state_dim, a);
  for (int i = 0; i < spec->action_dim; i++) difference_column(env, state, u, u, i, spec->action_dim, b);
  spec->set_state(env, here);
}
