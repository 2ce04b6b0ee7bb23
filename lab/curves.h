/* Metrics of several runs as one picture: a panel a metric, a line a group of runs (its mean), with a band where there are
   several (95 % of the mean, Student's t over seeds). */
#ifndef ML3_LAB_CURVES_H
#define ML3_LAB_CURVES_H

#include "lab/gnuplot.h"
#include "lab/runs.h"

enum { ML3_LAB_PANELS_MAX = 8 };

typedef struct ml3_lab_curves ml3_lab_curves;

/* metrics: names with commas, or NULL for what validation found. smooth: width of a moving mean in points; 0 or 1: none. */
ml3_lab_curves *ml3_lab_curves_new(const ml3_lab_runs *runs, const char *metrics, int smooth, ml3_error *error);
void ml3_lab_curves_free(ml3_lab_curves *curves); /* may be NULL */

int ml3_lab_curves_save(const ml3_lab_curves *curves, const char *path, ml3_error *error); /* .png, .svg or .pdf */
int ml3_lab_curves_show(const ml3_lab_curves *curves, const ml3_lab_characters *form, ml3_error *error);

/* RUN/learning_curve.png and .svg: what `ml3 plot RUN` shows. */
int ml3_lab_learning_curve(const char *folder, ml3_error *error);

#endif
