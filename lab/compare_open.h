/* For ml3_lab_compare: what the names of a comparison stand for, opened for one seed. */
#ifndef ML3_LAB_COMPARE_OPEN_H
#define ML3_LAB_COMPARE_OPEN_H

#include "lab/comparison.h"
#include "lab/config.h"

/* What one seed works with: its runs' losses, or none. */
typedef struct ml3_lab_compared {
  ml3_lab_config config;
  ml3_problem *problems[2]; /* the second where the second run's is another kind */
  ml3_meta *metas[2];
  ml3_loss *losses[2];
  ml3_compare_loss compared[2];
  ml3_arena arena;
  const char *methods[ML3_COMPARE_MAX_METHODS]; /* that were compared in it */
  int method_count;
} ml3_lab_compared;

/* RUN with {seed} in it stands for a run of each seed; a folder of `ml3 train --seeds` for those in it: then true, and
   pattern has {seed} in it. */
bool ml3_lab_names_each_seed(const char *run, char *pattern, size_t size);

/* The pattern with that seed in it, into path[ML3_LAB_PATH_MAX]. */
void ml3_lab_put_seed(const char *pattern, long long seed, char *path);

/* "a,b c" into names[most], which point into text; their number, or a negative code. what: the list, for errors. */
int ml3_lab_split(char *text, const char *between, const char **names, int most, const char *what, ml3_error *error);

/* Opens what the settings name for seed number i; close it also after a failure. */
int ml3_lab_compared_open(ml3_lab_compared *c, const ml3_lab_compare_settings *settings, int i, ml3_error *error);
void ml3_lab_compared_close(ml3_lab_compared *c);

#endif
