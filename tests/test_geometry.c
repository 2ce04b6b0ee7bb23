/* What environments make of their states: as numbers and as graphs, beside what they show themselves. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "agents/control/geometry.h"
#include "agents/learn/policy.h"
#include "nn/program.h"

enum { MOST = 64 }; /* entries of the vectors here */

#ifdef ML3_DOUBLE
static const double tolerance = 1e-12;
#else
static const double tolerance = 1e-5;
#endif

/* Observation and outcome of the state that env is in: as numbers and as graphs, beside the environment's own. */
static void check_geometry(ml3_env *env, const ml3_geometry *at) {
  const ml3_env_spec *spec = env->spec;
  ml3_error error = {0};
  double state[MOST], goal[MOST], true_obs[MOST], obs[MOST];
  double outcome[MOST], to_goal[MOST];
  ml3_env_get_state(env, state);
  ml3_env_set_state(env, state); /* wipes out what the reacher keeps of the past */
  ml3_env_goal(env, goal);
  ml3_env_observe(env, true_obs);
  at->obs(at, state, goal, obs);
  at->outcome(at, state, outcome);
  for (int i = 0; i < spec->obs_dim; i++)
    cr_expect_float_eq(obs[i], true_obs[i], 1e-9, "%s: %s is %g, not %g", spec->name, spec->obs[i].name, obs[i],
                       true_obs[i]);
  const double distance = ml3_geometry_to_goal(at, state, goal, to_goal);
  if (spec->goal[0].unit[0] == 'm') cr_expect_float_eq(distance, ml3_env_distance(env), 1e-9);

  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node s = ml3_nn_input(g, 1, spec->state_dim), target = ml3_nn_input(g, 1, spec->goal_dim);
  const ml3_nn_output outputs[2] = {{at->build_obs(at, g, s, target), 0}, {at->build_outcome(at, g, s), 0}};
  ml3_nn_program *p = ml3_nn_compile(g, outputs, 2, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_real in[MOST], to[MOST];
  for (int i = 0; i < spec->state_dim; i++) in[i] = (ml3_real)state[i];
  for (int i = 0; i < spec->goal_dim; i++) to[i] = (ml3_real)goal[i];
  ml3_nn_bind_input(w, s, in);
  ml3_nn_bind_input(w, target, to);
  ml3_nn_run(w, 0);
  for (int i = 0; i < spec->obs_dim; i++)
    cr_expect_float_eq(ml3_nn_output_at(w, 0)[i], obs[i], tolerance * (1 + fabs(obs[i])), "%s: %s", spec->name,
                       spec->obs[i].name);
  for (int i = 0; i < spec->goal_dim; i++)
    cr_expect_float_eq(ml3_nn_output_at(w, 1)[i], outcome[i], tolerance * (1 + fabs(outcome[i])));
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

Test(geometry, tells_what_the_environment_shows_of_its_states) {
  static const char *const names[] = {"pendulum_swing_up", "pointmass", "pointmass_goal", "reacher", "reacher_joints"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    ml3_error error = {0};
    const ml3_env_spec *spec = ml3_env_find(names[i], &error);
    ml3_geometry at;
    cr_assert_eq(ml3_geometry_init(&at, spec, &error), 0, "%s", error.message);
    ml3_env *env = ml3_env_new(spec, &error);
    for (uint32_t episode = 0; episode < 5; episode++) {
      double task[MOST], action[2];
      ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, episode, 0);
      ml3_env_sample_task(spec, &random, task);
      ml3_env_reset(env, task, &random);
      for (int t = 0; t < 10; t++) {
        for (int k = 0; k < spec->action_dim; k++) action[k] = ml3_random_uniform(&random, -1, 1);
        ml3_env_step(env, action);
      }
      check_geometry(env, &at);
    }
    ml3_env_free(env);
    ml3_geometry_free(&at);
  }
}

/* At the goal's angles the fingertip is at the target, as far as the elbow's stop lets it. */
Test(reacher_joints, goals_reach_the_target) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("reacher_joints", &error);
  ml3_env *env = ml3_env_new(spec, &error);
  for (uint32_t i = 0; i < 100; i++) {
    double task[MOST], state[8], goal[2];
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, i, 0);
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    ml3_env_goal(env, goal);
    ml3_env_get_state(env, state);
    state[0] = goal[0], state[1] = goal[1];
    ml3_env_set_state(env, state);
    const double least = fabs(goal[1]) < 3 ? 1e-6 : 0.02;
    cr_expect_lt(ml3_env_distance(env), least, "target %g, %g", state[2], state[3]);
    cr_expect_leq(fabs(goal[0]), 3.1416);
  }
  ml3_env_free(env);
}

Test(geometry, refuses_what_it_does_not_know) {
  ml3_error error = {0};
  ml3_geometry at;
  cr_expect_eq(ml3_geometry_init(&at, ml3_env_find("walker_goal", NULL), &error), ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "walker_goal"), "%s", error.message);
  cr_expect_eq(ml3_geometry_init(&at, ml3_env_find("reacher_goal", NULL), &error), ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "rollout.fixed"), "%s", error.message);
}

/* The pendulum upright is at its goal, however many turns it has made; hanging, it is two lengths of its rod away. */
Test(geometry, of_the_pendulum_does_not_count_turns) {
  ml3_error error = {0};
  ml3_geometry at;
  const double pi = 3.14159265358979323846, goal[2] = {pi, 0};
  double to_goal[MOST];
  cr_assert_eq(ml3_geometry_init(&at, ml3_env_find("pendulum_swing_up", NULL), &error), 0, "%s", error.message);
  for (int turns = -2; turns <= 2; turns++) {
    cr_expect_float_eq(ml3_geometry_to_goal(&at, (double[2]){(2 * turns + 1) * pi, 0.5}, goal, to_goal), 0, 1e-9);
    cr_expect_float_eq(ml3_geometry_to_goal(&at, (double[2]){2 * turns * pi, 0.5}, goal, to_goal), 2, 1e-9);
  }

  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node state = ml3_nn_input(g, 1, 2);
  const ml3_nn_output outputs[1] = {{ml3_geometry_build_place(&at, g, at.build_outcome(&at, g, state)), 0}};
  ml3_nn_program *p = ml3_nn_compile(g, outputs, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  const ml3_real in[2] = {(ml3_real)2.5, 1};
  ml3_nn_bind_input(w, state, in);
  ml3_nn_run(w, 0);
  cr_expect_float_eq(ml3_nn_output_at(w, 0)[0], cos(2.5), tolerance);
  cr_expect_float_eq(ml3_nn_output_at(w, 0)[1], sin(2.5), tolerance);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}
