/* Costs of iLQR: expansions against differences, sums, definiteness, learned losses; models against their environments. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/learned_cost.h"
#include "agents/control/ilqr.h"

enum { N_MAX = 8, M_MAX = 2 };
static const double EASY =
    sizeof(ml3_real) == sizeof(double) ? 1e-6 : 3e-3; /* of programs in that precision */

typedef struct buffers {
  double ls[N_MAX], lu[M_MAX], lss[N_MAX * N_MAX], luu[M_MAX * M_MAX], lus[M_MAX * N_MAX];
} buffers;

static double expand(const ml3_ilqr_cost *c, const double *s, const double *u, buffers *b) {
  memset(b, 0, sizeof *b);
  ml3_ilqr_expansion e = {b->ls, b->lu, b->lss, b->luu, b->lus, NULL, NULL};
  return c->evaluate(c->user, 0, s, u, &e);
}

/* The gradient against centred differences of the value. */
static void check_gradient(const ml3_ilqr_cost *c, int n, int m, const double *state, const double *action,
                           double tolerance) {
  double s[N_MAX], u[M_MAX], h = sizeof(ml3_real) == sizeof(double) ? 1e-5 : 1e-2;
  buffers b;
  memcpy(s, state, (size_t)n * sizeof *s);
  memcpy(u, action, (size_t)m * sizeof *u);
  expand(c, s, u, &b);
  for (int i = 0; i < n + m; i++) {
    double *x = i < n ? &s[i] : &u[i - n], x0 = *x, plus, minus;
    *x = x0 + h, plus = c->evaluate(c->user, 0, s, u, NULL);
    *x = x0 - h, minus = c->evaluate(c->user, 0, s, u, NULL);
    *x = x0;
    const double slope = (plus - minus) / (2 * h), given = i < n ? b.ls[i] : b.lu[i - n];
    cr_expect_float_eq(given, slope, tolerance * (1 + fabs(slope)), "entry %d: %g, differences %g", i, given,
                       slope);
  }
}

static double smallest_curvature(int n, int m, const buffers *b) { /* along many directions */
  double least = INFINITY;
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  for (int trial = 0; trial < 200; trial++) {
    double d[N_MAX + M_MAX], sum = 0;
    for (int i = 0; i < n + m; i++) d[i] = ml3_random_normal(&random);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) sum += d[i] * b->lss[i * n + j] * d[j];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < m; j++) sum += d[n + i] * b->luu[i * m + j] * d[n + j];
      for (int j = 0; j < n; j++) sum += 2 * d[n + i] * b->lus[i * n + j] * d[j];
    }
    least = fmin(least, sum);
  }
  return least;
}

Test(ilqr_cost, negative_curvature_is_cut_off_and_the_rest_kept) {
  double h[9] = {2, 1, 0, 1, -3, 0.5, 0, 0.5, 1}, kept[4] = {3, 1, 1, 2}, same[4] = {3, 1, 1, 2}, scratch[18];
  ml3_ilqr_make_semidefinite(3, h, scratch);
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_USER, 0, 0);
  for (int trial = 0; trial < 100; trial++) {
    double d[3], sum = 0;
    for (int i = 0; i < 3; i++) d[i] = ml3_random_normal(&random);
    for (int i = 0; i < 9; i++) sum += d[i / 3] * h[i] * d[i % 3];
    cr_expect_geq(sum, -1e-12);
  }
  ml3_ilqr_make_semidefinite(2, kept, scratch);
  cr_expect_eq(memcmp(kept, same, sizeof kept), 0);
}

Test(ilqr_cost, a_reward_is_expanded_by_differences_on_every_environment) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const ml3_env_spec *spec = ml3_env_at(i);
    if (spec->state_dim > N_MAX || spec->action_dim > M_MAX || spec->choices) continue;
    ml3_error error = {0};
    ml3_env *env = ml3_env_new(spec, &error);
    ml3_ilqr_cost cost = ml3_ilqr_reward(env, 0.01, &error);
    cr_assert_not_null(cost.evaluate, "%s", error.message);
    double state[N_MAX], action[M_MAX];
    ml3_env_get_state(env, state);
    for (int j = 0; j < spec->state_dim; j++) state[j] += 0.013 * (j + 1);
    for (int j = 0; j < spec->action_dim; j++) action[j] = 0.3 * spec->action[j].high;
    buffers b;
    const double value = expand(&cost, state, action, &b);
    ml3_env_set_state(env, state);
    double energy = 0;
    for (int j = 0; j < spec->action_dim; j++) energy += 0.005 * action[j] * action[j];
    const double reward = ml3_env_step(env, action).reward;
    cr_expect_float_eq(value, energy - reward, 1e-9, "%s", spec->name);
    const double least = smallest_curvature(spec->state_dim, spec->action_dim, &b);
    cr_expect_geq(least, -1e-6, "%s: %g; %g %g %g", spec->name, least, b.lss[0], b.lss[3], b.luu[0]);
    ml3_ilqr_cost_free(&cost);
    ml3_env_free(env);
  }
}

/* At an action's bound the other side is clipped: the derivative is that from within. */
Test(ilqr_cost, a_reward_is_expanded_one_sidedly_at_an_actions_bound) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(ml3_env_find("pendulum_swing_up", &error), &error);
  ml3_ilqr_cost cost = ml3_ilqr_reward(env, 0, &error);
  cr_assert_not_null(cost.evaluate, "%s", error.message);
  for (int sign = -1; sign <= 1; sign += 2) {
    const double state[2] = {0.4, 0.3}, at[1] = {3.0 * sign}, h = 1e-4;
    double f[3];
    buffers b, inside;
    expand(&cost, state, at, &b);
    for (int i = 0; i < 3; i++) {
      const double u = (3 - i * h) * sign;
      f[i] = cost.evaluate(cost.user, 0, state, &u, NULL);
    }
    const double slope = sign * (3 * f[0] - 4 * f[1] + f[2]) / (2 * h);
    cr_expect_float_eq(b.lu[0], slope, 1e-6 * (1 + fabs(slope)), "d cost / d action at %g is %g, not %g", at[0], b.lu[0],
                       slope);
    const double within[1] = {2.99 * sign};
    expand(&cost, state, within, &inside);
    cr_expect_float_eq(b.luu[0], inside.luu[0], 0.02 * fabs(inside.luu[0]));
    for (int i = 0; i < 2; i++) {
      cr_expect_float_eq(b.ls[i], inside.ls[i], 0.02 * (1 + fabs(inside.ls[i])), "d cost / d state %d", i);
      cr_expect_float_eq(b.lus[i], inside.lus[i], 0.02 * (1 + fabs(inside.lus[i])), "mixed %d", i);
    }
  }
  ml3_ilqr_cost_free(&cost);
  ml3_env_free(env);
}

Test(ilqr_cost, a_sum_adds_values_and_expansions) {
  const double goal[2] = {1, 2}, weights[2] = {1, 3}, s[2] = {0.2, -0.4}, u[1] = {0.7};
  const ml3_ilqr_goal_cost tracking = {2, 1, goal, weights, 1, 0, 10};
  const ml3_ilqr_energy_cost energy = {1, 0.5};
  ml3_error error = {0};
  const ml3_ilqr_cost terms[2] = {ml3_ilqr_goal(&tracking), ml3_ilqr_energy(&energy)};
  ml3_ilqr_cost both = ml3_ilqr_sum(terms, 2, 2, 1, &error);
  buffers a, b, c;
  cr_expect_float_eq(expand(&both, s, u, &c), expand(&terms[0], s, u, &a) + expand(&terms[1], s, u, &b),
                     1e-15);
  cr_expect_float_eq(c.luu[0], 0.5, 1e-15);
  cr_expect_float_eq(c.lss[3], 3, 1e-15);
  check_gradient(&both, 2, 1, s, u, 1e-3);
  expand(&both, s, NULL, &c);
  cr_expect_float_eq(c.lss[3], 30, 1e-15);
  cr_expect_eq(c.luu[0], 0);
  ml3_ilqr_cost_free(&both);
}

static ml3_loss *make_loss(ml3_activation activation) {
  const ml3_loss_spec spec = {.net = {.inputs = 4,
                                      .outputs = 1,
                                      .depth = 2,
                                      .hidden = {12, 8},
                                      .activation = activation,
                                      .output = ML3_IDENTITY,
                                      .bias = true},
                              .rate = 0.1,
                              .learn_rate = ML3_RATE_FIXED,
                              .theta_size = 3};
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&spec, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  return loss;
}

Test(ilqr_cost, a_learned_loss_is_expanded_by_differentiating_it_twice) {
  ml3_loss *loss = make_loss(ML3_TANH);
  const double rest[1] = {0.8}, s[2] = {-0.5, 0.3}, u[1] = {0.1};
  ml3_error error = {0};
  ml3_ilqr_cost cost = ml3_ilqr_learned(loss, 2, 1, rest, 0.5, &error);
  cr_assert_not_null(cost.evaluate, "%s", error.message);
  buffers b;
  const double row[4] = {s[0], s[1], u[0], rest[0]};
  cr_expect_float_eq(expand(&cost, s, u, &b), ml3_loss_value(loss, row) + 0.25 * u[0] * u[0], EASY);
  check_gradient(&cost, 2, 1, s, u, EASY);
  cr_expect_geq(smallest_curvature(2, 1, &b), -1e-6);
  cr_expect_eq(cost.evaluate(cost.user, 0, s, NULL, NULL), 0, "no cost at the end");
  ml3_ilqr_cost_free(&cost);
  ml3_loss_free(loss);
}

Test(ilqr_cost, a_learned_loss_with_relu_is_refused) {
  ml3_loss *loss = make_loss(ML3_RELU);
  const double rest[1] = {0};
  ml3_error error = {0};
  cr_expect_null(ml3_ilqr_learned(loss, 2, 1, rest, 0, &error).evaluate);
  cr_expect_not_null(strstr(error.message, "ReLU"));
  ml3_loss_free(loss);
}

Test(ilqr_cost, a_graphs_model_agrees_with_its_environment) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("mountain_car", &error);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_model *real = ml3_model_of_env(env, &error);
  ml3_model *graph = ml3_model_of_dynamics(ml3_dynamics_find("mountain_car", &error), NULL, spec, &error);
  cr_assert(real && graph, "%s", error.message);
  ml3_model *clone = graph->clone(graph, &error);
  enum { COUNT = 70 };
  double states[COUNT][2], actions[COUNT][1], a[3][COUNT][4], b[3][COUNT][2], next[3][2];
  for (int i = 0; i < COUNT; i++) {
    states[i][0] = -1 + 0.02 * i, states[i][1] = 0.3 * sin(i), actions[i][0] = 0.2 * cos(3 * i);
    ml3_model *models[3] = {real, graph, clone};
    for (int k = 0; k < 3; k++) {
      models[k]->start(models[k], states[i]);
      models[k]->step(models[k], actions[i], next[k]);
    }
    for (int j = 0; j < 2; j++) cr_expect_float_eq(next[0][j], next[1][j], 1e-5);
    cr_expect_eq(memcmp(next[1], next[2], sizeof next[1]), 0);
  }
  real->linearize(real, COUNT, states[0], actions[0], a[0][0], b[0][0]);
  graph->linearize(graph, COUNT, states[0], actions[0], a[1][0], b[1][0]);
  for (int i = 0; i < COUNT; i++) {
    for (int j = 0; j < 4; j++) cr_expect_float_eq(a[0][i][j], a[1][i][j], 1e-5, "point %d", i);
    for (int j = 0; j < 2; j++) cr_expect_float_eq(b[0][i][j], b[1][i][j], 1e-5, "point %d", i);
  }
  ml3_model_free(clone);
  ml3_model_free(graph);
  ml3_model_free(real);
  ml3_env_free(env);
}

Test(ilqr_cost, a_reward_of_too_many_entries_is_refused_with_a_sentence) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(ml3_env_find("pendulum_swing_up", &error), &error);
  ml3_env_spec large = *env->spec;
  large.state_dim = 800;
  const ml3_env many = {.spec = &large, .task = env->task};
  cr_expect_null(ml3_ilqr_reward(&many, 0, &error).evaluate);
  cr_expect_eq(error.code, ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "at most 256 entries"), "%s", error.message);
  ml3_env_free(env);
}
