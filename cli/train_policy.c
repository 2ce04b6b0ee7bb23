/* One policy by a learner: the loop and the files. metrics.csv has a line an update, by the names of CleanRL;
   its charts/SPS (environment steps a second of this process) is all that depends on the clock. */
#define _POSIX_C_SOURCE 200809L
#include "cli/train_policy.h"
#include "cli/interrupt.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/plot.h"
#include "cli/progress.h"
#include "cli/warnings.h"
#include "lab/build.h"
#include "lab/learners.h"
#include "lab/log.h"
#include "lab/metrics.h"
#include "lab/run_environment.h"
#include "lab/run_progress.h"
#include "lab/methods.h"

typedef struct run {
  const ml3_lab_config *config;
  char folder[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *kept; /* what it is to keep of its environment; NULL: nothing */
  ml3_learner *learner;
  ml3_lab_log *log;
  double begin_s, saved_s, last_return;
  int64_t begin_steps;    /* environment steps before begin_s */
  unsigned told_warnings; /* kinds, as bits */
} run;

/* The step of a line is the number of environment steps (CleanRL's global_step); of updates where there are none. */
static const char *const metrics[] = {
    "charts/updates",       "charts/episodic_return", "charts/episodic_length", "charts/success",
    "charts/passed",        "charts/distance",        "charts/diverged",        "charts/SPS",
    "charts/learning_rate", "losses/policy_loss",     "losses/value_loss",      "losses/entropy",
    "losses/old_approx_kl", "losses/approx_kl",       "losses/clipfrac",        "losses/explained_variance"};
enum { METRICS = sizeof metrics / sizeof *metrics };

static int write_line(run *r, const ml3_learner_report *p, ml3_error *error) {
  const double sps = p->env_steps ? (double)(p->env_steps - r->begin_steps) / (ml3_clock_s() - r->begin_s) : NAN;
  const double values[METRICS] = {(double)p->updates,
                                  p->episode_return,
                                  p->episode_length,
                                  p->success,
                                  p->passed,
                                  p->distance,
                                  p->diverged,
                                  sps,
                                  p->rate,
                                  p->policy_loss,
                                  p->value_loss,
                                  p->entropy,
                                  p->old_approx_kl,
                                  p->approx_kl,
                                  p->clip_fraction,
                                  p->explained_variance};
  if (p->episodes) r->last_return = p->episode_return;
  return ml3_lab_log_write(r->log, p->env_steps ? p->env_steps : p->updates, values, error);
}

static int save_checkpoint(const run *r, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(r->folder, "checkpoint", path);
  int code = ml3_lab_log_flush(r->log, error);
  return code == ML3_OK ? ml3_learner_save(r->learner, path, error) : code;
}

static int stop(const run *r, ml3_error *error) {
  int code = save_checkpoint(r, error);
  if (code != ML3_OK) return code;
  return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                       "interrupted at update %lld; the checkpoint is kept, go on with `ml3 train --resume %s`",
                       (long long)r->learner->updates, r->folder);
}

static int loop(run *r, cli_progress *progress, ml3_error *error) {
  const ml3_lab_config *c = r->config;
  while (r->learner->updates < ML3_LAB_GET(c, learner)->updates) {
    ml3_learner_report report;
    char note[96];
    if (cli_interrupted()) return stop(r, error);
    int code = ml3_learner_update(r->learner, &report, error);
    if (code == ML3_OK) code = write_line(r, &report, error);
    const ml3_env_warnings warnings = ml3_env_tally(r->learner->settings.env);
    cli_warnings_say(progress, &warnings, &r->told_warnings);
    const bool last = report.updates == ML3_LAB_GET(c, learner)->updates;
    if (code == ML3_OK && (ml3_lab_checkpoint_due(report.updates, c->checkpoint_every, &r->saved_s) || last))
      code = save_checkpoint(r, error);
    if (code != ML3_OK) return code;
    snprintf(note, sizeof note, "return %.2f", r->last_return);
    cli_progress_update(progress, (long)report.updates, note);
  }
  return ML3_OK;
}

/* What the mean does in 100 episodes: on the task of the learner, or on held-out tasks one each. Episodes whose simulation
   diverged are no success and in no other mean. */
typedef struct judgement {
  ml3_outcome mean;
  int diverged;
} judgement;

enum { JUDGED = 100 };

/* Other starts than any that training drew. */
static uint64_t judge_key(const run *r) {
  return (uint64_t)r->config->seed ^ 0x74657374;
}

static ml3_episode *judge_episode(const run *r, int i, ml3_error *error) {
  const ml3_learner *l = r->learner;
  const ml3_env_spec *env = l->settings.env;
  const uint64_t key = judge_key(r);
  const ml3_real *theta = l->kind->uniform ? NULL : l->parameters;
  double task[ML3_POLICY_MAX_OBS];
  if (l->task) return ml3_judge_episode(env, &l->policy, theta, l->task, l->settings.horizon, i, key, error);
  ml3_random random = ml3_random_stream((uint64_t)r->config->seed, ML3_PURPOSE_TEST, (uint32_t)i, 0);
  ml3_env_sample_task(env, &random, task);
  return ml3_judge_episode(env, &l->policy, theta, task, l->settings.horizon, 0, key + (uint64_t)i, error);
}

static int judge(const run *r, judgement *j, ml3_error *error) {
  *j = (judgement){0};
  if (r->learner->task) { /* all in one environment, unless that diverges */
    const int code = ml3_learner_evaluate(r->learner, NULL, JUDGED, judge_key(r), &j->mean, error);
    if (code != ML3_OK || isfinite(j->mean.episode_return + j->mean.distance)) return code;
    *j = (judgement){0};
  }
  for (int i = 0; i < JUDGED; i++) {
    ml3_episode *e = judge_episode(r, i, error);
    if (!e) return error->code;
    const bool diverged = !isfinite(e->episode_return) || !isfinite(e->final_distance);
    j->diverged += diverged;
    if (!diverged) {
      j->mean.episode_return += e->episode_return;
      j->mean.distance += e->final_distance;
      j->mean.success += (double)e->success / JUDGED;
      j->mean.passed += (double)e->passed / JUDGED;
    }
    ml3_episode_free(e);
  }
  j->mean.episode_return /= JUDGED - j->diverged; /* 0 / 0: NAN */
  j->mean.distance /= JUDGED - j->diverged;
  return ML3_OK;
}

static json_t *real_or_null(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static int save_summary(const run *r, const judgement *j, double seconds, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(r->folder, "summary.json", path);
  const double steps = (double)(r->learner->env_steps - r->begin_steps);
  json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:f, s:f, s:o, s:i}", "environment",
                           r->config->environment, "method", ml3_lab_method_name(r->config), "seed",
                           (json_int_t)r->config->seed, "updates", (json_int_t)r->learner->updates, "env_steps",
                           (json_int_t)r->learner->env_steps, "diverged_episodes", (json_int_t)r->learner->diverged,
                           "seconds", seconds, "env_steps_per_second", seconds > 0 ? steps / seconds : 0, "return",
                           real_or_null(j->mean.episode_return), "success", j->mean.success, "passed", j->mean.passed,
                           "distance", real_or_null(j->mean.distance), "judged_diverged", j->diverged);
  const ml3_env_warnings warnings = ml3_env_tally(r->learner->settings.env);
  if (json) cli_warnings_add(json, &warnings);
  char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
  json_decref(json);
  if (!text) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fprintf(file.stream, "%s\n", text);
    code = ml3_file_commit(&file, error);
  }
  free(text);
  return code;
}

/* The returns in metrics.csv as a picture. */
static int save_curve(const run *r, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_metrics m;
  int code = ml3_lab_metrics_read(&m, r->folder, error);
  if (code != ML3_OK) return code;
  double *x = calloc(2 * ((size_t)m.rows + 1), sizeof *x), *y = x + m.rows + 1;
  const int points = x ? ml3_lab_metrics_points(&m, ml3_lab_metrics_find(&m, "charts/episodic_return", NULL), x, y) : 0;
  const cli_curve curve = {.label = ml3_lab_method_name(r->config), .count = points, .x = x, .y = y};
  const cli_plot plot = {.title = r->config->environment,
                         .x_label = "environment steps",
                         .y_label = "return of an episode",
                         .curves = &curve,
                         .count = 1};
  ml3_lab_run_path(r->folder, "learning_curve", path);
  if (points > 1) code = cli_plot_save(&plot, path, error);
  free(x);
  ml3_lab_metrics_free(&m);
  return code;
}

static int save(run *r, double seconds, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  judgement j;
  ml3_lab_run_path(r->folder, "policy.safetensors", path);
  int code = ml3_policy_save(&r->learner->policy, r->learner->parameters, path, error);
  if (code == ML3_OK) code = judge(r, &j, error);
  if (code != ML3_OK) return code;
  ml3_error no_plot = {0};
  if (save_curve(r, &no_plot) != ML3_OK) fprintf(stderr, "ml3 train: no plot: %s\n", no_plot.message);
  if ((code = save_summary(r, &j, seconds, error)) != ML3_OK) return code; /* last: a run that has one is whole */
  printf("%s: return %.2f, success %.1f %%, passed %.1f %%, distance %.4f on %d episodes after %lld updates, ",
         r->folder, j.mean.episode_return, 100 * j.mean.success, 100 * j.mean.passed, j.mean.distance, JUDGED,
         (long long)r->learner->updates);
  printf("%lld environment steps, %.0f a second\n", (long long)r->learner->env_steps,
         (double)(r->learner->env_steps - r->begin_steps) / fmax(seconds, 1e-9));
  if (r->learner->diverged || j.diverged)
    printf(
        "the simulation diverged, and ended the episode, %lld times in training and in %d of the %d episodes judged\n",
        (long long)r->learner->diverged, j.diverged, JUDGED);
  return ML3_OK;
}

/* The step in metrics.csv that the learner has come to. */
static int64_t logged_step(const run *r) {
  return r->learner->env_steps ? r->learner->env_steps : r->learner->updates;
}

static int open(run *r, const char *output, const char *resume, bool force, int formats, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX], from[ML3_LAB_PATH_MAX] = "";
  int code = resume ? ml3_lab_run_find_checkpoint(resume, r->config->callbacks, from, error) : ML3_OK;
  if (code != ML3_OK) return code;
  if (!resume && (code = ml3_lab_run_environment_prepare(r->config, &r->kept, error)) != ML3_OK) return code;
  if (!(r->learner = ml3_lab_learner_new(r->config, error))) return error->code;
  if (resume) {
    snprintf(r->folder, sizeof r->folder, "%.900s", resume);
    if (from[0]) code = ml3_learner_load(r->learner, from, error);
    const ml3_lab_run_progress progress = {.done = r->learner->updates};
    if (code == ML3_OK) code = ml3_lab_run_may_resume(r->folder, r->config, &progress, error);
  } else {
    code = ml3_lab_run_environment_create(output, r->config, force, r->kept, r->folder, error);
  }
  if (code != ML3_OK) return code;
  ml3_lab_run_path(r->folder, "config.yaml", path); /* resumed, too: options may have changed a key */
  code = ml3_lab_config_write(r->config, path, error);
  if (code == ML3_OK)
    code = ml3_lab_build_keep(r->folder, r->learner->updates, resume != NULL, r->config->callbacks, error);
  if (code == ML3_OK && resume) code = ml3_lab_run_environment_ensure(r->config, r->folder, true, error);
  if (code != ML3_OK) return code;
  if (!resume && force) ml3_lab_run_clear(r->folder);
  r->begin_steps = r->learner->env_steps;
  r->log = ml3_lab_log_open(r->folder, metrics, METRICS, formats, logged_step(r), error);
  return r->log ? ml3_lab_log_config(r->log, r->config, error) : error->code;
}

int cli_train_policy(ml3_lab_config *c, const char *output, const char *resume, bool force, bool quiet, int formats,
                     ml3_error *error) {
  run r = {.config = c, .last_return = NAN};
  int code = open(&r, output, resume, force, formats, error);
  if (code == ML3_OK) {
    cli_progress progress;
    if (!quiet) fprintf(stderr, "run folder: %s\n", r.folder);
    cli_progress_begin(&progress, ml3_lab_method_name(c), (long)ML3_LAB_GET(c, learner)->updates, quiet);
    r.begin_s = ml3_clock_s();
    code = loop(&r, &progress, error);
    const double seconds = ml3_clock_s() - r.begin_s;
    cli_progress_end(&progress);
    if (code == ML3_OK) code = ml3_lab_log_flush(r.log, error);
    if (code == ML3_OK) code = save(&r, seconds, error);
  }
  ml3_lab_log_close(r.log);
  ml3_lab_run_environment_free(r.kept);
  ml3_learner_free(r.learner);
  return code;
}
