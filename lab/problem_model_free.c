/* problem: model_free. Rollouts of a policy in the simulator, nothing differentiated but the policy. */
#include <stddef.h>
#include <stdlib.h>

#include "agents/compare/compare.h"
#include "agents/problems/model_free.h"
#include "agents/learn/ppo.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/problems.h"
#include "metaloss/options.h"

#define AT(field) offsetof(ml3_model_free_options, field)
static const ml3_key model_free_keys[] = {
    {"extra.kind", ML3_KEY_CHOICE, AT(extra_kind), "none", 0, 0, "none|exploration_goal|energy|demonstration|advice",
     NULL, "extra information while meta-training"},
    {"rollout.outer_episodes", ML3_KEY_INT, AT(outer_episodes), "8", 1, 4096, NULL, NULL,
     "model_free: episodes for the task loss after an update"},
    {"rollout.reuse", ML3_KEY_BOOL, AT(reuse), "false", 0, 0, NULL, NULL,
     "model_free: use the episodes of an update also for the task loss of the policy that collected them"},
    {"rollout.judge_episodes", ML3_KEY_INT, AT(judge_episodes), "4", 1, 4096, NULL, NULL,
     "number of start states from which a policy is evaluated"},
    {"rollout.discount", ML3_KEY_REAL, AT(discount), "0.97", 1e-6, 1, NULL, NULL, "model_free: discount factor"},
    {"rollout.baseline", ML3_KEY_CHOICE, AT(baseline), "linear", 0, 0, "linear|episodes", NULL,
     "model_free: baseline of advantages: a linear fit by state and time, or the mean of the other episodes at that "
     "step"},
    {"rollout.lambda", ML3_KEY_REAL, AT(lambda), "0.95", 0, 1, NULL, NULL,
     "model_free: lambda of generalized advantage estimation, with the linear baseline"},
    {"rollout.credit", ML3_KEY_CHOICE, AT(credit), "advantage", 0, 0, "advantage|reward_to_go", NULL,
     "model_free: the form in which rewards are an input of the learned loss"},
    {"loss.rows", ML3_KEY_CHOICE, AT(rows), "step", 0, 0, "step|entry|entry_state", "method=learned_loss",
     "model_free: a row of the loss's inputs: a time step; or an entry of its action, by dimensionless numbers that are "
     "the same in every environment; or those with the step's state and reward"},
    {"outer.clip", ML3_KEY_REAL, AT(clip), "0.2", 1e-6, 10, NULL, NULL,
     "model_free, with several outer.epochs: clip range of the probability ratio"},
    {"outer.target_weight", ML3_KEY_REAL, AT(target_weight), "0", 0, 1e6, NULL, "method=learned_loss",
     "weight of the distance between loss.targets and the expert's actions, in all states of an update"},
};
#undef AT
const ml3_keys ml3_model_free_keys = ML3_KEYS(model_free_keys, ml3_model_free_options);

static const ml3_keys *const owners[] = {
    &ml3_lab_acting_keys, &ml3_policy_keys,  &ml3_rollout_keys, &ml3_model_free_keys,
    &ml3_extra_keys,      &ml3_learner_keys, &ml3_ppo_keys, &ml3_compare_keys, NULL};

static int check_target_weight(const ml3_lab_config *c, ml3_error *error) {
  const ml3_model_free_options *o = ML3_LAB_GET(c, model_free);
  if (o->target_weight == 0 || o->extra_kind == ML3_MODEL_FREE_ADVICE) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "outer.target_weight is %g, but an expert who says what the loss's targets should be is there with "
      "extra.kind=advice alone; set that, or outer.target_weight=0",
      o->target_weight);
}

static ml3_problem *make(const ml3_lab_config *c, ml3_error *error) {
  const ml3_model_free_options *model_free = ML3_LAB_GET(c, model_free);
  const ml3_extra_options *extra = ML3_LAB_GET(c, extra);
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  if (!env) return NULL;
  ml3_model_free_settings s = {.env = env,
                               .owned = env,
                               .horizon = (int)c->horizon,
                               .rollouts = (int)ML3_LAB_GET(c, rollout)->episodes,
                               .outer_rollouts = (int)model_free->outer_episodes,
                               .clip = ML3_LAB_GET(c, outer)->epochs > 1 ? model_free->clip : 0,
                               .reuse = model_free->reuse,
                               .judge_episodes = (int)model_free->judge_episodes,
                               .discount = model_free->discount,
                               .lambda = model_free->lambda,
                               .baseline = (ml3_baseline_kind)model_free->baseline,
                               .extra = (ml3_model_free_extra)model_free->extra_kind,
                               .credit = (ml3_credit)model_free->credit,
                               .rows = (ml3_feature_rows)model_free->rows,
                               .normalize = ML3_LAB_GET(c, policy)->normalize,
                               .normalize_seed = (uint64_t)c->seed,
                               .extra_until_step = (int)extra->until_step};
  int code = ml3_lab_policy_init(c, env, &s.policy, error);
  if (code == ML3_OK) code = check_target_weight(c, error);
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_EXPLORATION_GOAL && extra->goal.count != env->state_dim)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; environment '%s' has %d state entries",
                         extra->goal.count, env->name, env->state_dim);
  ml3_demonstrations *demonstrations = NULL;
  ml3_expert *expert = NULL;
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_DEMONSTRATIONS &&
      !(demonstrations = ml3_lab_demonstrations_new(c, env, error)))
    code = error->code;
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_ADVICE && !(expert = ml3_lab_expert_new(c, env, error)))
    code = error->code;
  if (code != ML3_OK) {
    ml3_policy_free(&s.policy);
    free(env);
    return NULL;
  }
  s.demonstrations = demonstrations, s.expert = expert;
  s.expert_targets = model_free->target_weight > 0;
  s.extra_goal = extra->goal.values;
  ml3_problem *problem = ml3_model_free_new(&s, error);
  ml3_policy_free(&s.policy);
  if (problem) {
    ml3_model_free_own(problem, demonstrations, expert);
  } else {
    ml3_demonstrations_free(demonstrations);
    ml3_expert_free(expert);
  }
  return problem;
}

const ml3_lab_problem_kind ml3_lab_problem_model_free = {
    .name = "model_free",
    .summary = "a policy in its environment, by rollouts alone",
    .defaults =
        "policy.kind=gaussian policy.hidden=[64,64] policy.activation=tanh policy.bias=true policy.squash=tanh "
        "policy.obs_scale=[] extra.kind=none validation.select=task_loss validation.every=25 validation.tasks=32 "
        "outer.steps=1000 checkpoint.every=100 test.steps=[1,2,5,10] test.tasks=50",
    .keys = owners,
    .simulated = true,
    .make = make,
    .playable = ml3_model_free_playable};
