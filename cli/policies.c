/* From policy.* to a policy: see policies.h. */
#include "cli/policies.h"

#include "agents/narrow.h"
#include "cli/problems.h"

ml3_env_spec *cli_env_new(const cli_config *c, ml3_error *error) {
  const ml3_env_spec *env = ml3_env_find(c->environment, error);
  const char *names[CLI_LIST_MAX];
  for (int i = 0; i < c->rollout_fixed.count; i++) names[i] = c->rollout_fixed.values[i];
  return env ? ml3_env_narrow(env, names, c->rollout_fixed.count, error) : NULL;
}

int cli_policy_init(const cli_config *c, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  int widths[ML3_MLP_MAX_DEPTH];
  int code = cli_copy_widths(&c->policy_hidden, widths, "policy.hidden", error);
  if (code == ML3_OK)
    code = ml3_policy_init(policy, env, widths, c->policy_hidden.count, (ml3_activation)c->policy_activation,
                           c->policy_bias, error);
  if (code != ML3_OK) return code;
  policy->squash = (ml3_squash)c->policy_squash;
  policy->output_gain = c->policy_output_gain;
  if (c->policy_obs_scale.count && c->policy_obs_scale.count != env->obs_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy.obs_scale has %d entries; environment '%s' has %d observations",
                         c->policy_obs_scale.count, env->name, env->obs_dim);
  for (int i = 0; i < c->policy_obs_scale.count; i++) policy->scale[i] = c->policy_obs_scale.values[i];
  if (c->policy_kind != ML3_POLICY_DETERMINISTIC)
    code = ml3_policy_make_gaussian(policy, (ml3_policy_kind)c->policy_kind, c->policy_log_std, error);
  return code == ML3_OK && c->policy_goal ? ml3_policy_add_goal(policy, env, error) : code;
}
