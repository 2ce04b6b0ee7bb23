/* What the files of live policies share: live.c (opening), live_source.c (what a viewer asks of them). One task at a time;
   each actor is a policy with parameters of its own, an open-loop plan, or random actions. */
#ifndef ML3_CLI_LIVE_INTERNAL_H
#define ML3_CLI_LIVE_INTERNAL_H

#include "agents/control/goal_plan.h"
#include "cli/live.h"
#include "lab/adapt_internal.h"

typedef enum cli_live_kind { ACTOR_POLICY, ACTOR_LOADED, ACTOR_PLAN, ACTOR_RANDOM, ACTOR_STILL } cli_live_kind;

typedef struct cli_live_actor {
  cli_live_kind kind;
  const char *name; /* "learned loss" */
  char label[96];
  int updates;        /* taken; -1: not known */
  ml3_real *theta;    /* a policy's parameters */
  ml3_policy *policy; /* of one that was trained elsewhere; else it is the run's */
} cli_live_actor;

typedef struct cli_follow cli_follow; /* live_follow.c */

struct cli_live {
  ml3_view_source source;
  ml3_env *probe; /* in the present task, for goals and observations */
  char title[160];
  cli_cast cast;
  cli_live_actor actors[ML3_VIEW_ACTORS];
  int before_actor; /* the first learner as it was one update ago, or -1 */

  /* of a run */
  ml3_lab_adapting a;  /* its task, and the policy that updates begin with */
  const char *rule;    /* what the run has learned: "learned loss" */
  ml3_compare_settings compare;
  const ml3_policy *policy;
  bool model_free;
  double task_rate;                     /* of the baseline; NAN until it is needed */
  ml3_random random[ML3_VIEW_LEARNERS]; /* of the updates of each learner */
  ml3_real *gradient;
  double *goal;         /* [goal_dim] */
  ml3_goal_plan *plan;  /* iLQR's; NULL until it is needed */
  int plan_step;        /* where it begins */
  double *env_task;     /* [task_dim] present */
  int number;           /* of the task */
  cli_follow *follow; /* of a training that goes on; or NULL */
  ml3_env_spec *narrow; /* what source.spec is of a policy's run: tasks as it has learned them; or NULL */
};

/* ---- live_source.c: the user of all is the cli_live ---------------------------------------------------------------- */

/* Of the learned loss. Without a model the task's gradient is the policy gradient on fresh rollouts. */
const char *cli_live_baseline(const cli_live *l);

const char *cli_live_rule(void *user, int learner);
int cli_live_update(void *user, int number, ml3_error *error);
void cli_live_restart(void *user); /* learners are as before their first update */

int cli_live_start_run(void *user, int task, double *env_task, double *state, ml3_error *error);
int cli_live_start_environment(void *user, int task, double *env_task, double *state, ml3_error *error);
void cli_live_goal_moved(void *user, const double *env_task, const double *state);

void cli_live_act(void *user, int k, int step, const double *obs, const double *state, double *action);
const char *cli_live_label(void *user, int k);
void cli_live_value(void *user, int k, ml3_episode *e);
double cli_live_value_at(void *user, int k, const ml3_episode *e, const double *state);

/* ---- live_follow.c ------------------------------------------------------------------------------------------------- */

void cli_live_follow_end(cli_follow *follow); /* may be NULL */

#endif
