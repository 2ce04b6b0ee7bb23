/* The model-based problem: its costs, a model that is learned on the way, its extra information. (What it makes of states is in
   test_geometry.c, its models beside the simulators in test_dynamics.c.) */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/control/model.h"
#include "agents/problems/model_based.h"
#include "envs/dataset.h"
#include "metaloss/trainer.h"
#include "nn/program.h"

enum { MOST = 64 }; /* entries of the vectors here */

/* ---- the problem ---------------------------------------------------------------------------------------------------- */

static ml3_model_based_settings settings_of(const char *name) {
  ml3_error error = {0};
  const int hidden[1] = {8};
  ml3_model_based_settings s = {.env = ml3_env_find(name, &error),
                                .starts = 1,
                                .detach_state = true,
                                .cost = ML3_COST_REACH,
                                .cost_from_step = 30,
                                .velocity_weight = 0.1,
                                .action_weight = 0.2};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  s.policy.squash = ML3_SQUASH_TANH;
  s.policy.output_gain =
      strcmp(name, "reacher") ? 0.2 : 0.02; /* an arm that hits its stop is not foreseen to a percent */
  return s;
}

typedef struct fixture {
  ml3_problem *problem;
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_real *task, *theta;
} fixture;

static fixture open_fixture(const ml3_model_based_settings *settings) {
  ml3_error error = {0};
  fixture f = {.problem = ml3_model_based_new(settings, &error)};
  cr_assert_not_null(f.problem, "%s", error.message);
  const ml3_meta_settings meta = {
      .loss = {.net = {.inputs = f.problem->features, .outputs = 1, .activation = ML3_ELU}, .rate = 0.1},
      .inner_steps = 1,
      .task_weight = 1,
      .extra_weight = 1};
  f.meta = ml3_meta_new(f.problem, &meta, &error);
  cr_assert_not_null(f.meta, "%s", error.message);
  f.work = ml3_meta_work_new(f.meta, &error);
  f.task = calloc((size_t)f.problem->task_size, sizeof *f.task);
  f.theta = calloc((size_t)f.problem->theta_size, sizeof *f.theta);
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_TEST, 0, 0);
  f.problem->sample(f.problem, ML3_SPLIT_TEST, &random, f.task, f.theta, NULL);
  return f;
}

static void close_fixture(fixture *f) {
  free(f->task);
  free(f->theta);
  ml3_meta_work_free(f->work);
  ml3_meta_free(f->meta);
  f->problem->free(f->problem);
}

static int (*create_really)(ml3_env *env, ml3_error *error);
static int creations = -1; /* that succeed; negative: all */

static int create_some(ml3_env *env, ml3_error *error) {
  if (creations == 0) return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "there is no room for another");
  creations -= creations > 0;
  return create_really(env, error);
}

/* Tasks are drawn by an environment, which may fail to come into being. */
Test(model_based, says_why_a_task_cannot_be_drawn) {
  ml3_model_based_settings s = settings_of("pointmass");
  ml3_env_spec env = *s.env;
  create_really = env.create, env.create = create_some, s.env = &env;
  fixture f = open_fixture(&s);
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_TEST, 0, 0);
  double env_task[MOST], state[MOST];
  ml3_model_based_start(f.problem, f.task, 0, env_task, state);
  creations = 0;
  cr_expect_eq(f.problem->sample(f.problem, ML3_SPLIT_TEST, &random, f.task, f.theta, &error), ML3_ERR_UNAVAILABLE);
  cr_expect_str_eq(error.message, "environment 'pointmass': there is no room for another");
  cr_expect_eq(ml3_model_based_set_start(f.problem, f.task, 0, env_task, state, &error), ML3_ERR_UNAVAILABLE);
  creations = -1;
  cr_expect_eq(f.problem->sample(f.problem, ML3_SPLIT_TEST, &random, f.task, f.theta, &error), ML3_OK);
  close_fixture(&f);
}

/* The cost of the imagined rollout and of the real one, whose model is nearly exact. */
Test(model_based, judges_in_the_simulator_what_it_imagines) {
  static const char *const names[] = {"pointmass", "reacher"};
  for (int i = 0; i < 2; i++) {
    const ml3_model_based_settings s = settings_of(names[i]);
    fixture f = open_fixture(&s);
    ml3_error error = {0};
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
    ml3_outcome outcome;
    double imagined;
    cr_assert_eq(ml3_meta_task_gradient(f.work, f.task, f.theta, &random, &imagined, NULL, &error), 0, "%s",
                 error.message);
    cr_assert_eq(f.problem->evaluate(f.problem, f.task, f.theta, &outcome, &error), 0, "%s", error.message);
    cr_expect_float_eq(imagined, outcome.task_loss, 0.01 * outcome.task_loss, "%s: %g imagined, %g", names[i], imagined,
                       outcome.task_loss);
    close_fixture(&f);
  }
}

/* The rows of features, beside the value that viewers compute of single states. */
Test(model_based, features_are_those_of_single_states) {
  static const char *const names[] = {"pointmass_goal", "reacher"};
  for (int i = 0; i < 2; i++) {
    ml3_model_based_settings s = settings_of(names[i]);
    ml3_env_spec env = *s.env;
    ml3_env_parameter task[MOST];
    memcpy(task, env.task, (size_t)env.task_dim * sizeof *task);
    for (int k = 0; k < env.task_dim && i == 0; k++)
      if (strcmp(task[k].name, "mass") == 0 || strcmp(task[k].name, "damping") == 0)
        task[k].low = task[k].high = task[k].value;
    env.task = task;
    s.env = &env;
    fixture f = open_fixture(&s);
    ml3_error error = {0};
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
    const int rows = ml3_meta_rows(f.meta), cols = f.problem->features;
    ml3_real *features = calloc((size_t)(rows * cols), sizeof *features);
    cr_assert_eq(ml3_meta_features(f.work, f.task, f.theta, &random, features, &error), 0, "%s", error.message);
    const ml3_loss_spec spec = {
        .net = {.inputs = cols, .outputs = 1, .depth = 1, .hidden = {5}, .activation = ML3_TANH, .bias = true},
        .rate = 1};
    ml3_random init = ml3_random_stream(9, ML3_PURPOSE_USER, 0, 0);
    ml3_loss *loss = ml3_loss_new(&spec, &init, &error);
    ml3_episode *e = ml3_model_based_episode(f.problem, f.task, 0, f.theta, loss, &error);
    cr_assert_not_null(e, "%s", error.message);
    for (int t = 0; t < e->steps; t++) {
      double row[64];
      for (int k = 0; k < cols; k++) row[k] = features[t * cols + k];
      cr_expect_float_eq(ml3_loss_value(loss, row), e->loss[t], 5e-3, "%s, step %d", names[i], t);
    }
    cr_expect_str_eq(f.problem->feature_names[cols - 1], "time");
    ml3_episode_free(e);
    ml3_loss_free(loss);
    free(features);
    close_fixture(&f);
  }
}

/* An update by a loss that sees the features of those names alone (a prefix each); true: it has moved the policy. */
static bool moves(bool detach_state, const char *const *prefixes, int count) {
  ml3_model_based_settings s = settings_of("reacher");
  ml3_error error = {0};
  s.detach_state = detach_state;
  fixture f = open_fixture(&s);
  ml3_meta_settings settings = {
      .loss = {.net = {.outputs = 1, .depth = 1, .hidden = {5}, .activation = ML3_TANH, .bias = true},
               .features = f.problem->features,
               .rate = 1},
      .inner_steps = 1,
      .task_weight = 1};
  ml3_loss_spec *spec = &settings.loss;
  for (int i = 0; i < f.problem->features; i++)
    for (int k = 0; k < count; k++)
      if (strncmp(f.problem->feature_names[i], prefixes[k], strlen(prefixes[k])) == 0)
        spec->columns[spec->net.inputs++] = i;
  cr_assert_gt(spec->net.inputs, 0);
  ml3_meta *meta = ml3_meta_new(f.problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(spec, &random, &error);
  ml3_real theta[512];
  cr_assert_leq(f.problem->theta_size, 512);
  const size_t size = (size_t)f.problem->theta_size * sizeof *theta;
  memcpy(theta, f.theta, size);
  cr_assert_eq(ml3_meta_adapt(work, loss, f.task, theta, &random, NULL, &error), 0, "%s", error.message);
  const bool moved = memcmp(theta, f.theta, size) != 0;
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  close_fixture(&f);
  return moved;
}

/* Where a rollout ends is data for the learned loss: an update knows it, and does not look for it through the model. */
Test(model_based, features_of_the_rollouts_end_carry_no_gradient) {
  static const char *const ends[] = {"final_distance", "final_to_goal_", "final_near_goal_", "final_", "time"};
  for (int k = 0; k < 5; k++) {
    cr_expect_not(moves(true, ends + k, 1), "%s", ends[k]);
    cr_expect_not(moves(false, ends + k, 1), "%s, states not detached", ends[k]);
  }
  cr_expect(moves(false, (const char *const[]){"to_goal_"}, 1), "the states on the way are no data then");
  cr_expect_not(moves(true, (const char *const[]){"to_goal_"}, 1));
}

/* A policy that takes the goal as an input sees the same in the model and in the world. */
Test(model_based, policies_may_see_the_goal) {
  ml3_model_based_settings s = settings_of("reacher");
  ml3_error error = {0};
  cr_assert_eq(ml3_policy_add_goal(&s.policy, s.env, &error), 0, "%s", error.message);
  fixture f = open_fixture(&s);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_outcome outcome;
  double imagined;
  cr_assert_eq(ml3_meta_task_gradient(f.work, f.task, f.theta, &random, &imagined, NULL, &error), 0, "%s",
               error.message);
  cr_assert_eq(f.problem->evaluate(f.problem, f.task, f.theta, &outcome, &error), 0, "%s", error.message);
  cr_expect_float_eq(imagined, outcome.task_loss, 0.01 * outcome.task_loss);
  close_fixture(&f);
}

/* ---- a model that is learned on the way ----------------------------------------------------------------------------- */

/* The reacher through a small ensemble, fitted to few random transitions. */
static ml3_problem *learning_problem(void) {
  ml3_error error = {0};
  ml3_model_based_settings s = settings_of("reacher");
  s.horizon = 12, s.cost_from_step = 8;
  ml3_geometry at;
  cr_assert_eq(ml3_geometry_init(&at, s.env, &error), 0, "%s", error.message);
  ml3_ensemble_settings shape = {.members = 2, .hidden = {8}, .depth = 1, .second_order = true, .variance_min = 1e-3};
  shape.moving_count = at.moving_dim;
  shape.moving = at.moving;
  ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults(3);
  fit.epochs = 5;
  ml3_transitions *data = ml3_transitions_explore(s.env, NULL, ML3_EXPLORE_ROLLOUTS, 5, 200, 3, &error);
  ml3_ensemble *e = ml3_ensemble_new(s.env, &shape, 3, &error);
  ml3_geometry_free(&at);
  cr_assert(data && e, "%s", error.message);
  cr_assert_eq(ml3_ensemble_fit(e, data, &fit, NULL, &error), 0, "%s", error.message);
  s.ensemble = e;
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_model_based_own(p, NULL, e);
  ml3_model_based_let_learn(p, data, &fit);
  return p;
}

static ml3_trainer *learning_trainer(const ml3_problem *p, int threads) {
  ml3_error error = {0};
  const ml3_trainer_settings s = {
      .meta = {.loss = {.net = {.inputs = p->features,
                                .outputs = 1,
                                .depth = 1,
                                .hidden = {6},
                                .activation = ML3_ELU,
                                .bias = true},
                        .rate = 0.1,
                        .target_count = 2,
                        .targets = {10, 11}},
               .inner_steps = 2,
               .weights = ML3_WEIGHTS_ALL,
               .task_weight = 1},
      .optimizer = {.kind = ML3_NN_ADAM, .rate = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .total_steps = 8},
      .seed = 5,
      .threads = threads,
      .tasks = 4,
      .validation_tasks = 4,
      .select = ML3_SELECT_DISTANCE,
      .gather_every = 2,
      .gather_tasks = 2};
  ml3_trainer *t = ml3_trainer_new(p, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static void take_steps(ml3_trainer *t, int count) {
  ml3_error error = {0};
  ml3_trainer_report report;
  for (int i = 0; i < count; i++) cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
}

/* Random transitions, then rollouts of theta_0, theta_1, theta_2 of two tasks in every second step; a run that was stopped
   between goes on with the same loss and the same model, whatever the threads. */
Test(model_based, learns_its_model_on_the_way_and_resumes_with_the_same_bits) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_checkpoint_XXXXXX";
  close(mkstemp(path)), unlink(path); /* a name; what a save replaces would be kept beside it */
  ml3_problem *p[3];
  ml3_trainer *t[3];
  for (int i = 0; i < 3; i++) p[i] = learning_problem(), t[i] = learning_trainer(p[i], 1 + i);
  const ml3_ensemble *first = ml3_model_based_ensemble(p[0]), *last = ml3_model_based_ensemble(p[2]);
  const size_t size = (size_t)first->dynamics.context_size * sizeof *first->context;
  ml3_real *begun = malloc(size);
  memcpy(begun, first->context, size);

  ml3_trainer_report report, resumed;
  take_steps(t[0], 6);
  cr_assert_eq(ml3_trainer_validate(t[0], &report, &error), 0, "%s", error.message);
  cr_expect_neq(memcmp(begun, first->context, size), 0, "the model has not learned");
  cr_expect(isfinite(report.model.step) && isfinite(report.model.horizon) && report.model.horizon > 0);
  cr_expect_gt(report.median_distance, 0);

  take_steps(t[1], 4); /* in the middle: the round before the fifth step is still to come */
  cr_assert_eq(ml3_trainer_save(t[1], path, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_trainer_load(t[2], path, &error), 0, "%s", error.message);
  take_steps(t[2], 2);
  cr_assert_eq(ml3_trainer_validate(t[2], &resumed, &error), 0, "%s", error.message);
  cr_expect_eq(memcmp(first->context, last->context, size), 0, "another model");
  const ml3_loss *one = ml3_trainer_loss(t[0]), *other = ml3_trainer_loss(t[2]);
  cr_expect_eq(memcmp(one->phi, other->phi, (size_t)one->size * sizeof *one->phi), 0, "another loss");
  cr_expect_eq(report.model.horizon, resumed.model.horizon);

  unlink(path);
  free(begun);
  for (int i = 0; i < 3; i++) {
    ml3_trainer_free(t[i]);
    p[i]->free(p[i]);
  }
}

/* The target is no part of what the ensemble knows, and stays where it is. */
Test(model_based, ensembles_leave_what_does_not_move) {
  ml3_error error = {0};
  ml3_problem *p = learning_problem();
  const ml3_ensemble *e = ml3_model_based_ensemble(p);
  cr_expect_eq(e->net.inputs, 6);
  cr_expect_eq(e->predicted, 2);
  ml3_model *model = ml3_model_of_dynamics(&e->dynamics, e->context, e->spec, &error);
  const double state[8] = {0.1, -0.2, 0.12, -0.07, 1, 2, 0, 0}, action[2] = {0.1, -0.1};
  double next[8];
  model->start(model, state);
  model->step(model, action, next);
  cr_expect_float_eq(next[2], 0.12, 1e-7);
  cr_expect_float_eq(next[3], -0.07, 1e-7);
  cr_expect_float_eq(next[0], 0.1 + 0.02 * next[4], 1e-6, "positions follow from velocities");
  ml3_model_free(model);
  p->free(p);
}

/* ---- extra information ---------------------------------------------------------------------------------------------- */

/* Two episodes of an expert, written as a data set and read back. */
static ml3_demonstrations *show(const ml3_env_spec *spec, const char *folder) {
  ml3_error error = {0};
  const ml3_dataset_info info = {.id = "pointmass/expert-v0"};
  ml3_dataset_writer *w = ml3_dataset_create(folder, spec, &info, &error);
  cr_assert_not_null(w, "%s", error.message);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_episode *e = ml3_episode_new(spec, spec->horizon, &error);
  const int hidden[1] = {4};
  ml3_policy expert;
  ml3_real theta[64];
  cr_assert_eq(ml3_policy_init(&expert, spec, hidden, 1, ML3_TANH, true, &error), 0);
  for (uint32_t i = 0; i < 2; i++) {
    double task[MOST];
    ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, i, 0);
    ml3_policy_draw(&expert, &random, theta);
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    ml3_policy_player player = {.policy = &expert, .theta = theta};
    ml3_episode_record(e, env, spec->horizon, false, ml3_policy_play, &player);
    cr_assert_eq(ml3_dataset_append(w, e, &error), 0, "%s", error.message);
  }
  cr_assert_eq(ml3_dataset_commit(w, &error), 0, "%s", error.message);
  ml3_demonstrations *d = ml3_demonstrations_read(spec, folder, 2, 20, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->steps, 20);
  cr_expect_eq(memcmp(d->obs + 20 * spec->obs_dim, e->obs, 20 * (size_t)spec->obs_dim * sizeof(double)), 0);
  cr_expect_eq(memcmp(d->action + 20 * spec->action_dim, e->actions, 20 * (size_t)spec->action_dim * sizeof(double)),
               0);
  cr_expect_null(ml3_demonstrations_read(spec, folder, 3, 20, &error));
  cr_expect_not_null(strstr(error.message, "has 2 episodes; 3 were asked for"), "%s", error.message);
  cr_expect_null(ml3_demonstrations_read(spec, folder, 2, 51, &error));
  cr_expect_not_null(strstr(error.message, "has 50 steps; demonstrations here have 51, or end at the goal"), "%s",
                     error.message);
  ml3_episode_free(e);
  ml3_env_free(env);
  return d;
}

/* What computes an objective in which only extra information counts, after a step too short to matter. */
typedef struct extra_alone {
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_loss *loss;
} extra_alone;

static extra_alone weigh_extra_alone(const ml3_problem *p) {
  ml3_error error = {0};
  extra_alone x;
  const ml3_meta_settings settings = {
      .loss = {.net = {.inputs = p->features, .outputs = 1, .activation = ML3_ELU}, .rate = 1e-9},
      .inner_steps = 1,
      .task_weight = 0,
      .extra_weight = 1};
  ml3_random init = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  x.meta = ml3_meta_new(p, &settings, &error);
  x.work = ml3_meta_work_new(x.meta, &error);
  x.loss = ml3_loss_new(&settings.loss, &init, &error);
  return x;
}

static void free_extra_alone(extra_alone *x) {
  ml3_loss_free(x->loss);
  ml3_meta_work_free(x->work);
  ml3_meta_free(x->meta);
}

/* With weight on extra information alone, the objective is how far the policy is off the expert: by hand. */
Test(model_based, imitates_demonstrations_from_a_data_set) {
  ml3_error error = {0};
  char folder[] = "/tmp/ml3_expert_XXXXXX", command[128];
  cr_assert_not_null(mkdtemp(folder));
  rmdir(folder);
  ml3_model_based_settings s = settings_of("pointmass");
  ml3_demonstrations *d = show(s.env, folder);
  s.demonstrations = d;
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  extra_alone x = weigh_extra_alone(p);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_real *task = calloc((size_t)(p->task_size + 2 * p->theta_size), sizeof *task), *theta = task + p->task_size;
  p->sample(p, ML3_SPLIT_TRAIN, &random, task, theta, NULL);
  double objective, off = 0, env_task[MOST], state[MOST];
  cr_assert_eq(ml3_meta_objective(x.work, x.loss, task, theta, &random, NULL, &objective, &error), 0, "%s",
               error.message);
  ml3_model_based_start(p, task, 0, env_task, state);
  const int which = fabs(env_task[2] - d->task[2]) < 1e-6 ? 0 : 1; /* whose start it is */
  for (int t = 0; t < 20; t++) {
    const double *expert = d->action + (which * 20 + t) * 2;
    double action[2];
    ml3_policy_act(&s.policy, theta, d->obs + (which * 20 + t) * s.env->obs_dim, NULL, action);
    off += (pow(action[0] - expert[0], 2) + pow(action[1] - expert[1], 2)) / 20;
  }
  cr_expect_float_eq(objective, off, 1e-4, "%g, by hand %g", objective, off);
  p->sample(p, ML3_SPLIT_TEST, &random, task, theta, NULL);
  cr_assert_eq(ml3_meta_objective(x.work, x.loss, task, theta, &random, NULL, &objective, &error), 0);
  cr_expect_eq(objective, 0, "held-out tasks have no expert");
  free_extra_alone(&x);
  p->free(p);
  ml3_demonstrations_free(d);
  free(task);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_expect_eq(system(command), 0);
}

Test(model_based, energy_is_the_mean_of_the_actions_squares) {
  ml3_error error = {0};
  ml3_model_based_settings s = settings_of("pointmass");
  s.energy = true;
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  extra_alone x = weigh_extra_alone(p);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_real *task = calloc((size_t)(p->task_size + p->theta_size), sizeof *task), *theta = task + p->task_size;
  p->sample(p, ML3_SPLIT_TEST, &random, task, theta, NULL);
  double objective, energy = 0;
  cr_assert_eq(ml3_meta_objective(x.work, x.loss, task, theta, &random, NULL, &objective, &error), 0, "%s",
               error.message);
  ml3_episode *e = ml3_model_based_episode(p, task, 0, theta, NULL, &error);
  for (int t = 0; t < e->steps; t++) energy += (pow(e->actions[2 * t], 2) + pow(e->actions[2 * t + 1], 2)) / e->steps;
  cr_expect_float_eq(objective, energy, 1e-3 * energy, "%g, in the simulator %g", objective, energy);
  ml3_episode_free(e);
  free_extra_alone(&x);
  p->free(p);
  free(task);
}
