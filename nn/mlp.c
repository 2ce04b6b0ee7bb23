/* Multi-layer perceptrons: size, initial parameters, as a graph, as plain numbers. */
#include "nn/mlp.h"

#include <math.h>
#include <stdio.h>

#include "nn/graph_internal.h"

static const char *const activation_names[] = {"identity", "tanh", "relu", "elu", "softplus", "sigmoid"};

const char *ml3_activation_name(ml3_activation activation) { return activation_names[activation]; }

/* Widths of layer i: fan-in and fan-out; layers are numbered 0 .. depth. */
static int fan_in(const ml3_mlp *mlp, int i) { return i == 0 ? mlp->inputs : mlp->hidden[i - 1]; }
static int fan_out(const ml3_mlp *mlp, int i) { return i == mlp->depth ? mlp->outputs : mlp->hidden[i]; }

static ml3_activation activation_of(const ml3_mlp *mlp, int i) {
  return i == mlp->depth ? mlp->output : mlp->activation;
}

int ml3_mlp_check(const ml3_mlp *mlp, const char *what, ml3_error *error) {
  if (mlp->depth < 0 || mlp->depth > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %d hidden layers; 0 to %d are possible", what, mlp->depth,
                         ML3_MLP_MAX_DEPTH);
  for (int i = 0; i <= mlp->depth; i++)
    if (fan_in(mlp, i) < 1 || fan_out(mlp, i) < 1 || fan_out(mlp, i) > ML3_MLP_MAX_WIDTH)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: layer %d maps %d to %d; widths must be 1 to %d", what,
                           i + 1, fan_in(mlp, i), fan_out(mlp, i), ML3_MLP_MAX_WIDTH);
  if ((int64_t)fan_out(mlp, 0) * mlp->inputs > ML3_NN_MAX_ENTRIES)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: layer 1 maps %d to %d; %d weights are possible", what,
                         mlp->inputs, fan_out(mlp, 0), ML3_NN_MAX_ENTRIES);
  return ML3_OK;
}

int ml3_mlp_size(const ml3_mlp *mlp) {
  int size = 0;
  for (int i = 0; i <= mlp->depth; i++) size += fan_out(mlp, i) * (fan_in(mlp, i) + (mlp->bias ? 1 : 0));
  return size;
}

void ml3_mlp_init(const ml3_mlp *mlp, ml3_random *random, ml3_real *parameters) {
  for (int i = 0; i <= mlp->depth; i++) {
    const bool xavier = mlp->start == ML3_START_XAVIER;
    const int in = fan_in(mlp, i), out = fan_out(mlp, i), biases = mlp->bias ? out : 0;
    const double bound = xavier ? sqrt(6.0 / (in + out)) : 1 / sqrt(in);
    for (int j = 0; j < out * in; j++) *parameters++ = (ml3_real)ml3_random_uniform(random, -bound, bound);
    for (int j = 0; j < biases; j++)
      *parameters++ = xavier ? 0 : (ml3_real)ml3_random_uniform(random, -bound, bound);
  }
}

ml3_node ml3_nn_activate(ml3_nn_graph *g, ml3_activation activation, ml3_node x) {
  switch (activation) {
    case ML3_TANH: return ml3_nn_tanh(g, x);
    case ML3_RELU: return ml3_nn_relu(g, x);
    case ML3_ELU: return ml3_nn_elu(g, x);
    case ML3_SOFTPLUS: return ml3_nn_softplus(g, x);
    case ML3_SIGMOID: return ml3_nn_sigmoid(g, x);
    default: return x;
  }
}

/* A network that cannot be, or parameters from nowhere, make the graph sick. */
static bool can_build(ml3_nn_graph *g, const ml3_mlp *mlp, int offset) {
  ml3_error why = {0};
  if (g->error[0]) return false;
  if (ml3_mlp_check(mlp, "a network", &why) == ML3_OK && offset >= 0 && offset < ML3_NN_MAX_ENTRIES) return true;
  if (why.code != ML3_OK)
    snprintf(g->error, sizeof g->error, "%.200s", why.message);
  else
    snprintf(g->error, sizeof g->error, "a network's parameters cannot begin at entry %d", offset);
  return false;
}

ml3_node ml3_mlp_build(ml3_nn_graph *g, const ml3_mlp *mlp, ml3_node parameters, int offset, ml3_node x) {
  if (!can_build(g, mlp, offset)) return ML3_NN_NONE;
  for (int i = 0; i <= mlp->depth; i++) {
    int in = fan_in(mlp, i), out = fan_out(mlp, i);
    ml3_node weight = ml3_nn_view(g, parameters, offset, out, in);
    x = ml3_nn_product(g, x, false, weight, true);
    offset += out * in;
    if (mlp->bias) {
      x = ml3_nn_add(g, x, ml3_nn_view(g, parameters, offset, 1, out));
      offset += out;
    }
    x = ml3_nn_activate(g, activation_of(mlp, i), x);
  }
  return x;
}

static double activate(ml3_activation activation, double x) {
  switch (activation) {
    case ML3_TANH: return tanh(x);
    case ML3_RELU: return x > 0 ? x : 0;
    case ML3_ELU: return x > 0 ? x : expm1(x);
    case ML3_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
    case ML3_SIGMOID: return 1 / (1 + exp(-x));
    default: return x;
  }
}

/* y[4] += weight[4][in] x, each in the order of its inputs: one after the other, each addition would wait for the last. */
static void add_four(int in, const ml3_real *weight, const double *x, double *y) {
  const ml3_real *w1 = weight + in, *w2 = w1 + in, *w3 = w2 + in;
  double y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
  for (int k = 0; k < in; k++) {
    y0 += (double)weight[k] * x[k];
    y1 += (double)w1[k] * x[k];
    y2 += (double)w2[k] * x[k];
    y3 += (double)w3[k] * x[k];
  }
  y[0] = y0, y[1] = y1, y[2] = y2, y[3] = y3;
}

void ml3_mlp_forward(const ml3_mlp *mlp, const ml3_real *parameters, const double *x, double *y) {
  double layers[2][ML3_MLP_MAX_WIDTH];
  const double *from = x;
  for (int i = 0; i <= mlp->depth; i++) {
    const int in = fan_in(mlp, i), out = fan_out(mlp, i);
    double *to = i == mlp->depth ? y : layers[i % 2];
    const ml3_real *weight = parameters, *bias = parameters + (size_t)out * in;
    int j = 0;
    for (; j < out; j++) to[j] = mlp->bias ? bias[j] : 0;
    for (j = 0; j + 4 <= out; j += 4, weight += 4 * (size_t)in) add_four(in, weight, from, to + j);
    for (; j < out; j++, weight += in)
      for (int k = 0; k < in; k++) to[j] += (double)weight[k] * from[k];
    for (j = 0; j < out; j++) to[j] = activate(activation_of(mlp, i), to[j]);
    parameters = bias + (mlp->bias ? out : 0);
    from = to;
  }
}
