/* One policy for all tasks: PPO learns the training tasks at once, with as many steps as the meta-training of the learned loss took
   (or learner.updates of them without one), and then acts on each without learning. What a loss that was trained on the same tasks is
   to be held against: with the goal in view, it may be all that is needed. */
#include <stdlib.h>

#include "agents/compare/method.h"
#include "agents/learn/ppo.h"
#include "agents/problems/expert.h"

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  ml3_learner_settings s = arena->settings.learners[ml3_learner_index(&ml3_learner_ppo)];
  (void)note, (void)note_size, (void)loss;
  if (!s.policy.action_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there are no settings for the policy that '%s' learns",
                         method->name);
  const double most = arena->loss_count ? arena->losses[0].meta_steps : 0, update = (double)s.envs * s.steps;
  s.env = arena->env;
  s.owned = NULL;
  s.task = NULL;
  s.start = NULL;
  s.horizon = arena->horizon;
  s.threads = 1;
  s.seed = arena->settings.seed;
  if (most > 0) s.updates = most >= update ? (int64_t)(most / update) : 1;
  ml3_expert *expert = ml3_expert_learn(&ml3_learner_ppo, &s, NULL, NULL, error);
  if (!expert) return error ? error->code : ML3_ERR_ARGUMENT;
  *steps = (double)s.updates * update;
  *shared = expert;
  return ML3_OK;
}

static void release(void *shared) {
  ml3_expert_free(shared);
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const ml3_expert *expert = t->shared;
  (void)method;
  return ml3_trial_report_net(t, 0, true, &expert->policy, expert->theta, error);
}

const ml3_method ml3_method_ppo_all = {
    .name = "ppo_all",
    .label = "PPO, one policy for all",
    .summary = "PPO on all training tasks, for as many steps as meta-training took; acts without learning",
    .prepare = prepare,
    .release = release,
    .run = run};
