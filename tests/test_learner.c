/* Learners under one loop: they learn, count alike, give the same bits on any number of threads, and say what is wrong. */
#define _DEFAULT_SOURCE /* M_PI, mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/learner.h"
#include "agents/learn/ppo.h"
#include "agents/learn/reinforce.h"

static ml3_learner_settings make_settings(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find(name, &error);
  const int hidden[2] = {16, 16};
  ml3_policy policy;
  cr_assert_not_null(env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&policy, env, hidden, 2, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  ml3_learner_settings s = ml3_learner_defaults(env, &policy);
  s.envs = 16;
  s.steps = 50;
  s.updates = 25;
  return s;
}

/* Settings of PPO that learn fast here. */
static ml3_ppo_options make_ppo(void) {
  ml3_ppo_options s;
  ml3_keys_default(ml3_learner_ppo.keys, &s);
  s.minibatches = 8, s.epochs = 5;
  s.rate = 3e-3;
  s.normalize_reward = true;
  return s;
}

static ml3_learner *make_learner(const char *kind, const ml3_learner_settings *s) {
  ml3_error error = {0};
  ml3_learner_settings settings = *s;
  const ml3_ppo_options ppo = make_ppo();
  ml3_reinforce_options reinforce;
  ml3_keys_default(ml3_learner_reinforce.keys, &reinforce);
  reinforce.rate = 3e-3;
  if (!s->own && strcmp(kind, "ppo") == 0) settings.own = &ppo;
  if (!s->own && strcmp(kind, "reinforce") == 0) settings.own = &reinforce;
  ml3_learner *l = ml3_learner_new(ml3_learner_find(kind, &error), &settings, &error);
  cr_assert_not_null(l, "%s", error.message);
  return l;
}

static ml3_learner_report update(ml3_learner *l) {
  ml3_error error = {0};
  ml3_learner_report report;
  cr_assert_eq(ml3_learner_update(l, &report, &error), 0, "%s", error.message);
  return report;
}

static double judge(const ml3_learner *l) {
  ml3_error error = {0};
  ml3_outcome outcome;
  cr_assert_eq(ml3_learner_evaluate(l, NULL, 20, 99, &outcome, &error), 0, "%s", error.message);
  return outcome.episode_return;
}

/* The return of its mean before and after `updates`. */
static void learns(const char *kind, int updates, double at_least) {
  ml3_learner_settings s = make_settings("pointmass");
  double task[16];
  ml3_env_default_task(s.env, task);
  s.task = task;
  s.updates = updates;
  s.seed = 1;
  ml3_learner *l = make_learner(kind, &s);
  const double before = judge(l);
  for (int i = 0; i < updates; i++) {
    const ml3_learner_report report = update(l);
    cr_expect_eq(report.env_steps, (int64_t)(i + 1) * 800);
    cr_expect_eq(report.updates, i + 1);
    cr_expect_eq(report.episodes, 16);
  }
  const double after = judge(l);
  cr_expect_gt(after, at_least, "return %g before, %g after", before, after);
  cr_expect_lt(before, at_least - 5);
  ml3_learner_free(l);
}

Test(learner, ppo_learns_to_reach_a_goal) {
  learns("ppo", 25, -23);
}
Test(learner, reinforce_learns_to_come_nearer) {
  learns("reinforce", 60, -26);
}

static void same_bits(const char *kind) {
  ml3_learner_settings s = make_settings("reacher");
  ml3_learner *one = make_learner(kind, &s);
  s.threads = 3;
  ml3_learner *many = make_learner(kind, &s);
  for (int i = 0; i < 2; i++) update(one), update(many);
  cr_expect_eq(memcmp(one->parameters, many->parameters, (size_t)one->size * sizeof *one->parameters), 0);
  cr_expect_eq(one->policy.scale[3], many->policy.scale[3]);
  cr_expect(one->policy.scale[3] != 1, "observations are normalised as they are seen");
  ml3_learner_free(one);
  ml3_learner_free(many);
}
Test(learner, ppo_has_the_same_bits_on_any_number_of_threads) {
  same_bits("ppo");
}
Test(learner, reinforce_has_the_same_bits_on_any_number_of_threads) {
  same_bits("reinforce");
}

/* With one epoch of one minibatch nothing has moved yet when the loss is taken. */
Test(learner, ppo_starts_from_a_ratio_of_one) {
  ml3_learner_settings s = make_settings("reacher");
  ml3_ppo_options ppo = make_ppo();
  ppo.epochs = ppo.minibatches = 1;
  ppo.normalize_reward = false;
  s.own = &ppo;
  ml3_learner *l = make_learner("ppo", &s);
  const ml3_learner_report report = update(l);
  cr_expect_float_eq(report.own[ML3_METRIC_POLICY_LOSS], 0, 1e-5, "the mean of standardised advantages");
  cr_expect_float_eq(report.own[ML3_METRIC_KL], 0, 1e-5);
  cr_expect_float_eq(report.own[ML3_METRIC_OLD_KL], 0, 1e-5);
  cr_expect_eq(report.own[ML3_METRIC_CLIPPED], 0.0);
  cr_expect_float_eq(report.own[ML3_METRIC_ENTROPY], 2 * (0.5 * log(2 * M_PI * M_E) - 0.5), 1e-4);
  cr_expect_gt(ml3_learner_metric(&ml3_learner_ppo, &report, "losses/value_loss"), 1);
  cr_expect_eq(report.rate, ppo.rate);
  ml3_learner_free(l);
}

Test(learner, random_takes_no_steps_and_is_judged_by_uniform_actions) {
  ml3_learner_settings s = make_settings("reacher");
  double task[16];
  ml3_env_default_task(s.env, task);
  s.task = task;
  ml3_learner *l = make_learner("random", &s);
  const ml3_learner_report report = update(l);
  cr_expect_eq(report.env_steps, 0);
  cr_expect_lt(judge(l), -30, "uniform actions cost 1/3 each");
  ml3_learner_free(l);
}

Test(learner, says_what_is_wrong) {
  ml3_error error = {0};
  cr_expect_null(ml3_learner_find("pop", &error));
  cr_expect(strstr(error.message, "did you mean 'ppo'?"), "%s", error.message);
  ml3_learner_settings s = make_settings("reacher");
  ml3_ppo_options ppo = make_ppo();
  ppo.minibatches = 801;
  s.own = &ppo;
  cr_expect_null(ml3_learner_new(&ml3_learner_ppo, &s, &error));
  cr_expect(strstr(error.message, "a rollout has 800 steps"), "%s", error.message);
  s = make_settings("reacher");
  ml3_learner *l = make_learner("ppo", &s);
  ml3_learner_report report;
  l->parameters[3] = NAN;
  cr_expect_eq(ml3_learner_update(l, &report, &error), ML3_ERR_NUMERIC);
  cr_expect(strstr(error.message, "ppo, update 0") && strstr(error.message, "not finite"), "%s", error.message);
  ml3_learner_free(l);
}

/* ---- what a rollout leaves over, deviations at their bounds --------------------------------------------------------------- */

/* 50 rows in 32 minibatches: 18 of two rows, the others of one. (Which rows, and what comes of them, is in
   test_oracle_learner.c.) */
Test(learner, ppo_learns_from_every_row_where_minibatches_do_not_divide_it) {
  ml3_learner_settings s = make_settings("pointmass");
  ml3_ppo_options ppo = make_ppo();
  s.envs = 1, s.steps = 50, ppo.minibatches = 32, ppo.epochs = 1;
  s.own = &ppo;
  ml3_learner *one = make_learner("ppo", &s), *again = make_learner("ppo", &s);
  ml3_real before[4096];
  cr_assert_leq(one->size, 4096);
  memcpy(before, one->parameters, (size_t)one->size * sizeof *before);
  update(one);
  cr_expect_eq(one->optimizer.step, 32);
  int moved = 0; /* of the policy's parameters: nothing of the value net's loss moves them */
  const int theta = ml3_policy_size(&one->policy);
  for (int i = 0; i < theta; i++) moved += before[i] != one->parameters[i];
  cr_expect_gt(moved, theta / 2);
  update(again);
  cr_expect_eq(memcmp(one->parameters, again->parameters, (size_t)one->size * sizeof *before), 0);
  ml3_learner_free(one);
  ml3_learner_free(again);

  ppo.minibatches = 50; /* one row each */
  ml3_learner *single = make_learner("ppo", &s);
  memcpy(before, single->parameters, (size_t)single->size * sizeof *before);
  update(single);
  cr_expect_neq(memcmp(before, single->parameters, (size_t)theta * sizeof *before), 0,
                "the advantage of one row counts");
  ml3_learner_free(single);
}

Test(learner, a_deviation_driven_to_its_bound_comes_back) {
  ml3_learner_settings s = make_settings("pointmass");
  ml3_ppo_options ppo = make_ppo();
  ppo.anneal = false;
  ppo.rate = 0.1;
  ppo.entropy_weight = 5;
  s.own = &ppo;
  ml3_learner *l = make_learner("ppo", &s);
  const int at = ml3_policy_size(&l->policy) - l->policy.action_dim;
  for (int i = 0; i < 3; i++) update(l);
  cr_assert_eq(l->parameters[at], (ml3_real)2, "driven to %g", (double)l->parameters[at]);
  ppo.entropy_weight = -5; /* now it should be small: the programs are compiled with the weight */
  ml3_learner *back = make_learner("ppo", &s);
  memcpy(back->parameters, l->parameters, (size_t)l->size * sizeof *l->parameters);
  back->parameters[at] = 3; /* as an old checkpoint may have it */
  for (int i = 0; i < 3; i++) update(back);
  cr_expect_lt(back->parameters[at], 1, "stays at %g", (double)back->parameters[at]);
  ml3_learner_free(l);
  ml3_learner_free(back);
}

/* ---- simulations that diverge ---------------------------------------------------------------------------------------------- */

/* The point mass, whose simulation diverges beyond a place: within the table for some, everywhere for others. */
static ml3_env_spec wild;
static void (*step_really)(ml3_env *env, const double *action, ml3_env_result *result);

static void step_until(ml3_env *env, const double *action, ml3_env_result *result, double most) {
  double state[16];
  step_really(env, action, result);
  ml3_env_get_state(env, state);
  if (state[0] > most) result->code = ML3_ERR_NUMERIC;
}
static void step_to_the_edge(ml3_env *env, const double *action, ml3_env_result *result) {
  step_until(env, action, result, 0.3);
}
static void step_nowhere(ml3_env *env, const double *action, ml3_env_result *result) {
  step_until(env, action, result, -100);
}

static ml3_learner_settings wild_settings(void (*step)(ml3_env *, const double *, ml3_env_result *)) {
  ml3_learner_settings s = make_settings("pointmass");
  step_really = s.env->step;
  wild = *s.env;
  wild.step = step;
  s.env = &wild;
  return s;
}

static void survives(const char *kind) {
  ml3_learner_settings s = wild_settings(step_to_the_edge);
  ml3_learner *l = make_learner(kind, &s);
  int diverged = 0, episodes = 0;
  for (int i = 0; i < 4; i++) {
    const ml3_learner_report report = update(l);
    diverged += report.diverged, episodes += report.episodes;
    if (report.episodes) cr_expect(isfinite(report.episode_return) && isfinite(report.distance));
  }
  cr_expect_gt(diverged, 0);
  cr_expect_gt(episodes, 0);
  cr_expect_eq(l->diverged, diverged);
  for (int i = 0; i < l->size; i++) cr_assert(isfinite(l->parameters[i]));
  char path[] = "/tmp/ml3-learner-XXXXXX";
  ml3_error error = {0};
  close(mkstemp(path));
  cr_assert_eq(ml3_learner_save(l, path, &error), 0, "%s", error.message);
  ml3_learner *resumed = make_learner(kind, &s);
  cr_assert_eq(ml3_learner_load(resumed, path, &error), 0, "%s", error.message);
  cr_expect_eq(resumed->diverged, diverged);
  ml3_learner_free(resumed);
  ml3_learner_free(l);
  unlink(path);
}
Test(learner, ppo_goes_on_where_one_environment_diverges) {
  survives("ppo");
}
Test(learner, reinforce_goes_on_where_one_environment_diverges) {
  survives("reinforce");
}

Test(learner, says_so_where_every_environment_always_diverges) {
  const ml3_learner_settings s = wild_settings(step_nowhere);
  ml3_learner *l = make_learner("ppo", &s);
  ml3_error error = {0};
  ml3_learner_report report;
  int code = ML3_OK, updates = 0;
  for (; updates < 5 && code == ML3_OK; updates++) code = ml3_learner_update(l, &report, &error);
  cr_expect_eq(code, ML3_ERR_NUMERIC);
  cr_expect_eq(updates, 3);
  cr_expect(strstr(error.message, "every one of the 16 environments") && strstr(error.message, "diverged"), "%s",
            error.message);
  ml3_learner_free(l);
}
