/* The outer steps of `ml3 train`: trained, validated, shown, kept. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "cli/train_internal.h"
#include "cli/warnings.h"
#include "lab/problems.h"
#include "metaloss/options.h"

const char *train_tell_more(const training *t, const ml3_trainer_report *r, char *text, size_t size) {
  int used = 0;
  *text = '\0';
  if (t->problem->distance_name) used = snprintf(text, size, ", median distance %.3g", r->median_distance);
  if (isfinite(r->model.step))
    used += snprintf(text + used, size - (size_t)used, ", model's error %.3g %% of a step, %.3g at the end",
                     100 * r->model.step, r->model.horizon);
  if (r->skipped > 0)
    snprintf(text + used, size - (size_t)used, "; %d of these %lld tasks failed", r->skipped,
             (long long)ML3_LAB_GET(&t->config, validation)->tasks);
  return text;
}

/* The trainer's answers are the same on all ranks, but for this one. */
static int told(training *t, int code) {
  t->lost = t->lost || (t->ranks && code == ML3_ERR_UNAVAILABLE);
  return code;
}

static int validate(training *t, ml3_error *error) {
  ml3_trainer_report report;
  int code = told(t, ml3_trainer_validate(t->trainer, &report, error));
  if (code != ML3_OK || !train_writes(t)) return code;
  code = train_alone(t, train_write_metrics(t, NULL, &report, error));
  if (code != ML3_OK) return code;
  char more[160];
  if (t->verbose)
    cli_progress_say(&t->progress, "outer step %lld: validation objective %.4g, task loss %.4g, success %.1f %%%s%s",
                     (long long)ml3_trainer_outer_step(t->trainer), report.objective, report.outcome.task_loss,
                     100 * report.outcome.success, train_tell_more(t, &report, more, sizeof more),
                     report.is_best ? ", the best so far" : "");
  return report.is_best ? train_alone(t, train_save_loss(t, error)) : ML3_OK;
}

static void show(training *t, double objective) {
  char note[160];
  const ml3_trainer_report *best = ml3_trainer_best_report(t->trainer);
  int used = snprintf(note, sizeof note, "best %.4g", best ? best->outcome.task_loss : NAN);
  if (best && t->problem->success_name)
    used += snprintf(note + used, sizeof note - (size_t)used, ", %.0f %% %s", 100 * best->outcome.success,
                     t->problem->success_name);
  snprintf(note + used, sizeof note - (size_t)used, "  now %.4g", objective);
  cli_progress_update(&t->progress, (long)ml3_trainer_outer_step(t->trainer), note);
}

/* What was not finite, once; with --verbose every time. */
static void tell_trouble(training *t, const ml3_trainer_report *r) {
  ml3_error what;
  if (!ml3_trainer_trouble(t->trainer, &what) || (t->told_trouble && !t->verbose)) return;
  t->told_trouble = true;
  cli_progress_say(&t->progress, "%s; %d of %lld tasks left out, %d taken with smaller steps", what.message, r->skipped,
                   (long long)ML3_LAB_GET(&t->config, outer)->tasks, r->reduced);
}

/* What all ranks do next is the first one's to say: it has the clock, the files and the person before it. */
typedef enum what_next { GO_ON, SAVE, SAVE_AND_STOP } what_next;

static int agree(training *t, what_next *next, ml3_error *error) {
  return train_alone(t, ml3_ranks_broadcast(t->ranks, 0, next, sizeof *next, error));
}

static int stop(training *t, ml3_error *error) {
  int code = train_alone(t, train_save_checkpoint(t, error));
  if (code != ML3_OK) return code;
  return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                       "interrupted at outer step %lld; the checkpoint is kept, go on with `ml3 train --resume %s`",
                       (long long)ml3_trainer_outer_step(t->trainer), t->folder);
}

/* One outer step, and a validation where one is due. */
static int step(training *t, double *objective, ml3_error *error) {
  const ml3_lab_config *c = &t->config;
  ml3_trainer_report report;
  int code = told(t, ml3_trainer_step(t->trainer, &report, error));
  if (code != ML3_OK) return code;
  *objective = report.objective;
  if (train_writes(t)) {
    tell_trouble(t, &report);
    const ml3_env_warnings warnings = ml3_env_tally(ml3_lab_problem_env(&t->config, t->problem));
    cli_warnings_say(&t->progress, &warnings, &t->told_warnings);
  }
  code = train_alone(t, train_write_metrics(t, &report, NULL, error));
  const int64_t done = ml3_trainer_outer_step(t->trainer);
  return code == ML3_OK && (done % ML3_LAB_GET(c, validation)->every == 0 || done == ML3_LAB_GET(c, outer)->steps)
             ? validate(t, error)
             : code;
}

static bool ended(const training *t) {
  return ml3_trainer_outer_step(t->trainer) >= ML3_LAB_GET(&t->config, outer)->steps || ml3_trainer_stale(t->trainer);
}

int train_sum_warnings(training *t, ml3_error *error) {
  const ml3_env_warnings own = ml3_env_tally(ml3_lab_problem_env(&t->config, t->problem));
  const int count = t->ranks ? t->ranks->count : 1;
  ml3_env_warnings *all = calloc((size_t)count, sizeof *all);
  t->warnings = (ml3_env_warnings){0};
  if (!all) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the warnings of %d ranks", count);
  all[t->ranks ? t->ranks->rank : 0] = own;
  const int code = t->ranks ? train_alone(t, ml3_ranks_share(t->ranks, all, count, sizeof *all, error)) : ML3_OK;
  for (int i = 0; i < count && code == ML3_OK; i++) ml3_env_warnings_add(&t->warnings, &all[i]);
  free(all);
  return code;
}

/* A diverged step ends training; the files keep what was best. */
int train_loop(training *t, ml3_error *error) {
  t->begun_s = ml3_clock_s();
  int code = ml3_trainer_outer_step(t->trainer) == 0 ? validate(t, error) : ML3_OK;
  while (code == ML3_OK && !ended(t)) {
    double objective;
    if ((code = step(t, &objective, error)) != ML3_OK) return code;
    const bool due =
        ml3_lab_checkpoint_due(ml3_trainer_outer_step(t->trainer), t->config.checkpoint_every, &t->saved_s);
    what_next next = ended(t) ? SAVE : cli_interrupted() ? SAVE_AND_STOP : due ? SAVE : GO_ON;
    if ((code = agree(t, &next, error)) != ML3_OK) return code;
    if (next == SAVE_AND_STOP) return stop(t, error);
    if (next == SAVE) code = train_alone(t, train_save_checkpoint(t, error));
    if (train_writes(t)) show(t, objective);
  }
  return code;
}
