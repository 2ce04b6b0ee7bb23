/* What a task is worth before anything learns it: every term of the reward and every entry of the observation at the start and
   along random actions, how episodes end, how fast it is, what MuJoCo warns of. */
#ifndef ML3_LAB_TASK_CHECK_H
#define ML3_LAB_TASK_CHECK_H

#include <jansson.h>
#include <stdint.h>

#include "envs/env.h"
#include "lab/table.h"

/* A number and what it was: in the first state, and over all steps. Least, mean and most are NAN where no step was made. */
typedef struct ml3_lab_task_quantity {
  const char *name, *unit; /* the spec's */
  double start, least, mean, most;
} ml3_lab_task_quantity;

/* A reason for an episode's end. */
typedef struct ml3_lab_task_end {
  const char *name;
  int count;
} ml3_lab_task_end;

typedef struct ml3_lab_task_check_settings {
  int steps;     /* of random actions, in all */
  uint64_t seed; /* of tasks, starts and actions, as of `ml3 collect` */
} ml3_lab_task_check_settings;

typedef struct ml3_lab_task_check {
  const ml3_env_spec *spec;
  ml3_lab_task_check_settings settings;
  ml3_lab_task_quantity reward;
  ml3_lab_task_quantity *terms;       /* [term_count] */
  ml3_lab_task_quantity *observation; /* [obs_dim] */
  ml3_lab_task_end
      *ends; /* [end_count] first the conditions that did not hold (one end may be of several), then the rest */
  int end_count;
  int episodes;            /* that ended */
  double return_, length;  /* means over these; NAN where there is none */
  double steps_per_second; /* on one thread */
  ml3_env_warnings warnings;
} ml3_lab_task_check;

/* Plays it. To be freed whatever comes back. */
int ml3_lab_task_check_run(const ml3_env_spec *spec, const ml3_lab_task_check_settings *settings,
                           ml3_lab_task_check *check, ml3_error *error);
void ml3_lab_task_check_free(ml3_lab_task_check *check);

/* Tables for a terminal, freed by the caller; NULL without memory. Entries of the observation that are one quantity, name_0, name_1 ..., are one
   row. */
ml3_lab_table *ml3_lab_task_check_rewards(const ml3_lab_task_check *check);
ml3_lab_table *ml3_lab_task_check_observations(const ml3_lab_task_check *check);
ml3_lab_table *ml3_lab_task_check_ends(const ml3_lab_task_check *check);

/* All of it, freed by the caller; NULL without memory. */
json_t *ml3_lab_task_check_json(const ml3_lab_task_check *check);

#endif
