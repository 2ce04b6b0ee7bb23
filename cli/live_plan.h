/* iLQR for a window: a plan from any state of an environment, with feedback, so that it answers a hand too. */
#ifndef ML3_CLI_LIVE_PLAN_H
#define ML3_CLI_LIVE_PLAN_H

#include "envs/env.h"

typedef struct cli_plan cli_plan;

/* Can iLQR be had at once there: the goal is a state, and the environment small? */
bool cli_plan_possible(const ml3_env_spec *spec);

/* The best of plans from zero controls and `restarts` random ones, for `horizon` steps from state[state_dim] on, as `ml3
   compare` has them. NULL with a sentence where none is finite. */
cli_plan *cli_plan_new(const ml3_env_spec *spec, const double *env_task, const double *state, int horizon, int restarts,
                       ml3_random *random, ml3_error *error);
void cli_plan_free(cli_plan *plan);

/* action[action_dim] at step number `step` of the plan: the planned one and feedback. Beyond its end: 0. */
void cli_plan_act(const cli_plan *plan, int step, const double *state, double *action);

#endif
