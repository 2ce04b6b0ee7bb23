/* Plans to a goal that is a state, by iLQR (agents/control/ilqr.h): the cost, the first controls, and a whole plan with feedback, so
   that it answers disturbances too. */
#ifndef ML3_AGENTS_GOAL_PLAN_H
#define ML3_AGENTS_GOAL_PLAN_H

#include "agents/control/ilqr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tracking of the goal of env's task, by the shortest way from state[n]: the weights of ml3_ilqr_goal_weights, 1 of a step's
   distance, 100 of the last state's, 1e-3 of the actions. goal[n] and weights[n] are filled and kept. */
ml3_ilqr_goal_cost ml3_ilqr_goal_tracking(const ml3_env *env, const double *state, double *goal, double *weights);

/* actions[horizon][m] to begin with: 0 or the nearest bound; with `random` uniform within the bounds. */
void ml3_ilqr_first_actions(const ml3_env_spec *spec, int horizon, ml3_random *random, double *actions);

typedef struct ml3_goal_plan ml3_goal_plan; /* a plan; used by one thread */

/* Can a plan be had at once there: the goal is a state, and the environment small? */
bool ml3_goal_plan_possible(const ml3_env_spec *spec);

/* The best of plans from zero controls and `restarts` random ones, for `horizon` steps from state[n] on. NULL with a sentence
   where none is finite. */
ml3_goal_plan *ml3_goal_plan_new(const ml3_env_spec *spec, const double *env_task, const double *state, int horizon,
                                 int restarts, ml3_random *random, ml3_error *error);
void ml3_goal_plan_free(ml3_goal_plan *plan); /* may be NULL */

/* action[m] at step number `step` of the plan: the planned one and feedback. Beyond its end: 0. */
void ml3_goal_plan_act(const ml3_goal_plan *plan, int step, const double *state, double *action);

#ifdef __cplusplus
}
#endif

#endif
