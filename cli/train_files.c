/* What `ml3 train` leaves in a run's folder. */
#define _POSIX_C_SOURCE 200809L
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/plot.h"
#include "cli/train_internal.h"
#include "cli/warnings.h"
#include "lab/metrics.h"
#include "lab/problems.h"
#include "lab/runs.h"
#include "metaloss/options.h"

/* ---- metrics ------------------------------------------------------------------------------------------------ */

/* global_step: steps of the environment that meta-training has taken so far, as CleanRL has it; beside it those of a model. */
static const char *const metrics[] = {"losses/objective",     "losses/gradient_norm",   "charts/inner_rate",
                                      "charts/skipped_tasks", "charts/reduced_tasks",   "validation/objective",
                                      "validation/task_loss", "validation/success",     "validation/passed",
                                      "validation/distance",  "charts/episodic_return", "validation/median_distance",
                                      "model/step_error",     "model/horizon_error",    "global_step",
                                      "charts/model_steps"};
enum { METRICS = sizeof metrics / sizeof *metrics, STEP_METRICS = 5, COUNTERS = METRICS - 2 };

/* Of the environment and of a model, so far. */
static void count_steps(const training *t, double *environment, double *model) {
  ml3_trainer_count_steps(t->problem, &t->settings, ml3_trainer_outer_step(t->trainer), environment, model);
}

int train_write_metrics(training *t, const ml3_trainer_report *step, const ml3_trainer_report *validation,
                        ml3_error *error) {
  double values[METRICS];
  if (!train_writes(t)) return ML3_OK;
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
  return ml3_lab_log_write(t->log, ml3_trainer_outer_step(t->trainer), values, error);
}

int train_open_log(training *t, int formats, ml3_error *error) {
  if (!train_writes(t)) return ML3_OK;
  t->log = ml3_lab_log_open(t->folder, metrics, METRICS, formats, ml3_trainer_outer_step(t->trainer), error);
  return t->log ? ml3_lab_log_config(t->log, &t->config, error) : error->code;
}

/* ---- files ------------------------------------------------------------------------------------------ */

int train_save_checkpoint(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  int code = train_writes(t) ? ml3_lab_log_flush(t->log, error) : ML3_OK;
  if (code != ML3_OK) return code;
  ml3_lab_run_path(t->folder, "checkpoint", path);
  return ml3_trainer_save(t->trainer, path, error);
}

int train_save_loss(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(t->folder, "loss.safetensors", path);
  int code = ml3_loss_save(ml3_trainer_best_loss(t->trainer), path, error);
  const ml3_ensemble *model = code == ML3_OK ? ml3_lab_problem_ensemble(&t->config, t->problem) : NULL;
  if (!model) return code;
  ml3_lab_run_path(t->folder, ML3_LAB_ENSEMBLE, path);
  return ml3_ensemble_save(model, path, error);
}

/* How many tasks of all outer steps were left out, and taken with smaller steps: from metrics.csv, which a resumed run has
   whole. */
static int count_trouble(training *t, json_int_t counts[2], ml3_error *error) {
  static const char *const names[] = {"charts/skipped_tasks", "charts/reduced_tasks"};
  ml3_lab_metrics m;
  int code = ml3_lab_log_flush(t->log, error);
  if (code == ML3_OK) code = ml3_lab_metrics_read(&m, t->folder, error);
  if (code != ML3_OK) return code;
  for (int k = 0; k < 2; k++) {
    const int column = ml3_lab_metrics_find(&m, names[k], NULL);
    double sum = 0;
    for (int i = 0; column >= 0 && i < m.rows; i++) {
      const double x = m.values[(size_t)i * (size_t)m.columns + (size_t)column];
      if (isfinite(x)) sum += x;
    }
    counts[k] = (json_int_t)sum;
  }
  ml3_lab_metrics_free(&m);
  return ML3_OK;
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

static int save_summary(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  json_int_t trouble[2];
  ml3_lab_run_path(t->folder, "summary.json", path);
  int code = count_trouble(t, trouble, error);
  if (code != ML3_OK) return code;
  const ml3_trainer_report *b = ml3_trainer_best_report(t->trainer);
  json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I}", "problem", t->config.problem,
                           "environment", ml3_lab_problem_title(&t->config), "seed", (json_int_t)t->config.seed,
                           "outer_steps", (json_int_t)ml3_trainer_outer_step(t->trainer), "best_outer_step",
                           (json_int_t)b->outer_step, "best_objective", b->objective, "best_task_loss",
                           b->outcome.task_loss, "best_success", b->outcome.success, "inner_rate", b->inner_rate,
                           "skipped_tasks", trouble[0], "reduced_tasks", trouble[1]);
  if (json && ml3_trainer_outer_step(t->trainer) < ML3_LAB_GET(&t->config, outer)->steps)
    json_object_set_new(json, "stopped_by_patience",
                        json_integer((json_int_t)ML3_LAB_GET(&t->config, validation)->patience));
  const double also[] = {b->median_distance, b->model.step, b->model.horizon};
  static const char *const names[] = {"best_median_distance", "model_step_error", "model_horizon_error"};
  if (json) add_costs(t, b, json);
  if (json) json_object_set_new(json, "best_failed_tasks", json_integer(b->skipped)); /* of the validation */
  if (json) cli_warnings_add(json, &t->warnings);
  for (int i = t->problem->distance_name ? 0 : 1; json && i < 3; i++)
    if (isfinite(also[i])) json_object_set_new(json, names[i], json_real(also[i]));
  if (json && t->problem->success_name)
    json_object_set_new(json, "success_name", json_string(t->problem->success_name));
  if (json && t->problem->task_loss_name)
    json_object_set_new(json, "task_loss_name", json_string(t->problem->task_loss_name));
  char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
  json_decref(json);
  if (!text) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  ml3_file file;
  code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fprintf(file.stream, "%s\n", text);
    code = ml3_file_commit(&file, error);
  }
  free(text);
  return code;
}

/* The validation columns of metrics.csv as a picture. */
static int save_curve(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_metrics m;
  int code = ml3_lab_log_flush(t->log, error), count = 0;
  if (code == ML3_OK) code = ml3_lab_metrics_read(&m, t->folder, error);
  if (code != ML3_OK) return code;
  double *x = calloc(3 * ((size_t)m.rows + 1), sizeof *x), *objective = x + m.rows + 1,
         *success = objective + m.rows + 1;
  if (x) {
    ml3_lab_metrics_points(&m, ml3_lab_metrics_find(&m, "validation/objective", NULL), x, objective);
    count = ml3_lab_metrics_points(&m, ml3_lab_metrics_find(&m, "validation/success", NULL), x, success);
    for (int i = 0; i < count; i++) success[i] *= 10;
  }
  const cli_curve curves[] = {{.label = "validation objective", .count = count, .x = x, .y = objective},
                              {.label = "validation success x 10", .count = count, .x = x, .y = success}};
  const cli_plot plot = {
      .title = "Meta-training", .x_label = "outer steps", .y_label = "", .curves = curves, .count = 2};
  ml3_lab_run_path(t->folder, "learning_curve", path);
  code = count > 1 ? cli_plot_save(&plot, path, error) : ML3_OK;
  free(x);
  ml3_lab_metrics_free(&m);
  return code;
}

static void print_best(const training *t, const ml3_trainer_report *best) {
  printf("%s: best at outer step %lld: ", t->folder, (long long)best->outer_step);
  if (t->problem->success_name) printf("%s %.1f %%, ", t->problem->success_name, 100 * best->outcome.success);
  char more[160];
  printf("task loss %.4g after %lld updates on %lld validation tasks%s\n", best->outcome.task_loss,
         (long long)(ML3_LAB_GET(&t->config, validation)->steps ? ML3_LAB_GET(&t->config, validation)->steps
                                                                : ML3_LAB_GET(&t->config, inner)->steps),
         (long long)ML3_LAB_GET(&t->config, validation)->tasks, train_tell_more(t, best, more, sizeof more));
}

int train_conclude(training *t, ml3_error *error) {
  int code = train_save_loss(t, error);
  const ml3_trainer_report *best = ml3_trainer_best_report(t->trainer);
  if (code != ML3_OK) return code;
  ml3_error plot = {0};
  if (save_curve(t, &plot) != ML3_OK) fprintf(stderr, "ml3 train: no plot: %s\n", plot.message);
  if (best) code = save_summary(t, error); /* last: a run that has one is whole */
  if (code != ML3_OK) return code;
  if (best) print_best(t, best);
  return ML3_OK;
}
