/* Demonstrations of different lengths: an episode that came to its end early counts by its own steps, in both problems. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/problems/model_based.h"
#include "agents/problems/model_free.h"
#include "envs/dataset.h"
#include "metaloss/trainer.h"

enum { STEPS = 20, EPISODES = 3 };

static const int lengths[EPISODES] = {STEPS, 7, 3};

static char folder[64];

static void make_folder(void) {
  strcpy(folder, "/tmp/ml3_shown_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  strcat(folder, "/set");
}

static void drop_folder(void) {
  char command[128];
  folder[strlen(folder) - 4] = '\0';
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_assert_eq(system(command), 0);
}

TestSuite(demonstrations, .init = make_folder, .fini = drop_folder, .timeout = 120);

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  ml3_random *random = user;
  (void)step, (void)obs, (void)state;
  for (int i = 0; i < 2; i++) action[i] = ml3_random_uniform(random, -1, 1);
}

/* Three episodes: one of more steps than are asked for, one that the environment ended, one that stopped at the goal; with
   `cut`, one more that was cut off. */
static void write_set(const ml3_env_spec *spec, bool cut) {
  ml3_error error = {0};
  ml3_dataset_writer *w = ml3_dataset_create(folder, spec, &(ml3_dataset_info){.id = "shown-v0"}, &error);
  cr_assert_not_null(w, "%s", error.message);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_episode *e = ml3_episode_new(spec, spec->horizon, &error);
  for (int i = 0; i < EPISODES + cut; i++) {
    double task[64];
    ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, (uint32_t)i, 0);
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    ml3_episode_record(e, env, i ? i < EPISODES ? lengths[i] : 5 : spec->horizon, false, act, &random);
    e->terminated = i == 1;
    e->success = i == 2;
    e->success_step = e->success ? e->steps : -1;
    cr_assert_eq(ml3_dataset_append(w, e, &error), 0, "%s", error.message);
  }
  cr_assert_eq(ml3_dataset_commit(w, &error), 0, "%s", error.message);
  ml3_episode_free(e);
  ml3_env_free(env);
}

static ml3_demonstrations *read_set(const ml3_env_spec *spec) {
  ml3_error error = {0};
  write_set(spec, false);
  ml3_demonstrations *d = ml3_demonstrations_read(spec, folder, 0, STEPS, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_assert_eq(d->count, EPISODES);
  return d;
}

/* The mean over the episode's own steps of the squared distance of the policy's action from the expert's; both bounds are 1. */
static double by_hand(const ml3_demonstrations *d, int i, const ml3_policy *policy, const ml3_real *theta,
                      const double *goal) {
  const int n = d->env->obs_dim;
  double sum = 0;
  for (int t = 0; t < lengths[i]; t++) {
    double action[2];
    ml3_policy_act(policy, theta, d->obs + (i * STEPS + t) * n, goal, action);
    for (int k = 0; k < 2; k++) sum += pow(action[k] - d->action[(i * STEPS + t) * 2 + k], 2);
  }
  return sum / lengths[i];
}

/* The objective where only extra information counts, after a step too short to matter. */
static double extra_alone(const ml3_problem *p, const ml3_real *task, const ml3_real *theta) {
  ml3_error error = {0};
  const ml3_meta_settings settings = {
      .loss = {.net = {.inputs = p->features, .outputs = 1, .activation = ML3_ELU}, .rate = 1e-9},
      .inner_steps = 1,
      .extra_weight = 1};
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_meta *meta = ml3_meta_new(p, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  double objective;
  cr_assert_eq(ml3_meta_objective(work, loss, task, theta, &random, NULL, &objective, &error), 0, "%s", error.message);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  return objective;
}

static void init_policy(ml3_policy *policy, const ml3_env_spec *env, bool gaussian) {
  const int hidden[1] = {5};
  ml3_error error = {0};
  cr_assert_eq(ml3_policy_init(policy, env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  if (gaussian) cr_assert_eq(ml3_policy_make_gaussian(policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0);
  policy->squash = ML3_SQUASH_TANH;
}

Test(demonstrations, that_end_early_are_taken_with_their_own_length) {
  ml3_demonstrations *d = read_set(ml3_env_find("pointmass", NULL));
  const int n = d->env->obs_dim;
  for (int i = 0; i < EPISODES; i++) {
    cr_expect_eq(d->length[i], lengths[i]);
    ml3_real weights[STEPS];
    double sum = 0;
    ml3_demonstrations_weigh(d, i, weights);
    for (int t = 0; t < STEPS; t++) {
      cr_expect_eq(weights[t] != 0, t < lengths[i]);
      for (int k = 0; k < n && t >= lengths[i]; k++) cr_expect_eq(d->obs[(i * STEPS + t) * n + k], 0);
      sum += (double)weights[t] * (double)weights[t];
    }
    cr_expect_float_eq(sum, STEPS, 1e-5);
    cr_expect_neq(d->obs[(i * STEPS + lengths[i] - 1) * n], 0);
  }
  ml3_demonstrations_free(d);
}

Test(demonstrations, that_were_cut_off_early_are_told) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("pointmass", NULL);
  write_set(spec, true);
  cr_expect_null(ml3_demonstrations_read(spec, folder, 0, STEPS, &error));
  cr_expect_not_null(strstr(error.message, "episode 3 has 5 steps; demonstrations here have 20, or end at the goal"),
                     "%s", error.message);
  ml3_demonstrations *d = ml3_demonstrations_read(spec, folder, 3, STEPS, &error);
  cr_expect_not_null(d, "%s", error.message);
  ml3_demonstrations_free(d);
}

Test(demonstrations, that_end_early_count_by_their_own_steps_in_a_model_based_problem) {
  ml3_error error = {0};
  ml3_model_based_settings s = {.env = ml3_env_find("pointmass", &error), .starts = 1, .cost = ML3_COST_REACH};
  init_policy(&s.policy, s.env, false);
  ml3_demonstrations *d = read_set(s.env);
  s.demonstrations = d;
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_real *task = calloc((size_t)(p->task_size + p->theta_size), sizeof *task), *theta = task + p->task_size;
  int seen[EPISODES] = {0};
  for (uint32_t draw = 0; draw < 12; draw++) {
    ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, draw, 0);
    double env_task[64], state[64];
    int i = 0;
    p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
    ml3_model_based_start(p, task, 0, env_task, state);
    while (i < EPISODES && fabs(d->task[i * s.env->task_dim + 2] - env_task[2]) > 1e-6) i++;
    cr_assert_lt(i, EPISODES);
    seen[i]++;
    const double expected = by_hand(d, i, &s.policy, theta, NULL);
    cr_expect_float_eq(extra_alone(p, task, theta), expected, 1e-5 * (1 + expected), "episode %d", i);
  }
  for (int i = 0; i < EPISODES; i++) cr_expect_gt(seen[i], 0, "episode %d was not drawn", i);
  p->free(p);
  ml3_demonstrations_free(d);
  free(task);
}

/* There the mean is over actions too. */
Test(demonstrations, that_end_early_count_by_their_own_steps_in_a_model_free_problem) {
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = ml3_env_find("reacher", &error),
                               .horizon = 6,
                               .rollouts = 2,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.95,
                               .lambda = 0.9,
                               .extra = ML3_MODEL_FREE_DEMONSTRATIONS};
  init_policy(&s.policy, s.env, true);
  ml3_demonstrations *d = read_set(s.env);
  s.demonstrations = d;
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_real *task = calloc((size_t)(p->task_size + p->theta_size), sizeof *task), *theta = task + p->task_size;
  int seen[EPISODES] = {0};
  for (uint32_t draw = 0; draw < 12; draw++) {
    ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, draw, 0);
    p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
    int i = 0; /* whose task it is */
    for (int k = 0; k < EPISODES; k++) {
      bool same = true;
      for (int j = 0; j < s.env->task_dim; j++) same = same && task[j] == (ml3_real)d->task[k * s.env->task_dim + j];
      if (same) i = k;
    }
    seen[i]++;
    const double expected = by_hand(d, i, &s.policy, theta, NULL) / 2;
    cr_expect_float_eq(extra_alone(p, task, theta), expected, 1e-5 * (1 + expected), "episode %d", i);
  }
  for (int i = 0; i < EPISODES; i++) cr_expect_gt(seen[i], 0, "episode %d was not drawn", i);
  p->sample(p, ML3_SPLIT_TEST, &(ml3_random){0}, task, theta, NULL);
  cr_expect_eq(extra_alone(p, task, theta), 0, "held-out tasks have no expert");
  p->free(p);
  ml3_demonstrations_free(d);
  free(task);
}

Test(demonstrations, keep_their_lengths_in_a_checkpoint) {
  ml3_error error = {0};
  ml3_demonstrations *d = read_set(ml3_env_find("pointmass", NULL));
  ml3_demonstrations *back = ml3_demonstrations_new(d->env, EPISODES, STEPS, &error);
  ml3_nn_tensors *file = ml3_nn_tensors_new();
  cr_assert_eq(ml3_demonstrations_put(d, file, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_demonstrations_get(back, file, &error), 0, "%s", error.message);
  cr_expect_arr_eq(back->length, lengths, sizeof lengths);
  cr_expect_eq(back->episode_return, d->episode_return);
  ml3_nn_tensors_free(file);
  ml3_demonstrations_free(back);
  ml3_demonstrations_free(d);
}
