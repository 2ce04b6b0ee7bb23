/* Variants of Gymnasium's Reacher-v5 (MuJoCo), a two-link arm in the plane that brings its fingertip to a target; Gymnasium's own is
   envs/tasks/reacher.yaml.

     observation  cos q, sin q, target, qdot, fingertip - target (x, y)
     reward       -||fingertip - target|| - sum u^2, after the step, of the action as it was given

   The weight 1 of sum u^2 is the one of Gymnasium's code; its documentation says 0.1. Two substeps of 0.01 s
   (RK4) an action. Two traces of the past are kept since Gymnasium keeps them; set_state wipes them out:
   - the fingertip's place after a step is what RK4's last stage left behind, some 1e-6 m off the state's;
   - the constraint solver starts from its last answer, which moves a state by up to 1e-6 while the elbow is
     at its stop.

   In `reacher_goal` every task also has its own start, link lengths, masses and damping;
   `reacher_joints` is Gymnasium's arm seen in joint angles, with the target as the angles that reach it:

     cos q2 = (r^2 - l1^2 - l2^2) / (2 l1 l2),   q1 = atan2(y, x) - atan2(l2 sin q2, l1 + l2 cos q2)

   of the two answers the one that turns the shoulder less. */
#include "envs/env.h"
#include "envs/mjcf.h"
#include "envs/scenes.h"
#include "envs/simulation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_SKIP = 2, JOINTS = 4, STATE_DIM = 2 * JOINTS, ACTION_DIM = 2, ARM_JOINTS = 2 };
static const double REACHED_M = 0.02;

/* The target is uniform in the disc of radius 0.2 m when its angle and its *squared* radius are uniform. */
enum {
  GOAL_ANGLE,
  GOAL_RADIUS_SQUARED,
  START_ANGLE_0,
  START_ANGLE_1,
  START_VELOCITY_0,
  START_VELOCITY_1,
  UPPER_ARM_LENGTH,
  FOREARM_LENGTH,
  UPPER_ARM_MASS,
  FOREARM_MASS,
  DAMPING,
  TASK_DIM
};

/* Of the MJCF: 1000 kg/m^3 in a capsule of radius 1 cm and length 10 cm. */
#define LENGTH_M 0.1
#define MASS_KG  0.03560471674068432
static const double DAMPING_N_M_S = 1, TIP_BEYOND_M = 0.01;

typedef struct reacher {
  ml3_simulation simulation;
  int fingertip, target; /* bodies */
} reacher;

static void destroy(ml3_env *env) {
  ml3_simulation_close(&((reacher *)env->data)->simulation);
  free(env->data);
}

static int create(ml3_env *env, ml3_error *error) {
  reacher *r = calloc(1, sizeof *r);
  if (!r) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a reacher");
  env->data = r;
  int code = ml3_simulation_open(&r->simulation, env, env->spec->scene_xml, error);
  if (code != ML3_OK) {
    free(r);
    return code;
  }
  r->fingertip = mj_name2id(r->simulation.model, mjOBJ_BODY, "fingertip");
  r->target = mj_name2id(r->simulation.model, mjOBJ_BODY, "target");
  return ML3_OK;
}

/* ---- the arm of a task ---------------------------------------------------------------------------------- */

/* Across its axis, about its middle: a cylinder and two half spheres of the same density. */
static double capsule_inertia(double mass, double radius, double length) {
  double spheres = mass * 4 * radius / (4 * radius + 3 * length), cylinder = mass - spheres;
  return cylinder * (3 * radius * radius + length * length) / 12 + spheres * 2 * radius * radius / 5 +
         spheres * length * (3 * radius + 2 * length) / 8;
}

/* A link along x of that length; body `next` is at its end, or `beyond` it. */
static void set_length(mjModel *m, const char *name, const char *next, double length, double beyond) {
  int link = mj_name2id(m, mjOBJ_BODY, name), geom = mj_name2id(m, mjOBJ_GEOM, name);
  m->body_pos[3 * mj_name2id(m, mjOBJ_BODY, next)] = length + beyond;
  m->geom_pos[3 * geom] = m->body_ipos[3 * link] = length / 2;
  m->geom_size[3 * geom + 1] = length / 2;
  m->geom_rbound[geom] = m->geom_size[3 * geom] + length / 2;
}

/* The mass of a link, and its inertia with that length. */
static void set_mass(mjModel *m, const char *name, double length, double mass) {
  int link = mj_name2id(m, mjOBJ_BODY, name);
  double radius = m->geom_size[3 * mj_name2id(m, mjOBJ_GEOM, name)];
  double across = capsule_inertia(mass, radius, length) / capsule_inertia(MASS_KG, radius, LENGTH_M);
  m->body_mass[link] = mass;
  for (int i = 0; i < 2; i++) m->body_inertia[3 * link + i] *= across; /* MuJoCo sorts them: the axis is last */
  m->body_inertia[3 * link + 2] *= mass / MASS_KG;
}

static void set_lengths(mjModel *m, const double *task) {
  set_length(m, "upper_arm", "forearm", task[UPPER_ARM_LENGTH], 0);
  set_length(m, "forearm", "fingertip", task[FOREARM_LENGTH], TIP_BEYOND_M);
}

static bool is_standard(const double *task) {
  return task[UPPER_ARM_LENGTH] == LENGTH_M && task[FOREARM_LENGTH] == LENGTH_M && task[UPPER_ARM_MASS] == MASS_KG &&
         task[FOREARM_MASS] == MASS_KG && task[DAMPING] == DAMPING_N_M_S;
}

static void change_task(ml3_env *env) {
  reacher *r = env->data;
  if (is_standard(env->task)) {
    ml3_simulation_unedited(&r->simulation);
    return;
  }
  mjModel *m = ml3_simulation_edit(&r->simulation);
  if (!m) return;
  set_lengths(m, env->task);
  set_mass(m, "upper_arm", env->task[UPPER_ARM_LENGTH], env->task[UPPER_ARM_MASS]);
  set_mass(m, "forearm", env->task[FOREARM_LENGTH], env->task[FOREARM_MASS]);
  for (int i = 0; i < ARM_JOINTS; i++) m->dof_damping[i] = env->task[DAMPING];
  ml3_simulation_edited(&r->simulation);
}

static void arrange(const ml3_env *env, mjModel *scene) {
  set_lengths(scene, env->task);
}

/* ---- motion --------------------------------------------------------------------------------------------- */

static void set_state(ml3_env *env, const double *state) {
  ml3_simulation_set_state(&((reacher *)env->data)->simulation, state);
}

static void reset(ml3_env *env, ml3_random *random) {
  const double *task = env->task;
  double radius = sqrt(fmax(0, task[GOAL_RADIUS_SQUARED]));
  (void)random; /* the task says it all */
  const double state[STATE_DIM] = {
      task[START_ANGLE_0],    task[START_ANGLE_1],   radius * cos(task[GOAL_ANGLE]), radius * sin(task[GOAL_ANGLE]),
      task[START_VELOCITY_0], task[START_VELOCITY_1]};
  ml3_simulation_reset(&((reacher *)env->data)->simulation, state);
}

static double distance(const ml3_env *env) {
  const reacher *r = env->data;
  const double *xpos = r->simulation.data->xpos;
  return mju_dist3(xpos + 3 * r->fingertip, xpos + 3 * r->target);
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  reacher *r = env->data;
  result->code = ml3_simulation_step(&r->simulation, action, FRAME_SKIP);
  result->reward = -distance(env) - mju_dot(action, action, ACTION_DIM);
}

static void observe(const ml3_env *env, double *obs) {
  const reacher *r = env->data;
  const mjData *d = r->simulation.data;
  const double *q = d->qpos, *v = d->qvel, *tip = d->xpos + 3 * r->fingertip, *target = d->xpos + 3 * r->target;
  obs[0] = cos(q[0]), obs[1] = cos(q[1]);
  obs[2] = sin(q[0]), obs[3] = sin(q[1]);
  obs[4] = q[2], obs[5] = q[3];
  obs[6] = v[0], obs[7] = v[1];
  obs[8] = tip[0] - target[0], obs[9] = tip[1] - target[1];
}

static void goal_now(const ml3_env *env, double *goal) {
  const reacher *r = env->data;
  memcpy(goal, r->simulation.data->qpos + 2, 2 * sizeof *goal);
}

/* Shoulder and elbow with the fingertip at the target. */
static void joints_goal_now(const ml3_env *env, double *goal) {
  double target[2];
  goal_now(env, target);
  const double l1 = env->task[UPPER_ARM_LENGTH], l2 = env->task[FOREARM_LENGTH] + TIP_BEYOND_M;
  const double squared = target[0] * target[0] + target[1] * target[1];
  const double bend = acos(fmin(fmax((squared - l1 * l1 - l2 * l2) / (2 * l1 * l2), -1), 1)), stop = 3;
  for (int sign = 1; sign >= -1; sign -= 2) {
    const double elbow = sign * fmin(bend, stop);
    double shoulder = atan2(target[1], target[0]) - atan2(l2 * sin(elbow), l1 + l2 * cos(elbow));
    shoulder = remainder(shoulder, 2 * 3.14159265358979323846);
    if (sign == 1 || fabs(shoulder) < fabs(goal[0])) goal[0] = shoulder, goal[1] = elbow;
  }
}

static void joints_observe(const ml3_env *env, double *obs) {
  const mjData *d = ((const reacher *)env->data)->simulation.data;
  for (int i = 0; i < ARM_JOINTS; i++) obs[i] = d->qpos[i], obs[ARM_JOINTS + i] = d->qvel[i];
  joints_goal_now(env, obs + 2 * ARM_JOINTS);
}

static void get_state(const ml3_env *env, double *state) {
  ml3_simulation_get_state(&((const reacher *)env->data)->simulation, state);
}

/* The bodies' places of the past belong to the full state: see above. */
static int full_dim(const ml3_env *env) {
  return ml3_simulation_full_dim(&((const reacher *)env->data)->simulation) + 6;
}

static void get_full(const ml3_env *env, double *full) {
  const reacher *r = env->data;
  const double *xpos = r->simulation.data->xpos;
  mju_copy3(full, xpos + 3 * r->fingertip);
  mju_copy3(full + 3, xpos + 3 * r->target);
  ml3_simulation_get_full(&r->simulation, full + 6);
}

static void load(ml3_env *env, const double *full) {
  reacher *r = env->data;
  double *xpos = r->simulation.data->xpos;
  ml3_simulation_load(&r->simulation, full + 6);
  mju_copy3(xpos + 3 * r->fingertip, full);
  mju_copy3(xpos + 3 * r->target, full + 3);
}

static void set_full(ml3_env *env, const double *full) {
  ml3_simulation_set_full(&((reacher *)env->data)->simulation, full + 6);
  load(env, full);
}

static int borrow(ml3_env *env, const ml3_env *host, ml3_error *error) {
  reacher *r = env->data;
  return ml3_simulation_borrow(&r->simulation, host ? &((const reacher *)host->data)->simulation : NULL, error);
}

static bool success(const ml3_env *env) {
  return distance(env) <= REACHED_M;
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  const reacher *r = env->data;
  if (nq == JOINTS) memcpy(qpos, r->simulation.data->qpos, JOINTS * sizeof *qpos);
}

/* ---- the hand ----------------------------------------------------------------------------------------- */

static const double GOAL_RADIUS_MAX_M = 0.2;

static void move_goal(ml3_env *env, const double *point) {
  ml3_simulation *s = &((reacher *)env->data)->simulation;
  double radius = fmin(hypot(point[0], point[1]), GOAL_RADIUS_MAX_M), angle = atan2(point[1], point[0]);
  env->task[GOAL_ANGLE] = angle;
  env->task[GOAL_RADIUS_SQUARED] = radius * radius;
  s->data->qpos[2] = radius * cos(angle);
  s->data->qpos[3] = radius * sin(angle);
  s->data->qvel[2] = s->data->qvel[3] = 0;
  ml3_simulation_place(s);
}

static void push(ml3_env *env, int body, const double *point, const double *force) {
  const ml3_simulation *s = &((reacher *)env->data)->simulation;
  ml3_mjcf_push(s->model, s->data, body, point, force);
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
#define PI 3.14159265358979323846
static const ml3_env_parameter of_gymnasium[TASK_DIM] = {
    [GOAL_ANGLE] = {.name = "goal_angle", .unit = "rad", .value = PI / 4, .low = -PI, .high = PI},
    [GOAL_RADIUS_SQUARED] = {.name = "goal_radius_squared", .unit = "m^2", .value = 0.02, .low = 0, .high = 0.04},
    [START_ANGLE_0] = {.name = "start_angle_0", .unit = "rad", .value = 0, .low = -0.1, .high = 0.1},
    [START_ANGLE_1] = {.name = "start_angle_1", .unit = "rad", .value = 0, .low = -0.1, .high = 0.1},
    [START_VELOCITY_0] = {.name = "start_velocity_0", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
    [START_VELOCITY_1] = {.name = "start_velocity_1", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
    [UPPER_ARM_LENGTH] =
        {.name = "upper_arm_length", .unit = "m", .value = LENGTH_M, .low = LENGTH_M, .high = LENGTH_M},
    [FOREARM_LENGTH] = {.name = "forearm_length", .unit = "m", .value = LENGTH_M, .low = LENGTH_M, .high = LENGTH_M},
    [UPPER_ARM_MASS] = {.name = "upper_arm_mass", .unit = "kg", .value = MASS_KG, .low = MASS_KG, .high = MASS_KG},
    [FOREARM_MASS] = {.name = "forearm_mass", .unit = "kg", .value = MASS_KG, .low = MASS_KG, .high = MASS_KG},
    [DAMPING] = {.name = "damping", .unit = "N m s", .value = 1, .low = 1, .high = 1},
};
/* Every target is within every arm's reach. */
static const ml3_env_parameter varied[TASK_DIM] = {
    [GOAL_ANGLE] = {.name = "goal_angle", .unit = "rad", .value = PI / 4, .low = -PI, .high = PI},
    [GOAL_RADIUS_SQUARED] = {.name = "goal_radius_squared", .unit = "m^2", .value = 0.02, .low = 0.0025, .high = 0.036},
    [START_ANGLE_0] = {.name = "start_angle_0", .unit = "rad", .value = 0, .low = -PI, .high = PI},
    [START_ANGLE_1] = {.name = "start_angle_1", .unit = "rad", .value = 0, .low = -2, .high = 2},
    [START_VELOCITY_0] = {.name = "start_velocity_0", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
    [START_VELOCITY_1] = {.name = "start_velocity_1", .unit = "rad/s", .value = 0, .low = -0.005, .high = 0.005},
    [UPPER_ARM_LENGTH] = {.name = "upper_arm_length", .unit = "m", .value = LENGTH_M, .low = 0.09, .high = 0.12},
    [FOREARM_LENGTH] = {.name = "forearm_length", .unit = "m", .value = LENGTH_M, .low = 0.09, .high = 0.12},
    [UPPER_ARM_MASS] =
        {.name = "upper_arm_mass", .unit = "kg", .value = MASS_KG, .low = MASS_KG / 2, .high = 2 * MASS_KG},
    [FOREARM_MASS] = {.name = "forearm_mass", .unit = "kg", .value = MASS_KG, .low = MASS_KG / 2, .high = 2 * MASS_KG},
    [DAMPING] = {.name = "damping", .unit = "N m s", .value = 1, .low = 0.5, .high = 2},
};

static const ml3_env_field joints_obs_fields[] = {
    {.name = "shoulder_angle", .unit = "rad", .low = -INFINITY, .high = INFINITY},
    {.name = "elbow_angle", .unit = "rad", .low = -INFINITY, .high = INFINITY}, /* the stop gives way a little */
    {.name = "shoulder_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "elbow_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY},
    {.name = "goal_shoulder_angle", .unit = "rad", .low = -PI, .high = PI},
    {.name = "goal_elbow_angle", .unit = "rad", .low = -3, .high = 3},
};

#define REACHER                                                                                                     \
  .dt_s = 0.02, .horizon = 50, .state_dim = STATE_DIM,         \
  .action_dim = ACTION_DIM, .goal_dim = 2, .task_dim = TASK_DIM, .state = state_fields,          \
  .action = action_fields, .create = create, .destroy = destroy, .change_task = change_task,   \
  .reset = reset, .step = step, .get_state = get_state,                   \
  .set_state = set_state, .full_dim = full_dim, .get_full = get_full, .set_full = set_full, .load = load,           \
  .borrow = borrow, .distance = distance, .success = success, .scene_xml = ml3_reacher_xml, \
  .pose = pose, .arrange = arrange, .plane = &joint_plane, .move_goal = move_goal, .push = push

#define GYMNASIUM_VIEW                                                                                       \
  .obs_dim = sizeof obs_fields / sizeof obs_fields[0], .obs = obs_fields, .goal = goal_fields, .observe = observe, \
  .goal_now = goal_now

const ml3_env_spec ml3_reacher_goal = {
    REACHER,
    .name = "reacher_goal",
    .summary = "the reacher with target, start, link lengths, masses and damping from a task distribution",
    .task = varied,
    GYMNASIUM_VIEW,
};

const ml3_env_spec ml3_reacher_joints = {
    REACHER,
    .name = "reacher_joints",
    .summary = "the reacher in joint angles, its target by inverse kinematics",
    .task = of_gymnasium,
    .obs_dim = sizeof joints_obs_fields / sizeof joints_obs_fields[0],
    .obs = joints_obs_fields,
    .goal = joints_obs_fields + 2 * ARM_JOINTS,
    .observe = joints_observe,
    .goal_now = joints_goal_now,
};
