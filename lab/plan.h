/* Planning: control-limited iLQR (agents/control/ilqr.h) from zero controls in an environment's own simulator, and what the plan comes
   to when it is carried out, open loop or with a new plan at every step. */
#ifndef ML3_LAB_PLAN_H
#define ML3_LAB_PLAN_H

#include "agents/control/ilqr_time.h"
#include "envs/episode.h"
#include "lab/callbacks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In what, for which cost, and how. */
typedef struct ml3_lab_plan_settings {
  const char *environment;     /* its name, or a FILE.xml */
  const char *const *settings; /* [count] "key=value": horizon and threads; NULL when count is 0 */
  int count;
  int task;            /* a task of the distribution by its number; negative: the default one */
  const char *cost;    /* "goal" (a quadratic distance), "reward", or "auto": goal where that is a state */
  const char *weights; /* of the goal: "W,W,...", one each state entry; NULL: those of ml3_ilqr_goal_weights */
  double state_weight, action_weight,
      final_weight;                /* of each step's distance, of the actions' energy, of the last distance */
  bool receding, regularize_state; /* plan again at every step; mu on the value's Hessian */
  int ahead; /* plan again at every step, so many steps ahead; 0: to the episode's end */
  const char *log; /* a line an iteration: FILE.csv, FILE.json (an object a line), or text; NULL: none */
  int repeat;      /* solves to time; 0: none */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_plan_settings;

/* What came of it. */
typedef struct ml3_lab_plan {
  ml3_env_spec *spec;
  int horizon; /* of the episode */
  ml3_ilqr_report report;
  ml3_episode *episode; /* the plan carried out */
  long receding_steps;  /* of the model, by the plans made meanwhile */
  ml3_ilqr_time time;   /* with `repeat` */
} ml3_lab_plan;

/* Freed by ml3_lab_plan_free, whatever came of it. */
int ml3_lab_plan_make(const ml3_lab_plan_settings *settings, ml3_lab_plan *plan, ml3_error *error);
void ml3_lab_plan_free(ml3_lab_plan *plan);

#ifdef __cplusplus
}
#endif

#endif
