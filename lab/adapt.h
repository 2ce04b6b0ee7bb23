/* Adapting: a fresh policy or model learns a held-out task by a learned loss alone, without the task loss and without extra
   information. */
#ifndef ML3_LAB_ADAPT_H
#define ML3_LAB_ADAPT_H

#include "base/error.h"
#include "base/outcome.h"
#include "lab/callbacks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which loss adapts which policy, and how. */
typedef struct ml3_lab_adapt_settings {
  const char *
      what; /* whose problem: a run's folder or zoo:NAME; with `loss` also a preset or an environment, or NULL: what the
                       loss was learned on */
  const char *loss; /* another loss than the run's own: a run's folder, a FILE.safetensors, zoo:NAME; or NULL */
  const char *const *settings; /* [count] "key=value" over the experiment; NULL when count is 0 */
  int count;
  int task, updates;  /* number of the held-out task; updates by the loss */
  const char *output; /* the file that the policy or model is written to; NULL: none */
  /* metrics: before the first update and after each, the step counting them, "learned_loss" (NAN at 0), "task_loss", "distance",
     "return", "success", "passed". NULL: silent. */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_adapt_settings;

/* outcome (may be NULL): how it does after the last update. */
int ml3_lab_adapt(const ml3_lab_adapt_settings *settings, ml3_outcome *outcome, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
