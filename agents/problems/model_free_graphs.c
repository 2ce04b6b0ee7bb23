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
  const ml3_block *d = m->inner;
  (void)context;
  ml3_node x = ml3_block_view(g, d[INNER_X], data), action = ml3_block_view(g, d[INNER_ACTION], data);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, x);
  ml3_node all[FEATURES] = {[SEES_STATE] = x,
                            [SEES_MEAN] = at.mean,
                            [SEES_LOG_STD] = at.log_std,
                            [SEES_LOG_PROB] = ml3_policy_build_log_prob(g, at, action),
                            [SEES_CREDIT] = ml3_block_view(g, d[INNER_CREDIT], data),
                            [SEES_ACTION] = action};
  if (m->sees[SEES_GOAL]) /* it may have none */
    all[SEES_GOAL] = ml3_nn_broadcast(g, ml3_block_view(g, d[INNER_GOAL], data), inner_rows(m), d[INNER_GOAL].cols);
  ml3_node seen[FEATURES];
  int count = 0;
  for (int i = 0; i < FEATURES; i++)
    if (m->sees[i]) seen[count++] = all[i];
  return ml3_nn_concat_cols(g, seen, count);
}

/* What a surrogate reads of D or D'. */
typedef struct surrogate {
  ml3_node x, action, weight, log_prob_old;
} surrogate;

/* Those of D', with one or the other kind of advantages. */
static surrogate view_outer(const model_free *m, ml3_nn_graph *g, ml3_node data, ml3_block weight) {
  return (surrogate){.x = ml3_block_view(g, m->outer[OUTER_X], data),
                     .action = ml3_block_view(g, m->outer[OUTER_ACTION], data),
                     .weight = ml3_block_view(g, weight, data),
                     .log_prob_old = ml3_block_view(g, m->outer[OUTER_LOG_PROB], data)};
}

/* - mean of weight * log pi(a|s) over the rows. With a clip, where data may be of an older policy, weight * log pi becomes
   min(weight r, weight clamp(r, 1 - clip, 1 + clip)) with r = pi(a|s) / pi_old(a|s): the same gradient where the policy is the
   one that drew. */
static ml3_node build_surrogate(const model_free *m, ml3_nn_graph *g, ml3_node theta, surrogate of) {
  const double clip = m->settings.clip;
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, of.x);
  const ml3_node weight = of.weight, action = of.action;
  ml3_node log_prob = ml3_policy_build_log_prob(g, at, action);
  if (clip <= 0) return ml3_nn_neg(g, ml3_nn_mean(g, ml3_nn_mul(g, weight, log_prob)));
  ml3_node ratio = ml3_nn_exp(g, ml3_nn_sub(g, log_prob, of.log_prob_old));
  ml3_node free = ml3_nn_neg(g, ml3_nn_mul(g, weight, ratio));
  ml3_node clipped = ml3_nn_neg(g, ml3_nn_mul(g, weight, ml3_nn_clamp(g, ratio, 1 - clip, 1 + clip)));
  return ml3_nn_mean(g, ml3_nn_max(g, free, clipped));
}

ml3_node ml3_model_free_build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  return build_surrogate(m, g, theta, view_outer(m, g, data, m->outer[OUTER_ADVANTAGE]));
}

/* What MAML and the task's own gradient descend: the surrogate on the data of the update. */
ml3_node ml3_model_free_build_inner_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                         ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  const surrogate of = {.x = ml3_block_view(g, m->inner[INNER_X], data),
                        .action = ml3_block_view(g, m->inner[INNER_ACTION], data),
                        .weight = ml3_block_view(g, m->inner[INNER_ADVANTAGE], data),
                        .log_prob_old = ml3_block_view(g, m->inner[INNER_LOG_PROB], data)};
  return build_surrogate(m, g, theta, of);
}

ml3_model_free_nodes ml3_model_free_build_nodes(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data) {
  const model_free *m = self(p);
  const ml3_block *d = m->inner;
  const ml3_policy_nodes at =
      ml3_policy_build_from_input(g, &m->settings.policy, theta, ml3_block_view(g, d[INNER_X], data));
  const ml3_node log_prob = ml3_policy_build_log_prob(g, at, ml3_block_view(g, d[INNER_ACTION], data));
  return (ml3_model_free_nodes){
      .log_ratio = ml3_nn_sub(g, log_prob, ml3_block_view(g, d[INNER_LOG_PROB], data)),
      .advantage = ml3_block_view(g, d[INNER_ADVANTAGE], data)};
}

ml3_node ml3_model_free_build_exploration(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                          ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  return build_surrogate(m, g, theta, view_outer(m, g, data, m->outer[OUTER_EXPLORATION]));
}

ml3_node ml3_model_free_build_energy(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  ml3_node x = ml3_block_view(g, m->outer[OUTER_X], data);
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

/* What an expert would do where theta' went. */
ml3_node ml3_model_free_build_advice(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  ml3_node x = ml3_block_view(g, m->outer[OUTER_X], data), expert = ml3_block_view(g, m->outer[OUTER_ADVICE], data);
  return build_off_expert(m, g, theta, x, expert, NULL);
}

ml3_node ml3_model_free_build_targets(const ml3_problem *p, ml3_nn_graph *g, ml3_node data) {
  return ml3_block_view(g, self(p)->inner[INNER_TARGETS], data);
}

/* Along an expert's episode. */
ml3_node ml3_model_free_build_imitation(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  const model_free *m = self(p);
  const ml3_block *d = m->outer + OUTER_DEMONSTRATION;
  (void)context;
  ml3_node x = ml3_block_view(g, d[DEMONSTRATION_X], data), expert = ml3_block_view(g, d[DEMONSTRATION_ACTION], data);
  ml3_node weights = ml3_block_view(g, d[DEMONSTRATION_WEIGHT], data);
  return build_off_expert(m, g, theta, x, expert, &weights);
}
