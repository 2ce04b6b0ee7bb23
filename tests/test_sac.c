/* Soft actor-critic and what is its: replay buffers, squashed Gaussian policies, gradient steps as many as are due, checkpoints that
   go on with the same bits. (Its numbers are in test_oracle_sac.c.) */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/learner.h"
#include "agents/learn/replay.h"
#include "agents/learn/sac.h"
#include "agents/learn/squashed.h"
#include "nn/checkpoint.h"
#include "nn/program.h"

static ml3_policy make_policy(const char *env_name) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find(env_name, &error);
  ml3_policy policy;
  cr_assert_not_null(env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&policy, env, (int[]){32, 32}, 2, ML3_RELU, true, &error), 0, "%s", error.message);
  return policy;
}

/* ---- replay buffers ---------------------------------------------------------------------------------------------- */

/* Two steps of two environments: environment 0 terminates in the first, environment 1 is truncated in the second. */
enum { ENVS = 2, STEPS = 2, INPUTS = 4, ACTIONS = 2, ROWS = ENVS * STEPS };
typedef struct steps {
  ml3_real x[ROWS * INPUTS], action[ROWS * ACTIONS], reward[ROWS], last_x[ENVS * INPUTS], truncated_x[ROWS * INPUTS];
  unsigned char end[ROWS];
  ml3_rollout rollout;
} steps;

static void fill(steps *s, int from) {
  for (int i = 0; i < ROWS * INPUTS; i++)
    s->x[i] = (ml3_real)(from + i), s->truncated_x[i] = (ml3_real)(from + 1000 + i);
  for (int i = 0; i < ENVS * INPUTS; i++) s->last_x[i] = (ml3_real)(from + 500 + i);
  for (int i = 0; i < ROWS * ACTIONS; i++) s->action[i] = (ml3_real)(i % 2 ? -0.5 : 0.25);
  for (int i = 0; i < ROWS; i++) s->reward[i] = (ml3_real)(from + i);
  memcpy(s->end, (unsigned char[ROWS]){ML3_TERMINATED, ML3_GOES_ON, ML3_GOES_ON, ML3_TRUNCATED}, ROWS);
  s->rollout = (ml3_rollout){.envs = ENVS,
                             .steps = STEPS,
                             .inputs = INPUTS,
                             .action_dim = ACTIONS,
                             .x = s->x,
                             .action = s->action,
                             .reward = s->reward,
                             .end = s->end,
                             .last_x = s->last_x,
                             .truncated_x = s->truncated_x};
}

static ml3_replay make_replay(int capacity) {
  const ml3_policy policy = make_policy("pointmass");
  ml3_error error = {0};
  ml3_replay r;
  cr_assert_eq(ml3_replay_init(&r, &policy, capacity, &error), 0, "%s", error.message);
  return r;
}

Test(replay, knows_what_came_after_each_step_and_whether_the_episode_goes_on) {
  const ml3_policy policy = make_policy("pointmass");
  static const ml3_real next[ROWS] = {1000, 12, 500,
                                      1012}; /* terminated, goes on, goes on behind the last step, truncated */
  static const ml3_real goes_on[ROWS] = {0, 1, 1, 1};
  ml3_replay r = make_replay(10);
  steps s;
  fill(&s, 0);
  ml3_replay_add(&r, &policy, &s.rollout);
  cr_assert_eq(r.count, ROWS);
  for (int i = 0; i < ROWS; i++) {
    const ml3_real *row = r.rows + i * r.width;
    cr_expect_eq(row[0], (ml3_real)(i * INPUTS));
    cr_expect_float_eq(row[INPUTS], 0.25, 1e-6);
    cr_expect_float_eq(row[INPUTS + 1], -0.5, 1e-6);
    cr_expect_eq(row[INPUTS + ACTIONS], (ml3_real)i);
    cr_expect_eq(row[INPUTS + ACTIONS + 1], goes_on[i], "row %d", i);
    cr_expect_eq(row[INPUTS + ACTIONS + 2], next[i], "row %d", i);
  }
  ml3_replay_free(&r);
}

Test(replay, puts_the_newest_over_the_oldest) {
  const ml3_policy policy = make_policy("pointmass");
  static const int rewards[6] = {103, 200, 201, 202, 203, 102}; /* 12 in 6 places */
  ml3_replay r = make_replay(6);
  steps s;
  for (int i = 0; i < 3; i++) fill(&s, 100 * i), ml3_replay_add(&r, &policy, &s.rollout);
  cr_expect_eq(r.count, 6);
  cr_expect_eq(r.next, 0);
  int seen[300] = {0};
  for (int i = 0; i < 6; i++) seen[(int)r.rows[i * r.width + INPUTS + ACTIONS]]++;
  for (int i = 0; i < 6; i++) cr_expect_eq(seen[rewards[i]], 1, "reward %d", rewards[i]);
  ml3_replay_free(&r);
}

static ml3_replay move_into(const ml3_replay *from, int capacity) {
  ml3_error error = {0};
  ml3_nn_tensors *file = ml3_nn_tensors_new();
  ml3_replay to = make_replay(capacity);
  cr_assert_eq(ml3_replay_put(from, file, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_replay_get(&to, file, &error), 0, "%s", error.message);
  ml3_nn_tensors_free(file);
  return to;
}

Test(replay, goes_on_behind_the_newest_where_a_resumed_run_has_more_room) {
  const ml3_policy policy = make_policy("pointmass");
  for (int rollouts = 2; rollouts <= 3; rollouts++) { /* of 4 into 6 or 8 places: full and begun again, or full and at its end */
    const int capacity = rollouts == 2 ? 8 : 6;
    ml3_replay small = make_replay(capacity), *r = &small;
    steps s;
    for (int i = 0; i < rollouts + (rollouts == 3); i++) fill(&s, 100 * i), ml3_replay_add(r, &policy, &s.rollout);
    const int newest = rollouts == 2 ? 103 : 303, oldest = rollouts == 2 ? 0 : 202;
    ml3_replay large = move_into(r, 20);
    cr_expect_eq(large.count, capacity);
    cr_expect_eq(large.next, capacity);
    cr_expect_eq(large.rows[INPUTS + ACTIONS], (ml3_real)oldest);
    cr_expect_eq(large.rows[(capacity - 1) * large.width + INPUTS + ACTIONS], (ml3_real)newest);
    for (int i = 1; i < capacity; i++) {
      const ml3_real *row = large.rows + i * large.width + INPUTS + ACTIONS;
      cr_expect_gt(row[0], row[-large.width], "row %d", i);
    }
    ml3_replay_free(&small);
    ml3_replay_free(&large);
  }
}

Test(replay, draws_each_transition_as_often_as_any_other) {
  enum { BATCH = 4000 };
  static ml3_real x[BATCH * INPUTS], x_action[BATCH * (INPUTS + ACTIONS)], reward[BATCH], goes_on[BATCH],
      next_x[BATCH * INPUTS];
  const ml3_policy policy = make_policy("pointmass");
  const ml3_replay_batch batch = {x, x_action, reward, goes_on, next_x};
  ml3_replay r = make_replay(100);
  steps s;
  fill(&s, 0);
  ml3_replay_add(&r, &policy, &s.rollout);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_replay_draw(&r, &random, BATCH, &batch);
  int times[ROWS] = {0};
  for (int i = 0; i < BATCH; i++) {
    const int row = (int)reward[i];
    cr_assert(row >= 0 && row < ROWS);
    times[row]++;
    cr_expect_eq(x[i * INPUTS], (ml3_real)(row * INPUTS));
    cr_expect_eq(x_action[i * (INPUTS + ACTIONS)], x[i * INPUTS]);
    cr_expect_eq(goes_on[i], (ml3_real)(row != 0));
    cr_expect_eq(next_x[i * INPUTS + 1] - next_x[i * INPUTS], 1);
  }
  for (int i = 0; i < ROWS; i++)
    cr_expect(abs(times[i] - BATCH / ROWS) < 130, "%d times", times[i]); /* 4.7 deviations */
  ml3_replay_free(&r);
}

/* ---- squashed Gaussian policies ----------------------------------------------------------------------------------- */

Test(squashed, maps_onto_bounds_that_are_not_symmetric_and_back) {
  ml3_policy p = make_policy("pointmass");
  ml3_error error = {0};
  ml3_env_field bounds[2] = {{.low = -1, .high = 5}, {.low = -1, .high = 1}};
  p.action = bounds;
  cr_assert_eq(ml3_policy_make_squashed(&p, &error), 0, "%s", error.message);
  cr_expect_eq(ml3_squashed_action(&p, 0, 0), 2);
  cr_expect_float_eq(ml3_squashed_action(&p, 0, 100), 5, 1e-12);
  cr_expect_float_eq(ml3_squashed_action(&p, 0, -100), -1, 1e-12);
  cr_expect_float_eq(ml3_squashed_share(&p, 0, ml3_squashed_action(&p, 0, 0.7)), tanh(0.7), 1e-12);
  bounds[1].high = INFINITY;
  cr_expect_eq(ml3_policy_make_squashed(&p, &error), ML3_ERR_ARGUMENT);
  cr_expect(strstr(error.message, "finite bounds"), "%s", error.message);
}

/* Numbers, graph and file say the same, and the file says which kind it is. */
Test(squashed, acts_alike_as_number_as_graph_and_from_its_file) {
  ml3_policy p = make_policy("pointmass"), again;
  ml3_error error = {0};
  ml3_env_field bounds[2] = {{.low = -1, .high = 5}, {.low = -1, .high = 1}};
  p.action = bounds;
  cr_assert_eq(ml3_policy_make_squashed(&p, &error), 0, "%s", error.message);
  static ml3_real theta[4096];
  ml3_real *loaded, obs[4] = {(ml3_real)0.3, -2, 3, (ml3_real)0.5};
  cr_assert_leq(ml3_policy_size(&p), 4096);
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 0);
  ml3_policy_draw(&p, &random, theta);
  const double observed[4] = {(double)obs[0], -2, 3, 0.5};
  double action[2];
  ml3_policy_act(&p, theta, observed, NULL, action);

  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node in_theta = ml3_nn_input(g, 1, ml3_policy_size(&p)), in_obs = ml3_nn_input(g, 1, 4);
  const ml3_nn_output output = {ml3_policy_build(g, &p, in_theta, in_obs), 0};
  ml3_nn_program *program = ml3_nn_compile(g, &output, 1, &error);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  ml3_nn_bind_input(work, in_theta, theta);
  ml3_nn_bind_input(work, in_obs, obs);
  ml3_nn_run(work, 0);
  for (int i = 0; i < 2; i++) cr_expect_float_eq(ml3_nn_output_at(work, 0)[i], action[i], 1e-5);
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);

  char path[] = "/tmp/ml3-squashed-XXXXXX";
  close(mkstemp(path));
  cr_assert_eq(ml3_policy_save(&p, theta, path, &error), 0, "%s", error.message);
  ml3_nn_tensors *file = ml3_nn_tensors_load(path, &error);
  cr_expect(strstr(ml3_nn_tensors_text(file, "shape"), "squashed_gaussian"));
  ml3_nn_tensors_free(file);
  cr_assert_eq(ml3_policy_open(path, ml3_env_find("pointmass", &error), &again, &loaded, &error), 0, "%s",
               error.message);
  cr_expect_eq(again.kind, ML3_POLICY_SQUASHED);
  again.action = bounds; /* they are the environment's */
  double second[2];
  ml3_policy_act(&again, loaded, observed, NULL, second);
  cr_expect(second[0] == action[0] && second[1] == action[1]);
  free(loaded);
  ml3_policy_free(&again);
  unlink(path);
}

/* ---- the learner ---------------------------------------------------------------------------------------------------- */

static ml3_sac_options make_sac(void) {
  ml3_sac_options s;
  ml3_keys_default(ml3_learner_sac.keys, &s);
  s.batch = 32, s.learning_starts = 40, s.rate = 3e-3;
  s.critic_hidden = (ml3_key_numbers){2, {32, 32}};
  return s;
}

static ml3_learner *make(const char *env, int envs, int steps, int threads, const ml3_sac_options *own) {
  const ml3_policy policy = make_policy(env);
  ml3_error error = {0};
  ml3_learner_settings s = ml3_learner_defaults(ml3_env_find(env, &error), &policy);
  s.envs = envs, s.steps = steps, s.updates = 30, s.threads = threads, s.seed = 5, s.own = own;
  s.normalize_obs = false;
  ml3_learner *l = ml3_learner_new(&ml3_learner_sac, &s, &error);
  cr_assert_not_null(l, "%s", error.message);
  return l;
}

static ml3_learner_report update(ml3_learner *l) {
  ml3_error error = {0};
  ml3_learner_report report;
  cr_assert_eq(ml3_learner_update(l, &report, &error), 0, "%s", error.message);
  return report;
}

Test(sac, begins_with_uniform_actions_and_then_makes_the_gradient_steps_that_are_due) {
  ml3_sac_options own = make_sac();
  own.gradient_steps = 0.5;
  ml3_learner *l = make("pointmass", 2, 20, 1, &own);
  ml3_real before[8192];
  cr_assert_leq(l->size, 8192);
  memcpy(before, l->parameters, (size_t)l->size * sizeof *before);
  ml3_learner_report report = update(l);
  cr_expect_eq(report.env_steps, 40);
  cr_expect_eq(l->optimizer.step, 0, "nothing is learned before learning_starts");
  cr_expect(isnan(ml3_learner_metric(l->kind, &report, "losses/qf_loss")));
  cr_expect_eq(memcmp(before, l->parameters, (size_t)l->size * sizeof *before), 0);
  report = update(l);
  cr_expect_eq(l->optimizer.step, 20, "one gradient step for two steps of environments");
  cr_expect(isfinite(ml3_learner_metric(l->kind, &report, "losses/qf_loss")));
  cr_expect_gt(ml3_learner_metric(l->kind, &report, "losses/alpha"), 0);
  ml3_learner_free(l);
}

/* Episodes of five steps: two in an update, or one each in two. */
Test(sac, reports_the_mean_over_all_episodes_of_an_update) {
  const ml3_sac_options own = make_sac();
  const ml3_policy policy = make_policy("pointmass");
  ml3_error error = {0};
  ml3_learner_settings s = ml3_learner_defaults(ml3_env_find("pointmass", &error), &policy);
  s.envs = 1, s.horizon = 5, s.normalize_obs = false, s.own = &own;
  s.steps = 10;
  ml3_learner *both = ml3_learner_new(&ml3_learner_sac, &s, &error);
  s.steps = 5;
  ml3_learner *each = ml3_learner_new(&ml3_learner_sac, &s, &error);
  cr_assert(both && each, "%s", error.message);
  const ml3_learner_report all = update(both), first = update(each), second = update(each);
  cr_expect_eq(all.episodes, 2);
  cr_expect_eq(first.episodes, 1);
  cr_expect_neq(first.episode_return, second.episode_return);
  cr_expect_float_eq(all.episode_return, (first.episode_return + second.episode_return) / 2, 1e-9);
  cr_expect_float_eq(all.distance, (first.distance + second.distance) / 2, 1e-9);
  ml3_learner_free(both);
  ml3_learner_free(each);
}

static void expect_same(const ml3_learner *one, const ml3_learner *other) {
  cr_expect_eq(memcmp(one->parameters, other->parameters, (size_t)one->size * sizeof *one->parameters), 0);
  cr_expect_eq(one->env_steps, other->env_steps);
}

Test(sac, has_the_same_bits_on_any_number_of_threads) {
  const ml3_sac_options own = make_sac();
  ml3_learner *one = make("reacher", 6, 20, 1, &own), *many = make("reacher", 6, 20, 3, &own);
  for (int i = 0; i < 2; i++) update(one), update(many);
  expect_same(one, many);
  ml3_learner_free(one);
  ml3_learner_free(many);
}

/* Even in the middle of the uniform actions, and when the buffer has begun to forget. */
Test(sac, goes_on_with_the_same_bits_from_a_checkpoint) {
  ml3_sac_options own = make_sac();
  own.buffer = 90;
  for (int updates = 1; updates <= 5; updates += 2) {
    char path[] = "/tmp/ml3-sac-XXXXXX";
    ml3_error error = {0};
    ml3_learner *whole = make("pointmass", 2, 15, 1, &own), *second = make("pointmass", 2, 15, 1, &own);
    for (int i = 0; i < updates; i++) update(whole);
    close(mkstemp(path));
    cr_assert_eq(ml3_learner_save(whole, path, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_learner_load(second, path, &error), 0, "%s", error.message);
    for (int i = 0; i < 2; i++) update(whole), update(second);
    expect_same(whole, second);
    ml3_learner_free(whole);
    ml3_learner_free(second);
    unlink(path);
  }
}

Test(sac, refuses_a_checkpoint_whose_buffer_cannot_be) {
  const ml3_sac_options own = make_sac();
  char path[] = "/tmp/ml3-sac-XXXXXX";
  ml3_error error = {0};
  ml3_learner *l = make("pointmass", 2, 15, 1, &own);
  update(l);
  close(mkstemp(path));
  cr_assert_eq(ml3_learner_save(l, path, &error), 0, "%s", error.message);
  ml3_nn_tensors *file = ml3_nn_checkpoint_load(path, &error);
  cr_assert_eq(ml3_nn_tensors_put_ints(file, "replay_place", 2, (int64_t[]){30, 1LL << 40}, &error), 0);
  cr_assert_eq(ml3_nn_checkpoint_save(file, path, &error), 0, "%s", error.message);
  ml3_nn_tensors_free(file);
  cr_expect_eq(ml3_learner_load(l, path, &error), ML3_ERR_FORMAT);
  cr_expect(strstr(error.message, "replay_place"), "%s", error.message);
  ml3_learner_free(l);
  unlink(path);
}

Test(sac, says_what_is_wrong) {
  const ml3_policy policy = make_policy("pointmass");
  ml3_sac_options own = make_sac();
  ml3_error error = {0};
  ml3_learner_settings s = ml3_learner_defaults(ml3_env_find("pointmass", &error), &policy);
  s.own = &own;
  cr_expect_null(ml3_learner_new(&ml3_learner_sac, &s, &error));
  cr_expect(strstr(error.message, "policy.normalize=false"), "%s", error.message);
  s.normalize_obs = false;
  own.batch = 0;
  cr_expect_null(ml3_learner_new(&ml3_learner_sac, &s, &error));
  cr_expect(strstr(error.message, "batch 0"), "%s", error.message);
  own = make_sac();
  own.buffer = 0;
  cr_expect_null(ml3_learner_new(&ml3_learner_sac, &s, &error));
  cr_expect(strstr(error.message, "replay buffer of 0"), "%s", error.message);
}

Test(sac, learns_to_reach_a_goal) {
  const ml3_sac_options own = make_sac();
  ml3_learner *l = make("pointmass", 1, 100, 1, &own);
  double task[16];
  ml3_error error = {0};
  ml3_outcome before, after;
  ml3_env_default_task(l->settings.env, task);
  cr_assert_eq(ml3_learner_evaluate(l, task, 20, 99, &before, &error), 0, "%s", error.message);
  for (int i = 0; i < 30; i++) update(l);
  cr_assert_eq(ml3_learner_evaluate(l, task, 20, 99, &after, &error), 0, "%s", error.message);
  cr_expect_gt(after.episode_return, -20, "return %g before, %g after", before.episode_return, after.episode_return);
  cr_expect_lt(before.episode_return, -25, "return %g before, %g after", before.episode_return, after.episode_return);
  ml3_learner_free(l);
}
