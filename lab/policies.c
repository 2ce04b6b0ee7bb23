/* From policy.* to a policy: see policies.h. */
#include "lab/policies.h"

#include <stdio.h>
#include <string.h>

#include "agents/control/narrow.h"
#include "lab/callbacks.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/problems.h"
#include "lab/run_environment.h"

ml3_env_spec *ml3_lab_env_new(const ml3_lab_config *c, ml3_error *error) {
  const ml3_env_spec *env = ml3_lab_run_environment_spec(c, error);
  const char *names[ML3_LAB_LIST_MAX];
  for (int i = 0; i < c->rollout_fixed.count; i++) names[i] = c->rollout_fixed.values[i];
  return env ? ml3_env_narrow(env, names, c->rollout_fixed.count, error) : NULL;
}

/* Which observation has that name, or a negative code with the names there are. */
static int find_obs(const ml3_env_spec *env, const char *name, ml3_error *error) {
  char all[600] = "";
  for (int i = 0; i < env->obs_dim; i++) {
    if (strcmp(env->obs[i].name, name) == 0) return i;
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", env->obs[i].name);
  }
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "policy.relative: environment '%s' has no observation '%s'; it has: %s",
                       env->name, name, all);
}

static int make_relative(const ml3_lab_texts *pairs, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  if (pairs->count % 2)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy.relative has %d names; they come in pairs, such as [x, goal_x]", pairs->count);
  for (int i = 0; i < pairs->count; i += 2) {
    const int first = find_obs(env, pairs->values[i], error);
    const int second = first < 0 ? first : find_obs(env, pairs->values[i + 1], error);
    if (second < 0) return second;
    const int code = ml3_policy_make_relative(policy, first, second, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

int ml3_lab_policy_init(const ml3_lab_config *c, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  int widths[ML3_MLP_MAX_DEPTH];
  int code = ml3_lab_copy_widths(&c->policy_hidden, widths, "policy.hidden", error);
  if (code == ML3_OK)
    code = ml3_policy_init(policy, env, widths, c->policy_hidden.count, (ml3_activation)c->policy_activation,
                           c->policy_bias, error);
  if (code != ML3_OK) return code;
  policy->net.start = (ml3_mlp_start)c->policy_start;
  policy->squash = (ml3_squash)c->policy_squash;
  policy->output_gain = c->policy_output_gain;
  if (c->policy_obs_scale.count && c->policy_obs_scale.count != env->obs_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy.obs_scale has %d entries; environment '%s' has %d observations",
                         c->policy_obs_scale.count, env->name, env->obs_dim);
  for (int i = 0; i < c->policy_obs_scale.count; i++) policy->scale[i] = c->policy_obs_scale.values[i];
  if ((code = make_relative(&c->policy_relative, env, policy, error)) != ML3_OK) return code;
  if (c->policy_kind != ML3_POLICY_DETERMINISTIC)
    code = ml3_policy_make_gaussian(policy, (ml3_policy_kind)c->policy_kind, c->policy_log_std, error);
  return code == ML3_OK && c->policy_goal ? ml3_policy_add_goal(policy, env, error) : code;
}

static int on_update(void *user, const ml3_learner_report *report) {
  char note[48] = "";
  if (report->episodes) snprintf(note, sizeof note, "return %.2f", report->episode_return);
  const ml3_lab_callbacks *callbacks = user;
  ml3_lab_progress(callbacks, report->updates, note);
  return ml3_lab_interrupted(callbacks);
}

/* By PPO on all tasks, with its usual policy, which sees what the problem's sees: that may be one for gentle updates. */
static ml3_expert *learn_expert(const ml3_lab_config *c, const ml3_env_spec *env, ml3_error *error) {
  ml3_lab_config usual = *c;
  ml3_policy policy;
  if (ml3_lab_config_set(&usual, "method=ppo", error) != ML3_OK ||
      ml3_lab_policy_init(&usual, env, &policy, error) != ML3_OK)
    return NULL;
  policy.log_std_init = c->extra_expert_log_std;
  ml3_learner_settings s = ml3_lab_learner_settings(&usual, env, &policy);
  s.updates = c->extra_expert_updates;
  if (c->from_checkpoint) {
    policy.clip_input = s.normalize_obs;
    return ml3_expert_new(&policy, error);
  }
  ml3_lab_begin(c->callbacks, "expert by PPO", s.updates);
  ml3_expert *expert = ml3_expert_learn(&ml3_learner_ppo, &s, on_update, (void *)c->callbacks, error);
  ml3_lab_end(c->callbacks);
  return expert;
}

ml3_expert *ml3_lab_expert_new(const ml3_lab_config *c, const ml3_env_spec *env, ml3_error *error) {
  if (*c->extra_file) return ml3_expert_open(c->extra_file, env, error);
  if (c->extra_expert == ML3_LAB_EXPERT_PPO) return learn_expert(c, env, error);
  ml3_error_set(error, ML3_ERR_ARGUMENT,
                "extra.kind: advice is a policy's, and extra.expert is ilqr, which plans for single tasks; set "
                "extra.expert=ppo, or extra.file to a policy.safetensors");
  return NULL;
}

static int on_plan(void *user, int planned) {
  const ml3_lab_callbacks *callbacks = user;
  ml3_lab_progress(callbacks, planned, "");
  return ml3_lab_interrupted(callbacks);
}

static ml3_demonstrations *plan_demonstrations(const ml3_lab_config *c, const ml3_env_spec *env, int count, int steps,
                                               ml3_error *error) {
  ml3_lab_begin(c->callbacks, "demonstrations by iLQR", count);
  ml3_demonstrations *planned = ml3_demonstrations_plan(env, count, steps, (uint64_t)c->seed, (int)c->threads, on_plan,
                                                        (void *)c->callbacks, error);
  ml3_lab_end(c->callbacks);
  return planned;
}

ml3_demonstrations *ml3_lab_demonstrations_new(const ml3_lab_config *c, const ml3_env_spec *env, ml3_error *error) {
  const int steps = c->horizon ? (int)c->horizon : env->horizon, count = (int)c->extra_demonstrations;
  if (*c->extra_file) return ml3_demonstrations_read(env, c->extra_file, count, steps, error);
  if (c->from_checkpoint) return ml3_demonstrations_new(env, count, steps, error);
  if (c->extra_expert != ML3_LAB_EXPERT_PPO) return plan_demonstrations(c, env, count, steps, error);
  ml3_expert *expert = learn_expert(c, env, error);
  ml3_demonstrations *shown =
      expert ? ml3_demonstrations_show(env, expert, count, steps, (uint64_t)c->seed, error) : NULL;
  ml3_expert_free(expert);
  return shown;
}
