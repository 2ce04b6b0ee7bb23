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

/* Is no entry of a[n] a NaN or an infinity? */
bool ml3_nn_all_finite(const ml3_real *a, size_t n);

#ifdef __cplusplus
}
#endif

#endif
