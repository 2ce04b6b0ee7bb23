/* Simulations tell the truth: what MuJoCo warns of is counted and said, what it gives up at is a code and a sentence, and what
   follows a reset or a full state depends on that state alone. Models in data/mjcf; some need MuJoCo 4. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/batch.h"
#include "envs/env.h"

#define MODEL(name) ML3_TEST_DATA "/data/mjcf/" name ".xml"

static const ml3_env_spec *find(const char *path) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(path, &error);
  cr_assert_not_null(spec, "%s", error.message);
  return spec;
}

static ml3_env *open_env(const char *path) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(find(path), &error);
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

/* Older ones cannot load a delay. */
static bool is_mujoco_4(void) {
  return ml3_env_find(MODEL("delay"), NULL) != NULL;
}

static ml3_env_result step(ml3_env *env, double u) {
  double action[16];
  for (int i = 0; i < env->spec->action_dim; i++) action[i] = u;
  return ml3_env_step(env, action);
}

/* ---- warnings ----------------------------------------------------------------------------------------------- */

/* A box whose contacts find no room: up to MuJoCo 2 njmax says how much there is, later memory. */
static const char *lost(void) {
  ml3_env *env = open_env(MODEL("lost"));
  step(env, 0);
  step(env, 0);
  bool enough = env->warnings.counts[ML3_WARN_CONSTRAINTS] == 0;
  ml3_env_free(env);
  return enough ? MODEL("lost_memory") : MODEL("lost");
}

Test(simulation, says_in_a_steps_code_that_contacts_were_lost) {
  ml3_env *env = open_env(lost());
  double obs[16];
  int codes[3] = {0};
  for (int t = 0; t < 50; t++) {
    ml3_env_result result;
    ml3_error error = {0};
    cr_assert_eq(ml3_env_step_checked(env, (double[]){0}, &result, &error), ML3_OK, "%s", error.message);
    cr_assert(isfinite(result.reward));
    cr_assert_not(result.terminated, "it goes on");
    codes[result.code == ML3_OK ? 0 : result.code == ML3_ENV_LOST_CONTACTS ? 1 : 2]++;
  }
  ml3_env_observe(env, obs);
  cr_expect_geq(codes[1], 49);
  cr_expect_eq(codes[2], 0);
  cr_expect_eq(env->warnings.counts[ML3_WARN_CONSTRAINTS], codes[1]);
  cr_expect_eq(env->warnings.counts[ML3_WARN_DIVERGED] + env->warnings.counts[ML3_WARN_ERROR], 0);
  char text[512];
  ml3_env_warning_tell(&env->warnings, ML3_WARN_CONSTRAINTS, text, sizeof text);
  cr_expect_not_null(strstr(text, "lost_constraints"), "%s", text);
  cr_expect(strstr(text, "Increase njmax above 10") || strstr(text, "above 10K bytes"), "%s", text);
  cr_expect_str_empty(ml3_env_warning_tell(&env->warnings, ML3_WARN_CONTROL, text, sizeof text));
  ml3_env_free(env);
}

Test(simulation, adds_up_the_warnings_of_a_batch_and_of_all_instances_of_a_spec) {
  enum { ROWS = 5, STEPS = 20 };
  ml3_env_spec spec = *find(lost());
  ml3_env_warnings tally = {0}, sum;
  spec.tally = &tally;
  ml3_env_batch *b = ml3_env_batch_new(&spec, ROWS, 3, 0, false, NULL);
  ml3_real *obs = calloc((size_t)(ROWS * spec.obs_dim), sizeof *obs), rewards[ROWS], actions[ROWS] = {0};
  bool terminated[ROWS], truncated[ROWS];
  ml3_error error = {0};
  ml3_env_batch_reset(b, obs);
  for (int t = 0; t < STEPS; t++)
    cr_assert_eq(ml3_env_batch_step(b, actions, obs, rewards, terminated, truncated, NULL, &error), ML3_OK, "%s",
                 error.message);
  ml3_env_batch_warnings(b, &sum);
  cr_expect_geq(sum.counts[ML3_WARN_CONSTRAINTS], ROWS * (STEPS - 1));
  cr_expect_eq(sum.counts[ML3_WARN_CONSTRAINTS] % ROWS, 0, "all rows are alike");
  cr_expect_eq(ml3_env_tally(&spec).counts[ML3_WARN_CONSTRAINTS], sum.counts[ML3_WARN_CONSTRAINTS]);
  cr_expect_str_eq(tally.texts[ML3_WARN_CONSTRAINTS], sum.texts[ML3_WARN_CONSTRAINTS]);
  ml3_env_batch_free(b);
  free(obs);
}

/* ---- divergence --------------------------------------------------------------------------------------------- */

/* All that a fresh one does is what this one does from now on. */
static void expect_as_new(ml3_env *env) {
  ml3_env *fresh = open_env(env->spec->name);
  double state[2][256];
  for (int t = 0; t < 20; t++) {
    cr_assert_eq(step(env, 0.3).code, step(fresh, 0.3).code);
    ml3_env_get_state(env, state[0]);
    ml3_env_get_state(fresh, state[1]);
    cr_assert_arr_eq(state[0], state[1], (size_t)env->spec->state_dim * sizeof(double), "%s, step %d", env->spec->name,
                     t);
  }
  ml3_env_free(fresh);
}

static void expect_divergence(const char *name) {
  ml3_env *env = open_env(name);
  const int n = env->spec->state_dim;
  double start[64], state[64], action[16] = {0};
  ml3_error error = {0};
  ml3_env_result result;
  ml3_env_get_state(env, start);
  memcpy(state, start, sizeof state);
  state[n - 1] = 1e12;
  ml3_env_set_state(env, state);
  cr_assert_eq(ml3_env_step_checked(env, action, &result, &error), ML3_ERR_NUMERIC);
  cr_expect(isnan(result.reward) && result.terminated);
  cr_expect_not_null(strstr(error.message, "huge value in QVEL"), "MuJoCo's own sentence: %s", error.message);
  cr_expect_eq(env->warnings.counts[ML3_WARN_DIVERGED], 1);
  ml3_env_get_state(env, state);
  cr_expect_arr_eq(state, start, (size_t)n * sizeof *state, "%s is not back where its task begins", name);
  ml3_env *fresh = open_env(name);
  cr_expect_eq(ml3_env_distance(env), ml3_env_distance(fresh), "places belong to that position");
  ml3_env_free(fresh);
  expect_as_new(env);
  ml3_env_free(env);
}

Test(simulation, is_back_where_its_task_begins_when_it_diverged_and_says_why) {
  expect_divergence("reacher_joints");
  expect_divergence("pointmass");
  expect_divergence(ML3_TEST_DATA "/../scripts/examples/cart_pole.xml");
  if (is_mujoco_4()) expect_divergence(MODEL("unstable")); /* which MuJoCo does not reset itself */
}

Test(simulation, says_for_a_batch_what_mujoco_said) {
  ml3_env_batch *b = ml3_env_batch_new(find("pointmass"), 2, 1, 0, false, NULL);
  ml3_real obs[8], rewards[2], actions[4] = {0};
  bool terminated[2], truncated[2];
  ml3_error error = {0};
  ml3_env_batch_reset(b, obs);
  ml3_env_set_state(ml3_env_batch_at(b, 1), (double[4]){0, 0, 0, 1e12});
  cr_expect_eq(ml3_env_batch_step(b, actions, obs, rewards, terminated, truncated, NULL, &error), ML3_ERR_NUMERIC);
  cr_expect_not_null(strstr(error.message, "row 1"), "%s", error.message);
  cr_expect_not_null(strstr(error.message, "QVEL"), "%s", error.message);
  cr_expect(terminated[1] && !terminated[0]);
  ml3_env_batch_free(b);
}

static bool all_nan(const double *x, int count) {
  for (int i = 0; i < count; i++)
    if (!isnan(x[i])) return false;
  return true;
}

Test(simulation, keeps_the_divergence_of_a_linearisation_to_itself) {
  static const char *const names[] = {"pointmass", ML3_TEST_DATA "/../scripts/examples/cart_pole.xml"};
  for (int k = 0; k < 2; k++) {
    ml3_env *env = open_env(names[k]);
    double start[4], state[4], again[4], action[2] = {0}, a[16], b[8];
    ml3_env_get_state(env, start);
    memcpy(state, start, sizeof state);
    state[3] = 1e12;
    ml3_env_set_state(env, state);
    ml3_env_linearize(env, action, a, b);
    cr_expect(all_nan(a, 16) && all_nan(b, 4 * env->spec->action_dim), "there is no derivative");
    ml3_env_get_state(env, again);
    cr_expect_arr_eq(state, again, sizeof state);
    cr_expect_eq(env->warnings.counts[ML3_WARN_ERROR], 0);
    cr_expect_gt(env->warnings.counts[ML3_WARN_DIVERGED], 0);
    ml3_env_set_state(env, start);
    expect_as_new(env);
    ml3_env_free(env);
  }
}

/* ---- what MuJoCo gives up at -------------------------------------------------------------------------------------- */

Test(simulation, survives_a_stack_that_is_full_in_a_linearisation_on_any_thread) {
  if (is_mujoco_4()) return; /* its model says memory instead, and is refused beside njmax */
  int good = 0;
#pragma omp parallel for num_threads(4) reduction(+ : good)
  for (int i = 0; i < 8; i++) {
    ml3_env *env = open_env(MODEL("stack"));
    const int n = env->spec->state_dim;
    double *a = malloc((size_t)(n * n + n) * sizeof *a), u = 0, before[512], after[512];
    for (int t = 0; t < 3; t++) step(env, 0.1);
    ml3_env_get_full(env, before);
    ml3_env_linearize(env, &u, a, a + n * n);
    ml3_env_get_full(env, after);
    good += all_nan(a, n * n + n) && strstr(env->warnings.failure, "Stack overflow: nstack is 16000") != NULL &&
            env->warnings.counts[ML3_WARN_ERROR] == 1 &&
            memcmp(before, after, (size_t)ml3_env_full_dim(env) * sizeof *before) == 0 && step(env, 0.1).code == ML3_OK;
    free(a);
    ml3_env_free(env);
  }
  cr_expect_eq(good, 8);
}

static void give_up(const mjModel *m, mjData *d) {
  (void)m;
  if (fabs(d->qvel[0]) > 0.2) mju_error("the hand is too heavy");
}

/* Whatever the reason: here a function of MuJoCo's caller, in any release. Its pointer is looked up, since a program that names
   it has a copy of its own, which MuJoCo does not read. */
Test(simulation, is_back_where_its_task_begins_when_mujoco_gave_up_in_a_step) {
  ml3_env *env = open_env("reacher_joints");
  ml3_env_result result = {0};
  ml3_error error = {0};
  const double action[2] = {0.02, 0.02};
  int t = 0;
  mjfGeneric *const callback = dlsym(RTLD_DEFAULT, "mjcb_passive");
  cr_assert_not_null(callback);
  *callback = give_up;
  while (t < 60 && ml3_env_step_checked(env, action, &result, &error) == ML3_OK) t++;
  *callback = NULL;
  cr_assert(t > 0 && t < 60, "it failed at step %d", t);
  cr_expect_eq(result.code, ML3_ERR_NUMERIC);
  cr_expect(result.terminated && isnan(result.reward));
  cr_expect_not_null(strstr(error.message, "MuJoCo says: the hand is too heavy"), "%s", error.message);
  cr_expect_eq(env->warnings.counts[ML3_WARN_ERROR], 1);
  expect_as_new(env);
  ml3_env_free(env);
}

/* While the boxes fall there is room; when they land there is not. */
Test(simulation, says_in_mujocos_words_that_it_gave_up_in_a_step) {
  if (is_mujoco_4()) return;
  ml3_env *env = open_env(MODEL("little_stack"));
  ml3_env_result result = {0};
  ml3_error error = {0};
  const double action = 0.1;
  int t = 0;
  while (t < 60 && ml3_env_step_checked(env, &action, &result, &error) == ML3_OK) t++;
  cr_assert(t > 10 && t < 60, "it failed at step %d", t);
  cr_expect_eq(result.code, ML3_ERR_NUMERIC);
  cr_expect(result.terminated && isnan(result.reward));
  cr_expect_not_null(strstr(error.message, "MuJoCo says: Stack overflow: nstack is 3000"), "%s", error.message);
  cr_expect_eq(env->warnings.counts[ML3_WARN_ERROR], 1);
  expect_as_new(env);
  ml3_env_free(env);
}

/* 800 numbers of state: x' = x + h v', v' = v + h u. */
Test(simulation, linearizes_a_large_state) {
  enum { BODIES = 400, N = 2 * BODIES };
  char folder[] = "/tmp/ml3_test_XXXXXX", path[2][64];
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path[0], sizeof path[0], "%s/many.xml", folder);
  snprintf(path[1], sizeof path[1], "%s/many.yaml", folder);
  FILE *xml = fopen(path[0], "w"), *yaml = fopen(path[1], "w");
  fprintf(xml, "<mujoco><option timestep='0.01'/><worldbody><site name='goal' pos='1 0 0'/>\n");
  for (int i = 0; i < BODIES; i++)
    fprintf(xml,
            "<body pos='0 %d 0'><joint name='j%d' type='slide' axis='1 0 0'/><geom size='.1' mass='1'/>%s</body>\n", i,
            i, i == 0 ? "<site name='tip'/>" : "");
  fprintf(xml, "</worldbody><actuator><motor joint='j0' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>\n");
  fprintf(yaml, "goal: {site: goal, tip: tip}\n");
  fclose(xml), fclose(yaml);

  ml3_env *env = open_env(path[0]);
  double *a = malloc((N * N + N) * sizeof *a), *b = a + N * N, u = 0.5;
  ml3_env_linearize(env, &u, a, b);
  for (int i = 0; i < BODIES; i += 57) {
    cr_expect_float_eq(a[i * N + i], 1, 1e-6);
    cr_expect_float_eq(a[i * N + BODIES + i], 0.01, 1e-6);
    cr_expect_float_eq(a[(BODIES + i) * N + BODIES + i], 1, 1e-6);
    cr_expect_float_eq(a[(BODIES + i) * N + i], 0, 1e-6);
    cr_expect_float_eq(b[BODIES + i], i ? 0 : 0.01, 1e-6);
  }
  free(a);
  ml3_env_free(env);
  unlink(path[0]), unlink(path[1]), rmdir(folder);
}

/* ---- what follows depends on the state alone -------------------------------------------------------------------- */

/* After a wild past, a reset, a state and a full state go on as in a new instance. */
static void expect_no_past(const char *name) {
  ml3_env *env = open_env(name), *fresh = open_env(name);
  const int n = env->spec->state_dim, full = ml3_env_full_dim(env);
  double state[64], start[64], *kept = malloc(2 * (size_t)full * sizeof *kept), *now = kept + full;
  ml3_env_get_state(env, start);
  ml3_env_get_full(fresh, kept);
  for (int way = 0; way < 3; way++) {
    for (int t = 0; t < 30; t++) step(env, 1);
    ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    if (way == 0) ml3_env_reset(env, NULL, &none);
    if (way == 1) ml3_env_set_state(env, start);
    if (way == 2) ml3_env_set_full(env, kept);
    env->steps = 0;
    ml3_env_get_full(env, now);
    cr_expect_arr_eq(kept, now, (size_t)full * sizeof *kept, "%s, way %d", name, way);
    ml3_env_set_state(fresh, start);
    for (int t = 0; t < 40; t++) {
      const double u = t < 3 ? 0 : sin(t);
      step(env, u);
      step(fresh, u);
      ml3_env_get_state(env, state);
      ml3_env_get_state(fresh, now);
      cr_assert_arr_eq(state, now, (size_t)n * sizeof *state, "%s, way %d, step %d", name, way, t);
      if (t < 3 && strstr(name, "delay")) cr_expect_eq(state[0], 0, "nothing acts yet");
    }
  }
  free(kept);
  ml3_env_free(env);
  ml3_env_free(fresh);
}

Test(simulation, has_no_past_after_a_reset) {
  expect_no_past("pointmass");
  expect_no_past(ML3_TEST_DATA "/../scripts/examples/cart_pole.xml");
  expect_no_past(MODEL("servo"));
  if (!is_mujoco_4()) return;
  expect_no_past(MODEL("delay"));
  expect_no_past(MODEL("sleep"));
}

/* A clone made on the way goes on with the same bits: delayed controls on their way and sleeping bodies come along. */
static void expect_clones(const char *name, int steps) {
  ml3_env *env = open_env(name);
  double state[2][64];
  for (int t = 0; t < steps; t++) {
    if (t % 37 == 5) {
      ml3_env *twin = ml3_env_clone(env, NULL);
      for (int k = 0; k < 30; k++) step(twin, sin(k));
      ml3_env *original = ml3_env_clone(env, NULL);
      for (int k = 0; k < 30; k++) step(original, sin(k));
      ml3_env_get_state(twin, state[0]);
      ml3_env_get_state(original, state[1]);
      cr_assert_arr_eq(state[0], state[1], (size_t)env->spec->state_dim * sizeof(double));
      ml3_env_free(original);
      ml3_env *late = ml3_env_clone(env, NULL);
      for (int k = 0; k < 5; k++) step(late, cos(t + k));
      for (int k = 0; k < 5; k++) step(env, cos(t + k));
      ml3_env_get_state(late, state[0]);
      ml3_env_get_state(env, state[1]);
      cr_assert_arr_eq(state[0], state[1], (size_t)env->spec->state_dim * sizeof(double), "%s at step %d", name, t);
      ml3_env_free(late);
      ml3_env_free(twin);
    }
    step(env, cos(t));
  }
  ml3_env_free(env);
}

Test(simulation, is_cloned_with_all_that_mujoco_keeps) {
  expect_clones(MODEL("servo"), 100);
  if (!is_mujoco_4()) return;
  expect_clones(MODEL("delay"), 100);
  expect_clones(MODEL("sleep"), 400);
}

/* The servo that is not driven holds what the keyframe says: -0.72 rad, less what gravity takes of its stiffness of 200. */
Test(simulation, takes_a_keyframe_whole) {
  ml3_env *env = open_env(MODEL("key"));
  double state[32], obs[8];
  ml3_env_get_state(env, state);
  cr_expect(state[0] == -0.7 && state[1] == 0.3);
  for (int t = 0; t < 100; t++) step(env, 0);
  ml3_env_get_state(env, state);
  cr_expect_float_eq(state[0], -0.705, 0.02, "the arm fell to %g", state[0]);
  ml3_env_free(env);

  env = open_env(MODEL("servo")); /* observed: y, and the hand of the mocap body, which the keyframe puts at z = 3 */
  ml3_env_observe(env, obs);
  cr_expect(obs[0] == 1 && obs[1] == 0 && obs[2] == 0 && obs[3] == 3);
  for (int t = 0; t < 100; t++) step(env, 0);
  ml3_env_observe(env, obs);
  cr_expect_float_eq(obs[0], 1, 1e-9, "the servo let go: %g", obs[0]);
  cr_expect_eq(obs[3], 3);
  ml3_env_free(env);
}

/* ---- MuJoCo 4 -------------------------------------------------------------------------------------------------- */

Test(simulation, tells_controls_and_actuators_apart) {
  if (!is_mujoco_4()) return;
  const ml3_env_spec *spec = find(MODEL("pid_b")); /* of joint jb; the pid before it has two controls */
  cr_expect_eq(spec->action_dim, 1);
  cr_expect_str_eq(spec->action[0].name, "mb");
  cr_expect(spec->action[0].low == -3 && spec->action[0].high == 3);
  ml3_env *env = open_env(MODEL("pid_b"));
  double state[4];
  for (int t = 0; t < 20; t++) step(env, 3);
  ml3_env_get_state(env, state);
  cr_expect_gt(state[1], 0.01, "b is driven");
  cr_expect_float_eq(state[0], 0, 1e-12, "a is not");
  ml3_env_free(env);

  spec = find(MODEL("dc")); /* all actuators: the brake has no control */
  cr_expect_eq(spec->action_dim, 1);
  cr_expect_str_eq(spec->action[0].name, "mb");
  env = open_env(MODEL("dc"));
  for (int t = 0; t < 20; t++) step(env, 3);
  ml3_env_get_state(env, state);
  cr_expect_gt(state[1], 0.01);
  ml3_env_free(env);
}

Test(simulation, says_that_a_delayed_model_has_no_derivative) {
  if (!is_mujoco_4()) return;
  ml3_env *env = open_env(MODEL("delay"));
  double a[4], b[2], u = 0;
  ml3_env_linearize(env, &u, a, b);
  cr_expect(all_nan(a, 4) && all_nan(b, 2));
  cr_expect_not_null(strstr(env->warnings.failure, "delays"), "%s", env->warnings.failure);
  ml3_env_free(env);
}

/* ---- what is said of observations and states -------------------------------------------------------------------- */

Test(simulation, gives_turns_the_units_of_turns) {
  const ml3_env_spec *spec = find(MODEL("servo")); /* x, y and a free joint: 9 positions, 8 velocities */
  static const char *const units[] = {"m",   "m",   "m",   "m",   "m",   "1",     "1",     "1",    "1",
                                      "m/s", "m/s", "m/s", "m/s", "m/s", "rad/s", "rad/s", "rad/s"};
  cr_assert_eq(spec->state_dim, 17);
  for (int i = 0; i < 17; i++) cr_expect_str_eq(spec->state[i].unit, units[i], "%s", spec->state[i].name);
  for (int i = 0; i < 4; i++) cr_expect_str_eq(find("mountain_car")->state[0].unit, "m");
}

/* MuJoCo's limits are soft. */
Test(simulation, limited_joints_are_observed_without_bounds) {
  const ml3_env_spec *spec = find(ML3_TEST_DATA "/../scripts/examples/cart_pole.xml");
  cr_expect_str_eq(spec->obs[0].name, "slider");
  cr_expect(spec->obs[0].low == -INFINITY && spec->obs[0].high == INFINITY);
  cr_expect(spec->obs[1].low == -1 && spec->obs[1].high == 1, "a sine");
  spec = find("walker_goal");
  for (int i = 12; i < 20; i++) cr_expect(spec->obs[i].high == INFINITY && spec->state[i - 5].high < 1);
}
