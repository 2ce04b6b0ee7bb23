/* What `ml3 train` says and draws while the lab trains, and in the end. */
#ifndef ML3_CLI_TRAIN_REPORT_H
#define ML3_CLI_TRAIN_REPORT_H

#include "base/ranks.h"
#include "cli/console.h"
#include "lab/experiment.h"

/* The console of a training. */
typedef struct cli_train_console {
  cli_console console;           /* the first: it is the user of its callbacks */
  const ml3_ranks *ranks;        /* or NULL */
  char folder[ML3_LAB_PATH_MAX]; /* of the run, once it is there */
} cli_train_console;

/* May not move while its callbacks are in use. verbose: validations and details too. */
void cli_train_console_open(cli_train_console *c, const ml3_ranks *ranks, bool quiet, bool verbose);

/* The line about what came of it. */
void cli_train_print(const ml3_lab_result *result);

#endif
