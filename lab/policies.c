/* From policy.* to a policy: see policies.h. */
#include "lab/policies.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/narrow.h"
#include "lab/callbacks.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/problems.h"
#include "lab/run_environment.h"

#define AT(field) offsetof(ml3_rollout_options, field)
static const ml3_key rollout_keys[] = {
    {"rollout.fixed", ML3_KEY_NAMES, AT(fixed), "[]", 0, 0, NULL, NULL,
     "task parameters that keep their default values instead of being drawn: [mass, start_x]"},
    {"rollout.reward", ML3_KEY_NAMES, AT(reward), "[]", 0, 0, NULL, NULL,
     "other weights for terms of the reward: [forward=2]; the same as --set reward.forward=2"},
    {"rollout.episodes", ML3_KEY_INT, AT(episodes), "8", 1, 4096, NULL, NULL,
     "model_free: episodes of an inner update, and of an update of REINFORCE in comparisons"},
};
#undef AT
const ml3_keys ml3_rollout_keys = ML3_KEYS(rollout_keys, ml3_rollout_options);

#define AT(field) offsetof(ml3_extra_options, field)
static const ml3_key extra_keys[] = {
    {"extra.goal", ML3_KEY_NUMBERS, AT(goal), "[]", -1e9, 1e9, NULL, "extra.kind=exploration_goal",
     "exploration_goal: a state to visit first"},
    {"extra.until_step", ML3_KEY_INT, AT(until_step), "15", 1, 10000, NULL, "extra.kind=exploration_goal",
     "exploration_goal: the step up to which states are attracted to extra.goal"},
    {"extra.demonstrations", ML3_KEY_INT, AT(demonstrations), "64", 1, 65536, NULL, "extra.kind=demonstration",
     "demonstration: number of demonstrated tasks, by an expert or from the beginning of extra.file"},
    {"extra.expert", ML3_KEY_CHOICE, AT(expert), "ilqr", 0, 0, "ilqr|ppo", "extra.kind=demonstration|advice",
     "the expert: an iLQR plan for each task, or one PPO policy trained on all tasks by the keys learner.*"},
    {"extra.expert_updates", ML3_KEY_INT, AT(expert_updates), "500", 1, 1e9, NULL, "extra.kind=demonstration|advice",
     "updates of the PPO expert"},
    {"extra.expert_log_std", ML3_KEY_REAL, AT(expert_log_std), "-1", -10, 5, NULL, "extra.kind=demonstration|advice",
     "initial log standard deviation of the PPO expert: 0 covers more states, -1 gives more precise demonstrations"},
    {"extra.file", ML3_KEY_TEXT, AT(file), "", 0, 0, NULL, "extra.kind=demonstration|advice",
     "file in place of extra.expert; demonstration: a data set (HDF5) of episodes; advice: a policy.safetensors"},
};
#undef AT
const ml3_keys ml3_extra_keys = ML3_KEYS(extra_keys, ml3_extra_options);

ml3_env_spec *ml3_lab_env_new(const ml3_lab_config *c, ml3_error *error) {
  const ml3_rollout_options *rollout = ML3_LAB_GET(c, rollout);
  const ml3_env_spec *env = ml3_lab_run_environment_spec(c, error);
  const char *names[ML3_KEY_LIST_MAX], *weights[ML3_KEY_LIST_MAX];
  for (int i = 0; i < rollout->fixed.count; i++) names[i] = rollout->fixed.values[i];
  for (int i = 0; i < rollout->reward.count; i++) weights[i] = rollout->reward.values[i];
  ml3_env_spec *own = env ? ml3_env_narrow(env, names, rollout->fixed.count, error) : NULL;
  if (!own || ml3_env_reweigh(own, weights, rollout->reward.count, error) == ML3_OK) return own;
  free(own);
  return NULL;
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

static int make_relative(const ml3_key_names *pairs, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
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

/* What becomes of its inputs, and its kind. */
static int finish_policy(const ml3_lab_config *c, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  const ml3_policy_options *own = ML3_LAB_GET(c, policy);
  const ml3_policy_kind kind = (ml3_policy_kind)own->kind;
  int code = own->obs_scale.count ? ml3_policy_reserve(policy, error) : ML3_OK;
  for (int i = 0; i < own->obs_scale.count && code == ML3_OK; i++) policy->scale[i] = own->obs_scale.values[i];
  if (code == ML3_OK) code = make_relative(&own->relative, env, policy, error);
  if (code == ML3_OK && (kind == ML3_POLICY_GAUSSIAN || kind == ML3_POLICY_GAUSSIAN_STATE))
    code = ml3_policy_make_gaussian(policy, kind, own->log_std, error);
  const ml3_learner_kind *learner = ml3_lab_learner_kind(c);
  if (code == ML3_OK && learner && learner->policy) code = learner->policy(policy, error);
  return code == ML3_OK && own->goal ? ml3_policy_add_goal(policy, env, error) : code;
}

int ml3_lab_policy_init(const ml3_lab_config *c, const ml3_env_spec *env, ml3_policy *policy, ml3_error *error) {
  const ml3_policy_options *own = ML3_LAB_GET(c, policy);
  int widths[ML3_MLP_MAX_DEPTH];
  int code = ml3_policy_expects(env, (ml3_policy_kind)own->kind, error);
  if (code == ML3_OK) code = ml3_lab_copy_widths(&own->hidden, widths, "policy.hidden", error);
  if (code == ML3_OK)
    code = ml3_policy_init(policy, env, widths, own->hidden.count, (ml3_activation)own->activation, own->bias, error);
  if (code != ML3_OK) return code;
  policy->net.start = (ml3_mlp_start)own->start;
  policy->squash = (ml3_squash)own->squash;
  policy->output_gain = own->output_gain;
  if (own->obs_scale.count && own->obs_scale.count != env->obs_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "policy.obs_scale has %d entries; environment '%s' has %d observations", own->obs_scale.count,
                         env->name, env->obs_dim);
  code = finish_policy(c, env, policy, error);
  if (code != ML3_OK) ml3_policy_free(policy);
  return code;
}

static int on_update(void *user, const ml3_learner_report *report) {
  char note[48] = "";
  if (report->episodes) snprintf(note, sizeof note, "return %.2f", report->episode_return);
  const ml3_lab_callbacks *callbacks = user;
  ml3_lab_progress(callbacks, report->updates, note);
  return ml3_lab_interrupted(callbacks);
}

/* By PPO on all tasks, with its usual policy, which sees what the problem's sees: that may be one for gentle updates. */
static ml3_expert *learn_expert(const ml3_lab_config *c, const ml3_env_spec *env, bool shown, ml3_error *error) {
  ml3_lab_config usual = *c;
  ml3_policy policy;
  if (ml3_lab_config_set(&usual, "method=ppo", error) != ML3_OK ||
      ml3_lab_policy_init(&usual, env, &policy, error) != ML3_OK)
    return NULL;
  if (shown && policy.goal_dim == 0 && ml3_policy_add_goal(&policy, env, error) != ML3_OK) {
    ml3_policy_free(&policy);
    return NULL;
  }
  policy.log_std_init = ML3_LAB_GET(c, extra)->expert_log_std;
  ml3_learner_settings s = ml3_lab_learner_settings(&usual, &ml3_learner_ppo, env, &policy);
  s.updates = ML3_LAB_GET(c, extra)->expert_updates;
  ml3_expert *expert;
  if (c->from_checkpoint) {
    policy.clip_input = s.normalize_obs;
    expert = ml3_expert_new(&policy, error);
  } else {
    ml3_lab_begin(c->callbacks, "expert by PPO", s.updates);
    expert = ml3_expert_learn(&ml3_learner_ppo, &s, on_update, (void *)c->callbacks, error);
    ml3_lab_end(c->callbacks);
  }
  ml3_policy_free(&policy);
  return expert;
}

/* An expert may see what a task hides. */
ml3_expert *ml3_lab_expert_new(const ml3_lab_config *c, const ml3_env_spec *env, ml3_error *error) {
  const ml3_extra_options *extra = ML3_LAB_GET(c, extra);
  if (!*extra->file && extra->expert != ML3_LAB_EXPERT_PPO) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "extra.kind: advice is a policy's, and extra.expert is ilqr, which plans for single tasks; set "
                  "extra.expert=ppo, or extra.file to a policy.safetensors");
    return NULL;
  }
  ml3_env_spec *shown = env->hides_task ? ml3_env_reveal(env) : NULL;
  if (env->hides_task && !shown) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the environment of an expert");
    return NULL;
  }
  const ml3_env_spec *seen = shown ? shown : env;
  ml3_expert *expert =
      *extra->file ? ml3_expert_open(extra->file, seen, error) : learn_expert(c, seen, shown != NULL, error);
  free(shown);
  return expert;
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
  const ml3_extra_options *extra = ML3_LAB_GET(c, extra);
  const int steps = c->horizon ? (int)c->horizon : env->horizon, count = (int)extra->demonstrations;
  if (*extra->file) return ml3_demonstrations_read(env, extra->file, count, steps, error);
  if (c->from_checkpoint) return ml3_demonstrations_new(env, count, steps, error);
  if (extra->expert != ML3_LAB_EXPERT_PPO) return plan_demonstrations(c, env, count, steps, error);
  ml3_expert *expert = learn_expert(c, env, false, error);
  ml3_demonstrations *made =
      expert ? ml3_demonstrations_show(env, expert, count, steps, (uint64_t)c->seed, error) : NULL;
  ml3_expert_free(expert);
  return made;
}
