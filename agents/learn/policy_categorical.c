/* Categorical policies, for environments that take one of n actions: the network's n outputs are logits, and

     log pi(k|s) = logit_k - log sum_j exp logit_j,   entropy = - sum_k pi(k|s) log pi(k|s)

   An action is the number k of a choice. The policy's own action, by which it is judged, is the most probable one; of
   equals the first. */
#include <math.h>

#include "agents/learn/policy_categorical.h"

int ml3_policy_expects(const ml3_env_spec *env, ml3_policy_kind kind, ml3_error *error) {
  const bool categorical = kind == ML3_POLICY_CATEGORICAL;
  if (categorical == (env->choices > 0)) return ML3_OK;
  if (categorical)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "policy.kind is categorical, and environment '%s' takes numbers, not one of n discrete actions; "
        "gaussian fits",
        env->name);
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "policy.kind is %s, and environment '%s' takes one of %d discrete actions; categorical fits",
                       ml3_policy_kind_name(kind), env->name, env->choices);
}

ml3_node ml3_categorical_build_log_prob(ml3_nn_graph *g, ml3_node log_probs, ml3_node actions) {
  const int n = ml3_nn_cols(g, log_probs);
  ml3_node chosen[n > 0 ? n : 1];
  for (int k = 0; k < n; k++) {
    ml3_node off = ml3_nn_abs(g, ml3_nn_shift(g, actions, -k));
    ml3_node is = ml3_nn_greater(g, ml3_nn_constant(g, ml3_nn_rows(g, actions), 1, 0.5), off);
    chosen[k] = ml3_nn_mul(g, is, ml3_nn_slice_cols(g, log_probs, k, 1));
  }
  return ml3_nn_sum_cols(g, ml3_nn_concat_cols(g, chosen, n));
}

ml3_node ml3_categorical_build_entropy(ml3_nn_graph *g, ml3_node log_probs) {
  return ml3_nn_neg(g, ml3_nn_sum_cols(g, ml3_nn_mul(g, ml3_nn_exp(g, log_probs), log_probs)));
}

int ml3_categorical_draw(const ml3_real *log_probs, int choices, ml3_random *random) {
  double left = ml3_random_uniform(random, 0, 1);
  for (int k = 0; k + 1 < choices; k++) {
    left -= exp((double)log_probs[k]);
    if (left < 0) return k;
  }
  return choices - 1;
}

int ml3_categorical_likeliest(const double *logits, int choices) {
  int best = 0;
  for (int k = 1; k < choices; k++)
    if (logits[k] > logits[best]) best = k;
  return best;
}
