/* The workspace of iLQR, shared by its driver (ilqr.c), rollouts and line search (ilqr_rollout.c), derivatives
   (ilqr_derivatives.c) and backward pass (ilqr_backward.c). T = horizon, n = state_dim, m = action_dim; every array is
   row-major. */
#ifndef ML3_AGENTS_ILQR_INTERNAL_H
#define ML3_AGENTS_ILQR_INTERNAL_H

#include <stddef.h>

#include "agents/control/boxqp.h"
#include "agents/control/ilqr.h"

/* What one thread works with: lane 0 has the caller's model and cost, the others clones. */
typedef struct ml3_ilqr_lane {
  ml3_model *model;
  ml3_ilqr_cost cost;
  double *states, *actions; /* [T + 1][n], [T][m]: the trajectory on trial */
  double trial;             /* its cost; NAN when a number on the way is not finite */
  double magnitude;         /* the sum of |cost| over its steps */
  size_t broken;            /* then: at which step */
} ml3_ilqr_lane;

struct ml3_ilqr {
  ml3_ilqr_settings settings;
  size_t n, m, horizon; /* the present horizon, at most settings.horizon */
  int first_step;
  size_t solved; /* the last solution's horizon; 0: there is none */
  double *arena; /* every array below */

  int lane_count;
  ml3_ilqr_lane *lanes;

  double *step_sizes;    /* [line_search_steps] */
  double *unit;          /* [m] min(1, range of the action): a feed-forward term is large or small beside |u| + this */
  double *size;          /* [m], or [n] with regularize_state: what mu is relative to; see ilqr.h */
  double *damping;       /* the same: mu size, of the present pass */
  bool measuring;        /* the pass adds up size ... */
  size_t measured_steps; /* ... of so many steps */
  double *start;         /* [n] the state to plan from */

  double *states, *actions; /* [T + 1][n], [T][m]: the best trajectory yet */

  double *a, *b;                          /* [T][n][n], [T][n][m]: s' = s'_t + a (s - s_t) + b (u - u_t) */
  double *expansion;                      /* [T + 1][n + m + n n + m m + m n]: ls, lu, lss, luu, lus of each step */
  double *feed_forward, *gains;           /* [T][m], [T][m][n]: u = u_t + alpha k_t + K_t (s - s_t) */
  double *vs, *vss;                       /* [n], [n][n]: the value's expansion at the present step */
  double *qs, *qu, *qss, *quu, *qus;      /* the same of the action value; quu and qus with */
  double *quu_reg, *qus_reg;              /* ... and these with regularisation */
  double *va, *vb, *room_low, *room_high; /* scratch: [n][n], [n][m], [m], [m] */
  double *qu_new, *qus_new;               /* scratch: [m], [m][n] */
  double *k_now, *gains_now;              /* [m], [m][n] of the present step */
  ml3_boxqp *qp;

  double slope, curvature; /* cost change of a step alpha: alpha slope + alpha^2 curvature */
  double largest_relative; /* max over t and i of |k_i| / (unit_i + |u_i|) */
  double magnitude;        /* of the best trajectory yet */
  long rollout_steps, linearizations;
};

static inline size_t ml3_ilqr_expansion_size(size_t n, size_t m) {
  return n + m + n * n + m * m + m * n;
}

/* The expansion of step t, for n and m that the compiler may know. */
static inline ml3_ilqr_expansion ml3_ilqr_expansion_of(double *expansion, size_t t, size_t n, size_t m) {
  double *ls = expansion + t * ml3_ilqr_expansion_size(n, m), *lu = ls + n, *lss = lu + m, *luu = lss + n * n;
  return (ml3_ilqr_expansion){.ls = ls, .lu = lu, .lss = lss, .luu = luu, .lus = luu + m * m};
}

static inline ml3_ilqr_expansion ml3_ilqr_expansion_at(const ml3_ilqr *w, size_t t) {
  return ml3_ilqr_expansion_of(w->expansion, t, w->n, w->m);
}

/* May a piece of work that takes so many steps of the model be begun? */
static inline bool ml3_ilqr_affords(const ml3_ilqr *w, size_t steps) {
  const long most = w->settings.max_model_steps;
  return most <= 0 || w->rollout_steps + w->linearizations + (long)steps <= most;
}

/* Inlined where counts are constant: these loops vanish for the smallest problems. */
#define ML3_ILQR_INLINE static inline __attribute__((always_inline))

ML3_ILQR_INLINE bool ml3_ilqr_all_finite(const double *x, size_t count) {
  double sum = 0; /* infinite or not a number as soon as one entry is */
  for (size_t i = 0; i < count; i++) sum += x[i] * 0;
  return sum == 0;
}

/* u_t + alpha k_t + K_t (s - s_t), clipped. */
void ml3_ilqr_control(const ml3_ilqr *w, size_t t, double alpha, const double *state, double *action);

/* The policy's rollout at alpha in lane 0, kept as the best trajectory when it is finite. Returns its cost or NAN. */
double ml3_ilqr_first_rollout(ml3_ilqr *w);

/* The first step size whose decrease is fair becomes the best trajectory. Returns it, or 0; *cost is the best's. */
double ml3_ilqr_search_line(ml3_ilqr *w, double *cost);

/* Derivatives of model and cost along the best trajectory. */
void ml3_ilqr_differentiate(ml3_ilqr *w);

/* Where one of them is not finite: ML3_ERR_NUMERIC. To be asked after a backward pass that failed, which they all make fail. */
int ml3_ilqr_check_derivatives(const ml3_ilqr *w, ml3_error *error);

/* "; the world says: ..." where a lane's model has something to say about numbers that are not finite, or "". */
const char *ml3_ilqr_trouble(const ml3_ilqr *w, char *text, size_t size);

/* Fills feed_forward, gains, slope, curvature and largest_relative from the derivatives, regularised by
   mu size. False when some Q_uu is not positive definite or a number overflows: try a larger mu. */
bool ml3_ilqr_backward(ml3_ilqr *w, double mu);

/* The same with mu 0, filling size as well, from the steps that the pass has come to. */
bool ml3_ilqr_measure(ml3_ilqr *w);

#endif
