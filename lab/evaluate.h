/* Evaluating: what a policy does in an environment, in episodes of tasks that training has not seen.

   Tasks are drawn from the split `test` by the run's seed: task i of the stream (seed, TEST, i), starts of their own for each
   episode; a policy acts by its mean. A run that has learned a single task (learner.task) is evaluated on it. Of a learned loss
   (or start) fresh policies are evaluated: for each task one adapts first, as `ml3 adapt` does, and the problem judges it. */
#ifndef ML3_LAB_EVALUATE_H
#define ML3_LAB_EVALUATE_H

#include "base/error.h"
#include "lab/callbacks.h"
#include "lab/statistics.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to evaluate, and for how long. */
typedef struct ml3_lab_evaluate_settings {
  const char *what; /* a run's folder, zoo:NAME, or a FILE.safetensors of a policy */
  const char *
      environment; /* of a policy: the name of another one, a FILE.xml, or a run that keeps one; NULL: what the run has,
                              or the run that the FILE lies in */
  const char *const *settings; /* [count] "key=value" over the run's experiment; NULL when count is 0 */
  int count;
  int episodes; /* in all, shared out over the tasks; 0: 100. Of a problem that judges from starts of its own: not used */
  int tasks;    /* 0: one an episode; of a learned loss test.tasks, if these are fewer */
  int updates; /* of a learned loss: that a fresh policy adapts by; 0: as many as in the run's validation; negative: none */
  const ml3_lab_callbacks *callbacks; /* NULL: silent */
} ml3_lab_evaluate_settings;

/* The episodes of one task: means of those whose simulation did not diverge; NAN where all did. A diverged one is no success. */
typedef struct ml3_lab_evaluated_task {
  int episodes, diverged;
  double episode_return, distance; /* distance to the goal at the end, in its unit */
  double success, passed;          /* shares of episodes: at the goal in the last state, in any state */
} ml3_lab_evaluated_task;

/* What was found. Intervals are 95 % wide: bootstrap of tasks and episodes, Wilson's where all successes agree. */
typedef struct ml3_lab_evaluation {
  char environment[256];
  bool no_goal; /* it has none: success and distance say nothing */
  char method[64]; /* "PPO", "learned loss"; "policy" of a file without a run */
  int updates;     /* that fresh policies adapted by; -1: none did */
  int episodes, diverged;
  ml3_lab_interval episode_return, distance, success, passed;
  int tasks;
  ml3_lab_evaluated_task *rows; /* [tasks] */
} ml3_lab_evaluation;

/* found is freed by ml3_lab_evaluation_free, when the answer is ML3_OK. */
int ml3_lab_evaluate(const ml3_lab_evaluate_settings *settings, ml3_lab_evaluation *found, ml3_error *error);
void ml3_lab_evaluation_free(ml3_lab_evaluation *found);

#ifdef __cplusplus
}
#endif

#endif
