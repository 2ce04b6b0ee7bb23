/* What it takes to be compared. Adding a method: a file with a `const ml3_method`, a line in methods.c.

   run() works on one task and reports what it has at points of its own choice: after every update, after a plan. Time is
   counted from its begin and between reports (judging is not in it); steps of simulator or model are counted by
   ml3_trial_spend, whoever takes them. A method must not look at trial->world or at world_task but by acting in the world. */
#ifndef ML3_AGENTS_METHOD_H
#define ML3_AGENTS_METHOD_H

#include "agents/compare/compare.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_trial_judge ml3_trial_judge; /* the judge's scratch: no method's business */

/* A task as a method may see it: as models have it, or as it is in the world. */
typedef struct ml3_trial_task {
  const ml3_real *numbers; /* the problem's; NULL without a problem */
  const double *env_task;  /* [task_dim] */
} ml3_trial_task;

/* One method on one task. */
typedef struct ml3_trial {
  /* What it may know. */
  const ml3_arena *arena;       /* settings, and the environment as models have it */
  const ml3_compare_loss *loss; /* of methods that need one */
  const ml3_playable *play;     /* the problem that task and theta_0 are of: the loss's, else the arena's */
  const void *shared;           /* what prepare has made */
  ml3_trial_task task;
  const ml3_real *theta_0; /* the initial policy; NULL without a problem */
  const double *start;     /* [state_dim] */
  ml3_random begin;        /* where a state cannot be set: the reset from which an episode has the task's start */
  ml3_random random;       /* the method's own */

  /* The world, with errors of the models if there are any: to act in alone. */
  ml3_env *world;
  ml3_trial_task world_task;

  ml3_trial_judge *judge;
} ml3_trial;

enum { ML3_NEEDS_PROBLEM = 1, ML3_NEEDS_LOSS = 2 }; /* a loss implies a problem */

/* One way to act: a line in the table of methods. */
typedef struct ml3_method {
  const char *name;                /* for --methods */
  const char *label;               /* in tables; a learned loss's own label goes in its place with "%s" */
  const char *summary;             /* for `ml3 list` and --help */
  const ml3_learner_kind *learner; /* that it is: label and summary are that one's; else NULL */
  unsigned needs;
  bool by_updates; /* reports after each update: of interest at settings.steps; else its last report is */
  int (*updates)(const struct ml3_method *method,
                 const ml3_arena *arena); /* how many it makes; NULL: as settings.steps asks for */
  const void *options;                    /* the method's own, where several share functions */
  const char *shares;                     /* methods with the same text here are prepared once, together; NULL: alone */

  /* Once, before all tasks (NULL: nothing to do): *shared for the trials, *steps that it took, a sentence into note for the
     reader. */
  int (*prepare)(const struct ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                 double *steps, char *note, size_t note_size, ml3_error *error);
  void (*release)(void *shared);
  int (*run)(const struct ml3_method *method, ml3_trial *trial, ml3_error *error);
} ml3_method;

const char *ml3_method_label(const ml3_method *method);     /* for tables and plots */
const char *ml3_method_summary(const ml3_method *method); /* one line for help */
int ml3_method_count(void);                                            /* methods in the table */
const ml3_method *ml3_method_at(int index);                            /* number index, from 0 to the count */
const ml3_method *ml3_method_find(const char *name, ml3_error *error); /* NULL with the nearest name */

/* ---- for methods -------------------------------------------------------------------------------------------------- */

void ml3_trial_spend(ml3_trial *trial,
                     double steps); /* steps of the environment, or of a model of it, that a method has taken */

/* Taken so far. */
double ml3_trial_spent(const ml3_trial *trial);

/* Would so many more steps be within the budget? */
bool ml3_trial_affords(const ml3_trial *trial, double steps);

enum { ML3_TRIAL_VALIDATION = 16 }; /* tasks that choose settings */
/* What a setting makes of an initial policy theta[theta_size] on a task of the problem, in place. Negative code on failure. */
typedef int (*ml3_trial_learn)(void *user, const ml3_real *task, ml3_real *theta, ml3_random *random, ml3_error *error);
/* For choosing settings: the mean return of what `learn` makes of the initial policies of ML3_TRIAL_VALIDATION validation tasks, minus
   infinity where one is not finite; several at a time, by settings->threads, with the same bits. Negative code on failure. */
int ml3_trial_validate(const ml3_problem *problem, const ml3_compare_settings *settings, ml3_trial_learn learn,
                       void *user, double *mean, ml3_error *error);

/* Puts the world at the start. */
void ml3_trial_restart(ml3_trial *trial);

/* The judge rolls out in the world from the start: a policy's parameters, any policy, or one of another shape by its mean. */
int ml3_trial_report_theta(ml3_trial *trial, int updates, bool last, const ml3_real *theta, ml3_error *error);
int ml3_trial_report_policy(ml3_trial *trial, int updates, bool last, ml3_env_policy policy, void *user,
                            ml3_error *error);
int ml3_trial_report_net(ml3_trial *trial, int updates, bool last, const ml3_policy *policy, const ml3_real *theta,
                         ml3_error *error);
/* theta as it is and after each of settings.steps' updates, within the budget: `update` moves it and takes `steps` each time. */
typedef void (*ml3_trial_update)(void *user, ml3_trial *trial, ml3_real *theta);
int ml3_trial_report_updates(ml3_trial *trial, double steps, ml3_real *theta, ml3_trial_update update, void *user,
                             ml3_error *error);
/* The same from theta_0 by updates of a loss, with programs that were made for it, on rollouts of that task. */
int ml3_trial_adapt(ml3_trial *trial, const ml3_loss *loss, const ml3_meta *meta, const ml3_real *task, ml3_error *error);
/* Nothing came of it. */
int ml3_trial_report_failure(ml3_trial *trial, int updates, ml3_error *error);

/* Stops the clock for work that is no part of the method (recording a curve); ml3_trial_resume starts it again. */
void ml3_trial_pause(ml3_trial *trial);
void ml3_trial_resume(ml3_trial *trial);

#ifdef __cplusplus
}
#endif

#endif
