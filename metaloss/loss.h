/* What is meta-learned: a loss, a start, step sizes; together, the rule by which an optimizee learns.

     learned loss    M_phi maps each row of features to one number; the (weighted) mean over the rows is descended
     task's loss     nothing is learned about what is descended: MAML and its kin learn where to start from, and how far
                     to step (Finn et al. 2017; Li et al. 2017)

   phi is one flat vector of up to four parts, in this order:

     the network of M_phi      when kind is ML3_LOSS_LEARNED
     the network of h          when there are targets
     theta_0 [theta_size]      when learn_start
     step sizes                none, one number, or one a parameter of the optimizee; logarithms, so that they stay
                               positive, but for ML3_RATE_SIGNED

   With targets, M_phi(row) = 1/2 ||a - h(rest of the row)||^2 + network(row): a are some of the features, such as a policy's
   actions, h is a second network of the others, or base + factor network, base and factor being features as well. The loss then says which actions it would rather see; it is convex in
   them but for what the first network, which begins small, adds.

   The update is  v <- momentum v + d,  theta <- theta - rate v  (momentum 0: plain descent), with d = grad, or with targets
   a step of Gauss-Newton: targets tell how the loss is curved, and so how far to go, whatever the optimizee's depth. Features are normalised
   by a shift and scale that belong to the loss and are not learned by gradient. */
#ifndef ML3_METALOSS_LOSS_H
#define ML3_METALOSS_LOSS_H

#include "nn/mlp.h"
#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an inner step descends. */
typedef enum ml3_loss_kind {
  ML3_LOSS_LEARNED, /* M_phi */
  ML3_LOSS_TASK     /* the problem's build_inner_loss */
} ml3_loss_kind;

/* Which of the inner step's sizes are learned. */
typedef enum ml3_learn_rate {
  ML3_RATE_FIXED,     /* rate */
  ML3_RATE_SCALAR,    /* one learned number, starting at rate */
  ML3_RATE_PARAMETER, /* one for each parameter of the optimizee */
  ML3_RATE_SIGNED     /* the same, of any sign, as Meta-SGD has them */
} ml3_learn_rate;

/* How much each of the n rows of a task counts. The network's second output z says it. */
typedef enum ml3_weighting {
  ML3_WEIGHTING_NONE,    /* w_i = 1/n */
  ML3_WEIGHTING_SOFTMAX, /* w_i = exp(b_i) / sum exp(b_j), b = 5 tanh(z/5): at most e^10 between two rows */
  ML3_WEIGHTING_SIGMOID  /* w_i = 2 sigmoid(z_i) / n: each row for itself, the sum is free */
} ml3_weighting;

/* Of a row's columns, of those that are targets, of iterations for a step, of a column's name. */
enum { ML3_LOSS_MAX_FEATURES = 4096, ML3_LOSS_MAX_TARGETS = 1024, ML3_LOSS_MAX_NEWTON = 32, ML3_LOSS_NAME_MAX = 64 };

/* The shape of a learned loss. */
typedef struct ml3_loss_spec {
  ml3_loss_kind kind;
  ml3_mlp net; /* outputs: 1, or 2 with weighting; output (identity or softplus) is the value's alone */
  ml3_weighting weighting;
  int features;                       /* columns of a row; 0: as many as the network has inputs */
  int columns[ML3_LOSS_MAX_FEATURES]; /* which of them the network sees; not looked at when it sees all */
  int base; /* 1 + the column that is added to the network's value, which then starts as a small correction; 0: none */
  int target_count;                  /* 0: no targets */
  int targets[ML3_LOSS_MAX_TARGETS]; /* the columns a; h sees what the network sees without them */
  int target_bases[ML3_LOSS_MAX_TARGETS]; /* 1 + the column that is added to that entry of h; 0: none */
  int target_factors[ML3_LOSS_MAX_TARGETS]; /* 1 + the column that h's network is multiplied by there; 0: none; -1: by 0, so
                                               that the target is its base */
  bool only_targets; /* the value is 1/2 ||a - h||^2 alone: there is no first network */
  double rate;                       /* inner step size, or where the learned one starts */
  ml3_learn_rate learn_rate;
  int newton;        /* 0: d = grad; else d minimises the part with the targets, optimizee taken as linear, by so many iterations of
                        conjugate gradients; 1: grad, as long as is best (the Cauchy step) */
  double momentum; /* 0 <= momentum < 1 */
  bool learn_start;
  int theta_size; /* for a step size a parameter and for learn_start */
} ml3_loss_spec;

/* A learned loss: its shape and its parameters. */
typedef struct ml3_loss {
  ml3_loss_spec spec;
  int size;        /* of phi */
  ml3_real *phi;   /* [size] */
  ml3_real *shift; /* [inputs of the network] they are (f - shift) * scale */
  ml3_real *scale;
  char (*names)[ML3_LOSS_NAME_MAX]; /* [features]; "f0", "f1" ... until named */
  int scaled_inputs; /* of the optimizees it was learned on, whose inputs are (x - shift) * scale by numbers that the problem
                        had measured (scaling.h); 0: none are known */
  double *scaling;   /* [2][scaled_inputs] shift, then scale; NULL when there is none */
} ml3_loss;

/* A loss with initial parameters drawn from `random`, shift 0 and scale 1; a learned start is 0 until set. Freed by
   ml3_loss_free. */
ml3_loss *ml3_loss_new(const ml3_loss_spec *spec, ml3_random *random, ml3_error *error);
void ml3_loss_free(ml3_loss *loss);

/* Numbers of a loss of the same spec. */
void ml3_loss_copy(ml3_loss *to, const ml3_loss *from); /* but for the scaling, which is not learned */
int ml3_loss_reserve_scaling(ml3_loss *loss, int inputs, ml3_error *error); /* room for it, of 0; for scaling.h and files */
void ml3_loss_name_features(ml3_loss *loss, const char *const *names); /* [features] */

int ml3_loss_features(const ml3_loss_spec *spec);       /* columns of a row */
int ml3_loss_value_net_size(const ml3_loss_spec *spec); /* of the first network: where the parameters of h begin */
int ml3_loss_net_size(const ml3_loss_spec *spec);       /* of both networks: where the start begins in phi */
ml3_mlp ml3_loss_target_net(const ml3_loss_spec *spec); /* h: hidden layers as the network's, linear output */
int ml3_loss_rate_size(const ml3_loss_spec *spec);      /* learned step sizes: 0, 1 or one a parameter */
ml3_real *ml3_loss_start(const ml3_loss *loss);         /* theta_0, or NULL when that is not learned */

/* The inner step size (the mean one where there is one a parameter). */
double ml3_loss_rate(const ml3_loss *loss);

/* The value of M_phi for one row of features [features], without weight and mean. */
double ml3_loss_value(const ml3_loss *loss, const double *features);

/* ---- nodes of a graph; phi, shift, scale are inputs of the graph ---- */

/* What the network sees of rows of features: [n, features] -> [n, inputs], chosen and normalised. */
ml3_node ml3_loss_build_inputs(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node shift, ml3_node scale,
                               ml3_node features);
/* The targeted columns a of rows of features: [n, features] -> [n, targets]. */
ml3_node ml3_loss_build_targets(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node features);
/* 1/2 ||a - h||^2 a row: [n, features], a [n, targets] -> [n, 1]. */
ml3_node ml3_loss_build_off_target(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift,
                                   ml3_node scale, ml3_node features, ml3_node a);
/* Its value a row, without weight: [n, features] -> [n, 1]. */
ml3_node ml3_loss_build(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                        ml3_node features);
/* Rows of `tasks` tasks, one task below the other -> [1,1], the sum of the tasks' weighted means. */
ml3_node ml3_loss_build_total(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                              ml3_node features, int tasks);
/* The weights in it: [tasks, rows of a task]. */
ml3_node ml3_loss_build_weights(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift,
                                ml3_node scale, ml3_node features, int tasks);
/* The inner step size: [1,1] or [1, theta_size]. */
ml3_node ml3_loss_build_rate(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi);

/* ---- use elsewhere ---- */

/* A loss on tasks of `rows` rows, with all that a program outside needs of it. */
typedef struct ml3_loss_function ml3_loss_function;
ml3_loss_function *ml3_loss_function_new(const ml3_loss *loss, int rows, ml3_error *error); /* keeps the pointer */
void ml3_loss_function_free(ml3_loss_function *f);                                          /* may be NULL */
/* The loss of features[rows][features]. May be NULL: values[rows] (of each row), weights[rows] (the loss is the sum of
   value times weight), gradient[rows][features] (of the loss by the features). */
double ml3_loss_function_run(ml3_loss_function *f, const ml3_real *features, ml3_real *values, ml3_real *weights,
                             ml3_real *gradient);

/* loss.safetensors. Tensors: weight0 [out][in], bias0 [out], weight1 ...; of h, target_weight0 ...; shift, scale; start; log_rate,
   or rate where it is signed; input_shift and input_scale, F64, of the optimizees' inputs. Text: "format", and "spec", a JSON object with everything of ml3_loss_spec and the features' names. */
int ml3_loss_save(const ml3_loss *loss, const char *path, ml3_error *error);
ml3_loss *ml3_loss_load(const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
