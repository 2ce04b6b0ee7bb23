/* The derivative of a step by differences for every state and action entry: centred, (f(x + h) - f(x - h)) / 2h; where an
   action is within h of a bound, beyond which it is clipped and a centred difference is half the derivative, one-sided
   of the same order, (4 f(x + h) - f(x + 2h) - 3 f(x)) / 2h with h towards the inside. */
#include "envs/difference.h"

#include <math.h>
#include <string.h>

/* Relative to the size of the entry it moves; the error of a difference is about its square. */
static const double DIFFERENCE_STEP = 1e-6;

/* A state or action entry: x is the state or u, and both belong to one step. */
typedef struct entry {
  double *state, *action, *x;
  int column, columns;
  double low, high;
} entry;

/* next[state_dim] after one step with x[column] moved by h; steps is not counted. */
static void state_after(ml3_env *env, const entry *e, double h, double *next) {
  ml3_env_result unused = {0};
  const double x = e->x[e->column];
  e->x[e->column] = x + h;
  env->spec->set_state(env, e->state);
  env->spec->step(env, e->action, &unused);
  env->spec->get_state(env, next);
  e->x[e->column] = x;
}

/* Fills column `column` of jacobian[state_dim][columns]. */
static void difference_column(ml3_env *env, const entry *e, double *jacobian) {
  const int n = env->spec->state_dim;
  const double x = e->x[e->column], h = fmin(DIFFERENCE_STEP * (1 + fabs(x)), (e->high - e->low) / 2);
  const bool at_low = x - h < e->low, at_high = x + h > e->high, beyond = x < e->low || x > e->high || !(h > 0);
  const double side = at_low ? h : -h;
  double here[n], plus[n], minus[n];
  if (beyond) {
    for (int i = 0; i < n; i++) jacobian[i * e->columns + e->column] = 0;
  } else if (at_low || at_high) {
    state_after(env, e, 0, here);
    state_after(env, e, side, plus);
    state_after(env, e, 2 * side, minus);
    for (int i = 0; i < n; i++)
      jacobian[i * e->columns + e->column] = (4 * (plus[i] - here[i]) - (minus[i] - here[i])) / (2 * side);
  } else {
    state_after(env, e, h, plus);
    state_after(env, e, -h, minus);
    for (int i = 0; i < n; i++) jacobian[i * e->columns + e->column] = (plus[i] - minus[i]) / (2 * h);
  }
}

void ml3_env_difference(ml3_env *env, const double *action, double *a, double *b) {
  const ml3_env_spec *spec = env->spec;
  double here[spec->state_dim], state[spec->state_dim], u[spec->action_dim];
  spec->get_state(env, here);
  memcpy(state, here, sizeof here);
  memcpy(u, action, sizeof u);

  for (int i = 0; i < spec->state_dim; i++) {
    const entry e = {state, u, state, i, spec->state_dim, -INFINITY, INFINITY};
    difference_column(env, &e, a);
  }
  for (int i = 0; i < spec->state_dim && spec->choices; i++) b[i] = 0;
  for (int i = 0; i < spec->action_dim && !spec->choices; i++) {
    const entry e = {state, u, u, i, spec->action_dim, spec->action[i].low, spec->action[i].high};
    difference_column(env, &e, b);
  }
  spec->set_state(env, here);
}
