/* Collecting: episodes of an environment under random actions or a trained policy as a data set (envs/dataset.h), each with a task
   drawn from the environment's ranges; and what is in such a data set. */
#ifndef ML3_LAB_COLLECT_H
#define ML3_LAB_COLLECT_H

#include "envs/dataset.h"
#include "lab/callbacks.h"
#include "lab/statistics.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whose episodes, how many, and where to. */
typedef struct ml3_lab_collect_settings {
  const char *environment; /* its name, a FILE.xml, or a run, for the environment that it keeps */
  const char *policy;      /* a trained policy.safetensors, which acts by its mean; NULL: uniform actions */
  int episodes;
  uint64_t seed;      /* of tasks, starts and random actions */
  const char *output; /* the new folder; NULL: data/ENVIRONMENT-POLICY-v0 */
  const char *id;     /* Minari's name of the set; NULL: the folder's last part */
  bool force;         /* a data set that is there is replaced */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_collect_settings;

/* What is in a data set. */
typedef struct ml3_lab_collected {
  char folder[1024];
  bool no_goal; /* of what was collected: the environment has none */
  int episodes, shortest, longest, terminated, succeeded, passed; /* at the goal in the last state, in any state */
  int without_states; /* episodes of which it is not known whether they came to the goal */
  long long steps;
  ml3_lab_interval episode_return; /* mean and 95 % */
} ml3_lab_collected;

/* Nothing is left of a data set that fails or is interrupted. */
int ml3_lab_collect(const ml3_lab_collect_settings *settings, ml3_lab_collected *found, ml3_error *error);

/* Reads and checks all of it; found->folder stays empty. */
int ml3_lab_data_read(ml3_dataset *dataset, const ml3_lab_callbacks *callbacks, ml3_lab_collected *found,
                      ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
