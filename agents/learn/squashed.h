/* Squashed Gaussian policies (Haarnoja et al. 2018): u ~ N(mean, sigma^2), both from the network, share = tanh(u), and the action
   is the middle of its bounds plus share times half their width, so that it is always within them.

     log pi(share | s) = log N(u) - sum log(1 - tanh(u)^2),   log(1 - tanh(u)^2) = 2 (log 2 - u - log(1 + exp(-2 u)))

   which neither loses digits nor overflows for large |u|. The density is that of the shares, so that it and the target entropy do
   not depend on units. The network's second half is log sigma, clamped to [-20, 2], as in Stable-Baselines3. */
#ifndef ML3_AGENTS_SQUASHED_H
#define ML3_AGENTS_SQUASHED_H

#include "agents/learn/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a policy one of those; its action's bounds must be finite. */
int ml3_policy_make_squashed(ml3_policy *policy, ml3_error *error);

/* The action of u, and of a share in [-1, 1] back; k: which action. */
double ml3_squashed_action(const ml3_policy *policy, int k, double u);
double ml3_squashed_share(const ml3_policy *policy, int k, double action);
double ml3_squashed_log_derivative(double u); /* log(1 - tanh(u)^2) */

/* mean [rows, action_dim] of u, and log_std, from the network's outputs raw [rows, 2 action_dim]. */
ml3_policy_nodes ml3_squashed_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node raw);
/* From u to actions, both [rows, action_dim]. */
ml3_node ml3_squashed_build_action(ml3_nn_graph *g, const ml3_policy *policy, ml3_node u);

/* Drawn with standard normal noise [rows, action_dim]: gradients pass through the draw. */
typedef struct ml3_squashed_draw {
  ml3_node share;    /* [rows, action_dim] */
  ml3_node log_prob; /* [rows, 1] */
} ml3_squashed_draw;
/* The draw mean + sigma noise, squashed; noise [rows, action_dim] is standard normal. */
ml3_squashed_draw ml3_squashed_build_draw(ml3_nn_graph *g, ml3_policy_nodes at, ml3_node noise);

#ifdef __cplusplus
}
#endif

#endif
