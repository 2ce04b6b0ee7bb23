/* What the files of `ml3 train` share: train.c (options, starting), train_loop.c (outer steps), train_files.c (what a run
   leaves). */
#ifndef ML3_CLI_TRAIN_INTERNAL_H
#define ML3_CLI_TRAIN_INTERNAL_H

#include "cli/console.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "lab/experiment.h"
#include "lab/log.h"
#include "lab/run_environment.h"

typedef struct training {
  ml3_lab_config config;
  char folder[ML3_LAB_PATH_MAX];
  ml3_problem *problem;
  ml3_trainer *trainer;
  ml3_trainer_settings settings;
  bool acts;                     /* the problem takes steps of an environment or a model */
  ml3_lab_run_environment *kept; /* what the run is to keep of its environment; NULL: nothing */
  ml3_lab_log *log;              /* NULL on ranks that do not write */
  const ml3_ranks *ranks;        /* NULL: one process */
  cli_console console;           /* of what is learned before, such as an expert */
  cli_progress progress;
  bool verbose, lost; /* lost: a rank is gone, or this one alone has failed */
  int speaker;        /* the rank that tells what all have failed at */
  double saved_s;     /* of ml3_lab_checkpoint_due */
  double begun_s;     /* by ml3_clock_s */
  bool told_trouble;
  unsigned told_warnings;    /* kinds, as bits */
  ml3_env_warnings warnings; /* of all ranks, when the loop has ended */
} training;

/* Of several ranks the first one writes and speaks. */
static inline bool train_writes(const training *t) {
  return !t->ranks || t->ranks->rank == 0;
}

/* What this rank alone has tried: when that fails, the others cannot know. */
static inline int train_alone(training *t, int code) {
  t->lost = t->lost || (t->ranks && code != ML3_OK);
  return code;
}

/* ---- train_loop.c ---------------------------------------------------------------------------------------------- */

/* Outer steps until the last one, an interruption or an error. */
int train_loop(training *t, ml3_error *error);

/* ", median distance 0.02, model's error 1.2 % a step, 0.004 at the end", as far as there is such. */
const char *train_tell_more(const training *t, const ml3_trainer_report *r, char *text, size_t size);

/* Sums up what MuJoCo warned of on all ranks, which call this together. */
int train_sum_warnings(training *t, ml3_error *error);

/* ---- train_files.c ----------------------------------------------------------------------------------------------- */

/* Metrics, with the configuration as a text beside them. */
int train_open_log(training *t, int formats, ml3_error *error);

/* step, validation: NULL when there is none now. */
int train_write_metrics(training *t, const ml3_trainer_report *step, const ml3_trainer_report *validation,
                        ml3_error *error);

int train_save_checkpoint(training *t, ml3_error *error);
int train_save_loss(training *t, ml3_error *error); /* the best one, and the model that was learned on the way */

/* The files of a run that is whole, and a line about it. */
int train_conclude(training *t, ml3_error *error);

#endif
