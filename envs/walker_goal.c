/* A four-legged walker that goes to a goal (MuJoCo): the fourth task of the paper, on a walker of our own.

   A torso that is free in space, four legs with a hip and a knee each, eight motors; five substeps of 0.01 s an action.
   Everything observed is seen from the torso: with R its orientation,

     R^T (goal - torso) x, y   height   R^T z (which way is up)   R^T v   angular velocity   angles   their velocities

   Reward after the step: -||goal - torso|| in the plane - 0.01 sum u^2, of the action as it was given; success within
   0.3 m. The episode lasts its 200 steps whatever happens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/mjcf.h"
#include "envs/scenes.h"
#include "envs/simulation.h"

enum { FRAME_SKIP = 5, LEGS = 8, NQ = 7 + LEGS, NV = 6 + LEGS, STATE_DIM = NQ + NV, OBS_DIM = 12 + 2 * LEGS };
static const double REACHED_M = 0.3, ACTION_COST = 0.01, GOAL_RADIUS_MAX_M = 4;

enum { GOAL_ANGLE, GOAL_RADIUS, START_HEADING, TORSO_MASS, DAMPING, FRICTION, TASK_DIM };

/* Of the MJCF: an ellipsoid of 250 kg/m^3 with half axes 0.24, 0.2 and 0.11 m. */
#define TORSO_KG 5.529203070318036
#define PI       3.14159265358979323846

static ml3_simulation *simulation(const ml3_env *env) {
  return env->data;
}

static int create(ml3_env *env, ml3_error *error) {
  env->data = calloc(1, sizeof(ml3_simulation));
  if (!env->data) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a walker");
  int code = ml3_simulation_open(env->data, env, env->spec->scene_xml, error);
  if (code != ML3_OK) free(env->data);
  return code;
}

/* ---- tasks ------------------------------------------------------------------------------------------------ */

static void change_task(ml3_env *env) {
  ml3_simulation *s = env->data;
  const ml3_env_parameter *standard = env->spec->task;
  const double *task = env->task;
  bool departs = false;
  for (int i = TORSO_MASS; i < TASK_DIM; i++) departs = departs || task[i] != standard[i].value;
  if (!departs) {
    ml3_simulation_unedited(s);
    return;
  }
  mjModel *m = ml3_simulation_edit(s);
  if (!m) return;
  int torso = mj_name2id(m, mjOBJ_BODY, "torso");
  double heavier = task[TORSO_MASS] / standard[TORSO_MASS].value;
  m->body_mass[torso] *= heavier;
  mju_scl3(m->body_inertia + 3 * torso, m->body_inertia + 3 * torso, heavier);
  for (int i = 6; i < NV; i++) m->dof_damping[i] = task[DAMPING];
  for (int i = 0; i < m->ngeom; i++) m->geom_friction[3 * i] = task[FRICTION];
  ml3_simulation_edited(s);
}

static void goal_place(const ml3_env *env, double *place) {
  place[0] = env->task[GOAL_RADIUS] * cos(env->task[GOAL_ANGLE]);
  place[1] = env->task[GOAL_RADIUS] * sin(env->task[GOAL_ANGLE]);
}

static void goal_now(const ml3_env *env, double *goal) {
  goal_place(env, goal);
}

static void reset(ml3_env *env, ml3_random *random) {
  double state[STATE_DIM] = {0}, half = env->task[START_HEADING] / 2;
  (void)random; /* the task says it all */
  mju_copy(state, simulation(env)->model->qpos0, NQ);
  state[3] = cos(half), state[6] = sin(half);
  ml3_simulation_reset(env->data, state);
}

/* ---- state -------------------------------------------------------------------------------------------------- */

static double distance(const ml3_env *env) {
  const double *p = simulation(env)->data->qpos;
  double goal[2];
  goal_place(env, goal);
  return hypot(goal[0] - p[0], goal[1] - p[1]);
}

static bool success(const ml3_env *env) {
  return distance(env) <= REACHED_M;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  result->code = ml3_simulation_step(env->data, action, FRAME_SKIP);
  result->reward = -distance(env) - ACTION_COST * mju_dot(action, action, LEGS);
}

static void observe(const ml3_env *env, double *obs) {
  const double *q = simulation(env)->data->qpos, *v = simulation(env)->data->qvel, up[3] = {0, 0, 1};
  double back[4], off[3] = {0, 0, -q[2]}, seen[3];
  goal_place(env, off);
  off[0] -= q[0], off[1] -= q[1];
  mju_negQuat(back, q + 3);
  mju_rotVecQuat(seen, off, back);
  obs[0] = seen[0], obs[1] = seen[1];
  obs[2] = q[2];
  mju_rotVecQuat(obs + 3, up, back);
  mju_rotVecQuat(obs + 6, v, back);
  mju_copy3(obs + 9, v + 3); /* MuJoCo keeps it in the torso's frame */
  mju_copy(obs + 12, q + 7, LEGS);
  mju_copy(obs + 12 + LEGS, v + 6, LEGS);
}

/* ---- picture and hand ---------------------------------------------------------------------------------------- */

static void pose(const ml3_env *env, double *qpos, int nq) {
  if (nq == NQ) mju_copy(qpos, simulation(env)->data->qpos, NQ);
}

static void arrange(const ml3_env *env, mjModel *scene) {
  goal_place(env, scene->body_pos + 3 * mj_name2id(scene, mjOBJ_BODY, "goal"));
}

static void move_goal(ml3_env *env, const double *point) {
  env->task[GOAL_ANGLE] = atan2(point[1], point[0]);
  env->task[GOAL_RADIUS] = fmin(hypot(point[0], point[1]), GOAL_RADIUS_MAX_M);
}

static void push(ml3_env *env, int body, const double *point, const double *force) {
  ml3_mjcf_push(simulation(env)->model, simulation(env)->data, body, point, force);
}

/* ---- specification ------------------------------------------------------------------------------------ */

#define FREE .low = -INFINITY, .high = INFINITY
#define LEG_ANGLES(leg)                                                                            \
  {.name = leg "_hip", .unit = "rad", .low = -0.69813170079773184, .high = 0.69813170079773184}, { \
    .name = leg "_knee", .unit = "rad", .low = -0.78539816339744828, .high = 0.6108652381980153    \
  }
/* The stops give way: a hip was seen 0.07 rad beyond its own. */
#define LEG_ANGLES_SEEN(leg)                   \
  {.name = leg "_hip", .unit = "rad", FREE}, { \
    .name = leg "_knee", .unit = "rad", FREE   \
  }
#define LEG_VELOCITIES(leg)                               \
  {.name = leg "_hip_velocity", .unit = "rad/s", FREE}, { \
    .name = leg "_knee_velocity", .unit = "rad/s", FREE   \
  }
#define LEG_MOTORS(leg)                                           \
  {.name = leg "_hip", .unit = "16 N m", .low = -1, .high = 1}, { \
    .name = leg "_knee", .unit = "16 N m", .low = -1, .high = 1   \
  }
#define FOUR(part) part("front_left"), part("back_left"), part("back_right"), part("front_right")

static const ml3_env_field state_fields[STATE_DIM] = {
    {.name = "x", .unit = "m", FREE},
    {.name = "y", .unit = "m", FREE},
    {.name = "z", .unit = "m", FREE},
    {.name = "quaternion_w", .unit = "1", .low = -1, .high = 1},
    {.name = "quaternion_x", .unit = "1", .low = -1, .high = 1},
    {.name = "quaternion_y", .unit = "1", .low = -1, .high = 1},
    {.name = "quaternion_z", .unit = "1", .low = -1, .high = 1},
    FOUR(LEG_ANGLES),
    {.name = "x_velocity", .unit = "m/s", FREE},
    {.name = "y_velocity", .unit = "m/s", FREE},
    {.name = "z_velocity", .unit = "m/s", FREE},
    {.name = "roll_velocity", .unit = "rad/s", FREE},
    {.name = "pitch_velocity", .unit = "rad/s", FREE},
    {.name = "yaw_velocity", .unit = "rad/s", FREE},
    FOUR(LEG_VELOCITIES),
};
static const ml3_env_field obs_fields[OBS_DIM] = {
    {.name = "goal_ahead", .unit = "m", FREE},
    {.name = "goal_left", .unit = "m", FREE},
    {.name = "height", .unit = "m", FREE},
    {.name = "up_ahead", .unit = "1", .low = -1, .high = 1},
    {.name = "up_left", .unit = "1", .low = -1, .high = 1},
    {.name = "up_up", .unit = "1", .low = -1, .high = 1},
    {.name = "velocity_ahead", .unit = "m/s", FREE},
    {.name = "velocity_left", .unit = "m/s", FREE},
    {.name = "velocity_up", .unit = "m/s", FREE},
    {.name = "roll_velocity", .unit = "rad/s", FREE},
    {.name = "pitch_velocity", .unit = "rad/s", FREE},
    {.name = "yaw_velocity", .unit = "rad/s", FREE},
    FOUR(LEG_ANGLES_SEEN),
    FOUR(LEG_VELOCITIES),
};
static const ml3_env_field action_fields[LEGS] = {FOUR(LEG_MOTORS)};
static const ml3_env_field goal_fields[2] = {
    {.name = "goal_x", .unit = "m", .low = -4, .high = 4},
    {.name = "goal_y", .unit = "m", .low = -4, .high = 4},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [GOAL_ANGLE] = {.name = "goal_angle", .unit = "rad", .value = 0, .low = -PI, .high = PI},
    [GOAL_RADIUS] = {.name = "goal_radius", .unit = "m", .value = 2, .low = 1, .high = 3},
    [START_HEADING] = {.name = "start_heading", .unit = "rad", .value = 0, .low = -PI, .high = PI},
    [TORSO_MASS] = {.name = "torso_mass", .unit = "kg", .value = TORSO_KG, .low = TORSO_KG, .high = TORSO_KG},
    [DAMPING] = {.name = "damping", .unit = "N m s", .value = 1, .low = 1, .high = 1},
    [FRICTION] = {.name = "friction", .unit = "1", .value = 1, .low = 1, .high = 1},
};

const ml3_env_spec ml3_walker_goal = {
    .name = "walker_goal",
    .summary = "a four-legged walker that goes to a goal (MuJoCo)",
    .dt_s = 0.05,
    .horizon = 200,
    .state_dim = STATE_DIM,
    .obs_dim = OBS_DIM,
    .action_dim = LEGS,
    .goal_dim = 2,
    .task_dim = TASK_DIM,
    .state = state_fields,
    .obs = obs_fields,
    .action = action_fields,
    .goal = goal_fields,
    .task = task_parameters,
    .create = create,
    .destroy = ml3_simulation_env_destroy,
    .change_task = change_task,
    .reset = reset,
    .step = step,
    .observe = observe,
    .goal_now = goal_now,
    .get_state = ml3_simulation_env_get_state,
    .set_state = ml3_simulation_env_set_state,
    .full_dim = ml3_simulation_env_full_dim,
    .get_full = ml3_simulation_env_get_full,
    .set_full = ml3_simulation_env_set_full,
    .load = ml3_simulation_env_load,
    .borrow = ml3_simulation_env_borrow,
    .distance = distance,
    .success = success,
    .scene_xml = ml3_walker_goal_xml,
    .pose = pose,
    .arrange = arrange,
    .move_goal = move_goal,
    .push = push,
};
