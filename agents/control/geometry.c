/* Observations and outcomes of states: see geometry.h. */
#include "agents/control/geometry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ml3_node build_columns(ml3_nn_graph *g, ml3_node x, const int *columns, int count) {
  ml3_node each[count + 1];
  for (int i = 0; i < count; i++) each[i] = ml3_nn_slice_cols(g, x, columns[i], 1);
  return ml3_nn_concat_cols(g, each, count);
}

/* ---- usual -------------------------------------------------------------------------------------------------------- */

/* Entries of the goal that observations hold behind the state. */
static int seen_goal(const ml3_env_spec *env) {
  return env->obs_dim - env->state_dim;
}

static ml3_node usual_build_obs(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state, ml3_node goal) {
  const int seen = seen_goal(geometry->env);
  if (seen == 0) return state;
  ml3_node columns[2] = {state, ml3_nn_slice_cols(g, goal, 0, seen)};
  columns[1] = ml3_nn_broadcast(g, columns[1], ml3_nn_rows(g, state), seen);
  return ml3_nn_concat_cols(g, columns, 2);
}

static void usual_obs(const ml3_geometry *geometry, const double *state, const double *goal, double *obs) {
  const ml3_env_spec *env = geometry->env;
  memcpy(obs, state, (size_t)env->state_dim * sizeof *obs);
  memcpy(obs + env->state_dim, goal, (size_t)seen_goal(env) * sizeof *obs);
}

static ml3_node usual_build_outcome(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state) {
  (void)geometry, (void)g;
  return state;
}

static void usual_outcome(const ml3_geometry *geometry, const double *state, double *outcome) {
  memcpy(outcome, state, (size_t)geometry->env->state_dim * sizeof *outcome);
}

static int init_usual(ml3_geometry *geometry, ml3_error *error) {
  const ml3_env_spec *env = geometry->env;
  if (!ml3_env_goal_is_state(env) || env->obs_dim < env->state_dim || env->obs_dim > 2 * env->state_dim)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "environment '%s' cannot be used model-based: its observation and goal are not its state, and "
                         "nothing says how they follow from it (agents/control/geometry.c)",
                         env->name);
  geometry->goal_seen = seen_goal(env) > 0;
  geometry->build_obs = usual_build_obs;
  geometry->build_outcome = usual_build_outcome;
  geometry->obs = usual_obs;
  geometry->outcome = usual_outcome;
  for (int i = 0; i < env->state_dim; i++) {
    geometry->moving[geometry->moving_dim++] = i;
    if (strstr(env->state[i].name, "velocity")) {
      geometry->velocity[geometry->velocity_dim++] = i;
    } else {
      geometry->place_names[geometry->place_dim] = env->state[i].name;
      geometry->place[geometry->place_dim++] = i;
    }
  }
  return ML3_OK;
}

/* ---- pendulum ----------------------------------------------------------------------------------------------------- */

static int init_pendulum(ml3_geometry *geometry, ml3_error *error) {
  int code = init_usual(geometry, error);
  geometry->on_circle = true;
  geometry->place_dim = 2;
  geometry->place_names[0] = "cos_angle", geometry->place_names[1] = "sin_angle";
  return code;
}

/* ---- reacher ------------------------------------------------------------------------------------------------------ */

/* envs/models/reacher.xml: the fingertip is 1 cm beyond the end of the forearm. */
static const double UPPER_ARM_M = 0.1, TIP_FROM_ELBOW_M = 0.11;
enum { SHOULDER, ELBOW, TARGET_X, TARGET_Y, SHOULDER_VELOCITY, ELBOW_VELOCITY };

static ml3_node reacher_build_outcome(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state) {
  (void)geometry;
  ml3_node q = ml3_nn_slice_cols(g, state, SHOULDER, 1), sum = ml3_nn_add(g, q, ml3_nn_slice_cols(g, state, ELBOW, 1));
  const ml3_node tip[2] = {ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_cos(g, q), UPPER_ARM_M),
                                      ml3_nn_scale(g, ml3_nn_cos(g, sum), TIP_FROM_ELBOW_M)),
                           ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_sin(g, q), UPPER_ARM_M),
                                      ml3_nn_scale(g, ml3_nn_sin(g, sum), TIP_FROM_ELBOW_M))};
  return ml3_nn_concat_cols(g, tip, 2);
}

static void reacher_outcome(const ml3_geometry *geometry, const double *state, double *outcome) {
  const double q = state[SHOULDER], sum = q + state[ELBOW];
  (void)geometry;
  outcome[0] = UPPER_ARM_M * cos(q) + TIP_FROM_ELBOW_M * cos(sum);
  outcome[1] = UPPER_ARM_M * sin(q) + TIP_FROM_ELBOW_M * sin(sum);
}

static ml3_node reacher_build_obs(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state, ml3_node goal) {
  ml3_node q = ml3_nn_slice_cols(g, state, SHOULDER, 2);
  ml3_node target = ml3_nn_broadcast(g, goal, ml3_nn_rows(g, state), 2);
  const ml3_node columns[5] = {ml3_nn_cos(g, q), ml3_nn_sin(g, q), target,
                               ml3_nn_slice_cols(g, state, SHOULDER_VELOCITY, 2),
                               ml3_nn_sub(g, reacher_build_outcome(geometry, g, state), target)};
  return ml3_nn_concat_cols(g, columns, 5);
}

static void reacher_obs(const ml3_geometry *geometry, const double *state, const double *goal, double *obs) {
  double tip[2];
  reacher_outcome(geometry, state, tip);
  for (int i = 0; i < 2; i++) {
    obs[i] = cos(state[SHOULDER + i]);
    obs[2 + i] = sin(state[SHOULDER + i]);
    obs[4 + i] = goal[i];
    obs[6 + i] = state[SHOULDER_VELOCITY + i];
    obs[8 + i] = tip[i] - goal[i];
  }
}

/* What both have alike: where the arm is are the first two entries of the outcome, by those names. */
static void name_arm(ml3_geometry *geometry, const char *first, const char *second) {
  static const int moving[4] = {SHOULDER, ELBOW, SHOULDER_VELOCITY, ELBOW_VELOCITY};
  geometry->goal_seen = true;
  geometry->place_dim = 2, geometry->velocity_dim = 2, geometry->moving_dim = 4;
  geometry->place_names[0] = first, geometry->place_names[1] = second;
  geometry->place[0] = 0, geometry->place[1] = 1;
  memcpy(geometry->velocity, moving + 2, 2 * sizeof *moving);
  memcpy(geometry->moving, moving, sizeof moving);
}

static int init_reacher(ml3_geometry *geometry, ml3_error *error) {
  static const char *const lengths[2] = {"upper_arm_length", "forearm_length"};
  const ml3_env_spec *env = geometry->env;
  for (int i = 0; i < 2; i++) {
    const int k = ml3_env_task_index(env, lengths[i]);
    const ml3_env_parameter *p = k >= 0 ? &env->task[k] : NULL;
    if (p && p->low < p->high)
      return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                           "environment '%s' draws its '%s', which model-based rollouts do not know; name it in "
                           "rollout.fixed",
                           env->name, lengths[i]);
  }
  geometry->build_obs = reacher_build_obs;
  geometry->build_outcome = reacher_build_outcome;
  geometry->obs = reacher_obs;
  geometry->outcome = reacher_outcome;
  name_arm(geometry, "x", "y");
  return ML3_OK;
}

/* ---- reacher_joints ------------------------------------------------------------------------------------------------ */

static ml3_node joints_build_outcome(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state) {
  (void)geometry;
  return ml3_nn_slice_cols(g, state, SHOULDER, 2);
}

static void joints_outcome(const ml3_geometry *geometry, const double *state, double *outcome) {
  (void)geometry;
  memcpy(outcome, state + SHOULDER, 2 * sizeof *outcome);
}

static ml3_node joints_build_obs(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state, ml3_node goal) {
  (void)geometry;
  const ml3_node columns[3] = {ml3_nn_slice_cols(g, state, SHOULDER, 2),
                               ml3_nn_slice_cols(g, state, SHOULDER_VELOCITY, 2),
                               ml3_nn_broadcast(g, goal, ml3_nn_rows(g, state), 2)};
  return ml3_nn_concat_cols(g, columns, 3);
}

static void joints_obs(const ml3_geometry *geometry, const double *state, const double *goal, double *obs) {
  (void)geometry;
  memcpy(obs, state + SHOULDER, 2 * sizeof *obs);
  memcpy(obs + 2, state + SHOULDER_VELOCITY, 2 * sizeof *obs);
  memcpy(obs + 4, goal, 2 * sizeof *obs);
}

static int init_joints(ml3_geometry *geometry, ml3_error *error) {
  (void)error;
  geometry->build_obs = joints_build_obs;
  geometry->build_outcome = joints_build_outcome;
  geometry->obs = joints_obs;
  geometry->outcome = joints_outcome;
  name_arm(geometry, "shoulder", "elbow");
  return ML3_OK;
}

/* ---- all ---------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *environment;
  int (*init)(ml3_geometry *geometry, ml3_error *error);
} others[] = {{"pendulum_swing_up", init_pendulum},
              {"pendulum_hanging", init_pendulum},
              {"reacher", init_reacher},
              {"reacher_goal", init_reacher},
              {"reacher_joints", init_joints}};

int ml3_geometry_init(ml3_geometry *geometry, const ml3_env_spec *env, ml3_error *error) {
  int (*init)(ml3_geometry *, ml3_error *) = init_usual;
  const size_t n = (size_t)env->state_dim + 1; /* and a pendulum's angle is two places */
  int code = ml3_env_check_sizes(env, error);
  *geometry = (ml3_geometry){.env = env};
  if (code != ML3_OK) return code;
  if (!(geometry->place_names = calloc(n, sizeof *geometry->place_names + 3 * sizeof *geometry->place)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the states of '%s'", env->name);
  geometry->place = (int *)(geometry->place_names + n);
  geometry->velocity = geometry->place + n;
  geometry->moving = geometry->velocity + n;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(others[i].environment, env->name) == 0) init = others[i].init;
  if ((code = init(geometry, error)) != ML3_OK) ml3_geometry_free(geometry);
  return code;
}

void ml3_geometry_free(ml3_geometry *geometry) {
  free(geometry->place_names); /* the others are behind it */
  *geometry = (ml3_geometry){0};
}

ml3_node ml3_geometry_build_place(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node outcome) {
  if (!geometry->on_circle) return build_columns(g, outcome, geometry->place, geometry->place_dim);
  const ml3_node angle = ml3_nn_slice_cols(g, outcome, geometry->place[0], 1);
  const ml3_node point[2] = {ml3_nn_cos(g, angle), ml3_nn_sin(g, angle)};
  return ml3_nn_concat_cols(g, point, 2);
}

ml3_node ml3_geometry_build_velocity(const ml3_geometry *geometry, ml3_nn_graph *g, ml3_node state) {
  return build_columns(g, state, geometry->velocity, geometry->velocity_dim);
}

static void place_of(const ml3_geometry *geometry, const double *outcome, double *place) {
  const double first = outcome[geometry->place[0]];
  if (geometry->on_circle)
    place[0] = cos(first), place[1] = sin(first);
  else
    for (int i = 0; i < geometry->place_dim; i++) place[i] = outcome[geometry->place[i]];
}

double ml3_geometry_to_goal(const ml3_geometry *geometry, const double *state, const double *goal, double *to_goal) {
  double outcome[geometry->env->goal_dim + 1], here[geometry->place_dim + 1], sum = 0;
  geometry->outcome(geometry, state, outcome);
  place_of(geometry, outcome, here);
  place_of(geometry, goal, to_goal);
  for (int i = 0; i < geometry->place_dim; i++) {
    to_goal[i] -= here[i];
    sum += to_goal[i] * to_goal[i];
  }
  return sqrt(sum);
}
