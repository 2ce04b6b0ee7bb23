/* The table of policy.*: see policy_options.h. */
#include <stddef.h>
#include "agents/learn/policy_options.h"

#include "nn/mlp.h"

#define AT(field) offsetof(ml3_policy_options, field)
static const ml3_key keys[] = {
    {"policy.kind", ML3_KEY_CHOICE, AT(kind), "deterministic", 0, 0,
     "deterministic|gaussian|gaussian_state|categorical", NULL,
     "distribution of actions; gaussian: the standard deviations are parameters; gaussian_state: they depend on the "
     "state; categorical: discrete actions"},
    {"policy.log_std", ML3_KEY_REAL, AT(log_std), "-0.5", -5, 2, NULL, NULL,
     "initial logarithm of the standard deviation"},
    {"policy.goal", ML3_KEY_BOOL, AT(goal), "false", 0, 0, NULL, NULL, "append the goal to the observation"},
    {"policy.normalize", ML3_KEY_BOOL, AT(normalize), "true", 0, 0, NULL, NULL,
     "Gaussian policies: normalize inputs to mean 0 and deviation 1, by rollouts of initial policies; with learners: "
     "by running statistics"},
    {"policy.hidden", ML3_KEY_NUMBERS, AT(hidden), "[64, 64]", 1, 4096, NULL, NULL, "widths of the hidden layers"},
    {"policy.activation", ML3_KEY_CHOICE, AT(activation), "tanh", 0, 0, ML3_ACTIVATION_CHOICES, NULL,
     "of the hidden layers"},
    {"policy.start", ML3_KEY_CHOICE, AT(start), "fan_in", 0, 0, "fan_in|xavier", NULL,
     "initial parameters, as loss.start"},
    {"policy.bias", ML3_KEY_BOOL, AT(bias), "true", 0, 0, NULL, NULL, "biases in every layer"},
    {"policy.squash", ML3_KEY_CHOICE, AT(squash), "tanh", 0, 0, "clamp|tanh", NULL,
     "how the output is kept within the action's bounds"},
    {"policy.obs_scale", ML3_KEY_NUMBERS, AT(obs_scale), "[]", -1e6, 1e6, NULL, NULL,
     "a factor for each observation; empty: all 1"},
    {"policy.relative", ML3_KEY_NAMES, AT(relative), "[]", 0, 0, NULL, NULL,
     "pairs of observations, [x, goal_x]: policies see the first minus the second in place of the first"},
    {"policy.output_gain", ML3_KEY_REAL, AT(output_gain), "1", 0, 100, NULL, NULL,
     "factor on the initial parameters of the last layer: below 1, initial actions are small"},
};
#undef AT
const ml3_keys ml3_policy_keys = ML3_KEYS(keys, ml3_policy_options);
