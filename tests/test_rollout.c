/* Rollouts and credit: the same bits on any number of threads; ends, resets and advantages as their definitions say. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/advantage.h"

static ml3_policy make_policy(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find(name, &error);
  const int hidden[1] = {8};
  ml3_policy policy;
  cr_assert_not_null(env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&policy, env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  return policy;
}

/* The reacher's default task with a goal 0.1 m away at 0.3 rad. */
static void near_task(double *task) {
  const ml3_env_spec *env = ml3_env_find("reacher", NULL);
  cr_assert_leq(env->task_dim, 32);
  ml3_env_default_task(env, task);
  task[ml3_env_task_index(env, "goal_angle")] = 0.3;
  task[ml3_env_task_index(env, "goal_radius_squared")] = 0.01;
}

static ml3_sampler *make_sampler(const ml3_policy *policy, const char *name, int envs, int horizon, int threads) {
  ml3_error error = {0};
  ml3_sampler *s = ml3_sampler_new(ml3_env_find(name, &error), policy, envs, horizon, threads, &error);
  cr_assert_not_null(s, "%s", error.message);
  return s;
}

/* A rollout of 12 steps in 5 reachers whose episodes take 7. */
static ml3_rollout *collect(int threads, bool normalize) {
  ml3_error error = {0};
  ml3_policy policy = make_policy("reacher");
  ml3_normalizer normalizer;
  cr_assert_eq(ml3_normalizer_init(&normalizer, policy.net.inputs, &error), 0);
  cr_assert_eq(ml3_policy_reserve(&policy, &error), 0);
  ml3_sampler *s = make_sampler(&policy, "reacher", 5, 7, threads);
  ml3_rollout *r = ml3_rollout_new(&policy, 5, 12, 8, &error);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_real theta[512];
  ml3_policy_draw(&policy, &random, theta);
  ml3_sampler_reset(s, NULL, 42);
  cr_assert_eq(ml3_sampler_collect(s, theta, normalize ? &normalizer : NULL, &policy, r, &error), 0, "%s",
               error.message);
  ml3_sampler_free(s);
  ml3_normalizer_free(&normalizer);
  ml3_policy_free(&policy);
  return r;
}

Test(rollout, has_the_same_bits_on_any_number_of_threads) {
  ml3_rollout *one = collect(1, true);
  for (int threads = 2; threads <= 4; threads += 2) {
    ml3_rollout *many = collect(threads, true);
    cr_expect_eq(memcmp(one->x, many->x, 5 * 12 * 10 * sizeof(ml3_real)), 0);
    cr_expect_eq(memcmp(one->action, many->action, 5 * 12 * 2 * sizeof(ml3_real)), 0);
    cr_expect_eq(memcmp(one->reward, many->reward, 5 * 12 * sizeof(ml3_real)), 0);
    cr_expect_eq(memcmp(one->log_prob, many->log_prob, 5 * 12 * sizeof(ml3_real)), 0);
    ml3_rollout_free(many);
  }
  ml3_rollout_free(one);
}

Test(rollout, episodes_end_at_the_horizon_and_begin_anew) {
  ml3_rollout *r = collect(1, false);
  for (int i = 0; i < 5; i++) {
    for (int t = 0; t < 12; t++) cr_expect_eq(r->end[t * 5 + i], t == 6 ? ML3_TRUNCATED : ML3_GOES_ON);
    /* the first input of the new episode is another than the last one of the old; the arm starts near 0 */
    const ml3_real *last = r->truncated_x + (6 * 5 + i) * 10, *first = r->x + (7 * 5 + i) * 10;
    cr_expect(memcmp(last, first, 10 * sizeof *last) != 0);
    cr_expect(fabs((double)first[2]) <= sin(0.1) + 1e-6 && fabs((double)first[6]) <= 0.005 + 1e-9);
    /* what is kept as state is the input's */
    const ml3_real *state = r->state + (2 * 5 + i) * 8, *next = r->x + (3 * 5 + i) * 10;
    cr_expect_float_eq(cos(state[0]), next[0], 1e-5);
    cr_expect_float_eq(state[2], next[4], 1e-6);
  }
  cr_expect_eq(r->episodes, 5);
  double sum = 0;
  for (int t = 0; t < 7; t++)
    for (int i = 0; i < 5; i++) sum += r->reward[t * 5 + i] / 5;
  cr_expect_float_eq(r->episode_return, sum, 1e-4);
  cr_expect_eq(r->episode_length, 7.0);
  ml3_rollout_free(r);
}

Test(rollout, one_task_keeps_its_goal_and_draws_starts) {
  ml3_policy policy = make_policy("reacher");
  ml3_error error = {0};
  ml3_sampler *s = make_sampler(&policy, "reacher", 4, 50, 1);
  ml3_rollout *r = ml3_rollout_new(&policy, 4, 1, 0, &error);
  ml3_real theta[512] = {0};
  double task[32], goal[2];
  near_task(task);
  ml3_sampler_goal(s, task, goal);
  cr_expect_float_eq(goal[0], 0.1 * cos(0.3), 1e-12);
  ml3_sampler_reset(s, task, 7);
  cr_assert_eq(ml3_sampler_collect(s, theta, NULL, NULL, r, &error), 0);
  for (int i = 0; i < 4; i++) {
    cr_expect_float_eq(r->x[i * 10 + 4], goal[0], 1e-6);
    for (int j = 0; j < i; j++) cr_expect_neq(r->x[i * 10 + 2], r->x[j * 10 + 2], "starts differ");
  }
  ml3_rollout_free(r);
  ml3_sampler_free(s);
}

Test(rollout, says_what_is_wrong) {
  ml3_error error = {0};
  ml3_policy policy = make_policy("reacher");
  cr_expect_null(ml3_sampler_new(ml3_env_find("mountain_car", NULL), &policy, 2, 0, 1, &error));
  cr_expect(strstr(error.message, "environment 'mountain_car' has 2 and 1"), "%s", error.message);
  cr_expect_null(ml3_sampler_new(ml3_env_find("reacher", NULL), &policy, 0, 0, 1, &error));
  cr_expect(strstr(error.message, "0 environments"), "%s", error.message);
  policy.kind = ML3_POLICY_DETERMINISTIC;
  cr_expect_null(ml3_sampler_new(ml3_env_find("reacher", NULL), &policy, 2, 0, 1, &error));
  cr_expect(strstr(error.message, "deterministic"), "%s", error.message);

  policy = make_policy("reacher");
  ml3_sampler *s = make_sampler(&policy, "reacher", 2, 0, 1);
  ml3_rollout *r = ml3_rollout_new(&policy, 2, 1, 0, &error);
  ml3_real theta[512];
  for (int i = 0; i < 512; i++) theta[i] = NAN;
  cr_expect_eq(ml3_sampler_collect(s, theta, NULL, NULL, r, &error), ML3_ERR_NUMERIC);
  cr_expect(strstr(error.message, "not finite at step 0"), "%s", error.message);
  ml3_rollout_free(r);
  ml3_sampler_free(s);
}

/* Two environments, four steps; the first terminates after two, the second is truncated after three. */
static ml3_rollout hand_made(unsigned char *end) {
  memset(end, ML3_GOES_ON, 8);
  end[1 * 2 + 0] = ML3_TERMINATED;
  end[2 * 2 + 1] = ML3_TRUNCATED;
  return (ml3_rollout){.envs = 2, .steps = 4, .end = end};
}

Test(advantage, rewards_to_go_stay_within_an_episode) {
  unsigned char end[8];
  ml3_rollout r = hand_made(end);
  const ml3_real reward[8] = {1, 10, 2, 20, 3, 30, 4, 40};
  const double expected[8] = {1 + 0.5 * 2, 10 + 0.5 * (20 + 0.5 * 30), 2, 20 + 0.5 * 30, 3 + 0.5 * 4, 30, 4, 40};
  ml3_real out[8];
  ml3_rewards_to_go(&r, reward, 0.5, out);
  for (int i = 0; i < 8; i++) cr_expect_float_eq(out[i], expected[i], 1e-6);
  ml3_subtract_others(&r, out);
  cr_expect_float_eq(out[0], expected[0] - expected[1], 1e-5);
  cr_expect_float_eq(out[1], expected[1] - expected[0], 1e-5);
}

Test(advantage, generalized_ones_are_sums_of_temporal_differences) {
  unsigned char end[8];
  ml3_rollout r = hand_made(end);
  const ml3_real reward[8] = {1, 10, 2, 20, 3, 30, 4, 40}, value[8] = {5, 6, 7, 8, 9, 1, 2, 3}, last[2] = {4, 5};
  ml3_real truncated[8] = {0}, advantage[8], returns[8];
  truncated[2 * 2 + 1] = 11;
  const double g = 0.9, l = 0.8;
  ml3_generalized_advantages(&r, reward, value, last, truncated, g, l, advantage, returns);
  const double d01 = 2 - 7, d00 = 1 + g * 7 - 5, d03 = 4 + g * 4 - 2,
               d02 = 3 + g * 2 - 9; /* delta of environment 0, step .. */
  const double d12 = 30 + g * 11 - 1, d11 = 20 + g * 1 - 8, d10 = 10 + g * 8 - 6, d13 = 40 + g * 5 - 3;
  const double expected[8] = {
      d00 + g * l * d01, d10 + g * l * (d11 + g * l * d12), d01, d11 + g * l * d12, d02 + g * l * d03, d12, d03, d13};
  for (int i = 0; i < 8; i++) {
    cr_expect_float_eq(advantage[i], expected[i], 1e-5);
    cr_expect_float_eq(returns[i], expected[i] + value[i], 1e-5);
  }
}

Test(advantage, standard_ones_have_mean_0_and_deviation_1) {
  ml3_real x[4] = {1, 2, 3, 6}, alike[3] = {2, 2, 2};
  ml3_standardize(x, 4);
  cr_expect_float_eq(x[0] + x[1] + x[2] + x[3], 0, 1e-6);
  cr_expect_float_eq(x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3], 4, 1e-5);
  ml3_standardize(alike, 3);
  cr_expect_eq(alike[1], (ml3_real)0);
  ml3_real one = 3;
  ml3_standardize(&one, 1);
  cr_expect_eq(one, (ml3_real)3, "a single one has no deviation");
}

/* A target that is of the fit's form comes back but for the ridge. */
Test(advantage, the_baseline_fits_what_state_and_time_tell) {
  enum { ENVS = 6, STEPS = 20 };
  ml3_real x[ENVS * STEPS * 2], target[ENVS * STEPS], value[ENVS * STEPS];
  double work[128];
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  cr_assert_leq(ml3_baseline_size(2), 128);
  for (int i = 0; i < ENVS * STEPS * 2; i++) x[i] = (ml3_real)ml3_random_normal(&random);
  for (int i = 0; i < ENVS * STEPS; i++) {
    const double a = x[2 * i], b = x[2 * i + 1], time = (double)(i / ENVS) / (STEPS - 1);
    target[i] = (ml3_real)(3 + 2 * a - b * b + 0.5 * time);
  }
  const ml3_rollout r = {.envs = ENVS, .steps = STEPS, .inputs = 2, .x = x};
  cr_assert_eq(ml3_fit_baseline(&r, target, work, value, &error), 0, "%s", error.message);
  for (int i = 0; i < ENVS * STEPS; i++) cr_expect_float_eq(value[i], target[i], 0.03);
  x[5] = NAN;
  cr_expect_eq(ml3_fit_baseline(&r, target, work, value, &error), ML3_ERR_NUMERIC);
}

Test(judge, counts_the_return_of_the_mean) {
  ml3_policy policy = make_policy("reacher");
  ml3_error error = {0};
  ml3_real theta[512] = {0}; /* does nothing */
  const ml3_env_spec *env = ml3_env_find("reacher", &error);
  double task[32];
  near_task(task);
  ml3_outcome outcome, random;
  cr_assert_eq(ml3_judge(env, &policy, theta, task, 0, 3, 1, &outcome, &error), 0, "%s", error.message);
  cr_expect_eq(outcome.env_steps, 150.0);
  cr_expect_eq(outcome.task_loss, -outcome.episode_return);
  cr_expect_float_eq(outcome.episode_return / 50, -outcome.distance, 0.01, "a resting arm keeps its distance");
  ml3_episode *e = ml3_judge_episode(env, &policy, theta, task, 0, 2, 1, &error);
  cr_assert_not_null(e, "%s", error.message);
  cr_expect_eq(e->steps, 50);
  ml3_episode_free(e);
  cr_assert_eq(ml3_judge(env, &policy, NULL, task, 0, 3, 1, &random, &error), 0, "%s", error.message);
  cr_expect_lt(random.episode_return, outcome.episode_return - 10, "random actions cost");
}

/* ---- simulations that diverge, goals that are passed ------------------------------------------------------------------- */

/* One number: its place, which an action of a learner does not move; it goes right by 1 a step. */
typedef struct walker {
  double at;
} walker;

static int make_walker(ml3_env *env, ml3_error *error) {
  (void)error;
  return (env->data = calloc(1, sizeof(walker))) ? 0 : ML3_ERR_MEMORY;
}
static void free_walker(ml3_env *env) {
  free(env->data);
}
static void reset_walker(ml3_env *env, ml3_random *random) {
  (void)random;
  ((walker *)env->data)->at = env->task[0];
}
static void step_walker(ml3_env *env, const double *action, ml3_env_result *result) {
  walker *w = env->data;
  (void)action;
  w->at++;
  result->reward = 1;
  if (w->at == 50) result->code = ML3_ENV_LOST_CONTACTS; /* the step is made */
  if (w->at >= 100) result->code = ML3_ERR_NUMERIC;      /* as a simulation that diverges */
}
static void observe_walker(const ml3_env *env, double *obs) {
  obs[0] = ((const walker *)env->data)->at;
}
static void no_goal(const ml3_env *env, double *goal) {
  (void)env, (void)goal;
}
static void put_walker(ml3_env *env, const double *state) {
  ((walker *)env->data)->at = state[0];
}
static double from_three(const ml3_env *env) {
  return fabs(((const walker *)env->data)->at - 3);
}
static bool at_three(const ml3_env *env) {
  return from_three(env) == 0;
}

static const ml3_env_field walker_place[] = {{.name = "at", .unit = "m", .low = -INFINITY, .high = INFINITY}};
static const ml3_env_field walker_push[] = {{.name = "push", .unit = "N", .low = -1, .high = 1}};
static const ml3_env_parameter walker_start[] = {{.name = "start_at", .unit = "m", .value = 0, .low = 0, .high = 0}};
static const ml3_env_spec walking = {.name = "walking",
                                     .horizon = 5,
                                     .dt_s = 1,
                                     .state_dim = 1,
                                     .obs_dim = 1,
                                     .action_dim = 1,
                                     .task_dim = 1,
                                     .state = walker_place,
                                     .obs = walker_place,
                                     .action = walker_push,
                                     .task = walker_start,
                                     .create = make_walker,
                                     .destroy = free_walker,
                                     .reset = reset_walker,
                                     .step = step_walker,
                                     .observe = observe_walker,
                                     .goal_now = no_goal,
                                     .get_state = observe_walker,
                                     .set_state = put_walker,
                                     .distance = from_three,
                                     .success = at_three};

static ml3_policy make_walking_policy(void) {
  ml3_error error = {0};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, &walking, NULL, 0, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, 0, &error), 0, "%s", error.message);
  return policy;
}

/* Two walkers side by side for so many steps; the first begins there. */
static ml3_rollout *walk(double first, int steps, int horizon) {
  ml3_error error = {0};
  static ml3_policy policy;
  policy = make_walking_policy();
  const ml3_real theta[8] = {0};
  ml3_env_parameter start = walker_start[0];
  ml3_env_spec spec = walking;
  start.low = start.high = start.value = first;
  spec.task = &start;
  ml3_sampler *s = ml3_sampler_new(&spec, &policy, 2, horizon, 1, &error);
  cr_assert_not_null(s, "%s", error.message);
  ml3_rollout *r = ml3_rollout_new(&policy, 2, steps, 0, &error);
  cr_assert_eq(ml3_sampler_collect(s, theta, NULL, &policy, r, &error), 0, "%s", error.message);
  ml3_sampler_free(s);
  return r;
}

Test(rollout, counts_success_at_the_end_of_an_episode_and_passing_apart) {
  ml3_rollout *past = walk(0, 5, 5), *there = walk(0, 3, 3), *before = walk(0, 2, 2);
  cr_expect_eq(past->episodes, 2);
  cr_expect_eq(past->success, 0.0);
  cr_expect_eq(past->passed, 1.0);
  cr_expect_eq(past->distance, 2.0);
  cr_expect_eq(there->success, 1.0);
  cr_expect_eq(there->passed, 1.0);
  cr_expect_eq(there->distance, 0.0);
  cr_expect_eq(before->success, 0.0);
  cr_expect_eq(before->passed, 0.0);
  ml3_rollout_free(past), ml3_rollout_free(there), ml3_rollout_free(before);
}

Test(judge, counts_success_at_the_end_of_an_episode_and_passing_apart) {
  const ml3_policy policy = make_walking_policy();
  const double task[1] = {0};
  ml3_error error = {0};
  ml3_outcome past, there;
  cr_assert_eq(ml3_judge(&walking, &policy, NULL, task, 5, 2, 1, &past, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_judge(&walking, &policy, NULL, task, 3, 2, 1, &there, &error), 0, "%s", error.message);
  cr_expect_eq(past.success, 0.0);
  cr_expect_eq(past.passed, 1.0);
  cr_expect_eq(there.success, 1.0);
  cr_expect_eq(there.passed, 1.0);
}

Test(rollout, goes_on_where_a_step_lost_contacts) {
  ml3_rollout *r = walk(49, 3, 50);
  cr_expect_eq(r->diverged, 0);
  cr_expect_eq(r->reward[0], (ml3_real)1);
  cr_expect_eq(r->end[0], ML3_GOES_ON);
  ml3_rollout_free(r);
}

/* It ends where it was before, without reward for the step, and is in none of the means. */
Test(rollout, ends_an_episode_whose_simulation_diverges) {
  ml3_rollout *r = walk(98, 3, 50);
  cr_expect_eq(r->diverged, 2);
  cr_expect_eq(r->diverged_envs, 2);
  cr_expect_eq(r->episodes, 0);
  for (int i = 0; i < 2; i++) {
    cr_expect_eq(r->end[i], ML3_GOES_ON);
    cr_expect_eq(r->end[2 + i], ML3_TRUNCATED);
    cr_expect_eq(r->end[4 + i], ML3_GOES_ON);
    cr_expect_eq(r->reward[i], (ml3_real)1);
    cr_expect_eq(r->reward[2 + i], (ml3_real)0);
    cr_expect_eq(r->truncated_x[2 + i], (ml3_real)99);
    cr_expect_eq(r->x[4 + i], (ml3_real)98, "and a new one begins");
  }
  ml3_rollout_free(r);
}
