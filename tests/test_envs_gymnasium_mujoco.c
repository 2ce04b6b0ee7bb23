/* Gymnasium's eleven MuJoCo environments against recorded steps of Gymnasium (scripts/parity record). */
#include "envs/env.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"ant",
                                    "half_cheetah",
                                    "hopper",
                                    "humanoid",
                                    "humanoid_standup",
                                    "inverted_double_pendulum",
                                    "inverted_pendulum",
                                    "pusher",
                                    "reacher",
                                    "swimmer",
                                    "walker2d"};
enum { COUNT = sizeof names / sizeof *names };

/* Absolute, and relative for what is above 1: on the release of MuJoCo that was recorded with, at every step. */
static const double TOLERANCE = 1e-12;

/* Other releases start their solver otherwise: there the first observation is compared, and the first step, which is right
   to the solver's tolerance where something touches or a joint is beyond its range. */
static const double OTHER_TOLERANCE = 1e-9, SOLVED_TOLERANCE = 1e-5;
static const char *const solved[] = {"ant", "humanoid"};
static const char *const touching[] = {"humanoid_standup", "pusher"}; /* at once, by many contacts: the start alone */

static json_t *recording(void) {
  json_error_t problem;
  json_t *root = json_load_file(ML3_TEST_DATA "/data/gymnasium_mujoco_v5.json", 0, &problem);
  cr_assert(root != NULL, "%s", problem.text);
  return root;
}

static bool same_release(const json_t *root) {
  return strcmp(json_string_value(json_object_get(root, "mujoco")), ml3_env_simulator()) == 0;
}

static const ml3_env_spec *find(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert(spec != NULL, "%s", error.message);
  return spec;
}

static void numbers(const json_t *list, double *x, size_t n) {
  cr_assert_eq(json_array_size(list), n);
  for (size_t i = 0; i < n; i++) x[i] = json_number_value(json_array_get(list, i));
}

static double off(double found, double expected) {
  return fabs(found - expected) / fmax(1, fabs(expected));
}

static double observation_off(const ml3_env *env, const json_t *expected) {
  const int n = env->spec->obs_dim;
  double obs[n], wanted[n], worst = 0;
  numbers(expected, wanted, (size_t)n);
  ml3_env_observe(env, obs);
  for (int i = 0; i < n; i++) worst = isfinite(obs[i]) ? fmax(worst, off(obs[i], wanted[i])) : INFINITY;
  return worst;
}

/* Begins the episode where Gymnasium did; how far the first observation is off. */
static double begin(ml3_env *env, const json_t *episode) {
  double state[env->spec->state_dim];
  numbers(json_object_get(episode, "state"), state, (size_t)env->spec->state_dim);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_env_reset(env, NULL, &random);
  ml3_env_set_state(env, state);
  return observation_off(env, json_array_get(json_object_get(episode, "obs"), 0));
}

/* Step t: how far observation and reward are off; an end that is missing or should not be there fails. */
static double step(ml3_env *env, const json_t *episode, size_t t) {
  const json_t *rewards = json_object_get(episode, "rewards");
  double action[env->spec->action_dim];
  numbers(json_array_get(json_object_get(episode, "actions"), t), action, (size_t)env->spec->action_dim);
  const ml3_env_result result = ml3_env_step(env, action);
  const bool last = t + 1 == json_array_size(rewards);
  const bool ends = last && json_is_true(json_object_get(episode, "terminated"));
  cr_expect_eq(result.terminated, ends, "%s: step %zu", env->spec->name, t);
  return fmax(off(result.reward, json_number_value(json_array_get(rewards, t))),
              observation_off(env, json_array_get(json_object_get(episode, "obs"), t + 1)));
}

Test(gymnasium_mujoco, step_like_gymnasium_on_the_same_mujoco) {
  json_t *root = recording();
  if (!same_release(root)) {
    json_decref(root);
    cr_skip_test("recorded with another MuJoCo");
  }
  for (int i = 0; i < COUNT; i++) {
    ml3_env *env = ml3_env_new(find(names[i]), NULL);
    const json_t *episodes = json_object_get(json_object_get(root, names[i]), "episodes"), *episode;
    size_t k;
    json_array_foreach(episodes, k, episode) {
      const size_t steps = json_array_size(json_object_get(episode, "rewards"));
      double worst = begin(env, episode);
      cr_expect_leq(worst, TOLERANCE, "%s, episode %zu: the first observation is off by %g", names[i], k, worst);
      for (size_t t = 0; t < steps; t++) worst = fmax(worst, step(env, episode, t));
      cr_expect_leq(worst, TOLERANCE, "%s, episode %zu: off by %g", names[i], k, worst);
    }
    cr_expect_eq(k, 3);
    ml3_env_free(env);
  }
  json_decref(root);
}

static bool is_one_of(const char *name, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(list[i], name) == 0) return true;
  return false;
}

Test(gymnasium_mujoco, begin_like_gymnasium_on_any_mujoco) {
  json_t *root = recording();
  for (int i = 0; i < COUNT; i++) {
    ml3_env *env = ml3_env_new(find(names[i]), NULL);
    const json_t *episodes = json_object_get(json_object_get(root, names[i]), "episodes"), *episode;
    const double tolerance =
        is_one_of(names[i], solved, sizeof solved / sizeof *solved) ? SOLVED_TOLERANCE : OTHER_TOLERANCE;
    size_t k;
    json_array_foreach(episodes, k, episode) {
      double off_by = begin(env, episode);
      cr_expect_leq(off_by, OTHER_TOLERANCE, "%s, episode %zu: begins off by %g", names[i], k, off_by);
      if (is_one_of(names[i], touching, sizeof touching / sizeof *touching)) continue;
      off_by = step(env, episode, 0);
      cr_expect_leq(off_by, tolerance, "%s, episode %zu: off by %g", names[i], k, off_by);
    }
    ml3_env_free(env);
  }
  json_decref(root);
}

Test(gymnasium_mujoco, have_the_sizes_time_step_horizon_and_bounds_of_gymnasium) {
  json_t *root = recording();
  for (int i = 0; i < COUNT; i++) {
    const ml3_env_spec *spec = find(names[i]);
    const json_t *expected = json_object_get(root, names[i]);
    double bounds[2 * spec->action_dim];
    numbers(json_object_get(expected, "bounds"), bounds, 2 * (size_t)spec->action_dim);
    cr_expect_float_eq(spec->dt_s, json_number_value(json_object_get(expected, "dt")), 1e-15, "%s", names[i]);
    cr_expect_eq(spec->horizon, (int)json_integer_value(json_object_get(expected, "horizon")), "%s", names[i]);
    for (int k = 0; k < spec->action_dim; k++) {
      cr_expect_eq(spec->action[k].low, bounds[2 * k], "%s", names[i]);
      cr_expect_eq(spec->action[k].high, bounds[2 * k + 1], "%s", names[i]);
    }
  }
  json_decref(root);
}

/* The range of qpos and qvel over many resets, about where the MJCF puts the bodies: uniform in +-low_high[0] and [1]; below 0: a
   normal number of that deviation. */
typedef struct noise {
  const char *name;
  double qpos, qvel;
  int nq;
} noise;

static const noise noises[] = {{"ant", 0.1, -0.1, 15},
                               {"half_cheetah", 0.1, -0.1, 9},
                               {"hopper", 0.005, 0.005, 6},
                               {"humanoid", 0.01, 0.01, 24},
                               {"humanoid_standup", 0.01, 0.01, 24},
                               {"inverted_double_pendulum", 0.1, -0.1, 3},
                               {"inverted_pendulum", 0.01, 0.01, 2},
                               {"swimmer", 0.1, 0.1, 5},
                               {"walker2d", 0.005, 0.005, 9}};

/* Of number i of the state over N resets: mean, standard deviation, and the largest departure from the mean. */
static void spread(const ml3_env_spec *spec, int i, double *mean, double *deviation, double *largest) {
  enum { N = 600 };
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  double state[spec->state_dim], x[N], sum = 0, squares = 0;
  *largest = 0;
  for (int k = 0; k < N; k++) {
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    x[k] = state[i], sum += x[k];
  }
  *mean = sum / N;
  for (int k = 0; k < N; k++) {
    squares += (x[k] - *mean) * (x[k] - *mean);
    *largest = fmax(*largest, fabs(x[k] - *mean));
  }
  *deviation = sqrt(squares / N);
  ml3_env_free(env);
}

static void expect_noise(const char *name, double size, double mean, double deviation, double largest) {
  const double expected = size < 0 ? -size : size / sqrt(3);
  cr_expect_float_eq(deviation, expected, 0.1 * expected, "%s: %g for %g", name, deviation, expected);
  cr_expect(size < 0 ? largest > 2 * -size : largest < 1.15 * size, "%s: %g about %g", name, largest, mean);
}

Test(gymnasium_mujoco, start_with_the_noise_of_gymnasium) {
  for (size_t i = 0; i < sizeof noises / sizeof *noises; i++) {
    const noise *n = &noises[i];
    double mean, deviation, largest;
    spread(find(n->name), 1, &mean, &deviation, &largest);
    expect_noise(n->name, n->qpos, mean, deviation, largest);
    spread(find(n->name), n->nq + 1, &mean, &deviation, &largest);
    expect_noise(n->name, n->qvel, mean, deviation, largest);
  }
}

/* The ant's quaternion gets noise like any other number, and MuJoCo makes it a rotation when it moves on. */
Test(gymnasium_mujoco, start_with_quaternions_that_are_no_rotations_yet) {
  const ml3_env_spec *spec = find("ant");
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  double state[spec->state_dim], action[8] = {0}, worst = 0;
  for (int k = 0; k < 50; k++) {
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    const double norm = sqrt(state[3] * state[3] + state[4] * state[4] + state[5] * state[5] + state[6] * state[6]);
    worst = fmax(worst, fabs(norm - 1));
  }
  cr_expect(worst > 0.03, "%g", worst);
  ml3_env_step(env, action);
  ml3_env_get_state(env, state);
  const double norm = sqrt(state[3] * state[3] + state[4] * state[4] + state[5] * state[5] + state[6] * state[6]);
  cr_expect_float_eq(norm, 1, 1e-12);
  ml3_env_free(env);
}

/* Uniform in [-0.3, 0] x [-0.2, 0.2], at least 0.17 from the goal, which is at 0: of that area, 0.0746 m^2, a share of
   0.052 / 0.0746 is beyond -0.17 along y. */
Test(gymnasium_mujoco, put_the_cylinder_of_the_pusher_where_gymnasium_does) {
  enum { N = 4000 };
  const ml3_env_spec *spec = find("pusher");
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  double state[spec->state_dim];
  int beyond = 0;
  for (int k = 0; k < N; k++) {
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    const double y = state[7], x = state[8];
    cr_assert(hypot(x, y) >= 0.17 && y >= -0.3 && y <= 0 && fabs(x) <= 0.2, "%g %g", x, y);
    cr_assert(state[9] == 0 && state[10] == 0);
    for (int i = 0; i < 11; i++) cr_assert_leq(fabs(state[11 + i]), i < 7 ? 0.005 : 0);
    beyond += y < -0.17;
  }
  cr_expect_float_eq((double)beyond / N, 0.052 / (0.12 - 3.14159265 * 0.17 * 0.17 / 2), 0.02);
  ml3_env_free(env);
}
