/* Gymnasium's MountainCarContinuous-v0, step for step.

     v' = v + 0.0015 ml3_clip(u, -1, 1) - 0.0025 cos 3p,  p' = p + v'

   then the clamps: v' to +-0.07; p' to at most 0.6; p' to at least -1.2; v' = 0 where p' = -1.2 and v' < 0 (an inelastic
   wall). Reward -0.1 u^2, of the action as it was given, and +100 at the goal: p' >= 0.45 and v' >= the goal's velocity,
   which ends the episode. Time is counted in steps; Gymnasium shows 30 a second.

   Gymnasium keeps its state in single precision: after each step position and velocity are rounded, and where NumPy
   then computes in single precision (3p, and v' and p' where a bound is taken) so does this file. The start of an episode is
   in double precision there as well, hence `is_single`. */
#include <math.h>

#include "envs/formula.h"
#include "envs/hill.h"
#include "envs/scenes.h"

static const double SPEED_MAX = 0.07, POSITION_MAX = 0.6, POSITION_MIN = -1.2, FORCE_MAX = 1;
static const double REWARD_AT_GOAL = 100, ACTION_COST = 0.1;

enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, POWER, GRAVITY, TASK_DIM };

typedef struct car {
  double p, v;
  double push; /* m/step^2 along the road, by a hand */
} car;

static bool is_single(const car *c) {
  return (double)(float)c->p == c->p && (double)(float)c->v == c->v;
}

/* Gymnasium's step, unrounded; *at_goal as it sees it. A bound that takes the place of a number makes NumPy go on in
   the state's own precision. */
static car advance(const double *task, car c, double u, bool *at_goal) {
  bool single = is_single(&c);
  double angle = single ? (double)(3 * (float)c.p) : 3 * c.p;
  double change = ml3_clip(u, -FORCE_MAX, FORCE_MAX) * task[POWER] - task[GRAVITY] * cos(angle) + c.push;
  bool bounded = fabs(u) > FORCE_MAX;
  double v = single && bounded ? (double)((float)c.v + (float)change) : c.v + change;
  bounded = bounded || fabs(v) > SPEED_MAX;
  v = ml3_clip(v, -SPEED_MAX, SPEED_MAX);

  double p = single && bounded ? (double)((float)c.p + (float)v) : c.p + v;
  double goal = single && bounded ? (double)(float)task[GOAL_POSITION] : task[GOAL_POSITION];
  p = ml3_clip(p, POSITION_MIN, POSITION_MAX);
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

static bool success(const ml3_env *env) {
  const car *c = env->data; /* rounded, so the goal is too */
  return c->p >= (double)(float)env->task[GOAL_POSITION] && c->v >= env->task[GOAL_VELOCITY];
}

/* The derivative of the step before it is rounded: 0 through a clamp that acts, and 1 on its bound, as inside. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const car *c = env->data;
  const double *task = env->task;
  double v =
      c->v + (ml3_clip(action[0], -FORCE_MAX, FORCE_MAX) * task[POWER] - task[GRAVITY] * cos(3 * c->p) + c->push);
  bool v_free = fabs(v) <= SPEED_MAX;
  double p = c->p + ml3_clip(v, -SPEED_MAX, SPEED_MAX);
  bool p_free = p >= POSITION_MIN && p <= POSITION_MAX, stopped = p <= POSITION_MIN && v < 0;

  double dv_dp = v_free ? 3 * task[GRAVITY] * sin(3 * c->p) : 0, dv_dv = v_free;
  double dv_du = v_free && fabs(action[0]) <= FORCE_MAX ? task[POWER] : 0;
  a[0] = p_free ? 1 + dv_dp : 0, a[1] = p_free ? dv_dv : 0;
  a[2] = stopped ? 0 : dv_dp, a[3] = stopped ? 0 : dv_dv;
  b[0] = p_free ? dv_du : 0;
  b[1] = stopped ? 0 : dv_du;
}

/* ---- the hand ----------------------------------------------------------------------------------------- */

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
    [START_VELOCITY] = ML3_FIXED("start_velocity", "m/step", 0),
    [GOAL_POSITION] = ML3_FIXED("goal_position", "m", 0.45),
    [GOAL_VELOCITY] = ML3_FIXED("goal_velocity", "m/step", 0),
    [POWER] = ML3_FIXED("power", "m/step^2", 0.0015),
    [GRAVITY] = ML3_FIXED("gravity", "m/step^2", 0.0025),
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
    .step_ns = 130,
    ML3_FORMULA_DATA,
    .reset = ml3_formula_reset,
    .step = step,
    .observe = ml3_formula_get_state,
    .goal_now = ml3_formula_goal,
    .distance = ml3_hill_distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_mountain_car_xml,
    .pose = ml3_hill_pose,
    .plane = &ml3_hill_plane,
    .move_goal = ml3_hill_move_goal,
    .push = push,
};
