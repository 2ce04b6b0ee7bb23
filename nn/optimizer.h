/* Optimizers over one flat parameter vector: SGD, momentum, Adam (Kingma and Ba 2015) and AdamW
   (Loshchilov and Hutter 2019), with clipping by global norm and a schedule of the step size. */
#ifndef ML3_NN_OPTIMIZER_H
#define ML3_NN_OPTIMIZER_H

#include "base/error.h"
#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The optimizers there are. */
typedef enum ml3_nn_optimizer_kind {
  ML3_NN_SGD,
  ML3_NN_MOMENTUM,
  ML3_NN_ADAM,
  ML3_NN_ADAMW
} ml3_nn_optimizer_kind;

/* How the step size goes. */
typedef enum ml3_nn_schedule {
  ML3_NN_CONSTANT,
  ML3_NN_LINEAR, /* to final_rate at total_steps */
  ML3_NN_COSINE  /* to final_rate at total_steps */
} ml3_nn_schedule;

/* Which optimizer, and how large its steps are. */
typedef struct ml3_nn_optimizer_settings {
  ml3_nn_optimizer_kind kind;
  double rate;             /* step size */
  double beta1, beta2;     /* Adam; beta1 is also the momentum */
  double epsilon;          /* Adam */
  double weight_decay;     /* AdamW */
  double clip_norm;        /* global norm; 0: none */
  ml3_nn_schedule schedule;
  double final_rate;
  int64_t warmup_steps;    /* linear from 0 */
  int64_t total_steps;     /* of the schedule */
} ml3_nn_optimizer_settings;

/* Adam with the usual constants and that rate. */
ml3_nn_optimizer_settings ml3_nn_adam(double rate);

/* State: all that a checkpoint needs to go on with the same bits. */
typedef struct ml3_nn_optimizer {
  ml3_nn_optimizer_settings settings;
  size_t size;
  int64_t step; /* updates taken */
  ml3_real *m;  /* [size] first moment or velocity */
  ml3_real *v;  /* [size] second moment (Adam) */
} ml3_nn_optimizer;

/* Checks the settings and allocates. Freed by ml3_nn_optimizer_free. */
int ml3_nn_optimizer_init(ml3_nn_optimizer *o, const ml3_nn_optimizer_settings *settings, size_t size,
                          ml3_error *error);
void ml3_nn_optimizer_free(ml3_nn_optimizer *o);

/* One update of parameters[size] by gradient[size], which is not changed. Returns the gradient's norm
   before clipping; when it is not finite nothing is changed. No allocation. */
double ml3_nn_optimizer_update(ml3_nn_optimizer *o, ml3_real *parameters, const ml3_real *gradient);

/* The step size that update number step (from 0) uses. */
double ml3_nn_optimizer_rate(const ml3_nn_optimizer_settings *settings, int64_t step);

#ifdef __cplusplus
}
#endif

#endif
