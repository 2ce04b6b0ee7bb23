/* Gymnasium's Pendulum-v1, step for step: a rod that turns about its end and must stand. q is the angle from upright.

     v' = ml3_clip(v + (3 g / (2 l) sin q + 3 / (m l^2) ml3_clip(u, -2, 2)) dt, -8, 8),   q' = q + v' dt

   Reward of a step, of where it began: -(q^2 + 0.1 v^2 + 0.001 u^2) with q brought into [-pi, pi) and u as it acts.
   What is observed is cos q, sin q and v, in single precision as there; the state is in double precision. The episode
   runs its 200 steps whatever happens. Tasks begin anywhere on the circle at up to 1 rad/s; without a task it hangs
   at rest. Success, which Gymnasium does not know, is within 0.1 rad of upright at less than 0.5 rad/s. */
#include <math.h>

#include "envs/formula.h"
#include "envs/scenes.h"
#include "envs/single.h"

static const double DT = 0.05, TORQUE_MAX = 2, SPEED_MAX = 8, PI = 3.14159265358979323846;

enum { START_ANGLE, START_VELOCITY, GOAL_ANGLE, GOAL_VELOCITY, MASS, LENGTH, GRAVITY, TASK_DIM };

typedef struct pendulum {
  double q, v;
} pendulum;

/* Into [-pi, pi), in the order of operations of NumPy's remainder, which has the sign of the divisor. */
static double normalized(double angle) {
  double rest = fmod(angle + PI, 2 * PI);
  return (rest < 0 ? rest + 2 * PI : rest) - PI;
}

/* The velocity after a step, before it is clipped. */
static double faster(const double *task, const pendulum *p, double u) {
  const double m = task[MASS], l = task[LENGTH];
  return p->v + (3 * task[GRAVITY] / (2 * l) * sin(p->q) + 3 / (m * l * l) * u) * DT;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  pendulum *p = env->data;
  const double u = ml3_clip(action[0], -TORQUE_MAX, TORQUE_MAX), off = normalized(p->q);
  result->reward = -(off * off + 0.1 * (p->v * p->v) + 0.001 * (u * u));
  p->v = ml3_clip(faster(env->task, p, u), -SPEED_MAX, SPEED_MAX);
  p->q += p->v * DT;
}

static void observe(const ml3_env *env, double *obs) {
  const pendulum *p = env->data;
  obs[0] = ml3_single(cos(p->q));
  obs[1] = ml3_single(sin(p->q));
  obs[2] = ml3_single(p->v);
}

/* The angle between the rod and the goal's, the shorter way round. */
static double distance(const ml3_env *env) {
  return fabs(remainder(((const pendulum *)env->data)->q - env->task[GOAL_ANGLE], 2 * PI));
}

static bool success(const ml3_env *env) {
  return distance(env) < 0.1 && fabs(((const pendulum *)env->data)->v) < 0.5;
}

/* The true derivative; 0 by a torque beyond its limits, and through the limit of the velocity. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const pendulum *p = env->data;
  const double *task = env->task, m = task[MASS], l = task[LENGTH];
  const double u = ml3_clip(action[0], -TORQUE_MAX, TORQUE_MAX);
  const bool free = fabs(faster(task, p, u)) <= SPEED_MAX;
  const double dv_dq = free ? 3 * task[GRAVITY] / (2 * l) * cos(p->q) * DT : 0, dv_dv = free;
  const double dv_du = free && fabs(action[0]) <= TORQUE_MAX ? 3 / (m * l * l) * DT : 0;
  a[0] = 1 + dv_dq * DT, a[1] = dv_dv * DT;
  a[2] = dv_dq, a[3] = dv_dv;
  b[0] = dv_du * DT;
  b[1] = dv_du;
}

/* The scene's hinge is at 0 where the rod hangs. */
static void pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == 1) qpos[0] = ((const pendulum *)env->data)->q + PI;
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field state_fields[] = {
    {.name = "angle", .unit = "rad", .low = -INFINITY, .high = INFINITY},
    {.name = "velocity", .unit = "rad/s", .low = -8, .high = 8},
};
static const ml3_env_field obs_fields[] = {
    {.name = "cos_angle", .unit = "1", .low = -1, .high = 1},
    {.name = "sin_angle", .unit = "1", .low = -1, .high = 1},
    {.name = "velocity", .unit = "rad/s", .low = -8, .high = 8},
};
static const ml3_env_field action_fields[] = {
    {.name = "torque", .unit = "N m", .low = -2, .high = 2},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_ANGLE] = {.name = "start_angle",
                     .unit = "rad",
                     .value = 3.14159265358979323846,
                     .low = -3.14159265358979323846,
                     .high = 3.14159265358979323846},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "rad/s", .value = 0, .low = -1, .high = 1},
    [GOAL_ANGLE] = ML3_FIXED("goal_angle", "rad", 0),
    [GOAL_VELOCITY] = ML3_FIXED("goal_velocity", "rad/s", 0),
    [MASS] = ML3_FIXED("mass", "kg", 1),
    [LENGTH] = ML3_FIXED("length", "m", 1),
    [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 10),
};

const ml3_env_spec ml3_pendulum = {
    .name = "pendulum",
    .summary = "a torque-limited rod that must swing up and stand (Gymnasium Pendulum-v1)",
    .dt_s = 0.05,
    .horizon = 200,
    .state_dim = 2,
    .obs_dim = 3,
    .action_dim = 1,
    .goal_dim = 2,
    .task_dim = TASK_DIM,
    .state = state_fields,
    .obs = obs_fields,
    .action = action_fields,
    .goal = state_fields,
    .task = task_parameters,
    .step_ns = 500,
    ML3_FORMULA_DATA,
    .reset = ml3_formula_reset,
    .step = step,
    .observe = observe,
    .goal_now = ml3_formula_goal,
    .distance = distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_pendulum_xml,
    .pose = pose,
};
