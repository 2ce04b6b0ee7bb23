/* What is meta-learned: parameters, value, graph. */
#include "metaloss/loss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/program.h"

/* ---- sizes ---------------------------------------------------------------------------------------- */

static bool learned(const ml3_loss_spec *spec) {
  return spec->kind == ML3_LOSS_LEARNED;
}
static int inputs_of(const ml3_loss_spec *spec) {
  return learned(spec) ? spec->net.inputs : 0;
}

int ml3_loss_features(const ml3_loss_spec *spec) {
  return spec->features ? spec->features : inputs_of(spec);
}

static bool is_target(const ml3_loss_spec *spec, int column) {
  for (int i = 0; i < spec->target_count; i++)
    if (spec->targets[i] == column) return true;
  return false;
}

/* Does the network see all columns in their order? */
static bool sees_all(const ml3_loss_spec *spec) {
  return ml3_loss_features(spec) == spec->net.inputs;
}
static int column_of(const ml3_loss_spec *spec, int input) {
  return sees_all(spec) ? input : spec->columns[input];
}

/* The inputs of the network that are no targets; returns their number. */
static int list_others(const ml3_loss_spec *spec, int *inputs) {
  int count = 0;
  for (int i = 0; i < spec->net.inputs; i++)
    if (!is_target(spec, column_of(spec, i))) inputs[count++] = i;
  return count;
}

ml3_mlp ml3_loss_target_net(const ml3_loss_spec *spec) {
  int others[ML3_LOSS_MAX_FEATURES];
  ml3_mlp net = spec->net;
  net.inputs = list_others(spec, others);
  net.outputs = spec->target_count;
  net.output = ML3_IDENTITY;
  return net;
}

int ml3_loss_value_net_size(const ml3_loss_spec *spec) {
  return learned(spec) && !spec->only_targets ? ml3_mlp_size(&spec->net) : 0;
}

int ml3_loss_net_size(const ml3_loss_spec *spec) {
  if (!learned(spec)) return 0;
  const ml3_mlp h = ml3_loss_target_net(spec);
  return ml3_loss_value_net_size(spec) + (spec->target_count ? ml3_mlp_size(&h) : 0);
}

int ml3_loss_rate_size(const ml3_loss_spec *spec) {
  if (spec->learn_rate == ML3_RATE_FIXED) return 0;
  return spec->learn_rate == ML3_RATE_SCALAR ? 1 : spec->theta_size;
}

static int rate_offset(const ml3_loss_spec *spec) {
  return ml3_loss_net_size(spec) + (spec->learn_start ? spec->theta_size : 0);
}

/* ---- making ------------------------------------------------------------------------------------- */

static int check_net(const ml3_loss_spec *spec, ml3_error *error) {
  const int outputs = spec->weighting == ML3_WEIGHTING_NONE ? 1 : 2, features = ml3_loss_features(spec);
  if (ml3_mlp_check(&spec->net, "learned loss", error) != ML3_OK) return error ? error->code : ML3_ERR_ARGUMENT;
  if (spec->net.outputs != outputs)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: it has %d outputs; it must have %d", spec->net.outputs,
                         outputs);
  if (features > ML3_LOSS_MAX_FEATURES || spec->net.inputs > features)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: %d inputs from %d features; at most %d are possible",
                         spec->net.inputs, features, ML3_LOSS_MAX_FEATURES);
  if (spec->base < 0 || spec->base > features)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: its base is feature %d; there are %d", spec->base - 1,
                         features);
  for (int i = 0; i < spec->net.inputs; i++)
    if (column_of(spec, i) < 0 || column_of(spec, i) >= features)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: input %d is feature %d; there are %d", i,
                           column_of(spec, i), features);
  return ML3_OK;
}

static int check_targets(const ml3_loss_spec *spec, ml3_error *error) {
  const int features = ml3_loss_features(spec);
  if (spec->target_count < 0 || spec->target_count > ML3_LOSS_MAX_TARGETS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: %d targets; 0 to %d are possible", spec->target_count,
                         ML3_LOSS_MAX_TARGETS);
  for (int i = 0; i < spec->target_count; i++) {
    if (spec->targets[i] < 0 || spec->targets[i] >= features)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: target %d is feature %d; there are %d", i,
                           spec->targets[i], features);
    if (spec->target_bases[i] < 0 || spec->target_bases[i] > features || spec->target_factors[i] < -1 ||
        spec->target_factors[i] > features)
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "learned loss: base and factor of target %d are features %d and %d; there are %d", i,
                           spec->target_bases[i] - 1, spec->target_factors[i] - 1, features);
  }
  if (spec->only_targets && (!spec->target_count || spec->base || spec->weighting != ML3_WEIGHTING_NONE))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learned loss: loss.only_targets leaves the distance from targets alone; it needs loss.targets, and "
                         "neither loss.base nor loss.weighting");
  if (spec->target_count && ml3_loss_target_net(spec).inputs == 0)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "learned loss: it sees nothing but its targets; what they should be must follow from something");
  return ML3_OK;
}

static int check(const ml3_loss_spec *spec, ml3_error *error) {
  if (learned(spec) && (check_net(spec, error) != ML3_OK || check_targets(spec, error) != ML3_OK))
    return error ? error->code : ML3_ERR_ARGUMENT;
  if (!(spec->rate > 0) || !isfinite(spec->rate))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: the inner step size is %g; it must be positive",
                         spec->rate);
  if (!(spec->momentum >= 0 && spec->momentum < 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learned loss: the inner momentum is %g; it must be at least 0 and below 1", spec->momentum);
  if (spec->newton < 0 || spec->newton > ML3_LOSS_MAX_NEWTON)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learned loss: %d iterations for a Gauss-Newton step; 0 to %d are possible", spec->newton,
                         ML3_LOSS_MAX_NEWTON);
  if (spec->newton && (!learned(spec) || !spec->target_count))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "learned loss: inner.newton is %d, but only a learned loss with targets knows its curvature; name "
        "some in loss.targets, or set inner.newton=0",
        spec->newton);
  const bool sized = spec->learn_rate >= ML3_RATE_PARAMETER || spec->learn_start;
  if (sized && (spec->theta_size < 1 || spec->theta_size > 1 << 28))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "learned loss: a learned start and a step size a parameter need the number of parameters of the "
        "optimizee");
  return ML3_OK;
}

static bool allocate(ml3_loss *loss) {
  const size_t size = (size_t)loss->size, inputs = (size_t)inputs_of(&loss->spec);
  const size_t features = (size_t)ml3_loss_features(&loss->spec);
  loss->phi = calloc(size + 1, sizeof *loss->phi);
  loss->shift = calloc(inputs + 1, sizeof *loss->shift);
  loss->scale = calloc(inputs + 1, sizeof *loss->scale);
  loss->names = calloc(features + 1, sizeof *loss->names);
  return loss->phi && loss->shift && loss->scale && loss->names;
}

/* A network that is added to something begins as a small part of the sum. */
static void shrink_last_layer(const ml3_mlp *net, ml3_real *phi) {
  const int in = net->depth ? net->hidden[net->depth - 1] : net->inputs;
  const int last = net->outputs * (in + (net->bias ? 1 : 0)), size = ml3_mlp_size(net);
  for (int i = size - last; i < size; i++) phi[i] *= (ml3_real)0.1;
}

static void draw_networks(const ml3_loss_spec *spec, ml3_random *random, ml3_real *phi) {
  if (!spec->only_targets) ml3_mlp_init(&spec->net, random, phi);
  if (!spec->only_targets && (spec->base || spec->target_count)) shrink_last_layer(&spec->net, phi);
  if (!spec->target_count) return;
  const ml3_mlp h = ml3_loss_target_net(spec);
  phi += ml3_loss_value_net_size(spec);
  ml3_mlp_init(&h, random, phi);
  shrink_last_layer(&h, phi);
}

ml3_loss *ml3_loss_new(const ml3_loss_spec *spec, ml3_random *random, ml3_error *error) {
  if (check(spec, error) != ML3_OK) return NULL;

  const int at = rate_offset(spec), rates = ml3_loss_rate_size(spec);
  ml3_loss *loss = calloc(1, sizeof *loss);
  if (loss) loss->spec = *spec, loss->size = at + rates;
  if (!loss || !allocate(loss)) {
    ml3_loss_free(loss);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a learned loss of %d parameters", at + rates);
    return NULL;
  }
  if (learned(spec)) draw_networks(spec, random, loss->phi);
  for (int i = 0; i < rates; i++)
    loss->phi[at + i] = (ml3_real)(spec->learn_rate == ML3_RATE_SIGNED ? spec->rate : log(spec->rate));
  for (int i = 0; i < inputs_of(spec); i++) loss->scale[i] = 1;
  for (int i = 0; i < ml3_loss_features(spec); i++) snprintf(loss->names[i], sizeof loss->names[i], "f%d", i);
  return loss;
}

void ml3_loss_free(ml3_loss *loss) {
  if (!loss) return;
  free(loss->phi);
  free(loss->shift);
  free(loss->scale);
  free(loss->names);
  free(loss->scaling);
  free(loss);
}

int ml3_loss_reserve_scaling(ml3_loss *loss, int inputs, ml3_error *error) {
  double *scaling = calloc(2 * (size_t)inputs, sizeof *scaling);
  if (!scaling) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the scaling of %d inputs", inputs);
  free(loss->scaling);
  loss->scaling = scaling;
  loss->scaled_inputs = inputs;
  return ML3_OK;
}

void ml3_loss_copy(ml3_loss *to, const ml3_loss *from) {
  const size_t inputs = (size_t)inputs_of(&from->spec), features = (size_t)ml3_loss_features(&from->spec);
  memcpy(to->phi, from->phi, (size_t)from->size * sizeof *to->phi);
  memcpy(to->shift, from->shift, inputs * sizeof *to->shift);
  memcpy(to->scale, from->scale, inputs * sizeof *to->scale);
  memcpy(to->names, from->names, features * sizeof *to->names);
}

void ml3_loss_name_features(ml3_loss *loss, const char *const *names) {
  for (int i = 0; i < ml3_loss_features(&loss->spec); i++)
    snprintf(loss->names[i], sizeof loss->names[i], "%s", names[i]);
}

/* ---- value ----------------------------------------------------------------------------------------- */

ml3_real *ml3_loss_start(const ml3_loss *loss) {
  return loss->spec.learn_start ? loss->phi + ml3_loss_net_size(&loss->spec) : NULL;
}

double ml3_loss_rate(const ml3_loss *loss) {
  const int rates = ml3_loss_rate_size(&loss->spec);
  const ml3_real *at = loss->phi + rate_offset(&loss->spec);
  if (rates == 0) return loss->spec.rate;
  double sum = 0;
  for (int i = 0; i < rates; i++) sum += loss->spec.learn_rate == ML3_RATE_SIGNED ? (double)at[i] : exp((double)at[i]);
  return sum / rates;
}

/* Columns of the network's last layer: the value's output function is not the weight's. */
static ml3_mlp linear_out(const ml3_loss_spec *spec) {
  ml3_mlp net = spec->net;
  if (spec->weighting != ML3_WEIGHTING_NONE) net.output = ML3_IDENTITY;
  return net;
}

/* 1/2 ||a - h||^2 of a row of features; x is what the network sees of it. */
static double off_target(const ml3_loss *loss, const double *features, const double *x) {
  const ml3_loss_spec *spec = &loss->spec;
  const ml3_mlp h = ml3_loss_target_net(spec);
  int others[ML3_LOSS_MAX_FEATURES];
  double seen[ML3_LOSS_MAX_FEATURES], target[ML3_LOSS_MAX_TARGETS], sum = 0;
  const int count = list_others(spec, others);
  for (int i = 0; i < count; i++) seen[i] = x[others[i]];
  ml3_mlp_forward(&h, loss->phi + ml3_loss_value_net_size(spec), seen, target);
  for (int i = 0; i < spec->target_count; i++) {
    const double base = spec->target_bases[i] ? features[spec->target_bases[i] - 1] : 0;
    const int by = spec->target_factors[i];
    const double factor = by > 0 ? features[by - 1] : by == 0 ? 1 : 0;
    sum += 0.5 * pow(features[spec->targets[i]] - base - factor * target[i], 2);
  }
  return sum;
}

double ml3_loss_value(const ml3_loss *loss, const double *features) {
  const ml3_loss_spec *spec = &loss->spec;
  if (!learned(spec)) return NAN;
  double x[ML3_LOSS_MAX_FEATURES], y[2];
  for (int i = 0; i < spec->net.inputs; i++) x[i] = (features[column_of(spec, i)] - loss->shift[i]) * loss->scale[i];
  if (spec->only_targets) return off_target(loss, features, x);
  const ml3_mlp net = linear_out(spec);
  ml3_mlp_forward(&net, loss->phi, x, y);
  const bool late = net.output != spec->net.output; /* softplus of the value alone */
  const double base = spec->base ? features[spec->base - 1] : 0;
  return base + (spec->target_count ? off_target(loss, features, x) : 0) +
         (late ? fmax(y[0], 0) + log1p(exp(-fabs(y[0]))) : y[0]);
}

/* ---- graph ------------------------------------------------------------------------------------------- */

/* The columns with those numbers, side by side. */
static ml3_node build_columns(ml3_nn_graph *g, ml3_node rows, const int *columns, int count) {
  ml3_node each[ML3_LOSS_MAX_FEATURES];
  for (int i = 0; i < count; i++) each[i] = ml3_nn_slice_cols(g, rows, columns[i], 1);
  return ml3_nn_concat_cols(g, each, count);
}

ml3_node ml3_loss_build_inputs(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node shift, ml3_node scale,
                               ml3_node features) {
  if (!sees_all(spec)) features = build_columns(g, features, spec->columns, spec->net.inputs);
  return ml3_nn_mul(g, ml3_nn_sub(g, features, shift), scale);
}

ml3_node ml3_loss_build_targets(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node features) {
  return build_columns(g, features, spec->targets, spec->target_count);
}

static ml3_node build_outputs(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                              ml3_node features) {
  const ml3_mlp net = linear_out(spec);
  return ml3_mlp_build(g, &net, phi, 0, ml3_loss_build_inputs(g, spec, shift, scale, features));
}

/* The columns of those numbers, less 1, side by side, `none` where they are 0, and 0 where they are negative: [n, features] ->
   [n, targets]; ML3_NN_NONE where all are 0. */
static ml3_node build_optional(ml3_nn_graph *g, const ml3_loss_spec *spec, const int *columns, double none, ml3_node features) {
  ml3_node each[ML3_LOSS_MAX_TARGETS];
  bool any = false;
  for (int i = 0; i < spec->target_count; i++) {
    each[i] = columns[i] > 0 ? ml3_nn_slice_cols(g, features, columns[i] - 1, 1)
                             : ml3_nn_constant(g, ml3_nn_rows(g, features), 1, columns[i] == 0 ? none : 0);
    any = any || columns[i];
  }
  return any ? ml3_nn_concat_cols(g, each, spec->target_count) : ML3_NN_NONE;
}

ml3_node ml3_loss_build_off_target(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift,
                                   ml3_node scale, ml3_node features, ml3_node a) {
  const ml3_mlp h = ml3_loss_target_net(spec);
  int others[ML3_LOSS_MAX_FEATURES];
  const int count = list_others(spec, others);
  ml3_node inputs = ml3_loss_build_inputs(g, spec, shift, scale, features);
  ml3_node target =
      ml3_mlp_build(g, &h, phi, ml3_loss_value_net_size(spec), build_columns(g, inputs, others, count));
  const ml3_node factor = build_optional(g, spec, spec->target_factors, 1, features),
                 base = build_optional(g, spec, spec->target_bases, 0, features);
  if (factor != ML3_NN_NONE) target = ml3_nn_mul(g, target, factor);
  if (base != ML3_NN_NONE) target = ml3_nn_add(g, target, base);
  ml3_node off = ml3_nn_sub(g, a, target);
  return ml3_nn_scale(g, ml3_nn_sum_cols(g, ml3_nn_square(g, off)), 0.5);
}

ml3_node ml3_loss_build(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                        ml3_node features) {
  if (spec->only_targets) {
    ml3_node a = ml3_loss_build_targets(g, spec, features);
    return ml3_loss_build_off_target(g, spec, phi, shift, scale, features, a);
  }
  ml3_node outputs = build_outputs(g, spec, phi, shift, scale, features);
  if (spec->weighting != ML3_WEIGHTING_NONE)
    outputs = ml3_nn_activate(g, spec->net.output, ml3_nn_slice_cols(g, outputs, 0, 1));
  if (spec->base) outputs = ml3_nn_add(g, outputs, ml3_nn_slice_cols(g, features, spec->base - 1, 1));
  if (!spec->target_count) return outputs;
  ml3_node a = ml3_loss_build_targets(g, spec, features);
  return ml3_nn_add(g, outputs, ml3_loss_build_off_target(g, spec, phi, shift, scale, features, a));
}

/* Of the network's second output, a row each. */
ml3_node ml3_loss_build_weights(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift,
                                ml3_node scale, ml3_node features, int tasks) {
  const int rows = ml3_nn_rows(g, features) / tasks;
  if (spec->weighting == ML3_WEIGHTING_NONE) return ml3_nn_constant(g, tasks, rows, 1.0 / rows);
  ml3_node outputs = build_outputs(g, spec, phi, shift, scale, features); /* the value's nodes again */
  ml3_node z = ml3_nn_view(g, ml3_nn_slice_cols(g, outputs, 1, 1), 0, tasks, rows);
  if (spec->weighting == ML3_WEIGHTING_SIGMOID) return ml3_nn_scale(g, ml3_nn_sigmoid(g, z), 2.0 / rows);
  ml3_node bounded = ml3_nn_scale(g, ml3_nn_tanh(g, ml3_nn_scale(g, z, 0.2)), 5), e = ml3_nn_exp(g, bounded);
  return ml3_nn_div(g, e, ml3_nn_sum_cols(g, e));
}

ml3_node ml3_loss_build_total(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                              ml3_node features, int tasks) {
  const int rows = ml3_nn_rows(g, features) / tasks;
  ml3_node values = ml3_loss_build(g, spec, phi, shift, scale, features);
  if (spec->weighting == ML3_WEIGHTING_NONE) return ml3_nn_scale(g, ml3_nn_sum(g, values), 1.0 / (rows > 0 ? rows : 1));
  ml3_node weights = ml3_loss_build_weights(g, spec, phi, shift, scale, features, tasks);
  return ml3_nn_dot(g, ml3_nn_view(g, values, 0, tasks, rows), weights);
}

ml3_node ml3_loss_build_rate(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi) {
  const int rates = ml3_loss_rate_size(spec);
  if (rates == 0) return ml3_nn_constant(g, 1, 1, spec->rate);
  ml3_node at = ml3_nn_view(g, phi, rate_offset(spec), 1, rates);
  return spec->learn_rate == ML3_RATE_SIGNED ? at : ml3_nn_exp(g, at);
}
