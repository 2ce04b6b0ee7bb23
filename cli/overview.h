/* What a run came to, in a line: learned losses and starts, and policies that learned by themselves. */
#ifndef ML3_CLI_OVERVIEW_H
#define ML3_CLI_OVERVIEW_H

#include "cli/runs.h"

enum { CLI_OVERVIEW_COLUMNS = 10, CLI_OVERVIEW_RUN = 0 }; /* the first is the run's folder */

extern const char *const cli_overview_columns[CLI_OVERVIEW_COLUMNS];

typedef struct cli_overview {
  char cells[CLI_OVERVIEW_COLUMNS][CLI_PATH_MAX]; /* "": there is no such thing, or not yet */
} cli_overview;

/* From the run's configuration and its summary.json. */
void cli_overview_read(cli_overview *overview, const cli_run *run);

/* Did the run train a policy by itself (method ppo, reinforce, random)? */
bool cli_run_trains_policy(const cli_run *run);

#endif
