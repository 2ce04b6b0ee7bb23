/* Keys policy.*: what a policy is made of. */
#ifndef ML3_AGENTS_POLICY_OPTIONS_H
#define ML3_AGENTS_POLICY_OPTIONS_H

#include "base/keys.h"

/* Choices are enums of policy.h and nn/mlp.h. */
typedef struct ml3_policy_options {
  ml3_key_numbers hidden, obs_scale;
  ml3_key_names relative;
  int activation, squash, kind, start;
  double log_std, output_gain;
  bool bias, goal, normalize;
} ml3_policy_options;

extern const ml3_keys ml3_policy_keys;

#endif
