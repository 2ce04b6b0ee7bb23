/* What a hand in the window does to an environment: goals go where they are put, pushes push and end. */
#include <criterion/criterion.h>
#include <math.h>

#include "envs/env.h"

static ml3_env *open_env(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  ml3_env *env = spec ? ml3_env_new(spec, &error) : NULL;
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

Test(hand, every_goal_that_can_be_moved_is_where_the_task_says_after_a_reset_too) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const ml3_env_spec *spec = ml3_env_at(i);
    double moved[64], again[64];
    const double point[3] = {0.1, 0.05, 0};
    if (!spec->move_goal) continue;
    ml3_env *env = open_env(spec->name);
    cr_assert(ml3_env_move_goal(env, point));
    ml3_env_goal(env, moved);
    ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    ml3_env *other = open_env(spec->name);
    ml3_env_reset(other, env->task, &none);
    ml3_env_goal(other, again);
    for (int k = 0; k < spec->goal_dim; k++)
      cr_expect_float_eq(moved[k], again[k], 1e-12, "%s: goal entry %d is %g, %g after a reset", spec->name, k,
                         moved[k], again[k]);
    ml3_env_free(env);
    ml3_env_free(other);
  }
}

Test(hand, the_reachers_target_is_put_within_reach) {
  ml3_env *env = open_env("reacher_goal");
  double goal[2];
  ml3_env_move_goal(env, (double[3]){0.05, -0.1, 0});
  ml3_env_goal(env, goal);
  cr_expect_float_eq(goal[0], 0.05, 1e-12);
  cr_expect_float_eq(goal[1], -0.1, 1e-12);
  ml3_env_move_goal(env, (double[3]){0, 3, 0});
  ml3_env_goal(env, goal);
  cr_expect_float_eq(hypot(goal[0], goal[1]), 0.2, 1e-12);
  ml3_env_free(env);
}

Test(hand, a_push_moves_the_car_up_the_road_and_ends) {
  ml3_env *env = open_env("mountain_car");
  const double none[3] = {0}, force[3] = {0.5, 0, 0}, action = 0;
  double state[2], pushed[2], start[2] = {-0.5, 0};
  ml3_env_set_state(env, start);
  ml3_env_step(env, &action);
  ml3_env_get_state(env, state);
  ml3_env_set_state(env, start);
  cr_assert(ml3_env_push(env, 0, none, force));
  ml3_env_step(env, &action);
  ml3_env_get_state(env, pushed);
  cr_expect_gt(pushed[1], state[1] + 0.1);
  ml3_env_set_state(env, start);
  ml3_env_push(env, 0, none, none);
  ml3_env_step(env, &action);
  ml3_env_get_state(env, pushed);
  cr_expect_eq(pushed[1], state[1]);
  ml3_env_free(env);
}

Test(hand, a_push_ends_with_the_episode) {
  ml3_env *env = open_env("mountain_car");
  const double force[3] = {1, 0, 0}, point[3] = {0}, action = 0;
  double pushed[2], state[2];
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  for (int pushes = 1; pushes >= 0; pushes--) {
    ml3_env_reset(env, NULL, &random);
    if (pushes) ml3_env_push(env, 0, point, force);
    ml3_env_step(env, &action);
    ml3_env_get_state(env, pushes ? pushed : state);
  }
  cr_expect_gt(pushed[1], state[1] + 0.1, "%g after a push, %g after a reset", pushed[1], state[1]);
  ml3_env_free(env);
}

/* A force along y at a link that lies along x turns the shoulder to the left; gravity and no force do not. */
Test(hand, a_push_turns_the_reachers_arm) {
  ml3_env *env = open_env("reacher_goal");
  const double force[3] = {0, 50, 0}, point[3] = {0.2, 0, 0.01}, none[3] = {0}, action[2] = {0};
  double task[16], state[8], still[8];
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_default_task(env->spec, task);
  ml3_env_reset(env, task, &random);
  ml3_env_push(env, 2, point, force);
  ml3_env_step(env, action);
  ml3_env_get_state(env, state);
  cr_expect_gt(state[4], 0.01, "shoulder velocity %g", state[4]);
  ml3_env_reset(env, task, &random);
  ml3_env_push(env, 2, point, none);
  ml3_env_step(env, action);
  ml3_env_get_state(env, still);
  cr_expect_float_eq(still[4], 0, 1e-12);
  ml3_env_free(env);
}
