/* What tables and plots of a comparison share: rows, and what is known of them. */
#ifndef ML3_CLI_COMPARISON_INTERNAL_H
#define ML3_CLI_COMPARISON_INTERNAL_H

#include "cli/comparison.h"
#include "lab/statistics.h"

/* A method; where it learns by updates, at one number of them that is of interest. */
typedef struct cli_comparison_row {
  const ml3_compare_series *series;
  int updates; /* -1: the last point */
  char name[96];
} cli_comparison_row;

typedef enum cli_quantity {
  SUCCESS,
  RETURN,
  DISTANCE,
  TASK_LOSS,
  STEPS,
  SECONDS,
  UPDATES,
  PASSED,
  QUANTITIES
} cli_quantity;

/* A method, or its point at one number of updates, for each series; the caller frees them. NULL without memory. */
cli_comparison_row *cli_comparison_rows(const cli_comparison *c, int *count);

/* The row that is the reference: by the name of its method (at the most updates), or by its label; NULL: none is. */
const cli_comparison_row *cli_comparison_reference(const cli_comparison *c, const cli_comparison_row *rows, int count);

/* A trial without a point, or whose return is not finite, failed: it has no success, did not pass, and has no return, distance or loss
   (NAN, which intervals and tests leave out). */
bool cli_comparison_failed(const ml3_compare_point *point);
double cli_comparison_value(const ml3_compare_point *point, cli_quantity q);
int cli_comparison_failures(const cli_comparison *c, const cli_comparison_row *row); /* trials of a row that failed */

/* x[tasks] of one quantity. */
void cli_comparison_fill(const cli_comparison *c, const cli_comparison_row *row, cli_quantity q, double *x);

ml3_lab_interval cli_comparison_interval(const cli_comparison *c, cli_quantity q, const double *x);

/* Bars and learning curves into the folder; a failure is told on stderr. */
void cli_comparison_plot(const cli_comparison *c, const cli_comparison_row *rows, int count);

#endif
