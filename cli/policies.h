/* The policy that a configuration describes (keys policy.*). */
#ifndef ML3_CLI_POLICIES_H
#define ML3_CLI_POLICIES_H

#include "agents/policy.h"
#include "cli/config.h"

int cli_policy_init(const cli_config *config, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error);

#endif
