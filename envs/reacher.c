/* Gymnasium's Reacher-v5 (MuJoCo): a two-link arm in the plane that brings its fingertip to a target.

     observation  cos q, sin q, target, qdot, fingertip - target (x, y)
     reward       -||fingertip - target|| - sum u^2, after the step, of the action as it was given

   The weight 1 of sum u^2 is the one of Gymnasium's code; its documentation says 0.1. Two substeps of 0.01 s
   (RK4) an action. Two traces of the past are kept since Gymnasium keeps them; set_state wipes them out:
   - the fingertip's place after a step is what RK4's last stage left behind, some 1e-6 m off the state's;
   - the constraint solver starts from its last answer, which moves a state by up to 1e-6 while the elbow is
     at its stop. */
#include "envs/difference.h"
#include "envs/env.h"
#include "envs/mjcf.h"
#include "envs/scenes.h"

#include <math.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_SKIP = 2, JOINTS = 4, STATE_DIM = 2 * JOINTS, ACTION_DIM = 2 };
static const double REACHED_M = 0.02;

/* The target is uniform in the disc of radius 0.2 m when its angle and its *squared* radius are uniform. */
enum {
  GOAL_ANGLE,
  GOAL_RADIUS_SQUARED,
  START_ANGLE_0,
  START_ANGLE_1,
  START_VELOCITY_0,
  START_VELOCITY_1,
  TASK_DIM
};

typedef struct reacher {
  const mjModel *model; /* shared by all reachers */
  mjData *data;
  int fingertip, target; /* bodies */
} reacher;

static void destroy(ml3_env *env) {
  reacher *r = env->data;
  if (r->data) mj_deleteData(r->data);
  if (r->model) ml3_mjcf_release(r->model);
  free(r);
}

static int create(ml3_env *env, ml3_error *error) {
  reacher *r = calloc(1, sizeof *r);
  if (!r) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a reacher");

  env->data = r;
  r->model = ml3_mjcf_share(env->spec->scene_xml, error);
  if (r->model) r->data = ml3_mjcf_data(r->model, error);
  if (!r->data) {
    destroy(env);
    return error ? error->code : ML3_ERR_FORMAT;
  }
  r->fingertip = mj_name2id(r->model, mjOBJ_BODY, "fingertip");
  r->target = mj_name2id(r->model, mjOBJ_BODY, "target");
  return 0;
}

/* The solver then starts cold, so that what follows depends on the state alone. */
static void set_state(ml3_env *env, const double *state) {
  const reacher *r = env->data;
  memcpy(r->data->qpos, state, JOINTS * sizeof *state);
  memcpy(r->data->qvel, state + JOINTS, JOINTS * sizeof *state);
  mju_zero(r->data->qacc_warmstart, r->model->nv);
  mj_kinematics(r->model, r->data);
}

/* A restored state, not mj_resetData: that clears a whole stack in MuJoCo 2.2. */
static void reset(ml3_env *env, ml3_random *random) {
  const double *task = env->task;
  double radius = sqrt(fmax(0, task[GOAL_RADIUS_SQUARED]));
  (void)random; /* the task says it all */
  set_state(env, (double[STATE_DIM]){task[START_ANGLE_0], task[START_ANGLE_1], radius * cos(task[GOAL_ANGLE]),
                                     radius * sin(task[GOAL_ANGLE]), task[START_VELOCITY_0],
                                     task[START_VELOCITY_1], 0, 0});
}

static double distance(const ml3_env *env) {
  const reacher *r = env->data;
  return mju_dist3(r->data->xpos + 3 * r->fingertip, r->data->xpos + 3 * r->target);
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  const reacher *r = env->data;
  memcpy(r->data->ctrl, action, ACTION_DIM * sizeof *action); /* MuJoCo clips it to the motors' range */
  for (int i = 0; i < FRAME_SKIP; i++) mj_step(r->model, r->data);
  result->reward = -distance(env) - mju_dot(action, action, ACTION_DIM);
}

static void observe(const ml3_env *env, double *obs) {
  const reacher *r = env->data;
  const double *q = r->data->qpos, *v = r->data->qvel;
  const double *tip = r->data->xpos + 3 * r->fingertip, *target = r->data->xpos + 3 * r->target;
  obs[0] = cos(q[0]), obs[1] = cos(q[1]);
  obs[2] = sin(q[0]), obs[3] = sin(q[1]);
  obs[4] = q[2], obs[5] = q[3];
  obs[6] = v[0], obs[7] = v[1];
  obs[8] = tip[0] - target[0], obs[9] = tip[1] - target[1];
}

static void goal_now(const ml3_env *env, double *goal) {
  const reacher *r = env->data;
  memcpy(goal, r->data->qpos + 2, 2 * sizeof *goal);
}

static void get_state(const ml3_env *env, double *state) {
  const reacher *r = env->data;
  memcpy(state, r->data->qpos, JOINTS * sizeof *state);
  memcpy(state + JOINTS, r->data->qvel, JOINTS * sizeof *state);
}

/* mjd_transitionFD knows no RK4 (newer MuJoCo refuses it, 2.2 is off by 1e-3), hence differences of the step.
   What set_state wipes out is put back. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const reacher *r = env->data;
  double warmstart[JOINTS], tip[3], target[3];
  mju_copy(warmstart, r->data->qacc_warmstart, JOINTS);
  mju_copy3(tip, r->data->xpos + 3 * r->fingertip);
  mju_copy3(target, r->data->xpos + 3 * r->target);

  ml3_env_difference(env, action, a, b);
  mju_copy(r->data->qacc_warmstart, warmstart, JOINTS);
  mju_copy3(r->data->xpos + 3 * r->fingertip, tip);
  mju_copy3(r->data->xpos + 3 * r->target, target);
}

static bool success(const ml3_env *env) {
  return distance(env) <= REACHED_M;
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  const reacher *r = env->data;
  if (nq == JOINTS) memcpy(qpos, r->data->qpos, JOINTS * sizeof *qpos);
}

/* ---- the hand ----------------------------------------------------------------------------------------- */

static const double GOAL_RADIUS_MAX_M = 0.2;

static void move_goal(ml3_env *env, const double *point) {
  const reacher *r = env->data;
  double radius = fmin(hypot(point[0], point[1]), GOAL_RADIUS_MAX_M), angle = atan2(point[1], point[0]);
  env->task[GOAL_ANGLE] = angle;
  env->task[GOAL_RADIUS_SQUARED] = radius * radius;
  r->data->qpos[2] = radius * cos(angle);
  r->data->qpos[3] = radius * sin(angle);
  r->data->qvel[2] = r->data->qvel[3] = 0;
  mj_kinematics(r->model, r->data);
}

static void push(ml3_env *env, int body, const double *point, const double *force) {
  const reacher *r = env->data;
  ml3_mjcf_push(r->model, r->data, body, point, force);
}

/* Shoulder and elbow, on the floor beside the board. */
static const ml3_env_plane joint_plane = {.along_x = 0,
                                          .along_y = 1,
                                          .low = {-3.14159265358979324, -3},
                                          .high = {3.14159265358979324, 3},
                                          .from = {0.4, -0.3},
                                          .to = {1.0, 0.3},
                                          .height = -0.295};

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field state_fields[STATE_DIM] = {
    {.name = "shoulder_angle", .unit = "rad", .low = -INFINITY, .high = INFINITY},
    {.name = "elbow_angle", .unit = "rad", .low = -3, .high = 3},
    {.name = "target_x", .unit = "m", .low = -0.27, .high = 0.27},
    {.name = "target_y", .unit = "m", .low = -0.27, .high = 0.27},
    {.name = "shoulder_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "elbow_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "target_x_velocity", .unit = "m/s", .low = -INFINITY, .high = INFINITY},
    {.name = "target_y_velocity", .unit = "m/s", .low = -INFINITY, .high = INFINITY},
};
static const ml3_env_field obs_fields[] = {
    {.name = "cos_shoulder", .unit = "1", .low = -1, .high = 1},
    {.name = "cos_elbow", .unit = "1", .low = -1, .high = 1},
    {.name = "sin_shoulder", .unit = "1", .low = -1, .high = 1},
    {.name = "sin_elbow", .unit = "1", .low = -1, .high = 1},
    {.name = "target_x", .unit = "m", .low = -0.27, .high = 0.27},
    {.name = "target_y", .unit = "m", .low = -0.27, .high = 0.27},
    {.name = "shoulder_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "elbow_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "fingertip_to_target_x", .unit = "m", .low = -INFINITY, .high = INFINITY},
    {.name = "fingertip_to_target_y", .unit = "m", .low = -INFINITY, .high = INFINITY},
};
static const ml3_env_field action_fields[ACTION_DIM] = {
    {.name = "shoulder_torque", .unit = "200 N m", .low = -1, .high = 1},
    {.name = "elbow_torque", .unit = "200 N m", .low = -1, .high = 1},
};
static const ml3_env_field goal_fields[] = {
    {.name = "target_x", .unit = "m", .low = -0.27, .high = 0.27},
    {.name = "target_y", .unit = "m", .low = -0.27, .high = 0.27},
};
static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [GOAL_ANGLE] = {.name = "goal_angle",
                    .unit = "rad",
                    .value = 0.78539816339744831,
                    .low = -3.14159265358979324,
                    .high = 3.14159265358979324},
    [GOAL_RADIUS_SQUARED] =
        {.name = "goal_radius_squared", .unit = "m^2", .value = 0.02, .low = 0, .high = 0.04},
    [START_ANGLE_0] = {.name = "start_angle_0", .unit = "rad", .value = 0, .low = -0.1, .high = 0.1},
    [START_ANGLE_1] = {.name = "start_angle_1", .unit = "rad", .value = 0, .low = -0.1, .high = 0.1},
    [START_VELOCITY_0] =
        {.name = "start_velocity_0", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
    [START_VELOCITY_1] =
        {.name = "start_velocity_1", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
};

const ml3_env_spec ml3_reacher = {
    .name = "reacher",
    .summary = "a two-link arm that reaches for a target (Gymnasium Reacher-v5, MuJoCo)",
    .dt_s = 0.02,
    .horizon = 50,
    .state_dim = STATE_DIM,
    .obs_dim = sizeof obs_fields / sizeof obs_fields[0],
    .action_dim = ACTION_DIM,
    .goal_dim = 2,
    .task_dim = TASK_DIM,
    .state = state_fields,
    .obs = obs_fields,
    .action = action_fields,
    .goal = goal_fields,
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
    .scene_xml = ml3_reacher_xml,
    .pose = pose,
    .plane = &joint_plane,
    .move_goal = move_goal,
    .push = push,
};
