/* Many instances of an environment that is a formula, stepped at once: numbers of a kind lie side by side, so that the
   compiler can take several instances in one instruction.

   An environment offers this by a file envs/lanes/<name>.c with

     void ML3_LANES(name)(const ml3_env_lanes *lanes) { ... plain loops over ML3_LANES_COUNT ... }

   which is compiled once for each instruction set, and ML3_LANES_PICK(name) in its own file, which makes `step_lanes`.
   The loops always take all lanes, rows in use or not, so that a row's bits do not depend on which lane it has. They agree
   with the environment's own step to rounding (tests/test_envs_batch.c says how closely). */
#ifndef ML3_ENVS_LANES_H
#define ML3_ENVS_LANES_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_LANES_COUNT = 64 };

/* Entry k of lane i is at [k * ML3_LANES_COUNT + i]. */
typedef struct ml3_env_lanes {
  int obs_dim;
  const double *task;   /* [task_dim][lanes] */
  const double *action; /* [action_dim][lanes], finite, as given */
  double *state;        /* [state_dim][lanes], in and out */
  double *obs;          /* [obs_dim][lanes], out: after the step */
  double *reward;       /* [lanes], out */
  bool *terminated;     /* [lanes], false before; out */
} ml3_env_lanes;

/* Which instruction set this machine has: 0 generic, 1 AVX2, 2 AVX-512. */
int ml3_lanes_instructions(void);

#define ML3_LANES_JOIN_(name, isa) ml3_lanes_##name##_##isa
#define ML3_LANES_JOIN(name, isa)  ML3_LANES_JOIN_(name, isa)
#define ML3_LANES(name)            ML3_LANES_JOIN(name, ML3_KERNELS)

#ifdef ML3_KERNELS_X86
#define ML3_LANES_PICK(name)                                                                                   \
  void ml3_lanes_##name##_generic(const ml3_env_lanes *), ml3_lanes_##name##_avx2(const ml3_env_lanes *),      \
      ml3_lanes_##name##_avx512(const ml3_env_lanes *);                                                        \
  static void step_lanes(const ml3_env_lanes *lanes) {                                                         \
    static void (*const each[])(const ml3_env_lanes *) = {ml3_lanes_##name##_generic, ml3_lanes_##name##_avx2, \
                                                          ml3_lanes_##name##_avx512};                          \
    each[ml3_lanes_instructions()](lanes);                                                                     \
  }
#else
#define ML3_LANES_PICK(name)                              \
  void ml3_lanes_##name##_generic(const ml3_env_lanes *); \
  static void step_lanes(const ml3_env_lanes *lanes) {    \
    ml3_lanes_##name##_generic(lanes);                    \
  }
#endif

#ifdef __cplusplus
}
#endif

#endif
