/* Long vectors outside programs: gradients and parameters, by the loops for this machine's processor. */
#ifndef ML3_NN_VECTOR_H
#define ML3_NN_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

#ifdef __cplusplus
extern "C" {
#endif

/* to[n] += a[n]. */
void ml3_nn_add_to(ml3_real *to, const ml3_real *a, size_t n);

/* Sum of squares of a[n], in double. */
double ml3_nn_sum_squares(const ml3_real *a, size_t n);

/* The constants of one step of Adam, ready for the loop: see ml3_nn_adam_update. */
typedef struct ml3_nn_adam_step {
  ml3_real keep, beta1, one_minus_beta1, beta2, one_minus_beta2, rate, root_scale, epsilon, clip;
} ml3_nn_adam_step;

/* m = beta1 m + (1 - beta1) clip g, v = beta2 v + (1 - beta2) (clip g)^2, p = keep p - rate m / (root_scale sqrt(v) +
   epsilon), each [n] and apart from the others. */
void ml3_nn_adam_update(size_t n, ml3_real *p, const ml3_real *g, ml3_real *m, ml3_real *v,
                        const ml3_nn_adam_step *step);

/* Is no entry of a[n] a NaN or an infinity? */
bool ml3_nn_all_finite(const ml3_real *a, size_t n);

#ifdef __cplusplus
}
#endif

#endif
