/* The opponents of model-free losses: the loss itself untrained, its minimiser acting alone, one PPO for all tasks, hand-written losses
   of the same episodes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/compare.h"
#include "agents/compare/method.h"
#include "agents/learn/ppo.h"
#include "agents/problems/model_based.h"
#include "agents/problems/model_free.h"

enum { TASKS = 2, HORIZON = 12 };

/* A model-free problem with a loss that knows nothing, or what a test puts into it. */
typedef struct setup {
  ml3_arena arena;
  ml3_problem *problem;
  ml3_loss *loss;
  ml3_meta *meta;
  ml3_compare_loss shown;
} setup;

typedef struct choice {
  const char *env;
  ml3_feature_rows rows;
  const char *inputs;
  bool normalize;
  int hidden; /* of the policy; 0: it is linear */
} choice;

static ml3_problem *make_problem(const choice *c) {
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = ml3_env_find(c->env, &error),
                               .horizon = HORIZON,
                               .rollouts = 2,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.97,
                               .lambda = 0.95,
                               .rows = c->rows,
                               .inputs = c->inputs,
                               .normalize = c->normalize};
  cr_assert_not_null(s.env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, &c->hidden, c->hidden > 0, ML3_TANH, true, &error), 0, "%s",
               error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0, "%s", error.message);
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_policy_free(&s.policy);
  return p;
}

static ml3_loss_spec plain_spec(const ml3_problem *p) {
  return (ml3_loss_spec){
      .net = {.inputs = p->features, .outputs = 1, .depth = 1, .hidden = {8}, .activation = ML3_TANH}, .rate = 0.1};
}

/* The loss is drawn as untrained ones are. */
static void open_setup(setup *s, ml3_problem *problem, const ml3_loss_spec *spec) {
  ml3_error error = {0};
  ml3_meta_settings meta = {.loss = *spec, .inner_steps = 1, .task_weight = 1};
  *s = (setup){.problem = problem};
  s->arena = (ml3_arena){.play = ml3_model_free_playable(problem),
                         .horizon = HORIZON,
                         .settings = {.tasks = TASKS, .steps = {1, 3}, .step_count = 2, .threads = 1}};
  s->arena.env = s->arena.play.env;
  ml3_random random = ml3_random_stream(s->arena.settings.seed, ML3_PURPOSE_INIT, 0, 0);
  s->loss = ml3_loss_new(spec, &random, &error);
  cr_assert_not_null(s->loss, "%s", error.message);
  ml3_loss_name_features(s->loss, problem->feature_names);
  s->meta = ml3_meta_new(problem, &meta, &error);
  cr_assert_not_null(s->meta, "%s", error.message);
  s->shown = (ml3_compare_loss){.label = "learned loss", .loss = s->loss, .meta_steps = 700};
  s->arena.meta = s->meta;
  s->arena.losses = &s->shown;
  s->arena.loss_count = 1;
}

static void close_setup(setup *s) {
  ml3_meta_free(s->meta);
  ml3_loss_free(s->loss);
  s->problem->free(s->problem);
}

static ml3_compare *compare(const ml3_arena *arena, const char *const *methods, int count) {
  ml3_error error = {0};
  ml3_compare *c = ml3_compare_run(arena, methods, count, NULL, NULL, &error);
  cr_assert_not_null(c, "%s", error.message);
  return c;
}

static void expect_refused(const ml3_arena *arena, const char *method, const char *words) {
  ml3_error error = {0};
  cr_expect_null(ml3_compare_run(arena, &method, 1, NULL, NULL, &error));
  cr_expect_not_null(strstr(error.message, words), "%s", error.message);
}

/* Every point of two series, to the bit or by `tolerance` in the returns. */
static void expect_same(const ml3_compare *c, int a, int b, double tolerance) {
  for (int t = 0; t < c->tasks; t++) {
    const ml3_compare_points *x = &c->series[a].trials[t], *y = &c->series[b].trials[t];
    cr_assert_eq(x->count, y->count);
    for (int k = 0; k < x->count; k++) {
      cr_expect_eq(x->points[k].updates, y->points[k].updates);
      cr_expect_eq(x->points[k].env_steps, y->points[k].env_steps);
      cr_expect_float_eq(x->points[k].outcome.episode_return, y->points[k].outcome.episode_return, tolerance,
                         "task %d after %d updates: %.9g and %.9g", t, k, x->points[k].outcome.episode_return,
                         y->points[k].outcome.episode_return);
    }
  }
}

static double return_of(const ml3_compare *c, int series, int task) {
  return ml3_compare_at(&c->series[series].trials[task], -1)->outcome.episode_return;
}

/* ---- the loss itself ------------------------------------------------------------------------------------------------ */

Test(compare, an_untrained_loss_is_the_learned_one_before_it_has_learned) {
  static const char *const methods[] = {"learned_loss", "untrained_loss"};
  const choice c = {.env = "pointmass_goal", .hidden = 4};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = plain_spec(p);
  setup s;
  open_setup(&s, p, &spec);
  for (int i = 0; i < s.loss->spec.net.inputs; i++) s.loss->shift[i] = (ml3_real)0.1, s.loss->scale[i] = (ml3_real)0.5;
  ml3_compare *same = compare(&s.arena, methods, 2);
  expect_same(same, 0, 1, 0);
  cr_expect_str_eq(same->series[1].label, "learned loss, not trained");
  for (int i = 0; i < s.loss->size; i++) s.loss->phi[i] *= 2; /* as if it had learned */
  ml3_compare *other = compare(&s.arena, methods, 2);
  for (int t = 0; t < TASKS; t++) {
    cr_expect_eq(return_of(other, 1, t), return_of(same, 1, t));
    cr_expect_neq(return_of(other, 0, t), return_of(same, 0, t));
  }
  ml3_compare_free(same);
  ml3_compare_free(other);
  close_setup(&s);
}

Test(compare, an_untrained_loss_is_not_asked_of_a_learned_start) {
  const choice c = {.env = "pointmass_goal", .hidden = 4};
  ml3_problem *p = make_problem(&c);
  ml3_loss_spec spec = plain_spec(p);
  spec.learn_start = true, spec.theta_size = p->theta_size;
  setup s;
  open_setup(&s, p, &spec);
  expect_refused(&s.arena, "untrained_loss", "without a learned start; 'learned loss' has a start");
  close_setup(&s);
}

/* ---- its minimiser ---------------------------------------------------------------------------------------------------- */

static int column(const ml3_problem *p, const char *name) {
  for (int i = 0; i < p->features; i++)
    if (strcmp(p->feature_names[i], name) == 0) return i;
  cr_assert_fail("there is no feature %s", name);
  return -1;
}

/* h = W x + b for a point mass that sees its goal: a force from state and goal. */
enum { FORCES = 2 };
static double weight_of(int force, int input) {
  return 0.3 * sin(1.7 * input + 2.3 * force + 0.4);
}
static double bias_of(int force) {
  return 0.2 - 0.3 * force;
}

/* The episode that the same linear law makes by itself, from a trial's own start. */
typedef struct law {
  const ml3_policy *policy;
  ml3_env *env;
  const ml3_loss *loss;
  int goals;
} law;

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  const law *l = user;
  double goal[8];
  ml3_real x[16];
  (void)step, (void)state;
  ml3_env_goal(l->env, goal);
  ml3_policy_input(l->policy, obs, goal, x);
  for (int k = 0; k < FORCES; k++) {
    action[k] = bias_of(k);
    for (int i = 0; i < l->policy->net.inputs + l->goals; i++) {
      const double value = i < l->policy->net.inputs ? (double)x[i] : goal[i - l->policy->net.inputs];
      action[k] += weight_of(k, i) * (value - 0.1 * i) * (1 + 0.25 * i); /* as its inputs are shifted and scaled */
    }
  }
}

static ml3_loss_spec spec_of_targets(const ml3_problem *p) {
  ml3_loss_spec s = {.net = {.inputs = p->features, .outputs = 1, .bias = true}, .target_count = FORCES, .rate = 0.5};
  const int first = column(p, "mean.force_x");
  for (int k = 0; k < FORCES; k++) s.targets[k] = first + k;
  return s;
}

Test(compare, the_minimiser_of_a_loss_acts_as_its_targets_say) {
  static const char *const methods[] = {"argmin", "untrained"};
  const choice c = {.env = "pointmass", .inputs = "state mean goal", .hidden = 4};
  ml3_error error = {0};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = spec_of_targets(p);
  setup s;
  open_setup(&s, p, &spec);
  const ml3_policy *policy = s.arena.play.policy;
  const int goals = s.arena.env->goal_dim, inputs = policy->net.inputs + goals;
  const ml3_mlp h = ml3_loss_target_net(&spec);
  cr_assert_eq(h.inputs, inputs);
  ml3_real *phi = s.loss->phi + ml3_loss_value_net_size(&spec); /* W [forces][inputs], then b */
  for (int k = 0; k < FORCES; k++) {
    for (int i = 0; i < inputs; i++) phi[k * inputs + i] = (ml3_real)weight_of(k, i);
    phi[FORCES * inputs + k] = (ml3_real)bias_of(k);
  }
  for (int i = 0, other = 0; i < spec.net.inputs; i++) {
    if (i >= spec.targets[0] && i < spec.targets[0] + FORCES) continue;
    s.loss->shift[i] = (ml3_real)(0.1 * other), s.loss->scale[i] = (ml3_real)(1 + 0.25 * other);
    other++;
  }
  ml3_compare *found = compare(&s.arena, methods, 2);
  cr_expect_str_eq(found->series[0].label, "learned loss, its minimiser");
  ml3_env *env = ml3_env_new(s.arena.env, &error);
  ml3_episode *episode = ml3_episode_new(s.arena.env, HORIZON, &error);
  for (int t = 0; t < TASKS; t++) { /* drawn as a comparison draws them */
    ml3_real task[64], theta[512];
    double env_task[32], start[32];
    ml3_random random = ml3_random_stream(s.arena.settings.seed, ML3_PURPOSE_TEST, (uint32_t)t, 0);
    cr_assert(p->task_size <= 64 && p->theta_size <= 512);
    cr_assert_eq(p->sample(p, ML3_SPLIT_TEST, &random, task, theta, &error), 0);
    ml3_model_free_task(p, task, env_task);
    if (!s.arena.play.get(p, task, env_task, start)) {
      ml3_env_reset(env, env_task, &random);
      ml3_env_get_state(env, start);
    }
    ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    ml3_env_reset(env, env_task, &none);
    ml3_env_set_state(env, start);
    law l = {policy, env, s.loss, goals};
    ml3_episode_record(episode, env, HORIZON, false, act, &l);
    cr_expect_float_eq(return_of(found, 0, t), episode->episode_return, 1e-3 * (1 + fabs(episode->episode_return)),
                       "task %d: %g, not %g", t, return_of(found, 0, t), episode->episode_return);
    cr_expect_gt(fabs(return_of(found, 0, t) - return_of(found, 1, t)), 1e-2, "the initial policy does otherwise");
    const ml3_compare_point *at = ml3_compare_at(&found->series[0].trials[t], -1);
    cr_expect_eq(at->env_steps, 0);
    cr_expect_eq(at->updates, 0);
  }
  ml3_episode_free(episode);
  ml3_env_free(env);
  ml3_compare_free(found);
  close_setup(&s);
}

Test(compare, there_is_no_minimiser_of_a_loss_that_sees_more_than_state_and_goal) {
  const choice c = {.env = "pointmass", .hidden = 4};
  ml3_problem *p = make_problem(&c);
  ml3_loss_spec spec = spec_of_targets(p);
  setup s;
  open_setup(&s, p, &spec); /* log_std, log_prob and credit as well */
  expect_refused(&s.arena, "argmin", "made of state and goal alone; learned loss sees more");
  close_setup(&s);
  p = make_problem(&c);
  spec.target_count = 1;
  open_setup(&s, p, &spec);
  expect_refused(&s.arena, "argmin", "learned loss has other targets");
  close_setup(&s);
  p = make_problem(&c);
  spec.target_count = 0;
  open_setup(&s, p, &spec);
  expect_refused(&s.arena, "argmin", "learned loss has none");
  close_setup(&s);
}

/* ---- one policy for all ----------------------------------------------------------------------------------------------- */

/* PPO's settings of few and short updates. */
static void set_learner(setup *s, const choice *c, ml3_policy *policy, ml3_ppo_options *ppo) {
  ml3_error error = {0};
  cr_assert_eq(ml3_policy_init(policy, s->arena.env, &c->hidden, 1, ML3_TANH, true, &error), 0);
  cr_assert_eq(ml3_policy_make_gaussian(policy, ML3_POLICY_GAUSSIAN, -0.5, &error), 0);
  ml3_keys_default(ml3_learner_ppo.keys, ppo);
  ppo->minibatches = 2;
  ml3_learner_settings *l = &s->arena.settings.learners[ML3_LEARNER_AT_ppo];
  *l = ml3_learner_defaults(s->arena.env, policy);
  l->envs = 4, l->steps = 16, l->updates = 3, l->own = ppo;
}

Test(compare, one_ppo_for_all_tasks_takes_the_steps_of_meta_training) {
  static const char *const methods[] = {"ppo_all"};
  const choice c = {.env = "pointmass_goal", .hidden = 4};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = plain_spec(p);
  setup s;
  open_setup(&s, p, &spec);
  expect_refused(&s.arena, "ppo_all", "no settings for the policy that 'ppo_all' learns");
  ml3_policy policy;
  ml3_ppo_options ppo;
  set_learner(&s, &c, &policy, &ppo);
  ml3_compare *most = compare(&s.arena, methods, 1);
  cr_expect_eq(most->series[0].once_steps, 10 * 64, "ten updates of 64 steps are within 700");
  cr_expect_eq(ml3_compare_at(&most->series[0].trials[0], -1)->env_steps, 0, "none on the task");
  s.shown.meta_steps = 10; /* fewer than one update */
  ml3_compare *one = compare(&s.arena, methods, 1);
  cr_expect_eq(one->series[0].once_steps, 64);
  s.arena.losses = NULL, s.arena.loss_count = 0;
  ml3_compare *own = compare(&s.arena, methods, 1);
  cr_expect_eq(own->series[0].once_steps, 3 * 64, "without a loss its own updates");
  cr_expect_neq(return_of(most, 0, 0), return_of(one, 0, 0));
  ml3_compare_free(most), ml3_compare_free(one), ml3_compare_free(own);
  close_setup(&s);
}

/* With enough steps it is far better than a policy that cannot know where to go. */
Test(compare, an_expert_sees_what_the_task_hides) {
  static const char *const methods[] = {"ppo_all", "expert"};
  const choice c = {.env = "pointmass_hidden", .hidden = 8};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = plain_spec(p);
  setup s;
  open_setup(&s, p, &spec);
  s.arena.losses = NULL, s.arena.loss_count = 0;
  ml3_policy policy;
  ml3_ppo_options ppo;
  set_learner(&s, &c, &policy, &ppo);
  ml3_learner_settings *l = &s.arena.settings.learners[ML3_LEARNER_AT_ppo];
  l->envs = 16, l->steps = 50, l->updates = 40;
  ppo.rate = 5e-3, ppo.discount = 0.95;
  ml3_compare *of = compare(&s.arena, methods, 2);
  double blind = 0, knowing = 0;
  for (int task = 0; task < s.arena.settings.tasks; task++)
    blind += return_of(of, 0, task), knowing += return_of(of, 1, task);
  cr_expect_eq(of->series[1].once_steps, 40 * 16 * 50);
  cr_expect_gt(knowing, blind + 1, "%g, and %g without", knowing, blind);
  ml3_compare_free(of);
  close_setup(&s);
}

/* ---- hand-written losses ---------------------------------------------------------------------------------------------- */

/* As natural has it. */
static ml3_loss_spec natural_spec(const ml3_problem *p, double c, bool spread) {
  return (ml3_loss_spec){.net = {.inputs = 2, .outputs = 1},
                         .features = p->features,
                         .columns = {column(p, "shift"), column(p, "score")},
                         .target_count = spread ? 2 : 1,
                         .targets = {column(p, "shift"), column(p, "spread")},
                         .target_bases = {1 + column(p, "score"), 1 + column(p, "spread_score")},
                         .rate = c,
                         .newton = 5};
}

/* The c that a note tells, and whether it is of the deviation too. */
static double read_note(const ml3_compare *c, bool *spread) {
  const char *at = strstr(c->notes, "tasks, is ");
  cr_assert_not_null(at, "%s", c->notes);
  *spread = strstr(c->notes, "of mean and deviation") != NULL;
  return atof(at + strlen("tasks, is "));
}

/* With the arena's rows being entries, with and without inputs that a loss has brought its own scaling of. */
static void check_natural(bool scaled) {
  static const char *const methods[] = {"learned_loss", "natural"};
  const choice c = {.env = "pointmass_hidden", .rows = ML3_ROWS_ENTRIES, .normalize = scaled, .hidden = 4};
  ml3_problem *p = make_problem(&c);
  if (scaled) {
    double numbers[2][32];
    cr_assert(p->scaled_inputs > 0 && p->scaled_inputs <= 32);
    p->get_scaling(p, numbers[0], numbers[1]);
    for (int i = 0; i < p->scaled_inputs; i++) numbers[0][i] += 0.3, numbers[1][i] *= 0.5;
    p->set_scaling(p, numbers[0], numbers[1]);
  }
  ml3_loss_spec spec = natural_spec(p, 1, true);
  setup s;
  open_setup(&s, p, &spec);
  ml3_compare *found = compare(&s.arena, methods + 1, 1);
  bool spread;
  const double rate = read_note(found, &spread);
  cr_expect(rate >= 0.1 && rate <= 3, "%g", rate);
  cr_expect_eq(found->series[0].once_steps, 18 * 16 * 3 * 2 * HORIZON, "nine c, with and without the deviation");
  ml3_compare_free(found);

  ml3_meta_free(s.meta), ml3_loss_free(s.loss); /* the same by hand */
  spec = natural_spec(p, rate, spread);
  open_setup(&s, p, &spec);
  memset(s.loss->phi, 0, (size_t)s.loss->size * sizeof *s.loss->phi);
  ml3_compare *both = compare(&s.arena, methods, 2);
  expect_same(both, 0, 1, 0);
  cr_expect_neq(both->series[0].trials[0].points[0].outcome.episode_return, return_of(both, 0, 0));
  ml3_compare_free(both);
  close_setup(&s);
}

Test(compare, natural_is_a_loss_whose_targets_are_scores) {
  check_natural(false);
  check_natural(true);
}

Test(compare, hand_written_losses_learn_and_count_what_their_choice_of_settings_took) {
  static const char *const methods[] = {"natural", "surrogate", "drift"};
  const choice c = {.env = "pointmass_hidden", .hidden = 4};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = plain_spec(p);
  setup s;
  open_setup(&s, p, &spec);
  s.arena.settings.steps[0] = 2, s.arena.settings.steps[1] = 6, s.arena.settings.tasks = 4;
  ml3_compare *one = compare(&s.arena, methods, 3);
  for (int i = 0; i < 3; i++) {
    double gain = 0;
    cr_expect_eq(one->series[i].once_steps, 18 * 16 * 6 * 2 * HORIZON, "%s", methods[i]);
    for (int t = 0; t < 4; t++) {
      cr_expect_eq(one->series[i].trials[t].count, 7);
      cr_expect_eq(ml3_compare_at(&one->series[i].trials[t], -1)->env_steps, 6 * 2 * HORIZON);
      gain += return_of(one, i, t) - one->series[i].trials[t].points[0].outcome.episode_return;
    }
    cr_expect_gt(gain, 0, "%s gains %g", methods[i], gain);
  }
  cr_expect_not_null(strstr(one->notes, "the step size and epochs of 'surrogate', the best on validation tasks, are "),
                     "%s", one->notes);
  cr_expect_not_null(strstr(one->notes, "of 'drift'"), "%s", one->notes);
  ml3_compare_free(one);
  close_setup(&s);
}

Test(compare, hand_written_losses_are_the_same_on_any_threads_and_keep_to_the_budget) {
  static const char *const methods[] = {"natural", "surrogate", "drift"};
  const choice c = {.env = "pointmass_hidden", .hidden = 0};
  ml3_problem *p = make_problem(&c);
  const ml3_loss_spec spec = plain_spec(p);
  setup s;
  open_setup(&s, p, &spec);
  s.arena.settings.steps[1] = 2;
  ml3_compare *one = compare(&s.arena, methods, 3);
  s.arena.settings.threads = 3;
  s.arena.settings.budget = 3 * HORIZON; /* of one update and a half */
  ml3_compare *three = compare(&s.arena, methods, 3);
  for (int i = 0; i < 3; i++)
    for (int t = 0; t < TASKS; t++) {
      const ml3_compare_points *whole = &one->series[i].trials[t], *part = &three->series[i].trials[t];
      cr_assert_eq(whole->count, 3, "%s", methods[i]);
      cr_assert_eq(part->count, 2, "%s", methods[i]);
      for (int k = 0; k < 2; k++)
        cr_expect_eq(whole->points[k].outcome.episode_return, part->points[k].outcome.episode_return, "%s", methods[i]);
    }
  ml3_compare_free(one), ml3_compare_free(three);
  close_setup(&s);
}

Test(compare, hand_written_losses_refuse_problems_that_are_learned_through_a_model) {
  ml3_error error = {0};
  const int hidden = 4;
  ml3_model_based_settings settings = {.env = ml3_env_find("mountain_car", &error), .starts = 1, .cost_from_step = 15};
  cr_assert_eq(ml3_policy_init(&settings.policy, settings.env, &hidden, 1, ML3_IDENTITY, false, &error), 0);
  settings.policy.squash = ML3_SQUASH_TANH;
  ml3_problem *p = ml3_model_based_new(&settings, &error);
  cr_assert_not_null(p, "%s", error.message);
  const ml3_arena arena = {.env = settings.env,
                           .horizon = settings.env->horizon,
                           .play = ml3_model_based_playable(p),
                           .settings = {.tasks = 1, .steps = {1}, .step_count = 1, .threads = 1}};
  expect_refused(&arena, "natural",
                 "'natural' takes the steps of model-free losses; 'mountain_car' is no such problem");
  expect_refused(&arena, "surrogate", "'surrogate' learns from the episodes of model-free losses");
  expect_refused(&arena, "drift", "'drift' learns from the episodes of model-free losses");
  p->free(p);
}
