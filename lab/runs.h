/* Several runs: folders that hold runs (seeds, sweeps), and groups of runs that differ by their seed alone. */
#ifndef ML3_LAB_RUNS_H
#define ML3_LAB_RUNS_H

#include "lab/run_folder.h"

enum { ML3_LAB_RUNS_MAX = 1024 };

typedef struct ml3_lab_run {
  char folder[ML3_LAB_PATH_MAX];
  ml3_lab_config config;
  int group; /* number of the group that it belongs to */
} ml3_lab_run;

typedef struct ml3_lab_runs {
  ml3_lab_run *runs;
  int count;
  int groups; /* runs of one group have the same configuration but for seed and threads */
} ml3_lab_runs;

/* Opens the runs that folders[count] are or hold, at any depth, sorted by name; a folder without any is an error. With
   `apart` every run is a group of its own. Freed by ml3_lab_runs_free, whatever came of it. */
int ml3_lab_runs_open(ml3_lab_runs *runs, const char *const *folders, int count, bool apart, ml3_error *error);
void ml3_lab_runs_free(ml3_lab_runs *runs);

/* What a group is called: its run's folder without what is before the last slash; with several runs what their names
   have in common, and their number. */
void ml3_lab_runs_label(const ml3_lab_runs *runs, int group, char *label, size_t size);
int ml3_lab_runs_size(const ml3_lab_runs *runs, int group); /* runs in it */

#endif
