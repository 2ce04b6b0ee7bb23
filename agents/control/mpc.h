/* Receding horizon: iLQR from where the world is, every step or every few; feedback gains in between.

     ml3_mpc *mpc = ml3_mpc_new(model, &cost, &settings, &error);
     ml3_mpc_begin(mpc, NULL);
     each step t: ml3_mpc_act(mpc, t, state, action, &error); step the world with action */
#ifndef ML3_AGENTS_MPC_H
#define ML3_AGENTS_MPC_H

#include "agents/control/ilqr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How it plans, and how often. */
typedef struct ml3_mpc_settings {
  ml3_ilqr_settings ilqr; /* horizon: steps planned ahead; max_iterations: of the first plan */
  int iterations;         /* of each later plan, which starts from the one before; 0: as many as the first */
  int replan_every;       /* steps */
  int episode; /* steps of an episode, beyond which nothing is planned; 0: always the whole horizon */
  long max_model_steps; /* of all plans together; when they are used up the last plan goes on; 0: no bound */
} ml3_mpc_settings;
ml3_mpc_settings ml3_mpc_defaults(int horizon); /* 10 iterations a plan, every step, no episode's end */

typedef struct ml3_mpc ml3_mpc; /* a planner in receding horizon */

/* As ml3_ilqr_new. */
ml3_mpc *ml3_mpc_new(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_mpc_settings *settings,
                     ml3_error *error);
void ml3_mpc_free(ml3_mpc *mpc);

/* A new episode, whose first plan starts from actions[horizon][m], or from zero controls when that is NULL. */
void ml3_mpc_begin(ml3_mpc *mpc, const double *actions);

/* The action for `state` at time step `step` of the episode (rising from 0). A plan that fails (the model diverges from
   there) leaves the one before in force, with its feedback; without one before, ML3_ERR_NUMERIC and a zero action. */
int ml3_mpc_act(ml3_mpc *mpc, int step, const double *state, double *action, ml3_error *error);

/* Steps of the model used since ml3_mpc_begin, and plans made and failed. */
typedef struct ml3_mpc_report {
  long model_steps;
  int plans, failed;
} ml3_mpc_report;
ml3_mpc_report ml3_mpc_report_of(const ml3_mpc *mpc); /* of all plans since the beginning */

#ifdef __cplusplus
}
#endif

#endif
