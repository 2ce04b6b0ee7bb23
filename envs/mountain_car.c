/* ML3's continuous mountain car (Bechtle et al. 2021, the published code's constants).

     v' = v + (-g m cos 3p + u / m - k v) dt,   p' = p + v' dt with v' before its clamp,
   then the clamps, in this order: v' to +-1.5; p' to at most 0.5; p' to at least -1.2; v' = 0 where
   p' = -1.2 and v' < 0 (an inelastic wall).

   The state is the observation. Reward of a step: -||s' - goal||, goal = (position, velocity). The episode
   runs its 35 steps whatever happens; success is a car at p >= the goal's position. `mountain_car` is the published
   one; in `mountain_car_goal` every task has its own goal, which is part of the observation, start, mass and friction. */
#include "envs/formula.h"
#include "envs/hill.h"
#include "envs/lanes.h"
#include "envs/scenes.h"

#include <math.h>

static const double DT = 0.1;
static const double SPEED_MAX = 1.5, POSITION_MAX = 0.5, POSITION_MIN = -1.2;
static const double FORCE_MAX = 0.25;

enum { START_POSITION, START_VELOCITY, GOAL_POSITION, GOAL_VELOCITY, MASS, GRAVITY, FRICTION, TASK_DIM };

typedef struct mountain_car {
  double p, v;
  double push; /* m/s^2 along the road, by a hand */
} mountain_car;

/* Position and velocity after a step, before the clamps. */
static mountain_car advance(const ml3_env *env, const mountain_car *c, double u) {
  const double *task = env->task;
  double force = -task[GRAVITY] * task[MASS] * cos(3 * c->p) + u / task[MASS] - task[FRICTION] * c->v + c->push;
  double v = c->v + force * DT;
  return (mountain_car){.p = c->p + v * DT, .v = v, .push = c->push};
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  mountain_car *c = env->data;
  *c = advance(env, c, ml3_clip(action[0], -FORCE_MAX, FORCE_MAX));

  c->v = ml3_clip(c->v, -SPEED_MAX, SPEED_MAX);
  c->p = ml3_clip(c->p, POSITION_MIN, POSITION_MAX);
  if (c->p == POSITION_MIN && c->v < 0) c->v = 0;

  result->reward = -hypot(c->p - env->task[GOAL_POSITION], c->v - env->task[GOAL_VELOCITY]);
}

ML3_LANES_PICK(mountain_car) /* envs/lanes/mountain_car.c: the same, many at once */

static void observe_with_goal(const ml3_env *env, double *obs) {
  ml3_formula_get_state(env, obs);
  obs[2] = env->task[GOAL_POSITION];
  obs[3] = env->task[GOAL_VELOCITY];
}

static bool success(const ml3_env *env) {
  const mountain_car *c = env->data;
  return c->p >= env->task[GOAL_POSITION];
}

/* The true derivative: 0 through a clamp that acts. On a clamp's bound it is 1, as inside. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const mountain_car *c = env->data;
  const double *task = env->task;
  mountain_car next = advance(env, c, ml3_clip(action[0], -FORCE_MAX, FORCE_MAX));

  double dv_dp = 3 * task[GRAVITY] * task[MASS] * sin(3 * c->p) * DT;
  double dv_dv = 1 - task[FRICTION] * DT;
  double dv_du = fabs(action[0]) <= FORCE_MAX ? DT / task[MASS] : 0;

  bool p_free = next.p >= POSITION_MIN && next.p <= POSITION_MAX;
  bool stopped = next.p <= POSITION_MIN && next.v < 0;
  bool v_free = fabs(next.v) <= SPEED_MAX && !stopped;
  a[0] = p_free ? 1 + dv_dp * DT : 0, a[1] = p_free ? dv_dv * DT : 0;
  a[2] = v_free ? dv_dp : 0, a[3] = v_free ? dv_dv : 0;
  b[0] = p_free ? dv_du * DT : 0;
  b[1] = v_free ? dv_du : 0;
}

/* ---- picture ------------------------------------------------------------------------------------------- */

/* Position along x, velocity along y, on the meadow before the hill. */
static const ml3_env_plane phase_plane = {.along_x = 0,
                                          .along_y = 1,
                                          .low = {-1.2, -1.5},
                                          .high = {0.5, 1.5},
                                          .from = {-1.2, -1.75},
                                          .to = {0.5, -0.55},
                                          .height = -0.595};

/* ---- the hand ----------------------------------------------------------------------------------------- */

/* The part of the force along the road counts, whatever it pulls at. */
static void push(ml3_env *env, int body, const double *point, const double *force) {
  mountain_car *c = env->data;
  double slope = cos(3 * c->p), length = sqrt(1 + slope * slope);
  (void)body, (void)point;
  c->push = (force[0] + slope * force[2]) / length / env->task[MASS];
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field obs_fields[4] = {
    {.name = "position", .unit = "m", .low = -1.2, .high = 0.5},
    {.name = "velocity", .unit = "m/s", .low = -1.5, .high = 1.5},
    {.name = "goal_position", .unit = "m", .low = -1.2, .high = 0.5},
    {.name = "goal_velocity", .unit = "m/s", .low = -1.5, .high = 1.5},
};
static const ml3_env_field action_fields[] = {
    {.name = "force", .unit = "N", .low = -0.25, .high = 0.25},
};
static const ml3_env_parameter published[TASK_DIM] = {
    [START_POSITION] = {.name = "start_position", .unit = "m", .value = -0.55, .low = -0.6, .high = -0.4},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "m/s", .value = 0, .low = -0.05, .high = 0.05},
    [GOAL_POSITION] = ML3_FIXED("goal_position", "m", 0.5),
    [GOAL_VELOCITY] = ML3_FIXED("goal_velocity", "m/s", 1.0375),
    [MASS] = ML3_FIXED("mass", "kg", 0.2),
    [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 9.8),
    [FRICTION] = ML3_FIXED("friction", "1/s", 0.3),
};
static const ml3_env_parameter varied[TASK_DIM] = {
    [START_POSITION] = {.name = "start_position", .unit = "m", .value = -0.55, .low = -0.9, .high = -0.2},
    [START_VELOCITY] = {.name = "start_velocity", .unit = "m/s", .value = 0, .low = -0.3, .high = 0.3},
    [GOAL_POSITION] = {.name = "goal_position", .unit = "m", .value = 0.5, .low = 0, .high = 0.5},
    [GOAL_VELOCITY] = {.name = "goal_velocity", .unit = "m/s", .value = 0, .low = 0, .high = 1},
    [MASS] = {.name = "mass", .unit = "kg", .value = 0.2, .low = 0.15, .high = 0.25},
    [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 9.8),
    [FRICTION] = {.name = "friction", .unit = "1/s", .value = 0.3, .low = 0.1, .high = 0.5},
};

#define MOUNTAIN_CAR                                                                                                  \
  .dt_s = 0.1, .horizon = 35, .state_dim = 2, .action_dim = 1, .goal_dim = 2, .task_dim = TASK_DIM,                   \
  .state = obs_fields, .obs = obs_fields, .action = action_fields, .goal = obs_fields, .step_ns = 30,                 \
  ML3_FORMULA_DATA, .reset = ml3_formula_reset, .step = step, .step_lanes = step_lanes, .goal_now = ml3_formula_goal, \
  .distance = ml3_hill_distance, .success = success, .linearize = linearize, .scene_xml = ml3_mountain_car_xml,       \
  .pose = ml3_hill_pose, .plane = &phase_plane, .move_goal = ml3_hill_move_goal, .push = push

const ml3_env_spec ml3_mountain_car = {
    MOUNTAIN_CAR,
    .name = "mountain_car",
    .summary = "an underpowered car in a valley: swing up to the flag (ML3's continuous mountain car)",
    .obs_dim = 2,
    .task = published,
    .observe = ml3_formula_get_state,
};

const ml3_env_spec ml3_mountain_car_goal = {
    MOUNTAIN_CAR,
    .name = "mountain_car_goal",
    .summary = "the mountain car with goal, start, mass and friction from a task distribution",
    .obs_dim = 4,
    .task = varied,
    .observe = observe_with_goal,
};
