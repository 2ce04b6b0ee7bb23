/* The workspace of iLQR, shared by its driver (ilqr.c) and its backward pass (ilqr_backward.c).
   T = horizon, n = state_dim, m = action_dim; every array is row-major. */
#ifndef ML3_AGENTS_ILQR_INTERNAL_H
#define ML3_AGENTS_ILQR_INTERNAL_H

#include "agents/boxqp.h"
#include "agents/ilqr.h"

#include <stddef.h>

struct ml3_ilqr {
  const ml3_env_spec *spec;
  ml3_ilqr_settings settings;
  size_t n, m, horizon;
  double *arena; /* everything below but qp */

  double *low, *high; /* [m], bounds of the controls */
  double *step_sizes; /* [line_search_steps] */
  double *start;      /* [n], the environment's state on entry */

  double *states, *actions;         /* [T + 1][n], [T][m]: the best trajectory yet */
  double *new_states, *new_actions; /* the one on trial */

  double *a, *b;                          /* [T][n][n], [T][n][m]: s' = s'_t + a (s - s_t) + b (u - u_t) */
  double *ls, *lu, *lss, *luu, *lus;      /* [T + 1][...]: the cost's expansion */
  double *feed_forward, *gains;           /* [T][m], [T][m][n]: u = u_t + alpha k_t + K_t (s - s_t) */
  double *vs, *vss;                       /* [n], [n][n]: the value's expansion at the present step */
  double *qs, *qu, *qss, *quu, *qus;      /* the same of the action value; quu and qus with */
  double *quu_reg, *qus_reg;              /* ... and these with regularisation */
  double *va, *vb, *room_low, *room_high; /* scratch: [n][n], [n][m], [m], [m] */
  double *qu_new, *qus_new;               /* scratch: [m], [m][n] */
  ml3_boxqp *qp;

  double slope, curvature; /* cost change of a step alpha: alpha slope + alpha^2 curvature */
  double largest_relative; /* max over t and i of |k_i| / (1 + |u_i|) */
  long env_steps;
};

/* Fills feed_forward, gains, slope, curvature and largest_relative from the derivatives, regularised by
   mu. False when some Q_uu is not positive definite or a number overflows: try a larger mu. */
bool ml3_ilqr_backward(ml3_ilqr *ilqr, double mu);

#endif
