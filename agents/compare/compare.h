/* Methods side by side on the same tasks: every one gets the same start, goal, horizon and initial policy, and the same
   judge; the steps of simulator or model that it takes for learning or planning are counted alike.

     arena    what is compared on: environment, problem, learned losses, settings
     method   one way to act (method.h: a table, one file and one line each)
     trial    one method on one task: it works, and asks to be judged at points of its choice
     compare  the outcome of all trials at all points */
#ifndef ML3_AGENTS_COMPARE_H
#define ML3_AGENTS_COMPARE_H

#include "agents/learn/learner.h"
#include "agents/problems/playable.h"
#include "base/keys.h"
#include "metaloss/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ML3_COMPARE_MAX_STEPS = 16,
  ML3_COMPARE_MAX_LOSSES = 8,
  ML3_COMPARE_MAX_METHODS = 32,
  ML3_COMPARE_MAX_ERRORS = 8
};

/* A learned loss that takes part. */
typedef struct ml3_compare_loss {
  const char *label; /* "learned loss", "MAML" */
  const ml3_loss *loss;
  const ml3_meta *meta; /* programs made for it; NULL: the arena's */
  ml3_playable play; /* its problem, where that is another than the arena's, of the same environment; else all zero */
  double meta_steps; /* of simulator or model that meta-training took, once; 0: not known */
} ml3_compare_loss;

/* A parameter of the environment that the world has otherwise than models say: value (1 +- relative), the sign drawn for
   each task from the stream (seed, BASELINE, task, 7). */
typedef struct ml3_compare_error {
  const char *parameter;
  double relative;
} ml3_compare_error;

/* Keys test.* of comparisons in an environment. */
typedef struct ml3_compare_options {
  int64_t ilqr_restarts;
  double reinforce_rate;
} ml3_compare_options;
extern const ml3_keys ml3_compare_keys;

/* On which tasks, for how long, under which conditions. */
typedef struct ml3_compare_settings {
  uint64_t seed;                    /* tasks are drawn from the stream (seed, TEST, task) */
  int tasks;                        /* held-out tasks */
  int steps[ML3_COMPARE_MAX_STEPS]; /* numbers of updates, rising */
  int step_count;
  int threads;       /* tasks at a time; 0: all cores, or OMP_NUM_THREADS */
  int ilqr_restarts; /* random starts besides zero controls */
  double task_rate;  /* step size of the task gradient; 0: the best one on validation tasks */
  long budget;       /* most steps of simulator or model that a method may take on a task; 0: no bound */
  ml3_compare_error errors[ML3_COMPARE_MAX_ERRORS];
  int error_count;
  int transitions;         /* random ones that a learned model is fitted to */
  int transitions_hold;    /* steps that an action is held for while they are gathered */
  bool transitions_states; /* from states uniform within their bounds instead of in episodes */

  /* Of each learner: its settings, without task, seed and horizon, which are the trial's, and what they point to is the
     caller's; `steps` of one that takes whole episodes is the horizon. policy.action_dim 0: it cannot take part. */
  ml3_learner_settings learners[ML3_LEARNER_COUNT];
} ml3_compare_settings;

/* Everything but settings may be shared by several. Without a run play is all zero, meta and losses are NULL: tasks are
   then the environment's. */
typedef struct ml3_arena {
  const ml3_env_spec *env;
  int horizon;
  ml3_playable play;
  const ml3_meta *meta;
  const ml3_compare_loss *losses;
  int loss_count;
  ml3_compare_settings settings;
} ml3_arena;

/* What a method was found to be at one point. */
typedef struct ml3_compare_point {
  int updates;      /* or iterations, or plans */
  double env_steps; /* of simulator or model, for learning or planning, up to here */
  double seconds;   /* the same */
  ml3_outcome outcome;
  bool last; /* the method's answer, not one on the way to it */
} ml3_compare_point;

/* The points of one trial, by time. */
typedef struct ml3_compare_points {
  ml3_compare_point *points;
  int count, capacity;
} ml3_compare_points;

/* One method on all tasks. */
typedef struct ml3_compare_series {
  char label[64];
  const char *method; /* its name in the table */
  bool by_updates;    /* points in settings.steps are of interest, and after most_updates; else the last one */
  int most_updates;
  double once_steps;          /* taken once, before all tasks: meta-training, exploration for a model */
  ml3_compare_points *trials; /* [tasks]; none: the method failed there */
} ml3_compare_series;

/* The outcome of a comparison. */
typedef struct ml3_compare {
  int tasks, count;
  ml3_compare_series *series;
  char notes[512]; /* what methods have to say, such as the step size chosen; sentences */
} ml3_compare;

/* Whether those methods can be run in that arena: 0, or ML3_ERR_ARGUMENT with a sentence. */
int ml3_compare_check(const ml3_arena *arena, const char *const *methods, int method_count, ml3_error *error);

/* Runs those methods, by name. progress may be NULL: called from one thread at a time with tasks done and to do; a
   non-zero answer stops with ML3_ERR_INTERRUPTED. Freed by ml3_compare_free. */
ml3_compare *ml3_compare_run(const ml3_arena *arena, const char *const *methods, int method_count,
                             int (*progress)(void *user, int done, int total), void *user, ml3_error *error);
void ml3_compare_free(ml3_compare *compare);

/* Puts the tasks of `more` behind those of `compare`; both ran the same methods. `more` is freed. */
int ml3_compare_append(ml3_compare *compare, ml3_compare *more, ml3_error *error);

/* The point of a trial after `updates` updates (-1: its last one), or NULL. */
const ml3_compare_point *ml3_compare_at(const ml3_compare_points *trial, int updates);

/* The last point that had taken at most so many steps, or NULL. */
const ml3_compare_point *ml3_compare_within(const ml3_compare_points *trial, double env_steps);

/* The episodes of one task by those methods, each at the points of interest or at the last one alone, the caller's to free;
   returns their number or a negative code. */
int ml3_compare_rollouts(const ml3_arena *arena, const char *const *methods, int method_count, int task, bool last_only,
                         ml3_episode **episodes, int capacity, ml3_error *error);

/* The step size of the task gradient with the least mean L_task after `steps` updates on validation tasks, from a
   grid of half decades. Negative code on failure. */
int ml3_compare_task_rate(const ml3_meta *meta, const ml3_compare_settings *settings, double *rate, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
