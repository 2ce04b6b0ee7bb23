/* ml3 train: meta-trains a learned loss and leaves a run folder.

   config.yaml (complete), metrics.csv and a TensorBoard event file, checkpoint (everything to go on with the same bits),
   loss.safetensors (the best loss validated), learning_curve.png and .svg, summary.json. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/train_internal.h"
#include "cli/train_many.h"
#include "cli/train_policy.h"
#include "cli/verb.h"
#include "lab/build.h"
#include "lab/run_environment.h"
#include "lab/run_progress.h"
#include "lab/tensorboard.h"
#include "metaloss/options.h"

/* ---- starting --------------------------------------------------------------------------------------------------- */

/* The configuration that the options name: a preset's, or with resume that of `file` in the folder. */
static int read_config(ml3_lab_config *c, const cli_options *o, const char *resume, const char *file,
                       const ml3_lab_callbacks *callbacks, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_config_defaults(c);
  ml3_lab_run_path(resume ? resume : "", file, path);
  int code = resume ? ml3_lab_config_read(c, path, error) : cli_options_begin(o, c, error);
  if (code == ML3_OK && resume) code = ml3_lab_run_environment_find(resume, c, error);
  char environment[ML3_KEY_TEXT_MAX];
  snprintf(environment, sizeof environment, "%s", c->environment);
  if (code == ML3_OK && resume) code = cli_options_apply(o, c, error);
  c->callbacks = callbacks;
  if (code == ML3_OK && resume && strcmp(environment, c->environment) != 0)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "'%.300s' learns in '%s' and keeps to it; for '%s' train another run",
                         resume, environment, c->environment);
  return code;
}

/* Of all keys but `threads`. */
static uint32_t checksum_of(const ml3_lab_config *config) {
  ml3_lab_config same = *config;
  same.threads = 0;
  char *text = ml3_lab_config_text(&same);
  const uint32_t sum = text ? ml3_lab_crc32c(text, strlen(text)) : 0;
  free(text);
  return sum;
}

/* Problem and trainer of t->config. */
static int make_trainer(training *t, ml3_error *error) {
  if (!(t->problem = ml3_lab_problem_new(&t->config, error))) return error->code;
  int code = ml3_lab_trainer_settings(&t->config, t->problem, &t->settings, error);
  if (code != ML3_OK) return code;
  t->acts = t->problem->steps.inner + t->problem->steps.model_inner > 0;
  t->trainer = ml3_trainer_new(t->problem, &t->settings, error);
  return t->trainer ? ML3_OK : error->code;
}

/* What the first rank found out holds for all. */
static int agree(training *t, int code, ml3_error *error) {
  int shared = code;
  const int lost = ml3_ranks_broadcast(t->ranks, 0, &shared, sizeof shared, error);
  return code != ML3_OK ? code : lost != ML3_OK ? lost : shared;
}

/* Is there anything left to do? The first rank looks for all, before anything is written. */
static int check_progress(training *t, ml3_error *error) {
  const ml3_lab_run_progress progress = {ml3_trainer_outer_step(t->trainer), ml3_trainer_stale(t->trainer)};
  return train_writes(t) ? ml3_lab_run_may_resume(t->folder, &t->config, &progress, error) : ML3_OK;
}

/* The first rank looks which of two checkpoints is whole; all load that one. */
static int find_checkpoint(training *t, const char *folder, char from[ML3_LAB_PATH_MAX], ml3_error *error) {
  const int code =
      agree(t, train_writes(t) ? ml3_lab_run_find_checkpoint(folder, t->config.callbacks, from, error) : ML3_OK, error);
  return code == ML3_OK ? ml3_ranks_broadcast(t->ranks, 0, from, ML3_LAB_PATH_MAX, error) : code;
}

/* All or none: how every rank has started, and whether with the same configuration, data and parameters. */
static int start_together(training *t, int code, ml3_error *error) {
  typedef struct started {
    int64_t code, step;
    uint32_t sum;
  } started;
  const int count = t->ranks ? t->ranks->count : 0, me = t->ranks ? t->ranks->rank : 0;
  started all[count + 1];
  if (!t->ranks) return code;
  memset(all, 0, sizeof all);
  all[me] = (started){.code = code};
  if (code == ML3_OK) {
    const ml3_loss *loss = ml3_trainer_loss(t->trainer);
    all[me].step = ml3_trainer_outer_step(t->trainer);
    all[me].sum = ml3_lab_crc32c(loss->phi, (size_t)loss->size * sizeof *loss->phi) ^ checksum_of(&t->config);
    for (int i = 0; i < loss->spec.net.inputs; i++)
      all[me].sum += ml3_lab_crc32c(&loss->scale[i], sizeof loss->scale[i]);
  }
  ml3_error lost = {0};
  if (train_alone(t, ml3_ranks_share(t->ranks, all, count, sizeof *all, &lost)) != ML3_OK)
    return code != ML3_OK ? code : ml3_error_set(error, lost.code, "%s", lost.message);
  for (int i = 0; i < count; i++) {
    if (all[i].code != ML3_OK) return t->speaker = i, (int)all[i].code;
    if (all[i].step != all[0].step || all[i].sum != all[0].sum)
      return ml3_error_set(error, ML3_ERR_FORMAT,
                           "rank %d begins with other numbers than rank 0: another configuration, build, checkpoint or "
                           "kind of processor; ranks need the same of each",
                           i);
  }
  return train_alone(t, ml3_ranks_broadcast(t->ranks, 0, t->folder, sizeof t->folder, error));
}

static int start(training *t, const cli_options *o, const char *output, const char *resume, bool force, int formats,
                 ml3_error *error) {
  char path[ML3_LAB_PATH_MAX], from[ML3_LAB_PATH_MAX] = "";
  if (resume && !ml3_lab_run_is(resume))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml", resume);
  /* Told before an expert learns for minutes. */
  int code = agree(t, !resume && train_writes(t) ? ml3_lab_run_may_create(output, force, error) : ML3_OK, error);
  if (code == ML3_OK) code = read_config(&t->config, o, resume, "config.yaml", &t->console.callbacks, error);
  if (code == ML3_OK && train_writes(t)) ml3_lab_run_environment_say(&t->config, t->config.callbacks);
  if (code == ML3_OK && ml3_lab_trains_policy(&t->config) && t->ranks)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "%d ranks share out the tasks of an outer step; a policy by itself (method) has none: start one "
        "process",
        t->ranks->count);
  if (code == ML3_OK && ml3_lab_trains_policy(&t->config))
    return cli_train_policy(&t->config, output, resume, force, o->quiet, formats, error);
  if (code == ML3_OK && resume) code = find_checkpoint(t, resume, from, error);
  t->config.from_checkpoint = from[0] != '\0';
  t->config.ranks = t->ranks;
  t->config.cores = t->ranks ? cli_ranks_threads(t->ranks) : 0;
  if (code == ML3_OK && !resume && train_writes(t)) code = ml3_lab_run_environment_prepare(&t->config, &t->kept, error);
  if (code == ML3_OK) code = make_trainer(t, error);
  if (code != ML3_OK) return code;
  if (resume) {
    snprintf(t->folder, sizeof t->folder, "%.900s", resume);
    if (from[0]) code = ml3_trainer_load(t->trainer, from, error);
    if (code == ML3_OK) code = check_progress(t, error);
    if (code != ML3_OK) return code;
  } else if (train_writes(t)) {
    code = ml3_lab_run_environment_create(output, &t->config, force, t->kept, t->folder, error);
    if (code != ML3_OK) return code;
  }
  ml3_lab_run_path(t->folder, "config.yaml", path); /* resumed, too: options may have changed a key */
  if (train_writes(t)) code = ml3_lab_config_write(&t->config, path, error);
  if (train_writes(t) && code == ML3_OK)
    code =
        ml3_lab_build_keep(t->folder, ml3_trainer_outer_step(t->trainer), resume != NULL, t->config.callbacks, error);
  if (resume && train_writes(t) && code == ML3_OK)
    code = ml3_lab_run_environment_ensure(&t->config, t->folder, true, error);
  if (code != ML3_OK) return code;
  if (train_writes(t) && !resume && force) ml3_lab_run_clear(t->folder);
  return train_open_log(t, formats, error);
}

static void tell_programs(const training *t) {
  const ml3_meta *meta = ml3_trainer_meta(t->trainer);
  const ml3_nn_report inner = ml3_nn_program_report(ml3_meta_inner_program(meta));
  const ml3_nn_report outer = ml3_nn_program_report(ml3_meta_outer_program(meta));
  fprintf(stderr, "learned loss: %d parameters; optimizee: %d\n", ml3_trainer_loss(t->trainer)->size,
          t->problem->theta_size);
  fprintf(stderr, "inner program: %d instructions, %.3g Mflop; outer program: %d instructions, %.3g Mflop\n",
          inner.instructions, 1e-6 * inner.flops, outer.instructions, 1e-6 * outer.flops);
}

static void finish(training *t) {
  ml3_lab_log_close(t->log);
  ml3_lab_run_environment_free(t->kept);
  ml3_trainer_free(t->trainer);
  if (t->problem) t->problem->free(t->problem);
}

/* Of several ranks all but the first one are quiet. */
static int open_ranks(training *t, cli_options *o, ml3_error *error) {
  int code = cli_ranks_open(&t->ranks, error);
  if (!train_writes(t)) o->quiet = true, t->verbose = false;
  return code;
}

/* What popt has gathered. */
static void free_list(const char **texts) {
  for (int i = 0; texts && texts[i]; i++) free((char *)texts[i]);
  free(texts);
}

int cli_train(int argc, const char **argv) {
  const char *output = NULL, *resume = NULL, *log = NULL, **sweeps = NULL, **over = NULL;
  int force = 0, formats = 0, seeds = 0, search = 0;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the run's folder (runs/DATE-ENVIRONMENT-SEED)", "FOLDER"},
      {"resume", 'r', POPT_ARG_STRING, &resume, 0, "go on with an interrupted run; the same bits as if it had not been",
       "RUN"},
      {"log", 'l', POPT_ARG_STRING, &log, 0,
       "besides metrics.csv: tensorboard, json, both with a comma, none (tensorboard; resumed: as before)", "FORMATS"},
      {"seeds", 'n', POPT_ARG_INT, &seeds, 0,
       "so many seeds from `seed` on, a run folder each in FOLDER, and one table", "N"},
      {"sweep", '\0', POPT_ARG_ARGV, &sweeps, 0, "every combination of such values, with one table; may be repeated",
       "KEY=VALUES"},
      {"search", '\0', POPT_ARG_INT, &search, 0,
       "so many points at random from the ranges of --over, judged on validation tasks; the best one's configuration "
       "is "
       "kept",
       "N"},
      {"over", '\0', POPT_ARG_ARGV, &over, 0,
       "what is searched: key=log:LOW..HIGH, key=linear:LOW..HIGH, key=integer:LOW..HIGH or key=VALUE,VALUE; may be "
       "repeated",
       "KEY=RANGE"},
      {"force", 'f', POPT_ARG_NONE, &force, 0, "write into a folder that exists", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer =
      cli_options_read(&options, argc, argv, own, "[PRESET|FILE.yaml|PROBLEM|ENVIRONMENT] [OPTIONS]",
                       "Meta-trains a learned loss on many initial policies and starts, and keeps the one that does\n"
                       "best on validation tasks.",
                       "`ml3 config` lists all keys. Ctrl-C keeps a checkpoint.");
  if (answer >= 0) return answer;

  training t = {.verbose = options.verbose};
  ml3_error error = {0};
  int code = ml3_lab_log_formats(log ? log : "tensorboard", &formats, &error);
  if (!log && resume) ml3_lab_log_formats_of(resume, &formats);
  if (!log) log = "tensorboard";
  if (code == ML3_OK) code = open_ranks(&t, &options, &error);
  cli_console_open(&t.console, "train", options.quiet);
  const cli_many many = {.options = &options,
                         .seeds = seeds,
                         .search = search,
                         .sweeps = sweeps,
                         .over = over,
                         .output = output,
                         .resume = resume,
                         .log_formats = log,
                         .force = force};
  bool is_many = false;
  if (code == ML3_OK) code = cli_many_check(&many, &is_many, &error);
  if (code == ML3_OK && is_many && t.ranks)
    code = ml3_error_set(
        &error, ML3_ERR_ARGUMENT,
        "--seeds, --sweep and --search start trainings of their own; ranks share out the tasks of one: use "
        "either");
  const bool alone = is_many && code == ML3_OK;
  if (alone) code = cli_many_train(&many, &error);
  free_list(sweeps);
  free_list(over);
  if (alone) {
    if (code == ML3_ERR_ARGUMENT) return cli_fail("train", &error), CLI_USAGE;
    return code == ML3_OK ? CLI_DONE : cli_fail("train", &error);
  }
  if (code == ML3_OK) code = start_together(&t, start(&t, &options, output, resume, force, formats, &error), &error);
  if (code == ML3_OK && ml3_lab_trains_policy(&t.config)) return CLI_DONE;
  if (code == ML3_OK) {
    if (!options.quiet) fprintf(stderr, "run folder: %s\n", t.folder);
    if (options.verbose) tell_programs(&t);
    cli_ranks_keep(t.ranks, t.folder);
    cli_progress_begin(&t.progress, "meta-training", (long)ML3_LAB_GET(&t.config, outer)->steps, options.quiet);
    code = train_loop(&t, &error);
    cli_progress_end(&t.progress);
  }
  if (code == ML3_OK) code = train_sum_warnings(&t, &error);
  if (code == ML3_OK && train_writes(&t)) code = train_alone(&t, train_conclude(&t, &error));
  if (code != ML3_OK && (!t.ranks || t.lost || t.ranks->rank == t.speaker)) cli_fail("train", &error);
  finish(&t);
  cli_ranks_close(t.ranks, t.lost);
  if (code == ML3_ERR_ARGUMENT) return CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : code == ML3_ERR_INTERRUPTED ? CLI_INTERRUPTED : CLI_FAILED;
}
