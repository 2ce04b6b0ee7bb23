/* ml3 train: meta-trains a learned loss and leaves a run folder.

   config.yaml (complete), metrics.csv and a TensorBoard event file, checkpoint (everything to go on with the same bits),
   loss.safetensors (the best loss validated), learning_curve.png and .svg, summary.json. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/experiment.h"
#include "cli/log.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/plot.h"
#include "cli/presets.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/seeds.h"
#include "cli/sweep.h"
#include "cli/tensorboard.h"
#include "cli/train_policy.h"
#include "cli/verb.h"

typedef struct training {
  cli_config config;
  char folder[CLI_PATH_MAX];
  ml3_problem *problem;
  ml3_trainer *trainer;
  ml3_trainer_settings settings;
  bool acts;              /* the problem takes steps of an environment or a model */
  cli_log *log;           /* NULL on ranks that do not write */
  const ml3_ranks *ranks; /* NULL: one process */
  cli_progress progress;
  bool verbose, lost; /* lost: a rank is gone, or this one alone has failed */
  int speaker;        /* the rank that tells what all have failed at */
  double saved_s; /* of cli_checkpoint_due */
  double begun_s;
  bool told_trouble;
} training;

/* Of several ranks the first one writes and speaks. */
static bool writes(const training *t) {
  return !t->ranks || t->ranks->rank == 0;
}

/* ---- metrics ------------------------------------------------------------------------------------------------ */

/* global_step: steps of the environment that meta-training has taken so far, as CleanRL has it; beside it those of a model. */
static const char *const metrics[] = {"losses/objective",     "losses/gradient_norm", "charts/inner_rate",
                                      "charts/skipped_tasks", "charts/reduced_tasks", "validation/objective", "validation/task_loss",
                                      "validation/success",   "validation/distance",  "charts/episodic_return",
                                      "validation/median_distance", "model/step_error", "model/horizon_error",
                                      "global_step", "charts/model_steps"};
enum { METRICS = sizeof metrics / sizeof *metrics, STEP_METRICS = 5, COUNTERS = METRICS - 2 };

static int write_metrics(training *t, const ml3_trainer_report *step, const ml3_trainer_report *validation,
                         ml3_error *error) {
  double values[METRICS];
  if (!writes(t)) return ML3_OK;
  for (int i = 0; i < METRICS; i++) values[i] = NAN;
  if (t->acts) ml3_trainer_count_steps(t->problem, &t->settings, ml3_trainer_outer_step(t->trainer), &values[COUNTERS],
                                         &values[COUNTERS + 1]);
  if (step) {
    const double now[] = {step->objective, step->gradient_norm, step->inner_rate, step->skipped,
                          step->reduced};
    memcpy(values, now, sizeof now);
  }
  if (validation) {
    const ml3_outcome *o = &validation->outcome;
    const double now[] = {validation->objective, o->task_loss, o->success, o->distance, o->episode_return,
                          validation->median_distance, validation->model.step, validation->model.horizon};
    memcpy(values + STEP_METRICS, now, sizeof now);
  }
  return cli_log_write(t->log, ml3_trainer_outer_step(t->trainer), values, error);
}

/* With the configuration as a text, as dashboards show it. */
static int open_log(training *t, int formats, ml3_error *error) {
  char *text = NULL;
  size_t size = 0;
  if (!writes(t)) return ML3_OK;
  FILE *out = open_memstream(&text, &size);
  t->log = cli_log_open(t->folder, metrics, METRICS, formats, ml3_trainer_outer_step(t->trainer), error);
  int code = t->log ? ML3_OK : error->code;
  if (out) {
    fputs("```yaml\n", out);
    cli_config_print(&t->config, out, false);
    fputs("```\n", out);
    fclose(out);
    if (code == ML3_OK) code = cli_log_text(t->log, "hyperparameters", text, error);
  }
  free(text);
  return code;
}

/* ---- files of the run ------------------------------------------------------------------------------------------ */

static int save_checkpoint(training *t, ml3_error *error) {
  char path[CLI_PATH_MAX];
  int code = writes(t) ? cli_log_flush(t->log, error) : ML3_OK;
  if (code != ML3_OK) return code;
  cli_run_path(t->folder, "checkpoint", path);
  return ml3_trainer_save(t->trainer, path, error);
}

static int save_loss(training *t, ml3_error *error) {
  char path[CLI_PATH_MAX];
  cli_run_path(t->folder, "loss.safetensors", path);
  int code = ml3_loss_save(ml3_trainer_best_loss(t->trainer), path, error);
  const ml3_ensemble *model = code == ML3_OK ? cli_problem_ensemble(&t->config, t->problem) : NULL;
  if (!model) return code;
  cli_run_path(t->folder, CLI_ENSEMBLE, path);
  return ml3_ensemble_save(model, path, error);
}

/* How many tasks of all outer steps were left out, and taken with smaller steps: from metrics.csv, which a resumed run has
   whole. */
static int count_trouble(training *t, json_int_t counts[2], ml3_error *error) {
  static const char *const names[] = {"charts/skipped_tasks", "charts/reduced_tasks"};
  cli_metrics m;
  int code = cli_log_flush(t->log, error);
  if (code == ML3_OK) code = cli_metrics_read(&m, t->folder, error);
  if (code != ML3_OK) return code;
  for (int k = 0; k < 2; k++) {
    const int column = cli_metrics_find(&m, names[k], NULL);
    double sum = 0;
    for (int i = 0; column >= 0 && i < m.rows; i++) {
      const double x = m.values[(size_t)i * (size_t)m.columns + (size_t)column];
      if (isfinite(x)) sum += x;
    }
    counts[k] = (json_int_t)sum;
  }
  cli_metrics_free(&m);
  return ML3_OK;
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Steps that the whole run has taken, and the seconds of this process's part of it. */
static void add_costs(const training *t, json_t *json) {
  double environment, model;
  json_object_set_new(json, "seconds", json_real(now_s() - t->begun_s));
  if (!t->acts) return;
  ml3_trainer_count_steps(t->problem, &t->settings, ml3_trainer_outer_step(t->trainer), &environment, &model);
  json_object_set_new(json, "env_steps", json_integer((json_int_t)environment));
  json_object_set_new(json, "model_steps", json_integer((json_int_t)model));
}

static int save_summary(training *t, ml3_error *error) {
  char path[CLI_PATH_MAX];
  json_int_t trouble[2];
  cli_run_path(t->folder, "summary.json", path);
  int code = count_trouble(t, trouble, error);
  if (code != ML3_OK) return code;
  const ml3_trainer_report *b = ml3_trainer_best_report(t->trainer);
  json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I}", "problem", t->config.problem, "environment",
                           cli_problem_title(&t->config), "seed",
                           (json_int_t)t->config.seed, "outer_steps",
                           (json_int_t)ml3_trainer_outer_step(t->trainer), "best_outer_step",
                           (json_int_t)b->outer_step, "best_objective", b->objective, "best_task_loss",
                           b->outcome.task_loss, "best_success", b->outcome.success, "inner_rate", b->inner_rate,
                           "skipped_tasks", trouble[0], "reduced_tasks", trouble[1]);
  const double also[] = {b->median_distance, b->model.step, b->model.horizon};
  static const char *const names[] = {"best_median_distance", "model_step_error", "model_horizon_error"};
  if (json) add_costs(t, json);
  for (int i = t->problem->distance_name ? 0 : 1; json && i < 3; i++)
    if (isfinite(also[i])) json_object_set_new(json, names[i], json_real(also[i]));
  if (json && t->problem->success_name) json_object_set_new(json, "success_name", json_string(t->problem->success_name));
  if (json && t->problem->task_loss_name) json_object_set_new(json, "task_loss_name", json_string(t->problem->task_loss_name));
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
  char path[CLI_PATH_MAX];
  cli_metrics m;
  int code = cli_log_flush(t->log, error), count = 0;
  if (code == ML3_OK) code = cli_metrics_read(&m, t->folder, error);
  if (code != ML3_OK) return code;
  double *x = calloc(3 * ((size_t)m.rows + 1), sizeof *x), *objective = x + m.rows + 1, *success = objective + m.rows + 1;
  if (x) {
    cli_metrics_points(&m, cli_metrics_find(&m, "validation/objective", NULL), x, objective);
    count = cli_metrics_points(&m, cli_metrics_find(&m, "validation/success", NULL), x, success);
    for (int i = 0; i < count; i++) success[i] *= 10;
  }
  const cli_curve curves[] = {{.label = "validation objective", .count = count, .x = x, .y = objective},
                              {.label = "validation success x 10", .count = count, .x = x, .y = success}};
  const cli_plot plot = {.title = "Meta-training", .x_label = "outer steps", .y_label = "", .curves = curves, .count = 2};
  cli_run_path(t->folder, "learning_curve", path);
  code = count > 1 ? cli_plot_save(&plot, path, error) : ML3_OK;
  free(x);
  cli_metrics_free(&m);
  return code;
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

/* ", median distance 0.02, model's error 1.2 % a step, 0.004 at the end", as far as there is such. */
static const char *tell_more(const training *t, const ml3_trainer_report *r, char *text, size_t size) {
  int used = 0;
  *text = '\0';
  if (t->problem->distance_name) used = snprintf(text, size, ", median distance %.3g", r->median_distance);
  if (isfinite(r->model.step))
    snprintf(text + used, size - (size_t)used, ", model's error %.3g %% of a step, %.3g at the end", 100 * r->model.step,
             r->model.horizon);
  return text;
}

/* What this rank alone has tried: when that fails, the others cannot know. */
static int alone(training *t, int code) {
  t->lost = t->lost || (t->ranks && code != ML3_OK);
  return code;
}

/* The trainer's answers are the same on all ranks, but for this one. */
static int told(training *t, int code) {
  t->lost = t->lost || (t->ranks && code == ML3_ERR_UNAVAILABLE);
  return code;
}

static int validate(training *t, ml3_error *error) {
  ml3_trainer_report report;
  int code = told(t, ml3_trainer_validate(t->trainer, &report, error));
  if (code != ML3_OK || !writes(t)) return code;
  code = alone(t, write_metrics(t, NULL, &report, error));
  if (code != ML3_OK) return code;
  char more[160];
  if (t->verbose)
    cli_progress_say(&t->progress, "outer step %lld: validation objective %.4g, task loss %.4g, success %.1f %%%s%s",
                     (long long)ml3_trainer_outer_step(t->trainer), report.objective, report.outcome.task_loss,
                     100 * report.outcome.success, tell_more(t, &report, more, sizeof more),
                     report.is_best ? ", the best so far" : "");
  return report.is_best ? alone(t, save_loss(t, error)) : ML3_OK;
}

static void show(training *t, double objective) {
  char note[160];
  const ml3_trainer_report *best = ml3_trainer_best_report(t->trainer);
  int used = snprintf(note, sizeof note, "best %.4g", best ? best->outcome.task_loss : NAN);
  if (best && t->problem->success_name)
    used += snprintf(note + used, sizeof note - (size_t)used, ", %.0f %% %s", 100 * best->outcome.success, t->problem->success_name);
  snprintf(note + used, sizeof note - (size_t)used, "  now %.4g", objective);
  cli_progress_update(&t->progress, (long)ml3_trainer_outer_step(t->trainer), note);
}

/* What was not finite, once; with --verbose every time. */
static void tell_trouble(training *t, const ml3_trainer_report *r) {
  ml3_error what;
  if (!ml3_trainer_trouble(t->trainer, &what) || (t->told_trouble && !t->verbose)) return;
  t->told_trouble = true;
  cli_progress_say(&t->progress, "%s; %d of %lld tasks left out, %d taken with smaller steps", what.message, r->skipped,
                   (long long)t->config.outer_tasks, r->reduced);
}

/* What all ranks do next is the first one's to say: it has the clock, the files and the person before it. */
typedef enum what_next { GO_ON, SAVE, SAVE_AND_STOP } what_next;

static int agree(training *t, what_next *next, ml3_error *error) {
  return alone(t, ml3_ranks_broadcast(t->ranks, 0, next, sizeof *next, error));
}

static int stop(training *t, ml3_error *error) {
  int code = alone(t, save_checkpoint(t, error));
  if (code != ML3_OK) return code;
  return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                       "interrupted at outer step %lld; the checkpoint is kept, go on with `ml3 train --resume %s`",
                       (long long)ml3_trainer_outer_step(t->trainer), t->folder);
}

/* One outer step, and a validation where one is due. */
static int step(training *t, double *objective, ml3_error *error) {
  const cli_config *c = &t->config;
  ml3_trainer_report report;
  int code = told(t, ml3_trainer_step(t->trainer, &report, error));
  if (code != ML3_OK) return code;
  *objective = report.objective;
  if (writes(t)) tell_trouble(t, &report);
  code = alone(t, write_metrics(t, &report, NULL, error));
  const int64_t done = ml3_trainer_outer_step(t->trainer);
  return code == ML3_OK && (done % c->validation_every == 0 || done == c->outer_steps) ? validate(t, error) : code;
}

static bool ended(const training *t) {
  return ml3_trainer_outer_step(t->trainer) >= t->config.outer_steps || ml3_trainer_stale(t->trainer);
}

/* A diverged step ends training; the files keep what was best. */
static int loop(training *t, ml3_error *error) {
  int code = ml3_trainer_outer_step(t->trainer) == 0 ? validate(t, error) : ML3_OK;
  while (code == ML3_OK && !ended(t)) {
    double objective;
    if ((code = step(t, &objective, error)) != ML3_OK) return code;
    const bool due = cli_checkpoint_due(ml3_trainer_outer_step(t->trainer), t->config.checkpoint_every, &t->saved_s);
    what_next next = ended(t) ? SAVE : cli_interrupted() ? SAVE_AND_STOP : due ? SAVE : GO_ON;
    if ((code = agree(t, &next, error)) != ML3_OK) return code;
    if (next == SAVE_AND_STOP) return stop(t, error);
    if (next == SAVE) code = alone(t, save_checkpoint(t, error));
    if (writes(t)) show(t, objective);
  }
  return code;
}

/* ---- starting --------------------------------------------------------------------------------------------------- */

/* The configuration that the options name: a preset's, or with resume that of `file` in the folder. */
static int read_config(cli_config *c, const cli_options *o, const char *resume, const char *file, ml3_error *error) {
  char path[CLI_PATH_MAX];
  cli_config_defaults(c);
  cli_run_path(resume ? resume : "", file, path);
  int code = resume ? cli_config_read(c, path, error) : cli_preset_apply(c, o->argument, error);
  return code == ML3_OK ? cli_options_apply(o, c, error) : code;
}

/* Of all keys but `threads`. */
static uint32_t checksum_of(const cli_config *config) {
  cli_config same = *config;
  same.threads = 0;
  char *text = cli_config_text(&same);
  const uint32_t sum = text ? cli_crc32c(text, strlen(text)) : 0;
  free(text);
  return sum;
}

/* Problem and trainer of t->config. */
static int make_trainer(training *t, ml3_error *error) {
  ml3_trainer_settings settings;
  if (!(t->problem = cli_problem_new(&t->config, error))) return error->code;
  int code = cli_trainer_settings(&t->config, t->problem, &settings, error);
  if (code != ML3_OK) return code;
  settings.ranks = t->ranks;
  if (t->ranks && settings.threads == 0) settings.threads = cli_ranks_threads(t->ranks);
  t->settings = settings;
  t->acts = t->problem->steps.inner + t->problem->steps.model_inner > 0;
  t->trainer = ml3_trainer_new(t->problem, &settings, error);
  return t->trainer ? ML3_OK : error->code;
}

/* The first rank looks which of two checkpoints is whole; all load that one. */
static int find_checkpoint(training *t, const char *folder, char from[CLI_PATH_MAX], ml3_error *error) {
  int codes[2] = {writes(t) ? cli_run_find_checkpoint(folder, from, error) : ML3_OK};
  codes[1] = ml3_ranks_broadcast(t->ranks, 0, &codes[0], sizeof codes[0], error);
  if (codes[1] == ML3_OK) codes[1] = ml3_ranks_broadcast(t->ranks, 0, from, CLI_PATH_MAX, error);
  return codes[0] != ML3_OK ? codes[0] : codes[1];
}

/* All or none: how every rank has started, and whether with the same configuration, data and parameters. */
static int start_together(training *t, int code, ml3_error *error) {
  typedef struct started { int64_t code, step; uint32_t sum; } started;
  const int count = t->ranks ? t->ranks->count : 0, me = t->ranks ? t->ranks->rank : 0;
  started all[count + 1];
  if (!t->ranks) return code;
  memset(all, 0, sizeof all);
  all[me] = (started){.code = code};
  if (code == ML3_OK) {
    const ml3_loss *loss = ml3_trainer_loss(t->trainer);
    all[me].step = ml3_trainer_outer_step(t->trainer);
    all[me].sum = cli_crc32c(loss->phi, (size_t)loss->size * sizeof *loss->phi) ^ checksum_of(&t->config);
    for (int i = 0; i < loss->spec.net.inputs; i++) all[me].sum += cli_crc32c(&loss->scale[i], sizeof loss->scale[i]);
  }
  ml3_error lost = {0};
  if (alone(t, ml3_ranks_share(t->ranks, all, count, sizeof *all, &lost)) != ML3_OK)
    return code != ML3_OK ? code : ml3_error_set(error, lost.code, "%s", lost.message);
  for (int i = 0; i < count; i++) {
    if (all[i].code != ML3_OK) return t->speaker = i, (int)all[i].code;
    if (all[i].step != all[0].step || all[i].sum != all[0].sum)
      return ml3_error_set(error, ML3_ERR_FORMAT,
                           "rank %d begins with other numbers than rank 0: another configuration, build, checkpoint or "
                           "kind of processor; ranks need the same of each",
                           i);
  }
  return alone(t, ml3_ranks_broadcast(t->ranks, 0, t->folder, sizeof t->folder, error));
}

static int start(training *t, const cli_options *o, const char *output, const char *resume, bool force, int formats,
                 ml3_error *error) {
  char path[CLI_PATH_MAX], from[CLI_PATH_MAX] = "";
  if (resume && !cli_run_is(resume))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml", resume);
  int code = read_config(&t->config, o, resume, "config.yaml", error);
  if (code == ML3_OK && t->config.method >= METHOD_PPO && t->ranks)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%d ranks share out the tasks of an outer step; a policy by itself (method) has none: start one "
                         "process",
                         t->ranks->count);
  if (code == ML3_OK && t->config.method >= METHOD_PPO)
    return cli_train_policy(&t->config, output, resume, force, o->quiet, formats, error);
  if (code == ML3_OK && resume) code = find_checkpoint(t, resume, from, error);
  t->config.from_checkpoint = from[0] != '\0';
  t->config.ranks = t->ranks;
  if (code == ML3_OK) code = make_trainer(t, error);
  if (code != ML3_OK) return code;
  if (resume) {
    snprintf(t->folder, sizeof t->folder, "%.900s", resume);
    if (from[0] && (code = ml3_trainer_load(t->trainer, from, error)) != ML3_OK) return code;
  } else if (writes(t)) {
    if ((code = cli_run_create(output, &t->config, force, t->folder, error)) != ML3_OK) return code;
    cli_run_path(t->folder, "config.yaml", path);
    if ((code = cli_config_write(&t->config, path, error)) != ML3_OK) return code;
    if (force) cli_run_clear(t->folder);
  }
  return open_log(t, formats, error);
}

static void tell_programs(const training *t) {
  const ml3_meta *meta = ml3_trainer_meta(t->trainer);
  const ml3_nn_report inner = ml3_nn_program_report(ml3_meta_inner_program(meta));
  const ml3_nn_report outer = ml3_nn_program_report(ml3_meta_outer_program(meta));
  fprintf(stderr, "learned loss: %d parameters; optimizee: %d\n", ml3_trainer_loss(t->trainer)->size, t->problem->theta_size);
  fprintf(stderr, "inner program: %d instructions, %.3g Mflop; outer program: %d instructions, %.3g Mflop\n",
          inner.instructions, 1e-6 * inner.flops, outer.instructions, 1e-6 * outer.flops);
}

static void finish(training *t) {
  cli_log_close(t->log);
  ml3_trainer_free(t->trainer);
  if (t->problem) t->problem->free(t->problem);
}

static void print_best(const training *t, const ml3_trainer_report *best) {
  printf("%s: best at outer step %lld: ", t->folder, (long long)best->outer_step);
  if (t->problem->success_name) printf("%s %.1f %%, ", t->problem->success_name, 100 * best->outcome.success);
  char more[160];
  printf("task loss %.4g after %lld updates on %lld validation tasks%s\n", best->outcome.task_loss,
         (long long)(t->config.validation_steps ? t->config.validation_steps : t->config.inner_steps),
         (long long)t->config.validation_tasks, tell_more(t, best, more, sizeof more));
}

/* The files of a run that is whole, and a line about it. */
static int conclude(training *t, ml3_error *error) {
  int code = save_loss(t, error);
  const ml3_trainer_report *best = ml3_trainer_best_report(t->trainer);
  if (code == ML3_OK && best) code = save_summary(t, error);
  if (code != ML3_OK) return code;
  ml3_error plot = {0};
  if (save_curve(t, &plot) != ML3_OK) fprintf(stderr, "ml3 train: no plot: %s\n", plot.message);
  if (best) print_best(t, best);
  return ML3_OK;
}

/* Of several ranks all but the first one are quiet. */
static int open_ranks(training *t, cli_options *o, ml3_error *error) {
  int code = cli_ranks_open(&t->ranks, error);
  if (!writes(t)) o->quiet = true, t->verbose = false;
  return code;
}

/* --seeds: what one seed would do is tried first, so that a mistake is told once. */
static int train_seeds(const cli_options *o, int count, const char *output, const char *resume, const char *log, bool force,
                       ml3_error *error) {
  training t = {0};
  char path[CLI_PATH_MAX];
  if (count < 1 || count > CLI_SEEDS_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--seeds is %d; 1 to %d are possible", count, CLI_SEEDS_MAX);
  cli_run_path(resume ? resume : "", "seeds.yaml", path);
  if (resume && access(path, R_OK) != 0)
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a folder of seeds: it has no seeds.yaml", resume);
  int code = read_config(&t.config, o, resume, "seeds.yaml", error);
  if (code == ML3_OK) code = make_trainer(&t, error);
  finish(&t);
  if (code == ML3_OK && !resume) code = cli_run_create(output, &t.config, force, t.folder, error);
  if (code != ML3_OK) return code;
  if (resume) snprintf(t.folder, sizeof t.folder, "%.900s", resume);
  if (!o->quiet) fprintf(stderr, "folder of seeds: %s\n", t.folder);
  const cli_seeds seeds = {
      .config = &t.config, .options = o, .count = count, .folder = t.folder, .log = log, .resume = resume != NULL, .quiet = o->quiet};
  return cli_seeds_train(&seeds, error);
}

/* --sweep: every combination is tried first. */
static int train_sweep(const cli_options *o, const char **texts, int seeds, const char *output, const char *resume,
                       const char *log, bool force, ml3_error *error) {
  char path[CLI_PATH_MAX], folder[CLI_PATH_MAX];
  cli_config config;
  cli_sweep *sweep = malloc(sizeof *sweep);
  int code = sweep ? cli_sweep_read(sweep, texts, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a sweep");
  if (code == ML3_OK && (seeds < 0 || seeds > CLI_SEEDS_MAX))
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "--seeds is %d; 1 to %d are possible", seeds, CLI_SEEDS_MAX);
  cli_run_path(resume ? resume : "", "sweep.yaml", path);
  if (code == ML3_OK && resume && access(path, R_OK) != 0)
    code = ml3_error_set(error, ML3_ERR_IO, "'%s' is not a folder of a sweep: it has no sweep.yaml", resume);
  if (code == ML3_OK) code = read_config(&config, o, resume, "sweep.yaml", error);
  for (int i = 0; code == ML3_OK && i < sweep->points; i++) {
    training t = {.config = config};
    code = cli_sweep_point(sweep, i, &t.config, NULL, error);
    if (code == ML3_OK) code = make_trainer(&t, error);
    finish(&t);
  }
  if (code == ML3_OK && !resume) code = cli_run_create(output, &config, force, folder, error);
  if (code == ML3_OK) {
    if (!o->quiet) fprintf(stderr, "folder of the sweep: %s\n", resume ? resume : folder);
    const cli_sweep_settings settings = {.config = &config,
                                         .seeds = seeds ? seeds : 1,
                                         .folder = resume ? resume : folder,
                                         .log = log,
                                         .resume = resume != NULL,
                                         .quiet = o->quiet};
    code = cli_sweep_train(sweep, &settings, error);
  }
  free(sweep);
  return code;
}

int cli_train(int argc, const char **argv) {
  const char *output = NULL, *resume = NULL, *log = NULL, **sweeps = NULL;
  int force = 0, formats = 0, seeds = 0;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the run's folder (runs/DATE-ENVIRONMENT-SEED)", "FOLDER"},
      {"resume", 'r', POPT_ARG_STRING, &resume, 0, "go on with an interrupted run; the same bits as if it had not been", "RUN"},
      {"log", 'l', POPT_ARG_STRING, &log, 0, "besides metrics.csv: tensorboard, json, both with a comma, none (tensorboard; resumed: as before)", "FORMATS"},
      {"seeds", 'n', POPT_ARG_INT, &seeds, 0, "so many seeds from `seed` on, a run folder each in FOLDER, and one table", "N"},
      {"sweep", '\0', POPT_ARG_ARGV, &sweeps, 0, "every combination of such values, with one table; may be repeated", "KEY=VALUES"},
      {"force", 'f', POPT_ARG_NONE, &force, 0, "write into a folder that exists", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[PRESET|FILE.yaml|PROBLEM|ENVIRONMENT] [OPTIONS]",
                                "Meta-trains a learned loss on many initial policies and starts, and keeps the one that does\n"
                                "best on validation tasks.",
                                "`ml3 config` lists all keys. Ctrl-C keeps a checkpoint.");
  if (answer >= 0) return answer;

  training t = {.verbose = options.verbose};
  ml3_error error = {0};
  int code = cli_log_formats(log ? log : "tensorboard", &formats, &error);
  if (!log && resume) cli_log_formats_of(resume, &formats);
  if (!log) log = "tensorboard";
  if (code == ML3_OK) code = open_ranks(&t, &options, &error);
  if (code == ML3_OK && (seeds != 0 || sweeps) && t.ranks)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT,
                         "--seeds and --sweep start trainings of their own; ranks share out the tasks of one: use either");
  else if (code == ML3_OK && (seeds != 0 || sweeps)) {
    code = sweeps ? train_sweep(&options, sweeps, seeds, output, resume, log, force, &error)
                  : train_seeds(&options, seeds, output, resume, log, force, &error);
    for (int i = 0; sweeps && sweeps[i]; i++) free((char *)sweeps[i]);
    free(sweeps);
    if (code == ML3_ERR_ARGUMENT) return cli_fail("train", &error), CLI_USAGE;
    return code == ML3_OK ? CLI_DONE : cli_fail("train", &error);
  }
  if (code == ML3_OK) code = start_together(&t, start(&t, &options, output, resume, force, formats, &error), &error);
  if (code == ML3_OK && t.config.method >= METHOD_PPO) return CLI_DONE;
  if (code == ML3_OK) {
    if (!options.quiet) fprintf(stderr, "run folder: %s\n", t.folder);
    if (options.verbose) tell_programs(&t);
    cli_ranks_keep(t.ranks, t.folder);
    cli_progress_begin(&t.progress, "meta-training", (long)t.config.outer_steps, options.quiet);
    t.begun_s = now_s();
    code = loop(&t, &error);
    cli_progress_end(&t.progress);
  }
  if (code == ML3_OK && writes(&t)) code = alone(&t, conclude(&t, &error));
  if (code != ML3_OK && (!t.ranks || t.lost || t.ranks->rank == t.speaker)) cli_fail("train", &error);
  finish(&t);
  cli_ranks_close(t.ranks, t.lost);
  if (code == ML3_ERR_ARGUMENT) return CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : code == ML3_ERR_INTERRUPTED ? CLI_INTERRUPTED : CLI_FAILED;
}
