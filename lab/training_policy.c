/* What a training of a policy by a learner does in each of its updates, and leaves. metrics.csv has a line an update, by the
   names of CleanRL; its charts/SPS (environment steps a second of this process) is all that depends on the clock. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/evaluate_internal.h"
#include "lab/json.h"
#include "lab/learners.h"
#include "lab/results.h"
#include "lab/training_internal.h"

/* Of every learner; its own metrics are behind these. The step of a line is the number of environment steps (CleanRL's global_step); of updates where there are none. */
static const char *const metrics[] = {
    "charts/updates",      "charts/episodic_return", "charts/episodic_length", "charts/success",
    "charts/passed",       "charts/distance",        "charts/diverged",        "charts/SPS",
    "charts/learning_rate"};
enum { METRICS = sizeof metrics / sizeof *metrics };

static ml3_lab_run_progress progress(const training *t) {
  return (ml3_lab_run_progress){.done = t->learner->updates};
}

static int64_t logged(const training *t) {
  return t->learner->env_steps ? t->learner->env_steps : t->learner->updates;
}

static const ml3_env_spec *env(const training *t) {
  return t->learner->settings.env;
}

static int open(training *t, ml3_error *error) {
  t->last_return = NAN;
  t->learner = ml3_lab_learner_new(&t->config, error);
  if (!t->learner) return error->code;
  const char *const *own = t->learner->kind->metrics;
  while (own && *own) t->columns[t->column_count++] = *own++;
  return ML3_OK;
}

static void close(training *t) {
  ml3_learner_free(t->learner);
}

static int keep_policy(const training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(t->folder, "policy.safetensors", path);
  return ml3_policy_save(&t->learner->policy, t->learner->parameters, path, error);
}

/* The policy too, for those who look on. */
static int save(const training *t, const char *path, ml3_error *error) {
  const int code = ml3_learner_save(t->learner, path, error);
  return code == ML3_OK ? keep_policy(t, error) : code;
}

static int load(training *t, const char *path, ml3_error *error) {
  const int code = ml3_learner_load(t->learner, path, error);
  t->begun_env_steps = t->learner->env_steps;
  return code;
}

static int step(training *t, ml3_error *error) {
  ml3_learner_report r;
  int code = ml3_learner_update(t->learner, &r, error);
  if (code != ML3_OK) return code;
  const double sps = r.env_steps ? (double)(r.env_steps - t->begun_env_steps) / (ml3_clock_s() - t->begun_s) : NAN;
  double values[METRICS + ML3_LEARNER_METRICS_MAX] = {
      (double)r.updates, r.episode_return, r.episode_length, r.success, r.passed, r.distance, r.diverged, sps, r.rate};
  memcpy(values + METRICS, r.own, sizeof r.own);
  if (r.episodes) t->last_return = r.episode_return;
  return training_write_metrics(t, values, error);
}

static void note(const training *t, char *text, size_t size) {
  snprintf(text, size, "return %.2f", t->last_return);
}

static int keep(training *t, ml3_error *error) {
  return keep_policy(t, error);
}

/* What the policy does in so many episodes of a split: on the task of the learner, or on tasks that it has not seen, one each. */
static int judge(const training *t, ml3_purpose split, ml3_lab_evaluation *found, ml3_error *error) {
  const ml3_learner *l = t->learner;
  const ml3_lab_judging judging = {.env = l->settings.env,
                                   .policy = &l->policy,
                                   .theta = l->kind->uniform ? NULL : l->parameters,
                                   .task = l->task,
                                   .horizon = l->settings.horizon,
                                   .purpose = split,
                                   .seed = (uint64_t)t->config.seed,
                                   .tasks = l->task ? 1 : ML3_LAB_JUDGED,
                                   .starts = l->task ? ML3_LAB_JUDGED : 1};
  return ml3_lab_judge(&judging, found, error);
}

static int summarize(training *t, ml3_lab_result *result, json_t *json, ml3_error *error) {
  const ml3_learner *l = t->learner;
  const double seconds = ml3_clock_s() - t->begun_s;
  const double steps = (double)(l->env_steps - t->begun_env_steps);
  ml3_lab_evaluation found, validation;
  int code = judge(t, ML3_PURPOSE_VALIDATION, &validation, error); /* for those who choose between runs */
  if (code != ML3_OK) return code;
  ml3_lab_evaluation_free(&validation);
  if ((code = judge(t, ML3_PURPOSE_TEST, &found, error)) != ML3_OK) return code;
  result->is_policy = true, result->no_goal = l->settings.env->no_goal;
  result->steps = l->updates;
  result->judged = found.episodes, result->judged_diverged = found.diverged;
  result->episode_return = found.episode_return.mean, result->distance = found.distance.mean;
  result->success = found.success.mean, result->passed = found.passed.mean;
  result->env_steps = l->env_steps, result->diverged = l->diverged;
  result->steps_per_second = seconds > 0 ? steps / seconds : 0;
  ml3_lab_evaluation_free(&found);

  json_object_set_new(json, "environment", json_string(t->config.environment));
  json_object_set_new(json, "method", json_string(l->kind->name));
  json_object_set_new(json, "seed", json_integer((json_int_t)t->config.seed));
  json_object_set_new(json, "updates", json_integer((json_int_t)l->updates));
  json_object_set_new(json, "env_steps", json_integer((json_int_t)l->env_steps));
  json_object_set_new(json, "diverged_episodes", json_integer((json_int_t)l->diverged));
  ml3_lab_json_add(json, "seconds", seconds);
  ml3_lab_json_add(json, "env_steps_per_second", result->steps_per_second);
  ml3_lab_json_add(json, "return", result->episode_return);
  ml3_lab_json_add(json, "validation_return", validation.episode_return.mean);
  ml3_lab_json_add(json, "success", result->success);
  ml3_lab_json_add(json, "passed", result->passed);
  ml3_lab_json_add(json, "distance", result->distance);
  json_object_set_new(json, "judged_diverged", json_integer(result->judged_diverged));
  return ML3_OK;
}

const training_kind training_policy = {.step_name = "update",
                                       .metrics = metrics,
                                       .metric_count = METRICS,
                                       .open = open,
                                       .close = close,
                                       .save = save,
                                       .load = load,
                                       .progress = progress,
                                       .logged = logged,
                                       .env = env,
                                       .step = step,
                                       .note = note,
                                       .keep = keep,
                                       .summarize = summarize};
