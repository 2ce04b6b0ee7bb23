/* A first task for a user's own model loads and steps whatever the model has, and `ml3 task --check` counts what a plain loop does. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "envs/env.h"
#include "lab/task_check.h"
#include "lab/task_draft.h"

TestSuite(task_draft, .timeout = 120);

#define EXAMPLES ML3_TEST_DATA "/../scripts/examples/"

/* ---- files of the test's own ---------------------------------------------------------------------------------------- */

static char folder[64], xml[96], yaml[96], text[65536];

static void write_text(const char *path, const char *content) {
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  fputs(content, f);
  fclose(f);
}

static void begin(const char *model) {
  strcpy(folder, "/tmp/ml3_draft_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(xml, sizeof xml, "%s/own.xml", folder);
  snprintf(yaml, sizeof yaml, "%s/own.yaml", folder);
  write_text(xml, model);
}

/* Nothing else may be there. */
static void finish(void) {
  unlink(xml);
  unlink(yaml);
  cr_expect_eq(rmdir(folder), 0, "something is left in %s", folder);
}

static void read_draft(void) {
  size_t size;
  char *content = ml3_file_read(yaml, sizeof text, &size, NULL);
  cr_assert_not_null(content);
  strcpy(text, content);
  free(content);
}

#define expect_line(line)    cr_expect_not_null(strstr(text, line), "'%s' is not in:\n%s", line, text)
#define expect_no_line(line) cr_expect_null(strstr(text, line), "'%s' is in:\n%s", line, text)

/* The draft for that model, read into text; its spec, which has made some steps. */
static const ml3_env_spec *draft(const char *model) {
  char path[ML3_LAB_PATH_MAX];
  ml3_error error = {0};
  begin(model);
  cr_assert_eq(ml3_lab_task_draft(xml, NULL, false, path, &error), ML3_OK, "%s", error.message);
  cr_assert_str_eq(path, yaml);
  read_draft();
  const ml3_env_spec *spec = ml3_env_find(xml, &error);
  cr_assert_not_null(spec, "%s\n%s", error.message, text);
  ml3_lab_task_check check;
  cr_assert_eq(ml3_lab_task_check_run(spec, &(ml3_lab_task_check_settings){.steps = 50}, &check, &error), ML3_OK);
  for (int i = 0; i < spec->term_count; i++) cr_expect(isfinite(check.terms[i].mean), "%s", check.terms[i].name);
  ml3_lab_task_check_free(&check);
  return spec;
}

static void expect_refused(const char *model, const char *sentence) {
  char path[ML3_LAB_PATH_MAX];
  ml3_error error = {0};
  begin(model);
  cr_expect_neq(ml3_lab_task_draft(xml, NULL, false, path, &error), ML3_OK);
  cr_expect_not_null(strstr(error.message, sentence), "%s", error.message);
  finish();
}

#define BALL  "<geom type='sphere' size='0.1' mass='1'/>"
#define FLOOR "<geom name='floor' type='plane' size='5 5 0.1'/>"

/* ---- what is in a draft --------------------------------------------------------------------------------------------- */

Test(task_draft, an_arm_with_a_target_reaches_for_it) {
  const ml3_env_spec *spec = draft(
      "<mujoco><option timestep='0.01'/><worldbody><site name='goal' pos='0.3 0 0.3'/><body name='arm'><joint "
      "name='hinge' axis='0 1 0'/>"
      "<geom type='capsule' fromto='0 0 0 0 0 0.5' size='0.02'/><site name='middle' pos='0 0 0.2'/>"
      "<body pos='0 0 0.5'><joint name='elbow' axis='0 1 0'/>" BALL
      "<site name='tip'/></body></body></worldbody><actuator>"
      "<motor name='shoulder' joint='hinge' ctrllimited='true' ctrlrange='-1 1'/>"
      "<motor name='forearm' joint='elbow' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>");
  expect_line("reach: {of: distance site tip site goal, weight: -1}");
  expect_line("- offset site tip site goal");
  expect_line("frame_skip: 2 ");
  expect_line("horizon: 250 ");
  expect_line("# actions: each actuator"); /* all within +-1 already */
  expect_no_line("points:");
  cr_expect_eq(spec->action_dim, 2);
  cr_expect_eq(spec->obs_dim, 2 + 2 + 3);
  finish();
}

Test(task_draft, an_arm_without_a_target_gets_a_place_for_one) {
  const ml3_env_spec *spec = draft(
      "<mujoco><worldbody><body><joint name='hinge' axis='0 1 0'/><geom type='capsule' fromto='0 0 0 1 0 0' "
      "size='0.02'/>"
      "<site name='end' pos='1 0 0'/></body></worldbody><actuator><motor joint='hinge'/></actuator></mujoco>");
  expect_line("target: [1, 0.1, 0.1]");
  expect_line("reach: {of: distance site end target, weight: -1}");
  cr_expect_eq(spec->action_dim, 1);
  finish();
}

Test(task_draft, a_robot_on_a_free_joint_runs_and_is_upright) {
  const ml3_env_spec *spec =
      draft("<mujoco><compiler angle='radian'/><worldbody>" FLOOR
            "<body name='cube' pos='2 0 0.1'><freejoint name='cube'/>" BALL
            "</body>"
            "<body name='trunk' pos='0 0 0.4'><freejoint name='root'/>" BALL
            "<site name='imu'/><body pos='0 0 -0.2'>"
            "<joint name='hip' axis='0 1 0' limited='true' range='-0.5 0.5'/>" BALL
            "</body></body></worldbody><actuator>"
            "<motor name='hip' joint='hip' ctrllimited='true' ctrlrange='-20 40'/></actuator><sensor><accelerometer "
            "name='imu' site='imu'/>"
            "<jointpos name='angle' joint='hip'/></sensor></mujoco>");
  expect_line("- \"qpos[:7]\""); /* the cube's, which comes first */
  expect_line("- \"qpos[9:]\"");
  expect_line("- sensor imu");
  expect_no_line("- sensor angle"); /* qpos has it */
  expect_line("forward: {of: rate of body trunk x, weight: 1}");
  expect_line("body trunk z: [0.2, 0.8]");
  expect_line("framezaxis xbody trunk z: [0.4, .inf]");
  expect_line("hip: {offset: 0, scale: 40}");
  expect_line("\"qpos[14:]\": uniform 0.02");
  cr_expect_eq(spec->term_count, 3);
  cr_expect_str_eq(spec->limit_name(spec, 0), "upright");
  finish();
}

Test(task_draft, names_are_quoted_where_they_must_be_and_numbers_stand_for_none) {
  const ml3_env_spec *spec = draft(
      "<mujoco><worldbody>" FLOOR "<body name='my trunk: 1' pos='0 0 0.4'><freejoint/>" BALL
      "<site name='null'/>"
      "<body pos='0 0 -0.2'><joint axis='0 1 0'/>" BALL
      "<body pos='0 0 -0.1'><joint name='2nd #joint' axis='0 1 0'/>" BALL
      "</body></body></body></worldbody><actuator><motor site='null' gear='0 0 1 0 0 0'/><motor name='[a], {b}' "
      "joint='2nd #joint'/>"
      "</actuator><sensor><gyro name='what &quot;is&quot; it' site='null'/><touch site='null'/></sensor></mujoco>");
  expect_line("{of: \"rate of body 'my trunk: 1' x\"");
  expect_line("actuator_0: {offset: 0, scale: 1}");
  expect_line("\"[a], {b}\": {offset: 0, scale: 1}");
  expect_line("- \"sensor 'what \\\"is\\\" it'\"");
  cr_expect_str_eq(spec->action[0].name, "actuator_0");
  cr_expect_str_eq(spec->action[1].name, "[a], {b}");
  finish();
}

Test(task_draft, a_keyframe_is_where_actions_of_nought_hold_it) {
  const ml3_env_spec *spec = draft(
      "<mujoco><compiler angle='radian'/><worldbody><body><joint name='knee' axis='0 1 0' limited='true' range='-2 "
      "0'/>" BALL
      "</body></worldbody><actuator>"
      "<position name='knee' joint='knee' kp='50' ctrllimited='true' ctrlrange='-2 0'/></actuator><keyframe><key "
      "name='bent' qpos='-1.4' "
      "ctrl='-1.4'/></keyframe></mujoco>");
  expect_line("knee: {offset: -1.4, scale: 0.3}"); /* half of the way to the nearer bound */
  expect_line("keyframe: bent");
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  double action = 0, state[2];
  ml3_env_reset(env, NULL, &random);
  for (int i = 0; i < 100; i++) ml3_env_step(env, &action);
  ml3_env_get_state(env, state);
  cr_expect_float_eq(state[0], -1.4, 0.15, "%g", state[0]);
  ml3_env_free(env);
  finish();
}

/* Motors without bounds, tendons, equality constraints, activations. */
Test(task_draft, tendons_constraints_and_activations_are_no_obstacle) {
  const ml3_env_spec *spec = draft(
      "<mujoco><worldbody><body pos='0 0 1'><joint name='left' type='slide' axis='0 1 0' limited='true' range='0 "
      "0.04'/>" BALL
      "</body><body pos='0 1 1'><joint name='right' type='slide' axis='0 -1 0' limited='true' range='0 0.04'/>" BALL
      "</body></worldbody>"
      "<tendon><fixed name='grip'><joint joint='left' coef='0.5'/><joint joint='right' coef='0.5'/></fixed></tendon>"
      "<equality><joint joint1='left' joint2='right'/></equality><actuator>"
      "<general name='fingers' tendon='grip' dyntype='filter' dynprm='0.1' ctrllimited='true' ctrlrange='0 255' "
      "gainprm='0.1'/>"
      "</actuator></mujoco>");
  expect_line("fingers: {offset: 0, scale: 300}");
  expect_line("- act ");
  expect_line("qpos: uniform 0.0008"); /* a fiftieth of the smallest range */
  cr_expect_eq(spec->obs_dim, 2 + 2 + 1);
  finish();
}

Test(task_draft, mocap_bodies_are_moved_where_there_are_no_actuators) {
  const ml3_env_spec *spec =
      draft("<mujoco><worldbody><body name='hand' mocap='true'>" BALL
            "</body><body pos='0 0 1'><joint axis='0 1 0'/>" BALL "</body></worldbody></mujoco>");
  expect_line("mocap hand: {position: 0.01}");
  cr_expect_eq(spec->action_dim, 3);
  finish();
}

Test(task_draft, a_model_that_slides_along_x_moves_forward) {
  draft("<mujoco><worldbody><body><joint name='rootx' type='slide' axis='1 0 0'/>" BALL
        "<body><joint name='leg' axis='0 1 0'/>" BALL
        "</body></body></worldbody><actuator><motor name='leg' joint='leg' ctrllimited='true' ctrlrange='-1 "
        "1'/></actuator></mujoco>");
  expect_line("forward: rate of qpos rootx");
  expect_line("\"qpos[1:]\"");
  finish();
}

/* ---- what is no draft ----------------------------------------------------------------------------------------------- */

Test(task_draft, what_cannot_act_or_move_is_refused_in_a_sentence) {
  expect_refused("<mujoco><worldbody>" BALL "</worldbody></mujoco>", "the model has no joints: nothing can move");
  expect_refused("<mujoco><worldbody><body><freejoint name='root'/>" BALL "<body><joint name='hip' axis='0 1 0'/>" BALL
                 "</body></body></worldbody></mujoco>",
                 "the model has no actuators to act with; give it some, such as <actuator><motor joint=\"hip\"");
  expect_refused("<mujoco><worldbody", "own.xml: MuJoCo");
}

Test(task_draft, what_is_there_is_replaced_by_force_alone) {
  char path[ML3_LAB_PATH_MAX];
  ml3_error error = {0};
  draft("<mujoco><worldbody><body><joint name='hinge' axis='0 1 0'/>" BALL
        "</body></worldbody><actuator><motor joint='hinge'/></actuator>"
        "</mujoco>");
  write_text(yaml, "mine");
  cr_expect_neq(ml3_lab_task_draft(xml, NULL, false, path, &error), ML3_OK);
  cr_expect_not_null(strstr(error.message, "--force"), "%s", error.message);
  read_draft();
  cr_expect_str_eq(text, "mine");
  cr_expect_eq(ml3_lab_task_draft(xml, NULL, true, path, &error), ML3_OK, "%s", error.message);
  read_draft();
  expect_line("model: own.xml");
  finish();
}

/* ---- what a check counts -------------------------------------------------------------------------------------------- */

static const double *worst(const double *a, const double *b, int n, double *difference) {
  *difference = 0;
  for (int i = 0; i < n; i++) *difference = fmax(*difference, fabs(a[i] - b[i]));
  return a;
}

Test(task_draft, a_check_counts_what_a_plain_loop_does) {
  enum { STEPS = 700, SEED = 3 };
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(EXAMPLES "cart_pole.xml", &error);
  cr_assert_not_null(spec, "%s", error.message);
  ml3_lab_task_check c;
  cr_assert_eq(ml3_lab_task_check_run(spec, &(ml3_lab_task_check_settings){STEPS, SEED}, &c, &error), ML3_OK);

  ml3_env *env = ml3_env_new(spec, &error);
  const int terms = spec->term_count, n = terms + spec->obs_dim;
  double least[n], most[n], sum[n], start[n], now[n], task[spec->task_dim], action[spec->action_dim], rewards = 0,
                                                                                                      finished = 0;
  double of_episode = 0;
  int episodes = 0, hinge = 0, slider = 0, cut = 0;
  bool over = true;
  ml3_random random = {0};
  for (int step = 0; step < STEPS; step++) {
    if (over) {
      ml3_random reset = ml3_random_stream(SEED, ML3_PURPOSE_RESET, 0, (uint32_t)episodes);
      random = ml3_random_stream(SEED, ML3_PURPOSE_ACTION, 0, (uint32_t)episodes);
      ml3_env_sample_task(spec, &reset, task);
      ml3_env_reset(env, task, &reset);
      of_episode = 0;
      if (step == 0) spec->terms(env, start), ml3_env_observe(env, start + terms);
    }
    ml3_env_draw_action(spec, &random, action);
    const ml3_env_result result = ml3_env_step(env, action);
    spec->terms(env, now), ml3_env_observe(env, now + terms);
    for (int i = 0; i < n; i++) {
      sum[i] = (step ? sum[i] : 0) + now[i];
      least[i] = step ? fmin(least[i], now[i]) : now[i];
      most[i] = step ? fmax(most[i], now[i]) : now[i];
    }
    rewards += result.reward, of_episode += result.reward;
    if (!(over = result.terminated || result.truncated)) continue;
    double state[4];
    ml3_env_get_state(env, state);
    hinge += fabs(state[1]) > 0.8, slider += fabs(state[0]) > 1.1, cut += !result.terminated;
    episodes++, finished += of_episode;
  }
  ml3_env_free(env);

  cr_expect_eq(c.episodes, episodes);
  cr_expect_gt(episodes, 5);
  cr_expect_float_eq(c.reward.mean, rewards / STEPS, 1e-12);
  cr_expect_float_eq(c.return_, finished / episodes, 1e-9);
  for (int i = 0; i < n; i++) {
    const ml3_lab_task_quantity *q = i < terms ? &c.terms[i] : &c.observation[i - terms];
    const double found[4] = {q->start, q->least, q->mean, q->most},
                 counted[4] = {start[i], least[i], sum[i] / STEPS, most[i]};
    double difference;
    worst(found, counted, 4, &difference);
    cr_expect_leq(difference, 1e-12, "%s", q->name);
  }
  cr_expect_str_eq(c.ends[0].name, "qpos hinge");
  cr_expect_str_eq(c.ends[1].name, "qpos slider");
  cr_expect_eq(c.ends[0].count, hinge, "%d, not %d", c.ends[0].count, hinge);
  cr_expect_eq(c.ends[1].count, slider);
  cr_expect_eq(c.ends[4].count, cut);
  cr_expect_str_eq(c.ends[4].name, "the time limit");
  cr_expect_gt(c.steps_per_second, 0);
  ml3_lab_task_check_free(&c);
}

Test(task_draft, an_environment_without_terms_is_checked_too) {
  ml3_error error = {0};
  ml3_lab_task_check c;
  const ml3_env_spec *spec = ml3_env_find("mountain_car_discrete", &error);
  cr_assert_eq(ml3_lab_task_check_run(spec, &(ml3_lab_task_check_settings){.steps = 450}, &c, &error), ML3_OK);
  cr_expect_eq(c.reward.mean, -1);
  cr_expect_eq(c.episodes, 2);
  cr_expect_eq(c.ends[2].count, 2); /* the time limit */
  ml3_lab_task_check_free(&c);
  cr_expect_eq(ml3_lab_task_check_run(spec, &(ml3_lab_task_check_settings){.steps = 0}, &c, &error), ML3_ERR_ARGUMENT);
  ml3_lab_task_check_free(&c);
}

/* ---- actions about a rest ------------------------------------------------------------------------------------------- */

static const char *const TWO_SERVOS =
    "<mujoco><option timestep='0.005'/><worldbody><body pos='0 0 1'><joint name='a' axis='0 1 0' damping='1'/>"
    "<geom type='capsule' fromto='0 0 0 0.3 0 0' size='0.02' contype='0' conaffinity='0'/><body pos='0.3 0 0'><joint "
    "name='b' "
    "axis='0 1 0' damping='1'/><geom type='capsule' fromto='0 0 0 0.3 0 0' size='0.02' contype='0' "
    "conaffinity='0'/></body></body>"
    "</worldbody><actuator><position name='a' joint='a' kp='20'/><position name='b' joint='b' "
    "kp='20'/></actuator></mujoco>";

Test(task_draft, an_action_about_a_rest_is_clipped_scaled_and_differentiated) {
  ml3_error error = {0};
  begin(TWO_SERVOS);
  write_text(yaml,
             "actions: {b: {offset: 0.4, scale: 0.2}, a: {offset: -0.3}}\nframe_skip: 4\nobservation: [ctrl, qpos]\n");
  const ml3_env_spec *spec = ml3_env_find(xml, &error);
  cr_assert_not_null(spec, "%s", error.message);
  cr_assert_not_null(spec->linearize);
  ml3_env *env = ml3_env_new(spec, &error);
  double obs[4], a[16], b[8], numeric[8], state[4], plus[4], minus[4];
  ml3_env_step(env, (double[]){0.5, -4});
  ml3_env_observe(env, obs);
  cr_expect_float_eq(obs[1], 0.4 + 0.2 * 0.5, 1e-15);
  cr_expect_float_eq(obs[0], -0.3 - 1, 1e-15, "clipped to -1: %g", obs[0]);
  const double action[2] = {0.3, -0.6}, h = 1e-5;
  ml3_env_get_state(env, state);
  ml3_env_linearize(env, action, a, b);
  for (int k = 0; k < 2; k++) {
    double up[2] = {action[0], action[1]}, down[2] = {action[0], action[1]};
    up[k] += h, down[k] -= h;
    ml3_env_set_state(env, state), ml3_env_step(env, up), ml3_env_get_state(env, plus);
    ml3_env_set_state(env, state), ml3_env_step(env, down), ml3_env_get_state(env, minus);
    for (int i = 0; i < 4; i++) numeric[2 * i + k] = (plus[i] - minus[i]) / (2 * h);
  }
  double difference;
  worst(b, numeric, 8, &difference);
  cr_expect_leq(difference, 1e-6, "%g", difference);
  cr_expect_gt(fabs(b[2 * 3]), 1e-3); /* it does something */
  ml3_env_free(env);
  finish();
}

Test(task_draft, what_is_wrong_with_a_rest_is_said) {
  static const char *const wrong[][2] = {
      {"actions: {a: {offset: x}}\n", "own.yaml:1: actions: offset"},
      {"actions: {a: {scale: 0}}\n", "own.yaml:1: actions: scale"},
      {"actions: {c: {scale: 1}}\n", "the model has no actuator 'c'"},
      {"actions: {actuator_0: {scale: 1}}\n", "the model has no actuator 'actuator_0'"}, /* it has a name */
      {"actions: {a: {scale: 1}, both: {a: 1, b: -1}}\n", "given twice"},
  };
  begin(TWO_SERVOS);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ml3_error error = {0};
    write_text(yaml, wrong[i][0]);
    cr_expect_null(ml3_env_find(xml, &error));
    cr_expect_not_null(strstr(error.message, wrong[i][1]), "%s", error.message);
  }
  finish();
}
