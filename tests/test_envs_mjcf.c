/* A user's own model: MJCF with a YAML beside it. What the YAML says is what happens; what is wrong with either file is said
   in a sentence with file and line; damaged files never crash. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "envs/batch.h"
#include "envs/episode.h"

#define EXAMPLE ML3_TEST_DATA "/../scripts/examples/cart_pole"

static const ml3_env_spec *example(void) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(EXAMPLE ".xml", &error);
  cr_assert_not_null(spec, "%s", error.message);
  return spec;
}

/* ---- files of the test's own ------------------------------------------------------------------------------------ */

typedef struct scratch {
  char folder[64], xml[96], yaml[96];
} scratch;

static void write_text(const char *path, const char *text, size_t size) {
  FILE *f = fopen(path, "wb");
  cr_assert_not_null(f);
  cr_assert_eq(fwrite(text, 1, size, f), size);
  fclose(f);
}

static scratch scratch_new(void) {
  scratch s = {.folder = "/tmp/ml3_test_XXXXXX"};
  cr_assert_not_null(mkdtemp(s.folder));
  snprintf(s.xml, sizeof s.xml, "%s/own.xml", s.folder);
  snprintf(s.yaml, sizeof s.yaml, "%s/own.yaml", s.folder);
  return s;
}

static void scratch_free(const scratch *s) {
  unlink(s->xml);
  unlink(s->yaml);
  rmdir(s->folder);
}

static const char PENDULUM[] =
    "<mujoco><option timestep='0.01'/><worldbody>\n"
    "<site name='up' pos='0 0 0.5'/>\n"
    "<body name='arm'><joint name='hinge' type='hinge' axis='0 1 0' damping='0.1'/>\n"
    "<geom type='capsule' fromto='0 0 0 0 0 -0.5' size='0.02' mass='1' contype='0' conaffinity='0'/>\n"
    "<site name='end' pos='0 0 -0.5'/></body></worldbody>\n"
    "<actuator><motor name='motor' joint='hinge' ctrllimited='true' ctrlrange='-2 2'/></actuator></mujoco>\n";

/* The message with which that YAML is refused beside PENDULUM, without the folder. */
static void expect_refused(const char *yaml, const char *expected) {
  scratch s = scratch_new();
  ml3_error error = {0};
  write_text(s.xml, PENDULUM, sizeof PENDULUM - 1);
  write_text(s.yaml, yaml, strlen(yaml));
  cr_expect_null(ml3_env_find(s.xml, &error), "not refused: %s", expected);
  cr_expect_eq(error.code, ML3_ERR_FORMAT);
  cr_expect_eq(strncmp(error.message, s.folder, strlen(s.folder)), 0, "%s", error.message);
  cr_expect_str_eq(error.message + strlen(s.folder), expected);
  scratch_free(&s);
}

/* ---- the example ---------------------------------------------------------------------------------------------------- */

Test(mjcf, is_what_its_yaml_says) {
  const ml3_env_spec *spec = example();
  static const char *const obs[] = {"slider",         "sin_hinge", "cos_hinge", "slider_velocity",
                                    "hinge_velocity", "to_goal_x", "to_goal_y", "to_goal_z"};
  static const char *const task[] = {"goal_x",    "start_slider",  "start_hinge", "start_velocity_hinge",
                                     "mass_pole", "damping_slider"};
  cr_assert_eq(spec->horizon, 250);
  cr_assert_float_eq(spec->dt_s, 0.02, 1e-15);
  cr_assert_eq(spec->state_dim, 4);
  cr_assert_eq(spec->obs_dim, 8);
  cr_assert_eq(spec->action_dim, 1);
  cr_assert_eq(spec->task_dim, 6);
  for (int i = 0; i < 8; i++) cr_expect_str_eq(spec->obs[i].name, obs[i]);
  for (int i = 0; i < 6; i++) cr_expect_str_eq(spec->task[i].name, task[i]);
  cr_expect_str_eq(spec->action[0].name, "push");
  cr_expect(spec->action[0].low == -1 && spec->action[0].high == 1);
  cr_expect_float_eq(spec->task[4].value, 0.2, 1e-12, "the MJCF's");
  cr_expect_eq(ml3_env_find(EXAMPLE ".xml", NULL), spec, "read once");
}

Test(mjcf, works_from_a_copy_of_its_spec) { /* as a narrower task distribution is */
  ml3_env_spec copy = *example();
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(&copy, &error);
  cr_assert_not_null(env, "%s", error.message);
  const double action = 0.5;
  cr_expect_eq(ml3_env_step(env, &action).code, 0);
  ml3_env_free(env);
}

Test(mjcf, observes_and_rewards_as_its_yaml_says) {
  ml3_env *env = ml3_env_new(example(), NULL);
  double obs[8], state[4], task[6] = {0.3, 0.1, -0.05, 0.02, 0.3, 0.5}, goal[3];
  ml3_env_reset(env, task, NULL);
  ml3_env_get_state(env, state);
  cr_expect(state[0] == 0.1 && state[1] == -0.05 && state[2] == 0 && state[3] == 0.02);
  ml3_env_goal(env, goal);
  cr_expect(goal[0] == 0.3 && goal[1] == 0 && goal[2] == 0.6);

  double action = 0.5;
  ml3_env_result result = ml3_env_step(env, &action);
  ml3_env_get_state(env, state);
  ml3_env_observe(env, obs);
  double tip[2] = {state[0] + 0.6 * sin(state[1]), 0.6 * cos(state[1])}, off = hypot(0.3 - tip[0], 0.6 - tip[1]);
  cr_expect_float_eq(obs[0], state[0], 1e-15);
  cr_expect_float_eq(obs[1], sin(state[1]), 1e-15);
  cr_expect_float_eq(obs[3], state[2], 1e-15);
  cr_expect_float_eq(obs[5], 0.3 - tip[0], 1e-12);
  cr_expect_float_eq(obs[7], 0.6 - tip[1], 1e-12);
  cr_expect_float_eq(ml3_env_distance(env), off, 1e-12);
  double expected = -off - 0.01 * 0.25 - 0.001 * (state[2] * state[2] + state[3] * state[3]) + 1;
  cr_expect_float_eq(result.reward, expected, 1e-12);
  cr_expect_not(result.terminated);

  ml3_env_set_state(env, (double[4]){0.3, 0.001, 0, 0});
  cr_expect(ml3_env_success(env));
  cr_expect_float_eq(ml3_env_step(env, &action).reward, 2, 0.1, "success counts");
  ml3_env_set_state(env, (double[4]){0, 0.81, 0, 1});
  cr_expect(ml3_env_step(env, &action).terminated, "the pole fell");
  ml3_env_free(env);
}

/* The mass of a task is in the motion, and leaves no trace in the next one's. */
Test(mjcf, changes_the_model_for_a_task_and_back) {
  ml3_env *env = ml3_env_new(example(), NULL), *fresh = ml3_env_new(example(), NULL);
  double task[6], states[3][4], action = 1;
  ml3_env_default_task(env->spec, task);
  for (int k = 0; k < 3; k++) {
    task[4] = k == 1 ? 0.4 : env->spec->task[4].value;
    ml3_env_reset(env, task, NULL);
    for (int t = 0; t < 10; t++) ml3_env_step(env, &action);
    ml3_env_get_state(env, states[k]);
  }
  cr_expect_arr_eq(states[0], states[2], sizeof states[0]);
  cr_expect_gt(fabs(states[0][0] - states[1][0]), 1e-4);
  for (int t = 0; t < 10; t++) ml3_env_step(fresh, &action);
  ml3_env_get_state(fresh, states[1]);
  cr_expect_arr_eq(states[0], states[1], sizeof states[0]);
  ml3_env_free(env);
  ml3_env_free(fresh);
}

Test(mjcf, linearizes_like_centred_differences) {
  enum { N = 4 };
  ml3_env *env = ml3_env_new(example(), NULL);
  double a[N * N], b[N], side[2][N], x[N + 1] = {0.1, 0.3, -0.4, 0.7, 0.5};
  const double h = 1e-5;
  ml3_env_set_state(env, x);
  ml3_env_linearize(env, x + N, a, b);
  for (int j = 0; j <= N; j++) {
    double x0 = x[j];
    for (int s = 0; s < 2; s++) {
      x[j] = x0 + (s ? h : -h);
      ml3_env_set_state(env, x);
      ml3_env_step(env, x + N);
      ml3_env_get_state(env, side[s]);
    }
    x[j] = x0;
    for (int i = 0; i < N; i++)
      cr_expect_float_eq(j < N ? a[i * N + j] : b[i], (side[1][i] - side[0][i]) / (2 * h), 1e-6, "d%d/d%d", i, j);
  }
  ml3_env_free(env);
}

Test(mjcf, goes_on_from_its_full_state_and_in_batches_with_the_same_bits) {
  enum { ROWS = 6 };
  const ml3_env_spec *spec = example();
  ml3_real obs[2][ROWS * 8], rewards[ROWS], actions[ROWS];
  bool terminated[ROWS], truncated[ROWS];
  ml3_env_batch *b[2] = {ml3_env_batch_new(spec, ROWS, 1, 5, true, NULL),
                         ml3_env_batch_new(spec, ROWS, 3, 5, true, NULL)};
  for (int k = 0; k < 2; k++) ml3_env_batch_reset(b[k], obs[k]);
  for (int t = 0; t < 120; t++) {
    for (int i = 0; i < ROWS; i++) actions[i] = (ml3_real)sin(0.2 * t + i);
    for (int k = 0; k < 2; k++)
      cr_assert_eq(ml3_env_batch_step(b[k], actions, obs[k], rewards, terminated, truncated, NULL, NULL), ML3_OK);
    cr_assert_arr_eq(obs[0], obs[1], sizeof obs[0]);
  }
  ml3_env *row = ml3_env_batch_at(b[0], 3), *twin = ml3_env_clone(row, NULL);
  double full[2][64], action = 0.3;
  for (int t = 0; t < 5; t++) {
    ml3_env_step(row, &action);
    ml3_env_step(twin, &action);
  }
  ml3_env_get_full(row, full[0]);
  ml3_env_get_full(twin, full[1]);
  cr_assert_arr_eq(full[0], full[1], (size_t)ml3_env_full_dim(row) * sizeof(double));
  ml3_env_free(twin);
  for (int k = 0; k < 2; k++) ml3_env_batch_free(b[k]);
}

/* ---- what is refused ------------------------------------------------------------------------------------------------- */

Test(mjcf, says_what_is_wrong_in_which_line) {
  expect_refused("", "/own.yaml:1: expected `key: value` lines, such as `reward: {alive: 1}`");
  expect_refused("goal: {site: up, tip: end}\nrewrd: {distance: -1}\n",
                 "/own.yaml:2: the environment: unknown key 'rewrd'; did you mean 'reward'?");
  expect_refused("goal: {site: up, tip: ende}\n", "/own.yaml:1: the model has no site 'ende'; did you mean 'end'?");
  expect_refused("goal: {site: up}\n",
                 "/own.yaml:1: goal: needs `site`, where the goal is, and `tip`, the site that should get there");
  expect_refused("goal: {site: up, tip: end}\nreward:\n  distnce: 2\n",
                 "/own.yaml:3: reward: unknown key 'distnce'; did you mean 'distance'? (a term of another name needs `of`)");
  expect_refused("goal: {site: up, tip: end}\nobservation: [qpos, sine hinge]\n",
                 "/own.yaml:2: unknown quantity 'sine'; did you mean 'sin'?");
  expect_refused("goal: {site: up, tip: end}\ntask:\n  mass arm: [2, 1]\n",
                 "/own.yaml:3: mass arm: [2, 1] has its low end above its high one");
  expect_refused("goal: {site: up, tip: end}\ntask:\n  mass arn: [1, 2]\n",
                 "/own.yaml:3: the model has no body 'arn'; did you mean 'arm'?");
  expect_refused("goal: {site: up, tip: end}\nhorizon: 2.5\n", "/own.yaml:2: horizon is 2.5; expected a whole number");
  expect_refused("goal: {site: up, tip: end}\nhorizon: many\n",
                 "/own.yaml:2: horizon is 'many'; expected a number from 1 to 1e+06");
  expect_refused("goal: {site: up, tip: end}\nhorizon: 5\nhorizon: 6\n",
                 "/own.yaml:3: 'horizon' is given twice");
  expect_refused("goal: {site: up, tip: end}\nactuators: [elbow]\n", "/own.yaml:2: the model has no actuator 'elbow'");
  expect_refused("goal: {site: up\n", "/own.yaml:2: not YAML: did not find expected ',' or '}'; within [ ] and { } put quotes "
                 "around a text that has brackets: 'qpos[1:]'");
}

Test(mjcf, passes_on_what_mujoco_says) {
  scratch s = scratch_new();
  ml3_error error = {0};
  static const char bad[] =
      "<mujoco>\n<worldbody>\n<body>\n<geom type='sfere' size='1'/>\n</body>\n</worldbody>\n</mujoco>\n";
  write_text(s.xml, bad, sizeof bad - 1);
  write_text(s.yaml, "goal: {site: up, tip: end}\n", 27);
  cr_assert_null(ml3_env_find(s.xml, &error));
  cr_expect_not_null(strstr(error.message, s.xml), "%s", error.message);
  cr_expect_not_null(strstr(error.message, "sfere"), "%s", error.message);
  cr_expect(strstr(error.message, "line 4") || strstr(error.message, "line = 4"), "%s", error.message);

  unlink(s.yaml);
  cr_assert_null(ml3_env_find(s.xml, &error));
  cr_expect_not_null(strstr(error.message, "needs a YAML file beside it"), "%s", error.message);
  cr_assert_null(ml3_env_find("/nowhere/at_all.xml", &error));
  cr_expect_eq(error.code, ML3_ERR_IO);
  scratch_free(&s);
}

Test(mjcf, reads_a_file_again_when_it_has_changed) {
  scratch s = scratch_new();
  ml3_error error = {0};
  write_text(s.xml, PENDULUM, sizeof PENDULUM - 1);
  write_text(s.yaml, "goal: {site: up, tip: end}\n", 27);
  const ml3_env_spec *first = ml3_env_find(s.xml, &error);
  cr_assert_not_null(first, "%s", error.message);
  cr_expect_eq(ml3_env_find(s.xml, NULL), first);
  write_text(s.yaml, "goal: {site: up, tip: end}\nhorizon: 7\n", 38);
  const ml3_env_spec *second = ml3_env_find(s.xml, &error);
  cr_assert_not_null(second, "%s", error.message);
  cr_expect(second != first && second->horizon == 7 && first->horizon == 200);
  scratch_free(&s);
}

/* ---- damage ------------------------------------------------------------------------------------------------------------- */

/* A few bytes overwritten, cut out or doubled. */
static size_t damage(char *text, size_t size, size_t room, ml3_random *random) {
  uint32_t hits = 1 + ml3_random_below(random, 4);
  for (uint32_t k = 0; k < hits && size > 8; k++) {
    size_t at = ml3_random_below(random, (uint32_t)size), length = 1 + ml3_random_below(random, 6);
    if (at + length > size) length = size - at;
    switch (ml3_random_below(random, 4)) {
      case 0:
        for (size_t i = 0; i < length; i++) text[at + i] = (char)ml3_random_below(random, 256);
        break;
      case 1:
        memmove(text + at, text + at + length, size - at - length);
        size -= length;
        break;
      case 2:
        if (size + length > room) break;
        memmove(text + at + length, text + at, size - at);
        size += length;
        break;
      default:
        size = at + 1;
        break; /* cut short */
    }
  }
  return size;
}

/* Either it is refused in a sentence, or it is an environment that steps. */
static bool try_files(const scratch *s) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(s->xml, &error);
  if (!spec) {
    cr_assert(error.code != 0 && strlen(error.message) > 10, "a sentence is missing");
    return false;
  }
  ml3_env *env = ml3_env_new(spec, &error);
  if (!env) {
    cr_assert_gt(strlen(error.message), 10);
    return false;
  }
  double *action = calloc((size_t)spec->action_dim, sizeof *action), *obs = calloc((size_t)spec->obs_dim, sizeof *obs);
  for (int t = 0; t < 5; t++) ml3_env_step(env, action);
  ml3_env_observe(env, obs);
  free(action);
  free(obs);
  ml3_env_free(env);
  return true;
}

static void damage_many(bool xml, int count) {
  enum { ROOM = 1 << 16 };
  static char text[ROOM];
  scratch s = scratch_new();
  size_t sizes[2];
  char *good[2] = {ml3_file_read(EXAMPLE ".xml", ROOM, &sizes[0], NULL),
                   ml3_file_read(EXAMPLE ".yaml", ROOM, &sizes[1], NULL)};
  int usable = 0;
  write_text(s.xml, good[0], sizes[0]);
  write_text(s.yaml, good[1], sizes[1]);
  for (int k = 0; k < count; k++) {
    ml3_random random = ml3_random_stream(12, ML3_PURPOSE_USER, xml, (uint32_t)k);
    memcpy(text, good[!xml], sizes[!xml]);
    size_t size = damage(text, sizes[!xml], ROOM, &random);
    write_text(xml ? s.xml : s.yaml, text, size);
    usable += try_files(&s);
  }
  cr_expect(usable > 0 && usable < count, "%d of %d could be used: the damage says nothing", usable, count);
  free(good[0]);
  free(good[1]);
  scratch_free(&s);
}

Test(mjcf, survives_damaged_mjcf) {
  damage_many(true, 500);
}
Test(mjcf, survives_damaged_yaml) {
  damage_many(false, 500);
}
