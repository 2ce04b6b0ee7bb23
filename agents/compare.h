/* Methods side by side on the same held-out tasks: the same initial policy, start state, goal and horizon for each.

     untrained          the initial policy
     learned loss       after each of the numbers of updates asked for; several losses may be compared
     task gradient      the same numbers of updates by the gradient of L_task, with the step size that does best on
                        validation tasks
     iLQR               from zero controls, and the best of ten random starts besides */
#ifndef ML3_AGENTS_COMPARE_H
#define ML3_AGENTS_COMPARE_H

#include "agents/model_based.h"
#include "metaloss/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_COMPARE_MAX_STEPS = 16, ML3_COMPARE_MAX_LOSSES = 8 };

typedef struct ml3_compare_loss {
  const char *label; /* "learned loss", "MAML" */
  const ml3_loss *loss;
  const ml3_meta *meta; /* programs made for it, of the same problem; NULL: the common ones */
} ml3_compare_loss;

typedef struct ml3_compare_settings {
  uint64_t seed;                    /* tasks are drawn from the stream (seed, TEST, task) */
  int tasks;                        /* held-out tasks */
  int steps[ML3_COMPARE_MAX_STEPS]; /* numbers of updates, rising */
  int step_count;
  int threads;                      /* 0: all cores */
  bool ilqr;
  int ilqr_restarts;                /* random starts besides zero controls; 0: none */
} ml3_compare_settings;

/* One method at one number of updates, on every task. */
typedef struct ml3_compare_row {
  char method[64];
  int updates;          /* -1 where there is no such thing */
  ml3_outcome *outcome; /* [tasks] env_steps: simulator or model steps spent on learning or planning */
  double *seconds;      /* [tasks] spent on learning or planning */
} ml3_compare_row;

typedef struct ml3_compare {
  int tasks, count;
  ml3_compare_row *rows;
  double task_rate; /* the step size chosen for the task gradient */
} ml3_compare;

/* progress may be NULL: called from one thread at a time with tasks done and to do; a non-zero answer stops with
   ML3_ERR_INTERRUPTED. Freed by ml3_compare_free. */
ml3_compare *ml3_compare_run(const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                             const ml3_compare_settings *settings, int (*progress)(void *user, int done, int total),
                             void *user, ml3_error *error);
void ml3_compare_free(ml3_compare *compare);

/* The episodes of one held-out task, for viewing: untrained, each loss at each number of updates, the task gradient
   at the largest, iLQR. episodes gets at most capacity pointers, the caller's to free; returns their number or a
   negative code. task_rate: from ml3_compare_task_rate. */
int ml3_compare_episodes(const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                         const ml3_compare_settings *settings, int task, double task_rate, ml3_episode **episodes,
                         int capacity, ml3_error *error);

/* The step size of the task gradient with the least mean L_task after `steps` updates on validation tasks, from a
   grid of half decades. Negative code on failure. */
int ml3_compare_task_rate(const ml3_meta *meta, const ml3_compare_settings *settings, double *rate, ml3_error *error);

/* iLQR on start 0 of a task, as compared: goal tracking from zero controls and `restarts` random ones, the best by
   L_task kept. The caller frees the episode. */
ml3_episode *ml3_compare_ilqr(const ml3_problem *problem, const ml3_real *task, int restarts, ml3_random *random,
                              double *env_steps, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
