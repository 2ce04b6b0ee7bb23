/* Several starts of a model-based task: one goal and one body for all of them, another state each; the loss is their
   mean. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "metaloss/meta.h"

enum { STARTS = 3, MOST = 64 };

typedef struct fixture {
  ml3_problem *problem;
  const ml3_env_spec *env;
  ml3_env_spec fixed;
  ml3_env_parameter parameters[MOST];
  ml3_real *task, *theta;
} fixture;

/* The environment; of pointmass_goal with the mass and damping that its model knows. */
static const ml3_env_spec *find(fixture *f, const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert_not_null(spec, "%s", error.message);
  f->fixed = *spec;
  memcpy(f->parameters, spec->task, (size_t)spec->task_dim * sizeof *spec->task);
  for (int k = 0; k < spec->task_dim; k++)
    if (strcmp(f->parameters[k].name, "mass") == 0 || strcmp(f->parameters[k].name, "damping") == 0)
      f->parameters[k].low = f->parameters[k].high = f->parameters[k].value;
  f->fixed.task = f->parameters;
  return &f->fixed;
}

static void open_fixture(fixture *f, const char *name, ml3_cost_kind cost) {
  ml3_error error = {0};
  const int hidden[1] = {8};
  ml3_model_based_settings s = {.env = f->env = find(f, name),
                                .starts = STARTS,
                                .horizon = 30,
                                .cost = cost,
                                .cost_from_step = 20,
                                .velocity_weight = 0.1,
                                .action_weight = 0.2};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  s.policy.squash = ML3_SQUASH_TANH;
  s.policy.output_gain = strcmp(name, "reacher") ? 0.2 : 0.02;
  f->problem = ml3_model_based_new(&s, &error);
  cr_assert_not_null(f->problem, "%s", error.message);
  f->task = calloc((size_t)f->problem->task_size, sizeof *f->task);
  f->theta = calloc((size_t)f->problem->theta_size, sizeof *f->theta);
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_TEST, 0, 0);
  f->problem->sample(f->problem, ML3_SPLIT_TEST, &random, f->task, f->theta, NULL);
}

static void close_fixture(fixture *f) {
  free(f->task);
  free(f->theta);
  f->problem->free(f->problem);
}

static const char *const names[] = {"reacher", "pointmass_goal", "mountain_car"};

Test(model_based, all_starts_of_a_task_have_its_goal) {
  for (int e = 0; e < 3; e++) {
    fixture f;
    open_fixture(&f, names[e], ML3_COST_FINAL);
    ml3_error error = {0};
    ml3_env *env = ml3_env_new(f.env, &error);
    ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    double task[STARTS][MOST], state[STARTS][MOST], goal[STARTS][MOST];
    for (int k = 0; k < STARTS; k++) {
      ml3_model_based_start(f.problem, f.task, k, task[k], state[k]);
      ml3_env_reset(env, task[k], &none);
      ml3_env_goal(env, goal[k]);
      cr_expect_eq(memcmp(goal[k], goal[0], (size_t)f.env->goal_dim * sizeof(double)), 0, "%s, start %d", names[e], k);
      cr_expect(k == 0 || memcmp(state[k], state[k - 1], (size_t)f.env->state_dim * sizeof(double)) != 0,
                "%s: starts %d and %d are one", names[e], k - 1, k);
      for (int i = 0; i < f.env->task_dim; i++)
        if (strncmp(f.env->task[i].name, "start_", 6) != 0)
          cr_expect_eq(task[k][i], task[0][i], "%s, start %d: %s", names[e], k, f.env->task[i].name);
    }
    ml3_env_free(env);
    close_fixture(&f);
  }
}

/* A goal that is moved, by the hand in a window for example, moves for all starts. */
Test(model_based, a_goal_that_is_moved_moves_for_all_starts) {
  fixture f;
  open_fixture(&f, "reacher", ML3_COST_FINAL);
  ml3_error error = {0};
  double task[MOST], state[MOST], other[MOST], before[MOST], now[MOST];
  ml3_model_based_start(f.problem, f.task, 2, other, before);
  ml3_model_based_start(f.problem, f.task, 0, task, state);
  const int angle = ml3_env_task_index(f.env, "goal_angle");
  task[angle] += 1;
  ml3_env *env = ml3_env_new(f.env, &error);
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(env, task, &none);
  ml3_env_get_state(env, state); /* entries 2 and 3 are the target */
  ml3_env_free(env);
  ml3_model_based_set_start(f.problem, f.task, 0, task, state, NULL);
  ml3_model_based_start(f.problem, f.task, 2, other, now);
  cr_expect_float_eq(other[angle], task[angle], 1e-6);
  for (int i = 0; i < 6; i++)
    if (i != 2 && i != 3) cr_expect_eq(before[i], now[i], "its start stays where it is");
  ml3_episode *e = ml3_model_based_episode(f.problem, f.task, 2, f.theta, NULL, &error);
  ml3_outcome outcome;
  ml3_model_based_judge(f.problem, f.task, e, &outcome);
  cr_expect_float_eq(outcome.task_loss, outcome.distance, 1e-5);
  ml3_episode_free(e);
  close_fixture(&f);
}

/* Where the loss is the distance at the end, the environment finds the same distance from each start. */
Test(model_based, each_start_is_judged_against_the_goal_that_is_there) {
  fixture f;
  open_fixture(&f, "reacher", ML3_COST_FINAL);
  ml3_error error = {0};
  double sum = 0;
  for (int k = 0; k < STARTS; k++) {
    ml3_episode *e = ml3_model_based_episode(f.problem, f.task, k, f.theta, NULL, &error);
    cr_assert_not_null(e, "%s", error.message);
    ml3_outcome outcome;
    ml3_model_based_judge(f.problem, f.task, e, &outcome);
    cr_expect_float_eq(outcome.task_loss, outcome.distance, 1e-5, "start %d: loss %g, distance %g", k,
                       outcome.task_loss, outcome.distance);
    sum += outcome.task_loss / STARTS;
    ml3_episode_free(e);
  }
  ml3_outcome mean;
  cr_assert_eq(f.problem->evaluate(f.problem, f.task, f.theta, &mean, &error), 0, "%s", error.message);
  cr_expect_float_eq(mean.task_loss, sum, 1e-12);
  cr_expect_eq(mean.env_steps, STARTS * 30);
  close_fixture(&f);
}

/* Every cost, imagined from all starts and found in the simulator, whose model is nearly exact; one step more or less of
   those that count would be seen. */
Test(model_based, imagines_all_starts_as_the_simulator_has_them) {
  for (int e = 0; e < 2; e++)
    for (int cost = ML3_COST_TRAJECTORY; cost <= ML3_COST_REACH; cost++) {
      fixture f;
      open_fixture(&f, names[e], (ml3_cost_kind)cost);
      ml3_error error = {0};
      const ml3_meta_settings settings = {
          .loss = {.net = {.inputs = f.problem->features, .outputs = 1, .activation = ML3_ELU}, .rate = 0.1},
          .inner_steps = 1,
          .task_weight = 1};
      ml3_meta *meta = ml3_meta_new(f.problem, &settings, &error);
      cr_assert_not_null(meta, "%s", error.message);
      ml3_meta_work *work = ml3_meta_work_new(meta, &error);
      ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
      ml3_outcome outcome;
      double imagined;
      cr_assert_eq(ml3_meta_task_gradient(work, f.task, f.theta, &random, &imagined, NULL, &error), 0, "%s",
                   error.message);
      cr_assert_eq(f.problem->evaluate(f.problem, f.task, f.theta, &outcome, &error), 0, "%s", error.message);
      cr_expect_float_eq(imagined, outcome.task_loss, 2e-3 * outcome.task_loss, "%s, cost %d: %g imagined, %g",
                         names[e], cost, imagined, outcome.task_loss);
      ml3_meta_work_free(work);
      ml3_meta_free(meta);
      close_fixture(&f);
    }
}
