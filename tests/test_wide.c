/* Environments wider than any constant: 300 numbers of the state, 400 observed, 48 actions. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/control/ensemble.h"
#include "agents/learn/ppo.h"
#include "agents/learn/sac.h"
#include "agents/problems/model_based.h"
#include "agents/problems/model_free.h"
#include "metaloss/meta.h"

enum { STATE = 300, OBS = 400, ACTIONS = 48, HORIZON = 10, NAME = 16 };

/* ---- the environment: every entry follows an action; actions near 1/2 are paid ---------------------------------------- */

static int make_wide(ml3_env *env, ml3_error *error) {
  env->data = calloc(STATE, sizeof(double));
  return env->data ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory");
}
static void free_wide(ml3_env *env) {
  free(env->data);
}
static void reset_wide(ml3_env *env, ml3_random *random) {
  double *x = env->data;
  for (int i = 0; i < STATE; i++) x[i] = 0.1 * ml3_random_normal(random);
}
static void step_wide(ml3_env *env, const double *action, ml3_env_result *result) {
  double *x = env->data;
  for (int i = 0; i < STATE; i++) x[i] = 0.9 * x[i] + 0.1 * action[i % ACTIONS];
  for (int k = 0; k < ACTIONS; k++) result->reward -= (action[k] - 0.5) * (action[k] - 0.5) / ACTIONS;
}
static void get_wide(const ml3_env *env, double *state) {
  memcpy(state, env->data, STATE * sizeof *state);
}
static void put_wide(ml3_env *env, const double *state) {
  memcpy(env->data, state, STATE * sizeof *state);
}
static void observe_wide(const ml3_env *env, double *obs) {
  const double *x = env->data;
  for (int i = 0; i < OBS; i++) obs[i] = x[i % STATE];
}
static void goal_of_wide(const ml3_env *env, double *goal) {
  (void)env;
  for (int i = 0; i < STATE; i++) goal[i] = 0.5;
}
static double to_goal(const ml3_env *env) {
  const double *x = env->data;
  double sum = 0;
  for (int i = 0; i < STATE; i++) sum += (x[i] - 0.5) * (x[i] - 0.5);
  return sqrt(sum);
}
static bool never(const ml3_env *env) {
  (void)env;
  return false;
}

static ml3_env_field fields[OBS], actions[ACTIONS];
static char names[OBS][NAME];

static ml3_env_spec make_spec(void) {
  for (int i = 0; i < OBS; i++) {
    snprintf(names[i], NAME, "x%d", i);
    fields[i] = (ml3_env_field){.name = names[i], .unit = "1", .low = -INFINITY, .high = INFINITY};
  }
  for (int i = 0; i < ACTIONS; i++) actions[i] = (ml3_env_field){.name = names[i], .unit = "1", .low = -1, .high = 1};
  return (ml3_env_spec){.name = "wide",
                        .horizon = HORIZON,
                        .dt_s = 1,
                        .state_dim = STATE,
                        .obs_dim = OBS,
                        .action_dim = ACTIONS,
                        .goal_dim = STATE,
                        .state = fields,
                        .obs = fields,
                        .action = actions,
                        .goal = fields,
                        .create = make_wide,
                        .destroy = free_wide,
                        .reset = reset_wide,
                        .step = step_wide,
                        .observe = observe_wide,
                        .goal_now = goal_of_wide,
                        .get_state = get_wide,
                        .set_state = put_wide,
                        .distance = to_goal,
                        .success = never};
}

/* ---- learners ---------------------------------------------------------------------------------------------------------- */

static ml3_policy make_policy(const ml3_env_spec *env, bool gaussian) {
  ml3_error error = {0};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, env, (int[]){16}, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  if (gaussian)
    cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  return policy;
}

static double judge(const ml3_learner *l) {
  ml3_error error = {0};
  ml3_outcome outcome;
  cr_assert_eq(ml3_learner_evaluate(l, (double[]){0}, 3, 7, &outcome, &error), 0, "%s", error.message);
  return outcome.episode_return;
}

static void update(ml3_learner *l, int times) {
  ml3_error error = {0};
  ml3_learner_report report;
  for (int i = 0; i < times; i++) cr_assert_eq(ml3_learner_update(l, &report, &error), 0, "%s", error.message);
}

/* It learns, its checkpoint goes on with the same bits, and its policy acts the same from a file. */
static void check_learner(const ml3_learner_kind *kind, const ml3_learner_settings *s, int updates) {
  char folder[] = "/tmp/ml3-wide-XXXXXX", checkpoint[64], file[64];
  ml3_error error = {0};
  cr_assert_not_null(mkdtemp(folder));
  snprintf(checkpoint, sizeof checkpoint, "%s/learner", folder);
  snprintf(file, sizeof file, "%s/policy.safetensors", folder);
  ml3_learner *one = ml3_learner_new(kind, s, &error), *two = one ? ml3_learner_new(kind, s, &error) : NULL;
  cr_assert_not_null(two, "%s", error.message);
  const double before = judge(one);
  update(one, updates);
  const double after = judge(one);
  cr_expect_gt(after, before + 0.1, "%s: %g, then %g", kind->name, before, after);
  cr_assert_eq(ml3_learner_save(one, checkpoint, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_learner_load(two, checkpoint, &error), 0, "%s", error.message);
  update(one, 1), update(two, 1);
  cr_expect_eq(memcmp(one->parameters, two->parameters, (size_t)one->size * sizeof *one->parameters), 0);

  ml3_policy opened;
  ml3_real *theta;
  double obs[OBS], first[ACTIONS], second[ACTIONS];
  for (int i = 0; i < OBS; i++) obs[i] = sin(i);
  cr_assert_eq(ml3_policy_save(&one->policy, one->parameters, file, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_open(file, s->env, &opened, &theta, &error), 0, "%s", error.message);
  ml3_policy_act(&one->policy, one->parameters, obs, NULL, first);
  ml3_policy_act(&opened, theta, obs, NULL, second);
  for (int k = 0; k < ACTIONS; k++) cr_expect_float_eq(first[k], second[k], 1e-5);
  free(theta);
  ml3_policy_free(&opened);
  ml3_learner_free(one);
  ml3_learner_free(two);
  unlink(checkpoint), unlink(file), rmdir(folder);
}

Test(wide, ppo_learns_400_observations_and_48_actions) {
  const ml3_env_spec env = make_spec();
  const ml3_policy policy = make_policy(&env, true);
  ml3_ppo_options ppo;
  ml3_keys_default(ml3_learner_ppo.keys, &ppo);
  ppo.minibatches = 4, ppo.epochs = 5, ppo.rate = 3e-3, ppo.discount = 0.5;
  ml3_learner_settings s = ml3_learner_defaults(&env, &policy);
  s.envs = 64, s.steps = 20, s.own = &ppo;
  check_learner(&ml3_learner_ppo, &s, 15);
}

Test(wide, sac_learns_400_observations_and_48_actions) {
  const ml3_env_spec env = make_spec();
  const ml3_policy policy = make_policy(&env, false);
  ml3_sac_options sac;
  ml3_keys_default(ml3_learner_sac.keys, &sac);
  sac.batch = 32, sac.rate = 3e-3, sac.critic_hidden = (ml3_key_numbers){.count = 1, .values = {16}};
  ml3_learner_settings s = ml3_learner_defaults(&env, &policy);
  s.envs = 4, s.steps = 50, s.updates = 4, s.normalize_obs = false, s.own = &sac;
  check_learner(&ml3_learner_sac, &s, 2);
}

/* ---- learned losses ------------------------------------------------------------------------------------------------------ */

/* One objective of a learned loss that sees all the problem's features; the first `targets` of them behind `first` are targets. */
static double objective_of(const ml3_problem *p, int first, int targets, double *size) {
  ml3_error error = {0};
  ml3_meta_settings s = {.loss = {.net = {.inputs = p->features, .outputs = 1, .depth = 1, .hidden = {8}, .bias = true},
                                  .target_count = targets,
                                  .rate = 0.1},
                         .inner_steps = 1};
  for (int i = 0; i < targets; i++) s.loss.targets[i] = first + i;
  ml3_meta *meta = ml3_meta_new(p, &s, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  cr_assert_not_null(work, "%s", error.message);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&s.loss, &random, &error);
  ml3_real *task = calloc((size_t)(p->task_size + p->theta_size), sizeof *task), *theta = task + p->task_size;
  double objective;
  cr_assert(loss && task, "%s", error.message);
  cr_assert_eq(p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_meta_objective(work, loss, task, theta, &random, NULL, &objective, &error), 0, "%s", error.message);
  *size = loss->size;
  free(task);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  return objective;
}

Test(wide, learned_loss_sees_400_observations_and_draws_48_actions_to_targets) {
  const ml3_env_spec env = make_spec();
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = &env,
                               .policy = make_policy(&env, true),
                               .rollouts = 2,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.99,
                               .lambda = 0.95,
                               .normalize = true};
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  cr_expect_eq(p->features, OBS + 2 * ACTIONS + 2 + STATE);
  cr_expect_str_eq(p->feature_names[OBS], "mean.x0");
  double size;
  cr_expect(isfinite(objective_of(p, OBS, ACTIONS, &size)));
  cr_expect_gt(size, 8.0 * (p->features + OBS));
  p->free(p);
}

Test(wide, model_based_learned_loss_goes_through_an_ensemble_of_300_numbers) {
  ml3_env_spec env = make_spec();
  env.obs_dim = STATE, env.observe = get_wide; /* as geometry.h knows it */
  ml3_error error = {0};
  static int moving[STATE - 1];
  for (int i = 0; i < STATE - 1; i++) moving[i] = i;
  const ml3_ensemble_settings shape = {
      .members = 2, .hidden = {8}, .depth = 1, .variance_min = 1e-3, .moving = moving, .moving_count = STATE - 1};
  ml3_ensemble *ensemble = ml3_ensemble_new(&env, &shape, 1, &error);
  cr_assert_not_null(ensemble, "%s", error.message);
  ml3_model_based_settings s = {
      .env = &env, .ensemble = ensemble, .policy = make_policy(&env, false), .horizon = 3, .starts = 2};
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_model_based_own(p, NULL, ensemble);
  double size;
  cr_expect(isfinite(objective_of(p, 0, 0, &size)));
  p->free(p);
}

Test(wide, environments_beyond_what_a_step_may_have_are_told) {
  ml3_env_spec env = make_spec();
  ml3_policy policy;
  ml3_error error = {0};
  env.obs_dim = ML3_ENV_MAX_ENTRIES + 1;
  cr_expect_eq(ml3_policy_init(&policy, &env, (int[]){16}, 1, ML3_TANH, true, &error), ML3_ERR_ARGUMENT);
  cr_expect_str_eq(error.message, "environment 'wide': its observation has 65537 entries; up to 65536 are possible");
  cr_expect_null(ml3_env_new(&env, &error));
}
