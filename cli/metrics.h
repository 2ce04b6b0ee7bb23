/* The metrics.csv of a run, by column. */
#ifndef ML3_CLI_METRICS_H
#define ML3_CLI_METRICS_H

#include "base/error.h"

typedef struct cli_metrics {
  int rows, columns;
  char **names;   /* [columns], the first is the step */
  double *values; /* [rows][columns]; NaN where a field is empty */
  char *text;     /* what the names point into */
} cli_metrics;

/* Reads RUN/metrics.csv. Freed by cli_metrics_free, whatever came of it. */
int cli_metrics_read(cli_metrics *metrics, const char *folder, ml3_error *error);
void cli_metrics_free(cli_metrics *metrics);

/* The column of that name, or -1 with a sentence that names the nearest. A name without its section is enough when only
   one column has it. */
int cli_metrics_find(const cli_metrics *metrics, const char *name, ml3_error *error);

/* The points of a column: steps into x, values into y (both [rows]); those that are empty are left out. Their number. */
int cli_metrics_points(const cli_metrics *metrics, int column, double *x, double *y);

#endif
