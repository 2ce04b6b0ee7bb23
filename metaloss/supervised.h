/* Supervised problems: a network learns from samples (x, y), by regression or classification.

   A task is some samples to learn from, others for the task loss and the judgement, and points for extra information;
   where they come from is a source's business (sine.c, classes.c, table.c). One row of features:

     regression      for each output of each sample:  [x (inputs), prediction, target, loss],  loss = (prediction - target)^2
     classification  for each class of each sample:   [p, log_p, target, loss],  p = softmax(outputs), target 1 for the true
                     class, loss = - classes * target * log_p

   so that the mean of `loss` over the rows is the task's own loss.

   L_task on the other samples: mean squared error, or mean cross-entropy. L_extra, while meta-training:

     demonstration   mean squared distance of the outputs to demonstrated ones at the extra points
     physics         for one input, residual of the oscillator y'' = -w^2 y at the extra points, by the identity
                     y(x + h) + y(x - h) = 2 cos(w h) y(x), which its solutions obey exactly for any h:
                     mean (f(x + h) + f(x - h) - 2 cos(w h) f(x))^2 / h^4 */
#ifndef ML3_METALOSS_SUPERVISED_H
#define ML3_METALOSS_SUPERVISED_H

#include "metaloss/problem.h"
#include "nn/mlp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Extra information while meta-training. */
typedef enum ml3_extra { ML3_EXTRA_NOTHING, ML3_EXTRA_DEMONSTRATION, ML3_EXTRA_PHYSICS } ml3_extra;

/* One task's samples, to be filled in: row-major, x[points][inputs], y[points][outputs]; y is one-hot for classes. */
typedef struct ml3_samples {
  ml3_real *x, *y;
  int points;
} ml3_samples;

/* Where samples come from: a table of functions. */
typedef struct ml3_sample_source {
  /* Draws a task. `extra` has 0 points when there is no extra information. Thread-safe. */
  void (*draw)(const void *user, ml3_split split, ml3_random *random, ml3_samples *inner, ml3_samples *outer,
               ml3_samples *extra);
  void (*free)(void *user); /* may be NULL */
  void *user;
} ml3_sample_source;

/* What a supervised problem is. */
typedef struct ml3_supervised_settings {
  const char *name;
  ml3_mlp model; /* classification: one output a class, linear */
  bool classification;
  bool feature_x; /* regression: x is among the features, as x, or x0, x1 ... */
  int inner_points;
  int outer_points; /* 0: the task loss is of the samples that are learned from */
  ml3_extra extra;
  int extra_points;
  double physics_frequency, physics_step; /* w, h */
} ml3_supervised_settings;

/* Takes over the source: it is freed with the problem, and at once on failure. */
ml3_problem *ml3_supervised_new(const ml3_supervised_settings *settings, const ml3_sample_source *source,
                                ml3_error *error);

const ml3_supervised_settings *ml3_supervised_settings_of(const ml3_problem *problem); /* of a problem that ml3_supervised_new has made */

#ifdef __cplusplus
}
#endif

#endif
