/* The cart-pole's step over lanes: the equations of envs/cart_pole.c, which explains them. */
#include <math.h>

#include "envs/lanes.h"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
extern double cos(double) __attribute__((simd("notinbranch"), const)); /* libmvec's, on whole vectors */
extern double sin(double) __attribute__((simd("notinbranch"), const));
#endif

enum { N = ML3_LANES_COUNT };
enum { GRAVITY = 4, CART, POLE, HALF_LENGTH, FORCE }; /* behind the four numbers of the start */

void ML3_LANES(cart_pole)(const ml3_env_lanes *lanes);

void ML3_LANES(cart_pole)(const ml3_env_lanes *lanes) {
  const double dt = 0.02, position_limit = 2.4, angle_limit = 12 * 2 * 3.14159265358979323846 / 360;
  const double *restrict task = lanes->task, *restrict action = lanes->action;
  double *restrict state = lanes->state, *restrict obs = lanes->obs, *restrict reward = lanes->reward;
  double *x = state, *xv = state + N, *q = state + 2 * N, *qv = state + 3 * N;
  double c[N], s[N], over[N];
  float single[4 * N]; /* as Gymnasium observes */

  for (int i = 0; i < N; i++) c[i] = cos(q[i]);
  for (int i = 0; i < N; i++) s[i] = sin(q[i]);
  for (int i = 0; i < N; i++) {
    const double mass = task[POLE * N + i], l = task[HALF_LENGTH * N + i], total = mass + task[CART * N + i];
    const double force = action[i] == 1 ? task[FORCE * N + i] : -task[FORCE * N + i];
    const double w = (force + mass * l * (qv[i] * qv[i]) * s[i]) / total;
    const double pole = (task[GRAVITY * N + i] * s[i] - c[i] * w) / (l * (4.0 / 3.0 - mass * (c[i] * c[i]) / total));
    const double before = (fabs(x[i]) > position_limit) | (fabs(q[i]) > angle_limit);
    x[i] += dt * xv[i];
    xv[i] += dt * (w - mass * l * pole * c[i] / total);
    q[i] += dt * qv[i];
    qv[i] += dt * pole;
    over[i] = (fabs(x[i]) > position_limit) | (fabs(q[i]) > angle_limit);
    reward[i] = 1 - over[i] * before;
  }
  for (int i = 0; i < N; i++) lanes->terminated[i] = over[i] != 0;
  for (int i = 0; i < 4 * N; i++) single[i] = (float)state[i];
  for (int i = 0; i < 4 * N; i++) obs[i] = single[i];
}
