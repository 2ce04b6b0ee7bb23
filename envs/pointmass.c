/* A planar point mass with a goal (MuJoCo): a puck of mass m on an air table with damping d, pushed by two forces.

     m v' = u - d v,  p' = v,  |u| <= 1 N along each axis; rails at +-1 m that stop it without a bounce

   in five substeps of 0.01 s, in which MuJoCo's Euler method is implicit in the damping: away from the rails a step is
   linear (agents/control/dynamics_pointmass.c). Reward after the step: -||p - goal|| - 0.01 ||u||^2, of the action as it was
   given; success within 5 cm. `pointmass` has one goal; in `pointmass_goal` every task has its own goal, which is part of
   the observation, its own start, mass and damping. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/mjcf.h"
#include "envs/scenes.h"
#include "envs/simulation.h"

enum { FRAME_SKIP = 5, JOINTS = 2, STATE_DIM = 2 * JOINTS, ACTION_DIM = 2 };
static const double REACHED_M = 0.05, ACTION_COST = 0.01;

enum { GOAL_X, GOAL_Y, START_X, START_Y, START_VX, START_VY, MASS, DAMPING, TASK_DIM };
static const double MASS_KG = 0.5, DAMPING_N_S_M = 0.2; /* of the MJCF */

static int create(ml3_env *env, ml3_error *error) {
  env->data = calloc(1, sizeof(ml3_simulation));
  if (!env->data) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a point mass");
  int code = ml3_simulation_open(env->data, env, env->spec->scene_xml, error);
  if (code != ML3_OK) free(env->data);
  return code;
}

static void change_task(ml3_env *env) {
  ml3_simulation *s = env->data;
  const double *task = env->task;
  if (task[MASS] == MASS_KG && task[DAMPING] == DAMPING_N_S_M) {
    ml3_simulation_unedited(s);
    return;
  }
  mjModel *m = ml3_simulation_edit(s);
  if (!m) return;
  m->body_mass[mj_name2id(m, mjOBJ_BODY, "puck")] = task[MASS];
  for (int i = 0; i < JOINTS; i++) m->dof_damping[i] = task[DAMPING];
  ml3_simulation_edited(s);
}

static void reset(ml3_env *env, ml3_random *random) {
  (void)random; /* the task says it all */
  ml3_simulation_reset(env->data, env->task + START_X);
}

static double distance(const ml3_env *env) {
  const double *p = ((const ml3_simulation *)env->data)->data->qpos;
  return hypot(p[0] - env->task[GOAL_X], p[1] - env->task[GOAL_Y]);
}

static bool success(const ml3_env *env) {
  return distance(env) <= REACHED_M;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  result->code = ml3_simulation_step(env->data, action, FRAME_SKIP);
  result->reward = -distance(env) - ACTION_COST * mju_dot(action, action, ACTION_DIM);
}

static void observe_with_goal(const ml3_env *env, double *obs) {
  ml3_simulation_env_get_state(env, obs);
  obs[STATE_DIM] = env->task[GOAL_X];
  obs[STATE_DIM + 1] = env->task[GOAL_Y];
}

static void goal_now(const ml3_env *env, double *goal) {
  goal[0] = env->task[GOAL_X], goal[1] = env->task[GOAL_Y];
  goal[2] = goal[3] = 0;
}

static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  ml3_simulation_linearize(env->data, &(ml3_simulation_action){.control = action, .frame_skip = FRAME_SKIP}, a, b);
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == JOINTS) memcpy(qpos, ((const ml3_simulation *)env->data)->data->qpos, JOINTS * sizeof *qpos);
}

static void arrange(const ml3_env *env, mjModel *scene) {
  double *position = scene->body_pos + 3 * mj_name2id(scene, mjOBJ_BODY, "goal");
  position[0] = env->task[GOAL_X], position[1] = env->task[GOAL_Y];
}

/* The two positions, over the table. */
static const ml3_env_plane table_plane = {
    .along_x = 0, .along_y = 1, .low = {-1, -1}, .high = {1, 1}, .from = {-1, -1}, .to = {1, 1}, .height = 0.004};

/* ---- the hand ----------------------------------------------------------------------------------------- */

static void move_goal(ml3_env *env, const double *point) {
  for (int i = 0; i < 2; i++) env->task[GOAL_X + i] = fmin(fmax(point[i], -0.95), 0.95);
}

static void push(ml3_env *env, int body, const double *point, const double *force) {
  const ml3_simulation *s = env->data;
  ml3_mjcf_push(s->model, s->data, body, point, force);
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field obs_fields[STATE_DIM + 2] = {
    {.name = "x", .unit = "m", .low = -1.1, .high = 1.1}, /* the rails give way a little */
    {.name = "y", .unit = "m", .low = -1.1, .high = 1.1},
    {.name = "x_velocity", .unit = "m/s", .low = -INFINITY, .high = INFINITY},
    {.name = "y_velocity", .unit = "m/s", .low = -INFINITY, .high = INFINITY},
    {.name = "goal_x", .unit = "m", .low = -1, .high = 1},
    {.name = "goal_y", .unit = "m", .low = -1, .high = 1},
};
static const ml3_env_field action_fields[ACTION_DIM] = {
    {.name = "force_x", .unit = "N", .low = -1, .high = 1},
    {.name = "force_y", .unit = "N", .low = -1, .high = 1},
};
static const ml3_env_parameter one_goal[TASK_DIM] = {
    [GOAL_X] = {.name = "goal_x", .unit = "m", .value = 0.6, .low = 0.6, .high = 0.6},
    [GOAL_Y] = {.name = "goal_y", .unit = "m", .value = 0.4, .low = 0.4, .high = 0.4},
    [START_X] = {.name = "start_x", .unit = "m", .value = 0, .low = -0.1, .high = 0.1},
    [START_Y] = {.name = "start_y", .unit = "m", .value = 0, .low = -0.1, .high = 0.1},
    [START_VX] = {.name = "start_x_velocity", .unit = "m/s", .value = 0, .low = -0.05, .high = 0.05},
    [START_VY] = {.name = "start_y_velocity", .unit = "m/s", .value = 0, .low = -0.05, .high = 0.05},
    [MASS] = {.name = "mass", .unit = "kg", .value = 0.5, .low = 0.5, .high = 0.5},
    [DAMPING] = {.name = "damping", .unit = "N s/m", .value = 0.2, .low = 0.2, .high = 0.2},
};
static const ml3_env_parameter any_goal[TASK_DIM] = {
    [GOAL_X] = {.name = "goal_x", .unit = "m", .value = 0.6, .low = -0.8, .high = 0.8},
    [GOAL_Y] = {.name = "goal_y", .unit = "m", .value = 0.4, .low = -0.8, .high = 0.8},
    [START_X] = {.name = "start_x", .unit = "m", .value = 0, .low = -0.8, .high = 0.8},
    [START_Y] = {.name = "start_y", .unit = "m", .value = 0, .low = -0.8, .high = 0.8},
    [START_VX] = {.name = "start_x_velocity", .unit = "m/s", .value = 0, .low = -0.05, .high = 0.05},
    [START_VY] = {.name = "start_y_velocity", .unit = "m/s", .value = 0, .low = -0.05, .high = 0.05},
    [MASS] = {.name = "mass", .unit = "kg", .value = 0.5, .low = 0.25, .high = 1},
    [DAMPING] = {.name = "damping", .unit = "N s/m", .value = 0.2, .low = 0.05, .high = 0.8},
};

#define POINTMASS                                                                                                    \
  .dt_s = 0.05, .horizon = 50, .state_dim = STATE_DIM, .action_dim = ACTION_DIM, .goal_dim = STATE_DIM,              \
  .task_dim = TASK_DIM, .state = obs_fields, .obs = obs_fields, .action = action_fields, .goal = obs_fields,         \
  .create = create, .destroy = ml3_simulation_env_destroy, .change_task = change_task, .reset = reset, .step = step, \
  .goal_now = goal_now, .get_state = ml3_simulation_env_get_state, .set_state = ml3_simulation_env_set_state,        \
  .full_dim = ml3_simulation_env_full_dim, .get_full = ml3_simulation_env_get_full,                                  \
  .set_full = ml3_simulation_env_set_full, .load = ml3_simulation_env_load, .borrow = ml3_simulation_env_borrow,     \
  .distance = distance, .success = success, .linearize = linearize, .scene_xml = ml3_models_pointmass_xml, .pose = pose,    \
  .arrange = arrange, .plane = &table_plane, .move_goal = move_goal, .push = push

const ml3_env_spec ml3_pointmass = {
    POINTMASS,
    .name = "pointmass",
    .summary = "a puck on an air table that two forces push to a goal (MuJoCo)",
    .obs_dim = STATE_DIM,
    .task = one_goal,
    .observe = ml3_simulation_env_get_state,
};

const ml3_env_spec ml3_pointmass_goal = {
    POINTMASS,
    .name = "pointmass_goal",
    .summary = "the point mass with goal, start, mass and damping from a task distribution",
    .obs_dim = STATE_DIM + 2,
    .task = any_goal,
    .observe = observe_with_goal,
};
