/* An environment of your own: a cart pulled by a spring, to be brought to rest at a goal.

     v' = v + (u - k x) / m dt,   x' = x + v' dt

   Written once as a table of functions it is simulated, batched and linearised like the built-in ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "envs/episode.h"

enum { GOAL, MASS, TASK_DIM };

typedef struct cart {
  double x, v;
} cart;

static const double STIFFNESS = 1, DT = 0.05;

static int create(ml3_env *env, ml3_error *error) {
  env->data = calloc(1, sizeof(cart));
  return env->data ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a cart");
}

static void destroy(ml3_env *env) {
  free(env->data);
}

static void reset(ml3_env *env, ml3_random *random) {
  *(cart *)env->data = (cart){.x = ml3_random_uniform(random, -0.1, 0.1)};
}

static double clip(double u) {
  return fmin(fmax(u, -2), 2);
}

static double distance(const ml3_env *env) {
  const cart *c = env->data;
  return hypot(c->x - env->task[GOAL], c->v);
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  cart *c = env->data;
  c->v += (clip(action[0]) - STIFFNESS * c->x) / env->task[MASS] * DT;
  c->x += c->v * DT;
  result->reward = -distance(env) - 0.01 * action[0] * action[0];
}

static void get_state(const ml3_env *env, double *state) {
  const cart *c = env->data;
  state[0] = c->x, state[1] = c->v;
}

static void set_state(ml3_env *env, const double *state) {
  *(cart *)env->data = (cart){.x = state[0], .v = state[1]};
}

static void goal_now(const ml3_env *env, double *goal) {
  goal[0] = env->task[GOAL], goal[1] = 0;
}

static bool success(const ml3_env *env) {
  return distance(env) < 0.05;
}

static const ml3_env_field state_fields[] = {{"position", "m", -INFINITY, INFINITY},
                                             {"velocity", "m/s", -INFINITY, INFINITY}};
static const ml3_env_field action_fields[] = {{"force", "N", -2, 2}};
static const ml3_env_parameter task[TASK_DIM] = {
    [GOAL] = {"goal", "m", 0.5, 0.3, 0.8}, [MASS] = {"mass", "kg", 1, 0.5, 2}};

static const ml3_env_spec spring_cart = {.name = "spring_cart",
                                         .summary = "a cart on a spring, brought to rest at a goal",
                                         .dt_s = 0.05,
                                         .horizon = 100,
                                         .state_dim = 2,
                                         .obs_dim = 2,
                                         .action_dim = 1,
                                         .goal_dim = 2,
                                         .task_dim = TASK_DIM,
                                         .state = state_fields,
                                         .obs = state_fields,
                                         .action = action_fields,
                                         .goal = state_fields,
                                         .task = task,
                                         .create = create,
                                         .destroy = destroy,
                                         .reset = reset,
                                         .step = step,
                                         .observe = get_state,
                                         .goal_now = goal_now,
                                         .get_state = get_state,
                                         .set_state = set_state,
                                         .distance = distance,
                                         .success = success};

/* A policy: a spring and a damper towards the goal, and what the cart's own spring takes away. */
static void drive(void *user, int step_number, const double *obs, const double *state, double *action) {
  const double goal = *(const double *)user;
  (void)step_number, (void)state;
  action[0] = STIFFNESS * goal + 4 * (goal - obs[0]) - 3 * obs[1];
}

int main(void) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(&spring_cart, &error);
  ml3_episode *episode = env ? ml3_episode_new(&spring_cart, spring_cart.horizon, &error) : NULL;
  int reached = 0;
  if (!episode) {
    fprintf(stderr, "%s\n", error.message);
    ml3_env_free(env);
    return 1;
  }
  for (int i = 0; i < 10; i++) {
    double drawn[TASK_DIM];
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_USER, (uint32_t)i, 0);
    ml3_env_sample_task(&spring_cart, &random, drawn);
    ml3_env_reset(env, drawn, &random);
    ml3_episode_record(episode, env, spring_cart.horizon, false, drive, &drawn[GOAL]);
    reached += episode->success;
    printf("goal %.2f m, mass %.2f kg: return %.2f, %.3f from the goal at the end\n", drawn[GOAL], drawn[MASS],
           episode->episode_return, episode->final_distance);
  }
  double a[4], b[2];
  ml3_env_linearize(env, (double[]){0}, a, b);
  printf("%d of 10 goals reached; here x' = %.3f x + %.3f v + %.4f u\n", reached, a[0], a[1], b[0]);
  ml3_episode_free(episode);
  ml3_env_free(env);
  return reached == 10 ? 0 : 1;
}
