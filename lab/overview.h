/* What a run came to, in a line: learned losses and starts, and policies that learned by themselves. */
#ifndef ML3_LAB_OVERVIEW_H
#define ML3_LAB_OVERVIEW_H

#include "lab/runs.h"

enum { ML3_LAB_OVERVIEW_COLUMNS = 10, ML3_LAB_OVERVIEW_RUN = 0 }; /* the first is the run's folder */

extern const char *const ml3_lab_overview_columns[ML3_LAB_OVERVIEW_COLUMNS];

typedef struct ml3_lab_overview {
  char cells[ML3_LAB_OVERVIEW_COLUMNS][ML3_LAB_PATH_MAX]; /* "": there is no such thing, or not yet */
} ml3_lab_overview;

/* From the run's configuration and its summary.json. */
void ml3_lab_overview_read(ml3_lab_overview *overview, const ml3_lab_run *run);

/* Did the run train a policy by itself (method ppo, sac ...)? */
bool ml3_lab_run_trains_policy(const ml3_lab_run *run);

#endif
