/* Multi-layer perceptrons over one flat parameter vector.

   Layout: layer by layer, weight [out][in] row-major, then bias [out] where there is one. The same vector
   is a node of a graph (ml3_mlp_build) or plain numbers (ml3_mlp_forward). */
#ifndef ML3_NN_MLP_H
#define ML3_NN_MLP_H

#include "base/random.h"
#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What follows a layer. */
typedef enum ml3_activation { ML3_IDENTITY, ML3_TANH, ML3_RELU, ML3_ELU, ML3_SOFTPLUS, ML3_SIGMOID } ml3_activation;

/* Its names in that order, as the choices of a key. */
#define ML3_ACTIVATION_CHOICES "identity|tanh|relu|elu|softplus|sigmoid"

/* How parameters are drawn. */
typedef enum ml3_mlp_start {
  ML3_START_FAN_IN, /* W, b ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's linear layers */
  ML3_START_XAVIER  /* W ~ U(-a, a), a = sqrt(6 / (fan_in + fan_out)), b = 0: Glorot and Bengio 2010 */
} ml3_mlp_start;

/* Layers are as wide as that at most; inputs as many as their weights leave room for in one tensor. */
enum { ML3_MLP_MAX_DEPTH = 8, ML3_MLP_MAX_WIDTH = 4096 };

/* The shape of a network; its parameters are elsewhere, in one flat vector. */
typedef struct ml3_mlp {
  int inputs, outputs;
  int depth;                     /* hidden layers, 0 .. ML3_MLP_MAX_DEPTH */
  int hidden[ML3_MLP_MAX_DEPTH]; /* their widths */
  ml3_activation activation;     /* of the hidden layers */
  ml3_activation output;         /* of the last layer */
  bool bias;
  ml3_mlp_start start; /* of ml3_mlp_init */
} ml3_mlp;

/* 0, or ML3_ERR_ARGUMENT with a sentence that begins with `what`. */
int ml3_mlp_check(const ml3_mlp *mlp, const char *what, ml3_error *error);

int ml3_mlp_size(const ml3_mlp *mlp); /* number of parameters */

/* Draws parameters[size] as mlp->start says. */
void ml3_mlp_init(const ml3_mlp *mlp, ml3_random *random, ml3_real *parameters);

/* x [rows, inputs] -> [rows, outputs]; parameters is any node with at least offset + size entries. */
ml3_node ml3_mlp_build(ml3_nn_graph *g, const ml3_mlp *mlp, ml3_node parameters, int offset, ml3_node x);

/* The same for one row of plain numbers, in double arithmetic over ml3_real parameters. No allocation. */
void ml3_mlp_forward(const ml3_mlp *mlp, const ml3_real *parameters, const double *x, double *y);

ml3_node ml3_nn_activate(ml3_nn_graph *g, ml3_activation activation, ml3_node x); /* the activation of every entry */
const char *ml3_activation_name(ml3_activation activation);                       /* "tanh" ... */

#ifdef __cplusplus
}
#endif

#endif
