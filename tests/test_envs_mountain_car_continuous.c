/* Gymnasium's continuous mountain car: against recorded steps of MountainCarContinuous-v0 (scripts/parity). */
#include "envs/env.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>

static const double TOLERANCE = 1e-9;

static const ml3_env_spec *spec(void) {
  return ml3_env_find("mountain_car_continuous", NULL);
}

static json_t *recording(void) {
  json_error_t problem;
  json_t *root = json_load_file(ML3_TEST_DATA "/data/mountain_car_continuous_v0.json", 0, &problem);
  cr_assert(root != NULL, "%s", problem.text);
  return root;
}

/* Entry i of row t of the member `name` of an episode. */
static double entry(const json_t *episode, const char *name, size_t t, size_t i) {
  return json_number_value(json_array_get(json_array_get(json_object_get(episode, name), t), i));
}

/* Plays one recorded episode; Gymnasium's observation of a start is rounded to single precision, the start is not. */
static void play(ml3_env *env, const json_t *episode, size_t number) {
  size_t steps = json_array_size(json_object_get(episode, "rewards"));
  bool ends = json_is_true(json_object_get(episode, "terminated"));
  double obs[2];
  ml3_env_reset(env, NULL, NULL);
  ml3_env_set_state(env, (double[]){entry(episode, "states", 0, 0), entry(episode, "states", 0, 1)});
  ml3_env_observe(env, obs);
  cr_assert_eq((float)obs[0], (float)entry(episode, "obs", 0, 0));

  for (size_t t = 0; t < steps; t++) {
    double action = entry(episode, "actions", t, 0);
    ml3_env_result result = ml3_env_step(env, &action);
    ml3_env_observe(env, obs);
    double reward = json_number_value(json_array_get(json_object_get(episode, "rewards"), t));
    cr_assert_float_eq(result.reward, reward, TOLERANCE, "episode %zu, step %zu", number, t);
    for (size_t i = 0; i < 2; i++)
      cr_assert_float_eq(obs[i], entry(episode, "obs", t + 1, i), TOLERANCE, "episode %zu, step %zu: %.17g, not %.17g",
                         number, t, obs[i], entry(episode, "obs", t + 1, i));
    cr_assert_eq(result.terminated, ends && t + 1 == steps);
    cr_assert_not(result.truncated);
  }
}

Test(mountain_car_continuous, steps_like_gymnasium_v0) {
  json_t *root = recording(), *episode;
  ml3_env *env = ml3_env_new(spec(), NULL);
  size_t k, at_goal = 0;
  json_array_foreach(json_object_get(root, "episodes"), k, episode) {
    play(env, episode, k);
    at_goal += json_is_true(json_object_get(episode, "terminated"));
  }
  cr_assert(k == 8 && at_goal > 0 && at_goal < k, "the recording must show both, %zu of %zu reach the goal", at_goal,
            k);
  ml3_env_free(env);
  json_decref(root);
}

Test(mountain_car_continuous, has_the_horizon_and_bounds_of_gymnasium_v0) {
  json_t *root = recording(), *constants = json_object_get(root, "constants");
  cr_expect_eq(spec()->horizon, (int)json_integer_value(json_object_get(constants, "horizon")));
  cr_expect_eq(spec()->obs[0].low, (float)json_number_value(json_object_get(constants, "min_position")));
  const double position = json_number_value(json_object_get(constants, "max_position"));
  const double speed = json_number_value(json_object_get(constants, "max_speed"));
  cr_expect(spec()->state[0].high == position && spec()->state[1].high == speed);
  cr_expect(spec()->obs[0].high == (float)position && spec()->obs[1].high == (float)speed, "its space is in floats");
  json_decref(root);
}
