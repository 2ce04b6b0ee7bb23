/* Training, from its start to its summary: see training.h. */
#include "lab/training_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/build.h"
#include "lab/json.h"
#include "lab/tensorboard.h"
#include "metaloss/options.h"

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* A run that goes on keeps to its environment, of which its folder may have a copy. */
static int go_on(training *t, const char *folder, ml3_error *error) {
  ml3_lab_config before;
  int code = ml3_lab_run_config(folder, &before, NULL, error);
  if (code == ML3_OK && strcmp(before.environment, t->config.environment) != 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%.300s' learns in '%s' and keeps to it; for '%s' train another run",
                         folder, before.environment, t->config.environment);
  return code == ML3_OK ? ml3_lab_run_environment_find(folder, &t->config, error) : code;
}

/* What cannot be trained is an error before an expert learns for minutes. */
static int look_first(training *t, const ml3_lab_train_settings *s, ml3_error *error) {
  if (s->resume && !ml3_lab_run_is(s->resume))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml", s->resume);
  const bool look = !s->resume && training_writes(t);
  int code = training_agree(t, look ? ml3_lab_run_may_create(s->output, s->force, error) : ML3_OK, error);
  if (code == ML3_OK && s->resume) code = go_on(t, s->resume, error);
  if (code == ML3_OK && training_writes(t)) ml3_lab_run_environment_say(&t->config, t->config.callbacks);
  if (code == ML3_OK && t->kind == &training_policy && t->ranks)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%d ranks share out the tasks of an outer step; a policy by itself (method) has none: start "
                         "one process",
                         t->ranks->count);
  return code;
}

/* The first rank looks which of two checkpoints is whole; all load that one. */
static int find_checkpoint(training *t, const char *folder, char from[ML3_LAB_PATH_MAX], ml3_error *error) {
  const int found = training_writes(t) ? ml3_lab_run_find_checkpoint(folder, &t->callbacks, from, error) : ML3_OK;
  const int code = training_agree(t, found, error);
  return code == ML3_OK ? ml3_ranks_broadcast(t->ranks, 0, from, ML3_LAB_PATH_MAX, error) : code;
}

/* Is there anything left to do? The first rank looks for all, before anything is written. */
static int load(training *t, const char *folder, const char *from, ml3_error *error) {
  snprintf(t->folder, sizeof t->folder, "%.900s", folder);
  const int code = *from ? t->kind->load(t, from, error) : ML3_OK;
  if (code != ML3_OK || !training_writes(t)) return code;
  const ml3_lab_run_progress progress = t->kind->progress(t);
  return ml3_lab_run_may_resume(t->folder, &t->config, &progress, error);
}

/* What a run's folder has before its first step, or its next. */
static int write_beginning(training *t, const ml3_lab_train_settings *s, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  int formats = ML3_LAB_LOG_TENSORBOARD;
  if (s->resume && !s->log) ml3_lab_log_formats_of(s->resume, &formats);
  ml3_lab_run_path(t->folder, "config.yaml", path); /* resumed, too: settings may have changed a key */
  int code = s->log ? ml3_lab_log_formats(s->log, &formats, error) : ML3_OK;
  if (code == ML3_OK) code = ml3_lab_config_write(&t->config, path, error);
  if (code == ML3_OK)
    code = ml3_lab_build_keep(t->folder, t->kind->progress(t).done, s->resume != NULL, &t->callbacks, error);
  if (code == ML3_OK && s->resume) code = ml3_lab_run_environment_ensure(&t->config, t->folder, true, error);
  if (code != ML3_OK) return code;
  if (!s->resume && s->force) ml3_lab_run_clear(t->folder);
  t->log = ml3_lab_log_open(t->folder, t->columns, t->column_count, formats, t->kind->logged(t), error);
  return t->log ? ml3_lab_log_config(t->log, &t->config, error) : error->code;
}

static int start(training *t, const ml3_lab_train_settings *s, ml3_error *error) {
  char from[ML3_LAB_PATH_MAX] = "";
  int unused, code = s->log ? ml3_lab_log_formats(s->log, &unused, error) : ML3_OK;
  if (code == ML3_OK) code = look_first(t, s, error);
  if (code == ML3_OK && s->resume) code = find_checkpoint(t, s->resume, from, error);
  t->config.from_checkpoint = from[0] != '\0';
  t->config.ranks = t->ranks;
  t->config.cores = s->cores;
  if (code == ML3_OK && !s->resume && training_writes(t))
    code = ml3_lab_run_environment_prepare(&t->config, &t->kept, error);
  memcpy(t->columns, t->kind->metrics, (size_t)t->kind->metric_count * sizeof *t->columns);
  t->column_count = t->kind->metric_count;
  if (code == ML3_OK) code = t->kind->open(t, error);
  if (code == ML3_OK && s->resume) code = load(t, s->resume, from, error);
  if (code != ML3_OK || !training_writes(t)) return code;
  if (!s->resume) code = ml3_lab_run_environment_create(s->output, &t->config, s->force, t->kept, t->folder, error);
  return code == ML3_OK ? write_beginning(t, s, error) : code;
}

/* Of several ranks: of the parameters that training begins with, and of all keys but `threads`. */
static uint32_t checksum(const training *t) {
  const ml3_loss *loss = ml3_trainer_loss(t->trainer);
  ml3_lab_config same = t->config;
  same.threads = 0;
  char *text = ml3_lab_config_text(&same);
  uint32_t sum = ml3_lab_crc32c(loss->phi, (size_t)loss->size * sizeof *loss->phi);
  if (text) sum ^= ml3_lab_crc32c(text, strlen(text));
  for (int i = 0; i < loss->spec.net.inputs; i++) sum += ml3_lab_crc32c(&loss->scale[i], sizeof loss->scale[i]);
  free(text);
  return sum;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

int training_write_metrics(training *t, const double *values, ml3_error *error) {
  if (!training_writes(t)) return ML3_OK;
  const int64_t step = t->kind->logged(t);
  if (t->callbacks.metrics)
    t->callbacks.metrics(t->callbacks.user, step, t->columns, values, t->column_count);
  return ml3_lab_log_write(t->log, step, values, error);
}

static void say_warnings(training *t) {
  const ml3_env_warnings warnings = ml3_env_tally(t->kind->env(t));
  ml3_lab_warn(&t->callbacks, &warnings, &t->said_warnings);
}

static bool ended(const training *t) {
  const ml3_lab_run_progress now = t->kind->progress(t);
  return now.done >= t->steps || now.stale;
}

static int save_checkpoint(training *t, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  int code = training_writes(t) ? ml3_lab_log_flush(t->log, error) : ML3_OK;
  ml3_lab_run_path(t->folder, "checkpoint", path);
  return training_alone(t, code == ML3_OK ? t->kind->save(t, path, error) : code);
}

/* What all ranks do next is the first one's to say. */
typedef enum what_next { GO_ON, SAVE, SAVE_AND_STOP } what_next;

static int after_step(training *t, ml3_error *error) {
  const int64_t done = t->kind->progress(t).done;
  const bool due = ml3_lab_checkpoint_due(done, t->config.checkpoint_every, &t->saved_s);
  what_next next = ended(t) ? SAVE : ml3_lab_interrupted(&t->callbacks) ? SAVE_AND_STOP : due ? SAVE : GO_ON;
  int code = training_alone(t, ml3_ranks_broadcast(t->ranks, 0, &next, sizeof next, error));
  if (code == ML3_OK && next != GO_ON) code = save_checkpoint(t, error);
  if (code != ML3_OK || next != SAVE_AND_STOP) return code;
  return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                       "interrupted at %s %lld; the checkpoint is kept, go on with `ml3 train --resume %s`",
                       t->kind->step_name, (long long)done, t->folder);
}

/* A diverged step ends training; the files keep what was best. */
static int loop(training *t, ml3_error *error) {
  const training_kind *kind = t->kind;
  int64_t done = kind->progress(t).done;
  char note[160];
  int code = kind->validate && done == 0 ? kind->validate(t, error) : ML3_OK;
  while (code == ML3_OK && !ended(t)) {
    code = kind->step(t, error);
    if (code == ML3_OK && training_writes(t)) say_warnings(t);
    done = kind->progress(t).done;
    const bool due = kind->validate && (done % t->validate_every == 0 || done == t->steps);
    if (code == ML3_OK && due) code = kind->validate(t, error);
    if (code == ML3_OK) code = after_step(t, error);
    if (code != ML3_OK || !training_writes(t)) continue;
    kind->note(t, note, sizeof note);
    ml3_lab_progress(&t->callbacks, done, note);
  }
  return code;
}

static int add_warnings(json_t *summary, const ml3_env_warnings *warnings) {
  json_t *counts = json_object();
  int code = counts ? 0 : -1;
  for (int k = 0; k < ML3_WARN_KINDS && code == 0; k++)
    if (warnings->counts[k])
      code = json_object_set_new(counts, ml3_env_warning_name((ml3_env_warning)k), json_integer(warnings->counts[k]));
  if (code == 0 && json_object_size(counts) > 0) code = json_object_set(summary, "warnings", counts);
  json_decref(counts);
  return code;
}

/* The files of a run that is whole: summary.json is the last. */
static int conclude(training *t, ml3_lab_result *result, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  json_t *summary = json_object();
  ml3_lab_run_path(t->folder, "summary.json", path);
  int code = ml3_lab_log_flush(t->log, error);
  if (code == ML3_OK) code = t->kind->keep(t, error);
  if (code == ML3_OK && summary) code = t->kind->summarize(t, result, summary, error);
  if (code == ML3_OK && (!summary || add_warnings(summary, &t->warnings) != 0))
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  if (code == ML3_OK && t->callbacks.learned) t->callbacks.learned(t->callbacks.user, t->folder);
  if (code == ML3_OK) code = ml3_lab_json_save(summary, path, error);
  json_decref(summary);
  return code;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void open_training(training *t, const ml3_lab_config *config) {
  t->config = *config;
  t->kind = ml3_lab_trains_policy(&t->config) ? &training_policy : &training_loss;
  t->steps = ml3_lab_run_steps(config);
  t->validate_every = ML3_LAB_GET(config, validation)->every;
}

static void close_training(training *t) {
  ml3_lab_log_close(t->log);
  ml3_lab_run_environment_free(t->kept);
  t->kind->close(t);
}

int ml3_lab_train(const ml3_experiment *experiment, const ml3_lab_train_settings *s, ml3_lab_result *result,
                  ml3_error *error) {
  static const ml3_lab_train_settings none;
  ml3_error own = {0};
  ml3_lab_result unused;
  training *t = calloc(1, sizeof *t);
  if (!s) s = &none;
  if (!error) error = &own;
  if (!result) result = &unused;
  *result = (ml3_lab_result){0};
  *error = (ml3_error){0};
  if (!t) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to train");
  t->ranks = s->ranks;
  open_training(t, &experiment->config);
  if (s->callbacks && training_writes(t)) t->callbacks = *s->callbacks;
  if (s->callbacks && !training_writes(t))
    t->callbacks = (ml3_lab_callbacks){.user = s->callbacks->user,
                                       .training = s->callbacks->training,
                                       .interrupted = s->callbacks->interrupted};
  t->config.callbacks = &t->callbacks;

  int code = start(t, s, error);
  const uint32_t sum = code == ML3_OK && t->ranks ? checksum(t) : 0;
  code = training_start_together(t, code, sum, code == ML3_OK ? t->kind->progress(t).done : 0, error);
  if (code == ML3_OK) {
    snprintf(result->folder, sizeof result->folder, "%s", t->folder);
    if (t->callbacks.training) t->callbacks.training(t->callbacks.user, t->folder);
    if (t->kind->describe) t->kind->describe(t);
    const bool policy = t->kind == &training_policy;
    ml3_lab_begin(&t->callbacks, policy ? t->learner->kind->name : "meta-training", t->steps);
    t->begun_s = ml3_clock_s();
    code = loop(t, error);
    result->seconds = ml3_clock_s() - t->begun_s;
    ml3_lab_end(&t->callbacks);
  }
  if (code == ML3_OK) code = training_sum_warnings(t, error);
  if (code == ML3_OK && training_writes(t)) code = training_alone(t, conclude(t, result, error));
  result->lost = t->lost, result->speaker = t->speaker;
  close_training(t);
  free(t);
  return code;
}

int ml3_lab_try(const ml3_lab_config *config, ml3_error *error) {
  training *t = calloc(1, sizeof *t);
  if (!t) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to train");
  open_training(t, config);
  t->config.from_checkpoint = true; /* what learns first would learn here for nothing */
  const int code = t->kind->open(t, error);
  t->kind->close(t);
  free(t);
  return code;
}

int ml3_lab_train_check(const ml3_experiment *experiment, ml3_error *error) {
  return ml3_lab_try(&experiment->config, error);
}
