/* Where the time of iLQR goes: a solve beside the very calls of model and cost that it made, replayed by themselves. */
#ifndef ML3_AGENTS_ILQR_TIME_H
#define ML3_AGENTS_ILQR_TIME_H

#include "agents/control/ilqr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of solves, and of what they asked. */
typedef struct ml3_ilqr_time {
  int iterations;
  double cost;                     /* of the solution */
  double solve_s, model_s, cost_s; /* least times of a solve, and of its calls of the model and of the cost */
  long steps, linearizations, costs, expansions; /* how many of these calls there were */
} ml3_ilqr_time;

/* Solves `repeat` times from zero controls, and replays as often. One thread. */
int ml3_ilqr_time_solve(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings,
                        const double *state, int repeat, ml3_ilqr_time *time, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
