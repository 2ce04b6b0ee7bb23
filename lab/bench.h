/* The time of one outer step of meta-training, with parameters set by a rule that other programs can follow
   (scripts/bench/README.md), so that numbers and times can be compared with theirs. */
#ifndef ML3_LAB_BENCH_H
#define ML3_LAB_BENCH_H

#include "lab/bench_problems.h"
#include "nn/optimizer.h"

enum { ML3_LAB_BENCH_REPEATS = 500 }; /* at most */

typedef struct ml3_lab_bench {
  const ml3_lab_bench_case *what;
  int tasks, batch, threads, steps; /* batch: tasks that one program takes together */
  bool fast;                        /* large products to 1e-5 on a matrix unit */
  ml3_problem *problem;
  ml3_meta *meta;
  ml3_meta_work **works; /* [threads] */
  ml3_loss *loss;
  ml3_nn_optimizer optimizer;
  ml3_real *task, *theta, *gradients; /* [tasks][...]; gradients [tasks / batch][loss size] */

  double compile_ms, products_ms, task_loss, norm,
      first[5];                     /* products: alone, on one thread; of the meta-gradient: norm, first */
  double ms[ML3_LAB_BENCH_REPEATS]; /* [repeats] of outer steps, rising */
  int repeats;
} ml3_lab_bench;

/* The programs; batch 0: the largest power of two up to 4 that divides the tasks. Holds the process to as many processors as
   threads. NULL with a sentence. */
ml3_lab_bench *ml3_lab_bench_new(const char *problem, int tasks, int batch, int threads, int steps, bool fast,
                                 ml3_error *error);
void ml3_lab_bench_free(ml3_lab_bench *bench); /* may be NULL */

/* Times outer steps for so many seconds. */
int ml3_lab_bench_run(ml3_lab_bench *bench, double seconds, ml3_error *error);

/* Then: some more with the clock at every operation, which ml3_nn_profile of the inner and outer workspace prints. */
int ml3_lab_bench_profile(ml3_lab_bench *bench, int steps, ml3_error *error);

#endif
