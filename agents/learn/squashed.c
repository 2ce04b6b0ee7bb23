/* Squashed Gaussian policies as numbers and as graph: see squashed.h. */
#include "agents/learn/squashed.h"

#include <math.h>

static const double LOG_STD_MIN = -20, LOG_STD_MAX = 2, LOG_2 = 0.69314718055994530942;
static const double HALF_LOG_2PI = 0.91893853320467274178;

int ml3_policy_make_squashed(ml3_policy *policy, ml3_error *error) {
  if (policy->choices)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "actions are one of %d choices; a squashed Gaussian policy, which SAC learns, is for continuous "
                         "ones (method=ppo can learn these)",
                         policy->choices);
  for (int i = 0; i < policy->action_dim; i++) {
    const double low = policy->action[i].low, high = policy->action[i].high;
    if (!isfinite(low) || !isfinite(high) || !(low < high))
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "action %d is between %g and %g; a squashed Gaussian policy needs finite bounds of every action", i, low, high);
  }
  policy->kind = ML3_POLICY_SQUASHED;
  policy->squash = ML3_SQUASH_TANH;
  policy->log_std_init = 0; /* not used: the network says it */
  policy->log_std_min = LOG_STD_MIN, policy->log_std_max = LOG_STD_MAX;
  policy->net.outputs = 2 * policy->action_dim;
  return ml3_mlp_check(&policy->net, "policy", error);
}

/* ---- numbers -------------------------------------------------------------------------------------------------- */

double ml3_squashed_action(const ml3_policy *p, int k, double u) {
  const double low = p->action[k].low, high = p->action[k].high;
  return (low + high) / 2 + (high - low) / 2 * tanh(u);
}

double ml3_squashed_share(const ml3_policy *p, int k, double action) {
  const double low = p->action[k].low, high = p->action[k].high, share = (2 * action - low - high) / (high - low);
  return fmin(fmax(share, -1), 1);
}

double ml3_squashed_log_derivative(double u) {
  const double away = fabs(u); /* it is even */
  return 2 * (LOG_2 - away - log1p(exp(-2 * away)));
}

/* ---- graphs --------------------------------------------------------------------------------------------------- */

ml3_policy_nodes ml3_squashed_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node raw) {
  const int n = policy->action_dim;
  return (ml3_policy_nodes){
      .mean = ml3_nn_slice_cols(g, raw, 0, n),
      .log_std = ml3_nn_clamp(g, ml3_nn_slice_cols(g, raw, n, n), policy->log_std_min, policy->log_std_max)};
}

ml3_node ml3_squashed_build_action(ml3_nn_graph *g, const ml3_policy *policy, ml3_node u) {
  ml3_node share = ml3_nn_tanh(g, u), actions[policy->action_dim];
  for (int i = 0; i < policy->action_dim; i++) {
    const double low = policy->action[i].low, high = policy->action[i].high;
    const double middle = (low + high) / 2, half = (high - low) / 2;
    actions[i] = ml3_nn_shift(g, ml3_nn_scale(g, ml3_nn_slice_cols(g, share, i, 1), half), middle);
  }
  return ml3_nn_concat_cols(g, actions, policy->action_dim);
}

ml3_squashed_draw ml3_squashed_build_draw(ml3_nn_graph *g, ml3_policy_nodes at, ml3_node noise) {
  ml3_node u = ml3_nn_add(g, at.mean, ml3_nn_mul(g, ml3_nn_exp(g, at.log_std), noise));
  ml3_node gaussian = ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_square(g, noise), 0.5), at.log_std);
  ml3_node soft = ml3_nn_softplus(g, ml3_nn_scale(g, u, -2));
  ml3_node derivative = ml3_nn_scale(g, ml3_nn_shift(g, ml3_nn_neg(g, ml3_nn_add(g, u, soft)), LOG_2), 2);
  ml3_node each = ml3_nn_shift(g, ml3_nn_add(g, gaussian, derivative), HALF_LOG_2PI);
  return (ml3_squashed_draw){.share = ml3_nn_tanh(g, u), .log_prob = ml3_nn_neg(g, ml3_nn_sum_cols(g, each))};
}
