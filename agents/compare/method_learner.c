/* PPO and REINFORCE as methods of comparison: each learns the task by itself, from nothing, in the world. What they collect
   are the steps that they take; their answer is the policy's mean. Where every other method knows one start of the task
   alone they learn from that one too. */
#include "agents/compare/method.h"

/* What an update collects: environments side by side, and steps of each. REINFORCE takes whole episodes. */
static int envs_of(const ml3_method *method, const ml3_arena *arena) {
  const ml3_learner_kind *kind = method->options;
  return kind->whole_episodes ? arena->settings.reinforce_episodes : arena->settings.learner.envs;
}
static int steps_of(const ml3_method *method, const ml3_arena *arena) {
  const ml3_learner_kind *kind = method->options;
  return kind->whole_episodes ? arena->horizon : arena->settings.learner.steps;
}

/* No more than the budget allows: the step size falls to its end with the last. */
static int learner_updates(const ml3_method *method, const ml3_arena *arena) {
  const int64_t asked = arena->settings.learner.updates, budget = arena->settings.budget;
  const int64_t most = budget / ((int64_t)envs_of(method, arena) * steps_of(method, arena));
  return (int)(budget <= 0 || asked <= most ? asked : most > 0 ? most : 1);
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  (void)loss, (void)shared, (void)steps, (void)note, (void)note_size;
  if (arena->settings.learner.policy.action_dim) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "there are no settings for the policy that '%s' learns", method->name);
}

static ml3_learner *make_learner(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const ml3_compare_settings *c = &t->arena->settings;
  const ml3_learner_kind *kind = method->options;
  ml3_learner_settings s = c->learner;
  s.env = t->arena->env;
  s.owned = NULL;
  s.task = t->world_task.env_task;
  s.start = t->play->free_starts ? NULL : t->start;
  s.horizon = t->arena->horizon;
  s.threads = 1;
  s.seed = (uint64_t)ml3_random_bits(&t->random) << 32;
  s.seed |= ml3_random_bits(&t->random);
  s.updates = learner_updates(method, t->arena);
  s.envs = envs_of(method, t->arena);
  s.steps = steps_of(method, t->arena);
  if (kind->whole_episodes) {
    s.rate = c->reinforce_rate;
    s.policy.log_std_init = c->reinforce_log_std;
    s.clip_norm = 0;
    s.minibatches = 1;
  }
  return ml3_learner_new(kind, &s, error);
}

/* Updates, each reported. One that is not finite is the end of it: no answer. */
static int learn(ml3_trial *t, ml3_learner *l, ml3_error *error) {
  const double steps = (double)l->settings.envs * l->settings.steps;
  const int most = (int)l->settings.updates;
  int code = ml3_trial_report_net(t, 0, false, &l->policy, l->parameters, error);
  for (int k = 1; k <= most && code == ML3_OK && ml3_trial_affords(t, steps); k++) {
    ml3_learner_report report;
    code = ml3_learner_update(l, &report, error);
    ml3_trial_spend(t, steps);
    if (code == ML3_ERR_NUMERIC) return ml3_trial_report_failure(t, k, error);
    if (code == ML3_OK) code = ml3_trial_report_net(t, k, k == most, &l->policy, l->parameters, error);
  }
  return code;
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  ml3_trial_pause(t); /* programs are compiled once in real use */
  ml3_learner *l = make_learner(method, t, error);
  ml3_trial_resume(t);
  if (!l) return error ? error->code : ML3_ERR_MEMORY;
  const int code = learn(t, l, error);
  ml3_learner_free(l);
  return code;
}

const ml3_method ml3_method_ppo = {.name = "ppo",
                                   .label = "PPO",
                                   .summary = "learns in the world by itself; learner.* may be --set",
                                   .by_updates = true,
                                   .updates = learner_updates,
                                   .options = &ml3_learner_ppo,
                                   .prepare = prepare,
                                   .run = run};

const ml3_method ml3_method_reinforce = {
    .name = "reinforce",
    .label = "REINFORCE",
    .summary = "the same; rollout.episodes an update, Adam's step size test.reinforce_rate",
    .by_updates = true,
    .updates = learner_updates,
    .options = &ml3_learner_reinforce,
    .prepare = prepare,
    .run = run};
