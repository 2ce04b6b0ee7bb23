/* The learned loss M_phi: a network that maps each row of features to one number; the mean over the rows is the
   loss that an optimizee descends.

   phi is one flat vector: the network's parameters, then the logarithm of the inner step size where that is
   learned (none, one number, or one a parameter of the optimizee). Features are normalised by a shift and scale
   that belong to the loss and are not learned by gradient. */
#ifndef ML3_METALOSS_LOSS_H
#define ML3_METALOSS_LOSS_H

#include "nn/mlp.h"
#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ml3_learn_rate {
  ML3_RATE_FIXED,    /* inner.rate */
  ML3_RATE_SCALAR,   /* one learned number, starting at inner.rate */
  ML3_RATE_PARAMETER /* one for each parameter of the optimizee */
} ml3_learn_rate;

typedef struct ml3_loss_spec {
  ml3_mlp net; /* inputs: the problem's features; outputs: 1; output: identity or softplus */
  double rate; /* inner step size, or where the learned one starts */
  ml3_learn_rate learn_rate;
  int theta_size; /* for ML3_RATE_PARAMETER */
} ml3_loss_spec;

typedef struct ml3_loss {
  ml3_loss_spec spec;
  int size;        /* of phi */
  ml3_real *phi;   /* [size] */
  ml3_real *shift; /* [inputs] features are normalised as (f - shift) * scale */
  ml3_real *scale; /* [inputs] */
} ml3_loss;

/* A loss with initial parameters drawn from `random`, shift 0 and scale 1. Freed by ml3_loss_free. */
ml3_loss *ml3_loss_new(const ml3_loss_spec *spec, ml3_random *random, ml3_error *error);
void ml3_loss_free(ml3_loss *loss);

/* The inner step size (the mean one where there is one a parameter). */
double ml3_loss_rate(const ml3_loss *loss);

/* The value of M_phi for one row of features, without the mean. features[inputs]. */
double ml3_loss_value(const ml3_loss *loss, const double *features);

/* Nodes of a graph: rows of features [n, inputs] -> [n, 1]; phi, shift, scale as inputs of the graph. */
ml3_node ml3_loss_build(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift,
                        ml3_node scale, ml3_node features);
/* The inner step size: [1,1] or [1, theta_size]. */
ml3_node ml3_loss_build_rate(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi);

/* loss.safetensors: all that is needed to use the loss elsewhere. */
int ml3_loss_save(const ml3_loss *loss, const char *path, ml3_error *error);
ml3_loss *ml3_loss_load(const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
