/* The reward of a task as data as a cost of iLQR: its slopes against differences of the reward, its curvature against formulas. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/difference.h"
#include "envs/env.h"

enum { K_MAX = 96 };

/* An environment with its expansion at a state. */
typedef struct point {
  ml3_env *env;
  int n, m;
  double state[K_MAX], action[K_MAX], a[K_MAX * K_MAX], b[K_MAX * K_MAX], gradient[K_MAX], hessian[K_MAX * K_MAX];
  double reward;
} point;

static void open_point(point *p, const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert_not_null(spec, "%s", error.message);
  p->env = ml3_env_new(spec, &error);
  cr_assert_not_null(p->env, "%s", error.message);
  p->n = spec->state_dim, p->m = spec->action_dim;
  cr_assert_leq(p->n + p->m, K_MAX);
}

static void expand(point *p) {
  ml3_env_expansion e = {.a = p->a, .b = p->b, .gradient = p->gradient, .hessian = p->hessian};
  ml3_env_set_state(p->env, p->state);
  ml3_env_linearize(p->env, p->action, p->a, p->b);
  cr_assert(ml3_env_expand(p->env, p->action, &e));
  p->reward = e.reward;
}

static double cost_at(const point *p, const double *state, const double *action) {
  ml3_env_set_state(p->env, state);
  return -ml3_env_step(p->env, action).reward;
}

/* The entry i of [state, action] moved by h. */
static double moved(const point *p, int i, double h) {
  double state[K_MAX], action[K_MAX];
  memcpy(state, p->state, sizeof state);
  memcpy(action, p->action, sizeof action);
  *(i < p->n ? &state[i] : &action[i - p->n]) += h;
  return cost_at(p, state, action);
}

/* A state of the middle of an episode of small actions, from number `seed`. */
static void wander(point *p, int seed, int steps) {
  ml3_random random = ml3_random_stream((uint64_t)seed, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(p->env, NULL, &random);
  for (int t = 0; t < steps; t++) {
    for (int i = 0; i < p->m; i++)
      p->action[i] = 0.3 * p->env->spec->action[i].high * ml3_random_uniform(&random, -1, 1);
    ml3_env_step(p->env, p->action);
  }
  ml3_env_get_state(p->env, p->state);
}

static void check_slopes(const char *name, int seed, int steps, double tolerance) {
  static point p;
  open_point(&p, name);
  wander(&p, seed, steps);
  expand(&p);
  cr_expect_float_eq(p.reward, -cost_at(&p, p.state, p.action), 1e-12, "%s: the reward is %g", name, p.reward);
  double largest = 0;
  for (int i = 0; i < p.n + p.m; i++) largest = fmax(largest, fabs(p.gradient[i]));
  for (int i = 0; i < p.n + p.m; i++) {
    const double h = 1e-5, slope = (moved(&p, i, h) - moved(&p, i, -h)) / (2 * h);
    cr_expect_float_eq(p.gradient[i], slope, tolerance * (1 + largest), "%s, entry %d: %.9g, by differences %.9g", name,
                       i, p.gradient[i], slope);
  }
  ml3_env_free(p.env);
}

Test(reward_expansion, slopes_are_those_of_the_reward) {
  static const char *const names[] = {"half_cheetah", "swimmer", "hopper", "walker2d"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int seed = 0; seed < 3; seed++) check_slopes(names[i], seed, 2, 1e-4);
}

Test(reward_expansion, slopes_of_places_as_of_the_last_substep_are_near) {
  static const char *const names[] = {"inverted_double_pendulum", "pusher"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_slopes(names[i], 0, 2, 0.05);
}

/* ---- curvature ------------------------------------------------------------------------------------------------------ */

/* A task of one's own over the double pendulum, by its reward; the tip is observed. */
static void open_task(point *p, const char *reward) {
  char path[] = "/tmp/ml3_reward_XXXXXX.yaml";
  const int file = mkstemps(path, 5);
  cr_assert_geq(file, 0);
  FILE *out = fdopen(file, "w");
  fprintf(out,
          "model: %s/../envs/models/inverted_double_pendulum.xml\nframe_skip: 2\nobservation: [site tip]\n"
          "reward:\n%s",
          ML3_TEST_DATA, reward);
  fclose(out);
  open_point(p, path);
  unlink(path);
  cr_assert_eq(p->n + p->m, 7);
  const double state[] = {0.1, 0.3, -0.2, 0.5, -0.4, 0.7};
  memcpy(p->state, state, sizeof state);
  p->action[0] = 0.2;
}

/* The tip's derivative by [state, action]: jacobian[3][7]; the tip itself. */
static void tip_slopes(const point *p, double jacobian[3][7], double *tip) {
  double plus[3], minus[3];
  for (int i = 0; i < 7; i++) {
    moved(p, i, 1e-5);
    ml3_env_observe(p->env, plus);
    moved(p, i, -1e-5);
    ml3_env_observe(p->env, minus);
    for (int k = 0; k < 3; k++) jacobian[k][i] = (plus[k] - minus[k]) / 2e-5;
  }
  moved(p, 0, 0);
  ml3_env_observe(p->env, tip);
}

Test(reward_expansion, a_sum_of_squares_has_the_curvature_of_gauss_and_newton) {
  static point p;
  double jacobian[3][7], tip[3];
  open_task(&p, "  reach: {of: site tip, target: [0.5, 0, 1], norm: squared, weight: -1.5}\n");
  expand(&p);
  tip_slopes(&p, jacobian, tip);
  for (int i = 0; i < 7; i++)
    for (int j = 0; j < 7; j++) {
      double expected = 0;
      for (int k = 0; k < 3; k++) expected += 2 * 1.5 * jacobian[k][i] * jacobian[k][j];
      cr_expect_float_eq(p.hessian[i * 7 + j], expected, 1e-5 * (1 + fabs(expected)), "(%d, %d): %g, expected %g", i, j,
                         p.hessian[i * 7 + j], expected);
    }
  ml3_env_free(p.env);
}

/* weight (1 - u u') / length between the rows, u the direction. */
Test(reward_expansion, a_distance_is_curved_across_its_direction_alone) {
  static point p;
  double jacobian[3][7], tip[3];
  const double target[3] = {0.5, 0.2, 1};
  open_task(&p, "  reach: {of: site tip, target: [0.5, 0.2, 1], norm: l2, weight: -2}\n");
  expand(&p);
  tip_slopes(&p, jacobian, tip);
  const double way[3] = {tip[0] - target[0], tip[1] - target[1], tip[2] - target[2]};
  const double length = sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]);
  for (int i = 0; i < 7; i++)
    for (int j = 0; j < 7; j++) {
      double expected = 0, along_i = 0, along_j = 0;
      for (int k = 0; k < 3; k++) {
        expected += jacobian[k][i] * jacobian[k][j];
        along_i += way[k] / length * jacobian[k][i];
        along_j += way[k] / length * jacobian[k][j];
      }
      expected = 2 * (expected - along_i * along_j) / length;
      cr_expect_float_eq(p.hessian[i * 7 + j], expected, 1e-5 * (1 + fabs(expected)), "(%d, %d): %g, expected %g", i, j,
                         p.hessian[i * 7 + j], expected);
    }
  ml3_env_free(p.env);
}

Test(reward_expansion, a_term_that_is_curved_downwards_counts_as_flat) {
  static point p;
  open_task(&p, "  hill: {of: action * action, weight: 1}\n  bowl: {of: 3 * action * action, weight: -1}\n");
  expand(&p);
  cr_expect_float_eq(p.hessian[6 * 7 + 6], 6, 1e-6, "by the action: %g", p.hessian[6 * 7 + 6]);
  ml3_env_free(p.env);
}

/* cost = w u v, of the action u and the speed v with the row g = dv/dx: eigenvalues of both signs, -+ w |g| along the unit vectors
   e of u and g / |g|, of which that of e + g / |g| is kept: w |g| / 2 (e + g / |g|) (e + g / |g|)'. */
Test(reward_expansion, of_a_product_the_positive_part_is_kept) {
  static point p;
  double row[7], length = 0;
  open_task(&p, "  power: {product: {force: action, speed: qvel slider}, weight: -0.3}\n");
  expand(&p);
  for (int i = 0; i < 7; i++) row[i] = i < 6 ? p.a[3 * 6 + i] : p.b[3];
  for (int i = 0; i < 7; i++) length += row[i] * row[i];
  length = sqrt(length);
  for (int i = 0; i < 7; i++)
    for (int j = 0; j < 7; j++) {
      const double expected = 0.3 * length / 2 * ((i == 6) + row[i] / length) * ((j == 6) + row[j] / length);
      cr_expect_float_eq(p.hessian[i * 7 + j], expected, 1e-6, "(%d, %d): %g, expected %g", i, j, p.hessian[i * 7 + j],
                         expected);
    }
  ml3_env_free(p.env);
}

static const char ALL[] =
    "  reach: {of: site tip, target: [0.1, 0, 1], norm: l2, weight: -2}\n"
    "  turn: {of: 'qpos[1:]', norm: {smooth_abs: {p: 0.1}}, weight: -0.5}\n"
    "  near: {of: site tip z, tolerance: {bounds: [1.15, 1.25], margin: 0.5}, weight: 3}\n"
    "  effort: {of: action, norm: {cosh: {p: 0.5}}, weight: -0.1}\n"
    "  speed: {of: rate of site tip x, norm: squared, weight: -0.1}\n"
    "  hold: {of: ctrl, norm: squared, weight: -0.05}\n"
    "  power: {product: {force: action, speed: qvel slider}, weight: -0.3}\n"
    "  wave: {of: sin qpos slider * cos site tip x, exp: -0.7}\n"
    "  jerk: {of: action - last_action, norm: {power: {p: 3}}, weight: -0.2}\n";

Test(reward_expansion, slopes_of_every_kind_of_term_are_those_of_the_reward) {
  static point p;
  open_task(&p, ALL);
  expand(&p);
  for (int i = 0; i < 7; i++) {
    const double slope = (moved(&p, i, 1e-5) - moved(&p, i, -1e-5)) / 2e-5;
    cr_expect_float_eq(p.gradient[i], slope, 1e-5 * (1 + fabs(slope)), "entry %d: %.9g, by differences %.9g", i,
                       p.gradient[i], slope);
  }
  ml3_env_free(p.env);
}

Test(reward_expansion, is_curved_downwards_nowhere) {
  static point p;
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  open_task(&p, ALL);
  for (int trial = 0; trial < 20; trial++) {
    for (int i = 0; i < 6; i++) p.state[i] = ml3_random_normal(&random);
    p.action[0] = ml3_random_uniform(&random, -1, 1);
    expand(&p);
    for (int k = 0; k < 100; k++) {
      double d[7], sum = 0, size = 0;
      for (int i = 0; i < 7; i++) d[i] = ml3_random_normal(&random);
      for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
          sum += d[i] * p.hessian[i * 7 + j] * d[j], size = fmax(size, fabs(p.hessian[i * 7 + j]));
          cr_assert_float_eq(p.hessian[i * 7 + j], p.hessian[j * 7 + i], 1e-9 * (1 + size));
        }
      cr_expect_gt(sum, -1e-9 * (1 + size), "trial %d: %g", trial, sum);
    }
  }
  ml3_env_free(p.env);
}

/* ---- quaternions ---------------------------------------------------------------------------------------------------- */

#define TURNING ML3_TEST_DATA "/data/mjcf/turning.xml"

/* A body that floats and turns, a ball joint on it: four numbers a rotation, of which the derivative has three directions. */
Test(tangent, a_step_of_quaternions_has_the_derivative_of_differences) {
  static point p;
  static double a[K_MAX * K_MAX], b[K_MAX * K_MAX];
  open_point(&p, TURNING);
  cr_assert_eq(p.n, 7 + 4 + 2 + 6 + 3 + 2);
  for (int seed = 0; seed < 3; seed++) {
    wander(&p, seed, 40);
    ml3_env_set_state(p.env, p.state);
    ml3_env_linearize(p.env, p.action, p.a, p.b);
    ml3_env_set_state(p.env, p.state);
    ml3_env_difference(p.env, p.action, a, b);
    for (int i = 0; i < p.n * p.n; i++)
      cr_expect_float_eq(p.a[i], a[i], 2e-5 * (1 + fabs(a[i])), "(%d, %d): %.9g, by differences %.9g", i / p.n, i % p.n,
                         p.a[i], a[i]);
    for (int i = 0; i < p.n * p.m; i++)
      cr_expect_float_eq(p.b[i], b[i], 2e-5 * (1 + fabs(b[i])), "(%d, %d): %.9g, by differences %.9g", i / p.m, i % p.m,
                         p.b[i], b[i]);
  }
  ml3_env_free(p.env);
}

Test(tangent, slopes_of_a_reward_of_quaternions_are_those_of_the_reward) {
  check_slopes(TURNING, 1, 40, 1e-5);
}
