/* Gymnasium's MountainCar-v0, step for step: the mountain car with three actions, to the left (0), none (1), to the
   right (2).

     v' = v + 0.001 (a - 1) - 0.0025 cos 3p,  p' = p + v'

   then the clamps: v' to +-0.07; p' to -1.2 and 0.6; v' = 0 where p' = -1.2 and v' < 0 (an inelastic wall). Reward -1
   a step. The goal, p' >= 0.5 and v' >= the goal's velocity, ends the episode. Time is counted in steps; Gymnasium
   shows 30 a second. Observations are in single precision, as there; the state is in double precision. */
#include <math.h>

#include "envs/formula.h"
#include "envs/hill.h"
#include "envs/scenes.h"
#include "envs/single.h"

static const double SPEED_MAX = 0.07, POSITION_MAX = 0.6, POSITION_MIN = -1.2;

enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, FORCE, GRAVITY, TASK_DIM };

typedef struct car {
  double p, v;
} car;

/* The velocity after a step, before it is clipped. */
static double faster(const double *task, const car *c, double action) {
  return c->v + ((action - 1) * task[FORCE] + cos(3 * c->p) * -task[GRAVITY]);
}

static bool success(const ml3_env *env) {
  const car *c = env->data;
  return c->p >= env->task[GOAL_POSITION] && c->v >= env->task[GOAL_VELOCITY];
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  car *c = env->data;
  c->v = ml3_clip(faster(env->task, c, action[0]), -SPEED_MAX, SPEED_MAX);
  c->p = ml3_clip(c->p + c->v, POSITION_MIN, POSITION_MAX);
  if (c->p == POSITION_MIN && c->v < 0) c->v = 0;
  result->reward = -1;
  result->terminated = success(env);
  if (!isfinite(c->p + c->v)) result->code = ML3_ERR_NUMERIC; /* the reward does not see where the car is */
}

static void observe(const ml3_env *env, double *obs) {
  const car *c = env->data;
  obs[0] = ml3_single(c->p), obs[1] = ml3_single(c->v);
}

/* The true derivative by the state: 0 through a clamp that acts, and 1 on its bound, as inside. By a choice there is
   none. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const car *c = env->data;
  const double v = faster(env->task, c, action[0]), p = c->p + ml3_clip(v, -SPEED_MAX, SPEED_MAX);
  const bool v_free = fabs(v) <= SPEED_MAX, p_free = p >= POSITION_MIN && p <= POSITION_MAX;
  const bool stopped = p <= POSITION_MIN && v < 0;
  const double dv_dp = v_free ? 3 * env->task[GRAVITY] * sin(3 * c->p) : 0, dv_dv = v_free;
  a[0] = p_free ? 1 + dv_dp : 0, a[1] = p_free ? dv_dv : 0;
  a[2] = stopped ? 0 : dv_dp, a[3] = stopped ? 0 : dv_dv;
  b[0] = b[1] = 0;
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field action_fields[] = {
    {.name = "direction", .unit = "1", .low = 0, .high = 2},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_POSITION] = {.name = "start_position", .unit = "m", .value = -0.5, .low = -0.6, .high = -0.4},
    [START_VELOCITY] = ML3_FIXED("start_velocity", "m/step", 0),
    [GOAL_POSITION] = ML3_FIXED("goal_position", "m", 0.5),
    [GOAL_VELOCITY] = ML3_FIXED("goal_velocity", "m/step", 0),
    [FORCE] = ML3_FIXED("force", "m/step^2", 0.001),
    [GRAVITY] = ML3_FIXED("gravity", "m/step^2", 0.0025),
};

const ml3_env_spec ml3_mountain_car_discrete = {
    .name = "mountain_car_discrete",
    .summary = "the car with three actions: left, none, right (Gymnasium MountainCar-v0)",
    .dt_s = 1.0 / 30,
    .horizon = 200,
    .state_dim = 2,
    .obs_dim = 2,
    .action_dim = 1,
    .choices = 3,
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
    .observe = observe,
    .goal_now = ml3_formula_goal,
    .distance = ml3_hill_distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_mountain_car_xml,
    .pose = ml3_hill_pose,
    .plane = &ml3_hill_plane,
};
