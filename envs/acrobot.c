/* Gymnasium's Acrobot-v1, step for step: two links that hang from a pivot; a torque of -1, 0 or 1 N m (actions 0, 1,
   2) at the joint between them must swing the tip up (Sutton 1996; the equations of Sutton and Barto's book). q1 is
   the first link's angle from hanging, q2 the second's from the first; both links weigh 1 kg, are 1 m long with their
   centre in the middle, and have a moment of inertia of 1 kg m^2.

     d1  = m (c^2 + (l^2 + c^2 + 2 l c cos q2)) + 2 I,   d2 = m (c^2 + l c cos q2) + I
     p2  = m c g cos(q1 + q2 - pi/2)
     p1  = -m l c q2.^2 sin q2 - 2 m l c q2. q1. sin q2 + (m c + m l) g cos(q1 - pi/2) + p2
     q2.. = (u + d2/d1 p1 - m l c q1.^2 sin q2 - p2) / (m c^2 + I - d2^2/d1),   q1.. = -(d2 q2.. + p1) / d1

   by one Runge-Kutta step of fourth order over 0.2 s; then both angles are brought within +-pi and the velocities
   within +-4 pi and +-9 pi. The episode ends where the tip is more than 1 m above the pivot: -cos q1 - cos(q1 + q2) >
   1. Reward -1 a step, 0 for the last. Observed are cosine and sine of the angles and the velocities, in single
   precision as there; an episode begins in single precision, the state is in double precision. */
#include <math.h>

#include "envs/formula.h"
#include "envs/scenes.h"
#include "envs/single.h"

static const double PI = 3.14159265358979323846, DT = 0.2;

enum { START_ANGLE_1, START_ANGLE_2, START_VELOCITY_1, START_VELOCITY_2, MASS, GRAVITY, TORQUE, TASK_DIM };
enum { ANGLE_1, ANGLE_2, VELOCITY_1, VELOCITY_2, STATE_DIM };

typedef struct acrobot {
  double s[STATE_DIM];
} acrobot;

static void reset(ml3_env *env, ml3_random *random) {
  (void)random; /* the task says it all */
  acrobot *a = env->data;
  for (int i = 0; i < STATE_DIM; i++) a->s[i] = ml3_single(env->task[START_ANGLE_1 + i]);
}

/* ds/dt under a torque, in the order of operations of Gymnasium. */
static void derive(const double *task, const double *s, double torque, double *ds) {
  const double m = task[MASS], g = task[GRAVITY], l = 1, c = 0.5, inertia = 1, v1 = s[VELOCITY_1], v2 = s[VELOCITY_2];
  const double cosine = cos(s[ANGLE_2]), sine = sin(s[ANGLE_2]);
  const double d1 = m * (c * c) + m * (l * l + c * c + 2 * l * c * cosine) + inertia + inertia;
  const double d2 = m * (c * c + l * c * cosine) + inertia;
  const double p2 = m * c * g * cos(s[ANGLE_1] + s[ANGLE_2] - PI / 2);
  const double p1 = -m * l * c * (v2 * v2) * sine - 2 * m * l * c * v2 * v1 * sine +
                    (m * c + m * l) * g * cos(s[ANGLE_1] - PI / 2) + p2;
  ds[VELOCITY_2] = (torque + d2 / d1 * p1 - m * l * c * (v1 * v1) * sine - p2) / (m * (c * c) + inertia - d2 * d2 / d1);
  ds[VELOCITY_1] = -(d2 * ds[VELOCITY_2] + p1) / d1;
  ds[ANGLE_1] = v1, ds[ANGLE_2] = v2;
}

/* Runge and Kutta's step of fourth order, from s on. */
static void integrate(const double *task, double *s, double torque) {
  const double at[4] = {0, DT / 2, DT / 2, DT};
  double k[4][STATE_DIM], x[STATE_DIM];
  for (int stage = 0; stage < 4; stage++) {
    for (int i = 0; i < STATE_DIM; i++) x[i] = stage ? s[i] + at[stage] * k[stage - 1][i] : s[i];
    derive(task, x, torque, k[stage]);
  }
  for (int i = 0; i < STATE_DIM; i++) s[i] += DT / 6 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
}

/* By whole turns into [-pi, pi]. One step turns a link a few times at most; what is no number, or beyond, stays. */
static double wrap(double x) {
  for (int turns = 0; x > PI && turns < 100; turns++) x -= 2 * PI;
  for (int turns = 0; x < -PI && turns < 100; turns++) x += 2 * PI;
  return x;
}

static double height(const double *s) {
  return -cos(s[ANGLE_1]) - cos(s[ANGLE_2] + s[ANGLE_1]);
}

static bool success(const ml3_env *env) {
  return height(((const acrobot *)env->data)->s) > 1;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  double *s = ((acrobot *)env->data)->s;
  integrate(env->task, s, (action[0] - 1) * env->task[TORQUE]);
  s[ANGLE_1] = wrap(s[ANGLE_1]), s[ANGLE_2] = wrap(s[ANGLE_2]);
  s[VELOCITY_1] = ml3_clip(s[VELOCITY_1], -4 * PI, 4 * PI), s[VELOCITY_2] = ml3_clip(s[VELOCITY_2], -9 * PI, 9 * PI);
  result->terminated = success(env);
  result->reward = result->terminated ? 0 : -1;
  if (!isfinite(s[ANGLE_1] + s[ANGLE_2] + s[VELOCITY_1] + s[VELOCITY_2])) result->code = ML3_ERR_NUMERIC;
}

static void observe(const ml3_env *env, double *obs) {
  const double *s = ((const acrobot *)env->data)->s;
  const double all[] = {cos(s[ANGLE_1]), sin(s[ANGLE_1]), cos(s[ANGLE_2]),
                        sin(s[ANGLE_2]), s[VELOCITY_1],   s[VELOCITY_2]};
  for (int i = 0; i < 6; i++) obs[i] = ml3_single(all[i]);
}

static void goal_now(const ml3_env *env, double *goal) {
  (void)env;
  goal[0] = 1;
}

/* What the tip lacks in height. */
static double distance(const ml3_env *env) {
  return fmax(0, 1 - height(((const acrobot *)env->data)->s));
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  const double *s = ((const acrobot *)env->data)->s;
  if (nq == 2) qpos[0] = s[ANGLE_1], qpos[1] = s[ANGLE_2];
}

/* ---- specification ------------------------------------------------------------------------------------ */

static const ml3_env_field state_fields[STATE_DIM] = {
    {.name = "angle_1", .unit = "rad", .low = -3.14159265358979323846, .high = 3.14159265358979323846},
    {.name = "angle_2", .unit = "rad", .low = -3.14159265358979323846, .high = 3.14159265358979323846},
    {.name = "velocity_1", .unit = "rad/s", .low = -4 * 3.14159265358979323846, .high = 4 * 3.14159265358979323846},
    {.name = "velocity_2", .unit = "rad/s", .low = -9 * 3.14159265358979323846, .high = 9 * 3.14159265358979323846},
};
/* As Gymnasium's: in single precision. */
static const ml3_env_field obs_fields[] = {
    {.name = "cos_angle_1", .unit = "1", .low = -1, .high = 1},
    {.name = "sin_angle_1", .unit = "1", .low = -1, .high = 1},
    {.name = "cos_angle_2", .unit = "1", .low = -1, .high = 1},
    {.name = "sin_angle_2", .unit = "1", .low = -1, .high = 1},
    {.name = "velocity_1",
     .unit = "rad/s",
     .low = (float)(-4 * 3.14159265358979323846),
     .high = (float)(4 * 3.14159265358979323846)},
    {.name = "velocity_2",
     .unit = "rad/s",
     .low = (float)(-9 * 3.14159265358979323846),
     .high = (float)(9 * 3.14159265358979323846)},
};
static const ml3_env_field action_fields[] = {{.name = "direction", .unit = "1", .low = 0, .high = 2}};
static const ml3_env_field goal_fields[] = {{.name = "height", .unit = "m", .low = -2, .high = 2}};

static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_ANGLE_1] = ML3_AROUND_0("start_angle_1", "rad", 0.1),
    [START_ANGLE_2] = ML3_AROUND_0("start_angle_2", "rad", 0.1),
    [START_VELOCITY_1] = ML3_AROUND_0("start_velocity_1", "rad/s", 0.1),
    [START_VELOCITY_2] = ML3_AROUND_0("start_velocity_2", "rad/s", 0.1),
    [MASS] = ML3_FIXED("mass", "kg", 1),
    [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 9.8),
    [TORQUE] = ML3_FIXED("torque", "N m", 1),
};

const ml3_env_spec ml3_acrobot = {
    .name = "acrobot",
    .summary = "two links whose tip must swing up by the torque between them (Gymnasium Acrobot-v1)",
    .dt_s = 0.2,
    .horizon = 500,
    .state_dim = STATE_DIM,
    .obs_dim = 6,
    .action_dim = 1,
    .choices = 3,
    .goal_dim = 1,
    .task_dim = TASK_DIM,
    .state = state_fields,
    .obs = obs_fields,
    .action = action_fields,
    .goal = goal_fields,
    .task = task_parameters,
    .step_ns = 600,
    ML3_FORMULA_DATA,
    .reset = reset,
    .step = step,
    .observe = observe,
    .goal_now = goal_now,
    .distance = distance,
    .success = success,
    .scene_xml = ml3_acrobot_xml,
    .pose = pose,
};
