/* A grid of configurations: every combination of the values of some keys, each trained under one seed or several. */
#ifndef ML3_CLI_SWEEP_H
#define ML3_CLI_SWEEP_H

#include "cli/options.h"

enum { CLI_AXES_MAX = 8, CLI_AXIS_VALUES_MAX = 64, CLI_SWEEP_MAX = 1000, CLI_POINT_NAME = 512 };

typedef struct cli_axis {
  char key[64];
  char values[CLI_AXIS_VALUES_MAX][64];
  int count;
} cli_axis;

typedef struct cli_sweep {
  cli_axis axes[CLI_AXES_MAX];
  int axis_count;
  int points; /* combinations */
} cli_sweep;

/* Reads "key=value,value" (values that are lists in brackets), one an axis; texts[...] ends with NULL. */
int cli_sweep_read(cli_sweep *sweep, const char *const *texts, ml3_error *error);

/* Changes config to combination number i, the last axis fastest; name[CLI_POINT_NAME] (may be NULL) gets "key=value,key=value". */
int cli_sweep_point(const cli_sweep *sweep, int i, ml3_lab_config *config, char *name, ml3_error *error);

typedef struct cli_sweep_settings {
  const ml3_lab_config *config;
  int seeds;
  const cli_options *options; /* as given: a run that goes on gets their --set again, but for what is swept */
  const char *folder, *log;
  bool resume, quiet;
} cli_sweep_settings;

/* Trains all, a folder a combination and in it a run a seed; prints one table and leaves it as sweep.csv and sweep.md. */
int cli_sweep_train(const cli_sweep *sweep, const cli_sweep_settings *settings, ml3_error *error);

#endif
