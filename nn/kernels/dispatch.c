/* The table of inner loops for this machine's CPU, and BLAS held to one thread: parallel work is over tasks. */
#include <cblas.h>

#include "nn/kernels/kernels.h"
#include "nn/kernels/tiles.h"
#include "nn/vector.h"

extern const ml3_nn_kernels ml3_nn_kernels_generic;
#ifdef ML3_KERNELS_X86
extern const ml3_nn_kernels ml3_nn_kernels_avx2, ml3_nn_kernels_avx512;
#endif

static const ml3_nn_kernels *for_this_cpu(void) {
#ifdef ML3_KERNELS_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return &ml3_nn_kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &ml3_nn_kernels_avx2;
#endif
  return &ml3_nn_kernels_generic;
}

const ml3_nn_kernels *ml3_nn_kernels_pick(void) {
  openblas_set_num_threads(1);
  return for_this_cpu();
}

void ml3_nn_add_to(ml3_real *to, const ml3_real *a, size_t n) { for_this_cpu()->add_to(n, to, a); }
double ml3_nn_sum_squares(const ml3_real *a, size_t n) { return for_this_cpu()->sum_squares(n, a); }
void ml3_nn_adam_update(size_t n, ml3_real *p, const ml3_real *g, ml3_real *m, ml3_real *v,
                        const ml3_nn_adam_step *step) {
  for_this_cpu()->adam(n, p, g, m, v, step);
}
bool ml3_nn_all_finite(const ml3_real *a, size_t n) { return for_this_cpu()->all_finite(n, a); }

const ml3_nn_tiles *ml3_nn_tiles_pick(void) {
#ifdef ML3_TILES_AMX
  return ml3_nn_tiles_amx();
#else
  return NULL;
#endif
}
