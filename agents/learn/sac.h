/* Soft actor-critic's own keys, learner.*. See sac.c. */
#ifndef ML3_AGENTS_SAC_H
#define ML3_AGENTS_SAC_H

#include "base/keys.h"

typedef struct ml3_sac_options {
  double rate; /* Adam's step size: of actor, critics and temperature */
  double discount;
  double tau;              /* how far the target networks move to the critics with every gradient step */
  int64_t batch, buffer;   /* transitions of a minibatch, and of the replay buffer */
  int64_t learning_starts; /* environment steps by uniform actions before anything is learned */
  double gradient_steps;   /* a step of an environment; below 1 as well */
  double alpha;            /* the temperature, or where it starts */
  bool learn_alpha;
  double target_entropy; /* of an action's shares; 0: minus the number of actions */
  ml3_key_numbers critic_hidden;
} ml3_sac_options;

extern const ml3_keys ml3_sac_keys;

#endif
