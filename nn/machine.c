/* See machine.h. */
#include "nn/machine.h"

#include <cblas.h>

#include "nn/kernels/kernels.h"

const char *ml3_nn_instruction_set(void) {
  return ml3_nn_kernels_pick()->name;
}

const char *ml3_nn_blas_core(void) {
  return openblas_get_corename();
}
