/* What mountain cars have in common: see hill.h. */
#include "envs/hill.h"
#include "envs/formula.h"

#include <math.h>

static const double PI = 3.14159265358979323846, HALF_BASE_M = 0.06, WHEEL_RADIUS_M = 0.03;
enum { GOAL_POSITION = 2 };       /* in the tasks of all of them */
static const double FLAG_M = 0.5; /* where it stands in the scene */

/* The hill whose slope is the cos 3p of the equation, level beyond its two peaks (as in the scene's mesh). */
static double hill_height(double p) {
  return p < -PI / 2 || p > PI / 6 ? 1.0 / 3 : sin(3 * p) / 3;
}

double ml3_hill_distance(const ml3_env *env) {
  return fmax(0, env->task[GOAL_POSITION] - *(const double *)env->data);
}

void ml3_hill_move_goal(ml3_env *env, const double *point) {
  env->task[GOAL_POSITION] = ml3_clip(point[0], -0.3, env->spec->state[0].high);
}

/* Both axles on the hill. The wheels turn by the distance along it: 1.22 is its mean length per position. */
void ml3_hill_pose(const ml3_env *env, double *qpos, int nq) {
  const double p = *(const double *)env->data, goal = env->task[GOAL_POSITION];
  if (nq < 7) return;
  double slope = cos(3 * p), half = HALF_BASE_M / sqrt(1 + slope * slope);
  double front = hill_height(p + half), rear = hill_height(p - half);
  qpos[0] = p;
  qpos[1] = (front + rear) / 2;
  qpos[2] = -atan2(front - rear, 2 * half);
  qpos[3] = qpos[4] = 1.22 * p / WHEEL_RADIUS_M;
  qpos[5] = goal - FLAG_M;
  qpos[6] = hill_height(goal) - hill_height(FLAG_M);
}

const ml3_env_field ml3_hill_state_fields[2] = {
    {.name = "position", .unit = "m", .low = -1.2, .high = 0.6},
    {.name = "velocity", .unit = "m/step", .low = -0.07, .high = 0.07},
};

/* As Gymnasium's: single precision, in which 0.6 is a little more. */
const ml3_env_field ml3_hill_obs_fields[2] = {
    {.name = "position", .unit = "m", .low = -1.2f, .high = 0.6f},
    {.name = "velocity", .unit = "m/step", .low = -0.07f, .high = 0.07f},
};

const ml3_env_plane ml3_hill_plane = {.along_x = 0,
                                      .along_y = 1,
                                      .low = {-1.2, -0.07},
                                      .high = {0.6, 0.07},
                                      .from = {-1.2, -1.75},
                                      .to = {0.6, -0.55},
                                      .height = -0.595};
