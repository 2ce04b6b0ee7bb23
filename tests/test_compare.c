/* Comparisons: the same for any number of threads, within budgets, in worlds that models are wrong about. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/compare.h"
#include "agents/learn/ppo.h"
#include "agents/compare/method.h"
#include "agents/problems/model_based.h"
#include "agents/problems/model_free.h"

static ml3_arena arena_of(const char *name, int tasks) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert_not_null(spec, "%s", error.message);
  return (ml3_arena){.env = spec,
                     .horizon = spec->horizon,
                     .settings = {.tasks = tasks,
                                  .steps = {1, 2},
                                  .step_count = 2,
                                  .threads = 1,
                                  .ilqr_restarts = 2,
                                  .transitions = 300,
                                  .transitions_hold = 5}};
}

/* A problem with a loss that has not learned anything, for the methods that need one. */
typedef struct run {
  ml3_problem *problem;
  ml3_loss *loss;
  ml3_meta *meta;
  ml3_compare_loss shown;
} run;

static run make_run(ml3_arena *arena) {
  ml3_error error = {0};
  const int hidden[1] = {4};
  run r;
  ml3_model_based_settings s = {.env = arena->env, .starts = 1, .cost_from_step = 15, .detach_state = true};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_IDENTITY, false, &error), 0, "%s", error.message);
  s.policy.squash = ML3_SQUASH_TANH;
  r.problem = ml3_model_based_new(&s, &error);
  cr_assert_not_null(r.problem, "%s", error.message);
  ml3_meta_settings meta = {.inner_steps = 1, .task_weight = 1};
  meta.loss = (ml3_loss_spec){
      .net = {.inputs = 4, .outputs = 1, .depth = 1, .hidden = {8}, .activation = ML3_TANH, .bias = true},
      .rate = 0.1,
      .theta_size = r.problem->theta_size};
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  r.loss = ml3_loss_new(&meta.loss, &random, &error);
  cr_assert_not_null(r.loss, "%s", error.message);
  r.meta = ml3_meta_new(r.problem, &meta, &error);
  cr_assert_not_null(r.meta, "%s", error.message);
  arena->play = ml3_model_based_playable(r.problem);
  arena->meta = r.meta;
  arena->loss_count = 1;
  return r;
}

static void drop_run(run *r) {
  ml3_meta_free(r->meta);
  ml3_loss_free(r->loss);
  r->problem->free(r->problem);
}

static ml3_compare *compare(const ml3_arena *arena, const char *const *methods, int count) {
  ml3_error error = {0};
  ml3_compare *c = ml3_compare_run(arena, methods, count, NULL, NULL, &error);
  cr_assert_not_null(c, "%s", error.message);
  return c;
}

static const ml3_compare_point *answer(const ml3_compare *c, int series, int task) {
  return ml3_compare_at(&c->series[series].trials[task], -1);
}

Test(compare, ilqr_drives_the_mountain_car_to_the_goal_in_every_way) {
  static const char *const methods[] = {"random",        "ilqr",     "ilqr_feedback", "ilqr_random",
                                        "ilqr_restarts", "ilqr_mpc", "ilqr_true"};
  const ml3_arena arena = arena_of("mountain_car", 4);
  ml3_compare *c = compare(&arena, methods, 7);
  for (int i = 1; i < 7; i++)
    for (int t = 0; t < 4; t++) {
      cr_expect_eq(answer(c, i, t)->outcome.success, 1, "%s on task %d", methods[i], t);
      cr_expect_gt(answer(c, i, t)->env_steps, 35);
    }
  for (int t = 0; t < 4; t++) {
    cr_expect_eq(answer(c, 0, t)->env_steps, 0, "random actions take no steps to learn");
    cr_expect_float_eq(answer(c, 1, t)->outcome.episode_return, answer(c, 2, t)->outcome.episode_return, 1e-9,
                       "without errors feedback changes nothing");
    cr_expect_lt(answer(c, 1, t)->env_steps, answer(c, 4, t)->env_steps, "restarts are counted");
  }
  ml3_compare_free(c);
}

Test(compare, threads_do_not_change_what_comes_out) {
  static const char *const methods[] = {"untrained",     "learned_loss",  "learned_loss_world",
                                        "task_gradient", "ilqr_restarts", "ilqr_learned"};
  ml3_arena arena = arena_of("mountain_car", 5);
  run r = make_run(&arena);
  r.shown = (ml3_compare_loss){.label = "learned loss", .loss = r.loss};
  arena.losses = &r.shown;
  ml3_compare *one = compare(&arena, methods, 6);
  arena.settings.threads = 3;
  ml3_compare *many = compare(&arena, methods, 6);
  for (int i = 0; i < one->count; i++)
    for (int t = 0; t < 5; t++) {
      const ml3_compare_points *a = &one->series[i].trials[t], *b = &many->series[i].trials[t];
      cr_assert_eq(a->count, b->count);
      for (int k = 0; k < a->count; k++) {
        cr_expect_eq(memcmp(&a->points[k].outcome, &b->points[k].outcome, sizeof a->points[k].outcome), 0, "%s",
                     methods[i]);
        cr_expect_eq(a->points[k].env_steps, b->points[k].env_steps);
      }
    }
  cr_expect_eq(one->series[5].once_steps, 300, "exploration is counted");
  ml3_compare_free(one);
  ml3_compare_free(many);
  drop_run(&r);
}

/* Without momentum is among what is tried: on the tasks that choose it can only be better, and the choosing is paid for. */
Test(compare, the_task_gradient_may_choose_a_momentum) {
  static const char *const methods[] = {"task_gradient", "task_gradient_momentum"};
  ml3_arena arena = arena_of("mountain_car", 3);
  run r = make_run(&arena);
  r.shown = (ml3_compare_loss){.label = "learned loss", .loss = r.loss};
  arena.losses = &r.shown;
  ml3_compare *c = compare(&arena, methods, 2);
  cr_expect_gt(c->series[0].once_steps, 0);
  cr_expect_eq(c->series[1].once_steps, 4 * c->series[0].once_steps, "four momenta");
  for (int t = 0; t < 3; t++) {
    cr_expect(isfinite(answer(c, 0, t)->outcome.task_loss) && isfinite(answer(c, 1, t)->outcome.task_loss));
    cr_expect_eq(answer(c, 0, t)->env_steps, answer(c, 1, t)->env_steps, "a step costs the same");
  }
  ml3_compare_free(c);
  drop_run(&r);
}

Test(compare, the_learned_loss_learns_alike_through_an_exact_model_and_in_the_world) {
  static const char *const methods[] = {"learned_loss", "learned_loss_world"};
  ml3_arena arena = arena_of("mountain_car", 3);
  run r = make_run(&arena);
  r.shown = (ml3_compare_loss){.label = "learned loss", .loss = r.loss};
  arena.losses = &r.shown;
  ml3_compare *c = compare(&arena, methods, 2);
  for (int t = 0; t < 3; t++) {
    cr_expect_float_eq(answer(c, 0, t)->outcome.task_loss, answer(c, 1, t)->outcome.task_loss, 1e-2);
    cr_expect_eq(answer(c, 0, t)->env_steps, 70);
    cr_expect_eq(answer(c, 1, t)->env_steps, 70);
    cr_expect_eq(c->series[0].trials[t].count, 3, "the start and two updates");
  }
  ml3_compare_free(c);
  drop_run(&r);
}

Test(compare, a_budget_bounds_every_method) {
  static const char *const methods[] = {"untrained", "learned_loss",  "task_gradient",
                                        "ilqr",      "ilqr_restarts", "ilqr_mpc"};
  ml3_arena arena = arena_of("mountain_car", 3);
  run r = make_run(&arena);
  r.shown = (ml3_compare_loss){.label = "learned loss", .loss = r.loss};
  arena.losses = &r.shown;
  arena.settings.steps[1] = 9;
  arena.settings.budget = 175;
  ml3_compare *c = compare(&arena, methods, 6);
  for (int i = 0; i < 6; i++)
    for (int t = 0; t < 3; t++) cr_expect_leq(answer(c, i, t)->env_steps, 175, "%s", methods[i]);
  cr_expect_eq(answer(c, 1, 0)->updates, 5);
  ml3_compare_free(c);
  drop_run(&r);
}

Test(compare, errors_are_in_the_world_and_not_in_the_models) {
  static const char *const methods[] = {"ilqr", "ilqr_mpc", "ilqr_true"};
  ml3_arena arena = arena_of("mountain_car", 8);
  ml3_compare *exact = compare(&arena, methods, 3);
  arena.settings.errors[0] = (ml3_compare_error){"mass", 0.3};
  arena.settings.errors[1] = (ml3_compare_error){"gravity", 0.3};
  arena.settings.error_count = 2;
  ml3_compare *off = compare(&arena, methods, 3);
  int worse = 0;
  for (int t = 0; t < 8; t++) {
    worse += answer(off, 0, t)->outcome.episode_return < answer(exact, 0, t)->outcome.episode_return;
    cr_expect_neq(answer(off, 0, t)->outcome.episode_return, answer(exact, 0, t)->outcome.episode_return);
    cr_expect_eq(answer(off, 0, t)->env_steps, answer(exact, 0, t)->env_steps, "the plan is the same");
  }
  cr_expect_geq(worse, 4);
  arena.settings.errors[0].parameter = "colour";
  ml3_error error = {0};
  cr_expect_null(ml3_compare_run(&arena, methods, 3, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, "colour"), "%s", error.message);
  ml3_compare_free(exact);
  ml3_compare_free(off);
}

Test(compare, any_environment_can_be_planned_in) {
  static const char *const methods[] = {"random", "ilqr", "ilqr_mpc"};
  static const char *const names[] = {"pendulum_swing_up", "reacher", "pointmass"};
  for (int e = 0; e < 3; e++) {
    ml3_arena arena = arena_of(names[e], 1);
    if (e) arena.horizon = 15; /* reward costs are expensive to expand */
    ml3_compare *c = compare(&arena, methods, e ? 2 : 3);
    const ml3_outcome random = answer(c, 0, 0)->outcome, planned = answer(c, 1, 0)->outcome;
    cr_expect_lt(planned.distance, random.distance, "%s: iLQR ends at %g, random at %g", names[e], planned.distance,
                 random.distance);
    if (e) /* from where it hangs, plans from zero controls find the pendulum's upright too late for a good return */
      cr_expect_gt(planned.episode_return, random.episode_return, "%s: iLQR %g, random %g", names[e],
                   planned.episode_return, random.episode_return);
    ml3_compare_free(c);
  }
}

Test(compare, rollouts_are_handed_out_for_viewing) {
  static const char *const methods[] = {"untrained", "learned_loss", "ilqr"};
  ml3_arena arena = arena_of("mountain_car", 1);
  run r = make_run(&arena);
  r.shown = (ml3_compare_loss){.label = "learned loss", .loss = r.loss};
  arena.losses = &r.shown;
  ml3_error error = {0};
  ml3_episode *episodes[8];
  const int count = ml3_compare_rollouts(&arena, methods, 3, 0, false, episodes, 8, &error);
  cr_expect_eq(count, 4, "%d %s", count, error.message);
  cr_expect_str_eq(episodes[2]->label, "learned loss, 2 updates");
  cr_expect(isfinite(episodes[1]->loss[0]), "with the learned loss along it");
  cr_expect(episodes[3]->success);
  for (int i = 0; i < count; i++) ml3_episode_free(episodes[i]);
  drop_run(&r);
}

Test(compare, mistakes_are_told_in_sentences) {
  static const char *const wrong[] = {"ilqrr"}, *const needs[] = {"learned_loss"};
  ml3_error error = {0};
  ml3_arena arena = arena_of("mountain_car", 1);
  cr_expect_null(ml3_compare_run(&arena, wrong, 1, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, "did you mean 'ilqr'"), "%s", error.message);
  cr_expect_null(ml3_compare_run(&arena, needs, 1, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, "needs a run"), "%s", error.message);
}

/* Settings as the command makes them, but small. */
static void set_learners(ml3_arena *arena) {
  ml3_error error = {0};
  const int hidden[1] = {8};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, arena->env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  static ml3_ppo_options ppo;
  ml3_keys_default(ml3_learner_ppo.keys, &ppo);
  ppo.minibatches = 4;
  for (int i = 0; i < ML3_LEARNER_COUNT; i++) {
    ml3_learner_settings *s = &arena->settings.learners[i];
    *s = ml3_learner_defaults(arena->env, &policy);
    s->envs = 4, s->steps = 32, s->updates = 3;
  }
  arena->settings.learners[ML3_LEARNER_AT_ppo].own = &ppo;
  arena->settings.learners[ML3_LEARNER_AT_reinforce].envs = 2;
  arena->settings.learners[ML3_LEARNER_AT_sac].envs = 1, arena->settings.learners[ML3_LEARNER_AT_sac].normalize_obs = false;
}

Test(compare, ppo_and_reinforce_are_judged_and_counted_like_others) {
  static const char *const methods[] = {"ppo", "reinforce", "ilqr"};
  ml3_arena arena = arena_of("mountain_car", 3);
  set_learners(&arena);
  ml3_compare *c = compare(&arena, methods, 3);
  for (int t = 0; t < 3; t++) {
    cr_expect_eq(c->series[0].trials[t].count, 4, "before, and after each of three updates");
    cr_expect_eq(answer(c, 0, t)->env_steps, 3 * 4 * 32);
    cr_expect_eq(answer(c, 1, t)->env_steps, 3 * 2 * 35, "whole episodes");
    cr_expect_neq(answer(c, 0, t)->outcome.episode_return, c->series[0].trials[t].points[0].outcome.episode_return);
  }
  cr_expect_eq(c->series[1].most_updates, 3);
  ml3_compare_free(c);
  arena.settings.threads = 3;
  arena.settings.budget = 300;
  ml3_compare *within = compare(&arena, methods, 3);
  for (int t = 0; t < 3; t++) {
    cr_expect_eq(answer(within, 0, t)->env_steps, 2 * 4 * 32, "no further than the budget");
    cr_expect_leq(answer(within, 1, t)->env_steps, 300);
  }
  ml3_compare_free(within);
  arena.settings.learners[ML3_LEARNER_AT_ppo].policy.action_dim = 0;
  ml3_error error = {0};
  cr_expect_null(ml3_compare_run(&arena, methods, 3, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, "no settings for the policy"), "%s", error.message);
}

/* A model-free problem in the arena's environment with a loss that knows nothing. */
static run make_model_free_run(const ml3_arena *arena) {
  ml3_error error = {0};
  const int hidden[1] = {4};
  run r;
  ml3_model_free_settings s = {
      .env = arena->env, .rollouts = 2, .outer_rollouts = 3, .judge_episodes = 1, .discount = 1};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  r.problem = ml3_model_free_new(&s, &error);
  cr_assert_not_null(r.problem, "%s", error.message);
  ml3_meta_settings meta = {.inner_steps = 1, .task_weight = 1};
  meta.loss = (ml3_loss_spec){
      .net = {.inputs = r.problem->features, .outputs = 1, .depth = 1, .hidden = {8}, .activation = ML3_TANH},
      .rate = 0.1,
      .theta_size = r.problem->theta_size};
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_INIT, 0, 0);
  r.loss = ml3_loss_new(&meta.loss, &random, &error);
  cr_assert_not_null(r.loss, "%s", error.message);
  r.meta = ml3_meta_new(r.problem, &meta, &error);
  cr_assert_not_null(r.meta, "%s", error.message);
  r.shown = (ml3_compare_loss){.label = "model-free loss",
                               .loss = r.loss,
                               .meta = r.meta,
                               .play = ml3_model_free_playable(r.problem),
                               .meta_steps = 77};
  return r;
}

Test(compare, losses_of_model_based_and_model_free_problems_meet_on_the_same_tasks) {
  static const char *const methods[] = {"untrained", "learned_loss", "learned_loss_world", "ilqr"};
  ml3_arena arena = arena_of("mountain_car", 2);
  run based = make_run(&arena), free_of_it = make_model_free_run(&arena);
  based.shown = (ml3_compare_loss){.label = "learned loss", .loss = based.loss};
  const ml3_compare_loss both[2] = {based.shown, free_of_it.shown};
  arena.losses = both;
  ml3_compare *alone = compare(&arena, methods, 4);
  arena.loss_count = 2;
  ml3_compare *c = compare(&arena, methods, 4);
  cr_assert_eq(c->count, 6);
  cr_expect_str_eq(c->series[2].label, "model-free loss");
  cr_expect_eq(c->series[2].once_steps, 77);
  for (int t = 0; t < 2; t++) {
    cr_expect_eq(answer(c, 2, t)->env_steps, 2 * 2 * 35, "two updates of two episodes");
    cr_expect_eq(answer(c, 2, t)->outcome.episode_return, answer(c, 4, t)->outcome.episode_return,
                 "it acts in the world anyway");
    cr_expect_eq(answer(c, 1, t)->outcome.episode_return, answer(alone, 1, t)->outcome.episode_return,
                 "company changes nothing");
    cr_expect_neq(answer(c, 2, t)->outcome.episode_return, answer(c, 1, t)->outcome.episode_return);
  }
  ml3_compare_free(alone);
  ml3_compare_free(c);

  arena.play = free_of_it.shown.play; /* and where the model-free problem draws the tasks */
  arena.meta = free_of_it.meta;
  arena.losses = &free_of_it.shown;
  arena.loss_count = 1;
  set_learners(&arena);
  static const char *const in_world[] = {"untrained", "learned_loss", "task_gradient", "ppo", "ilqr"};
  ml3_compare *second = compare(&arena, in_world, 5);
  for (int t = 0; t < 2; t++) {
    cr_expect_eq(answer(second, 2, t)->env_steps, 2 * 3 * 35);
    cr_expect_eq(answer(second, 4, t)->outcome.success, 1);
  }
  ml3_compare_free(second);
  drop_run(&based);
  drop_run(&free_of_it);
}
