/* Regression of y = A sin(x - phase) by a network, and of y = sin(goal x) by one number: the published problems. */
#ifndef ML3_METALOSS_SINE_H
#define ML3_METALOSS_SINE_H

#include "metaloss/supervised.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Uniform from low to high. */
typedef struct ml3_range {
  double low, high;
} ml3_range;

/* What sines are drawn from. */
typedef struct ml3_sine_range {
  ml3_range amplitude, phase, x;
} ml3_sine_range;

/* The sine problem's distributions. */
typedef struct ml3_sine_settings {
  ml3_sine_range train, test;
  bool validate_on_test_range; /* validation tasks are drawn as test tasks are, but are others */
  bool grid;                   /* x evenly over its range, ends included; else drawn uniformly */
} ml3_sine_settings;

/* supervised: one input, one output. Extra points, for a demonstration of y or for physics (w = 1), are over the x of
   `test`. */
ml3_problem *ml3_sine_new(const ml3_sine_settings *settings, const ml3_supervised_settings *supervised,
                          ml3_error *error);

/* ---- shaped sine ---- */

/* The shaped sine's distributions. */
typedef struct ml3_shaped_sine_settings {
  ml3_range start, goal; /* theta_0 and the goal, drawn uniformly; start from one number when low = high */
  bool both_signs;       /* theta_0 gets a sign by chance */
  int points;            /* x evenly from -5 to 5 (without the upper end) */
  bool extra_known;      /* extra information: (theta - goal)^2 */
  double tolerance;      /* success: |theta - goal| at most this */
} ml3_shaped_sine_settings;

/* prediction sin(theta x); features of the loss [x, prediction, target]; task loss: mean squared error. The published
   shaped loss is the extra information alone: task_weight 0, extra_weight 1. An outcome's distance is |theta - goal|. */
ml3_problem *ml3_shaped_sine_new(const ml3_shaped_sine_settings *settings, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
