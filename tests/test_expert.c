/* Experts: what they advise where other policies go, and where they come from. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agents/problems/expert.h"

/* An untrained expert that sees the goal and its place relative to it, and scales what it sees. */
static ml3_policy make_policy(const ml3_env_spec *env, double scale, bool relative) {
  ml3_error error = {0};
  ml3_policy policy;
  cr_assert_eq(ml3_policy_init(&policy, env, (int[]){8}, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_add_goal(&policy, env, &error), 0, "%s", error.message);
  if (relative) cr_assert_eq(ml3_policy_make_relative(&policy, 0, policy.obs_dim, &error), 0, "%s", error.message);
  policy.squash = ML3_SQUASH_TANH;
  cr_assert_eq(ml3_policy_reserve(&policy, &error), 0, "%s", error.message);
  for (int i = 0; i < policy.net.inputs; i++) policy.scale[i] = scale * (1 + i), policy.shift[i] = 0.1 * i;
  return policy;
}

static ml3_expert *make_expert(const ml3_policy *policy) {
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_expert *expert = ml3_expert_new(policy, &error);
  cr_assert_not_null(expert, "%s", error.message);
  ml3_policy_draw(policy, &random, expert->theta);
  return expert;
}

Test(expert, advises_what_it_would_do_there_itself) {
  enum { ROWS = 7 };
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass_goal", &error);
  ml3_policy own = make_policy(env, 2, true);
  ml3_expert *expert = make_expert(&own);
  ml3_random random = ml3_random_stream(6, ML3_PURPOSE_USER, 0, 0);
  double obs[ROWS * 64], goal[64] = {0.3, -0.2};
  ml3_real advice[ROWS * 64];
  for (int i = 0; i < ROWS * env->obs_dim; i++) obs[i] = ml3_random_normal(&random);
  ml3_expert_advise(expert, obs, goal, ROWS, advice);
  for (int row = 0; row < ROWS; row++) {
    double action[64];
    ml3_policy_act(&own, expert->theta, obs + row * env->obs_dim, goal, action);
    for (int k = 0; k < env->action_dim; k++)
      cr_expect_eq(advice[row * env->action_dim + k], (ml3_real)action[k], "row %d", row);
  }
  ml3_expert_free(expert);
  ml3_policy_free(&own);
}

Test(expert, comes_from_the_file_of_a_policy) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass_goal", &error);
  ml3_policy own = make_policy(env, 2, true);
  ml3_expert *expert = make_expert(&own);
  const char *path = "test_expert.safetensors";
  cr_assert_eq(ml3_policy_save(&own, expert->theta, path, &error), 0, "%s", error.message);
  ml3_expert *read = ml3_expert_open(path, env, &error);
  cr_assert_not_null(read, "%s", error.message);
  cr_expect_eq(memcmp(read->theta, expert->theta, (size_t)ml3_policy_size(&own) * sizeof(ml3_real)), 0);
  cr_expect_eq(read->policy.scale[2], own.scale[2]);
  ml3_expert_free(read);
  remove(path);
  cr_expect_null(ml3_expert_open(path, env, &error));
  cr_expect(strstr(error.message, path), "%s", error.message);
  ml3_expert_free(expert);
  ml3_policy_free(&own);
}

Test(expert, goes_into_a_checkpoint_and_back) {
  ml3_error error = {0};
  const ml3_env_spec *env = ml3_env_find("pointmass_goal", &error);
  ml3_policy own = make_policy(env, 2, true), plain = make_policy(env, 1, true);
  ml3_expert *expert = make_expert(&own), *back = ml3_expert_new(&plain, &error);
  ml3_nn_tensors *file = ml3_nn_tensors_new();
  cr_assert_eq(ml3_expert_put(expert, file, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_expert_get(back, file, &error), 0, "%s", error.message);
  cr_expect_eq(memcmp(back->theta, expert->theta, (size_t)ml3_policy_size(&own) * sizeof(ml3_real)), 0);
  const size_t inputs = (size_t)own.net.inputs * sizeof(double);
  cr_expect_eq(memcmp(back->policy.scale, own.scale, inputs), 0);
  cr_expect_eq(memcmp(back->policy.shift, own.shift, inputs), 0);
  ml3_nn_tensors_free(file);
  ml3_expert_free(back);
  ml3_expert_free(expert);
  ml3_policy_free(&own);
  ml3_policy_free(&plain);
}
