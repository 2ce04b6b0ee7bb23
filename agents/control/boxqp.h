/* Box-constrained quadratic programme, by projected Newton (Bertsekas 1982; Tassa, Mansard, Todorov 2014).

     minimise  1/2 x' H x + g' x   subject to  low <= x <= high

   Meant for the few controls of one time step: dense, no allocation after ml3_boxqp_new. */
#ifndef ML3_AGENTS_BOXQP_H
#define ML3_AGENTS_BOXQP_H

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_boxqp ml3_boxqp; /* workspace; one a thread */

ml3_boxqp *ml3_boxqp_new(int size, ml3_error *error); /* a workspace for problems of that size; NULL with a sentence */
void ml3_boxqp_free(ml3_boxqp *qp); /* may be NULL */

/* hessian[size][size] symmetric, gradient[size], bounds[size] (infinite ones allowed, low <= high);
   x[size] is the start on entry (finite, clipped to the bounds) and the solution on return. Returns the number
   of free entries, those not held at a bound, or ML3_ERR_NUMERIC when the Hessian of the free entries is
   not positive definite. */
int ml3_boxqp_solve(ml3_boxqp *qp, const double *hessian, const double *gradient, const double *low,
                    const double *high, double *x);

/* How the solution moves with the gradient: with H of the last successful solve, out = -H_ff^{-1} right
   in the rows of free entries and 0 in the others. right[size][columns], out[size][columns]. */
void ml3_boxqp_sensitivity(ml3_boxqp *qp, int columns, const double *right, double *out);

#ifdef __cplusplus
}
#endif

#endif
