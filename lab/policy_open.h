/* A policy that was trained, with the environment that it acts in. */
#ifndef ML3_LAB_POLICY_OPEN_H
#define ML3_LAB_POLICY_OPEN_H

#include "agents/learn/policy.h"
#include "lab/run_folder.h"

typedef struct ml3_lab_policy {
  ml3_lab_config config; /* of its run; or the defaults, with the environment */
  bool in_run;           /* config is its run's */
  char path[ML3_LAB_PATH_MAX];
  ml3_env_spec *env; /* with the tasks of rollout.fixed; or NULL */
  ml3_policy policy;
  ml3_real *theta; /* or NULL */
} ml3_lab_policy;

/* Finds `file`, a run's folder with a policy.safetensors or a FILE.safetensors, and the configuration, which may then be changed.
   environment: its name, a FILE.xml, or the folder of a run that keeps it; NULL: that of the run, or of the run that the file lies
   in. Then loads it. Closed by ml3_lab_policy_close, whatever came of it. */
int ml3_lab_policy_find(ml3_lab_policy *policy, const char *file, const char *environment,
                        const ml3_lab_callbacks *callbacks, ml3_error *error);
int ml3_lab_policy_load(ml3_lab_policy *policy, ml3_error *error);
void ml3_lab_policy_close(ml3_lab_policy *policy);

/* Whether a folder is a run that has a policy and no learned loss. */
bool ml3_lab_run_is_policy(const char *folder);

#endif
