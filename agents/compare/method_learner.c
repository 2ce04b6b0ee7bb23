/* Learners (agents/learn/learners.h) as methods of comparison: each learns the task by itself, from nothing, in the world. What
   they collect are the steps that they take; their answer is the policy's mean. Where every other method knows one start of the
   task alone they learn from that one too. */
#include "agents/compare/method.h"

static const ml3_learner_settings *settings_of(const ml3_method *method, const ml3_arena *arena) {
  return &arena->settings.learners[ml3_learner_index(method->learner)];
}

/* Of each environment, an update. */
static int steps_of(const ml3_method *method, const ml3_arena *arena) {
  return method->learner->whole_episodes ? arena->horizon : settings_of(method, arena)->steps;
}

/* No more than the budget allows: the step size falls to its end with the last. */
static int learner_updates(const ml3_method *method, const ml3_arena *arena) {
  const ml3_learner_settings *s = settings_of(method, arena);
  const int64_t all = s->updates, budget = arena->settings.budget;
  const int64_t most = budget / ((int64_t)s->envs * steps_of(method, arena));
  return (int)(budget <= 0 || all <= most ? all : most > 0 ? most : 1);
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  (void)loss, (void)shared, (void)steps, (void)note, (void)note_size;
  if (settings_of(method, arena)->policy.action_dim) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "there are no settings for the policy that '%s' learns", method->name);
}

static ml3_learner *make_learner(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  ml3_learner_settings s = *settings_of(method, t->arena);
  s.env = t->arena->env;
  s.owned = NULL;
  s.task = t->world_task.env_task;
  s.start = t->play->free_starts ? NULL : t->start;
  s.horizon = t->arena->horizon;
  s.threads = 1;
  s.seed = (uint64_t)ml3_random_bits(&t->random) << 32;
  s.seed |= ml3_random_bits(&t->random);
  s.updates = learner_updates(method, t->arena);
  s.steps = steps_of(method, t->arena);
  return ml3_learner_new(method->learner, &s, error);
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

#define METHOD(name_)                                                     \
  const ml3_method ml3_method_##name_ = {.name = #name_,                  \
                                         .learner = &ml3_learner_##name_, \
                                         .by_updates = true,              \
                                         .updates = learner_updates,      \
                                         .prepare = prepare,              \
                                         .run = run};
ML3_LEARNERS_THAT_COLLECT(METHOD)
