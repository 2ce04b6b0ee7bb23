/* One policy for all tasks: PPO learns the training tasks at once, with as many steps as the meta-training of the learned loss took
   (or learner.updates of them without one), and then acts on each without learning. What a loss that was trained on the same tasks is
   to be held against: with the goal in view, it may be all that is needed. `expert` is the same for a policy that sees the whole
   task beside what it observes, hidden or not: an upper reference. */
#include <stdlib.h>

#include "agents/compare/method.h"
#include "agents/learn/ppo.h"
#include "agents/problems/expert.h"

extern const ml3_method ml3_method_expert;

/* Of what is learned, and where. */
typedef struct knowledge {
  ml3_env_spec *shown; /* the environment with its task in view; NULL: as it is */
  ml3_expert *expert;
} knowledge;

static void release(void *shared) {
  knowledge *k = shared;
  if (!k) return;
  ml3_expert_free(k->expert);
  free(k->shown);
  free(k);
}

static ml3_learner_settings settings_of(const ml3_arena *arena, const knowledge *k) {
  ml3_learner_settings s = arena->settings.learners[ml3_learner_index(&ml3_learner_ppo)];
  const double most = arena->loss_count ? arena->losses[0].meta_steps : 0, update = (double)s.envs * s.steps;
  s.env = k->shown ? k->shown : arena->env;
  s.owned = NULL;
  s.task = NULL;
  s.start = NULL;
  s.horizon = arena->horizon;
  s.threads = 1;
  s.seed = arena->settings.seed;
  if (most > 0) s.updates = most >= update ? (int64_t)(most / update) : 1;
  return s;
}

static int learn(knowledge *k, const ml3_arena *arena, double *steps, ml3_error *error) {
  ml3_learner_settings s = settings_of(arena, k);
  const ml3_policy usual = s.policy;
  int code = ml3_policy_copy(&s.policy, &usual, error);
  if (code != ML3_OK) return code;
  if (k->shown && s.policy.goal_dim == 0) code = ml3_policy_add_goal(&s.policy, k->shown, error);
  if (code == ML3_OK && !(k->expert = ml3_expert_learn(&ml3_learner_ppo, &s, NULL, NULL, error)))
    code = error ? error->code : ML3_ERR_ARGUMENT;
  *steps = (double)s.updates * s.envs * s.steps;
  ml3_policy_free(&s.policy);
  return code;
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  (void)note, (void)note_size, (void)loss;
  if (!arena->settings.learners[ml3_learner_index(&ml3_learner_ppo)].policy.action_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there are no settings for the policy that '%s' learns",
                         method->name);
  knowledge *k = calloc(1, sizeof *k);
  const bool shown = k && method == &ml3_method_expert;
  if (shown) k->shown = ml3_env_reveal(arena->env);
  int code = k && (k->shown || !shown) ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an expert");
  if (code == ML3_OK) code = learn(k, arena, steps, error);
  if (code == ML3_OK)
    *shared = k;
  else
    release(k);
  return code;
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const knowledge *k = t->shared;
  (void)method;
  return ml3_trial_report_net(t, 0, true, &k->expert->policy, k->expert->theta, error);
}

static void act_knowing(void *user, int step, const double *obs, const double *state, double *action) {
  const ml3_trial *t = user;
  const knowledge *k = t->shared;
  (void)step, (void)state;
  ml3_policy_act(&k->expert->policy, k->expert->theta, obs, t->world_task.env_task, action);
}

static int run_knowing(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_report_policy(t, 0, true, act_knowing, t, error);
}

const ml3_method ml3_method_ppo_all = {
    .name = "ppo_all",
    .label = "PPO, one policy for all",
    .summary = "one PPO policy for all tasks, trained on as many steps as meta-training; no update on the task",
    .prepare = prepare,
    .release = release,
    .run = run};

const ml3_method ml3_method_expert = {
    .name = "expert",
    .label = "expert, PPO that sees the task",
    .summary = "PPO on all training tasks with the whole task in view, what is hidden too; an upper reference",
    .prepare = prepare,
    .release = release,
    .run = run_knowing};
