/* The problems that `ml3 bench` times: the published configurations with numbers set by a rule that other programs can
   follow. scripts/bench/README.md defines them. */
#ifndef ML3_LAB_BENCH_PROBLEMS_H
#define ML3_LAB_BENCH_PROBLEMS_H

#include "metaloss/meta.h"

typedef struct ml3_lab_bench_case {
  const char *name;
  double outer_rate; /* of Adam */
  double policy_scale;
  ml3_loss_spec loss;
  double loss_scale, loss_offset;
  double input_scale[8]; /* of the learned loss's inputs; 0 stands for 1 */
  double extra_weight;
  ml3_problem *(*make)(ml3_error *error);
  void (*set_task)(int number, ml3_real *task);
} ml3_lab_bench_case;

/* NULL with a sentence when there is none of that name. */
const ml3_lab_bench_case *ml3_lab_bench_find(const char *name, ml3_error *error);

/* x[k] = scale sin(k + 1 + offset). */
void ml3_lab_bench_fill(ml3_real *x, int n, double scale, double offset);

#endif
