/* Policies: an MLP whose output is kept within the action's bounds; as numbers, as a graph, as a file. */
#include "agents/policy.h"

#include <math.h>
#include <string.h>

#include "nn/tensor_file.h"

int ml3_policy_init(ml3_policy *policy, const ml3_env_spec *env, const int *hidden, int depth,
                    ml3_activation activation, bool bias, ml3_error *error) {
  if (env->action_dim > ML3_POLICY_MAX_ACTIONS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s' has %d actions; policies have at most %d", env->name,
                         env->action_dim, ML3_POLICY_MAX_ACTIONS);
  if (env->obs_dim > ML3_POLICY_MAX_OBS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s' has %d observations; policies take at most %d",
                         env->name, env->obs_dim, ML3_POLICY_MAX_OBS);
  if (depth < 0 || depth > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "policy: %d hidden layers; 0 to %d are possible", depth,
                         ML3_MLP_MAX_DEPTH);

  *policy = (ml3_policy){.net = {.inputs = env->obs_dim,
                                 .outputs = env->action_dim,
                                 .depth = depth,
                                 .activation = activation,
                                 .output = ML3_IDENTITY,
                                 .bias = bias}};
  if (depth) memcpy(policy->net.hidden, hidden, (size_t)depth * sizeof *hidden);
  for (int i = 0; i < env->obs_dim; i++) policy->scale[i] = 1;
  for (int i = 0; i < env->action_dim; i++) {
    policy->low[i] = env->action[i].low;
    policy->high[i] = env->action[i].high;
  }
  return ml3_mlp_check(&policy->net, "policy", error);
}

/* Middle and half width of an action's bounds. */
static double middle(const ml3_policy *p, int i) { return (p->low[i] + p->high[i]) / 2; }
static double half(const ml3_policy *p, int i) { return (p->high[i] - p->low[i]) / 2; }

void ml3_policy_act(const ml3_policy *policy, const ml3_real *theta, const double *obs, double *action) {
  double scaled[ML3_POLICY_MAX_OBS];
  for (int i = 0; i < policy->net.inputs; i++) scaled[i] = policy->scale[i] * obs[i];
  ml3_mlp_forward(&policy->net, theta, scaled, action);
  for (int i = 0; i < policy->net.outputs; i++) {
    if (policy->squash == ML3_SQUASH_TANH)
      action[i] = middle(policy, i) + half(policy, i) * tanh((action[i] - middle(policy, i)) / half(policy, i));
    if (action[i] < policy->low[i]) action[i] = policy->low[i];
    if (action[i] > policy->high[i]) action[i] = policy->high[i];
  }
}

static ml3_node build_squashed(ml3_nn_graph *g, const ml3_policy *policy, ml3_node raw, int i) {
  if (policy->squash == ML3_SQUASH_CLAMP) return ml3_nn_clamp(g, raw, policy->low[i], policy->high[i]);
  ml3_node centred = ml3_nn_scale(g, ml3_nn_shift(g, raw, -middle(policy, i)), 1 / half(policy, i));
  return ml3_nn_shift(g, ml3_nn_scale(g, ml3_nn_tanh(g, centred), half(policy, i)), middle(policy, i));
}

/* Each observation times its scale; nothing where all scales are 1. */
static ml3_node build_scaled(ml3_nn_graph *g, const ml3_policy *policy, ml3_node obs) {
  ml3_node columns[ML3_POLICY_MAX_OBS];
  bool plain = true;
  for (int i = 0; i < policy->net.inputs; i++) plain = plain && policy->scale[i] == 1;
  if (plain) return obs;
  for (int i = 0; i < policy->net.inputs; i++)
    columns[i] = ml3_nn_scale(g, ml3_nn_slice_cols(g, obs, i, 1), policy->scale[i]);
  return ml3_nn_concat_cols(g, columns, policy->net.inputs);
}

ml3_node ml3_policy_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node obs) {
  ml3_node raw = ml3_mlp_build(g, &policy->net, theta, 0, build_scaled(g, policy, obs));
  ml3_node actions[ML3_POLICY_MAX_ACTIONS];
  for (int i = 0; i < policy->net.outputs; i++)
    actions[i] = build_squashed(g, policy, ml3_nn_slice_cols(g, raw, i, 1), i);
  return ml3_nn_concat_cols(g, actions, policy->net.outputs);
}

int ml3_policy_save(const ml3_policy *policy, const ml3_real *theta, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  if (!t) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  int code = ml3_nn_tensors_put_text(t, "format", "ml3 policy 1", error);
  if (!code) code = ml3_nn_tensors_put(t, "theta", 0, ml3_mlp_size(&policy->net), theta, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  ml3_nn_tensors_free(t);
  return code;
}

int ml3_policy_load(const ml3_policy *policy, ml3_real *theta, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return error ? error->code : ML3_ERR_IO;
  int code = ml3_nn_tensors_get(t, "theta", (size_t)ml3_mlp_size(&policy->net), theta, error);
  if (code) ml3_error_prefix(error, "'%s'", path);
  ml3_nn_tensors_free(t);
  return code;
}

void ml3_policy_play(void *user, int step, const double *obs, const double *state, double *action) {
  const ml3_policy_player *player = user;
  (void)step, (void)state;
  ml3_policy_act(player->policy, player->theta, obs, action);
}
