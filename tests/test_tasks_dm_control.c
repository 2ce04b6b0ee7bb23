/* What tasks of dm_control need of the language: joints drawn within their ranges, starts where nothing touches, coefficients of
   tendons. The tasks themselves are beside dm_control's in scripts/parity. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/mjcf.h"
#include "task_files.h"

/* Joints of all kinds; a ball that may be in the floor; two slides that tendons pull. */
static const char MODEL[] =
    "<mujoco><compiler angle='radian'/><option gravity='0 0 0'/><worldbody><site name='target'/>\n"
    "<geom type='plane' size='9 9 1'/>\n"
    "<body pos='0 0 5'><joint name='arm' range='0.2 0.7' limited='true'/><joint name='wheel'/>\n"
    "<joint name='rail' type='slide' range='-3 -1' limited='true' axis='1 0 0'/><geom size='0.1'/></body>\n"
    "<body pos='3 0 5'><joint name='endless' type='slide'/><geom size='0.1'/></body>\n"
    "<body pos='5 1 5'><freejoint name='root'/><geom size='0.1'/></body>\n"
    "<body pos='5 5 5'><joint name='socket' type='ball'/><geom size='0.1'/></body>\n"
    "<body pos='-5 -5 0'><joint name='height' type='slide' axis='0 0 1' range='-1 1' limited='true'/>"
    "<geom size='0.3'/></body>\n"
    "<body pos='0 5 5'><joint name='a' type='slide' axis='1 0 0'/><joint name='b' type='slide' axis='0 1 0'/>"
    "<geom size='0.1'/></body>\n"
    "</worldbody><tendon><fixed name='pull'><joint joint='a' coef='1'/><joint joint='b' coef='0'/></fixed></tendon>\n"
    "<actuator><motor name='pull' tendon='pull' gear='10' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>\n";

enum { ARM, WHEEL, RAIL, ENDLESS, ROOT, SOCKET = ROOT + 7, HEIGHT = SOCKET + 4, A, B, NQ };
static void set_up(void) {
  make_folder(MODEL);
}

TestSuite(tasks_dm_control, .init = set_up, .fini = remove_folder);

static const ml3_env_spec *find(const char *yaml, ml3_error *error) {
  char path[160];
  write_text("own.yaml", yaml);
  snprintf(path, sizeof path, "%s/own.xml", folder);
  return ml3_env_find(path, error);
}

static ml3_env *open_task(const char *yaml) {
  ml3_error error = {0};
  const ml3_env_spec *spec = find(yaml, &error);
  ml3_env *env = spec ? ml3_env_new(spec, &error) : NULL;
  cr_assert_not_null(env, "%s", error.message);
  cr_assert_eq(env->spec->state_dim, NQ + NQ - 2);
  return env;
}

/* The range of each number of qpos over many starts. */
static void ranges(const char *yaml, double low[NQ], double high[NQ]) {
  ml3_env *env = open_task(yaml);
  double state[2 * NQ];
  for (int i = 0; i < NQ; i++) low[i] = INFINITY, high[i] = -INFINITY;
  for (uint32_t k = 0; k < 2000; k++) {
    ml3_random random = ml3_random_stream(4, ML3_PURPOSE_RESET, 0, k);
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    for (int i = 0; i < NQ; i++) low[i] = fmin(low[i], state[i]), high[i] = fmax(high[i], state[i]);
    cr_expect_float_eq(mju_norm(state + ROOT + 3, 4), 1, 1e-12);
    cr_expect_float_eq(mju_norm(state + SOCKET, 4), 1, 1e-12);
  }
  ml3_env_free(env);
}

static void expect_range(const double *low, const double *high, int i, double from, double to) {
  cr_expect(low[i] >= from && high[i] <= to && low[i] < from + 0.01 * (to - from) && high[i] > to - 0.01 * (to - from),
            "entry %d is within %g and %g, not %g and %g", i, low[i], high[i], from, to);
}

Test(tasks_dm_control, draws_joints_within_their_ranges_and_turns_what_has_none) {
  double low[NQ], high[NQ];
  ranges("reset: {qpos: random joints}\n", low, high);
  expect_range(low, high, ARM, 0.2, 0.7);
  expect_range(low, high, WHEEL, -3.14159265358979, 3.14159265358979);
  expect_range(low, high, RAIL, -3, -1);
  expect_range(low, high, HEIGHT, -1, 1);
  cr_expect(low[ENDLESS] == 0 && high[ENDLESS] == 0, "a slide without a range stays");
  const double place[3] = {5, 1, 5};
  for (int i = 0; i < 3; i++) cr_expect(low[ROOT + i] == place[i] && high[ROOT + i] == place[i]);
  for (int i = 0; i < 4; i++) {
    cr_expect(low[ROOT + 3 + i] < -0.9 && high[ROOT + 3 + i] > 0.9, "the free joint turns");
    cr_expect(low[SOCKET + i] < -0.9 && high[SOCKET + i] > 0.9, "the ball joint turns");
  }
}

Test(tasks_dm_control, starts_again_where_something_touches) {
  double low[NQ], high[NQ];
  ranges("reset: {qpos height: 'uniform(-1, 1)', contacts: none}\n", low, high);
  expect_range(low, high, HEIGHT, 0.3, 1);
  ranges("reset: {qpos height: 'uniform(-1, 1)'}\n", low, high);
  expect_range(low, high, HEIGHT, -1, 1);
}

/* Beside a model whose tendon has those coefficients. */
Test(tasks_dm_control, varies_how_tendons_pull_joints) {
  ml3_env *env = open_task(
      "observation: [qpos a, qpos b]\ntask:\n  turn: [-3, 3]\n  tendon pull a: cos turn\n"
      "  tendon pull b: {train: [-1, 1]}\n");
  cr_assert_eq(env->spec->task_dim, 2);
  cr_expect_str_eq(env->spec->task[1].name, "tendon_pull_b");
  cr_expect_eq(env->spec->task[1].value, 0);
  const double task[2] = {2, 0.6}, action = 0.5;
  char path[128];
  ml3_error error = {0};
  ml3_env_reset(env, task, &(ml3_random){0});
  snprintf(path, sizeof path, "%s/own.xml", folder);
  mjModel *m = ml3_mjcf_load(path, &error);
  cr_assert_not_null(m, "%s", error.message);
  mjData *d = mj_makeData(m);
  m->wrap_prm[0] = cos(2), m->wrap_prm[1] = 0.6;
  d->ctrl[0] = action;
  for (int t = 0; t < 10; t++) {
    double obs[2];
    ml3_env_step(env, &action);
    ml3_env_observe(env, obs);
    mj_step(m, d);
    cr_expect_float_eq(obs[0], d->qpos[A], 1e-12);
    cr_expect_float_eq(obs[1], d->qpos[B], 1e-12);
  }
  cr_expect(d->qpos[A] < -1e-5 && d->qpos[B] > 1e-5);
  mj_deleteData(d);
  mj_deleteModel(m);
  ml3_env_free(env);
}

static void expect_refused(const char *yaml, const char *expected) {
  ml3_error error = {0};
  cr_expect_null(find(yaml, &error), "not refused: %s", expected);
  cr_expect_str_eq(error.message + strlen(folder), expected);
}

Test(tasks_dm_control, says_what_is_wrong_in_which_line) {
  expect_refused("reset: {qpos: random joint}\n", "/own.yaml:1: expected `random quaternion` or `random joints`");
  expect_refused("observation: [random joints]\n", "/own.yaml:1: random numbers are for `reset` alone");
  expect_refused("reset:\n  contacts: some\n",
                 "/own.yaml:2: reset: contacts: expected none: it is drawn until nothing touches");
  expect_refused("task: {tendon pul a: [0, 1]}\n", "/own.yaml:1: the model has no tendon 'pul'; did you mean 'pull'?");
  expect_refused("task: {tendon pull arm: [0, 1]}\n", "/own.yaml:1: task: joint 'arm' is not in the tendon 'pull'");
  expect_refused("task: {tendon pull: [0, 1]}\n",
                 "/own.yaml:1: task: expected `tendon TENDON JOINT`: a joint's coefficient in a fixed tendon");
  expect_refused("task: {way: [0, 1], site target x: 2 * way}\n",
                 "/own.yaml:1: task: an expression places a site of worldbody whole: `site target: [x, y, z]`");
}
