/* What computes: same seed, same bits is promised where these are the same. */
#ifndef ML3_NN_MACHINE_H
#define ML3_NN_MACHINE_H

#ifdef __cplusplus
extern "C" {
#endif

/* The instruction set whose inner loops this process uses: "avx512", "avx2", "generic". */
const char *ml3_nn_instruction_set(void);

/* OpenBLAS's kernels, by processor: "Haswell", "SkylakeX" ...; the variable OPENBLAS_CORETYPE chooses others. */
const char *ml3_nn_blas_core(void);

#ifdef __cplusplus
}
#endif

#endif
