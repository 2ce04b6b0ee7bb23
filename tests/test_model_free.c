/* The model-free problem: gradients on fixed data against differences, the same bits on any number of threads, resuming, and
   what the surrogate is. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/ppo.h"
#include "agents/problems/model_free.h"
#include "agents/control/narrow.h"
#include "metaloss/scaling.h"
#include "metaloss/trainer.h"

static ml3_model_free_settings make_settings(void) {
  ml3_error error = {0};
  const int hidden[1] = {5};
  ml3_model_free_settings s = {.env = ml3_env_find("reacher", &error),
                               .horizon = 6,
                               .rollouts = 3,
                               .outer_rollouts = 4,
                               .judge_episodes = 2,
                               .discount = 0.95,
                               .lambda = 0.9,
                               .normalize = true};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  s.policy.squash = ML3_SQUASH_TANH;
  return s;
}

static ml3_problem *make_problem(const ml3_model_free_settings *s) {
  ml3_error error = {0};
  ml3_problem *p = ml3_model_free_new(s, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

static ml3_meta_settings meta_settings(const ml3_problem *p, int steps, double extra) {
  return (ml3_meta_settings){.loss = {.net = {.inputs = p->features,
                                              .outputs = 1,
                                              .depth = 1,
                                              .hidden = {9},
                                              .activation = ML3_TANH,
                                              .bias = true},
                                      .rate = 0.3,
                                      .learn_rate = ML3_RATE_SCALAR,
                                      .theta_size = p->theta_size},
                             .inner_steps = steps,
                             .weights = ML3_WEIGHTS_ALL,
                             .task_weight = 1,
                             .extra_weight = extra};
}

/* ---- gradients ------------------------------------------------------------------------------------------------------ */

/* Data that does not change with theta, so that differences see what the gradient is of. */
static ml3_real *fixed_inner, *fixed_outer;

static int collect_fixed(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                         ml3_real *inner, ml3_real *outer, ml3_error *error) {
  (void)task, (void)theta, (void)random, (void)error;
  if (outer)
    memcpy(outer, fixed_outer, (size_t)p->outer_size * sizeof *outer);
  else
    memcpy(inner, fixed_inner, (size_t)p->inner_size * sizeof *inner);
  return ML3_OK;
}

/* Two tasks in one program, both that one. */
static void check_batch(const ml3_problem *p, const ml3_meta_settings *settings, const ml3_loss *loss, const ml3_real *task,
                        const ml3_real *theta, const ml3_real *gradient, double objective, double tolerance) {
  ml3_error error = {0};
  const size_t task_size = (size_t)p->task_size, theta_size = (size_t)p->theta_size;
  ml3_meta_settings both = *settings;
  both.batch = 2;
  ml3_meta *meta = ml3_meta_new(p, &both, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_real *tasks = calloc(2 * task_size, sizeof *tasks), *thetas = calloc(2 * theta_size, sizeof *thetas);
  ml3_real *sum = calloc((size_t)loss->size, sizeof *sum);
  for (size_t i = 0; i < 2; i++) {
    memcpy(tasks + i * task_size, task, task_size * sizeof *task);
    memcpy(thetas + i * theta_size, theta, theta_size * sizeof *theta);
  }
  ml3_random random[2] = {ml3_random_stream(5, ML3_PURPOSE_USER, 1, 0), ml3_random_stream(5, ML3_PURPOSE_USER, 2, 0)};
  double objectives[2];
  cr_assert_eq(ml3_meta_gradient(work, loss, tasks, thetas, random, sum, objectives, NULL, &error), 0, "%s", error.message);
  for (int i = 0; i < 2; i++) cr_expect_float_eq(objectives[i], objective, 1e-5 * (1 + fabs(objective)));
  for (int i = 0; i < loss->size; i++)
    cr_expect_leq(fabs((double)sum[i] - 2 * (double)gradient[i]), tolerance, "phi[%d] of two", i);
  free(tasks), free(thetas), free(sum);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
}

static void check_gradient_in_passes(const ml3_model_free_settings *s, int steps, int passes) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-6;
#else
  const double h = 1e-2, tolerance = 5e-2;
#endif
  ml3_error error = {0};
  ml3_problem *p = make_problem(s);
  ml3_meta_settings settings = meta_settings(p, steps, 0.7);
  settings.passes = passes;
  if (s->expert_targets) {
    settings.target_weight = 2;
    settings.loss.target_count = p->targets;
    for (int i = 0; i < p->targets; i++) settings.loss.targets[i] = p->first_target + i;
  }
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real *task = calloc((size_t)p->task_size, sizeof *task), *theta = calloc((size_t)p->theta_size, sizeof *theta);
  ml3_real *gradient = calloc((size_t)loss->size, sizeof *gradient);
  fixed_inner = calloc((size_t)p->inner_size, sizeof *fixed_inner);
  fixed_outer = calloc((size_t)p->outer_size, sizeof *fixed_outer);
  p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  cr_assert_eq(p->collect(p, task, theta, &random, fixed_inner, NULL, &error), 0, "%s", error.message);
  cr_assert_eq(p->collect(p, task, theta, &random, NULL, fixed_outer, &error), 0, "%s", error.message);
  p->collect = collect_fixed;
  ml3_meta *meta = ml3_meta_new(p, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  double objective, norm = 0;
  cr_assert_eq(ml3_meta_gradient(work, loss, task, theta, &random, gradient, &objective, NULL, &error), 0, "%s",
               error.message);
  for (int i = 0; i < loss->size; i++) norm += (double)gradient[i] * gradient[i];
  norm = sqrt(norm);
  cr_assert_gt(norm, 1e-5);
  for (int i = 0; i < loss->size; i += i < loss->size - 5 ? 4 : 1) {
    const ml3_real keep = loss->phi[i];
    double up, down;
    loss->phi[i] = (ml3_real)(keep + h);
    double width = loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &up, &error);
    loss->phi[i] = (ml3_real)(keep - h);
    width -= loss->phi[i];
    ml3_meta_objective(work, loss, task, theta, &random, NULL, &down, &error);
    loss->phi[i] = keep;
    cr_expect_leq(fabs((up - down) / width - gradient[i]), tolerance * norm, "phi[%d]: %g is not %g", i,
                  (double)gradient[i], (up - down) / width);
  }
  if (s->expert_targets) check_batch(p, &settings, loss, task, theta, gradient, objective, tolerance * norm);
  free(task), free(theta), free(gradient), free(fixed_inner), free(fixed_outer);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  ml3_loss_free(loss);
  p->free(p);
}

static void check_gradient(const ml3_model_free_settings *s, int steps) {
  check_gradient_in_passes(s, steps, 1);
}

Test(model_free_gradient, agrees_with_differences_through_one_update) {
  ml3_model_free_settings s = make_settings();
  check_gradient(&s, 1);
}
Test(model_free_gradient, agrees_with_differences_through_three_updates_by_reward_to_go) {
  ml3_model_free_settings s = make_settings();
  s.credit = ML3_CREDIT_REWARD_TO_GO;
  s.inputs = "state, mean, log_std, log_prob, credit, goal, action";
  check_gradient(&s, 3);
}
Test(model_free_gradient, agrees_with_differences_through_updates_of_several_steps) {
  ml3_model_free_settings s = make_settings();
  check_gradient_in_passes(&s, 4, 2);
}
Test(model_free_gradient, agrees_with_differences_by_the_ratio_of_probabilities) {
  ml3_model_free_settings s = make_settings();
  s.clip = 9; /* wide enough to have no kink here */
  s.rollouts = s.outer_rollouts = 3;
  s.reuse = true;
  check_gradient(&s, 3);
}
Test(model_free_gradient, agrees_with_differences_with_deviation_by_state_and_energy) {
  ml3_model_free_settings s = make_settings();
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN_STATE, -0.5, NULL), 0);
  s.extra = ML3_MODEL_FREE_ENERGY;
  check_gradient(&s, 2);
}
Test(model_free_gradient, agrees_with_differences_with_an_exploration_goal) {
  ml3_model_free_settings s = make_settings();
  s.extra = ML3_MODEL_FREE_EXPLORATION_GOAL;
  static const double goal[64] = {0.5};
  s.extra_goal = goal;
  s.extra_until_step = 3;
  check_gradient(&s, 2);
}
Test(model_free_gradient, agrees_with_differences_with_demonstrations) {
  ml3_model_free_settings s = make_settings();
  ml3_demonstrations *d = ml3_demonstrations_new(s.env, 2, 4, NULL);
  ml3_random random = ml3_random_stream(6, ML3_PURPOSE_USER, 0, 0);
  for (int i = 0; i < 2; i++) ml3_env_sample_task(s.env, &random, d->task + i * s.env->task_dim);
  for (int i = 0; i < 2 * 4 * 10; i++) d->obs[i] = 0.1 * ml3_random_normal(&random);
  for (int i = 0; i < 2 * 4 * 2; i++) d->action[i] = ml3_random_uniform(&random, -1, 1);
  s.extra = ML3_MODEL_FREE_DEMONSTRATIONS;
  s.demonstrations = d;
  check_gradient(&s, 2);
  ml3_demonstrations_free(d);
}
Test(model_free_gradient, agrees_with_differences_with_advice) {
  ml3_model_free_settings s = make_settings();
  ml3_expert *expert = ml3_expert_new(&s.policy, NULL);
  ml3_random random = ml3_random_stream(8, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&s.policy, &random, expert->theta);
  s.extra = ML3_MODEL_FREE_ADVICE;
  s.expert = expert;
  check_gradient(&s, 2);
  s.expert_targets = true;
  check_gradient(&s, 2);
  s.inputs = "mean, log_std, credit";
  check_gradient_in_passes(&s, 4, 2);
  ml3_expert_free(expert);
}

/* An expert's targets in a row of D are the expert's mean there. */
Test(model_free, an_expert_tells_what_the_targets_should_be) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  s.normalize = false;
  ml3_expert *expert = ml3_expert_new(&s.policy, &error);
  ml3_random random = ml3_random_stream(8, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&s.policy, &random, expert->theta);
  s.extra = ML3_MODEL_FREE_ADVICE, s.expert = expert, s.expert_targets = true;
  ml3_problem *p = make_problem(&s);
  const int rows = 3 * 6;
  ml3_real task[32], theta[512], *data = calloc((size_t)p->inner_size, sizeof *data);
  p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  cr_assert_eq(p->collect(p, task, theta, &random, data, NULL, &error), 0, "%s", error.message);
  const ml3_real *targets = data + p->inner_size - rows * 2;
  for (int r = 0; r < rows; r++) {
    double obs[10], action[2];
    for (int i = 0; i < 10; i++) obs[i] = data[r * 10 + i]; /* neither scaled nor relative: what is seen is what there is */
    ml3_policy_act(&expert->policy, expert->theta, obs, NULL, action);
    for (int k = 0; k < 2; k++) cr_expect_float_eq(targets[r * 2 + k], action[k], 1e-5);
  }
  ml3_meta_settings settings = meta_settings(p, 1, 1);
  settings.target_weight = 1;
  cr_expect_null(ml3_meta_new(p, &settings, &error));
  cr_expect(strstr(error.message, "loss.targets"), "%s", error.message);
  free(data);
  p->free(p);
  s.extra = ML3_MODEL_FREE_NONE;
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "is not advice"), "%s", error.message);
  ml3_expert_free(expert);
}

/* ---- the surrogate ---------------------------------------------------------------------------------------------------- */

/* - mean A log pi, written out. */
Test(model_free, the_task_loss_is_the_score_function_surrogate) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  s.policy.squash = ML3_SQUASH_CLAMP;
  ml3_problem *p = make_problem(&s);
  const ml3_policy *policy = &ml3_model_free_settings_of(p)->policy;
  ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, 0, 0), again;
  ml3_real task[32], theta[512], *data = calloc((size_t)p->outer_size, sizeof *data);
  p->sample(p, ML3_SPLIT_TEST, &random, task, theta, NULL);
  again = random;
  cr_assert_eq(p->collect(p, task, theta, &random, NULL, data, &error), 0, "%s", error.message);
  const int rows = 4 * 6;
  const ml3_real *action = data + rows * 10, *advantage = action + rows * 2;
  double expected = 0, sum = 0;
  for (int r = 0; r < rows; r++) {
    double x[10], mean[2];
    for (int i = 0; i < 10; i++) x[i] = data[r * 10 + i];
    ml3_mlp_forward(&policy->net, theta, x, mean);
    for (int k = 0; k < 2; k++) {
      const double z = (action[r * 2 + k] - mean[k]) / exp(-0.5);
      expected += advantage[r] * (z * z / 2 - 0.5 + 0.5 * log(2 * M_PI)) / rows;
    }
    sum += advantage[r];
  }
  cr_expect_float_eq(sum, 0, 1e-4, "advantages have mean 0");
  ml3_meta_settings settings = meta_settings(p, 1, 0);
  ml3_meta *meta = ml3_meta_new(p, &settings, &error);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  double value;
  cr_assert_eq(ml3_meta_task_gradient(work, task, theta, &again, &value, NULL, &error), 0, "%s", error.message);
  cr_expect_float_eq(value, expected, 1e-5);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  free(data);
  p->free(p);
}

/* Data of an older policy: - mean min(A r, A clamp(r, 1 - clip, 1 + clip)), written out, and the gradient by log_std of the rows
   whose ratio is not clipped. */
Test(model_free, the_task_loss_of_older_data_has_a_clipped_ratio) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  s.policy.squash = ML3_SQUASH_CLAMP;
  s.clip = 0.2;
  ml3_problem *p = make_problem(&s);
  const ml3_policy *policy = &ml3_model_free_settings_of(p)->policy;
  ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, 0, 0);
  ml3_real task[32], theta[512], *gradient = calloc((size_t)p->theta_size, sizeof *gradient);
  p->sample(p, ML3_SPLIT_TEST, &random, task, theta, NULL);
  fixed_outer = calloc((size_t)p->outer_size, sizeof *fixed_outer);
  cr_assert_eq(p->collect(p, task, theta, &random, NULL, fixed_outer, &error), 0, "%s", error.message);
  p->collect = collect_fixed;
  for (int i = 0; i < p->theta_size; i++) theta[i] += (ml3_real)(0.15 * ml3_random_normal(&random));

  const int rows = 4 * 6, log_std = p->theta_size - 2;
  const ml3_real *action = fixed_outer + rows * 10, *advantage = action + rows * 2, *old = advantage + rows;
  double expected = 0, by_log_std = 0;
  int clipped = 0, free = 0;
  for (int r = 0; r < rows; r++) {
    double x[10], mean[2], log_prob = 0, z0 = 0;
    for (int i = 0; i < 10; i++) x[i] = fixed_outer[r * 10 + i];
    ml3_mlp_forward(&policy->net, theta, x, mean);
    for (int k = 0; k < 2; k++) {
      const double z = (action[r * 2 + k] - mean[k]) / exp(theta[log_std + k]);
      log_prob -= z * z / 2 + theta[log_std + k] + 0.5 * log(2 * M_PI);
      if (k == 0) z0 = z;
    }
    const double ratio = exp(log_prob - old[r]), bounded = fmin(fmax(ratio, 0.8), 1.2);
    const bool taken = advantage[r] * ratio <= advantage[r] * bounded;
    expected -= fmin(advantage[r] * ratio, advantage[r] * bounded) / rows;
    if (taken) by_log_std -= advantage[r] * ratio * (z0 * z0 - 1) / rows;
    clipped += !taken;
    free += taken;
  }
  cr_assert(clipped > 2 && free > 2, "%d rows clipped, %d not", clipped, free);
  ml3_meta_settings settings = meta_settings(p, 1, 0);
  ml3_meta *meta = ml3_meta_new(p, &settings, &error);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  double value;
  cr_assert_eq(ml3_meta_task_gradient(work, task, theta, &random, &value, gradient, &error), 0, "%s", error.message);
  cr_expect_float_eq(value, expected, 1e-4, "%g, not %g", value, expected);
  cr_expect_float_eq(gradient[log_std], by_log_std, 1e-4, "%g, not %g", (double)gradient[log_std], by_log_std);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  p->free(p);
}

Test(model_free, data_is_fresh_every_time_and_the_same_from_the_same_stream) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  ml3_problem *p = make_problem(&s);
  ml3_random random = ml3_random_stream(8, ML3_PURPOSE_USER, 0, 0), again;
  const size_t bytes = (size_t)p->inner_size * sizeof(ml3_real);
  ml3_real task[32], theta[512], *a = malloc(bytes), *b = malloc(bytes), *c = malloc(bytes);
  p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  again = random;
  cr_assert_eq(p->collect(p, task, theta, &random, a, NULL, &error), 0);
  cr_assert_eq(p->collect(p, task, theta, &random, b, NULL, &error), 0);
  cr_assert_eq(p->collect(p, task, theta, &again, c, NULL, &error), 0);
  cr_expect(memcmp(a, b, bytes) != 0);
  cr_expect_eq(memcmp(a, c, bytes), 0);
  free(a), free(b), free(c);
  p->free(p);
}

Test(model_free, planned_demonstrations_reach_the_goal_and_are_the_same_on_any_threads) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass", &error);
  ml3_demonstrations *one = ml3_demonstrations_plan(env, 3, 50, 1, 1, NULL, NULL, &error),
                     *many = ml3_demonstrations_plan(env, 3, 50, 1, 3, NULL, NULL, &error);
  cr_assert(one && many, "%s", error.message);
  cr_expect_eq(memcmp(one->action, many->action, 3 * 50 * 2 * sizeof(double)), 0);
  cr_expect_eq(one->episode_return, many->episode_return);
  for (int i = 0; i < 3; i++) {
    const double *last = one->obs + (i * 50 + 49) * 4;
    cr_expect_lt(hypot(last[0] - 0.6, last[1] - 0.4), 0.02, "%g m off", hypot(last[0] - 0.6, last[1] - 0.4));
    for (int t = 0; t < 50; t++) cr_expect_leq(fabs(one->action[(i * 50 + t) * 2]), 1);
  }
  cr_expect_neq(one->obs[0], one->obs[50 * 4]);
  ml3_demonstrations_free(one);
  ml3_demonstrations_free(many);
}

typedef struct watch {
  int stop_at, calls, planned;
  bool stopped;
} watch;

static int watch_planning(void *user, int planned) {
  watch *w = user;
  cr_expect(!w->stopped && planned >= w->planned, "%d plans after %d", planned, w->planned);
  w->calls++, w->planned = planned;
  return w->stopped = planned >= w->stop_at;
}

Test(model_free, planning_demonstrations_can_be_watched_and_interrupted) {
  const ml3_env_spec *env = ml3_env_find("pointmass", NULL);
  for (int threads = 1; threads <= 3; threads += 2) {
    ml3_error error = {0};
    watch at_once = {.stop_at = 0}, later = {.stop_at = 2}, never = {.stop_at = 9};
    cr_expect_null(ml3_demonstrations_plan(env, 5, 20, 1, threads, watch_planning, &at_once, &error));
    cr_expect_eq(at_once.calls, 1, "within the first plan");
    cr_expect_eq(error.code, ML3_ERR_INTERRUPTED);
    cr_expect_null(ml3_demonstrations_plan(env, 5, 20, 1, threads, watch_planning, &later, &error));
    cr_expect_eq(later.planned, 2);
    cr_expect_str_eq(error.message, "planning was interrupted after 2 of 5 demonstrations; nothing of it is kept");
    ml3_demonstrations *all = ml3_demonstrations_plan(env, 5, 20, 1, threads, watch_planning, &never, &error);
    cr_expect(all && never.planned == 5);
    ml3_demonstrations_free(all);
  }
}

/* Counts updates, and stops after the second. */
static int stop_at_two(void *user, const ml3_learner_report *report) {
  cr_expect_eq(report->updates, ++*(int *)user);
  return *(int *)user == 2;
}

/* Its actions are the mean's of such a learner after its updates, in tasks of their own, on any threads. */
Test(model_free, learned_demonstrations_are_what_the_learner_would_do) {
  enum { COUNT = 3, STEPS = 50, HIDDEN = 16 };
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass_goal", &error);
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, env, (int[]){HIDDEN}, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0);
  ml3_learner_settings s = ml3_learner_defaults(env, &policy);
  ml3_ppo_options ppo;
  ml3_keys_default(ml3_learner_ppo.keys, &ppo);
  ppo.rate = 1e-2;
  s.own = &ppo;
  s.envs = 4, s.steps = 50, s.seed = 4, s.updates = 3, s.normalize_obs = true, s.threads = 2;
  ml3_learner *learner = ml3_learner_new(&ml3_learner_ppo, &s, &error);
  ml3_learner_report report;
  for (int k = 0; k < 3; k++) cr_assert_eq(ml3_learner_update(learner, &report, &error), 0, "%s", error.message);
  s.threads = 1;
  ml3_expert *expert = ml3_expert_learn(&ml3_learner_ppo, &s, NULL, NULL, &error);
  cr_assert_not_null(expert, "%s", error.message);
  ml3_demonstrations *d = ml3_demonstrations_show(env, expert, COUNT, STEPS, s.seed, &error);
  cr_assert_not_null(d, "%s", error.message);
  for (int t = 0; t < COUNT * STEPS; t++) {
    double action[2];
    ml3_policy_act(&learner->policy, learner->parameters, d->obs + t * env->obs_dim, NULL, action);
    cr_expect_eq(action[0], d->action[2 * t]);
    cr_expect_eq(action[1], d->action[2 * t + 1]);
  }
  cr_expect_neq(d->task[0], d->task[env->task_dim]);
  cr_expect_lt(d->episode_return, 0);
  int updates = 0;
  cr_expect_null(ml3_expert_learn(&ml3_learner_ppo, &s, stop_at_two, &updates, &error));
  cr_expect_eq(error.code, ML3_ERR_INTERRUPTED);
  cr_expect_str_eq(error.message, "the expert was interrupted at update 2 of 3; nothing of it is kept");
  ml3_demonstrations_free(d);
  ml3_expert_free(expert);
  ml3_learner_free(learner);
}

Test(model_free, a_narrowed_environment_draws_less) {
  ml3_error error = {0};
  const ml3_env_spec *wide = ml3_env_find("pointmass_goal", &error);
  const char *const names[2] = {"mass", "start_x"}, *const wrong[1] = {"weight"};
  ml3_env_spec *env = ml3_env_narrow(wide, names, 2, &error);
  cr_assert_not_null(env, "%s", error.message);
  const int mass = ml3_env_task_index(env, "mass"), goal = ml3_env_task_index(env, "goal_x"),
            start = ml3_env_task_index(env, "start_x");
  double a[16], b[16];
  ml3_random random = ml3_random_stream(9, ML3_PURPOSE_USER, 0, 0);
  ml3_env_sample_task(env, &random, a);
  ml3_env_sample_task(env, &random, b);
  cr_expect_eq(a[mass], 0.5);
  cr_expect_eq(b[start], 0.0);
  cr_expect_neq(a[goal], b[goal]);
  cr_expect_lt(wide->task[mass].low, 0.5, "the wide one is as it was");
  free(env);
  cr_expect_null(ml3_env_narrow(wide, wrong, 1, &error));
  cr_expect(strstr(error.message, "no task parameter 'weight'; it has: goal_x"), "%s", error.message);
}

Test(model_free, names_what_the_loss_sees) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  s.inputs = "log_prob,credit goal";
  ml3_problem *p = make_problem(&s);
  cr_expect_eq(p->features, 4);
  cr_expect_str_eq(p->feature_names[0], "log_prob");
  cr_expect_str_eq(p->feature_names[2], "goal.goal_x");
  p->free(p);
  s.inputs = "state advantage";
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "no 'advantage'"), "%s", error.message);
  s.inputs = "state credit";
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "does not depend on the policy"), "%s", error.message);
  s = make_settings();
  s.extra = ML3_MODEL_FREE_DEMONSTRATIONS;
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "there are none"), "%s", error.message);
  s.extra = ML3_MODEL_FREE_ADVICE;
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "there is no expert"), "%s", error.message);
}

/* ---- the outer loop ----------------------------------------------------------------------------------------------------- */

static ml3_trainer_settings trainer_settings(const ml3_problem *p, int threads, int epochs) {
  return (ml3_trainer_settings){.meta = meta_settings(p, 2, 0),
                                .optimizer = ml3_nn_adam(1e-2),
                                .seed = 3,
                                .threads = threads,
                                .tasks = 6,
                                .epochs = epochs,
                                .task_clip_norm = 1,
                                .normalize = ML3_NORMALIZE_FIRST,
                                .validation_tasks = 3};
}

static ml3_trainer *make_trainer_of_epochs(const ml3_problem *p, int threads, int epochs) {
  ml3_error error = {0};
  const ml3_trainer_settings settings = trainer_settings(p, threads, epochs);
  ml3_trainer *t = ml3_trainer_new(p, &settings, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static ml3_trainer *make_trainer(const ml3_problem *p, int threads) {
  return make_trainer_of_epochs(p, threads, 1);
}

static void train(ml3_trainer *t, int steps) {
  ml3_error error = {0};
  ml3_trainer_report report;
  for (int i = 0; i < steps; i++) cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0, "%s", error.message);
  cr_expect(report.outcome.episode_return < 0);
}

Test(model_free_training, has_the_same_bits_on_one_two_and_four_threads) {
  ml3_model_free_settings s = make_settings();
  ml3_problem *p = make_problem(&s);
  ml3_trainer *one = make_trainer(p, 1);
  train(one, 3);
  for (int threads = 2; threads <= 4; threads += 2) {
    ml3_trainer *many = make_trainer(p, threads);
    train(many, 3);
    const ml3_loss *a = ml3_trainer_loss(one), *b = ml3_trainer_loss(many);
    cr_expect_eq(memcmp(a->phi, b->phi, (size_t)a->size * sizeof *a->phi), 0, "%d threads", threads);
    ml3_trainer_free(many);
  }
  ml3_trainer_free(one);
  p->free(p);
}

static int collected, collected_inner, collected_outer;

static int (*collect_really)(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                             ml3_real *inner, ml3_real *outer, ml3_error *error);

static int count_and_collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                             ml3_real *inner, ml3_real *outer, ml3_error *error) {
#pragma omp atomic
  collected++;
  if (inner) collected_inner++;
  if (outer) collected_outer++;
  return collect_really(p, task, theta, random, inner, outer, error);
}

Test(model_free_training, updates_several_times_by_what_it_has_collected_once) {
  ml3_error error = {0};
  ml3_trainer_report report;
  ml3_model_free_settings s = make_settings();
  s.clip = 0.2;
  ml3_problem *p = make_problem(&s);
  ml3_trainer *one = make_trainer_of_epochs(p, 1, 1), *three = make_trainer_of_epochs(p, 1, 3);
  ml3_trainer *threads = make_trainer_of_epochs(p, 4, 3);
  collect_really = p->collect, p->collect = count_and_collect;
  cr_assert_eq(ml3_trainer_step(one, &report, &error), 0, "%s", error.message);
  const int once = collected;
  cr_assert_gt(once, 0);
  cr_assert_eq(ml3_trainer_step(three, &report, &error), 0, "%s", error.message);
  cr_expect_eq(collected, 2 * once, "%d and %d", once, collected);
  cr_assert_eq(ml3_trainer_step(threads, &report, &error), 0, "%s", error.message);
  const ml3_loss *a = ml3_trainer_loss(one), *b = ml3_trainer_loss(three), *c = ml3_trainer_loss(threads);
  cr_expect_neq(memcmp(a->phi, b->phi, (size_t)a->size * sizeof *a->phi), 0, "later epochs change something");
  cr_expect_eq(memcmp(b->phi, c->phi, (size_t)b->size * sizeof *b->phi), 0, "on any number of threads");
  ml3_trainer_free(one), ml3_trainer_free(three), ml3_trainer_free(threads);
  p->free(p);
}

/* ---- the scaling of inputs goes with the loss ----------------------------------------------------------------------------- */

static const ml3_policy *policy_of(const ml3_problem *p) {
  return &ml3_model_free_settings_of(p)->policy;
}

/* What was learned under one scaling does the same where another would have been measured. */
Test(model_free, a_loss_brings_the_scaling_it_was_learned_under) {
  char path[] = "/tmp/ml3-loss-XXXXXX";
  ml3_error error = {0};
  close(mkstemp(path));
  ml3_model_free_settings s = make_settings(), wider = s;
  wider.rollouts = 5;
  wider.normalize_seed = 9;
  ml3_problem *learned = make_problem(&s), *other = make_problem(&wider);
  ml3_trainer *t = make_trainer_of_epochs(learned, 1, 1);
  const size_t size = (size_t)policy_of(learned)->net.inputs * sizeof(double);
  cr_assert_neq(memcmp(policy_of(learned)->scale, policy_of(other)->scale, size), 0, "measured by other rollouts");
  ml3_loss *loss = ml3_loss_new(&ml3_trainer_best_loss(t)->spec, &(ml3_random){0}, &error), *read;
  bool missing = false;
  cr_assert_eq(ml3_loss_use_scaling(loss, other, &missing, &error), 0, "%s", error.message);
  cr_expect(missing, "a loss of an earlier version has none");
  cr_expect_neq(memcmp(policy_of(learned)->scale, policy_of(other)->scale, size), 0);

  cr_assert_eq(ml3_loss_save(ml3_trainer_best_loss(t), path, &error), 0, "%s", error.message);
  cr_assert_not_null(read = ml3_loss_load(path, &error), "%s", error.message);
  cr_expect_not(ml3_loss_same_scaling(loss, read));
  cr_expect(ml3_loss_same_scaling(ml3_trainer_best_loss(t), read));
  cr_assert_eq(ml3_loss_use_scaling(read, other, &missing, &error), 0, "%s", error.message);
  cr_expect_not(missing);
  cr_expect_eq(memcmp(policy_of(learned)->scale, policy_of(other)->scale, size), 0);
  cr_expect_eq(memcmp(policy_of(learned)->shift, policy_of(other)->shift, size), 0);

  wider.normalize = false; /* measures none: as its settings say */
  ml3_problem *plain = make_problem(&wider);
  cr_assert_eq(ml3_loss_use_scaling(read, plain, &missing, &error), 0, "%s", error.message);
  cr_expect_not(missing);
  cr_expect_null(policy_of(plain)->scale);
  s.env = ml3_env_find("pointmass", &error);
  const int hidden[1] = {5};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  ml3_problem *narrow = make_problem(&s);
  cr_expect_eq(ml3_loss_use_scaling(read, narrow, NULL, &error), ML3_ERR_ARGUMENT);
  cr_expect(strstr(error.message, "policies of 10 inputs, and those of 'pointmass' have 4"), "%s", error.message);
  ml3_loss_free(loss), ml3_loss_free(read);
  ml3_trainer_free(t);
  learned->free(learned), other->free(other), plain->free(plain), narrow->free(narrow);
  unlink(path);
}

/* While the loss stays as it is, later epochs change nothing: neither where optimizees are nor how fast they go. */
Test(model_free_training, lets_optimizees_live_on_from_the_last_of_several_epochs) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  ml3_problem *p = make_problem(&s);
  ml3_trainer *trainer[2];
  for (int k = 0; k < 2; k++) {
    ml3_trainer_settings settings = trainer_settings(p, 1, k ? 3 : 1);
    settings.optimizer = ml3_nn_adam(1e-30);
    settings.meta.loss.momentum = 0.5;
    settings.lifetime = 4;
    trainer[k] = ml3_trainer_new(p, &settings, &error);
    cr_assert_not_null(trainer[k], "%s", error.message);
  }
  for (int step = 0; step < 6; step++) {
    ml3_trainer_report once, often;
    cr_assert_eq(ml3_trainer_step(trainer[0], &once, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_trainer_step(trainer[1], &often, &error), 0, "%s", error.message);
    cr_expect_eq(once.objective, often.objective, "step %d: %g, %g", step, once.objective, often.objective);
  }
  ml3_trainer_free(trainer[0]), ml3_trainer_free(trainer[1]);
  p->free(p);
}

/* What a run is said to have cost is what it has collected. */
Test(model_free_training, tells_how_many_steps_of_the_environment_it_takes) {
  ml3_error error = {0};
  ml3_trainer_report report;
  ml3_model_free_settings s = make_settings();
  for (int reuse = 0; reuse < 2; reuse++) {
    if (reuse) s.outer_rollouts = s.rollouts, s.reuse = true;
    ml3_problem *p = make_problem(&s);
    ml3_trainer *t = make_trainer(p, 1);
    const ml3_trainer_settings settings = trainer_settings(p, 1, 1);
    collected_inner = collected_outer = 0;
    collect_really = p->collect, p->collect = count_and_collect;
    for (int i = 0; i < 2; i++) cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    double environment, model, before, none;
    ml3_trainer_count_steps(p, &settings, 2, &environment, &model);
    ml3_trainer_count_steps(p, &settings, 0, &before, &none);
    cr_expect_eq(model, 0);
    cr_expect_eq(before, p->steps.made + 32.0 * s.horizon * s.rollouts, "what inputs are normalised by");
    cr_expect_eq(environment - before,
                 (double)s.horizon * (collected_inner * s.rollouts + collected_outer * s.outer_rollouts),
                 "%g steps told; %d and %d rollouts seen", environment - before, collected_inner, collected_outer);
    ml3_trainer_free(t);
    p->free(p);
  }
}

/* What the task loss sees of an update's episodes is what they were; none are collected for it but the last. */
Test(model_free, episodes_of_an_update_serve_the_task_loss) {
  ml3_error error = {0};
  ml3_model_free_settings s = make_settings();
  s.outer_rollouts = s.rollouts;
  s.reuse = true;
  ml3_problem *p = make_problem(&s);
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_real *task = calloc((size_t)p->task_size, sizeof *task), *theta = calloc((size_t)p->theta_size, sizeof *theta);
  ml3_real *inner = calloc((size_t)p->inner_size, sizeof *inner), *outer = calloc((size_t)p->outer_size, sizeof *outer);
  ml3_real *apart = calloc((size_t)p->outer_size, sizeof *apart);
  p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  ml3_random again = random;
  cr_assert_eq(p->collect(p, task, theta, &random, inner, NULL, &error), 0, "%s", error.message);
  cr_assert_eq(p->collect(p, task, theta, &again, NULL, apart, &error), 0, "%s", error.message);
  cr_assert_eq(p->reuse(p, task, inner, outer, &error), 0, "%s", error.message);
  cr_expect_eq(memcmp(outer, apart, (size_t)p->outer_size * sizeof *outer), 0, "as collected from the same stream");
  free(task), free(theta), free(inner), free(outer), free(apart);
  p->free(p);
  s.outer_rollouts++;
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect(strstr(error.message, "must be as many"), "%s", error.message);
}

Test(model_free_training, resumes_with_the_same_bits) {
  char folder[] = "/tmp/ml3-model-free-XXXXXX", path[64];
  ml3_error error = {0};
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/checkpoint", folder);
  ml3_model_free_settings s = make_settings();
  ml3_problem *p = make_problem(&s);
  ml3_trainer *whole = make_trainer(p, 2), *first = make_trainer(p, 2);
  train(whole, 4);
  train(first, 2);
  cr_assert_eq(ml3_trainer_save(first, path, &error), 0, "%s", error.message);

  ml3_problem *fresh = make_problem(&s); /* as another process would */
  ml3_trainer *second = make_trainer(fresh, 1);
  cr_assert_eq(ml3_trainer_load(second, path, &error), 0, "%s", error.message);
  train(second, 2);
  const ml3_loss *a = ml3_trainer_loss(whole), *b = ml3_trainer_loss(second);
  cr_expect_eq(memcmp(a->phi, b->phi, (size_t)a->size * sizeof *a->phi), 0);
  ml3_trainer_free(whole);
  ml3_trainer_free(first);
  ml3_trainer_free(second);
  p->free(p);
  fresh->free(fresh);
  unlink(path);
  rmdir(folder);
}
