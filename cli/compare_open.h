/* What ml3 compare works with: the runs or the environment that its arguments name, seed by seed. */
#ifndef ML3_CLI_COMPARE_OPEN_H
#define ML3_CLI_COMPARE_OPEN_H

#include "agents/compare/compare.h"
#include "cli/options.h"
#include "lab/experiment.h"

typedef struct cli_compare_options {
  const char *with, *label, *methods, *reference, *errors, *output, *video;
  int seeds, task, transitions, hold, uniform_states, force;
  long budget;
} cli_compare_options;

/* What one seed works with: its runs' losses, or none. */
typedef struct cli_compare_opened {
  ml3_lab_config config;
  ml3_problem *problems[2]; /* the second where the second run's is another kind */
  ml3_meta *metas[2];
  ml3_loss *losses[2];
  ml3_compare_loss compared[2];
  ml3_arena arena;
} cli_compare_opened;

/* RUN with {seed} in it stands for a run of each seed; a folder of `ml3 train --seeds` for those in it: then true, and
   pattern has {seed} in it. */
bool cli_compare_names_each_seed(const char *run, char *pattern, size_t size);

/* The pattern with that seed in it, into path[ML3_LAB_PATH_MAX]. */
void cli_compare_put_seed(const char *pattern, long long seed, char *path);

/* Opens what the argument names for seed number i; close it also after a failure. */
int cli_compare_open(cli_compare_opened *c, const cli_options *o, const cli_compare_options *own, int i,
                     ml3_error *error);
void cli_compare_close(cli_compare_opened *c);

#endif
