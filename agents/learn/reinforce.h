/* REINFORCE's own keys, learner.*. See reinforce.c. */
#ifndef ML3_AGENTS_REINFORCE_H
#define ML3_AGENTS_REINFORCE_H

#include "base/keys.h"

typedef struct ml3_reinforce_options {
  double rate; /* Adam's step size */
  bool anneal; /* to 0 at the last update */
  double discount, entropy_weight;
  double clip_norm; /* of the gradient; 0: none */
} ml3_reinforce_options;

extern const ml3_keys ml3_reinforce_keys;

#endif
