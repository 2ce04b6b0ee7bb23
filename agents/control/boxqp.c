/* Projected Newton for a quadratic programme in a box.

   An entry at a bound whose gradient points outwards is clamped; the others are free. Each iteration
   takes the Newton step of the free entries, p_f = -H_ff^{-1} (grad)_f, along the projected arc
   x(a) = clip(x + a p), a halving until the decrease is a fair part of the one promised by the gradient, but not below
   the first bound on the way.
   Bertsekas, SIAM J. Control Optim. 20 (1982); Tassa, Mansard, Todorov, ICRA (2014), algorithm 1. */
#include "agents/control/boxqp.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_ITERATIONS = 100 }; /* and as many more as there are entries */

static const double ARMIJO = 0.1;           /* least decrease over gradient-promised decrease */
static const double GRADIENT_SMALL = 1e-13; /* relative to the terms that add up to the gradient */
static const double PIVOT_SMALL = 1e-14;    /* relative to the diagonal: below, not positive definite */

struct ml3_boxqp {
  int size, count;                      /* count: free entries */
  int *free_index;                      /* [count], ascending */
  double *factor;                       /* [count][count], lower Cholesky factor of H_ff */
  double *grad, *scale, *newton, *move; /* [size] */
};

static double clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

/* grad = g + H x; scale holds the size of the terms it is made of, the measure of its rounding error. */
static void evaluate_gradient(ml3_boxqp *qp, const double *hessian, const double *gradient, const double *x) {
  for (int i = 0; i < qp->size; i++) {
    const double *row = hessian + (size_t)i * (size_t)qp->size;
    double sum = gradient[i], scale = fabs(gradient[i]);
    for (int j = 0; j < qp->size; j++) {
      sum += row[j] * x[j];
      scale += fabs(row[j] * x[j]);
    }
    qp->grad[i] = sum;
    qp->scale[i] = scale;
  }
}

static void find_free(ml3_boxqp *qp, const double *low, const double *high, const double *x) {
  qp->count = 0;
  for (int i = 0; i < qp->size; i++) {
    const bool clamped =
        (x[i] <= low[i] && qp->grad[i] > 0) || (x[i] >= high[i] && qp->grad[i] < 0) || low[i] >= high[i];
    if (!clamped) qp->free_index[qp->count++] = i;
  }
}

/* Cholesky factor of H_ff; false when that is not positive definite (or not finite). */
static bool factorize(ml3_boxqp *qp, const double *hessian) {
  const size_t count = (size_t)qp->count, size = (size_t)qp->size;
  for (size_t i = 0; i < count; i++) {
    const double *row = hessian + (size_t)qp->free_index[i] * size;
    double *li = qp->factor + i * count;
    for (size_t j = 0; j <= i; j++) {
      const double *lj = qp->factor + j * count;
      double sum = row[qp->free_index[j]];
      for (size_t k = 0; k < j; k++) sum -= li[k] * lj[k];
      if (j < i) {
        li[j] = sum / lj[j];
      } else {
        if (!(sum > PIVOT_SMALL * fabs(row[qp->free_index[i]])) || !isfinite(sum)) return false;
        li[i] = sqrt(sum);
      }
    }
  }
  return true;
}

/* b[count] <- H_ff^{-1} b, by the factor. */
static void solve_free(const ml3_boxqp *qp, double *b) {
  const size_t count = (size_t)qp->count;
  const double *l = qp->factor;
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < i; k++) b[i] -= l[i * count + k] * b[k];
    b[i] /= l[i * count + i];
  }
  for (size_t i = count; i-- > 0;) {
    for (size_t k = i + 1; k < count; k++) b[i] -= l[k * count + i] * b[k];
    b[i] /= l[i * count + i];
  }
}

static bool free_gradient_vanishes(const ml3_boxqp *qp) {
  for (int i = 0; i < qp->count; i++) {
    const int f = qp->free_index[i];
    if (fabs(qp->grad[f]) > GRADIENT_SMALL * qp->scale[f]) return false;
  }
  return true;
}

/* newton[count] of the free entries. One that is at a bound, which its gradient would leave but the step would cross, is
   held for now, and the step computed again: the last one left cannot be such. */
static bool find_newton_step(ml3_boxqp *qp, const double *hessian, const double *low, const double *high,
                             const double *x) {
  for (;;) {
    for (int i = 0; i < qp->count; i++) qp->newton[i] = -qp->grad[qp->free_index[i]];
    solve_free(qp, qp->newton);
    int kept = 0;
    for (int i = 0; i < qp->count; i++) {
      const int f = qp->free_index[i];
      const bool crosses = (x[f] <= low[f] && qp->newton[i] < 0) || (x[f] >= high[f] && qp->newton[i] > 0);
      if (!crosses) qp->free_index[kept++] = f;
    }
    if (kept == qp->count) return true;
    qp->count = kept;
    if (!factorize(qp, hessian)) return false;
  }
}

/* How far along the Newton step the first bound is, and which free entry meets it (-1: none within the step). */
static double nearest_bound(const ml3_boxqp *qp, const double *low, const double *high, const double *x, int *entry) {
  double nearest = 1;
  *entry = -1;
  for (int i = 0; i < qp->count; i++) {
    const int f = qp->free_index[i];
    const double p = qp->newton[i], room = p < 0 ? low[f] - x[f] : high[f] - x[f];
    if (p != 0 && room / p < nearest) nearest = room / p, *entry = i;
  }
  return nearest;
}

/* move[size] of that step along the projected arc. Returns the change of the objective, summed from the move itself,
   grad' d + 1/2 d' H d, which keeps its digits where a difference of two objectives has lost them. */
static double try_step(ml3_boxqp *qp, const double *hessian, const double *low, const double *high, const double *x,
                       double step, double *slope) {
  double curvature = 0;
  *slope = 0;
  for (int i = 0; i < qp->size; i++) qp->move[i] = 0;
  for (int i = 0; i < qp->count; i++) {
    const int f = qp->free_index[i];
    qp->move[f] = clip(x[f] + step * qp->newton[i], low[f], high[f]) - x[f];
    *slope += qp->grad[f] * qp->move[f];
  }
  for (int i = 0; i < qp->size; i++) {
    for (int j = 0; j < qp->size; j++) {
      curvature += qp->move[i] * hessian[(size_t)i * (size_t)qp->size + (size_t)j] * qp->move[j];
    }
  }
  return *slope + 0.5 * curvature;
}

/* Moves x along the projected arc, as far as the decrease is fair, but at least to the first bound: up to there the arc
   is the Newton step, whose decrease always is. (Shorter steps would come nearer and nearer to a bound and never be at
   it.) False: no step decreases. */
static bool step_along_arc(ml3_boxqp *qp, const double *hessian, const double *low, const double *high, double *x) {
  int entry;
  const double nearest = nearest_bound(qp, low, high, x, &entry);
  for (double step = 1;; step *= 0.5) {
    const bool last = step <= nearest;
    if (last) step = nearest;
    double slope;
    const double change = try_step(qp, hessian, low, high, x, step, &slope);
    if (change < 0 && change <= ARMIJO * slope) {
      for (int i = 0; i < qp->count; i++) { /* exactly the bound where it clips */
        const int f = qp->free_index[i];
        x[f] = clip(x[f] + step * qp->newton[i], low[f], high[f]);
        if (last && i == entry) x[f] = qp->newton[i] < 0 ? low[f] : high[f];
      }
      return true;
    }
    if (last) return false;
  }
}

ml3_boxqp *ml3_boxqp_new(int size, ml3_error *error) {
  if (size < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a quadratic programme needs at least 1 variable, not %d", size);
    return NULL;
  }
  const size_t n = (size_t)size;
  ml3_boxqp *qp = calloc(1, sizeof *qp);
  if (qp) {
    qp->size = size;
    qp->free_index = calloc(n, sizeof *qp->free_index);
    qp->factor = calloc(n * n + 4 * n, sizeof *qp->factor);
  }
  if (!qp || !qp->free_index || !qp->factor) {
    ml3_boxqp_free(qp);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a quadratic programme of %d variables", size);
    return NULL;
  }
  qp->grad = qp->factor + n * n;
  qp->scale = qp->grad + n;
  qp->newton = qp->scale + n;
  qp->move = qp->newton + n;
  return qp;
}

void ml3_boxqp_free(ml3_boxqp *qp) {
  if (!qp) return;
  free(qp->free_index);
  free(qp->factor);
  free(qp);
}

int ml3_boxqp_solve(ml3_boxqp *qp, const double *hessian, const double *gradient, const double *low,
                    const double *high, double *x) {
  for (int i = 0; i < qp->size; i++) x[i] = clip(x[i], low[i], high[i]);
  for (int iteration = 0;; iteration++) {
    evaluate_gradient(qp, hessian, gradient, x);
    find_free(qp, low, high, x);
    if (!factorize(qp, hessian)) return ML3_ERR_NUMERIC;
    if (free_gradient_vanishes(qp) || iteration == MAX_ITERATIONS + qp->size) return qp->count;
    if (!find_newton_step(qp, hessian, low, high, x)) return ML3_ERR_NUMERIC;
    if (!step_along_arc(qp, hessian, low, high, x)) return qp->count;
  }
}

void ml3_boxqp_sensitivity(ml3_boxqp *qp, int columns, const double *right, double *out) {
  const size_t width = (size_t)columns;
  for (size_t i = 0; i < (size_t)qp->size * width; i++) out[i] = 0;
  for (size_t c = 0; c < width; c++) {
    for (int i = 0; i < qp->count; i++) qp->newton[i] = -right[(size_t)qp->free_index[i] * width + c];
    solve_free(qp, qp->newton);
    for (int i = 0; i < qp->count; i++) out[(size_t)qp->free_index[i] * width + c] = qp->newton[i];
  }
}
