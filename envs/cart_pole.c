/* Gymnasium's CartPole-v1, step for step: a cart that is pushed to the left (0) or to the right (1) so that the pole
   on it stands (Barto, Sutton and Anderson 1983). q is the pole's angle from upright, l half its length.

     w  = (F + m l q.^2 sin q) / M                       M = cart's mass + m, F = +-10 N
     q.. = (g sin q - w cos q) / (l (4/3 - m cos^2 q / M)),   x.. = w - m l q.. cos q / M

   by an explicit Euler step of 0.02 s. The episode ends where |x| > 2.4 m or |q| > 12 degrees, which is no success.
   Reward 1 a step, the last one too; 0 for steps from a state that is beyond these limits already. Observations are
   in single precision, as there; the state is in double precision. */
#include <math.h>

#include "envs/formula.h"
#include "envs/lanes.h"
#include "envs/scenes.h"
#include "envs/single.h"

static const double DT = 0.02, POSITION_LIMIT = 2.4, ANGLE_LIMIT = 12 * 2 * 3.14159265358979323846 / 360;

enum {
  START_X,
  START_X_VELOCITY,
  START_ANGLE,
  START_ANGLE_VELOCITY,
  GRAVITY,
  CART,
  POLE,
  HALF_LENGTH,
  FORCE,
  TASK_DIM
};
enum { X, X_VELOCITY, ANGLE, ANGLE_VELOCITY, STATE_DIM };

typedef struct cart_pole {
  double s[STATE_DIM];
} cart_pole;

static bool success(const ml3_env *env) {
  const double *s = ((const cart_pole *)env->data)->s;
  return fabs(s[X]) <= POSITION_LIMIT && fabs(s[ANGLE]) <= ANGLE_LIMIT;
}

/* Accelerations of the pole and the cart, in the order of operations of Gymnasium. */
static double accelerate(const double *task, const double *s, double action, double *cart) {
  const double total = task[POLE] + task[CART], moment = task[POLE] * task[HALF_LENGTH];
  const double force = action == 1 ? task[FORCE] : -task[FORCE], c = cos(s[ANGLE]), n = sin(s[ANGLE]);
  const double w = (force + moment * (s[ANGLE_VELOCITY] * s[ANGLE_VELOCITY]) * n) / total;
  const double pole = (task[GRAVITY] * n - c * w) / (task[HALF_LENGTH] * (4.0 / 3.0 - task[POLE] * (c * c) / total));
  *cart = w - moment * pole * c / total;
  return pole;
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  double *s = ((cart_pole *)env->data)->s, cart;
  const bool stood = success(env);
  const double pole = accelerate(env->task, s, action[0], &cart);
  s[X] += DT * s[X_VELOCITY];
  s[X_VELOCITY] += DT * cart;
  s[ANGLE] += DT * s[ANGLE_VELOCITY];
  s[ANGLE_VELOCITY] += DT * pole;
  result->terminated = !success(env);
  result->reward = result->terminated && !stood ? 0 : 1;
  if (!isfinite(s[X] + s[X_VELOCITY] + s[ANGLE] + s[ANGLE_VELOCITY])) result->code = ML3_ERR_NUMERIC;
}

static void observe(const ml3_env *env, double *obs) {
  const cart_pole *c = env->data;
  for (int i = 0; i < STATE_DIM; i++) obs[i] = ml3_single(c->s[i]);
}

static void goal_now(const ml3_env *env, double *goal) {
  (void)env;
  goal[0] = 0;
}

/* The pole's angle from upright. */
static double distance(const ml3_env *env) {
  return fabs(((const cart_pole *)env->data)->s[ANGLE]);
}

/* The true derivative by the state; by a choice there is none. */
static void linearize(ml3_env *env, const double *action, double *a, double *b) {
  const double *task = env->task, *s = ((const cart_pole *)env->data)->s;
  const double total = task[POLE] + task[CART], moment = task[POLE] * task[HALF_LENGTH], v = s[ANGLE_VELOCITY];
  const double c = cos(s[ANGLE]), n = sin(s[ANGLE]), l = task[HALF_LENGTH];
  double cart;
  const double pole = accelerate(task, s, action[0], &cart);
  const double w = cart + moment * pole * c / total, w_angle = moment * v * v * c / total,
               w_v = 2 * moment * v * n / total;
  const double below = l * (4.0 / 3.0 - task[POLE] * c * c / total), below_angle = 2 * l * task[POLE] * c * n / total;
  const double pole_angle = (task[GRAVITY] * c + n * w - c * w_angle - pole * below_angle) / below;
  const double pole_v = -c * w_v / below;
  const double cart_angle = w_angle - moment / total * (pole_angle * c - pole * n);
  const double cart_v = w_v - moment / total * pole_v * c;
  const double rows[STATE_DIM][STATE_DIM] = {[X] = {1, DT, 0, 0},
                                             [X_VELOCITY] = {0, 1, DT * cart_angle, DT * cart_v},
                                             [ANGLE] = {0, 0, 1, DT},
                                             [ANGLE_VELOCITY] = {0, 0, DT * pole_angle, 1 + DT * pole_v}};
  for (int i = 0; i < STATE_DIM; i++) {
    for (int j = 0; j < STATE_DIM; j++) a[i * STATE_DIM + j] = rows[i][j];
    b[i] = 0;
  }
}

static void pose(const ml3_env *env, double *qpos, int nq) {
  const double *s = ((const cart_pole *)env->data)->s;
  if (nq == 2) qpos[0] = s[X], qpos[1] = s[ANGLE];
}

/* ---- specification ------------------------------------------------------------------------------------ */

#define FIELDS(POSITION, ANGLE)                                                     \
  {.name = "position", .unit = "m", .low = -(POSITION), .high = POSITION},          \
      {.name = "velocity", .unit = "m/s", .low = -INFINITY, .high = INFINITY},      \
      {.name = "angle", .unit = "rad", .low = -(ANGLE), .high = ANGLE}, {           \
    .name = "angular_velocity", .unit = "rad/s", .low = -INFINITY, .high = INFINITY \
  }

/* Twice what ends an episode, in single precision, as in Gymnasium. */
static const ml3_env_field obs_fields[STATE_DIM] = {
    FIELDS((float)4.8, (float)(12 * 2 * 3.14159265358979323846 / 360 * 2))};
static const ml3_env_field state_fields[STATE_DIM] = {FIELDS(INFINITY, INFINITY)};
static const ml3_env_field action_fields[] = {{.name = "direction", .unit = "1", .low = 0, .high = 1}};
static const ml3_env_field goal_fields[] = {{.name = "angle", .unit = "rad", .low = -INFINITY, .high = INFINITY}};

static const ml3_env_parameter task_parameters[TASK_DIM] = {
    [START_X] = ML3_AROUND_0("start_position", "m", 0.05),
    [START_X_VELOCITY] = ML3_AROUND_0("start_velocity", "m/s", 0.05),
    [START_ANGLE] = ML3_AROUND_0("start_angle", "rad", 0.05),
    [START_ANGLE_VELOCITY] = ML3_AROUND_0("start_angular_velocity", "rad/s", 0.05),
    [GRAVITY] = ML3_FIXED("gravity", "m/s^2", 9.8),
    [CART] = ML3_FIXED("cart_mass", "kg", 1),
    [POLE] = ML3_FIXED("pole_mass", "kg", 0.1),
    [HALF_LENGTH] = ML3_FIXED("half_length", "m", 0.5),
    [FORCE] = ML3_FIXED("force", "N", 10),
};

ML3_LANES_PICK(cart_pole)

const ml3_env_spec ml3_cart_pole = {
    .name = "cart_pole",
    .summary = "a pole that must stand on a cart, pushed left or right (Gymnasium CartPole-v1)",
    .dt_s = 0.02,
    .horizon = 500,
    .state_dim = STATE_DIM,
    .obs_dim = STATE_DIM,
    .action_dim = 1,
    .choices = 2,
    .goal_dim = 1,
    .task_dim = TASK_DIM,
    .state = state_fields,
    .obs = obs_fields,
    .action = action_fields,
    .goal = goal_fields,
    .task = task_parameters,
    .step_ns = 50,
    ML3_FORMULA_DATA,
    .reset = ml3_formula_reset,
    .step = step,
    .observe = observe,
    .goal_now = goal_now,
    .step_lanes = step_lanes,
    .distance = distance,
    .success = success,
    .linearize = linearize,
    .scene_xml = ml3_cart_pole_xml,
    .pose = pose,
};
