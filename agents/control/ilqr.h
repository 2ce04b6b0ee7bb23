/* Control-limited iLQR: an optimal-control baseline (Tassa, Erez, Todorov 2012; Tassa, Mansard, Todorov 2014).

     minimise  sum_t l(s_t, u_t, t) + l_f(s_T, T)   subject to  s_{t+1} = f(s_t, u_t),  low <= u <= high

   f and its linearisation come from a model (agents/control/model.h): a simulator, an analytic or a learned one. Costs are in
   agents/control/ilqr_cost.h. Three ways to use a solution:

     open loop         actions of ml3_ilqr_solve, one after the other
     closed loop       ml3_ilqr_act: the actions with their feedback gains
     receding horizon  ml3_mpc (agents/control/mpc.h): plan again from where the world is */
#ifndef ML3_AGENTS_ILQR_H
#define ML3_AGENTS_ILQR_H

#include "agents/control/ilqr_cost.h"
#include "agents/control/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one iteration did; iteration 0 is the start. */
typedef struct ml3_ilqr_iteration {
  int iteration;
  double cost;             /* after it */
  double expected, actual; /* decrease of the cost: the quadratic model's for the step taken, and what came of it */
  double regularization;   /* mu of the backward pass, relative as in the settings */
  double step;             /* alpha of the line search; 0: none was good enough */
  double gradient;         /* largest relative feed-forward term, as in gradient_tolerance */
  long model_steps;        /* so far */
  const double *actions;   /* [horizon][m] of the best trajectory yet */
} ml3_ilqr_iteration;

/* Called after every iteration; a non-zero answer ends the search, with the best trajectory yet. */
typedef int (*ml3_ilqr_observer)(void *user, const ml3_ilqr_iteration *iteration);

/* Observers that write a line an iteration; user is a FILE *. CSV begins with its heading; JSON is one object a line,
   null where a number is not finite. */
int ml3_ilqr_log_text(void *file, const ml3_ilqr_iteration *iteration);
int ml3_ilqr_log_csv(void *file, const ml3_ilqr_iteration *iteration);
int ml3_ilqr_log_json(void *file, const ml3_ilqr_iteration *iteration);

/* Horizon, ends of the search, regularisation, line search.

   A solve has converged when the quadratic model without regularisation (with the least that works, where that is not
   definite) promises a decrease below cost_tolerance, or feed-forward terms below gradient_tolerance; or where no step
   lowers the cost and the promise is within eight roundings of the cost. A small decrease of the cost is not enough,
   since a short step makes one too.

   mu is relative: to the mean of |Q_uu,ii| over the time steps of the start, for each control i by itself (of |V_ss,ii|
   for each state entry with regularize_state). The same problem in other units, of its cost or its controls, is
   solved in the same iterations. */
typedef struct ml3_ilqr_settings {
  int horizon;               /* T, steps */
  int max_iterations;        /* backward and forward passes; 0: the start is only rolled out and differentiated */
  long max_model_steps;      /* no rollout or differentiation is begun that would need more; 0: no bound */
  double cost_tolerance;     /* converged: promised decrease, relative to the sum of |cost| over the steps */
  double gradient_tolerance; /* converged: largest feed-forward term, relative to |u| + 1, or to |u| + the range of an
                                action whose range is less than 1 */
  double regularization;     /* first value of mu */
  double regularization_min, regularization_max, regularization_factor;
  bool regularize_state; /* mu on V_ss (states) rather than on Q_uu (controls) */
  int line_search_steps; /* step sizes 1 ... line_search_min, spaced in the logarithm */
  double line_search_min;
  double accept_ratio;       /* least actual / expected decrease */
  int threads;               /* for derivatives and line search; 0: as many as OpenMP gives (OMP_NUM_THREADS, or all
                                cores). The bits do not depend on it */
  ml3_ilqr_observer observe; /* NULL: none */
  void *observe_user;
} ml3_ilqr_settings;
ml3_ilqr_settings ml3_ilqr_defaults(int horizon); /* settings for that horizon, from which to begin */

typedef struct ml3_ilqr ml3_ilqr; /* workspace and solution; used by one thread, it may employ others */

/* Keeps model and cost's user; both are used while solving. Their clones for other threads are made here: a model or
   cost that is changed later (another task) needs another ml3_ilqr, unless threads is 1. */
ml3_ilqr *ml3_ilqr_new(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings,
                       ml3_error *error);
void ml3_ilqr_free(ml3_ilqr *ilqr);

/* How a solve ended. */
typedef enum ml3_ilqr_end {
  ML3_ILQR_FAILED, /* with an error code */
  ML3_ILQR_CONVERGED,
  ML3_ILQR_ITERATIONS, /* max_iterations */
  ML3_ILQR_BUDGET,     /* max_model_steps */
  ML3_ILQR_OBSERVER,   /* asked for an end */
  ML3_ILQR_SLOW,       /* ten decreases in a row below cost_tolerance, though the quadratic model promises more */
  ML3_ILQR_STUCK,      /* no step lowers the cost, though the quadratic model promises it: a kink, wrong derivatives */
  ML3_ILQR_INDEFINITE  /* no mu up to regularization_max makes Q_uu positive definite */
} ml3_ilqr_end;
const char *ml3_ilqr_end_text(ml3_ilqr_end end); /* "the limit of iterations is reached" */

/* What came of a solve. */
typedef struct ml3_ilqr_report {
  bool converged; /* end == ML3_ILQR_CONVERGED */
  ml3_ilqr_end end;
  int iterations;
  double cost;              /* of the solution */
  double expected_decrease; /* that the quadratic model at the solution still promises */
  double regularization;    /* mu in the end: where a solve of a problem like it may begin */
  long rollout_steps;       /* of the model, as one thread takes them: a line search's trials beyond the accepted one,
                             made meanwhile by other threads, are not counted */
  long linearizations;      /* of the model, one a time step */
  long model_steps;         /* both */
} ml3_ilqr_report;

/* Solves from state[n]; `first_step` is added to the time steps that the cost sees. actions[horizon][m]: the start on
   entry (clipped to the bounds), the solution on return; its cost is never above the start's. A start whose rollout
   is not finite, or a trajectory whose derivatives are not, is ML3_ERR_NUMERIC and leaves actions as they were.
   report and error may be NULL. No allocation. */
int ml3_ilqr_solve(ml3_ilqr *ilqr, const double *state, int first_step, double *actions, ml3_ilqr_report *report,
                   ml3_error *error);

/* Solves again from `state`, `passed` steps after the last solution's first: a warm start from the rest of that
   solution with its feedback gains, the last action held. After a failure, and before a first solution, from zero
   controls. actions[horizon][m] gets the solution; it is not read. */
int ml3_ilqr_solve_on(ml3_ilqr *ilqr, int passed, const double *state, int first_step, double *actions,
                      ml3_ilqr_report *report, ml3_error *error);

/* Steps to plan for from now on, 1 ... settings.horizon: near the end of an episode the rest is enough. */
void ml3_ilqr_set_horizon(ml3_ilqr *ilqr, int horizon);

/* Bounds and the first regularisation of the solves from now on; the values are not checked again. */
void ml3_ilqr_set_limits(ml3_ilqr *ilqr, int max_iterations, long max_model_steps, double regularization);

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
