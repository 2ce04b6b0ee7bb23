/* Proximal policy optimisation's own keys, learner.*. See ppo.c. */
#ifndef ML3_AGENTS_PPO_H
#define ML3_AGENTS_PPO_H

#include "base/keys.h"

typedef struct ml3_ppo_options {
  double rate; /* Adam's step size */
  bool anneal; /* to 0 at the last update */
  double discount, lambda;
  int64_t epochs, minibatches; /* passes over a rollout, pieces of one */
  double clip;                 /* of the ratio, and of the value */
  bool clip_value;             /* the value's step is clipped as well */
  double entropy_weight, value_weight;
  double clip_norm;      /* of the gradient; 0: none */
  bool normalize_reward; /* by the deviation of the discounted return, to +-10 */
} ml3_ppo_options;

extern const ml3_keys ml3_ppo_keys;

#endif
