/* PPO, REINFORCE, generalised advantages and recorded episodes against numbers of another implementation in double precision
   (oracle/learners.py): losses, gradients, the parameters after whole updates with their shuffles. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "agents/learn/advantage.h"
#include "agents/learn/learner.h"
#include "agents/learn/ppo.h"
#include "agents/learn/reinforce.h"
#include "tests/oracle_file.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-9;
#else
static const double tolerance = 2e-4;
#endif

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static double number(const json_t *json, const char *key) {
  const json_t *x = json_object_get(json, key);
  cr_assert(json_is_number(x) || json_is_boolean(x), "there is no number '%s'", key);
  return json_is_boolean(x) ? json_is_true(x) : json_number_value(x);
}

/* The list under key, of `count` numbers. */
static void read_list(const json_t *json, const char *key, int count, ml3_real *values) {
  const json_t *list = json_object_get(json, key);
  cr_assert_eq((int)json_array_size(list), count, "'%s' has %zu entries, not %d", key, json_array_size(list), count);
  for (size_t i = 0; i < json_array_size(list); i++) values[i] = (ml3_real)json_number_value(json_array_get(list, i));
}

static void read_ends(const json_t *json, const char *key, int count, unsigned char *ends) {
  ml3_real values[64];
  read_list(json, key, count, values);
  for (int i = 0; i < count; i++) ends[i] = (unsigned char)values[i];
}

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

/* Relative to the norm of the whole vector. */
static void compare(const char *name, const char *key, const json_t *expected, const ml3_real *got, double scale,
                    int n) {
  ml3_real all[512];
  double norm = 0;
  read_list(expected, key, n, all);
  for (int i = 0; i < n; i++) norm += (double)all[i] * all[i];
  for (int i = 0; i < n; i++)
    cr_expect_leq(fabs(all[i] - got[i] * scale), tolerance * sqrt(norm), "%s: %s[%d] is %.12g, not %.12g", name, key, i,
                  got[i] * scale, (double)all[i]);
}

static void compare_number(const char *name, const char *key, const json_t *expected, double got) {
  const double e = number(expected, key);
  cr_expect_leq(fabs(e - got), 10 * tolerance * fmax(fabs(e), 0.1), "%s: %s is %.12g, not %.12g", name, key, got, e);
}

/* ---- learners ------------------------------------------------------------------------------------------------------- */

static ml3_learner *make(const json_t *json, const char *kind) {
  const json_t *c = json_object_get(json, "config");
  ml3_error error = {0};
  ml3_policy policy;
  ml3_real widths[2];
  read_list(c, "hidden", 2, widths);
  const int hidden[2] = {(int)widths[0], (int)widths[1]};
  const ml3_env_spec *env = ml3_env_find(json_string_value(json_object_get(c, "environment")), &error);
  cr_assert_not_null(env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&policy, env, hidden, 2, ML3_TANH, true, &error), 0, "%s", error.message);
  if (!env->choices)
    cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, 0, &error), 0, "%s", error.message);
  ml3_learner_settings s = ml3_learner_defaults(env, &policy);
  s.seed = (uint64_t)json_integer_value(json_object_get(c, "seed"));
  s.envs = (int)number(c, "envs"), s.steps = (int)number(c, "steps");
  s.updates = (int64_t)number(c, "updates");
  const ml3_ppo_options ppo = {.epochs = (int64_t)number(c, "epochs"),
                                .minibatches = (int64_t)number(c, "minibatches"),
                                .rate = number(c, "rate"),
                                .anneal = number(c, "anneal") != 0,
                                .clip_norm = number(c, "clip_norm"),
                                .discount = number(c, "discount"),
                                .lambda = number(c, "lambda"),
                                .entropy_weight = number(c, "entropy_weight"),
                                .value_weight = number(c, "value_weight"),
                                .clip = number(c, "clip"),
                                .clip_value = number(c, "clip_value") != 0,
                                .normalize_reward = number(c, "normalize_reward") != 0};
  const ml3_reinforce_options reinforce = {.rate = ppo.rate,
                                            .anneal = ppo.anneal,
                                            .discount = ppo.discount,
                                            .entropy_weight = ppo.entropy_weight,
                                            .clip_norm = ppo.clip_norm};
  s.own = strcmp(kind, "ppo") == 0 ? (const void *)&ppo : &reinforce;
  ml3_learner *l = ml3_learner_new(ml3_learner_find(kind, &error), &s, &error);
  cr_assert_not_null(l, "%s", error.message);
  read_list(json, "parameters", l->size, l->parameters);
  return l;
}

static void take_rollout(const json_t *json, ml3_rollout *r) {
  const int rows = r->envs * r->steps;
  read_list(json, "x", rows * r->inputs, r->x);
  read_list(json, "action", rows * r->action_dim, r->action);
  read_list(json, "log_prob", rows, r->log_prob);
  read_list(json, "reward", rows, r->reward);
  read_list(json, "last_x", r->envs * r->inputs, r->last_x);
  read_list(json, "truncated_x", rows * r->inputs, r->truncated_x);
  read_ends(json, "end", rows, r->end);
}

/* Both updates of a case from its rollouts: the first gradient (Adam's first moment is a tenth of it, clipped as it is), what is
   reported, and where the parameters are in the end. */
static void replay(const char *name, const char *kind) {
  json_t *json = load_oracle(name);
  const json_t *updates = json_object_get(json, "updates"), *config = json_object_get(json, "config");
  ml3_learner *l = make(json, kind);
  const bool is_ppo = strcmp(kind, "ppo") == 0,
             one_step = number(config, "epochs") * number(config, "minibatches") == 1;
  for (size_t i = 0; i < json_array_size(updates); i++) {
    const json_t *now = json_array_get(updates, i), *expected = json_object_get(now, "expected");
    ml3_learner_report report = {0};
    ml3_error error = {0};
    take_rollout(json_object_get(now, "rollout"), l->rollout);
    cr_assert_eq(l->kind->update(l, &report, &error), 0, "%s", error.message);
    l->updates++;
    if (one_step && i == 0) compare(name, "first_gradient", expected, l->optimizer.m, 10, l->size);
    compare(name, "parameters", expected, l->parameters, 1, l->size);
    compare_number(name, "policy_loss", expected, report.own[ML3_METRIC_POLICY_LOSS]);
    compare_number(name, "entropy", expected, report.own[ML3_METRIC_ENTROPY]);
    if (!is_ppo) continue;
    compare_number(name, "value_loss", expected, report.own[ML3_METRIC_VALUE_LOSS]);
    compare_number(name, "approx_kl", expected, report.own[ML3_METRIC_KL]);
    compare_number(name, "old_approx_kl", expected, report.own[ML3_METRIC_OLD_KL]);
    compare_number(name, "clip_fraction", expected, report.own[ML3_METRIC_CLIPPED]);
    compare_number(name, "explained_variance", expected, report.own[ML3_METRIC_EXPLAINED]);
  }
  ml3_learner_free(l);
  json_decref(json);
}

Test(ppo, has_the_oracles_gradient) {
  replay("ppo_gradient", "ppo");
}
Test(ppo, has_the_oracles_gradient_without_a_clipped_value) {
  replay("ppo_gradient_plain_value", "ppo");
}
Test(ppo, makes_the_oracles_updates_with_shuffles_a_remainder_and_normalised_rewards) {
  replay("ppo_updates", "ppo");
}
Test(ppo, makes_the_oracles_updates_where_minibatches_have_one_row) {
  replay("ppo_single_rows", "ppo");
}
Test(ppo, has_the_oracles_gradient_with_a_categorical_policy) {
  replay("ppo_categorical_gradient", "ppo");
}
Test(ppo, makes_the_oracles_updates_with_a_categorical_policy) {
  replay("ppo_categorical", "ppo");
}
Test(reinforce, makes_the_oracles_updates) {
  replay("reinforce", "reinforce");
}
Test(reinforce, makes_the_oracles_updates_with_a_categorical_policy) {
  replay("reinforce_categorical", "reinforce");
}

Test(advantages, are_the_oracles) {
  json_t *json = load_oracle("advantages");
  const json_t *c = json_object_get(json, "config");
  enum { ENVS = 3, STEPS = 5, ROWS = ENVS * STEPS };
  ml3_real reward[ROWS], value[ROWS], truncated[ROWS], last[ENVS], advantage[ROWS], returns[ROWS];
  unsigned char end[ROWS];
  read_list(json, "reward", ROWS, reward);
  read_list(json, "value", ROWS, value);
  read_list(json, "truncated_value", ROWS, truncated);
  read_list(json, "last_value", ENVS, last);
  read_ends(json, "end", ROWS, end);
  const ml3_rollout rollout = {.envs = ENVS, .steps = STEPS, .end = end};
  ml3_generalized_advantages(&rollout, reward, value, last, truncated, number(c, "discount"), number(c, "lambda"),
                             advantage, returns);
  compare("advantages", "advantages", json, advantage, 1, ROWS);
  compare("advantages", "returns", json, returns, 1, ROWS);
  json_decref(json);
}

/* ---- episodes ------------------------------------------------------------------------------------------------------- */

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  (void)obs, (void)state;
  action[0] = json_number_value(json_array_get(user, (size_t)step));
}

static void record(json_t *expected) {
  const char *name = json_string_value(json_object_get(expected, "environment"));
  json_t *actions = json_object_get(expected, "actions"), *states = json_object_get(expected, "states"), *value;
  const int steps = (int)json_array_size(actions);
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_episode *e = env ? ml3_episode_new(spec, steps, &error) : NULL;
  cr_assert_not_null(e, "%s", error.message);
  double task[32];
  const char *key;
  ml3_env_default_task(spec, task);
  json_object_foreach(json_object_get(expected, "task"), key, value) task[ml3_env_task_index(spec, key)] =
      json_number_value(value);
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(env, task, &none);
  ml3_episode_record(e, env, steps, false, act, actions);
  cr_assert_eq(e->steps, steps);
  for (int i = 0; i < 2 * (steps + 1); i++)
    cr_expect_float_eq(e->states[i], json_number_value(json_array_get(states, (size_t)i)), 1e-9, "%s: state entry %d",
                       name, i);
  cr_expect_float_eq(e->episode_return, number(expected, "return"), 1e-9);
  cr_expect_float_eq(e->final_distance, number(expected, "final_distance"), 1e-9);
  cr_expect_eq(e->success, number(expected, "success") != 0, "%s: success", name);
  cr_expect_eq(e->passed, number(expected, "passed") != 0, "%s: passed", name);
  cr_expect_eq(e->success_step, (int)number(expected, "success_step"), "%s: %d", name, e->success_step);
  ml3_episode_free(e);
  ml3_env_free(env);
}

Test(episodes, end_where_the_oracles_do) {
  json_t *json = load_oracle("episodes"), *one;
  size_t i;
  json_array_foreach(json_object_get(json, "episodes"), i, one) record(one);
  json_decref(json);
}
