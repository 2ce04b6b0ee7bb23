/* Gymnasium's MountainCarContinuous-v0, step for step.

     v' = v + 0.0015 clip(u, -1, 1) - 0.0025 cos 3p,  p' = p + v'

   then the clamps: v' to +-0.07; p' to at most 0.6; p' to at least -1.2; v' = 0 where p' = -1.2 and v' < 0 (an inelastic
   wall). Reward -0.1 u^2, of the action as it was given, and +100 at the goal: p' >= 0.45 and v' >= the goal's velocity,
   which ends the episode. Time is counted in steps; Gymnasium shows 30 a second.

   Gymnasium keeps its state in single precision: after each step position and velocity are rounded, and where NumPy
   then computes in single precision (3p, and v' and p' where a bound is taken) so does this file. The start of an episode is
   in double precision there as well, hence `is_single`. */
#include <math.h>
#include <stdlib.h>

#include "envs/env.h"
#include "envs/hill.h"
#include "envs/scenes.h"

static const double SPEED_MAX = 0.07, POSITION_MAX = 0.6, POSITION_MIN = -1.2, FORCE_MAX = 1;
static const double REWARD_AT_GOAL = 100, ACTION_COST = 0.1;

enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, POWER, GRAVITY, TASK_DIM };

typedef struct car {
  double p, v;
  double push; /* m/step^2 along the road, by a hand */
} car;

static int create(ml3_env *env, ml3_error *error) {
  env->data = calloc(1, sizeof(car));
  return env->data ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a mountain car");
}

static void destroy(ml3_env *env) {
  free(env->data);
}

static void reset(ml3_env *env, ml3_random *random) {
  (void)random; /* the task says it all */
  *(car *)env->data = (car){.p = env->task[START_POSITION], .v = env->task[START_VELOCITY]};
}

static double clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

static bool is_single(const car *c) {
  return (double)(float)c->p == c->p && (double)(float)c->v == c->v;
}

/* Gymnasium's step, unrounded; *at_goal as it sees it. A bound that takes the place of a number makes NumPy go on in
   the state's own precision. */
static car advance(const double *task, car c, double u, bool *at_goal) {
  bool single = is_single(&c);
  double angle = single ? (double)(3 * (float)c.p) : 3 * c.p;
  double change = clip(u, -FORCE_MAX, FORCE_MAX) * task[POWER] - task[GRAVITY] * cos(angle) + c.push;
  bool bounded = fabs(u) > FORCE_MAX;
  double v = single && bounded ? (double)((float)c.v + (float)change) : c.v + change;
  bounded = bounded || fabs(v) > SPEED_MAX;
  v = clip(v, -SPEED_MAX, SPEED_MAX);

  double p = single && bounded ? (double)((float)c.p + (float)v) : c.p + v;
  double goal = single && bounded ? (double)(float)task[GOAL_POSITION] : task[GOAL_POSITION];
  p = clip(p, POSITION_MIN, POSITION_MAX);
  if (p == POSITION_MIN && v < 0) v = 0;
  *at_goal = p >= goal && v >= task[GOAL_VELOCITY];
  return (car){.p = p, .v = v, .push = c.push};
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  car *c = env->data;
  car next = advance(env->task, *c, action[0], &result->terminated);
  *c = (car){.p = (double)(float)next.p, .v = (double)(float)next.v, .push = c->push};
  result->reward = (result->terminated ? REWARD_AT_GOAL : 0) - pow(action[0], 2) * ACTION_COST;
  if (!isfinite(c->p + c->v)) result->code = ML3_ERR_NUMERIC; /* the reward does not see where the car is */
}

static void observe(const ml3_env *env, double *obs) {
  const car *c = env->data;
  obs[0] = c->p, obs[1] = c->v;
}

static void goal_now(const ml3_env *env, double *goal) {
  goal[0] = env->task[GOAL_POSITION], goal[1] = env->task[GOAL_VELOCITY];
}

static void set_state(ml3_env *env, const double *state) {
  car *c = env->data;
  c->p = state[0], c->v = state[1];
}

/* In position, to the left of the goal; a car beyond the goal is at 0. */
static double distance(const ml3_env *env) {
  return fmax(0, env->task[GOAL_POSITION] - ((const car *)env->data)->p);
}

static bool success(const ml3_env *env) {
  const car *c = env->data; /* rounded, so the goal is too */
  return c->p >= (double)(float)env->task[GOAL_POSITION] && c->v >= env->task[GOAL_VELOCITY];
}

/* The derivative of the step before it is rounded: 0 through a clamp that acts, and 1 on its bound, as inside. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const car *c = env->data;
  const double *task = env->task;
  double v = c->v + (clip(action[0], -FORCE_MAX, FORCE_MAX) * task[POWER] - task[GRAVITY] * cos(3 * c->p) + c->push);
  bool v_free = fabs(v) <= SPEED_MAX;
  double p = c->p + clip(v, -SPEED_MAX, SPEED_MAX);
  bool p_free = p >= POSITION_MIN && p <= POSITION_MAX, stopped = p <= POSITION_MIN && v < 0;

  double dv_dp = v_free ? 3 * task[GRAVITY] * sin(3 * c->p) : 0, dv_dv = v_free;
  double dv_du = v_free && fabs(action[0]) <= FORCE_MAX ? task[POWER] : 0;
  a[0] = p_free ? 1 + dv_dp : 0, a[1] = p_free ? dv_dv : 0;
  a[2] = stopped ? 0 : dv_dp, a[3] = stopped ? 0 : dv_dv;
  b[0] = p_free ? dv_du : 0;
  b[1] = stopped ? 0 : dv_du;
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  ml3_hill_pose(((const car *)env->data)->p, env->task[GOAL_POSITION], qpos, nq);
}

/* ---- the hand ----------------------------------------------------------------------------------------- */

/* The flag stays on the right slope. */
static void move_goal(ml3_env *env, const double *point) {
  env->task[GOAL_POSITION] = clip(point[0], -0.3, POSITION_MAX);
}

/* The part of the force along the road, on a car of 0.2 kg: Gymnasium's has no mass. */
static void push(ml3_env *env, int body, const double *point, const double *force) {
  static const double MASS_KG = 0.2, STEPS_A_SECOND = 30;
  car *c = env->data;
  double slope = cos(3 * c->p), length = sqrt(1 + slope * slope);
  (void)body, (void)point;
  c->push = (force[0] + slope * force[2]) / length / MASS_KG / (STEPS_A_SECOND * STEPS_A_SECOND);
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field action_fields[] = {
    {.name = "force", .unit = "1", .low = -1, .high = 1},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_POSITION] = {.name = "start_position", .unit = "m", .value = -0.5, .low = -0.6, .high = -0.4},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "m/step", .value = 0, .low = 0, .high = 0},
    [GOAL_POSITION] = {.name = "goal_position", .unit = "m", .value = 0.45, .low = 0.45, .high = 0.45},
    [GOAL_VELOCITY] = {.name = "goal_velocity", .unit = "m/step", .value = 0, .low = 0, .high = 0},
    [POWER] = {.name = "power", .unit = "m/step^2", .value = 0.0015, .low = 0.0015, .high = 0.0015},
    [GRAVITY] = {.name = "gravity", .unit = "m/step^2", .value = 0.0025, .low = 0.0025, .high = 0.0025},
};

const ml3_env_spec ml3_mountain_car_continuous = {
    .name = "mountain_car_continuous",
    .summary = "an underpowered car that climbs to the flag (Gymnasium MountainCarContinuous-v0)",
    .dt_s = 1.0 / 30,
    .horizon = 999,
    .state_dim = 2,
    .obs_dim = 2,
    .action_dim = 1,
    .goal_dim = 2,
    .task_dim = TASK_DIM,
    .state = ml3_hill_state_fields,
    .obs = ml3_hill_obs_fields,
    .action = action_fields,
    .goal = ml3_hill_state_fields,
    .task = task_parameters,
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .step = step,
    .observe = observe,
    .goal_now = goal_now,
    .get_state = observe,
    .set_state = set_state,
    .distance = distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_mountain_car_xml,
    .pose = pose,
    .plane = &ml3_hill_plane,
    .move_goal = move_goal,
    .push = push,
};
