/* Control-limited iLQR: an optimal-control baseline (Tassa, Erez, Todorov 2012; Tassa, Mansard, Todorov 2014).

     minimise  sum_t l(s_t, u_t, t) + l_f(s_T)   subject to  s_{t+1} = f(s_t, u_t),  low <= u <= high

   f and its linearisation come from the environment (ml3_env_step, ml3_env_linearize). */
#ifndef ML3_AGENTS_ILQR_H
#define ML3_AGENTS_ILQR_H

#include "envs/env.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Quadratic expansion of a cost at one point (both Hessians symmetric). n = state_dim, m = action_dim; u's parts are untouched at the
   end of the horizon. Arrays are row-major and cleared before each call. */
typedef struct ml3_ilqr_expansion {
  double *ls;  /* [n] */
  double *lu;  /* [m] */
  double *lss; /* [n][n] */
  double *luu; /* [m][m] */
  double *lus; /* [m][n] */
} ml3_ilqr_expansion;

typedef struct ml3_ilqr_cost {
  /* Cost of step t, or of the last state when action is NULL. Fills expansion unless it is NULL. */
  double (*evaluate)(const void *user, int step, const double *state, const double *action,
                     ml3_ilqr_expansion *expansion);
  const void *user;
} ml3_ilqr_cost;

/* Goal tracking: 1/2 state_weight |s - goal|^2 + 1/2 action_weight |u|^2 a step and
   1/2 final_weight |s_T - goal|^2, each state entry weighted. */
typedef struct ml3_ilqr_goal_cost {
  int state_dim, action_dim;
  const double *goal;    /* [state_dim] */
  const double *weights; /* [state_dim] */
  double state_weight, action_weight, final_weight;
} ml3_ilqr_goal_cost;
ml3_ilqr_cost ml3_ilqr_goal(const ml3_ilqr_goal_cost *cost); /* keeps the pointer */

typedef struct ml3_ilqr_settings {
  int horizon;               /* T, steps */
  int max_iterations;        /* backward and forward passes */
  double cost_tolerance;     /* stop when the relative decrease is below */
  double gradient_tolerance; /* stop when the largest relative feed-forward term is below */
  double regularization;     /* first value of mu */
  double regularization_min, regularization_max, regularization_factor;
  bool regularize_state; /* mu on V_ss (states) rather than on Q_uu (controls) */
  int line_search_steps; /* step sizes 1 ... line_search_min, spaced in the logarithm */
  double line_search_min;
  double accept_ratio; /* least actual / expected decrease */
  FILE *log;           /* a line an iteration; NULL: none */
} ml3_ilqr_settings;
ml3_ilqr_settings ml3_ilqr_defaults(int horizon);

typedef struct ml3_ilqr ml3_ilqr; /* workspace and solution; one a thread */

ml3_ilqr *ml3_ilqr_new(const ml3_env_spec *spec, const ml3_ilqr_settings *settings, ml3_error *error);
void ml3_ilqr_free(ml3_ilqr *ilqr);

typedef struct ml3_ilqr_report {
  bool converged;
  int iterations;
  double cost;              /* of the solution */
  double expected_decrease; /* of the last backward pass */
  double regularization;
  long env_steps; /* model evaluations used, linearisations counted as one each */
} ml3_ilqr_report;

/* Solves from env's present state, which is restored afterwards with the step count. actions[horizon][action_dim]:
   the start on entry (clipped to the bounds), the solution on return; its cost is never above the start's. A
   start whose rollout is not finite, or a trajectory whose derivatives are not, is ML3_ERR_NUMERIC and leaves
   actions as they were. report and error may be NULL. No allocation. */
int ml3_ilqr_solve(ml3_ilqr *ilqr, ml3_env *env, const ml3_ilqr_cost *cost, double *actions,
                   ml3_ilqr_report *report, ml3_error *error);

/* The last solution in closed loop: action = u_t + K_t (state - s_t), clipped to the bounds, for the state at
   `step` (beyond the horizon: at its last step). Before a first solution and after a failure u, K and s are 0. */
void ml3_ilqr_act(const ml3_ilqr *ilqr, int step, const double *state, double *action);

/* The last solution: states[horizon + 1][n] and feedback gains[horizon][m][n] of it, rows of controls held at
   a bound 0. Owned by ilqr; a later solve moves them, so ask again. */
const double *ml3_ilqr_states(const ml3_ilqr *ilqr);
const double *ml3_ilqr_gains(const ml3_ilqr *ilqr);

#ifdef __cplusplus
}
#endif

#endif
