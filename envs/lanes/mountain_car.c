/* The mountain car's step over lanes: the equations of envs/mountain_car.c, which explains them. */
#include <math.h>

#include "envs/lanes.h"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
extern double cos(double) __attribute__((simd("notinbranch"), const)); /* libmvec's, on whole vectors */
#endif

enum { N = ML3_LANES_COUNT };
enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, MASS, GRAVITY, FRICTION };

void ML3_LANES(mountain_car)(const ml3_env_lanes *lanes);

void ML3_LANES(mountain_car)(const ml3_env_lanes *lanes) {
  const double dt = 0.1, speed_max = 1.5, position_max = 0.5, position_min = -1.2, force_max = 0.25;
  const double *restrict task = lanes->task, *restrict action = lanes->action;
  const double *goal_p = task + GOAL_POSITION * N, *goal_v = task + GOAL_VELOCITY * N;
  const double *mass = task + MASS * N, *gravity = task + GRAVITY * N, *friction = task + FRICTION * N;
  double *restrict state = lanes->state, *restrict obs = lanes->obs, *restrict reward = lanes->reward;
  double slope[N];

  for (int i = 0; i < N; i++) slope[i] = cos(3 * state[i]);
  for (int i = 0; i < N; i++) {
    double u = action[i], p = state[i], v = state[N + i];
    u = u < -force_max ? -force_max : u;
    u = u > force_max ? force_max : u;
    v += (-gravity[i] * mass[i] * slope[i] + u / mass[i] - friction[i] * v) * dt;
    p += v * dt;

    v = v < -speed_max ? -speed_max : v;
    v = v > speed_max ? speed_max : v;
    p = p > position_max ? position_max : p;
    p = p < position_min ? position_min : p;
    v = ((p == position_min) & (v < 0)) ? 0 : v;
    state[i] = obs[i] = p;
    state[N + i] = obs[N + i] = v;
    double dp = p - goal_p[i], dv = v - goal_v[i];
    reward[i] = -sqrt(dp * dp + dv * dv);
  }
  if (lanes->obs_dim < 4) return;
  for (int i = 0; i < N; i++) obs[2 * N + i] = goal_p[i], obs[3 * N + i] = goal_v[i];
}
