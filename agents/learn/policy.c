/* Policies: an MLP on normalised observations, deterministic, the mean of a Gaussian or logits; as numbers and as a
   graph. */
#include "agents/learn/policy_categorical.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/squashed.h"

static const double INPUT_LIMIT = 10; /* deviations that an input may be away from its mean */

/* ---- making --------------------------------------------------------------------------------------------- */

int ml3_policy_init(ml3_policy *policy, const ml3_env_spec *env, const int *hidden, int depth,
                    ml3_activation activation, bool bias, ml3_error *error) {
  const int actions = env->choices ? env->choices : env->action_dim;
  if (depth < 0 || depth > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "policy: %d hidden layers; 0 to %d are possible", depth,
                         ML3_MLP_MAX_DEPTH);

  *policy = (ml3_policy){.net = {.inputs = env->obs_dim,
                                 .outputs = actions,
                                 .depth = depth,
                                 .activation = activation,
                                 .output = ML3_IDENTITY,
                                 .bias = bias},
                         .obs_dim = env->obs_dim,
                         .kind = env->choices ? ML3_POLICY_CATEGORICAL : ML3_POLICY_DETERMINISTIC,
                         .action_dim = env->action_dim,
                         .action = env->action,
                         .choices = env->choices,
                         .log_std_min = -5,
                         .log_std_max = 2,
                         .output_gain = 1};
  if (depth) memcpy(policy->net.hidden, hidden, (size_t)depth * sizeof *hidden);
  int code = ml3_env_check_sizes(env, error);
  return code == ML3_OK ? ml3_mlp_check(&policy->net, "policy", error) : code;
}

int ml3_policy_reserve(ml3_policy *policy, ml3_error *error) {
  const size_t n = (size_t)policy->net.inputs;
  if (policy->shift) return ML3_OK;
  double *numbers = calloc(n, 2 * sizeof *numbers + sizeof *policy->minus);
  if (!numbers) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a policy of %zu inputs", n);
  policy->shift = numbers, policy->scale = numbers + n, policy->minus = (int *)(numbers + 2 * n);
  for (size_t i = 0; i < n; i++) policy->scale[i] = 1;
  return ML3_OK;
}

void ml3_policy_free(ml3_policy *policy) {
  free(policy->shift); /* the others are behind it */
  policy->shift = policy->scale = NULL, policy->minus = NULL;
}

int ml3_policy_copy(ml3_policy *to, const ml3_policy *from, ml3_error *error) {
  const size_t n = (size_t)from->net.inputs;
  *to = *from;
  to->shift = to->scale = NULL, to->minus = NULL;
  if (!from->shift) return ML3_OK;
  const int code = ml3_policy_reserve(to, error);
  if (code == ML3_OK) memcpy(to->shift, from->shift, n * (2 * sizeof *from->shift + sizeof *from->minus));
  return code;
}

int ml3_policy_make_gaussian(ml3_policy *policy, ml3_policy_kind kind, double log_std_init, ml3_error *error) {
  if (policy->choices)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy: a Gaussian one for an environment that takes one of %d discrete actions; "
                         "categorical fits",
                         policy->choices);
  if (!(log_std_init >= policy->log_std_min && log_std_init <= policy->log_std_max))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy: the logarithm of the standard deviation starts at %g; %g to %g are possible",
                         log_std_init, policy->log_std_min, policy->log_std_max);
  policy->kind = kind;
  policy->log_std_init = log_std_init;
  policy->net.outputs = (kind == ML3_POLICY_GAUSSIAN_STATE ? 2 : 1) * policy->action_dim;
  return ml3_mlp_check(&policy->net, "policy", error);
}

int ml3_policy_add_goal(ml3_policy *policy, const ml3_env_spec *env, ml3_error *error) {
  ml3_policy before = *policy;
  const size_t n = (size_t)before.net.inputs;
  policy->goal_dim = env->goal_dim;
  policy->net.inputs = policy->obs_dim + policy->goal_dim;
  int code = ml3_mlp_check(&policy->net, "policy", error);
  if (code != ML3_OK || !before.shift) return code;
  policy->shift = NULL;
  if ((code = ml3_policy_reserve(policy, error)) != ML3_OK) return *policy = before, code;
  memcpy(policy->shift, before.shift, n * sizeof *before.shift);
  memcpy(policy->scale, before.scale, n * sizeof *before.scale);
  memcpy(policy->minus, before.minus, n * sizeof *before.minus);
  ml3_policy_free(&before);
  return ML3_OK;
}

int ml3_policy_make_relative(ml3_policy *policy, int i, int j, ml3_error *error) {
  const int inputs = policy->net.inputs;
  if (i < 0 || j < 0 || i >= inputs || j >= inputs || i == j)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "policy: input %d cannot be taken relative to %d; there are %d", i, j,
                         inputs);
  const int code = ml3_policy_reserve(policy, error);
  if (code == ML3_OK) policy->minus[i] = j + 1;
  return code;
}

/* log_std at the end of theta. */
static int free_log_stds(const ml3_policy *p) {
  return p->kind == ML3_POLICY_GAUSSIAN ? p->action_dim : 0;
}

int ml3_policy_size(const ml3_policy *policy) {
  return ml3_mlp_size(&policy->net) + free_log_stds(policy);
}

void ml3_policy_bound_log_std(const ml3_policy *policy, ml3_real *theta) {
  ml3_real *log_std = theta + ml3_mlp_size(&policy->net);
  for (int i = 0; i < free_log_stds(policy); i++)
    log_std[i] = (ml3_real)fmin(fmax((double)log_std[i], policy->log_std_min), policy->log_std_max);
}

static void set_log_std(const ml3_policy *policy, ml3_real *theta) {
  for (int i = 0; i < free_log_stds(policy); i++)
    theta[ml3_mlp_size(&policy->net) + i] = (ml3_real)policy->log_std_init;
}

void ml3_policy_draw(const ml3_policy *policy, ml3_random *random, ml3_real *theta) {
  const ml3_mlp *net = &policy->net;
  const int in = net->depth ? net->hidden[net->depth - 1] : net->inputs, size = ml3_mlp_size(net);
  ml3_mlp_init(net, random, theta);
  for (int i = size - net->outputs * (in + (net->bias ? 1 : 0)); i < size && policy->output_gain != 1; i++)
    theta[i] *= (ml3_real)policy->output_gain;
  set_log_std(policy, theta);
}

int ml3_policy_draw_orthogonal(const ml3_policy *policy, double gain, ml3_random *random, ml3_real *theta,
                               ml3_error *error) {
  set_log_std(policy, theta);
  return ml3_mlp_draw_orthogonal(&policy->net, gain, random, theta, error);
}

/* ---- one observation ------------------------------------------------------------------------------------- */

/* Middle and half width of an action's bounds. */
static double middle(const ml3_policy *p, int i) {
  return (p->action[i].low + p->action[i].high) / 2;
}
static double half(const ml3_policy *p, int i) {
  return (p->action[i].high - p->action[i].low) / 2;
}

double ml3_policy_half_width(const ml3_policy *policy, int action) {
  const double width = half(policy, action);
  return isfinite(width) ? width : 1;
}

static double input(const ml3_policy *p, const double *obs, const double *goal, int i) {
  double x = i < p->obs_dim ? obs[i] : goal[i - p->obs_dim];
  if (p->shift) {
    const int other = p->minus[i] - 1;
    if (other >= 0) x -= other < p->obs_dim ? obs[other] : goal[other - p->obs_dim];
    x = (x - p->shift[i]) * p->scale[i];
  }
  return p->clip_input ? fmin(fmax(x, -INPUT_LIMIT), INPUT_LIMIT) : x;
}

void ml3_policy_input(const ml3_policy *policy, const double *obs, const double *goal, ml3_real *x) {
  for (int i = 0; i < policy->net.inputs; i++) x[i] = (ml3_real)input(policy, obs, goal, i);
}

void ml3_policy_act(const ml3_policy *policy, const ml3_real *theta, const double *obs, const double *goal,
                    double *action) {
  double x[policy->net.inputs], y[policy->net.outputs];
  for (int i = 0; i < policy->net.inputs; i++) x[i] = input(policy, obs, goal, i);
  ml3_mlp_forward(&policy->net, theta, x, y);
  if (policy->choices) {
    action[0] = ml3_categorical_likeliest(y, policy->choices);
    return;
  }
  for (int i = 0; i < policy->action_dim; i++) {
    if (policy->kind == ML3_POLICY_SQUASHED)
      y[i] = ml3_squashed_action(policy, i, y[i]);
    else if (policy->squash == ML3_SQUASH_TANH)
      y[i] = middle(policy, i) + half(policy, i) * tanh((y[i] - middle(policy, i)) / half(policy, i));
    action[i] = fmin(fmax(y[i], policy->action[i].low), policy->action[i].high);
  }
}

void ml3_policy_play(void *user, int step, const double *obs, const double *state, double *action) {
  const ml3_policy_player *player = user;
  (void)step, (void)state;
  ml3_policy_act(player->policy, player->theta, obs, player->goal, action);
}

/* ---- graphs ------------------------------------------------------------------------------------------------ */

static ml3_node build_squashed(ml3_nn_graph *g, const ml3_policy *policy, ml3_node raw, int i) {
  if (policy->squash == ML3_SQUASH_CLAMP)
    return policy->kind == ML3_POLICY_DETERMINISTIC
               ? ml3_nn_clamp(g, raw, policy->action[i].low, policy->action[i].high)
               : raw;
  ml3_node centred = ml3_nn_scale(g, ml3_nn_shift(g, raw, -middle(policy, i)), 1 / half(policy, i));
  return ml3_nn_shift(g, ml3_nn_scale(g, ml3_nn_tanh(g, centred), half(policy, i)), middle(policy, i));
}

/* One operation a layer where all actions have the same bounds. */
static ml3_node build_mean(ml3_nn_graph *g, const ml3_policy *policy, ml3_node raw) {
  const ml3_env_field *a = policy->action;
  ml3_node actions[policy->action_dim];
  bool alike = true;
  for (int i = 1; i < policy->action_dim; i++) alike = alike && a[i].low == a[0].low && a[i].high == a[0].high;
  raw = ml3_nn_slice_cols(g, raw, 0, policy->action_dim);
  if (alike) return build_squashed(g, policy, raw, 0);
  for (int i = 0; i < policy->action_dim; i++)
    actions[i] = build_squashed(g, policy, ml3_nn_slice_cols(g, raw, i, 1), i);
  return ml3_nn_concat_cols(g, actions, policy->action_dim);
}

/* clamp(x, low, high) whose gradient is 1 beyond the bounds too (straight through): a number that was driven out there would
   otherwise stay for ever. */
static ml3_node build_bounded(ml3_nn_graph *g, ml3_node x, double low, double high) {
  ml3_node value = ml3_nn_stop_gradient(g, ml3_nn_clamp(g, x, low, high));
  return ml3_nn_add(g, value, ml3_nn_sub(g, x, ml3_nn_stop_gradient(g, x))); /* + 0 */
}

/* Free ones are clamped; those from the network are squashed smoothly, as a saturated one would never come back. */
static ml3_node build_log_std(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node raw) {
  const double low = policy->log_std_min, high = policy->log_std_max, mid = (low + high) / 2, width = (high - low) / 2;
  if (policy->kind == ML3_POLICY_GAUSSIAN) {
    ml3_node free = ml3_nn_view(g, theta, ml3_mlp_size(&policy->net), 1, policy->action_dim);
    return ml3_nn_broadcast(g, build_bounded(g, free, low, high), ml3_nn_rows(g, raw), policy->action_dim);
  }
  /* the network's 0 is log_std_init */
  const double start = mid + width * tanh(atanh((policy->log_std_init - mid) / width * 0.999));
  ml3_node from_net = ml3_nn_slice_cols(g, raw, policy->action_dim, policy->action_dim);
  from_net = ml3_nn_shift(g, from_net, atanh((start - mid) / width));
  return ml3_nn_shift(g, ml3_nn_scale(g, ml3_nn_tanh(g, from_net), width), mid);
}

ml3_policy_nodes ml3_policy_build_from_input(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node x) {
  ml3_node raw = ml3_mlp_build(g, &policy->net, theta, 0, x);
  if (policy->kind == ML3_POLICY_SQUASHED) return ml3_squashed_build(g, policy, raw);
  ml3_policy_nodes nodes = {.mean = ML3_NN_NONE, .log_std = ML3_NN_NONE, .log_probs = ML3_NN_NONE};
  if (policy->choices) {
    nodes.log_probs = ml3_nn_log_softmax(g, raw);
    return nodes;
  }
  nodes.mean = build_mean(g, policy, raw);
  if (policy->kind != ML3_POLICY_DETERMINISTIC) nodes.log_std = build_log_std(g, policy, theta, raw);
  return nodes;
}

/* [1, inputs] of numbers. */
static ml3_node build_row(ml3_nn_graph *g, const double *values, int count) {
  ml3_node columns[count];
  for (int i = 0; i < count; i++) columns[i] = ml3_nn_constant(g, 1, 1, values[i]);
  return ml3_nn_concat_cols(g, columns, count);
}

/* Entries less others, where there are such. */
static ml3_node build_relative(ml3_nn_graph *g, const ml3_policy *policy, ml3_node obs) {
  ml3_node columns[policy->net.inputs];
  bool relative = false;
  for (int i = 0; i < policy->net.inputs; i++) {
    columns[i] = ml3_nn_slice_cols(g, obs, i, 1);
    if (!policy->minus[i]) continue;
    columns[i] = ml3_nn_sub(g, columns[i], ml3_nn_slice_cols(g, obs, policy->minus[i] - 1, 1));
    relative = true;
  }
  return relative ? ml3_nn_concat_cols(g, columns, policy->net.inputs) : obs;
}

/* Normalised inputs; nothing where that changes nothing. */
static ml3_node build_input(ml3_nn_graph *g, const ml3_policy *policy, ml3_node obs) {
  const int n = policy->net.inputs;
  if (policy->shift) obs = build_relative(g, policy, obs);
  bool shifted = false, scaled = false;
  for (int i = 0; i < n && policy->shift; i++) shifted = shifted || policy->shift[i] != 0, scaled = scaled || policy->scale[i] != 1;
  if (shifted) obs = ml3_nn_sub(g, obs, build_row(g, policy->shift, n));
  if (scaled) obs = ml3_nn_mul(g, obs, build_row(g, policy->scale, n));
  return policy->clip_input ? ml3_nn_clamp(g, obs, -INPUT_LIMIT, INPUT_LIMIT) : obs;
}

ml3_node ml3_policy_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node obs) {
  ml3_node mean = ml3_policy_build_from_input(g, policy, theta, build_input(g, policy, obs)).mean;
  return policy->kind == ML3_POLICY_SQUASHED ? ml3_squashed_build_action(g, policy, mean) : mean;
}

ml3_node ml3_policy_build_log_prob(ml3_nn_graph *g, ml3_policy_nodes at, ml3_node actions) {
  const double log_2pi = 1.8378770664093454836;
  if (at.log_probs != ML3_NN_NONE) return ml3_categorical_build_log_prob(g, at.log_probs, actions);
  ml3_node off = ml3_nn_mul(g, ml3_nn_sub(g, actions, at.mean), ml3_nn_exp(g, ml3_nn_neg(g, at.log_std)));
  ml3_node each = ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_square(g, off), 0.5), at.log_std);
  return ml3_nn_neg(g, ml3_nn_sum_cols(g, ml3_nn_shift(g, each, 0.5 * log_2pi)));
}

ml3_node ml3_policy_build_shares(ml3_nn_graph *g, const ml3_policy *policy, ml3_node actions) {
  ml3_node columns[policy->action_dim];
  for (int i = 0; i < policy->action_dim; i++)
    columns[i] = ml3_nn_scale(g, ml3_nn_slice_cols(g, actions, i, 1), 1 / ml3_policy_half_width(policy, i));
  return ml3_nn_concat_cols(g, columns, policy->action_dim);
}

ml3_node ml3_policy_build_entropy(ml3_nn_graph *g, ml3_policy_nodes at) {
  const double half_log_2pi_e = 1.4189385332046727418;
  if (at.log_probs != ML3_NN_NONE) return ml3_categorical_build_entropy(g, at.log_probs);
  return ml3_nn_sum_cols(g, ml3_nn_shift(g, at.log_std, half_log_2pi_e));
}

/* ---- normalisation ------------------------------------------------------------------------------------------- */

int ml3_normalizer_init(ml3_normalizer *n, int size, ml3_error *error) {
  *n = (ml3_normalizer){.size = size, .mean = calloc((size_t)size, 2 * sizeof *n->mean)};
  if (!n->mean) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to normalise %d numbers", size);
  n->squares = n->mean + size;
  return ML3_OK;
}

void ml3_normalizer_free(ml3_normalizer *n) {
  free(n->mean); /* squares are behind it */
  n->mean = n->squares = NULL;
}

void ml3_normalizer_add(ml3_normalizer *n, const double *rows, int count) {
  if (count < 1) return;
  const double total = n->count + count;
  for (int i = 0; i < n->size; i++) {
    double mean = 0, squares = 0;
    for (int r = 0; r < count; r++) mean += rows[r * n->size + i] / count;
    for (int r = 0; r < count; r++) squares += (rows[r * n->size + i] - mean) * (rows[r * n->size + i] - mean);
    const double delta = mean - n->mean[i];
    n->mean[i] += delta * count / total;
    n->squares[i] += squares + delta * delta * n->count * count / total;
  }
  n->count = total;
}

void ml3_normalizer_apply(const ml3_normalizer *n, ml3_policy *policy) {
  for (int i = 0; i < n->size && i < policy->net.inputs; i++) {
    const double variance = n->count > 0 ? n->squares[i] / n->count : 0;
    policy->shift[i] = n->mean[i];
    policy->scale[i] = variance > 1e-12 ? 1 / sqrt(variance + 1e-8) : 1;
  }
  policy->clip_input = true;
}
