/* The language of tasks: how goals and observations are shown, links of another length, pictures and the hand in a window. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "task_files.h"

/* A pole on a cart, its length open, with a lump at its end; and a mark that is only to be looked at. */
static const char MODEL[] =
    "<mujoco><compiler angle='radian'/><option timestep='0.005'/><worldbody>\n"
    "<body name='mark' pos='0.3 0 0'><geom name='mark' size='0.05' mass='0' contype='0' conaffinity='0'/></body>\n"
    "<body name='cart'><joint name='slider' type='slide' axis='1 0 0'/><geom name='cart' size='0.1' mass='1'/>\n"
    "<body name='pole'><joint name='hinge' type='hinge' axis='0 1 0'/><geom name='pole' type='%s' "
    "fromto='0.02 0 0.01 %.17g 0 %.17g' size='0.04' mass='0.3'/>\n"
    "<body name='lump' pos='%.17g 0 %.17g'><geom size='0.05' mass='0.2'/></body></body></body></worldbody>\n"
    "<actuator><motor name='push' joint='slider' gear='10' ctrllimited='true' ctrlrange='-1 1'/></actuator></mujoco>\n";

static void write_model(const char *file, const char *type, double length) {
  char text[2048];
  const double x = 0.02 + 0.6 * length, z = 0.01 + 0.8 * length;
  snprintf(text, sizeof text, MODEL, type, x, z, x, z);
  write_text(file, text);
}

static void set_up(void) {
  make_folder("");
  write_model("own.xml", "capsule", 0.5);
}

TestSuite(shown, .init = set_up, .fini = remove_folder);

static const ml3_env_spec *find(const char *file, ml3_error *error) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  return ml3_env_find(path, error);
}

static ml3_env *open_file(const char *model, const char *file, const char *yaml) {
  ml3_error error = {0};
  write_text(file, yaml);
  const ml3_env_spec *spec = find(model, &error);
  ml3_env *env = spec ? ml3_env_new(spec, &error) : NULL;
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

static ml3_env *open_task(const char *yaml) {
  return open_file("own.xml", "own.yaml", yaml);
}

static void expect_refused(const char *yaml, const char *expected) {
  ml3_error error = {0};
  write_text("own.yaml", yaml);
  cr_expect_null(find("own.xml", &error), "not refused: %s", expected);
  cr_expect_not_null(strstr(error.message, expected), "%s", error.message);
}

/* ---- fields -------------------------------------------------------------------------------------------------------- */

static void expect_field(const ml3_env_field *f, const char *name, const char *unit, double low, double high) {
  cr_expect_str_eq(f->name, name);
  cr_expect_str_eq(f->unit, unit, "%s", name);
  cr_expect(f->low == low && f->high == high, "%s: %g to %g", name, f->low, f->high);
}

Test(shown, quantities_have_the_names_units_and_ranges_that_are_given) {
  ml3_env *env = open_task(
      "observation:\n  - {of: slider, name: place, range: [-2, 2]}\n  - sin qpos\n  - {of: body lump, unit: cm}\n"
      "  - {of: offset cart lump xz, name: way}\n");
  const ml3_env_field *obs = env->spec->obs;
  cr_assert_eq(env->spec->obs_dim, 8);
  expect_field(obs, "place", "m", -2, 2);
  expect_field(obs + 1, "sin_slider", "1", -1, 1);
  expect_field(obs + 2, "sin_hinge", "1", -1, 1);
  expect_field(obs + 4, "lump_y", "cm", -INFINITY, INFINITY);
  expect_field(obs + 7, "way_z", "1", -INFINITY, INFINITY);
  ml3_env_free(env);
}

/* What policies have as the goal is not what the distance is measured by. */
Test(shown, a_goal_is_shown_as_quantities) {
  ml3_env *env = open_task(
      "goal:\n  of: slider\n  target: x\n  shown: {slider: {of: x, unit: m}, hinge: 0, slider_velocity: x / 2, "
      "hinge_velocity: 0}\n"
      "task: {x: {train: [0, 1], value: 0.75, unit: m}}\nobservation: [goal, to_goal]\n");
  double goal[4], obs[2];
  ml3_env_goal(env, goal);
  ml3_env_observe(env, obs);
  cr_assert_eq(env->spec->goal_dim, 4);
  cr_expect(goal[0] == 0.75 && goal[1] == 0 && goal[2] == 0.375 && goal[3] == 0);
  cr_expect(obs[0] == 0.75 && obs[1] == 0.75 && ml3_env_distance(env) == 0.75);
  cr_expect(ml3_env_goal_is_state(env->spec), "by name");
  cr_expect_str_eq(env->spec->task[0].unit, "m");
  ml3_env_free(env);
}

Test(shown, select_takes_the_first_above_zero_and_else_the_second) {
  ml3_env *env = open_task("task: {x: [-1, 1]}\nobservation: ['select(x, [1, 2], 3)', select x x -x]\n");
  const double given[4] = {0.5, 0, -0.25, NAN}, expected[4][3] = {{1, 2, 0.5}, {3, 3, 0}, {3, 3, 0.25}, {3, 3, NAN}};
  for (int i = 0; i < 4; i++) {
    double obs[3];
    ml3_env_reset(env, given + i, NULL);
    ml3_env_observe(env, obs);
    for (int k = 0; k < 3; k++)
      cr_expect(obs[k] == expected[i][k] || (isnan(obs[k]) && isnan(expected[i][k])), "%g: number %d is %g", given[i],
                k, obs[k]);
  }
  ml3_env_free(env);
}

/* What is kept of the step before tells as much. */
Test(shown, a_hidden_parameter_is_not_told_by_what_is_kept_of_it) {
  expect_refused("task: {x: [0, 1]}\nhidden: [x]\nobservation: [last (slider * x)]\n", "tells what is hidden");
  expect_refused("task: {x: [0, 1]}\nhidden: [x]\nobservation: [last last x]\n", "tells what is hidden");
}

/* ---- lengths -------------------------------------------------------------------------------------------------------- */

static void expect_same_steps(ml3_env *a, ml3_env *b, const char *what) {
  double x[4], y[4];
  const double start[4] = {0, 0.3, 0.2, -1};
  ml3_env_set_state(a, start);
  ml3_env_set_state(b, start);
  for (int t = 0; t < 50; t++) {
    const double action = sin(0.3 * t);
    ml3_env_step(a, &action);
    ml3_env_step(b, &action);
  }
  ml3_env_get_state(a, x);
  ml3_env_get_state(b, y);
  for (int i = 0; i < 4; i++) cr_expect_float_eq(x[i], y[i], 1e-10, "%s: %g for %g", what, x[i], y[i]);
  cr_expect(fabs(x[1] - 0.3) > 0.05);
}

/* As MuJoCo compiles the model with a link of that length, of the same mass. */
Test(shown, a_link_of_another_length_moves_as_one_that_was_made_so) {
  const char *const types[2] = {"capsule", "cylinder"};
  for (int k = 0; k < 2; k++) {
    write_model("own.xml", types[k], 0.5);
    write_model("long.xml", types[k], 0.8);
    ml3_env *env = open_task(
        "task:\n  link: {train: [0.1, 1], value: 0.5}\n  length pole: link\n  body lump x: 0.02 + 0.6 * link\n"
        "  body lump z: 0.01 + 0.8 * link\n");
    ml3_env *made = open_file("long.xml", "long.yaml", "horizon: 100\n");
    const double link = 0.8;
    ml3_env_reset(env, &link, NULL);
    expect_same_steps(env, made, types[k]);
    ml3_env_free(env);
    ml3_env_free(made);
  }
}

/* Twice the mass under twice the force does the same; the pole, the cart and the lump are all twice as heavy. */
Test(shown, one_factor_scales_all_that_counts) {
  ml3_env *env = open_task("task:\n  m: {train: [1, 3], value: 1}\n  scale mass *: m\n  scale gear *: m\n");
  ml3_env *made = open_file("own.xml", "own.yaml", "horizon: 100\n");
  const double twice = 2;
  ml3_env_reset(env, &twice, NULL);
  expect_same_steps(env, made, "twice the mass");
  ml3_env_free(env);
  ml3_env_free(made);
}

/* ---- pictures and hands ----------------------------------------------------------------------------------------------- */

Test(shown, a_hand_sets_parameters_and_what_of_the_state_follows_from_them) {
  ml3_env *env = open_task(
      "task:\n  angle: [-4, 4]\n  place: [-1, 1]\n  body mark x: place\n  mass cart: 2 + place\n"
      "reset:\n  qpos hinge: angle\n  qpos slider: normal 0.1\n"
      "hand:\n  angle: atan2(hand z, hand x)\n  place: clip(hand x, -1, 1)\nobservation: [qpos, qvel, place]\n");
  const double state[4] = {0.1, 0.2, 0.3, 0.4}, point[3] = {2, 0, 2}, none = 0;
  double obs[5];
  ml3_env_step(env, &none);
  ml3_env_set_state(env, state);
  cr_assert(ml3_env_move_goal(env, point));
  ml3_env_observe(env, obs);
  cr_expect_float_eq(env->task[0], atan2(2, 2), 1e-15);
  cr_expect_eq(env->task[1], 1);
  cr_expect_float_eq(obs[1], atan2(2, 2), 1e-15);
  cr_expect(obs[0] == 0.1 && obs[2] == 0.3 && obs[3] == 0 && obs[4] == 1,
            "the rest stays; what is put there rests: %g %g %g %g", obs[0], obs[2], obs[3], obs[4]);
  ml3_env_free(env);
}

Test(shown, a_plane_lies_along_two_entries_of_the_state) {
  ml3_env *env =
      open_task("plane: {along: [hinge, slider_velocity], low: [-1, -2], high: [1, 2], from: [0, 0], to: [2, 3]}\n");
  const ml3_env_plane *p = env->spec->plane;
  cr_assert_not_null(p);
  cr_expect(p->along_x == 1 && p->along_y == 2 && p->low[1] == -2 && p->high[0] == 1 && p->to[1] == 3 &&
            p->height == 0);
  ml3_env_free(env);
}

/* ---- what is refused -------------------------------------------------------------------------------------------------- */

Test(shown, says_what_is_wrong_in_which_line) {
  expect_refused("observation: [{of: slider, rnge: [0, 1]}]\n",
                 "/own.yaml:1: a quantity: unknown key 'rnge'; did you mean 'range'?");
  expect_refused("observation: [{name: slider}]\n", "/own.yaml:1: expected {of: QUANTITY, name: N");
  expect_refused("goal: {of: slider, target: 1, shown: x}\n", "/own.yaml:1: goal: shown: expected lines such as");
  expect_refused("observation: ['select(qpos, 1, 2)']\n", "/own.yaml:1: select X A B: expected one number X");
  expect_refused(
      "task:\n  length cart: [1, 2]\n",
      "/own.yaml:2: task: geom 'cart' has no length that can vary: expected a capsule or cylinder that is all "
      "of its body's mass");
  expect_refused("task:\n  length pole: [0, 2]\n", "/own.yaml:2: task: a length must be above 0");
  expect_refused("task:\n  m: [1, 2]\n  mass *: m\n", "/own.yaml:3: task: `*` goes with `scale`");
  expect_refused("task:\n  m: [1, 2]\n  scale armature *: m\n",
                 "/own.yaml:3: task: the model has nothing to scale by 'scale armature *'");
  expect_refused("task: {place: [0, 1]}\nhand: {plce: hand x}\n",
                 "/own.yaml:2: hand: the task has no parameter 'plce'; did you mean 'place'?");
  expect_refused("task: {place: [0, 1]}\nhand: {place: body cart x}\n",
                 "/own.yaml:2: hand: expected quantities of `hand`, parameters and numbers alone");
  expect_refused("plane: {along: [hinge, slidr], low: [-1, -2], high: [1, 2], from: [0, 0], to: [2, 3]}\n",
                 "/own.yaml:1: plane: the state has no entry 'slidr'; did you mean 'slider'?");
  expect_refused("plane: {along: [hinge, slider], low: [-1, 2], high: [1, 2], from: [0, 0], to: [2, 3]}\n",
                 "/own.yaml:1: plane: low must be below high");
  expect_refused("plane: {along: [hinge, slider], low: 1}\n", "/own.yaml:1: plane: low: expected two numbers");
}
