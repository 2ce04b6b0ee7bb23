/* ml3 compare for problems without an environment: runs are compared seed by seed, then told in one table. */
#ifndef ML3_CLI_COMPARE_SUPERVISED_H
#define ML3_CLI_COMPARE_SUPERVISED_H

#include <stdbool.h>

#include "cli/options.h"
#include "lab/experiment.h"
#include "metaloss/meta_test.h"

/* Begins as zeros. */
typedef struct cli_supervised {
  ml3_meta_test *all; /* the tasks of each seed, one seed behind the other */
  int seeds, step_count;
  bool runs_differ;    /* each seed has runs of its own: then a seed is one sample, else a task is */
  ml3_problem problem; /* for its names alone */
} cli_supervised;

/* *supervised: is this the folder of a run on such a problem? An error when it is a run whose configuration cannot be read. */
int cli_run_find_supervised(const char *folder, bool *supervised, ml3_error *error);

/* Judges the losses of these runs, the first one's configuration over all, and the task's own loss on the held-out tasks of
   one more seed. labels[i] NULL: the method's name. seed_offset is added to the seed of the configuration. */
int cli_supervised_compare(cli_supervised *s, const cli_options *o, const char *const *runs, const char *const *labels,
                           int count, uint64_t seed_offset, ml3_error *error);

/* Prints the table and writes comparison.csv, .md, .png, .svg and comparison_tasks.csv into the folder. */
int cli_supervised_report(const cli_supervised *s, const char *folder, ml3_error *error);
void cli_supervised_free(cli_supervised *s);

/* The settings of the comparison on one seed. */
ml3_meta_test_settings cli_meta_test_settings(const ml3_lab_config *config);

#endif
