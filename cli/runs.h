/* Several runs: folders that hold runs (seeds, sweeps), and groups of runs that differ by their seed alone. */
#ifndef ML3_CLI_RUNS_H
#define ML3_CLI_RUNS_H

#include "cli/experiment.h"

enum { CLI_RUNS_MAX = 1024 };

typedef struct cli_run {
  char folder[CLI_PATH_MAX];
  cli_config config;
  int group; /* number of the group that it belongs to */
} cli_run;

typedef struct cli_runs {
  cli_run *runs;
  int count;
  int groups; /* runs of one group have the same configuration but for seed and threads */
} cli_runs;

/* Opens the runs that folders[count] are or hold, at any depth, sorted by name; a folder without any is an error. With
   `apart` every run is a group of its own. Freed by cli_runs_free, whatever came of it. */
int cli_runs_open(cli_runs *runs, const char *const *folders, int count, bool apart, ml3_error *error);
void cli_runs_free(cli_runs *runs);

/* What a group is called: its run's folder without what is before the last slash; with several runs what their names
   have in common, and their number. */
void cli_runs_label(const cli_runs *runs, int group, char *label, size_t size);
int cli_runs_size(const cli_runs *runs, int group); /* runs in it */

#endif
