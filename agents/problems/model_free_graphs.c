/* What of the model-free problem is differentiated: features, surrogates, extra information. See model_free.h. */
#include <math.h>

#include "agents/problems/model_free_internal.h"

int ml3_model_free_feature_width(const model_free *m, int feature) {
  switch (feature) {
    case SEES_STATE:
      return inputs(m);
    case SEES_GOAL:
      return m->settings.env->goal_dim;
    case SEES_LOG_PROB:
    case SEES_CREDIT:
      return 1;
    default:
      return actions(m);
  }
}

ml3_node ml3_model_free_build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                       ml3_node context) {
  const model_free *m = self(p);
  const int rows = inner_rows(m), n = inputs(m), a = actions(m), goal = m->settings.env->goal_dim;
  (void)context;
  ml3_node x = ml3_nn_view(g, data, 0, rows, n), action = ml3_nn_view(g, data, rows * n, rows, a);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, x);
  const ml3_node all[FEATURES] = {
      [SEES_STATE] = x,
      [SEES_MEAN] = at.mean,
      [SEES_LOG_STD] = at.log_std,
      [SEES_LOG_PROB] = ml3_policy_build_log_prob(g, at, action),
      [SEES_CREDIT] = ml3_nn_view(g, data, rows * (n + a), rows, 1),
      [SEES_GOAL] = ml3_nn_broadcast(g, ml3_nn_view(g, data, rows * (n + a + 3), 1, goal), rows, goal),
      [SEES_ACTION] = action};
  ml3_node seen[FEATURES];
  int count = 0;
  for (int i = 0; i < FEATURES; i++)
    if (m->sees[i]) seen[count++] = all[i];
  return ml3_nn_concat_cols(g, seen, count);
}

/* - mean of weight * log pi(a|s) over the rows of D or D'; weight is the block of numbers at `offset`. With a clip, where
   data may be of an older policy, weight * log pi becomes min(weight r, weight clamp(r, 1 - clip, 1 + clip)) with
   r = pi(a|s) / pi_old(a|s): the same gradient where the policy is the one that drew. `old` is the block of log pi_old. */
static ml3_node build_surrogate(const model_free *m, ml3_nn_graph *g, ml3_node theta, ml3_node data, int rows,
                                int offset, int old) {
  const double clip = m->settings.clip;
  const int n = inputs(m), a = actions(m);
  ml3_node x = ml3_nn_view(g, data, 0, rows, n), action = ml3_nn_view(g, data, rows * n, rows, a);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, x);
  ml3_node weight = ml3_nn_view(g, data, offset, rows, 1);
  ml3_node log_prob = ml3_policy_build_log_prob(g, at, action);
  if (clip <= 0) return ml3_nn_neg(g, ml3_nn_mean(g, ml3_nn_mul(g, weight, log_prob)));
  ml3_node ratio = ml3_nn_exp(g, ml3_nn_sub(g, log_prob, ml3_nn_view(g, data, old, rows, 1)));
  ml3_node free = ml3_nn_neg(g, ml3_nn_mul(g, weight, ratio));
  ml3_node clipped = ml3_nn_neg(g, ml3_nn_mul(g, weight, ml3_nn_clamp(g, ratio, 1 - clip, 1 + clip)));
  return ml3_nn_mean(g, ml3_nn_max(g, free, clipped));
}

ml3_node ml3_model_free_build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  (void)context;
  return build_surrogate(self(p), g, theta, data, outer_rows(self(p)), advantage_offset(self(p)), old_offset(self(p)));
}

/* What MAML and the task's own gradient descend: the surrogate on the data of the update. */
ml3_node ml3_model_free_build_inner_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                         ml3_node context) {
  const model_free *m = self(p);
  const int rows = inner_rows(m);
  (void)context;
  return build_surrogate(m, g, theta, data, rows, rows * (inputs(m) + actions(m) + 1),
                         rows * (inputs(m) + actions(m) + 2));
}

ml3_node ml3_model_free_build_exploration(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                          ml3_node context) {
  (void)context;
  return build_surrogate(self(p), g, theta, data, outer_rows(self(p)), extra_offset(self(p)), old_offset(self(p)));
}

ml3_node ml3_model_free_build_energy(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  ml3_node x = ml3_nn_view(g, data, 0, outer_rows(m), inputs(m));
  ml3_node mean = ml3_policy_build_from_input(g, &m->settings.policy, theta, x).mean;
  return ml3_nn_mean(g, ml3_nn_square(g, ml3_policy_build_shares(g, &m->settings.policy, mean)));
}

/* Mean squared distance of the policy's mean at x [rows][inputs] from an expert's actions [rows][m], in half bounds; each row's
   distance times its weight [rows][1], where there are some. */
static ml3_node build_off_expert(const model_free *m, ml3_nn_graph *g, ml3_node theta, ml3_node x, ml3_node expert,
                                 const ml3_node *weights) {
  const ml3_policy *policy = &m->settings.policy;
  ml3_node off = ml3_nn_sub(g, ml3_policy_build_from_input(g, policy, theta, x).mean, expert);
  if (weights) off = ml3_nn_mul(g, off, *weights);
  return ml3_nn_mean(g, ml3_nn_square(g, ml3_policy_build_shares(g, policy, off)));
}

/* Behind the log-probabilities: what an expert would do in the same rows, [rows][m]. */
ml3_node ml3_model_free_build_advice(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context) {
  const model_free *m = self(p);
  const int rows = outer_rows(m);
  (void)context;
  ml3_node x = ml3_nn_view(g, data, 0, rows, inputs(m)),
           expert = ml3_nn_view(g, data, extra_offset(m), rows, actions(m));
  return build_off_expert(m, g, theta, x, expert, NULL);
}

ml3_node ml3_model_free_build_targets(const ml3_problem *p, ml3_nn_graph *g, ml3_node data) {
  return ml3_nn_view(g, data, targets_offset(self(p)), inner_rows(self(p)), actions(self(p)));
}

/* Behind the advantages: x [steps][inputs], action [steps][m], weights [steps], 0 for a task without demonstration. */
ml3_node ml3_model_free_build_imitation(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  const model_free *m = self(p);
  const int steps = demo_steps(m), n = inputs(m), a = actions(m), from = extra_offset(m);
  (void)context;
  ml3_node x = ml3_nn_view(g, data, from, steps, n), expert = ml3_nn_view(g, data, from + steps * n, steps, a);
  ml3_node weights = ml3_nn_view(g, data, from + steps * (n + a), steps, 1);
  return build_off_expert(m, g, theta, x, expert, &weights);
}
