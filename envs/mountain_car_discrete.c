/* Gymnasium's MountainCar-v0, step for step: the mountain car with three actions, to the left (0), none (1), to the
   right (2).

     v' = v + 0.001 (a - 1) - 0.0025 cos 3p,  p' = p + v'

   then the clamps: v' to +-0.07; p' to -1.2 and 0.6; v' = 0 where p' = -1.2 and v' < 0 (an inelastic wall). Reward -1
   a step. The goal, p' >= 0.5 and v' >= the goal's velocity, ends the episode. Time is counted in steps; Gymnasium
   shows 30 a second. Observations are in single precision, as there; the state is in double precision. */
#include <math.h>
#include <stdlib.h>

#include "envs/env.h"
#include "envs/hill.h"
#include "envs/scenes.h"
#include "envs/single.h"

static const double SPEED_MAX = 0.07, POSITION_MAX = 0.6, POSITION_MIN = -1.2;

enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, FORCE, GRAVITY, TASK_DIM };

typedef struct car {
  double p, v;
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
  c->v = clip(faster(env->task, c, action[0]), -SPEED_MAX, SPEED_MAX);
  c->p = clip(c->p + c->v, POSITION_MIN, POSITION_MAX);
  if (c->p == POSITION_MIN && c->v < 0) c->v = 0;
  result->reward = -1;
  result->terminated = success(env);
  if (!isfinite(c->p + c->v)) result->code = ML3_ERR_NUMERIC; /* the reward does not see where the car is */
}

static void observe(const ml3_env *env, double *obs) {
  const car *c = env->data;
  obs[0] = ml3_single(c->p), obs[1] = ml3_single(c->v);
}

static void goal_now(const ml3_env *env, double *goal) {
  goal[0] = env->task[GOAL_POSITION], goal[1] = env->task[GOAL_VELOCITY];
}

static void get_state(const ml3_env *env, double *state) {
  const car *c = env->data;
  state[0] = c->p, state[1] = c->v;
}

static void set_state(ml3_env *env, const double *state) {
  *(car *)env->data = (car){.p = state[0], .v = state[1]};
}

/* In position, to the left of the goal; a car beyond the goal is at 0. */
static double distance(const ml3_env *env) {
  return fmax(0, env->task[GOAL_POSITION] - ((const car *)env->data)->p);
}

/* The true derivative by the state: 0 through a clamp that acts, and 1 on its bound, as inside. By a choice there is
   none. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const car *c = env->data;
  const double v = faster(env->task, c, action[0]), p = c->p + clip(v, -SPEED_MAX, SPEED_MAX);
  const bool v_free = fabs(v) <= SPEED_MAX, p_free = p >= POSITION_MIN && p <= POSITION_MAX;
  const bool stopped = p <= POSITION_MIN && v < 0;
  const double dv_dp = v_free ? 3 * env->task[GRAVITY] * sin(3 * c->p) : 0, dv_dv = v_free;
  a[0] = p_free ? 1 + dv_dp : 0, a[1] = p_free ? dv_dv : 0;
  a[2] = stopped ? 0 : dv_dp, a[3] = stopped ? 0 : dv_dv;
  b[0] = b[1] = 0;
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  ml3_hill_pose(((const car *)env->data)->p, env->task[GOAL_POSITION], qpos, nq);
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field action_fields[] = {
    {.name = "direction", .unit = "1", .low = 0, .high = 2},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_POSITION] = {.name = "start_position", .unit = "m", .value = -0.5, .low = -0.6, .high = -0.4},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "m/step", .value = 0, .low = 0, .high = 0},
    [GOAL_POSITION] = {.name = "goal_position", .unit = "m", .value = 0.5, .low = 0.5, .high = 0.5},
    [GOAL_VELOCITY] = {.name = "goal_velocity", .unit = "m/step", .value = 0, .low = 0, .high = 0},
    [FORCE] = {.name = "force", .unit = "m/step^2", .value = 0.001, .low = 0.001, .high = 0.001},
    [GRAVITY] = {.name = "gravity", .unit = "m/step^2", .value = 0.0025, .low = 0.0025, .high = 0.0025},
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
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .step = step,
    .observe = observe,
    .goal_now = goal_now,
    .get_state = get_state,
    .set_state = set_state,
    .distance = distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_mountain_car_xml,
    .pose = pose,
    .plane = &ml3_hill_plane,
};
