/* ml3 train: an experiment of a preset and --set options is trained (lab/training.h) and leaves a run folder; --seeds and --sweep
   train several. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/ranks.h"
#include "cli/train_many.h"
#include "cli/train_report.h"
#include "cli/verb.h"
#include "lab/experiment.h"
#include "lab/log.h"
#include "lab/run_environment.h"

typedef struct train_options {
  cli_options all;
  const char *output, *resume, *log, **sweeps, **over;
  int force, seeds, search;
} train_options;

/* The experiment that the options name: a preset's, or with --resume that of the run. */
static int read_experiment(ml3_experiment *e, const train_options *o, ml3_error *error) {
  if (!o->resume) return cli_options_begin(&o->all, &e->config, error);
  if (!ml3_lab_run_is(o->resume))
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a run folder: it has no config.yaml", o->resume);
  const int code = ml3_lab_run_config(o->resume, &e->config, NULL, error);
  return code == ML3_OK ? cli_options_apply(&o->all, &e->config, error) : code;
}

static int train_one(const train_options *o, ml3_experiment *e, const ml3_ranks *ranks, ml3_error *error) {
  const bool quiet = o->all.quiet || (ranks && ranks->rank > 0); /* of several ranks the first one speaks */
  cli_train_console console;
  ml3_lab_result result = {0};
  cli_train_console_open(&console, ranks, quiet, o->all.verbose && !quiet);
  int code = read_experiment(e, o, error);
  code = ml3_lab_train_agree(ranks, code, &result, error);
  if (code == ML3_OK) {
    const ml3_lab_train_settings settings = {.output = o->output,
                                             .resume = o->resume,
                                             .force = o->force,
                                             .log = o->log,
                                             .callbacks = &console.console.callbacks,
                                             .ranks = ranks,
                                             .cores = ranks ? cli_ranks_threads(ranks) : 0};
    code = ml3_lab_train(e, &settings, &result, error);
  }
  if (code == ML3_OK && (!ranks || ranks->rank == 0)) cli_train_print(&result);
  if (code != ML3_OK && (!ranks || result.lost || ranks->rank == result.speaker)) cli_fail("train", error);
  cli_ranks_close(ranks, result.lost);
  return code;
}

static int train(const train_options *o, ml3_error *error) {
  const cli_many many = {.options = &o->all,
                         .seeds = o->seeds,
                         .search = o->search,
                         .sweeps = o->sweeps,
                         .over = o->over,
                         .output = o->output,
                         .resume = o->resume,
                         .log_formats = o->log ? o->log : "tensorboard",
                         .force = o->force};
  const ml3_ranks *ranks = NULL;
  bool is_many = false;
  int formats, code = ml3_lab_log_formats(many.log_formats, &formats, error);
  ml3_experiment *e = malloc(sizeof *e);
  if (!e) code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to train");
  if (code == ML3_OK) code = cli_ranks_open(&ranks, error);
  if (code == ML3_OK) code = cli_many_check(&many, &is_many, error);
  if (code == ML3_OK && is_many && ranks)
    code = ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "--seeds, --sweep and --search start trainings of their own; ranks share out the tasks of one: use either");
  if (code == ML3_OK && !is_many) {
    code = train_one(o, e, ranks, error);
  } else {
    if (code == ML3_OK) code = cli_many_train(&many, error);
    if (code != ML3_OK && (!ranks || ranks->rank == 0)) cli_fail("train", error);
    cli_ranks_close(ranks, false);
  }
  free(e);
  return code;
}

/* What popt has gathered. */
static void free_list(const char **texts) {
  for (int i = 0; texts && texts[i]; i++) free((char *)texts[i]);
  free(texts);
}

int cli_train(int argc, const char **argv) {
  train_options o = {0};
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &o.output, 0, "the run's folder (runs/DATE-ENVIRONMENT-SEED)", "FOLDER"},
      {"resume", 'r', POPT_ARG_STRING, &o.resume, 0,
       "continue an interrupted run; the result is bit for bit that of an uninterrupted one", "RUN"},
      {"log", 'l', POPT_ARG_STRING, &o.log, 0,
       "logs besides metrics.csv: tensorboard, json, tensorboard,json, or none (tensorboard; resumed: as before)",
       "FORMATS"},
      {"seeds", 'n', POPT_ARG_INT, &o.seeds, 0,
       "train N seeds from `seed` on, each in its own run folder in FOLDER, and print one table", "N"},
      {"sweep", '\0', POPT_ARG_ARGV, &o.sweeps, 0,
       "train every combination of values and print one table; may be repeated",
       "KEY=VALUES"},
      {"search", '\0', POPT_ARG_INT, &o.search, 0,
       "train N points drawn at random from the ranges of --over, judge them on validation tasks, and keep the best "
       "configuration",
       "N"},
      {"over", '\0', POPT_ARG_ARGV, &o.over, 0,
       "range of the search: key=log:LOW..HIGH, key=linear:LOW..HIGH, key=integer:LOW..HIGH or key=VALUE,VALUE; may be "
       "repeated",
       "KEY=RANGE"},
      {"force", 'f', POPT_ARG_NONE, &o.force, 0, "write into a folder that exists", NULL},
      POPT_TABLEEND};
  int answer =
      cli_options_read(&o.all, argc, argv, own, "[PRESET|FILE.yaml|PROBLEM|ENVIRONMENT] [OPTIONS]",
                       "Meta-trains a learned loss, or a start (method=maml ...), over many tasks and initial policies,\n"
                       "and keeps the one that is best on validation tasks. With method=ppo, sac, reinforce or random it\n"
                       "trains a single policy.",
                       "`ml3 config` lists all keys. Ctrl-C keeps a checkpoint.");
  if (answer >= 0) return answer;
  ml3_error error = {0};
  const int code = train(&o, &error);
  free_list(o.sweeps);
  free_list(o.over);
  if (code == ML3_ERR_ARGUMENT) return CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : code == ML3_ERR_INTERRUPTED ? CLI_INTERRUPTED : CLI_FAILED;
}
