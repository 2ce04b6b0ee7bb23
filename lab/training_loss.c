/* What a training of a learned loss (or a learned start) does in each of its steps, and leaves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/json.h"
#include "lab/metrics.h"
#include "lab/problems.h"
#include "lab/training_internal.h"
#include "metaloss/options.h"

/* global_step: steps of the environment that meta-training has taken so far, as CleanRL has it; beside it those of a model. */
static const char *const metrics[] = {"losses/objective",     "losses/gradient_norm",   "charts/inner_rate",
                                      "charts/skipped_tasks", "charts/reduced_tasks",   "validation/objective",
                                      "validation/task_loss", "validation/success",     "validation/passed",
                                      "validation/distance",  "charts/episodic_return", "validation/median_distance",
                                      "model/step_error",     "model/horizon_error",    "global_step",
                                      "charts/model_steps"};
enum { METRICS = sizeof metrics / sizeof *metrics, STEP_METRICS = 5, COUNTERS = METRICS - 2 };

/* The trainer's answers are the same on all ranks, but for this one. */
static int of_all(training *t, int code) {
  t->lost = t->lost || (t->ranks && code == ML3_ERR_UNAVAILABLE);
  return code;
}

static int64_t done(const training *t) {
  return ml3_trainer_outer_step(t->trainer);
}

static ml3_lab_run_progress progress(const training *t) {
  return (ml3_lab_run_progress){done(t), ml3_trainer_stale(t->trainer)};
}

static const ml3_env_spec *env(const training *t) {
  return ml3_lab_problem_env(&t->config, t->problem);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static int open(training *t, ml3_error *error) {
  if (!(t->problem = ml3_lab_problem_new(&t->config, error))) return error->code;
  int code = ml3_lab_trainer_settings(&t->config, t->problem, NULL, &t->trainer_settings, error);
  if (code != ML3_OK) return code;
  t->acts = t->problem->steps.inner + t->problem->steps.model_inner > 0;
  t->trainer = ml3_trainer_new(t->problem, &t->trainer_settings, error);
  return t->trainer ? ML3_OK : error->code;
}

static void close(training *t) {
  ml3_trainer_free(t->trainer);
  if (t->problem) t->problem->free(t->problem);
}

static int save(const training *t, const char *path, ml3_error *error) {
  return ml3_trainer_save(t->trainer, path, error);
}

static int load(training *t, const char *path, ml3_error *error) {
  return ml3_trainer_load(t->trainer, path, error);
}

static void describe(const training *t) {
  const ml3_meta *meta = ml3_trainer_meta(t->trainer);
  const ml3_nn_report inner = ml3_nn_program_report(ml3_meta_inner_program(meta));
  const ml3_nn_report outer = ml3_nn_program_report(ml3_meta_outer_program(meta));
  ml3_lab_detail(&t->callbacks, "learned loss: %d parameters; optimizee: %d", ml3_trainer_loss(t->trainer)->size,
                 t->problem->theta_size);
  ml3_lab_detail(&t->callbacks,
                 "inner program: %d instructions, %.3g Mflop; outer program: %d instructions, %.3g Mflop",
                 inner.instructions, 1e-6 * inner.flops, outer.instructions, 1e-6 * outer.flops);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* Of the environment and of a model, so far. */
static void count_steps(const training *t, double *environment, double *model) {
  ml3_trainer_count_steps(t->problem, &t->trainer_settings, done(t), environment, model);
}

/* step, validation: NULL when there is none now. */
static int write_metrics(training *t, const ml3_trainer_report *step, const ml3_trainer_report *validation,
                         ml3_error *error) {
  double values[METRICS];
  for (int i = 0; i < METRICS; i++) values[i] = NAN;
  if (t->acts) count_steps(t, &values[COUNTERS], &values[COUNTERS + 1]);
  if (step) {
    const double now[] = {step->objective, step->gradient_norm, step->inner_rate, step->skipped, step->reduced};
    memcpy(values, now, sizeof now);
  }
  if (validation) {
    const ml3_outcome *o = &validation->outcome;
    const double now[] = {validation->objective,
                          o->task_loss,
                          o->success,
                          t->acts ? o->passed : NAN,
                          o->distance,
                          o->episode_return,
                          validation->median_distance,
                          validation->model.step,
                          validation->model.horizon};
    memcpy(values + STEP_METRICS, now, sizeof now);
  }
  return training_write_metrics(t, values, error);
}

/* What was not finite: a message once, a detail every time. */
static void say_trouble(training *t, const ml3_trainer_report *r) {
  ml3_error what;
  if (!ml3_trainer_trouble(t->trainer, &what)) return;
  void (*const say)(const ml3_lab_callbacks *, const char *, ...) = t->told_trouble ? ml3_lab_detail : ml3_lab_message;
  if (t->trainer_settings.gradient == ML3_GRADIENT_EVOLUTION)
    say(&t->callbacks, "%s; %d of %d evaluations failed", what.message, r->skipped, r->evaluations);
  else
    say(&t->callbacks, "%s; %d of %d tasks left out, %d taken with smaller steps", what.message, r->skipped,
        r->evaluations, r->reduced);
  t->told_trouble = true;
}

static int step(training *t, ml3_error *error) {
  ml3_trainer_report report;
  int code = of_all(t, ml3_trainer_step(t->trainer, &report, error));
  if (code != ML3_OK) return code;
  t->objective = report.objective;
  say_trouble(t, &report);
  return training_alone(t, write_metrics(t, &report, NULL, error));
}

static ml3_lab_validation validation_of(const training *t, const ml3_trainer_report *r) {
  return (ml3_lab_validation){.step = r->outer_step,
                              .objective = r->objective,
                              .task_loss = r->outcome.task_loss,
                              .success = r->outcome.success,
                              .distance = r->outcome.distance,
                              .median_distance = r->median_distance,
                              .has_distance = t->problem->distance_name != NULL,
                              .has_success = t->problem->success_name != NULL,
                              .model_step_error = r->model.step,
                              .model_horizon_error = r->model.horizon,
                              .failed = r->skipped,
                              .tasks = (int)ML3_LAB_GET(&t->config, validation)->tasks,
                              .is_best = r->is_best};
}

/* The best loss, and the model that was learned on the way. */
static int keep(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(t->folder, "loss.safetensors", path);
  int code = ml3_loss_save(ml3_trainer_best_loss(t->trainer), path, error);
  const ml3_ensemble *model = code == ML3_OK ? ml3_lab_problem_ensemble(&t->config, t->problem) : NULL;
  if (!model) return code;
  ml3_lab_run_path(t->folder, ML3_LAB_ENSEMBLE, path);
  return ml3_ensemble_save(model, path, error);
}

static int validate(training *t, ml3_error *error) {
  ml3_trainer_report report;
  int code = of_all(t, ml3_trainer_validate(t->trainer, &report, error));
  if (code != ML3_OK || !training_writes(t)) return code;
  code = training_alone(t, write_metrics(t, NULL, &report, error));
  if (code != ML3_OK) return code;
  const ml3_lab_validation found = validation_of(t, &report);
  if (t->callbacks.validation) t->callbacks.validation(t->callbacks.user, &found);
  return report.is_best ? training_alone(t, keep(t, error)) : ML3_OK;
}

static void note(const training *t, char *text, size_t size) {
  const ml3_trainer_report *best = ml3_trainer_best_report(t->trainer);
  int used = snprintf(text, size, "best %.4g", best ? best->outcome.task_loss : NAN);
  if (best && t->problem->success_name)
    used += snprintf(text + used, size - (size_t)used, ", %.0f %% %s", 100 * best->outcome.success,
                     t->problem->success_name);
  snprintf(text + used, size - (size_t)used, "  now %.4g", t->objective);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* How many tasks of all outer steps were left out, and taken with smaller steps: from metrics.csv, which a resumed run has
   whole. */
static int count_trouble(training *t, json_t *summary, ml3_error *error) {
  static const char *const names[] = {"charts/skipped_tasks", "charts/reduced_tasks"};
  ml3_lab_metrics m;
  int code = ml3_lab_metrics_read(&m, t->folder, error);
  for (int k = 0; k < 2 && code == ML3_OK; k++) {
    const int column = ml3_lab_metrics_find(&m, names[k], NULL);
    double sum = 0;
    for (int i = 0; column >= 0 && i < m.rows; i++) {
      const double x = m.values[(size_t)i * (size_t)m.columns + (size_t)column];
      if (isfinite(x)) sum += x;
    }
    json_object_set_new(summary, strchr(names[k], '/') + 1, json_integer((json_int_t)sum));
  }
  ml3_lab_metrics_free(&m);
  return code;
}

/* Steps that the whole run has taken, the seconds of this process's part of it, and how many episodes passed the goal. */
static void add_costs(const training *t, const ml3_trainer_report *best, json_t *json) {
  double environment, model;
  json_object_set_new(json, "seconds", json_real(ml3_clock_s() - t->begun_s));
  if (!t->acts) return;
  if (isfinite(best->outcome.passed)) json_object_set_new(json, "best_passed", json_real(best->outcome.passed));
  count_steps(t, &environment, &model);
  json_object_set_new(json, "env_steps", json_integer((json_int_t)environment));
  json_object_set_new(json, "model_steps", json_integer((json_int_t)model));
}

/* What there is of some problems alone. */
static void add_optional(const training *t, const ml3_trainer_report *best, json_t *json) {
  const ml3_problem *p = t->problem;
  const double numbers[] = {p->distance_name ? best->median_distance : NAN, best->model.step, best->model.horizon};
  static const char *const names[] = {"best_median_distance", "model_step_error", "model_horizon_error"};
  for (int i = 0; i < 3; i++)
    if (isfinite(numbers[i])) json_object_set_new(json, names[i], json_real(numbers[i]));
  if (p->success_name) json_object_set_new(json, "success_name", json_string(p->success_name));
  if (p->task_loss_name) json_object_set_new(json, "task_loss_name", json_string(p->task_loss_name));
}

static int summarize(training *t, ml3_lab_result *result, json_t *json, ml3_error *error) {
  const ml3_trainer_report *b = ml3_trainer_best_report(t->trainer); /* there is one: of step 0 at least */
  json_object_set_new(json, "problem", json_string(t->config.problem));
  json_object_set_new(json, "environment", json_string(ml3_lab_problem_title(&t->config)));
  json_object_set_new(json, "seed", json_integer((json_int_t)t->config.seed));
  json_object_set_new(json, "outer_steps", json_integer((json_int_t)done(t)));
  json_object_set_new(json, "best_outer_step", json_integer((json_int_t)b->outer_step));
  ml3_lab_json_add(json, "best_objective", b->objective);
  ml3_lab_json_add(json, "best_task_loss", b->outcome.task_loss);
  ml3_lab_json_add(json, "best_success", b->outcome.success);
  ml3_lab_json_add(json, "inner_rate", b->inner_rate);
  const int code = count_trouble(t, json, error);
  if (code != ML3_OK) return code;
  if (done(t) < t->steps)
    json_object_set_new(json, "stopped_by_patience",
                        json_integer((json_int_t)ML3_LAB_GET(&t->config, validation)->patience));
  add_costs(t, b, json);
  json_object_set_new(json, "best_failed_tasks", json_integer(b->skipped)); /* of the validation */
  add_optional(t, b, json);

  result->steps = done(t);
  result->updates = (int)(ML3_LAB_GET(&t->config, validation)->steps ? ML3_LAB_GET(&t->config, validation)->steps
                                                                     : ML3_LAB_GET(&t->config, inner)->steps);
  result->best = validation_of(t, b);
  if (t->problem->success_name)
    snprintf(result->success_name, sizeof result->success_name, "%s", t->problem->success_name);
  return ML3_OK;
}

const training_kind training_loss = {.step_name = "outer step",
                                     .metrics = metrics,
                                     .metric_count = METRICS,
                                     .open = open,
                                     .close = close,
                                     .save = save,
                                     .load = load,
                                     .progress = progress,
                                     .logged = done,
                                     .env = env,
                                     .step = step,
                                     .validate = validate,
                                     .describe = describe,
                                     .note = note,
                                     .keep = keep,
                                     .summarize = summarize};
