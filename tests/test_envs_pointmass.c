/* The point mass: its physics (energy, symmetry, rails, tasks) and its differentiable model. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "agents/control/dynamics.h"
#include "envs/env.h"
#include "nn/program.h"

enum { STATE = 4, ACTION = 2, TASK = 8 };

static ml3_env *open_env(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  ml3_env *env = spec ? ml3_env_new(spec, &error) : NULL;
  cr_assert_not_null(env, "%s", error.message);
  return env;
}

static void step_from(ml3_env *env, const double *state, const double *action, double *next) {
  ml3_env_set_state(env, state);
  ml3_env_step(env, action);
  ml3_env_get_state(env, next);
}

/* v' = v m / (m + h d) in each of five substeps, whatever the mass and the damping of the task. */
Test(pointmass, loses_energy_to_its_damping_alone) {
  ml3_env *env = open_env("pointmass_goal");
  const double cases[3][2] = {{0.5, 0.2}, {0.25, 0.8}, {1, 0.05}}, still[ACTION] = {0};
  for (int k = 0; k < 3; k++) {
    double task[TASK], next[STATE], start[STATE] = {0.1, -0.3, 0.7, -0.4};
    ml3_env_default_task(env->spec, task);
    task[ml3_env_task_index(env->spec, "mass")] = cases[k][0];
    task[ml3_env_task_index(env->spec, "damping")] = cases[k][1];
    ml3_env_reset(env, task, NULL);
    step_from(env, start, still, next);
    double keep = pow(cases[k][0] / (cases[k][0] + 0.01 * cases[k][1]), 5);
    cr_expect_float_eq(next[2], 0.7 * keep, 1e-14);
    cr_expect_float_eq(next[3], -0.4 * keep, 1e-14);
  }
  ml3_env_free(env);
}

/* The table looks the same from every side: mirrored and turned states have mirrored and turned successors. */
Test(pointmass, is_symmetric) {
  ml3_env *env = open_env("pointmass");
  const double s[STATE] = {0.3, -0.7, 1.1, -0.6}, u[ACTION] = {0.8, -0.3};
  double next[STATE], mirrored[STATE], turned[STATE];
  step_from(env, s, u, next);
  step_from(env, (double[STATE]){-s[0], s[1], -s[2], s[3]}, (double[ACTION]){-u[0], u[1]}, mirrored);
  step_from(env, (double[STATE]){s[1], s[0], s[3], s[2]}, (double[ACTION]){u[1], u[0]}, turned);
  for (int i = 0; i < STATE; i++) {
    cr_expect_float_eq(mirrored[i], i % 2 ? next[i] : -next[i], 1e-15);
    cr_expect_float_eq(turned[i], next[i ^ 1], 1e-15);
  }
  ml3_env_free(env);
}

Test(pointmass, is_held_by_its_rails_and_loses_energy_there) {
  ml3_env *env = open_env("pointmass");
  double state[STATE] = {0.5, 0, 2, 0.5};
  const double push[ACTION] = {1, 0};
  ml3_env_set_state(env, state);
  double worst = 0;
  for (int t = 0; t < 100; t++) {
    ml3_env_step(env, push);
    ml3_env_get_state(env, state);
    worst = fmax(worst, state[0]);
  }
  cr_expect(worst > 0.99 && worst < env->spec->obs[0].high, "at most at %g", worst);
  cr_expect_float_eq(state[0], 1, 0.01);
  cr_expect_float_eq(state[2], 0, 1e-3, "it rests at the rail");
  ml3_env_free(env);
}

Test(pointmass, rewards_nearness_and_charges_for_force) {
  ml3_env *env = open_env("pointmass");
  double state[STATE];
  ml3_env_result result = ml3_env_step(env, (double[ACTION]){0.5, -2});
  ml3_env_get_state(env, state);
  cr_expect_float_eq(result.reward, -hypot(state[0] - 0.6, state[1] - 0.4) - 0.01 * 4.25, 1e-12);
  ml3_env_set_state(env, (double[STATE]){0.56, 0.42, 0, 0});
  cr_expect(ml3_env_success(env));
  ml3_env_set_state(env, (double[STATE]){0.56, 0.44, 0, 0});
  cr_expect_not(ml3_env_success(env));
  ml3_env_free(env);
}

Test(pointmass, shows_its_goal_where_goals_vary) {
  ml3_env *env = open_env("pointmass_goal");
  double task[TASK], obs[STATE + 2], goal[STATE];
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_env_sample_task(env->spec, &random, task);
  ml3_env_reset(env, task, &random);
  ml3_env_observe(env, obs);
  ml3_env_goal(env, goal);
  cr_expect_arr_eq(obs + STATE, goal, 2 * sizeof *goal);
  cr_expect_arr_eq(obs, task + 2, STATE * sizeof *obs);
  ml3_env_free(env);
}

/* Away from the rails to rounding; at them to a centimetre. */
Test(pointmass, has_a_model_that_steps_like_it) {
  ml3_error error = {0};
  const ml3_dynamics *model = ml3_dynamics_find("pointmass", &error);
  cr_assert_not_null(model, "%s", error.message);
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node state = ml3_nn_input(g, 1, STATE), action = ml3_nn_input(g, 1, ACTION);
  ml3_nn_output output = {model->step(model, g, ML3_NN_NONE, state, action), 0};
  ml3_nn_program *program = ml3_nn_compile(g, &output, 1, &error);
  cr_assert_not_null(program, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(program, &error);

  ml3_env *env = open_env("pointmass");
  const double cases[3][STATE + ACTION] = {
      {0.2, -0.4, 0.9, -1.2, 0.7, -0.1}, {-0.6, 0.1, 0, 0.3, -1, 1}, {1, -0.3, 0.5, 0.1, 1, 0}};
  for (int k = 0; k < 3; k++) {
    ml3_real s[STATE], u[ACTION];
    double next[STATE];
    for (int i = 0; i < STATE; i++) s[i] = (ml3_real)cases[k][i];
    for (int i = 0; i < ACTION; i++) u[i] = (ml3_real)cases[k][STATE + i];
    ml3_nn_bind_input(w, state, s);
    ml3_nn_bind_input(w, action, u);
    ml3_nn_run(w, 0);
    step_from(env, cases[k], cases[k] + STATE, next);
    const ml3_real *got = ml3_nn_output_at(w, 0);
    for (int i = 0; i < STATE; i++)
      cr_expect_float_eq(got[i], next[i], k == 2 && i % 2 == 0 ? (i ? 0.3 : 0.02) : 1e-6, "case %d entry %d: %g, %g", k, i,
                         (double)got[i], next[i]);
  }
  ml3_env_free(env);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
}
