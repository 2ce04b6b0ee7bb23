/* Metrics of several runs as one picture: a panel a metric, a line a group of runs (its mean), with a band where there are
   several (95 % of the mean, Student's t over seeds). */
#ifndef ML3_CLI_CURVES_H
#define ML3_CLI_CURVES_H

#include "lab/runs.h"

enum { CLI_PANELS_MAX = 8 };

typedef struct cli_curves cli_curves;

/* metrics: names with commas, or NULL for what validation found. smooth: width of a moving mean in points; 0 or 1: none. */
cli_curves *cli_curves_new(const ml3_lab_runs *runs, const char *metrics, int smooth, ml3_error *error);
void cli_curves_free(cli_curves *curves); /* may be NULL */

int cli_curves_save(const cli_curves *curves, const char *path, ml3_error *error); /* .png, .svg or .pdf */
int cli_curves_show(const cli_curves *curves, ml3_error *error);                   /* as characters to stdout */

#endif
