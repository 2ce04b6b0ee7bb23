/* The metrics.csv of a run, by column. */
#ifndef ML3_LAB_METRICS_H
#define ML3_LAB_METRICS_H

#include "base/error.h"

typedef struct ml3_lab_metrics {
  int rows, columns;
  char **names;   /* [columns], the first is the step */
  double *values; /* [rows][columns]; NaN where a field is empty */
  char *text;     /* what the names point into */
} ml3_lab_metrics;

/* Reads RUN/metrics.csv. Freed by ml3_lab_metrics_free, whatever came of it. */
int ml3_lab_metrics_read(ml3_lab_metrics *metrics, const char *folder, ml3_error *error);
void ml3_lab_metrics_free(ml3_lab_metrics *metrics);

/* The column of that name, or -1 with a sentence that names the nearest. A name without its section is enough when only
   one column has it. */
int ml3_lab_metrics_find(const ml3_lab_metrics *metrics, const char *name, ml3_error *error);

/* The points of a column: steps into x, values into y (both [rows]); those that are empty are left out. Their number. */
int ml3_lab_metrics_points(const ml3_lab_metrics *metrics, int column, double *x, double *y);

#endif
