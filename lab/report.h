/* What is known of runs as one HTML page that needs no other file: a table of all, their curves, and for each run its comparison,
   its pictures, its video and its configuration. */
#ifndef ML3_LAB_REPORT_H
#define ML3_LAB_REPORT_H

#include <stdbool.h>

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which runs, and what of them. */
typedef struct ml3_lab_report_settings {
  const char *const *folders; /* [count] runs, or folders that hold them */
  int count;
  const char *output;  /* the page; NULL: RUN/report.html, of several runs report.html here */
  const char *metrics; /* columns of metrics.csv to plot, with commas; NULL: what validation found */
  bool video, force;   /* with videos, for a larger file; a page that exists is written over */
  /* Of runs in training: called with a number of seconds to wait before the page is written again, until all are finished or the
     answer is false (ML3_ERR_INTERRUPTED). NULL: the page is written once; it reloads itself all the same. */
  bool (*wait)(void *user, int seconds);
  void *user;
} ml3_lab_report_settings;

/* Writes the page and puts its name into path[1024]. Without gnuplot it says so in place of curves. */
int ml3_lab_report(const ml3_lab_report_settings *settings, char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
