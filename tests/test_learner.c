/* Learners under one loop: they learn, count alike, give the same bits on any number of threads, and say what is wrong. */
#define _DEFAULT_SOURCE /* M_PI */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "agents/learner.h"

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
  s.minibatches = 8;
  s.epochs = 5;
  s.updates = 25;
  s.rate = 3e-3;
  return s;
}

static ml3_learner *make_learner(const char *kind, const ml3_learner_settings *s) {
  ml3_error error = {0};
  ml3_learner *l = ml3_learner_new(ml3_learner_find(kind, &error), s, &error);
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
  s.epochs = s.minibatches = 1;
  s.normalize_reward = false;
  ml3_learner *l = make_learner("ppo", &s);
  const ml3_learner_report report = update(l);
  cr_expect_float_eq(report.policy_loss, 0, 1e-5, "the mean of standardised advantages, not %g", report.policy_loss);
  cr_expect_float_eq(report.approx_kl, 0, 1e-5);
  cr_expect_float_eq(report.old_approx_kl, 0, 1e-5);
  cr_expect_eq(report.clip_fraction, 0.0);
  cr_expect_float_eq(report.entropy, 2 * (0.5 * log(2 * M_PI * M_E) - 0.5), 1e-4);
  cr_expect_gt(report.value_loss, 1);
  cr_expect_eq(report.rate, s.rate);
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
  s.minibatches = 801;
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
