/* The walker: it stands, stays whole under any actions, walks when its legs trot, and is seen from its own side. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "envs/env.h"

static const double PI = 3.14159265358979323846;

enum { STATE = 29, OBS = 28, LEGS = 8, TASK = 6 };

static ml3_env *open_env(void) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(ml3_env_find("walker_goal", &error), &error);
  cr_assert_not_null(env, "%s", error.message);
  cr_assert(env->spec->state_dim == STATE && env->spec->obs_dim == OBS && env->spec->action_dim == LEGS);
  return env;
}

Test(ant, stands_still_when_nothing_drives_it) {
  ml3_env *env = open_env();
  double state[STATE], obs[OBS], before, after;
  const double still[LEGS] = {0};
  for (int t = 0; t < 100; t++) ml3_env_step(env, still);
  ml3_env_get_state(env, state);
  ml3_env_observe(env, obs);
  before = state[0];
  for (int t = 0; t < 60; t++) ml3_env_step(env, still);
  ml3_env_get_state(env, state);
  after = state[0];
  cr_expect_float_eq(after, before, 0.05);
  cr_expect(state[2] > 0.33 && state[2] < 0.4, "its torso is at %g m", state[2]);
  cr_expect_gt(obs[5], 0.999, "upright");
  ml3_env_free(env);
}

/* Uniform and full actions, long: nothing diverges, nothing sinks into the ground or flies away. */
Test(ant, stays_whole_under_random_actions) {
  ml3_env *env = open_env();
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 0);
  for (int episode = 0; episode < 12; episode++) {
    double action[LEGS], state[STATE], task[TASK];
    ml3_env_sample_task(env->spec, &random, task);
    ml3_env_reset(env, task, &random);
    for (int t = 0; t < 200; t++) {
      for (int i = 0; i < LEGS; i++) {
        double u = ml3_random_uniform(&random, -1, 1);
        if (episode % 2 == 0)
          action[i] = u;
        else if (t % 10 == 0)
          action[i] = u < 0 ? -1 : 1;
      }
      cr_assert_eq(ml3_env_step(env, action).code, ML3_OK);
      ml3_env_get_state(env, state);
      cr_assert(state[2] > 0.05 && state[2] < 0.7, "its torso is at %g m", state[2]);
      for (int i = 0; i < STATE; i++) cr_assert(fabs(state[i]) < 40, "state %d is %g", i, state[i]);
    }
  }
  ml3_env_free(env);
}

/* Diagonal legs in step: the way a four-legged animal trots, as plain sines of time. */
static void trot(int t, double *action) {
  static const double phases[4] = {0, 1, 0, 1}, sides[4] = {1, 1, -1, -1};
  for (int leg = 0; leg < 4; leg++) {
    double phase = 2 * PI * t / 12 + PI * phases[leg];
    action[2 * leg] = -sides[leg] * sin(phase);
    action[2 * leg + 1] = fmin(1, sin(phase + 2.355) + 0.3);
  }
}

Test(ant, walks_when_its_legs_trot) {
  ml3_env *env = open_env();
  double action[LEGS], state[STATE];
  for (int t = 0; t < 200; t++) {
    trot(t, action);
    ml3_env_step(env, action);
  }
  ml3_env_get_state(env, state);
  cr_expect_gt(hypot(state[0], state[1]), 2, "it got to %g, %g", state[0], state[1]);
  ml3_env_free(env);
}

/* Turned with its goal by a right angle, it sees the same and does the same. (MuJoCo's friction is a pyramid: other angles
   are not quite alike.) */
Test(ant, is_symmetric_under_rotation) {
  ml3_env *env = open_env();
  double obs[2][OBS], reward[2], action[LEGS], task[TASK];
  for (int k = 0; k < 2; k++) {
    ml3_env_default_task(env->spec, task);
    task[ml3_env_task_index(env->spec, "goal_angle")] = 0.4 + PI / 2 * k;
    task[ml3_env_task_index(env->spec, "start_heading")] = PI / 2 * k;
    ml3_env_reset(env, task, NULL);
    for (int t = 0; t < 6; t++) {
      trot(t, action);
      reward[k] = ml3_env_step(env, action).reward;
    }
    ml3_env_observe(env, obs[k]);
  }
  for (int i = 0; i < OBS; i++)
    cr_expect_float_eq(obs[0][i], obs[1][i], 1e-4, "entry %d: %g, %g", i, obs[0][i], obs[1][i]);
  cr_expect_float_eq(reward[0], reward[1], 1e-4);
  ml3_env_free(env);
}

Test(ant, is_successful_at_its_goal) {
  ml3_env *env = open_env();
  double state[STATE], goal[2];
  ml3_env_goal(env, goal);
  ml3_env_get_state(env, state);
  cr_expect_float_eq(ml3_env_distance(env), 2, 1e-12);
  cr_expect_not(ml3_env_success(env));
  state[0] = goal[0] - 0.2, state[1] = goal[1] + 0.1;
  ml3_env_set_state(env, state);
  cr_expect(ml3_env_success(env));
  ml3_env_free(env);
}
