/* Where the time of iLQR goes: a solve beside the very calls of model and cost that it made, replayed by themselves. */
#ifndef ML3_CLI_PLAN_TIME_H
#define ML3_CLI_PLAN_TIME_H

#include "agents/control/ilqr.h"

typedef struct cli_plan_time {
  int iterations;
  double cost;                     /* of the solution */
  double solve_s, model_s, cost_s; /* least times of a solve, and of its calls of the model and of the cost */
  long steps, linearizations, costs, expansions; /* how many of these calls there were */
} cli_plan_time;

/* Solves `repeat` times from zero controls, and replays as often. One thread. */
int cli_plan_measure(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings,
                     const double *state, int repeat, cli_plan_time *time, ml3_error *error);

#endif
