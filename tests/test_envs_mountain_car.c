/* The mountain car. */
#include "envs/env.h"

#include <criterion/criterion.h>
#include <jansson.h>

enum { GOAL_MAX = 16, TASK_MAX = 16 };

static const ml3_env_spec *car(void) {
  return ml3_env_find("mountain_car", NULL);
}

static double entry(const json_t *list, size_t t, size_t i) {
  return json_number_value(json_array_get(json_array_get(list, t), i));
}

/* Rollouts of a second implementation in double precision, walls and speed limit included. */
Test(mountain_car, follows_the_recorded_rollouts) {
  json_t *root = json_load_file(ML3_TEST_DATA "/data/mountain_car.json", 0, NULL), *rollout;
  json_t *rollouts = json_object_get(root, "rollouts");
  ml3_env *env = ml3_env_new(car(), NULL);
  size_t k;
  json_array_foreach(rollouts, k, rollout) {
    const json_t *states = json_object_get(rollout, "states"), *actions = json_object_get(rollout, "actions");
    double state[2] = {entry(states, 0, 0), entry(states, 0, 1)};
    ml3_env_set_state(env, state);
    for (size_t t = 0; t < json_array_size(actions); t++) {
      double action = json_number_value(json_array_get(actions, t));
      ml3_env_step(env, &action);
      ml3_env_get_state(env, state);
      cr_assert_float_eq(state[0], entry(states, t + 1, 0), 1e-12, "rollout %zu step %zu", k, t);
      cr_assert_float_eq(state[1], entry(states, t + 1, 1), 1e-12, "rollout %zu step %zu", k, t);
    }
  }
  cr_assert_eq(k, 6);
  ml3_env_free(env);
  json_decref(root);
}

/* The step's four clamps, each with a state that runs into it, and a free one. */
Test(mountain_car, linearizes_truly_through_its_clamps) {
  const double cases[][3] = {
      {-0.55, 0.1, 0.1},  /* free */
      {-0.55, 0.1, 0.4},  /* action beyond its bound */
      {-0.6, 1.49, 0.2},  /* faster than the limit */
      {0.45, 1.0, 0.1},   /* past the goal */
      {-1.15, -1.2, 0.1}, /* into the wall */
      {-1.1, -1.45, 0},   /* into the wall */
  };
  ml3_env *env = ml3_env_new(car(), NULL);
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    const double h = 1e-6;
    double a[4], b[2], after[2][2], same[2];
    ml3_env_set_state(env, cases[k]);
    ml3_env_linearize(env, cases[k] + 2, a, b);
    ml3_env_get_state(env, same);
    cr_assert_arr_eq(same, cases[k], sizeof same);
    for (int j = 0; j < 3; j++) {
      for (int s = 0; s < 2; s++) {
        double x[3] = {cases[k][0], cases[k][1], cases[k][2]};
        x[j] += s ? h : -h;
        ml3_env_set_state(env, x);
        ml3_env_step(env, x + 2);
        ml3_env_get_state(env, after[s]);
      }
      for (int i = 0; i < 2; i++) {
        double found = j < 2 ? a[2 * i + j] : b[i];
        cr_assert_float_eq(found, (after[1][i] - after[0][i]) / (2 * h), 1e-8, "case %zu d%d/d%d", k, i, j);
      }
    }
  }
  ml3_env_free(env);
}

Test(mountain_car, lets_the_derivative_through_at_the_bounds_of_the_action) {
  ml3_env *env = ml3_env_new(car(), NULL);
  double a[4], b[2];
  for (int sign = -1; sign <= 1; sign += 2) {
    double u = sign * 0.25;
    ml3_env_linearize(env, &u, a, b);
    cr_assert_float_eq(b[1], 0.5, 1e-15);
  }
  ml3_env_free(env);
}

Test(mountain_car, has_the_task_it_is_given) {
  double task[TASK_MAX];
  ml3_env *env = ml3_env_new(car(), NULL);
  ml3_env_default_task(car(), task);
  task[ml3_env_task_index(car(), "start_position")] = -0.42;
  task[ml3_env_task_index(car(), "goal_velocity")] = 0.25;
  ml3_env_reset(env, task, NULL);

  double state[2], goal[GOAL_MAX];
  ml3_env_get_state(env, state);
  ml3_env_goal(env, goal);
  cr_assert_eq(state[0], -0.42);
  cr_assert_eq(goal[1], 0.25);
  cr_assert_float_eq(ml3_env_distance(env), 0.92, 1e-12);
  ml3_env_free(env);
}
