/* What runs came to, in numbers: the columns of tables over seeds, sweeps and searches, from each run's summary.json. */
#ifndef ML3_LAB_RESULTS_H
#define ML3_LAB_RESULTS_H

#include "lab/points.h"
#include "lab/statistics.h"
#include "lab/table.h"

enum { ML3_LAB_RESULTS_MAX = 8, ML3_LAB_JUDGED = 100 /* held-out episodes by which a policy is judged in the end */ };

/* One number of a run. */
typedef struct ml3_lab_number {
  char name[80];      /* of its column */
  const char *key;    /* in summary.json */
  const char *format; /* of printf, for scale * value */
  double scale;
  bool share;   /* within 0 and 1: a rate of trials */
  bool outcome; /* says how good a run is; else how it went */
} ml3_lab_number;

/* The numbers of runs of one configuration. */
typedef struct ml3_lab_results {
  ml3_lab_number list[ML3_LAB_RESULTS_MAX];
  int count;
  int trials;         /* that a share is of */
  char judged[96];    /* "on validation tasks": on what they were found */
  const char *select; /* the key in summary.json that says which run is best, all on validation tasks */
  double better;      /* +1: more of it is better; -1: less */
} ml3_lab_results;

/* Runs that differ by their seed alone: FOLDER/seed-S for `count` seeds S from `first` on. */
typedef struct ml3_lab_seeds {
  const char *folder;
  long long first;
  int count;
} ml3_lab_seeds;
void ml3_lab_seeds_folder(const ml3_lab_seeds *seeds, int i, char *path); /* of number i, into path[ML3_LAB_PATH_MAX] */

/* Of runs of this configuration: learned losses and starts by their validation, policies that learn by themselves by their
   return. Named as the first run of of[count] that has ended names its numbers; success is left out where the problem has
   none. */
void ml3_lab_results_of(ml3_lab_results *results, const ml3_lab_config *config, const ml3_lab_seeds *of, int count);

/* values[results->count] of a run, NaN where it has none; false: it has no summary.json. */
bool ml3_lab_results_read(const ml3_lab_results *results, const char *folder, double *values);

/* How good a run is, more being better; NaN: it is not known. */
double ml3_lab_results_score(const ml3_lab_results *results, const char *folder);

/* The mean of n runs' values with its 95 % interval over runs, not yet scaled. */
ml3_lab_interval ml3_lab_results_interval(const ml3_lab_results *results, int number, const double *values, int n);

/* ---- tables (results_tables.c), freed by the caller; NULL without memory ---- */

/* A row a seed, then their mean and the ends of its interval. codes[count] (NULL: all 0): a seed whose code is not 0 has failed,
   and is left out. *done: the seeds that are in it. */
ml3_lab_table *ml3_lab_seeds_table(const ml3_lab_results *results, const ml3_lab_seeds *seeds, const int *codes,
                                   int *done);

/* A row a point: the values of its axes, how many of its seeds have ended, and for each outcome mean and interval. of[points]. */
ml3_lab_table *ml3_lab_points_table(const ml3_lab_results *results, const ml3_lab_points *points,
                                    const ml3_lab_seeds *of);

/* Which of of[count] has the best mean score over its seeds, all of which must have ended well; -1: none. */
int ml3_lab_results_best(const ml3_lab_results *results, const ml3_lab_seeds *of, int count, double *score);

#endif
