/* The language of tasks: quantities, terms, conditions, starts, tasks with splits, what extends what. Numbers are those of MuJoCo's
   own functions and of formulas written out here; what is wrong is said with file and line. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/env.h"
#include "envs/mjcf.h"
#include "task_files.h"

/* A drawer on a slide, a hand on a mocap body with two fingers, sensors, a pole. */
static const char MODEL[] =
    "<mujoco><compiler angle='radian'/><option timestep='0.005'/>\n"
    "<worldbody><site name='goal' pos='0.1 0.2 0.3'/>\n"
    "<body name='hand' mocap='true' pos='0 0.6 0.2'><site name='palm'/></body>\n"
    "<body name='gripper' pos='0 0.6 0.2'><freejoint name='grip'/><geom name='grip' size='0.02' mass='0.1'/>\n"
    "<body name='left'><joint name='left' type='slide' axis='1 0 0' range='0 0.05' limited='true'/>\n"
    "<geom name='left' pos='-0.05 0 0' size='0.01' mass='0.01'/></body>\n"
    "<body name='right'><joint name='right' type='slide' axis='-1 0 0' range='0 0.05' limited='true'/>\n"
    "<geom name='right' pos='0.05 0 0' size='0.01' mass='0.01'/></body></body>\n"
    "<body name='drawer' pos='0 0.9 0.1'><body name='drawer_link'>"
    "<joint name='rail' type='slide' axis='0 -1 0' range='0 0.3' limited='true' damping='2'/>\n"
    "<geom name='box' type='box' size='0.1 0.1 0.05' mass='1'/></body></body>\n"
    "<body name='cart' pos='2 0 1'><joint name='slider' type='slide' axis='1 0 0'/><geom name='cart' size='0.1' "
    "mass='1'/>\n"
    "<body name='pole'><joint name='hinge' type='hinge' axis='0 1 0'/>"
    "<geom name='pole' type='capsule' fromto='0 0 0 0 0 1' size='0.04' mass='0.1'/><site name='tip' pos='0 0 "
    "1'/></body></body>\n"
    "</worldbody>\n"
    "<equality><weld body1='hand' body2='gripper'/></equality>\n"
    "<sensor><touch name='felt' site='palm'/><framelinvel name='tip_velocity' objtype='site' objname='tip'/>"
    "<jointpos name='angle' joint='hinge'/></sensor>\n"
    "<actuator><motor name='r_close' joint='right' ctrllimited='true' ctrlrange='-1 1'/>\n"
    "<motor name='l_close' joint='left' ctrllimited='true' ctrlrange='-1 1'/>\n"
    "<motor name='push' joint='slider' gear='10' ctrllimited='true' ctrlrange='-1 1'/></actuator>\n"
    "<keyframe><key name='fallen' qpos='0 0.6 0.2 1 0 0 0 0 0 0.1 0 2' ctrl='0 0 0.5'/></keyframe></mujoco>\n";

static void set_up(void) {
  make_folder(MODEL);
}

TestSuite(tasks, .init = set_up, .fini = remove_folder);

static const ml3_env_spec *find(const char *name, ml3_error *error) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return ml3_env_find(path, error);
}

static ml3_env *open_task(const char *yaml) {
  ml3_error error = {0};
  write_text("own.yaml", yaml);
  const ml3_env_spec *spec = find("own.xml", &error);
  cr_assert_not_null(spec, "%s", error.message);
  ml3_env *env = ml3_env_new(spec, &error);
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

/* The sentence with which a YAML is refused, without the folder. */
static void expect_refused(const char *yaml, const char *expected) {
  ml3_error error = {0};
  write_text("own.yaml", yaml);
  cr_expect_null(find("own.xml", &error), "not refused: %s", expected);
  cr_expect_eq(strncmp(error.message, folder, strlen(folder)), 0, "%s", error.message);
  cr_expect_str_eq(error.message + strlen(folder), expected);
}

/* The quantities that a text observes after a few steps, beside MuJoCo's data in the same state. */
static void observe(const char *entries, double *obs, int count, mjModel **m, mjData **d) {
  char yaml[4096], path[128];
  ml3_error error = {0};
  snprintf(yaml, sizeof yaml, "actions: [push]\nreset: {keyframe: none}\nobservation:\n%s", entries);
  ml3_env *env = open_task(yaml);
  cr_assert_eq(env->spec->obs_dim, count, "%d numbers", env->spec->obs_dim);
  snprintf(path, sizeof path, "%s/own.xml", folder);
  *m = ml3_mjcf_load(path, &error);
  *d = mj_makeData(*m);
  for (int t = 0; t < 20; t++) {
    const double action = sin(t);
    ml3_env_step(env, &action);
    (*d)->ctrl[2] = action;
    mj_step(*m, *d);
  }
  mj_step1(*m, *d);
  ml3_env_observe(env, obs);
  ml3_env_free(env);
}

/* ---- quantities ------------------------------------------------------------------------------------------------- */

Test(tasks, reads_arrays_of_mujoco_by_its_names) {
  double obs[64];
  mjModel *m;
  mjData *d;
  observe(
      "  - qpos hinge\n  - qvel[-2:]\n  - xquat pole\n  - body pole z\n  - site tip xz\n  - site_xpos tip\n  - "
      "cvel[1:2]\n"
      "  - subtreecom cart\n  - subtreelinvel cart x\n  - ctrl push\n  - time\n  - framezaxis xbody pole\n",
      obs, 1 + 2 + 4 + 1 + 2 + 3 + 6 + 3 + 1 + 1 + 1 + 3, &m, &d);
  const int pole = mj_name2id(m, mjOBJ_BODY, "pole"), tip = mj_name2id(m, mjOBJ_SITE, "tip"),
            cart = mj_name2id(m, mjOBJ_BODY, "cart");
  double expected[64], *to = expected;
  mj_subtreeVel(m, d);
  *to++ = d->qpos[m->nq - 1];
  mju_copy(to, d->qvel + m->nv - 2, 2), to += 2;
  mju_copy(to, d->xquat + 4 * pole, 4), to += 4;
  *to++ = d->xpos[3 * pole + 2];
  *to++ = d->site_xpos[3 * tip];
  *to++ = d->site_xpos[3 * tip + 2];
  mju_copy(to, d->site_xpos + 3 * tip, 3), to += 3;
  mju_copy(to, d->cvel + 6, 6), to += 6;
  mju_copy(to, d->subtree_com + 3 * cart, 3), to += 3;
  *to++ = d->subtree_linvel[3 * cart];
  *to++ = d->ctrl[2];
  *to++ = d->time;
  for (int i = 0; i < 3; i++) *to++ = d->xmat[9 * pole + 3 * i + 2];
  for (int i = 0; i < to - expected; i++) cr_expect_float_eq(obs[i], expected[i], 1e-13, "number %d", i);
  mj_deleteData(d);
  mj_deleteModel(m);
}

Test(tasks, reads_sensors_by_name_and_inline_alike) {
  double obs[16];
  mjModel *m;
  mjData *d;
  observe(
      "  - tip_velocity\n  - framelinvel site tip\n  - sensor angle\n  - jointpos hinge\n  - frameangvel xbody pole y\n"
      "  - qvel hinge\n",
      obs, 10, &m, &d);
  const int address = m->sensor_adr[mj_name2id(m, mjOBJ_SENSOR, "tip_velocity")];
  for (int i = 0; i < 3; i++) {
    cr_expect_float_eq(obs[i], d->sensordata[address + i], 1e-13);
    cr_expect_float_eq(obs[3 + i], d->sensordata[address + i], 1e-13);
  }
  cr_expect_eq(obs[6], obs[7]);
  cr_expect_float_eq(obs[8], obs[9], 1e-13);
  cr_expect_neq(obs[8], 0);
  mj_deleteData(d);
  mj_deleteModel(m);
}

Test(tasks, computes_what_is_written) {
  double obs[32];
  mjModel *m;
  mjData *d;
  observe(
      "  - 2 + 3 * 4 - 6 / 2 ^ 2\n  - -(1 - 3) * pi\n  - norm([3, 4])\n  - mean(1, 2, 6)\n  - clip(qpos slider * 0 + "
      "5, -1, 2)\n"
      "  - distance tip cart - norm(offset cart tip)\n  - sin hinge ^ 2 + cos hinge ^ 2\n  - dot([1, 2], [3, 4])\n"
      "  - atan2(1, -1)\n  - min(3, [1, 4])\n  - offset cart tip in pole\n  - (offset cart tip in pole)[2:]\n  - "
      "tanh(0.5) + log1p 1\n",
      obs, 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 2 + 3 + 1 + 1, &m, &d);
  const double expected[] = {12.5, 2 * 3.14159265358979323846, 5, 3, 2, 0, 1, 11, atan2(1, -1), 1, 3, 0, 0, 1,
                             1,    tanh(0.5) + log(2)};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    cr_expect_float_eq(obs[i], expected[i], 1e-12, "number %zu", i);
  mj_deleteData(d);
  mj_deleteModel(m);
}

/* ---- terms ------------------------------------------------------------------------------------------------------ */

static double reward_of(const char *reward, const double *state, const double *action) {
  char yaml[2048];
  snprintf(yaml, sizeof yaml, "actions: [push]\nreset: {keyframe: none}\nreward: %s\n", reward);
  ml3_env *env = open_task(yaml);
  if (state) ml3_env_set_state(env, state);
  const double r = ml3_env_step(env, action).reward;
  ml3_env_free(env);
  return r;
}

/* By hand, of numbers that do not depend on the motion. */
Test(tasks, weighs_norms_and_shapes_of_terms) {
  const double a = 0.5;
  static const struct {
    const char *term;
    double value;
  } cases[] = {
      {"{x: {of: '[3, -4]', norm: l1, weight: 2}}", 14},
      {"{x: {of: '[3, -4]', norm: l2}}", 5},
      {"{x: {of: '[3, -4]', norm: squared, weight: -0.1}}", -2.5},
      {"{x: {of: '[3, -4]', target: [0, -4], norm: l2}}", 3},
      {"{x: {of: '[3, -4]', scale: [2, 0], norm: l2}}", 6},
      {"{x: {of: 3, norm: {smooth_abs: {p: 0.5}}}}", 2.5413812651491097},
      {"{x: {of: 1, norm: {cosh: {p: 2}}}}", 0.51050386082552},
      {"{x: {of: '[2, -3]', norm: {power: {p: 3}}}}", 35},
      {"{x: {of: 2, affine: [0.5, 3]}}", 6.5},
      {"{x: {of: 2, exp: -0.5}}", 0.36787944117144233},
      {"{x: {of: 7, max: 5}}", 5},
      {"{x: {of: action, norm: squared}}", 0.25},
      {"{alive: 3}", 3},
      {"{product: {x: {of: 3}, y: {of: 0.5, weight: 4}}}", 6},
      {"{x: {sum: {a: {of: 1}, b: {of: 2}}, weight: 10}}", 30},
      {"{x: {of: 1, while: {time: [-1, 0]}}, y: 2 * 2}", 4},
      {"{x: {of: 1, while: {time: [0, 1]}}, y: 2 * 2}", 5},
      {"{x: {of: '[0, 2]', tolerance: {bounds: [-1, 1], margin: 1, sigmoid: linear, value_at_margin: 0}, each: true}}",
       0.5},
      {"{stages: [{until: {time: [1, 2]}, sum: {a: {of: 1}}}, {sum: {a: {of: 2}}}]}", 1},
      {"{stages: [{until: {time: [0, 1]}, sum: {a: {of: 1}}}, {sum: {a: {of: 2}}}]}", 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_expect_float_eq(reward_of(cases[i].term, NULL, &a), cases[i].value, 1e-12, "%s: %.15g", cases[i].term,
                       reward_of(cases[i].term, NULL, &a));
}

/* dm_control's rewards.tolerance(2, (-0.5, 0.5), 3, sigmoid, 0.1). */
Test(tasks, has_the_tolerances_of_dm_control) {
  static const struct {
    const char *sigmoid;
    double value;
  } cases[] = {{"gaussian", 0.5623413251903491},
               {"hyperbolic", 0.42640143271122083},
               {"long_tail", 0.3076923076923077},
               {"reciprocal", 0.18181818181818182},
               {"cosine", 0.658113883008419},
               {"linear", 0.55},
               {"quadratic", 0.775},
               {"tanh_squared", 0.4805061467040842}};
  const double a = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char term[200];
    snprintf(term, sizeof term, "{x: {of: 2, tolerance: {bounds: [-0.5, 0.5], margin: 3, sigmoid: %s}}}",
             cases[i].sigmoid);
    const double r = reward_of(term, NULL, &a);
    cr_expect_float_eq(r, cases[i].value, 1e-12, "%s: %.17g", cases[i].sigmoid, r);
  }
  cr_expect_eq(reward_of("{x: {of: 2, tolerance: {bounds: [1, .inf]}}}", NULL, &a), 1);
  cr_expect_eq(reward_of("{x: {of: 2, tolerance: {bounds: [0, 1.9]}}}", NULL, &a), 0);
}

/* Each term is known by name, and they make the reward. */
Test(tasks, tells_what_each_term_is_worth) {
  ml3_env *env = open_task(
      "actions: [push]\nreward:\n  speed: {of: qvel slider, weight: 2}\n  effort: {of: action, norm: squared, "
      "weight: -0.1}\n");
  double terms[2], action = 0.7;
  cr_assert_eq(env->spec->term_count, 2);
  cr_expect_str_eq(env->spec->term_name(env->spec, 1), "effort");
  const ml3_env_result result = ml3_env_step(env, &action);
  env->spec->terms(env, terms);
  cr_expect_float_eq(terms[1], -0.049, 1e-15);
  cr_expect_float_eq(terms[0] + terms[1], result.reward, 1e-15);
  cr_expect_neq(terms[0], 0);
  ml3_env_free(env);
}

/* ---- past, end, success ----------------------------------------------------------------------------------------- */

Test(tasks, remembers_the_step_before_and_the_start) {
  ml3_env *env = open_task(
      "actions: [push]\nframe_skip: 2\nobservation: [qpos slider, rate of qpos slider, last qpos slider, start "
      "qpos slider, last_action]\nreset: {keyframe: none, qpos slider: 0.5}\n");
  double before[5], obs[5], action = 0.8, full[256];
  ml3_env_observe(env, obs);
  cr_expect(obs[0] == 0.5 && obs[1] == 0 && obs[2] == 0.5 && obs[3] == 0.5 && obs[4] == 0);
  for (int t = 0; t < 5; t++) {
    memcpy(before, obs, sizeof obs);
    ml3_env_step(env, &action);
    ml3_env_observe(env, obs);
    cr_expect_float_eq(obs[1], (obs[0] - before[0]) / 0.01, 1e-12);
    cr_expect(obs[2] == before[0] && obs[3] == 0.5 && obs[4] == (t ? 0.8 : 0));
  }
  cr_assert_leq(ml3_env_full_dim(env), 256);
  ml3_env_get_full(env, full);
  ml3_env *twin = ml3_env_new(env->spec, NULL);
  ml3_env_set_full(twin, full);
  ml3_env_step(env, &action);
  ml3_env_step(twin, &action);
  ml3_env_observe(env, obs);
  ml3_env_observe(twin, before);
  cr_expect_arr_eq(obs, before, sizeof obs, "the past goes along");
  ml3_env_free(twin);
  ml3_env_free(env);
}

Test(tasks, ends_where_a_condition_fails_and_pays_while_it_holds) {
  ml3_env *env = open_task(
      "actions: [push]\nreset: {keyframe: none}\nterminate: {upright: {qpos hinge: [-0.3, 0.3], qvel: [-100, "
      "100]}}\nreward: {alive: {weight: 2, while: upright}}\nsuccess: {qpos slider: [1, .inf], ends: true}\n");
  double state[32] = {0}, action = 0;
  ml3_env_get_state(env, state);
  ml3_env_result result = ml3_env_step(env, &action);
  cr_expect(!result.terminated && result.reward == 2 && !ml3_env_success(env));
  state[11] = 0.31;
  ml3_env_set_state(env, state);
  result = ml3_env_step(env, &action);
  cr_expect(result.terminated && result.reward == 0);
  state[11] = 0, state[10] = 1.01;
  ml3_env_set_state(env, state);
  result = ml3_env_step(env, &action);
  cr_expect(result.terminated && result.reward == 2 && ml3_env_success(env));
  ml3_env_free(env);
}

/* As mj_step leaves it, places are those of the substep before; else they belong to the new state. */
Test(tasks, sees_places_fresh_or_one_substep_late) {
  double seen[2], length[2];
  for (int lagged = 0; lagged < 2; lagged++) {
    char yaml[300];
    snprintf(yaml, sizeof yaml,
             "actions: [push]\nevaluate: %s\nreset: {keyframe: none, qvel slider: 1}\nobservation: [body cart x, "
             "qpos slider]\n",
             lagged ? "lagged" : "fresh");
    ml3_env *env = open_task(yaml);
    double obs[2], action = 0;
    ml3_env_step(env, &action);
    ml3_env_observe(env, obs);
    seen[lagged] = obs[0], length[lagged] = obs[1];
    ml3_env_free(env);
  }
  cr_expect_float_eq(seen[0], 2 + length[0], 1e-15);
  cr_expect_eq(seen[1], 2);
  cr_expect_eq(length[0], length[1]);
}

/* ---- starts ----------------------------------------------------------------------------------------------------- */

Test(tasks, starts_as_it_says) {
  ml3_env *env = open_task(
      "actions: [push]\nobservation: [qpos]\nreset:\n  qpos slider: uniform 0.1\n  qpos hinge: 3 + normal 0.01\n"
      "  qpos grip [3:7]: random quaternion\n  qvel: normal 0.1\n");
  double state[32], low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
  enum { N = 2000 };
  for (int k = 0; k < N; k++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, 0, (uint32_t)k);
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    low = fmin(low, state[10]), high = fmax(high, state[10]);
    cr_expect_float_eq(state[11], 3, 0.06);
    cr_expect_float_eq(mju_norm(state + 3, 4), 1, 1e-12);
    sum += state[12], squares += state[12] * state[12];
  }
  cr_expect(low > -0.1 && low < -0.099 && high < 0.1 && high > 0.099, "%g %g: the keyframe's 0, and noise", low, high);
  cr_expect_float_eq(sum / N, 0, 0.01);
  cr_expect_float_eq(sqrt(squares / N), 0.1, 0.01);
  cr_expect_float_eq(state[9], 0.1, 1e-15, "what is not named is the keyframe's");
  ml3_env_free(env);
}

/* Each line sees what those above it wrote; a quantity is computed anew where it is used again. */
Test(tasks, starts_again_where_a_start_is_not_accepted) {
  ml3_env *env = open_task(
      "actions: [push]\nobservation: [qpos]\nreset:\n  qpos slider: uniform(-1, 1)\n"
      "  qpos hinge: qpos slider + 1\n  jointpos slider: qpos slider * 2\n"
      "  qvel slider: qpos slider + 1\n  accept: {abs qpos slider: [1, 1.5], qvel slider: [0, .inf]}\n");
  double state[32], low = INFINITY, high = -INFINITY;
  for (int k = 0; k < 1000; k++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, 0, (uint32_t)k);
    ml3_env_reset(env, NULL, &random);
    ml3_env_get_state(env, state);
    low = fmin(low, state[10]), high = fmax(high, state[10]);
    cr_assert_float_eq(state[11], state[10] / 2 + 1, 1e-15);
    cr_assert_float_eq(state[12 + 9], state[10] + 1, 1e-15);
  }
  cr_expect(low >= 1 && low < 1.01 && high <= 1.5 && high > 1.49, "%g %g", low, high);
  ml3_env_free(env);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

Test(tasks, varies_numbers_of_the_model_and_its_own) {
  ml3_env *env = open_task(
      "actions: [push]\nreset: {keyframe: none}\nobservation: [qpos]\n"
      "reward: {speed: abs(qvel slider - speed)}\ntask:\n  speed: [0, 2]\n  mass cart: [0.5, 4]\n"
      "  scale damping rail: [0.5, 2]\n  site goal x: [-1, 1]\n  start hinge: [-0.1, 0.1]\n");
  static const char *const names[] = {"speed", "mass_cart", "damping_rail", "site_goal_x", "start_hinge"};
  const double task[] = {1.5, 4, 1, 0.3, 0.05}, action = 1;
  double state[32], light[32];
  cr_assert_eq(env->spec->task_dim, 5);
  for (int i = 0; i < 5; i++) cr_expect_str_eq(env->spec->task[i].name, names[i]);
  ml3_env_step(env, &action);
  ml3_env_get_state(env, light);
  ml3_env_reset(env, task, NULL);
  ml3_env_get_state(env, state);
  cr_expect_eq(state[11], 0.05);
  const double r = ml3_env_step(env, &action).reward;
  ml3_env_get_state(env, state);
  cr_expect_float_eq(r, fabs(state[21] - 1.5), 1e-15);
  cr_expect(state[21] > 0 && state[21] < 0.5 * light[21], "a heavier cart is slower: %g, %g", state[21], light[21]);
  ml3_env_free(env);
}

/* MuJoCo takes the body's frame for what was compiled at its origin. */
Test(tasks, moves_sites_and_geoms_that_were_made_at_their_bodys_origin) {
  ml3_env *env = open_task(
      "actions: [push]\nreset: {keyframe: none}\nobservation: [site palm, geom cart, body cart]\ntask:\n  site palm z: [0.5, 0.5]\n"
      "  geom cart x: [0.25, 0.25]\n");
  double obs[9];
  ml3_env_observe(env, obs);
  cr_expect_float_eq(obs[2], 0.2 + 0.5, 1e-12, "%g", obs[2]);
  cr_expect_float_eq(obs[3] - obs[6], 0.25, 1e-12, "%g", obs[3] - obs[6]);
  ml3_env_free(env);
}

Test(tasks, scales_every_body_by_a_power) {
  ml3_env *env = open_task(
      "actions: [push]\nreset: {keyframe: none}\ntask:\n  scale mass *: {power: 1.5, train: [-3, 3], ood: [[-4, -3], "
      "[3, 4]]}\n");
  cr_assert_eq(env->spec->task_dim, 6);
  cr_expect_str_eq(env->spec->task[4].name, "mass_cart");
  cr_expect(env->spec->task[4].value == 0 && env->spec->task[4].low == -3);
  const double action = 1, heavy[6] = {0, 0, 0, 0, 2, 2};
  double state[2][32];
  ml3_env_step(env, &action);
  ml3_env_get_state(env, state[0]);
  ml3_env_reset(env, heavy, NULL);
  ml3_env_step(env, &action);
  ml3_env_get_state(env, state[1]);
  cr_expect_float_eq(state[1][21], state[0][21] / 2.25, 1e-9, "force over 1.5^2 of the mass");
  ml3_env_free(env);
}

Test(tasks, draws_each_split_from_its_own_region) {
  ml3_error error = {0};
  write_text("own.yaml",
             "actions: [push]\nversion: 2\ntask:\n  site goal x: {train: [-1, 1], ood: [-2, 2]}\n  site goal y: "
             "{train: [-1, 1], "
             "ood: [-2, 2]}\n  way: {train: {values: [-1, 1]}, test: {values: [2]}}\n");
  const ml3_env_spec *train = find("own.xml", &error), *ood = find("own.xml:ood", &error),
                     *test = find("own.xml:test", &error);
  cr_assert(train && ood && test, "%s", error.message);
  cr_expect(train->split == 0 && ood->split == 3 && test->split == 2);
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_TEST, 0, 0);
  int ways = 0;
  for (int k = 0; k < 500; k++) {
    double task[3];
    ml3_env_sample_task(train, &random, task);
    cr_assert(fabs(task[0]) <= 1 && fabs(task[1]) <= 1 && fabs(task[2]) == 1);
    ways += task[2] > 0;
    ml3_env_sample_task(ood, &random, task);
    cr_assert(fabs(task[0]) <= 2 && fabs(task[1]) <= 2 && (fabs(task[0]) > 1 || fabs(task[1]) > 1), "outside of train");
    ml3_env_sample_task(test, &random, task);
    cr_assert(fabs(task[0]) <= 1 && task[2] == 2);
  }
  cr_expect(ways > 200 && ways < 300);
}

/* ---- more files ------------------------------------------------------------------------------------------------- */

Test(tasks, extends_another_file) {
  ml3_error error = {0};
  write_text("own.yaml", "actions: [push]\nhorizon: 50\nreward: {alive: 1, speed: qvel slider}\n");
  write_text("more.yaml", "extends: own.yaml\nmodel: own.xml\nhorizon: 70\nreward: {speed: null, far: {of: 3}}\n");
  const ml3_env_spec *spec = find("more.yaml", &error);
  cr_assert_not_null(spec, "%s", error.message);
  cr_expect_eq(spec->horizon, 70);
  cr_assert_eq(spec->term_count, 2);
  cr_expect_str_eq(spec->term_name(spec, 0), "alive");
  cr_expect_str_eq(spec->term_name(spec, 1), "far");

  write_text("circle.yaml", "extends: round.yaml\n");
  write_text("round.yaml", "extends: circle.yaml\n");
  cr_expect_null(find("circle.yaml", &error));
  cr_expect_not_null(strstr(error.message, "circle.yaml:1: extends: the files go round in a circle"), "%s",
                     error.message);
}

/* ---- the examples ----------------------------------------------------------------------------------------------- */

Test(tasks, opens_a_drawer_with_a_hand_on_a_mocap_body) {
  ml3_env *env = open_task(
      "actions:\n  mocap hand: {position: 0.01, low: [-0.5, 0.4, 0.05], high: [0.5, 1, 0.5]}\n  gripper: {r_close: 1, "
      "l_close: -1}\n"
      "points:\n  handle: body drawer_link + [0, -0.16, 0]\n  tcp: mean of geom left geom right\n"
      "observation: [tcp, distance right left, handle, framequat xbody drawer_link, goal]\n"
      "reward:\n  open: {of: distance handle goal, tolerance: {bounds: [0, 0.02], margin: 0.2, sigmoid: long_tail}, "
      "weight: 5}\n"
      "  cage: {of: offset handle tcp, scale: [3, 3, 1], norm: l2, tolerance: {bounds: [0, 0.01], margin: 'start "
      "norm((tcp - handle) * [3, 3, 1])', sigmoid: long_tail}, weight: 5}\n"
      "success: {distance handle goal: [0, 0.03]}\n"
      "reset: {keyframe: none}\n"
      "task:\n  body drawer x: [-0.1, 0.1]\n  site goal: body drawer + [0, -0.36, 0.09]\n");
  const ml3_env_spec *spec = env->spec;
  cr_assert(spec->action_dim == 4 && spec->obs_dim == 14 && spec->task_dim == 1);
  double obs[14], task = 0.05, action[4] = {1, -1, 0, 1};
  ml3_env_reset(env, &task, NULL);
  ml3_env_observe(env, obs);
  const double handle[3] = {0.05, 0.74, 0.1}, goal[3] = {0.05, 0.54, 0.19};
  for (int i = 0; i < 3; i++) {
    cr_expect_float_eq(obs[4 + i], handle[i], 1e-12);
    cr_expect_float_eq(obs[11 + i], goal[i], 1e-12);
  }
  double before[3] = {obs[0], obs[1], obs[2]};
  for (int t = 0; t < 40; t++) ml3_env_step(env, action);
  ml3_env_observe(env, obs);
  cr_expect(obs[0] > before[0] + 0.02 && obs[1] < before[1] - 0.02, "the hand draws the gripper along: %g %g", obs[0],
            obs[1]);
  double terms[2];
  spec->terms(env, terms);
  const double off[3] = {obs[0] - obs[4], obs[1] - obs[5], obs[2] - obs[6]};
  const double start = sqrt(9 * (before[0] - 0.05) * (before[0] - 0.05) + 9 * (before[1] - 0.74) * (before[1] - 0.74) +
                            (before[2] - 0.1) * (before[2] - 0.1));
  const double x = (sqrt(9 * off[0] * off[0] + 9 * off[1] * off[1] + off[2] * off[2]) - 0.01) / start;
  cr_expect_float_eq(terms[1], 5 / (9 * x * x + 1), 1e-9, "%g", terms[1]);
  cr_expect_not(ml3_env_success(env));
  ml3_env_free(env);
}

Test(tasks, swings_up_a_cartpole_as_dm_control_does) {
  ml3_env *env = open_task(
      "actions: [push]\nobservation: [qpos slider, cos hinge, sin hinge, 'qvel[-2:]']\n"
      "reset: {keyframe: none, qpos hinge: 3.14159 + normal 0.01, 'qvel[-2:]': normal 0.01}\nreward:\n  product:\n"
      "    upright: {of: cos hinge, affine: [0.5, 0.5]}\n"
      "    centred: {of: qpos slider, tolerance: {margin: 2}, affine: [0.5, 0.5]}\n"
      "    small_control: {of: action, tolerance: {margin: 1, value_at_margin: 0, sigmoid: quadratic}, affine: [0.8, "
      "0.2]}\n"
      "    small_velocity: {of: qvel hinge, tolerance: {margin: 5}, affine: [0.5, 0.5]}\n");
  double obs[5], action = 0.6;
  for (int t = 0; t < 30; t++) {
    const double r = ml3_env_step(env, &action).reward;
    ml3_env_observe(env, obs);
    const double near = exp(-0.5 * pow(obs[0] / 2 * sqrt(-2 * log(0.1)), 2)),
                 slow = exp(-0.5 * pow(obs[4] / 5 * sqrt(-2 * log(0.1)), 2));
    cr_expect_float_eq(r, (1 + obs[1]) / 2 * (1 + near) / 2 * (0.8 + 0.2 * (1 - 0.36)) * (1 + slow) / 2, 1e-12);
  }
  ml3_env_free(env);
}

/* HalfCheetah's first lines, and an ant with a hidden goal, over built-in files. */
Test(tasks, extends_a_built_in_task_with_a_goal_that_policies_cannot_see) {
  ml3_error error = {0};
  write_text("goal.yaml",
             "extends: ant\nhidden: [goal_x, goal_y]\nreward:\n  forward: null\n  progress: {of: rate of distance "
             "torso target, weight: "
             "-1}\n  alive: {weight: 1, while: healthy}\npoints:\n  target: concat(goal_x, goal_y, 0.75)\n"
             "success: {distance torso target: [0, 0.5]}\ntask:\n  goal_x: {train: [-3, 3], ood: [-5, 5]}\n  goal_y: "
             "{train: [-3, 3], ood: "
             "[-5, 5]}\n");
  const ml3_env_spec *spec = find("goal.yaml", &error), *base = ml3_env_find("ant", &error);
  cr_assert(spec && base, "%s", error.message);
  cr_expect(spec->obs_dim == base->obs_dim && spec->goal_dim == 0 && spec->task_dim == 2 && spec->term_count == 4);
  write_text("seen.yaml", "extends: goal.yaml\nobservation: [qpos, offset torso target]\n");
  cr_expect_null(find("seen.yaml", &error));
  cr_expect_not_null(strstr(error.message, "hidden: the observation 'offset_torso_target_x' tells what is hidden"),
                     "%s", error.message);
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

Test(tasks, says_what_is_wrong_in_which_line) {
  expect_refused("observation: [qpos hinje]\n", "/own.yaml:1: the model has no joint 'hinje'; did you mean 'hinge'?");
  expect_refused("horizon: 5\nobservation: [sensor feld]\n",
                 "/own.yaml:2: the model has no sensor 'feld'; did you mean 'felt'?");
  expect_refused("observation: [bod cart]\n", "/own.yaml:1: unknown quantity 'bod'; did you mean 'box'?");
  expect_refused("observation: [touch palm]\n",
                 "/own.yaml:1: `touch` is computed by a sensor of the model: put <touch name=\"...\"/> into its MJCF "
                 "and write its name");
  expect_refused("observation: ['qpos[20:]']\n", "/own.yaml:1: qpos: the slice takes rows 20 to 11, and there are 12");
  expect_refused("observation: [qpos[1:]]\n",
                 "/own.yaml:1: not YAML: found unexpected ':'; within [ ] and { } put quotes around a text that has "
                 "brackets: 'qpos[1:]'");
  expect_refused(
      "reward: {x: {of: qpos + qvel}}\n",
      "/own.yaml:1: 12 numbers and 11 do not go together; expected as many, or one of them to be a single number");
  expect_refused("reward:\n  x: {of: qpos, tolerance: {margin: 1}}\n",
                 "/own.yaml:2: 12 numbers have no shape; give `norm`, or `each: true` for the mean over them");
  expect_refused("reward: {x: {of: time, norm: cosh}}\n",
                 "/own.yaml:1: norm: cosh needs its size, such as {cosh: {p: 0.1}}");
  expect_refused("reward: {x: {of: time, norm: l3}}\n",
                 "/own.yaml:1: norm: unknown norm 'l3'; did you mean 'l1'? (l1, l2, squared, smooth_abs, cosh and "
                 "power are possible)");
  expect_refused("reward: {x: {of: time, wieght: 2}}\n",
                 "/own.yaml:1: reward: unknown key 'wieght'; did you mean 'weight'?");
  expect_refused("reward: {x: {of: time, tolerance: {sigmoid: gausian}}}\n",
                 "/own.yaml:1: tolerance: unknown sigmoid 'gausian'; did you mean 'gaussian'?");
  expect_refused("reward: {x: {of: time, while: healty}}\nterminate: {healthy: {time: [0, 1]}}\n",
                 "/own.yaml:1: unknown quantity 'healty'; did you mean 'healthy'?");
  expect_refused("task:\n  mass cartt: [1, 2]\n", "/own.yaml:2: the model has no body 'cartt'; did you mean 'cart'?");
  expect_refused("task:\n  mas cart: [1, 2]\n", "/own.yaml:2: task: unknown parameter 'mas'; did you mean 'mass'?");
  expect_refused("task:\n  speed: {train: [0, 2], ood: [1, 2]}\n",
                 "/own.yaml:2: speed: the split `ood` overlaps `train`: all of its tasks are inside");
  expect_refused("task:\n  way: {train: {values: [1, 2]}, test: {values: [3, 2]}}\n",
                 "/own.yaml:2: way: the split `test` overlaps `train`: they share a value");
  expect_refused("task:\n  speed: {ood: [1, 2]}\n", "/own.yaml:2: speed: the split `train` is missing");
  expect_refused("points:\n  a: b + 1\n  b: a + 1\nobservation: [a]\n", "/own.yaml:3: 'a' is made of itself");
  expect_refused("observation: [qpos + normal 1]\n",
                 "/own.yaml:1: random numbers are for `reset` alone; elsewhere a task is a function of its state");
  expect_refused("reset:\n  site goal: 3\n",
                 "/own.yaml:2: reset: expected a part of qpos, qvel, act, mocap_pos or mocap_quat, or a joint");
  expect_refused("hidden: [wind]\ntask: {wing: [0, 1]}\n",
                 "/own.yaml:1: hidden: the task has no parameter 'wind'; did you mean 'wing'?");
  expect_refused("extends: hopperr\n",
                 "/own.yaml:1: extends: there is no built-in task 'hopperr'; expected one, or FILE.yaml");
  expect_refused(
      "model: ${ML3_NO_SUCH}/a.xml\n",
      "/own.yaml:1: the environment variable ML3_NO_SUCH is not set; it names a folder of '${ML3_NO_SUCH}/a.xml'");
  expect_refused("observation: [distance tip]\n", "/own.yaml:1: a quantity is missing at the end");
  expect_refused("observation: [3 3]\n", "/own.yaml:1: '3 3' goes on with '3', which has no place there");
}
