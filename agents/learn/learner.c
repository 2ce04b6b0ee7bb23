/* The loop that all learners share, and their table: see learner.h. */
#include "agents/learn/learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ml3_learner_kind *const table[] = {
    &ml3_learner_ppo,
    &ml3_learner_reinforce,
    &ml3_learner_random,
};

enum { KINDS = sizeof table / sizeof *table };

const ml3_learner_kind *ml3_learner_at(int i) {
  return i >= 0 && i < KINDS ? table[i] : NULL;
}

const ml3_learner_kind *ml3_learner_find(const char *name, ml3_error *error) {
  const char *names[KINDS];
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(table[i]->name, name) == 0) return table[i];
    names[i] = table[i]->name;
  }
  const char *nearest = ml3_error_nearest(name, names, KINDS);
  ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown learner '%s'; ppo, reinforce and random are possible%s%s%s", name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}

ml3_learner_settings ml3_learner_defaults(const ml3_env_spec *env, const ml3_policy *policy) {
  return (ml3_learner_settings){.env = env,
                                .policy = *policy,
                                .envs = 8,
                                .steps = 256,
                                .threads = 1,
                                .updates = 100,
                                .normalize_obs = true,
                                .normalize_reward = true,
                                .anneal = true,
                                .rate = 3e-4,
                                .discount = 0.99,
                                .lambda = 0.95,
                                .clip_norm = 0.5,
                                .epochs = 10,
                                .minibatches = 32,
                                .clip = 0.2,
                                .value_weight = 0.5,
                                .clip_value = true};
}

/* ---- making -------------------------------------------------------------------------------------------------- */

static int check(const ml3_learner_settings *s, ml3_error *error) {
  if (s->envs < 1 || s->steps < 1 || s->envs > 65536 || s->steps > 1000000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learner: %d environments of %d steps an update; both must be at least 1", s->envs, s->steps);
  if (s->updates < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learner: %lld updates; at least 1 is needed", (long long)s->updates);
  if (!(s->discount > 0 && s->discount <= 1) || !(s->lambda >= 0 && s->lambda <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learner: discount %g and lambda %g must be within 0 and 1",
                         s->discount, s->lambda);
  if (s->minibatches < 1 || s->minibatches > s->envs * s->steps || s->epochs < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learner: %d epochs of %d minibatches; a rollout has %d steps",
                         s->epochs, s->minibatches, s->envs * s->steps);
  return ML3_OK;
}

int ml3_learner_allocate(ml3_learner *l, int size, ml3_error *error) {
  const ml3_learner_settings *s = &l->settings;
  const bool ppo = l->kind == &ml3_learner_ppo;
  ml3_nn_optimizer_settings adam = ml3_nn_adam(s->rate);
  adam.epsilon = 1e-5;
  adam.clip_norm = s->clip_norm;
  adam.total_steps = s->updates * (ppo ? (int64_t)s->epochs * s->minibatches : 1);
  if (s->anneal) adam.schedule = ML3_NN_LINEAR;
  l->size = size;
  l->parameters = calloc((size_t)size, sizeof *l->parameters);
  if (!l->parameters) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d parameters", size);
  return ml3_nn_optimizer_init(&l->optimizer, &adam, (size_t)size, error);
}

ml3_learner *ml3_learner_new(const ml3_learner_kind *kind, const ml3_learner_settings *s, ml3_error *error) {
  if (check(s, error) != ML3_OK) {
    free(s->owned);
    return NULL;
  }
  ml3_learner *l = calloc(1, sizeof *l);
  double *task = l && s->task ? malloc(((size_t)s->env->task_dim + 1) * sizeof *task) : NULL;
  if (!l || (s->task && !task)) {
    free(l);
    free(s->owned);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the learner '%s'", kind->name);
    return NULL;
  }
  *l = (ml3_learner){.kind = kind, .settings = *s, .policy = s->policy, .task = task};
  if (task) memcpy(task, s->task, (size_t)s->env->task_dim * sizeof *task);
  l->settings.task = task;
  ml3_normalizer_init(&l->normalizer, l->policy.net.inputs);
  l->sampler = ml3_sampler_new(s->env, &l->policy, s->envs, s->horizon, s->threads, error);
  l->rollout = l->sampler ? ml3_rollout_new(&l->policy, s->envs, s->steps, 0, error) : NULL;
  l->settings.start = NULL; /* the sampler has it */
  if (l->rollout && kind->create(l, error) == ML3_OK) {
    ml3_sampler_start_at(l->sampler, s->start);
    ml3_sampler_reset(l->sampler, l->task, s->seed);
    return l;
  }
  ml3_learner_free(l);
  return NULL;
}

void ml3_learner_free(ml3_learner *l) {
  if (!l) return;
  if (l->kind->destroy) l->kind->destroy(l);
  ml3_sampler_free(l->sampler);
  ml3_rollout_free(l->rollout);
  ml3_nn_optimizer_free(&l->optimizer);
  free(l->parameters);
  free(l->task);
  free(l->settings.owned);
  free(l);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

int ml3_learner_descend(ml3_learner *l, const ml3_real *gradient, const char *what, ml3_error *error) {
  if (isfinite(ml3_nn_optimizer_update(&l->optimizer, l->parameters, gradient))) {
    ml3_policy_bound_log_std(&l->policy, l->parameters); /* theta comes first */
    return ML3_OK;
  }
  return ml3_error_set(error, ML3_ERR_NUMERIC,
                       "%s, update %lld: the gradient of %s is not finite; a smaller learner.rate may help",
                       l->kind->name, (long long)l->updates, what);
}

enum { HOPELESS_UPDATES = 3 };

/* Where nothing but divergence comes of it, no learner can mend that. */
static int check_diverged(ml3_learner *l, ml3_error *error) {
  const ml3_rollout *r = l->rollout;
  l->diverged += r->diverged;
  l->diverged_updates = r->diverged_envs == r->envs && r->episodes == 0 ? l->diverged_updates + 1 : 0;
  if (l->diverged_updates < HOPELESS_UPDATES) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_NUMERIC,
      "in %d updates in a row the simulation of every one of the %d environments '%s' diverged, and no "
      "episode ended otherwise; a smaller time step of the model or narrower bounds of its actions may help",
      HOPELESS_UPDATES, r->envs, l->settings.env->name);
}

static int collect(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  if (l->kind->whole_episodes) {
    ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, (uint32_t)l->updates, 0);
    ml3_sampler_reset(l->sampler, l->task, (uint64_t)ml3_random_bits(&random) << 32 | ml3_random_bits(&random));
  }
  int code = ml3_sampler_collect(l->sampler, l->parameters, l->settings.normalize_obs ? &l->normalizer : NULL,
                                 &l->policy, l->rollout, error);
  if (code == ML3_OK) code = check_diverged(l, error);
  if (code != ML3_OK) return ml3_error_prefix(error, "%s, update %lld", l->kind->name, (long long)l->updates);
  const ml3_rollout *r = l->rollout;
  l->env_steps += (int64_t)r->envs * r->steps;
  report->episodes = r->episodes;
  report->episode_return = r->episode_return, report->episode_length = r->episode_length;
  report->success = r->success, report->passed = r->passed, report->distance = r->distance;
  report->diverged = r->diverged;
  return ML3_OK;
}

int ml3_learner_update(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  *report = (ml3_learner_report){.episode_return = NAN,
                                 .episode_length = NAN,
                                 .success = NAN,
                                 .passed = NAN,
                                 .distance = NAN,
                                 .policy_loss = NAN,
                                 .value_loss = NAN,
                                 .entropy = NAN,
                                 .old_approx_kl = NAN,
                                 .approx_kl = NAN,
                                 .clip_fraction = NAN,
                                 .explained_variance = NAN,
                                 .rate = NAN};
  if (l->optimizer.size) report->rate = ml3_nn_optimizer_rate(&l->optimizer.settings, l->optimizer.step);
  int code = l->kind->collects ? collect(l, report, error) : ML3_OK;
  if (code == ML3_OK && l->kind->update) code = l->kind->update(l, report, error);
  if (code != ML3_OK) return code;
  report->updates = ++l->updates;
  report->env_steps = l->env_steps;
  return ML3_OK;
}

int ml3_learner_evaluate(const ml3_learner *l, const double *task, int episodes, uint64_t key, ml3_outcome *outcome,
                         ml3_error *error) {
  if (!task) task = l->task;
  if (!task)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s learns on many tasks; say on which it shall be judged",
                         l->kind->name);
  return ml3_judge(l->settings.env, &l->policy, l->kind->uniform ? NULL : l->parameters, task, l->settings.horizon,
                   episodes, key, outcome, error);
}
