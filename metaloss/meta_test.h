/* Rules of learning side by side on the same held-out tasks, for problems that need no environment: the same initial
   parameters, samples and numbers of updates for each.

     untrained             the initial parameters
     learned               each loss given (learned losses, MAML and its kin), after each number of updates
     task loss             the task's own loss on the same samples by plain descent, with a given step size
     task loss, best       the same with the step size that does best on validation tasks: chosen from a grid for each
                           number of updates by the very number that is judged (success where there is one, else task loss)
     ..., and momentum     where a learned loss descends with momentum: the same, and the best of several momenta

   Where a rule diverges its task loss and distance are infinite, its return is minus infinity, and its success 0. */
#ifndef ML3_METALOSS_META_TEST_H
#define ML3_METALOSS_META_TEST_H

#include "metaloss/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_META_TEST_MAX_STEPS = 16, ML3_META_TEST_MAX_RULES = 8 };

/* A rule of learning; meta is compiled for the spec of the loss, and for one task at a time. */
typedef struct ml3_rule {
  const char *label;
  const ml3_meta *meta;
  const ml3_loss *loss;
} ml3_rule;

/* Which tasks, how many, and after which updates. */
typedef struct ml3_meta_test_settings {
  uint64_t seed;                      /* tasks are drawn from the stream (seed, TEST, task) */
  int tasks;                          /* held-out tasks */
  int rate_tasks;                     /* validation tasks that choose the step size */
  int steps[ML3_META_TEST_MAX_STEPS]; /* numbers of updates, rising */
  int step_count;
  double rate; /* the step size of "task loss" */
  int threads; /* 0: all cores, or OMP_NUM_THREADS */
} ml3_meta_test_settings;

/* What a rule came to after a number of updates. */
typedef struct ml3_meta_test_row {
  char method[64];
  int updates;
  double rate;          /* of the task loss; 0 for others */
  double momentum;      /* the same */
  ml3_outcome *outcome; /* [tasks] */
} ml3_meta_test_row;

/* Rules side by side on the same held-out tasks. */
typedef struct ml3_meta_test {
  int tasks, count;
  ml3_meta_test_row
      *rows; /* untrained; each rule after each number of updates; the task loss; the same with its best rates; where a
                rule has momentum, with its best rates and momenta */
} ml3_meta_test;

/* progress may be NULL: called from one thread at a time with the work done and to do; a non-zero answer stops with
   ML3_ERR_INTERRUPTED. Freed by ml3_meta_test_free. */
ml3_meta_test *ml3_meta_test_run(const ml3_problem *problem, const ml3_rule *rules, int rule_count,
                                 const ml3_meta_test_settings *settings,
                                 int (*progress)(void *user, int done, int total), void *user, ml3_error *error);
void ml3_meta_test_free(ml3_meta_test *test);

#ifdef __cplusplus
}
#endif

#endif
