/* Judging a policy in an environment, for the lab. */
#ifndef ML3_LAB_EVALUATE_INTERNAL_H
#define ML3_LAB_EVALUATE_INTERNAL_H

#include "agents/learn/policy.h"
#include "lab/evaluate.h"

typedef struct ml3_lab_judging {
  const ml3_env_spec *env;
  const ml3_policy *policy;
  const ml3_real *theta; /* NULL: uniform actions */
  const double *task;    /* [task_dim] of all episodes; NULL: tasks are drawn */
  int horizon;           /* 0: the environment's */
  ml3_purpose purpose;   /* ML3_PURPOSE_TEST or ML3_PURPOSE_VALIDATION: the split whose tasks and starts these are */
  uint64_t seed;
  int tasks, starts; /* episodes of each task */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_judging;

/* Fills tasks, rows and intervals of *found, which is freed by ml3_lab_evaluation_free. */
int ml3_lab_judge(const ml3_lab_judging *judging, ml3_lab_evaluation *found, ml3_error *error);

#endif
