/* Gymnasium's classic control: CartPole-v1, Acrobot-v1, MountainCar-v0 and Pendulum-v1, against recorded steps of
   theirs (scripts/parity); and discrete actions. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "envs/batch.h"
#include "envs/env.h"

static const double TOLERANCE = 1e-12;
enum { OBS_MAX = 8 };

static const struct {
  const char *name, *file;
  double first_obs; /* NumPy's cosine of single precision, which Acrobot-v1 begins with, is one of the last place off */
} tasks[] = {{"cart_pole", "cart_pole_v1.json", 0},
             {"acrobot", "acrobot_v1.json", 2e-7},
             {"mountain_car_discrete", "mountain_car_v0.json", 0},
             {"pendulum", "pendulum_v1.json", 0}};
enum { TASKS = sizeof tasks / sizeof *tasks };

static json_t *recording(const char *file) {
  char path[512];
  json_error_t problem;
  snprintf(path, sizeof path, "%s/data/%s", ML3_TEST_DATA, file);
  json_t *root = json_load_file(path, 0, &problem);
  cr_assert(root != NULL, "%s", problem.text);
  return root;
}

/* Row t of the member `name`, x[count]. */
static void row(const json_t *episode, const char *name, size_t t, double *x, int count) {
  const json_t *r = json_array_get(json_object_get(episode, name), t);
  if (json_is_number(r)) x[0] = json_number_value(r);
  for (int i = 0; i < count && json_is_array(r); i++) x[i] = json_number_value(json_array_get(r, (size_t)i));
}

static void expect_row(const json_t *episode, const char *name, size_t t, const double *x, int count,
                       double tolerance) {
  double expected[OBS_MAX] = {0};
  row(episode, name, t, expected, count);
  for (int i = 0; i < count; i++)
    cr_assert_float_eq(x[i], expected[i], tolerance, "%s %zu, entry %d: %.17g, not %.17g", name, t, i, x[i],
                       expected[i]);
}

/* Every step from the recorded state: the acrobot's errors in the last place would grow. Returns how many steps. */
static size_t play(ml3_env *env, const json_t *episode, double first_obs) {
  const ml3_env_spec *spec = env->spec;
  const size_t steps = json_array_size(json_object_get(episode, "rewards"));
  const bool ends = json_is_true(json_object_get(episode, "terminated"));
  double state[OBS_MAX], obs[OBS_MAX], action;
  ml3_env_reset(env, NULL, NULL);
  for (size_t t = 0; t < steps; t++) {
    row(episode, "states", t, state, spec->state_dim);
    row(episode, "actions", t, &action, 1);
    ml3_env_set_state(env, state);
    ml3_env_observe(env, obs);
    expect_row(episode, "obs", t, obs, spec->obs_dim, t ? TOLERANCE : first_obs + TOLERANCE);

    const ml3_env_result result = ml3_env_step(env, &action);
    ml3_env_get_state(env, state);
    ml3_env_observe(env, obs);
    expect_row(episode, "states", t + 1, state, spec->state_dim, TOLERANCE);
    expect_row(episode, "obs", t + 1, obs, spec->obs_dim, TOLERANCE);
    expect_row(episode, "rewards", t, &result.reward, 1, TOLERANCE);
    cr_assert_eq(result.terminated, ends && t + 1 == steps, "%s, step %zu", spec->name, t);
    cr_assert_eq(result.truncated, (int)t + 1 == spec->horizon);
  }
  cr_assert(ends || (int)steps == spec->horizon, "%s: %zu steps and no end", spec->name, steps);
  return steps;
}

Test(classic, step_like_gymnasium_to_the_end_of_their_episodes) {
  for (int k = 0; k < TASKS; k++) {
    json_t *root = recording(tasks[k].file), *episode;
    ml3_env *env = ml3_env_new(ml3_env_find(tasks[k].name, NULL), NULL);
    size_t i, ends = 0, steps = 0, count = json_array_size(json_object_get(root, "episodes"));
    json_array_foreach(json_object_get(root, "episodes"), i, episode) {
      steps += play(env, episode, tasks[k].first_obs);
      ends += json_is_true(json_object_get(episode, "terminated"));
    }
    cr_expect(steps >= 500, "%s: %zu steps", tasks[k].name, steps);
    cr_expect(k == TASKS - 1 ? ends == 0 : ends > 0 && ends < count, "%s: %zu of %zu end", tasks[k].name, ends, count);
    ml3_env_free(env);
    json_decref(root);
  }
}

Test(classic, have_gymnasiums_horizons_and_limits) {
  static const struct {
    int task;
    const char *constant, *parameter; /* or an entry of the state, whose upper bound it is */
  } pairs[] = {{0, "gravity", "gravity"},
               {0, "masscart", "cart_mass"},
               {0, "masspole", "pole_mass"},
               {0, "length", "half_length"},
               {0, "force_mag", "force"},
               {1, "MAX_VEL_1", "velocity_1"},
               {1, "MAX_VEL_2", "velocity_2"},
               {2, "max_position", "position"},
               {2, "max_speed", "velocity"},
               {2, "goal_position", "goal_position"},
               {2, "force", "force"},
               {2, "gravity", "gravity"},
               {3, "max_speed", "velocity"},
               {3, "g", "gravity"},
               {3, "m", "mass"},
               {3, "l", "length"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    json_t *root = recording(tasks[pairs[i].task].file), *constants = json_object_get(root, "constants");
    const ml3_env_spec *spec = ml3_env_find(tasks[pairs[i].task].name, NULL);
    const int at = ml3_env_task_index(spec, pairs[i].parameter);
    double own = at < 0 ? NAN : spec->task[at].value;
    for (int k = 0; k < spec->state_dim && at < 0; k++)
      if (strcmp(spec->state[k].name, pairs[i].parameter) == 0) own = spec->state[k].high;
    cr_expect_eq(own, json_number_value(json_object_get(constants, pairs[i].constant)), "%s of %s is %g",
                 pairs[i].parameter, spec->name, own);
    cr_expect_eq(spec->horizon, (int)json_integer_value(json_object_get(constants, "horizon")), "%s", spec->name);
    json_decref(root);
  }
}

/* ---- discrete actions
   ------------------------------------------------------------------------------------------------ */

Test(discrete, actions_that_are_no_choice_are_refused_and_change_nothing) {
  const double bad[] = {2, -1, 0.5, NAN, INFINITY};
  ml3_env *env = ml3_env_new(ml3_env_find("cart_pole", NULL), NULL);
  double before[32], after[32];
  ml3_env_step(env, &(double){1});
  ml3_env_get_full(env, before);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ml3_error error = {0};
    ml3_env_result result;
    cr_expect_eq(ml3_env_step_checked(env, &bad[i], &result, &error), ML3_ERR_NUMERIC);
    cr_expect(strstr(error.message, "environment 'cart_pole', step 1: the action (direction) is ") != NULL &&
                  strstr(error.message, "; a whole number from 0 to 1 is needed, and nothing was stepped") != NULL,
              "%s", error.message);
    ml3_env_get_full(env, after);
    cr_expect_arr_eq(before, after, (size_t)ml3_env_full_dim(env) * sizeof *before);
  }
  ml3_env_free(env);
}

Test(discrete, a_batch_names_the_row_whose_action_is_no_choice) {
  enum { ROWS = 70 }; /* more than one block of lanes */
  static const char *const names[] = {"cart_pole", "mountain_car_discrete"};
  for (int k = 0; k < 2; k++) {
    ml3_error error = {0};
    ml3_env_batch *batch = ml3_env_batch_new(ml3_env_find(names[k], NULL), ROWS, 1, 0, true, &error);
    ml3_real obs[ROWS * OBS_MAX], reward[ROWS], action[ROWS] = {0};
    bool terminated[ROWS], truncated[ROWS];
    ml3_env_batch_reset(batch, obs);
    action[66] = 5;
    cr_expect_eq(ml3_env_batch_step(batch, action, obs, reward, terminated, truncated, NULL, &error), ML3_ERR_NUMERIC);
    cr_expect(
        strstr(error.message, "row 66 of the batch, step 0: the action (direction) is 5; a whole number from 0 to"),
        "%s", error.message);
    cr_expect(isnan(reward[66]) && !isnan(reward[65]));
    ml3_env_batch_free(batch);
  }
}

Test(discrete, uniform_actions_take_every_choice_alike) {
  enum { DRAWS = 9000 };
  const ml3_env_spec *spec = ml3_env_find("acrobot", NULL);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_ACTION, 0, 0);
  int counts[3] = {0};
  for (int i = 0; i < DRAWS; i++) {
    double action;
    ml3_env_draw_action(spec, &random, &action);
    cr_assert(ml3_env_takes(spec, action), "%g", action);
    counts[(int)action]++;
  }
  for (int k = 0; k < 3; k++) cr_expect(abs(counts[k] - DRAWS / 3) < 200, "%d of choice %d", counts[k], k);
}

/* Exact derivatives by the state against differences; by a choice there is none. */
Test(discrete, derivatives_are_by_the_state_alone) {
  static const char *const names[] = {"cart_pole", "mountain_car_discrete", "acrobot"};
  static const double states[][4] = {{0.3, -0.5, 0.12, 0.9}, {-0.4, 0.02}, {0.4, -1.1, 0.7, -2}};
  for (int k = 0; k < 3; k++) {
    ml3_env *env = ml3_env_new(ml3_env_find(names[k], NULL), NULL);
    const int n = env->spec->state_dim;
    double a[16], b[4], state[4], plus[4], minus[4];
    const double action = 1, h = 1e-6;
    ml3_env_set_state(env, states[k]);
    ml3_env_linearize(env, &action, a, b);
    ml3_env_get_state(env, state);
    cr_expect_arr_eq(state, states[k], (size_t)n * sizeof *state);
    for (int j = 0; j < n; j++) {
      for (int side = 0; side < 2; side++) {
        memcpy(state, states[k], (size_t)n * sizeof *state);
        state[j] += side ? -h : h;
        ml3_env_set_state(env, state);
        ml3_env_step(env, &action);
        ml3_env_get_state(env, side ? minus : plus);
      }
      for (int i = 0; i < n; i++)
        cr_expect_float_eq(a[i * n + j], (plus[i] - minus[i]) / (2 * h), 1e-6, "%s, %d by %d: %g", names[k], i, j,
                           a[i * n + j]);
    }
    for (int i = 0; i < n; i++) cr_expect_eq(b[i], 0);
    ml3_env_free(env);
  }
}

Test(classic, batches_observe_in_single_precision_too) {
  enum { ROWS = 66 };
  static ml3_real obs[ROWS * 4], reward[ROWS], action[ROWS];
  static bool terminated[ROWS], truncated[ROWS];
  ml3_env_batch *batch = ml3_env_batch_new(ml3_env_find("cart_pole", NULL), ROWS, 1, 0, true, NULL);
  ml3_env_batch_reset(batch, obs);
  for (int t = 0; t < 5; t++)
    cr_assert_eq(ml3_env_batch_step(batch, action, obs, reward, terminated, truncated, NULL, NULL), ML3_OK);
  for (int i = 0; i < ROWS; i++) {
    double state[4];
    ml3_env_get_state(ml3_env_batch_at(batch, i), state);
    for (int k = 0; k < 4; k++) cr_assert_eq((double)obs[i * 4 + k], (double)(float)state[k], "row %d, entry %d", i, k);
  }
  ml3_env_batch_free(batch);
}

Test(classic, a_pole_that_fell_earns_nothing_more) {
  ml3_env *env = ml3_env_new(ml3_env_find("cart_pole", NULL), NULL);
  ml3_env_set_state(env, (double[]){0, 0, 0.209, 0.5});
  ml3_env_result last = ml3_env_step(env, &(double){0}), beyond = ml3_env_step(env, &(double){0});
  cr_expect(last.terminated && last.reward == 1 && !ml3_env_success(env));
  cr_expect(beyond.terminated && beyond.reward == 0);
  ml3_env_free(env);
}
