/* What runs came to, in numbers: the columns of tables over seeds, sweeps and searches, from each run's summary.json. */
#ifndef ML3_LAB_RESULTS_H
#define ML3_LAB_RESULTS_H

#include "lab/config.h"
#include "lab/statistics.h"
#include "lab/table.h"

enum { ML3_LAB_RESULTS_MAX = 8 };

/* One number of a run. */
typedef struct ml3_lab_result {
  char name[80];      /* of its column */
  const char *key;    /* in summary.json */
  const char *format; /* of printf, for scale * value */
  double scale;
  bool share;   /* within 0 and 1: a rate of trials */
  bool outcome; /* says how good a run is; else how it went */
} ml3_lab_result;

/* The numbers of runs of one configuration. */
typedef struct ml3_lab_results {
  ml3_lab_result list[ML3_LAB_RESULTS_MAX];
  int count;
  int trials;         /* that a share is of */
  const char *judged; /* "on validation tasks": on what they were found */
  const char *select; /* the key in summary.json that says which run is best, all on validation tasks */
  double better;      /* +1: more of it is better; -1: less */
} ml3_lab_results;

/* Of runs of this configuration: learned losses and starts by their validation, policies that learn by themselves by their
   return. Named as the first run in folders[count] that has ended names its numbers; success is left out where the
   problem has none. */
void ml3_lab_results_of(ml3_lab_results *results, const ml3_lab_config *config, const char *const *folders, int count);

/* values[results->count] of a run, NaN where it has none; false: it has no summary.json. */
bool ml3_lab_results_read(const ml3_lab_results *results, const char *folder, double *values);

/* How good a run is, more being better; NaN: it is not known. */
double ml3_lab_results_score(const ml3_lab_results *results, const char *folder);

/* The mean of n runs' values with its 95 % interval over runs, not yet scaled. */
ml3_lab_interval ml3_lab_results_interval(const ml3_lab_results *results, int number, const double *values, int n);

/* scale * value as text, "nan" where it is none. */
const char *ml3_lab_results_text(const ml3_lab_result *result, double value, char *text, size_t size);

#endif
