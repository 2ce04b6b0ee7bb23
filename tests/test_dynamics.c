/* Analytic models of environments: they step as the environments do. (The point mass's is in test_envs_pointmass.c, the
   mountain car's in test_oracle.c.) */
#include <criterion/criterion.h>
#include <math.h>

#include "agents/control/dynamics.h"
#include "agents/control/model.h"
#include "envs/env.h"

enum { STATE = 2 };
static const double tolerance = sizeof(ml3_real) == 4 ? 2e-5 : 1e-7; /* Gymnasium's car rounds to single precision */

typedef struct fixture {
  ml3_env *env;
  ml3_model *model;
} fixture;

static fixture open_model(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  const ml3_dynamics *dynamics = ml3_dynamics_find(name, &error);
  cr_assert_not_null(dynamics, "%s", error.message);
  fixture f = {ml3_env_new(spec, &error), ml3_model_of_dynamics(dynamics, NULL, spec, &error)};
  cr_assert(f.env && f.model, "%s", error.message);
  return f;
}

static void close_model(fixture *f) {
  ml3_model_free(f->model);
  ml3_env_free(f->env);
}

/* One step of both from the same state. */
static void expect_same_step(fixture *f, const double *state, double action) {
  double real[STATE], imagined[STATE];
  ml3_env_set_state(f->env, state);
  ml3_env_step(f->env, &action);
  ml3_env_get_state(f->env, real);
  f->model->start(f->model, state);
  f->model->step(f->model, &action, imagined);
  for (int i = 0; i < STATE; i++)
    cr_expect_float_eq(imagined[i], real[i], tolerance * (1 + fabs(real[i])), "%s of (%g, %g) under %g: %g, not %g",
                       f->env->spec->state[i].name, state[0], state[1], action, imagined[i], real[i]);
}

/* From states within those bounds, under actions a little within theirs. */
static void expect_same_steps(fixture *f, const double *low, const double *high) {
  const ml3_env_field *u = f->env->spec->action;
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  for (int k = 0; k < 200; k++) {
    const double state[STATE] = {ml3_random_uniform(&random, low[0], high[0]),
                                 ml3_random_uniform(&random, low[1], high[1])};
    expect_same_step(f, state, ml3_random_uniform(&random, 0.99 * u->low, 0.99 * u->high));
  }
}

Test(dynamics, of_the_pendulum_step_as_it_does) {
  fixture f = open_model("pendulum_swing_up");
  expect_same_steps(&f, (double[STATE]){-7, -8}, (double[STATE]){7, 8});
  close_model(&f);
}

Test(dynamics, of_gymnasiums_mountain_car_step_as_it_does) {
  fixture f = open_model("mountain_car_continuous");
  expect_same_steps(&f, (double[STATE]){-1.2, -0.07}, (double[STATE]){0.449, 0.07});
  expect_same_step(&f, (double[STATE]){-1.19, -0.05}, -0.5); /* into the wall */
  expect_same_step(&f, (double[STATE]){0.3, 0.069}, 0.9);    /* no faster than 0.07 */
  close_model(&f);
}

/* Where an episode ends the model stands still: what comes after costs nothing more. */
Test(dynamics, of_gymnasiums_mountain_car_stay_at_the_flag) {
  fixture f = open_model("mountain_car_continuous");
  const double there[STATE] = {0.47, 0.03}, rolling_back[STATE] = {0.47, -0.03}, action = -0.7;
  double next[STATE];
  f.model->start(f.model, there);
  f.model->step(f.model, &action, next);
  cr_expect_float_eq(next[0], there[0], 1e-7);
  cr_expect_float_eq(next[1], there[1], 1e-7);
  expect_same_step(&f, rolling_back, action); /* which is no success */
  close_model(&f);
}

/* One step from states at speed, and where an episode of small actions ends: the links' own inertia is left out. */
Test(dynamics, of_the_reacher_are_the_simulation_s_but_for_the_links_inertia) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("reacher", &error);
  const ml3_dynamics *dynamics = ml3_dynamics_find("reacher", &error);
  cr_assert_not_null(dynamics, "%s", error.message);
  ml3_model *model = ml3_model_of_dynamics(dynamics, NULL, spec, &error);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 0);
  double state[8], next[8], imagined[8], action[2];
  ml3_env_reset(env, NULL, &random);
  ml3_env_get_state(env, state);
  model->start(model, state);
  for (int t = 0; t < 50; t++) {
    for (int k = 0; k < 2; k++) action[k] = t % 10 ? action[k] : ml3_random_uniform(&random, -0.05, 0.05);
    ml3_env_step(env, action);
    model->step(model, action, imagined);
  }
  ml3_env_get_state(env, next);
  for (int i = 0; i < 8; i++)
    cr_expect_float_eq(imagined[i], next[i], 0.02, "%s: %g, not %g", spec->state[i].name, imagined[i], next[i]);
  cr_expect_gt(fabs(next[0] - state[0]) + fabs(next[1] - state[1]), 0.3, "it should have moved");

  const double close = sizeof(ml3_real) == 4 ? 1e-5 : 1e-12;
  double stopped[8] = {0, 3, 0.1, 0.1, 0, 2, 0, 0};
  action[0] = action[1] = 0.1;
  model->start(model, stopped);
  model->step(model, action, imagined);
  cr_expect_float_eq(imagined[1], 3, close);
  cr_expect_float_eq(imagined[5], 0, close);
  ml3_model_free(model);
  ml3_env_free(env);
}
