/* problem: model_free. Rollouts of a policy in the simulator, nothing differentiated but the policy. */
#include <stdlib.h>

#include "agents/problems/model_free.h"
#include "lab/policies.h"
#include "lab/problems.h"

static int choose_extra(const ml3_lab_config *c, ml3_model_free_extra *extra, ml3_error *error) {
  if (ML3_LAB_GET(c, model_free)->target_weight > 0 && ML3_LAB_GET(c, extra)->kind != ML3_LAB_EXTRA_ADVICE)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "outer.target_weight is %g, but an expert who says what the loss's targets should be is there with "
        "extra.kind=advice alone; set that, or outer.target_weight=0",
        ML3_LAB_GET(c, model_free)->target_weight);
  switch (ML3_LAB_GET(c, extra)->kind) {
    case ML3_LAB_EXTRA_NONE:
      *extra = ML3_MODEL_FREE_NONE;
      return ML3_OK;
    case ML3_LAB_EXTRA_EXPLORATION_GOAL:
      *extra = ML3_MODEL_FREE_EXPLORATION_GOAL;
      return ML3_OK;
    case ML3_LAB_EXTRA_DEMONSTRATION:
      *extra = ML3_MODEL_FREE_DEMONSTRATIONS;
      return ML3_OK;
    case ML3_LAB_EXTRA_ENERGY:
      *extra = ML3_MODEL_FREE_ENERGY;
      return ML3_OK;
    case ML3_LAB_EXTRA_ADVICE:
      *extra = ML3_MODEL_FREE_ADVICE;
      return ML3_OK;
    default:
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "extra.kind: a model-free problem takes none, exploration_goal, demonstration, advice or energy");
  }
}

static ml3_problem *make(const ml3_lab_config *c, ml3_error *error) {
  ml3_env_spec *env = ml3_lab_env_new(c, error);
  if (!env) return NULL;
  ml3_model_free_settings s = {.env = env,
                               .owned = env,
                               .horizon = (int)c->horizon,
                               .rollouts = (int)ML3_LAB_GET(c, rollout)->episodes,
                               .outer_rollouts = (int)ML3_LAB_GET(c, model_free)->outer_episodes,
                               .clip = ML3_LAB_GET(c, outer)->epochs > 1 ? ML3_LAB_GET(c, model_free)->clip : 0,
                               .reuse = ML3_LAB_GET(c, model_free)->reuse,
                               .judge_episodes = (int)ML3_LAB_GET(c, model_free)->judge_episodes,
                               .discount = ML3_LAB_GET(c, model_free)->discount,
                               .lambda = ML3_LAB_GET(c, model_free)->lambda,
                               .baseline = (ml3_baseline_kind)ML3_LAB_GET(c, model_free)->baseline,
                               .credit = (ml3_credit)ML3_LAB_GET(c, model_free)->credit,
                               .normalize = ML3_LAB_GET(c, policy)->normalize,
                               .normalize_seed = (uint64_t)c->seed,
                               .extra_until_step = (int)ML3_LAB_GET(c, extra)->until_step};
  int code = ml3_lab_policy_init(c, env, &s.policy, error);
  if (code == ML3_OK) code = choose_extra(c, &s.extra, error);
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_EXPLORATION_GOAL &&
      ML3_LAB_GET(c, extra)->goal.count != env->state_dim)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.goal has %d entries; environment '%s' has %d state entries",
                         ML3_LAB_GET(c, extra)->goal.count, env->name, env->state_dim);
  ml3_demonstrations *shown = NULL;
  ml3_expert *expert = NULL;
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_DEMONSTRATIONS &&
      !(shown = ml3_lab_demonstrations_new(c, env, error)))
    code = error->code;
  if (code == ML3_OK && s.extra == ML3_MODEL_FREE_ADVICE && !(expert = ml3_lab_expert_new(c, env, error)))
    code = error->code;
  if (code != ML3_OK) {
    free(env);
    return NULL;
  }
  s.demonstrations = shown, s.expert = expert;
  s.taught = ML3_LAB_GET(c, model_free)->target_weight > 0;
  s.guided = expert ? (int)ML3_LAB_GET(c, extra)->guided : 0;
  for (int i = 0; i < ML3_LAB_GET(c, extra)->goal.count && i < ML3_POLICY_MAX_OBS; i++)
    s.extra_goal[i] = ML3_LAB_GET(c, extra)->goal.values[i];
  ml3_problem *problem = ml3_model_free_new(&s, error);
  if (problem) {
    ml3_model_free_own(problem, shown, expert);
  } else {
    ml3_demonstrations_free(shown);
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
    .simulated = true,
    .make = make,
    .playable = ml3_model_free_playable};
