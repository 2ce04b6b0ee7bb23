/* Observations as Gymnasium shows them: in single precision. Internal. */
#ifndef ML3_ENVS_SINGLE_H
#define ML3_ENVS_SINGLE_H

/* The nearest number of single precision. Through memory: GCC 12 leaves out (double)(float)x of two neighbours in an
   array (tests/test_envs_classic.c notices). */
static inline double ml3_single(double x) {
  volatile float single = (float)x;
  return (double)single;
}

#endif
