/* The lab as a library: training, adapting and evaluating without a process. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <criterion/criterion.h>
#include <math.h>

#include "agents/learn/learner.h"
#include "base/file.h"
#include "lab/adapt.h"
#include "lab/evaluate.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/metrics.h"
#include "lab/policies.h"
#include "lab/policy_open.h"
#include "tests/command.h"

static ml3_error error;

/* What callbacks heard. */
typedef struct heard {
  int messages, lines, validations, trainings, learned, stop_after;
  int64_t last_step;
  double last_objective;
  char folder[256];
} heard;

static void on_message(void *user, const char *sentence) {
  (void)sentence;
  ((heard *)user)->messages++;
}

static void on_metrics(void *user, int64_t step, const char *const *names, const double *values, int count) {
  heard *h = user;
  h->lines++;
  h->last_step = step;
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], "losses/objective") == 0 && !isnan(values[i])) h->last_objective = values[i];
}

static void on_validation(void *user, const ml3_lab_validation *found) {
  heard *h = user;
  cr_expect(isfinite(found->objective) && found->tasks == 2);
  h->validations++;
}

static void on_training(void *user, const char *run) {
  heard *h = user;
  h->trainings++;
  snprintf(h->folder, sizeof h->folder, "%s", run);
}

static void on_learned(void *user, const char *run) {
  char path[512];
  snprintf(path, sizeof path, "%s/summary.json", run);
  cr_expect_neq(access(path, F_OK), 0, "the run is whole before all is said");
  ((heard *)user)->learned++;
}

static bool on_interrupted(void *user) {
  heard *h = user;
  return h->stop_after && h->lines >= h->stop_after;
}

static ml3_lab_callbacks callbacks_of(heard *h) {
  return (ml3_lab_callbacks){.user = h,
                             .message = on_message,
                             .training = on_training,
                             .metrics = on_metrics,
                             .validation = on_validation,
                             .learned = on_learned,
                             .interrupted = on_interrupted};
}

static char path[512];

static const char *in_folder(const char *name) {
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static const char *const tiny[] = {"outer.steps=4", "outer.tasks=2", "validation.tasks=2", "validation.every=2",
                                   "loss.hidden=[8]"};
static const char *const small_ppo[] = {"method=ppo", "learner.updates=3", "learner.envs=4", "learner.steps=64",
                                        "policy.hidden=[8]"};

static int train(const char *name, const char *const *settings, int count, const ml3_lab_train_settings *how,
                 ml3_lab_result *result) {
  ml3_experiment *e = ml3_lab_experiment_new(name, settings, count, NULL, &error);
  cr_assert_not_null(e, "%s", error.message);
  const int code = ml3_lab_train(e, how, result, &error);
  ml3_lab_experiment_free(e);
  return code;
}

static void same_file(const char *a, const char *b) {
  size_t sizes[2];
  char *first = ml3_file_read(in_folder(a), 1 << 20, &sizes[0], &error);
  char *second = ml3_file_read(in_folder(b), 1 << 20, &sizes[1], &error);
  cr_assert(first && second, "%s", error.message);
  cr_expect(sizes[0] == sizes[1] && memcmp(first, second, sizes[0]) == 0, "%s is not %s", a, b);
  free(first), free(second);
}

TestSuite(lab, .init = make_folder, .fini = drop_folder);

Test(lab, trains_what_the_command_trains_and_speaks_through_callbacks_alone) {
  heard h = {0};
  const ml3_lab_callbacks callbacks = callbacks_of(&h);
  char run[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  ml3_lab_result r;
  const ml3_lab_train_settings how = {.output = run, .log = "none", .callbacks = &callbacks};
  cr_assert_eq(train("mountain_car", tiny, 5, &how, &r), 0, "%s", error.message);
  cr_expect_eq(
      ml3("train mountain_car --output command --log none " TINY "--set outer.steps=4 --set validation.every=2"), 0,
      "%s", output);
  same_file("lab/loss.safetensors", "command/loss.safetensors");
  same_file("lab/metrics.csv", "command/metrics.csv");
  cr_expect_str_eq(h.folder, run);
  cr_expect_str_eq(r.folder, run);
  cr_expect(h.trainings == 1 && h.learned == 1 && h.validations == 3 && h.lines == 4 + 3, "%d lines", h.lines);
  cr_expect(r.steps == 4 && !r.is_policy && r.best.tasks == 2 && r.updates == 5);
  cr_expect(exists("lab/summary.json") && exists("lab/config.yaml") && exists("lab/build.json"));
}

Test(lab, tells_the_numbers_that_it_logs) {
  heard h = {0};
  const ml3_lab_callbacks callbacks = callbacks_of(&h);
  char run[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  const ml3_lab_train_settings how = {.output = run, .log = "none", .callbacks = &callbacks};
  cr_assert_eq(train("mountain_car", tiny, 5, &how, NULL), 0, "%s", error.message);
  ml3_lab_metrics m;
  cr_assert_eq(ml3_lab_metrics_read(&m, run, &error), 0, "%s", error.message);
  double x[16], y[16];
  const int count = ml3_lab_metrics_points(&m, ml3_lab_metrics_find(&m, "losses/objective", &error), x, y);
  cr_expect(count == 4 && x[3] == (double)h.last_step && m.rows == 4 + 3);
  cr_expect_float_eq(y[3], h.last_objective, 1e-12 * fabs(y[3]));
  ml3_lab_metrics_free(&m);
}

Test(lab, an_interrupted_training_goes_on_with_the_same_bits) {
  heard h = {.stop_after = 3};
  ml3_lab_callbacks callbacks = callbacks_of(&h);
  char run[300], whole[300];
  snprintf(run, sizeof run, "%s/stopped", folder);
  snprintf(whole, sizeof whole, "%s/whole", folder);
  const ml3_lab_train_settings how = {.output = run, .callbacks = &callbacks};
  cr_assert_eq(train("mountain_car", tiny, 5, &how, NULL), ML3_ERR_INTERRUPTED, "%s", error.message);
  cr_expect(exists("stopped/checkpoint") && !exists("stopped/summary.json"));
  cr_assert_eq(train(run, NULL, 0, &(ml3_lab_train_settings){.resume = run}, NULL), 0, "%s", error.message);
  cr_assert_eq(train("mountain_car", tiny, 5, &(ml3_lab_train_settings){.output = whole}, NULL), 0, "%s",
               error.message);
  same_file("stopped/loss.safetensors", "whole/loss.safetensors");
  same_file("stopped/metrics.csv", "whole/metrics.csv");
  same_file("stopped/checkpoint", "whole/checkpoint");
  cr_expect_eq(train(run, NULL, 0, &(ml3_lab_train_settings){.resume = run}, NULL), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "is finished"), "%s", error.message);
}

Test(lab, a_policy_goes_through_the_same_loop) {
  heard h = {0};
  const ml3_lab_callbacks callbacks = callbacks_of(&h);
  char run[300], more[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  snprintf(more, sizeof more, "%s/more", folder);
  ml3_lab_result r;
  ml3_lab_train_settings how = {.output = run, .log = "none", .callbacks = &callbacks};
  cr_assert_eq(train("pendulum", small_ppo, 5, &how, &r), 0, "%s", error.message);
  cr_expect(r.is_policy && r.steps == 3 && r.env_steps == 3 * 4 * 64 && r.judged == 100 && h.lines == 3);
  cr_expect(h.validations == 0 && h.trainings == 1 && h.learned == 1);
  const char *const further[] = {"learner.updates=5"};
  cr_assert_eq(train(run, further, 1, &(ml3_lab_train_settings){.resume = run}, &r), 0, "%s", error.message);
  cr_expect_eq(r.steps, 5);
  how = (ml3_lab_train_settings){.output = more};
  const char *const at_once[] = {"method=ppo",       "learner.updates=5", "learner.envs=4",
                                 "learner.steps=64", "policy.hidden=[8]", "learner.anneal=false"};
  const char *const stopped[] = {"method=ppo",       "learner.updates=3", "learner.envs=4",
                                 "learner.steps=64", "policy.hidden=[8]", "learner.anneal=false"};
  char part[300];
  snprintf(part, sizeof part, "%s/part", folder);
  cr_assert_eq(train("pendulum", at_once, 6, &how, NULL), 0, "%s", error.message);
  cr_assert_eq(train("pendulum", stopped, 6, &(ml3_lab_train_settings){.output = part}, NULL), 0, "%s", error.message);
  cr_assert_eq(train(part, further, 1, &(ml3_lab_train_settings){.resume = part}, NULL), 0, "%s", error.message);
  same_file("more/policy.safetensors", "part/policy.safetensors");
}

Test(lab, a_run_keeps_to_its_environment_and_an_output_to_what_is_in_it) {
  char run[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  const ml3_lab_train_settings how = {.output = run};
  cr_assert_eq(train("pendulum", small_ppo, 5, &how, NULL), 0, "%s", error.message);
  cr_expect_eq(train("pendulum", small_ppo, 5, &how, NULL), ML3_ERR_IO);
  cr_expect_not_null(strstr(error.message, "exists already"), "%s", error.message);
  cr_expect_eq(train("mountain_car_continuous", small_ppo, 5, &(ml3_lab_train_settings){.resume = run}, NULL),
               ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "keeps to it"), "%s", error.message);
  const ml3_lab_train_settings wrong = {.output = run, .force = true, .log = "tensorbord"};
  cr_expect_eq(train("pendulum", small_ppo, 5, &wrong, NULL), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "did you mean 'tensorboard'"), "%s", error.message);
  cr_expect(exists("lab/summary.json"), "what was refused has changed nothing");
}

Test(lab, a_mistake_in_an_experiment_is_a_sentence) {
  cr_expect_null(ml3_lab_experiment_new("mountain_cra", NULL, 0, NULL, &error));
  cr_expect_not_null(strstr(error.message, "did you mean 'mountain_car'"), "%s", error.message);
  cr_expect_null(ml3_lab_experiment_new("mountain_car", (const char *[]){"outer.stepps=3"}, 1, NULL, &error));
  cr_expect_not_null(strstr(error.message, "outer.steps"), "%s", error.message);
  ml3_experiment *e =
      ml3_lab_experiment_new("reacher", (const char *[]){"method=ppo", "policy.obs_scale=[1, 2]"}, 2, NULL, &error);
  cr_assert_not_null(e);
  cr_expect_eq(ml3_lab_train_check(e, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "policy.obs_scale"), "%s", error.message);
  ml3_lab_experiment_free(e);
}

/* ---- evaluating -------------------------------------------------------------------------------------------------- */

Test(lab, evaluates_a_policy_on_tasks_as_its_training_did) {
  char run[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  ml3_lab_result r;
  ml3_lab_evaluation e;
  cr_assert_eq(train("reacher", small_ppo, 5, &(ml3_lab_train_settings){.output = run}, &r), 0, "%s", error.message);
  cr_assert_eq(ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = run}, &e, &error), 0, "%s", error.message);
  cr_expect(e.tasks == 100 && e.episodes == 100 && e.updates == -1);
  /* The file of a policy has its scaling in single precision. */
  cr_expect_float_eq(e.episode_return.mean, r.episode_return, 1e-5 * fabs(r.episode_return));
  cr_expect_float_eq(e.success.mean, r.success, 1e-12);
  cr_expect_float_eq(e.passed.mean, r.passed, 1e-12);
  cr_expect_float_eq(e.distance.mean, r.distance, 1e-5);
  cr_expect(e.episode_return.low < e.episode_return.mean && e.episode_return.mean < e.episode_return.high);
  ml3_lab_evaluation_free(&e);
}

Test(lab, evaluates_as_rollouts_made_by_hand_do) {
  char run[300], file[400];
  snprintf(run, sizeof run, "%s/lab", folder);
  snprintf(file, sizeof file, "%s/policy.safetensors", run);
  cr_assert_eq(train("reacher", small_ppo, 5, &(ml3_lab_train_settings){.output = run}, NULL), 0, "%s", error.message);
  ml3_lab_evaluation e;
  const ml3_lab_evaluate_settings s = {.what = file, .environment = "reacher", .episodes = 12, .tasks = 4};
  cr_assert_eq(ml3_lab_evaluate(&s, &e, &error), 0, "%s", error.message);
  cr_assert(e.tasks == 4 && e.episodes == 12);

  const ml3_env_spec *spec = ml3_env_find("reacher", &error);
  ml3_policy policy;
  ml3_real *theta;
  cr_assert_eq(ml3_policy_open(file, spec, &policy, &theta, &error), 0, "%s", error.message);
  double sum = 0;
  for (int t = 0; t < 4; t++) {
    double task[64];
    ml3_outcome o;
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_TEST, (uint32_t)t, 0);
    ml3_env_sample_task(spec, &random, task);
    cr_assert_eq(ml3_judge(spec, &policy, theta, task, 0, 3, 0x74657374u + (uint64_t)t, &o, &error), 0);
    cr_expect_float_eq(e.rows[t].episode_return, o.episode_return, 1e-9);
    cr_expect_float_eq(e.rows[t].success, o.success, 1e-12);
    cr_expect_float_eq(e.rows[t].passed, o.passed, 1e-12);
    cr_expect_float_eq(e.rows[t].distance, o.distance, 1e-9);
    sum += o.episode_return / 4;
  }
  cr_expect_float_eq(e.episode_return.mean, sum, 1e-9);
  free(theta);
  ml3_policy_free(&policy);
  ml3_lab_evaluation_free(&e);
}

Test(lab, evaluates_a_policy_of_one_task_as_its_learner_does) {
  char run[300];
  snprintf(run, sizeof run, "%s/lab", folder);
  const char *const settings[] = {"method=ppo",       "learner.updates=1", "learner.envs=4",
                                  "learner.steps=64", "policy.hidden=[8]", "learner.task=3"};
  ml3_lab_result r;
  cr_assert_eq(train("reacher", settings, 6, &(ml3_lab_train_settings){.output = run}, &r), 0, "%s", error.message);
  cr_expect_eq(r.judged, 100);
  ml3_lab_evaluation e;
  cr_assert_eq(ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = run, .episodes = 20}, &e, &error), 0, "%s",
               error.message);
  ml3_experiment *x = ml3_lab_experiment_new(run, NULL, 0, NULL, &error);
  ml3_learner *learner = ml3_lab_learner_new(&x->config, &error);
  cr_assert_not_null(learner, "%s", error.message);
  cr_assert_eq(ml3_learner_load(learner, in_folder("lab/checkpoint"), &error), 0, "%s", error.message);
  ml3_outcome o;
  cr_assert_eq(ml3_learner_evaluate(learner, NULL, 20, 0x74657374, &o, &error), 0, "%s", error.message);
  cr_expect(e.tasks == 1 && e.rows[0].episodes == 20);
  cr_expect_float_eq(e.episode_return.mean, o.episode_return, 1e-5 * fabs(o.episode_return));
  cr_expect_float_eq(e.success.mean, o.success, 1e-12);
  cr_expect_float_eq(e.passed.mean, o.passed, 1e-12);
  cr_expect_float_eq(e.distance.mean, o.distance, 1e-5);
  ml3_learner_free(learner);
  ml3_lab_experiment_free(x);
  ml3_lab_evaluation_free(&e);
}

/* The last values of an adaptation, and how many updates there were. */
typedef struct adapted {
  double values[8];
  int64_t last;
} adapted;

static void on_update(void *user, int64_t step, const char *const *names, const double *values, int count) {
  adapted *a = user;
  (void)names;
  a->last = step;
  memcpy(a->values, values, (size_t)count * sizeof *values);
}

Test(lab, evaluates_a_learned_loss_by_the_policies_that_adapt_with_it) {
  char run[300], file[400];
  snprintf(run, sizeof run, "%s/lab", folder);
  snprintf(file, sizeof file, "%s/adapted.safetensors", folder);
  cr_assert_eq(train("mountain_car", tiny, 5, &(ml3_lab_train_settings){.output = run}, NULL), 0, "%s", error.message);
  ml3_lab_evaluation e;
  const ml3_lab_evaluate_settings s = {.what = run, .tasks = 3, .updates = 2};
  cr_assert_eq(ml3_lab_evaluate(&s, &e, &error), 0, "%s", error.message);
  cr_assert(e.tasks == 3 && e.updates == 2);
  for (int t = 0; t < 3; t++) {
    ml3_outcome o;
    adapted told = {.last = -1};
    const ml3_lab_callbacks callbacks = {.user = &told, .metrics = on_update};
    const ml3_lab_adapt_settings how = {.what = run, .task = t, .updates = 2, .output = file, .callbacks = &callbacks};
    cr_assert_eq(ml3_lab_adapt(&how, &o, &error), 0, "%s", error.message);
    cr_expect(told.last == 2 && told.values[3] == o.episode_return);
    cr_expect_float_eq(e.rows[t].episode_return, o.episode_return, 1e-12);
    cr_expect_float_eq(e.rows[t].success, o.success, 1e-12);
  }
  cr_expect(exists("adapted.safetensors"));
  ml3_lab_evaluation_free(&e);
}

Test(lab, what_cannot_be_evaluated_is_told_in_a_sentence) {
  ml3_lab_evaluation e;
  cr_expect_eq(ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = "nowhere"}, &e, &error), ML3_ERR_IO);
  cr_expect_not_null(strstr(error.message, "'nowhere' is no run"), "%s", error.message);
  cr_expect_eq(ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = "zoo:sine"}, &e, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "has no episodes"), "%s", error.message);
  cr_expect_eq(ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = "x", .episodes = 2, .tasks = 3}, &e, &error),
               ML3_ERR_ARGUMENT);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

Test(lab, the_command_evaluates_and_shows_policies) {
  char run[300];
  snprintf(run, sizeof run, "%s/ppo", folder);
  cr_assert_eq(train("reacher", small_ppo, 5, &(ml3_lab_train_settings){.output = run}, NULL), 0, "%s", error.message);
  expect("evaluate ppo --quiet --episodes 6 --tasks 2", 0, "6 episodes of 2 held-out tasks");
  expect("evaluate ppo/policy.safetensors reacher --quiet --episodes 3 --json", 0, "\"episodes\": 3");
  expect("evaluate ppo pointmass --quiet", 1, "holds a policy of another shape");
  expect("record --policy ppo/policy.safetensors reacher --quiet --output last.png --width 64 --height 64", 0,
         "3 rollouts");
  cr_expect(exists("last.png"));
  expect("record --policy nowhere.safetensors reacher", 1, "is no run with a policy.safetensors");
  cr_assert_eq(ml3("evaluate zoo:mountain_car --quiet --tasks 2 --episodes 2"), 0, "%s", output);
  cr_expect_not_null(strstr(output, "5 updates of a fresh policy"), "%s", output);
}
