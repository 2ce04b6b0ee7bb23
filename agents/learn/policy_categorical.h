/* Categorical policies, for policy.c and rollout.c: see policy_categorical.c. */
#ifndef ML3_AGENTS_POLICY_CATEGORICAL_H
#define ML3_AGENTS_POLICY_CATEGORICAL_H

#include "agents/learn/policy.h"

/* log pi(action|s) [rows, 1] of log_probs [rows, n] and the numbers of choices, actions [rows, 1]. */
ml3_node ml3_categorical_build_log_prob(ml3_nn_graph *g, ml3_node log_probs, ml3_node actions);
/* [rows, 1] */
ml3_node ml3_categorical_build_entropy(ml3_nn_graph *g, ml3_node log_probs);

/* A choice drawn with the probabilities exp(log_probs[choices]), by one random number. */
int ml3_categorical_draw(const ml3_real *log_probs, int choices, ml3_random *random);
/* The number of the greatest logit, the first of equals. */
int ml3_categorical_likeliest(const double *logits, int choices);

#endif
