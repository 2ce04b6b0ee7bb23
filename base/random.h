/* Random numbers from a counter (Philox 4x32-10, Salmon et al. 2011, by the Random123 library).

   A stream is a value, not a shared state: it is named by (seed, purpose, task, step), so the numbers
   a task sees do not depend on threads, ranks or the order of work. Copying a stream copies its
   position. */
#ifndef ML3_BASE_RANDOM_H
#define ML3_BASE_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a stream is for; two purposes never share numbers. */
typedef enum ml3_purpose {
  ML3_PURPOSE_INIT = 1,       /* initial parameters of the learned loss */
  ML3_PURPOSE_TRAIN = 2,      /* meta-training tasks */
  ML3_PURPOSE_VALIDATION = 3, /* validation tasks */
  ML3_PURPOSE_TEST = 4,       /* held-out test tasks */
  ML3_PURPOSE_RESET = 5,      /* environment resets */
  ML3_PURPOSE_ACTION = 6,     /* exploration noise */
  ML3_PURPOSE_BASELINE = 7,   /* baselines' own choices */
  ML3_PURPOSE_SEARCH = 8,     /* points of a random search */
  ML3_PURPOSE_PERTURB = 9,    /* perturbations of parameters by evolution strategies */
  ML3_PURPOSE_USER = 100      /* free for programs built on the library */
} ml3_purpose;

/* A stream of random numbers: its name and how far it has been read. */
typedef struct ml3_random {
  uint32_t key[2];     /* seed */
  uint32_t counter[4]; /* position, step, task, purpose */
  uint32_t block[4];   /* the last four numbers drawn from the counter */
  int used;            /* how many of block are used up */
} ml3_random;

/* The stream of that name, at its beginning. */
ml3_random ml3_random_stream(uint64_t seed, ml3_purpose purpose, uint32_t task, uint32_t step);

/* 32 uniform bits. */
uint32_t ml3_random_bits(ml3_random *r);

/* Uniform in [low, high), 53 bits. */
double ml3_random_uniform(ml3_random *r, double low, double high);

/* Standard normal (Box-Muller). */
double ml3_random_normal(ml3_random *r);

/* Uniform integer in [0, n), n > 0, without modulo bias. */
uint32_t ml3_random_below(ml3_random *r, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
