/* See train_report.h. The learning curve is drawn before the run gets its summary.json: a run that has one is whole. */
#include "cli/train_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/plot.h"
#include "cli/ranks.h"
#include "lab/learners.h"
#include "lab/metrics.h"

/* ---- learning curves --------------------------------------------------------------------------------------------- */

/* The points of that column into x and y, [rows]; their number. */
static int points_of(const ml3_lab_metrics *m, const char *name, double *x, double *y) {
  const int column = ml3_lab_metrics_find(m, name, NULL);
  return column < 0 ? 0 : ml3_lab_metrics_points(m, column, x, y);
}

/* The validation columns of metrics.csv, or the returns of a policy: series[3][rows]. */
static int draw(const ml3_lab_metrics *m, const ml3_lab_config *config, double *series, const char *path,
                ml3_error *error) {
  const ml3_learner_kind *learner = ml3_lab_learner_kind(config);
  double *x = series, *y = x + m->rows + 1, *success = y + m->rows + 1;
  int count = points_of(m, learner ? "charts/episodic_return" : "validation/objective", x, y);
  if (!learner) count = points_of(m, "validation/success", x, success);
  for (int i = 0; i < count && !learner; i++) success[i] *= 10;
  const cli_curve curves[] = {
      {.label = learner ? learner->name : "validation objective", .count = count, .x = x, .y = y},
      {.label = "validation success x 10", .count = count, .x = x, .y = success}};
  const cli_plot plot = {.title = learner ? config->environment : "Meta-training",
                         .x_label = learner ? "environment steps" : "outer steps",
                         .y_label = learner ? "return of an episode" : "",
                         .curves = curves,
                         .count = learner ? 1 : 2};
  return count > 1 ? cli_plot_save(&plot, path, error) : ML3_OK;
}

static void save_curve(void *user, const char *folder) {
  const cli_train_console *c = user;
  char path[ML3_LAB_PATH_MAX];
  ml3_error error = {0};
  ml3_lab_metrics m;
  ml3_lab_run_path(folder, "learning_curve", path);
  int code = ml3_lab_metrics_read(&m, folder, &error);
  double *series = code == ML3_OK ? calloc(3 * ((size_t)m.rows + 1), sizeof *series) : NULL;
  if (series) code = draw(&m, &c->experiment->config, series, path, &error);
  if (code != ML3_OK) fprintf(stderr, "ml3 train: no plot: %s\n", error.message);
  free(series);
  ml3_lab_metrics_free(&m);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

/* ", median distance 0.02, model's error 1.2 % a step, 0.004 at the end", as far as there is such. */
static const char *more_of(const ml3_lab_validation *v, bool has_distance, char *text, size_t size) {
  int used = 0;
  *text = '\0';
  if (has_distance) used = snprintf(text, size, ", median distance %.3g", v->median_distance);
  if (isfinite(v->model_step_error))
    used += snprintf(text + used, size - (size_t)used, ", model's error %.3g %% of a step, %.3g at the end",
                     100 * v->model_step_error, v->model_horizon_error);
  if (v->failed > 0) snprintf(text + used, size - (size_t)used, "; %d of these %d tasks failed", v->failed, v->tasks);
  return text;
}

static void begin_training(void *user, const char *folder) {
  cli_train_console *c = user;
  if (!c->console.quiet) fprintf(stderr, "run folder: %s\n", folder);
  snprintf(c->folder, sizeof c->folder, "%s", folder);
  cli_ranks_keep(c->ranks, c->folder);
}

static void tell_validation(void *user, const ml3_lab_validation *v) {
  cli_train_console *c = user;
  char more[160];
  cli_progress_say(&c->console.progress,
                   "outer step %lld: validation objective %.4g, task loss %.4g, success %.1f %%%s%s",
                   (long long)v->step, v->objective, v->task_loss, 100 * v->success,
                   more_of(v, v->has_distance, more, sizeof more), v->is_best ? ", the best so far" : "");
}

void cli_train_console_open(cli_train_console *c, const ml3_experiment *experiment, const ml3_ranks *ranks, bool quiet,
                            bool verbose) {
  *c = (cli_train_console){.experiment = experiment, .ranks = ranks};
  cli_console_open(&c->console, "train", quiet);
  ml3_lab_callbacks *callbacks = &c->console.callbacks;
  callbacks->training = begin_training;
  callbacks->learned = save_curve;
  if (verbose) callbacks->validation = tell_validation, callbacks->detail = callbacks->message;
}

static void print_policy(const ml3_lab_result *r) {
  printf("%s: return %.2f, success %.1f %%, passed %.1f %%, distance %.4f on %d episodes after %lld updates, ",
         r->folder, r->episode_return, 100 * r->success, 100 * r->passed, r->distance, r->judged, (long long)r->steps);
  printf("%lld environment steps, %.0f a second\n", (long long)r->env_steps, r->steps_per_second);
  if (r->diverged || r->judged_diverged)
    printf(
        "the simulation diverged, and ended the episode, %lld times in training and in %d of the %d episodes judged\n",
        (long long)r->diverged, r->judged_diverged, r->judged);
}

void cli_train_print(const ml3_lab_result *r) {
  char more[160];
  if (r->is_policy) {
    print_policy(r);
    return;
  }
  printf("%s: best at outer step %lld: ", r->folder, (long long)r->best.step);
  if (*r->success_name) printf("%s %.1f %%, ", r->success_name, 100 * r->best.success);
  printf("task loss %.4g after %d updates on %d validation tasks%s\n", r->best.task_loss, r->updates, r->best.tasks,
         more_of(&r->best, r->best.has_distance, more, sizeof more));
}
