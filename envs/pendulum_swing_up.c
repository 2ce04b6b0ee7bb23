/* A torque-limited pendulum that must swing up: a point mass on a massless rod, angle q from hanging down.

     a = (u - b v - m g l sin q) / (m l^2),   v' = v + a dt,   q' = q + v' dt      (semi-implicit Euler)

   The torque u is too weak to lift the mass at once: it must be swung. The state is the observation; q is not wrapped. Tasks of
   `pendulum_swing_up` begin anywhere on the circle at up to 1 rad/s, those of `pendulum_hanging` near the bottom;
   without a task it hangs at rest.
   Reward of a step, smooth and highest at rest upright: -(2 (1 + cos q') + 0.1 v'^2 + 0.001 u^2) of the torque that acts. The
   episode runs its 100 steps (5 s) whatever happens; success is within 0.1 rad of upright at less than 0.5 rad/s. */
#include <math.h>

#include "envs/formula.h"
#include "envs/scenes.h"

static const double DT = 0.05, TORQUE_MAX = 3, PI = 3.14159265358979323846;

enum { START_ANGLE, START_VELOCITY, GOAL_ANGLE, GOAL_VELOCITY, MASS, LENGTH, GRAVITY, DAMPING, TASK_DIM };

typedef struct pendulum {
  double q, v;
} pendulum;

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  pendulum *p = env->data;
  const double *task = env->task;
  const double u = ml3_clip(action[0], -TORQUE_MAX, TORQUE_MAX), m = task[MASS], l = task[LENGTH];
  p->v += (u - task[DAMPING] * p->v - m * task[GRAVITY] * l * sin(p->q)) / (m * l * l) * DT;
  p->q += p->v * DT;
  result->reward = -(2 * (1 + cos(p->q)) + 0.1 * p->v * p->v + 0.001 * u * u);
}

/* The angle between the rod and the goal's, the shorter way round. */
static double distance(const ml3_env *env) {
  const pendulum *p = env->data;
  return fabs(remainder(p->q - env->task[GOAL_ANGLE], 2 * PI));
}

static bool success(const ml3_env *env) {
  return distance(env) < 0.1 && fabs(((pendulum *)env->data)->v) < 0.5;
}

/* The true derivative; 0 by a torque beyond its limits. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const pendulum *p = env->data;
  const double *task = env->task, inertia = task[MASS] * task[LENGTH] * task[LENGTH];
  const double dv_dq = -task[GRAVITY] / task[LENGTH] * cos(p->q) * DT, dv_dv = 1 - task[DAMPING] / inertia * DT;
  const double dv_du = fabs(action[0]) <= TORQUE_MAX ? DT / inertia : 0;
  a[0] = 1 + dv_dq * DT, a[1] = dv_dv * DT;
  a[2] = dv_dq, a[3] = dv_dv;
  b[0] = dv_du * DT;
  b[1] = dv_du;
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == 1) qpos[0] = ((const pendulum *)env->data)->q;
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field state_fields[] = {
    {.name = "angle", .unit = "rad", .low = -INFINITY, .high = INFINITY},
    {.name = "velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
};
static const ml3_env_field action_fields[] = {
    {.name = "torque", .unit = "N m", .low = -3, .high = 3},
};
#define GOAL_AND_BODY                                                                                                 \
  [GOAL_ANGLE] = {.name = "goal_angle",                                                                               \
                  .unit = "rad",                                                                                      \
                  .value = 3.14159265358979323846,                                                                    \
                  .low = 3.14159265358979323846,                                                                      \
                  .high = 3.14159265358979323846},                                                                    \
  [GOAL_VELOCITY] = ML3_FIXED("goal_velocity", "rad/s", 0),                                                           \
  [MASS] = ML3_FIXED("mass", "kg", 1),                                                                                \
  [LENGTH] = ML3_FIXED("length", "m", 1),                                                                             \
  [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 9.81),                                                                    \
  [DAMPING] = ML3_FIXED("damping", "N m s", 0)

static const ml3_env_parameter anywhere[TASK_DIM] = {
    [START_ANGLE] = {.name = "start_angle",
                     .unit = "rad",
                     .value = 0,
                     .low = -3.14159265358979323846,
                     .high = 3.14159265358979323846},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "rad/s", .value = 0, .low = -1, .high = 1},
    GOAL_AND_BODY,
};
static const ml3_env_parameter hanging[TASK_DIM] = {
    [START_ANGLE] = {.name = "start_angle", .unit = "rad", .value = 0, .low = -0.3, .high = 0.3},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "rad/s", .value = 0, .low = -0.3, .high = 0.3},
    GOAL_AND_BODY,
};

#define PENDULUM                                                                                                      \
  .dt_s = 0.05, .horizon = 100, .state_dim = 2, .obs_dim = 2, .action_dim = 1, .goal_dim = 2,                         \
  .task_dim = TASK_DIM, .state = state_fields, .obs = state_fields, .action = action_fields,                          \
  .goal = state_fields, .step_ns = 300, ML3_FORMULA_DATA, .reset = ml3_formula_reset, .step = step, .observe = ml3_formula_get_state, \
  .goal_now = ml3_formula_goal, .distance = distance, .success = success,                                             \
  .linearize = linearize, .scene_xml = ml3_pendulum_xml, .pose = pose

const ml3_env_spec ml3_pendulum_swing_up = {
    PENDULUM,
    .name = "pendulum_swing_up",
    .summary = "a torque-limited pendulum, from anywhere: swing up and stand",
    .task = anywhere,
};

const ml3_env_spec ml3_pendulum_hanging = {
    PENDULUM,
    .name = "pendulum_hanging",
    .summary = "the same from where it hangs, nearly at rest",
    .task = hanging,
};
