/* Many configurations, each trained under one seed or several: a sweep over a grid, or a random search on validation tasks. */
#ifndef ML3_CLI_SWEEP_H
#define ML3_CLI_SWEEP_H

#include "lab/points.h"

typedef struct cli_sweep {
  const ml3_lab_points *points;
  const ml3_lab_config *config; /* that they change */
  int seeds;                    /* of each point */
  const char *const
      *sets; /* "key=value"[set_count], as given: a run that goes on gets them again, but for what points change */
  int set_count;
  const char *folder;      /* a folder a point within; sweep.* or search.*, best.yaml */
  const char *log_formats; /* as --log has it */
  bool resume, quiet;
} cli_sweep;

/* "sweep" or "search": what its files are called. */
const char *cli_sweep_name(const ml3_lab_points *points);

/* Trains all, a folder a point and in it a run a seed; prints one table and leaves it as NAME.csv and NAME.md. A search also
   leaves the configuration of the best point, by its mean over seeds on validation tasks, as best.yaml. */
int cli_sweep_train(const cli_sweep *sweep, ml3_error *error);

#endif
