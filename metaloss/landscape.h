/* Landscapes: what an optimizee descends, beside the task loss, over lines and planes through its parameters. */
#ifndef ML3_METALOSS_LANDSCAPE_H
#define ML3_METALOSS_LANDSCAPE_H

#include "metaloss/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

/* theta = origin + a * x + b * y at width x height points, x over [x_low, x_high], y over [y_low, y_high]. */
typedef struct ml3_landscape {
  int width, height; /* height 1: a line, b is not looked at */
  double x_low, x_high, y_low, y_high;
  const ml3_real *origin, *a, *b; /* [theta_size] */
  double *learned, *task;         /* [height][width] filled in: the inner loss and L_task; NaN where not finite */
} ml3_landscape;

/* Coordinate i of `count` from low to high. */
double ml3_landscape_at(double low, double high, int i, int count);

/* meta: made for that loss, batches of one. All points get the same data of the task, and the same stream where the problem
   collects it. threads: 0: all cores, or OMP_NUM_THREADS. */
int ml3_landscape_fill(const ml3_meta *meta, const ml3_loss *loss, const ml3_real *task, const ml3_random *random,
                       int threads, ml3_landscape *landscape, ml3_error *error);

/* A random direction, filter-normalised (Li et al. 2018): the weights into each unit have the norm that theta's have, and
   biases are 0. Where the problem does not say what theta is, the whole has theta's norm. */
void ml3_landscape_direction(const ml3_problem *problem, const ml3_real *theta, ml3_random *random,
                             ml3_real *direction);

#ifdef __cplusplus
}
#endif

#endif
