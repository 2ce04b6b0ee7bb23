/* The loop that all learners share, and their table: see learner.h. */
#include "agents/learn/learner.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS(name) &ml3_learner_##name,
static const ml3_learner_kind *const table[ML3_LEARNER_COUNT] = {ML3_LEARNERS(ADDRESS)};

#define AT(field) offsetof(ml3_learner_options, field)
static const ml3_key keys[] = {
    {"learner.updates", ML3_KEY_INT, AT(updates), "100", 1, 1e9, NULL, NULL, "number of updates of the policy"},
    {"learner.envs", ML3_KEY_INT, AT(envs), "8", 1, 65536, NULL, NULL, "number of parallel environments"},
    {"learner.steps", ML3_KEY_INT, AT(steps), "256", 1, 1000000, NULL, NULL,
     "steps of each environment between updates"},
    {"learner.task", ML3_KEY_INT, AT(task), "-1", -1, 65535, NULL, NULL,
     "-1: a new task every episode; otherwise the index of a held-out task"},
};
#undef AT
const ml3_keys ml3_learner_keys = ML3_KEYS(keys, ml3_learner_options);

/* By the names of CleanRL. */
const char *const ml3_on_policy_metrics[] = {[ML3_METRIC_POLICY_LOSS] = "losses/policy_loss",
                                             [ML3_METRIC_VALUE_LOSS] = "losses/value_loss",
                                             [ML3_METRIC_ENTROPY] = "losses/entropy",
                                             [ML3_METRIC_OLD_KL] = "losses/old_approx_kl",
                                             [ML3_METRIC_KL] = "losses/approx_kl",
                                             [ML3_METRIC_CLIPPED] = "losses/clipfrac",
                                             [ML3_METRIC_EXPLAINED] = "losses/explained_variance",
                                             NULL};

const char ml3_on_policy_defaults[] =
    "policy.kind=gaussian policy.log_std=0 policy.hidden=[64,64] policy.activation=tanh policy.bias=true "
    "policy.squash=clamp policy.obs_scale=[]";

const ml3_learner_kind *ml3_learner_at(int i) {
  return i >= 0 && i < ML3_LEARNER_COUNT ? table[i] : NULL;
}

int ml3_learner_index(const ml3_learner_kind *kind) {
  int i = 0;
  while (table[i] != kind) i++;
  return i;
}

const ml3_learner_kind *ml3_learner_find(const char *name, ml3_error *error) {
  const char *names[ML3_LEARNER_COUNT];
  char all[512] = "";
  for (int i = 0; i < ML3_LEARNER_COUNT; i++) {
    const char *before = i == 0 ? "" : i + 1 < ML3_LEARNER_COUNT ? ", " : " and ";
    const size_t used = strlen(all);
    if (strcmp(table[i]->name, name) == 0) return table[i];
    names[i] = table[i]->name;
    snprintf(all + used, sizeof all - used, "%s%s", before, names[i]);
  }
  const char *nearest = ml3_error_nearest(name, names, ML3_LEARNER_COUNT);
  ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown learner '%s'; %s are possible%s%s%s", name, all,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}

ml3_learner_settings ml3_learner_defaults(const ml3_env_spec *env, const ml3_policy *policy) {
  ml3_learner_options a;
  ml3_keys_default(&ml3_learner_keys, &a);
  return (ml3_learner_settings){.env = env,
                                .policy = *policy,
                                .envs = (int)a.envs,
                                .steps = (int)a.steps,
                                .threads = 1,
                                .updates = a.updates,
                                .normalize_obs = true};
}

double ml3_learner_metric(const ml3_learner_kind *kind, const ml3_learner_report *report, const char *name) {
  for (int i = 0; kind->metrics && kind->metrics[i]; i++)
    if (strcmp(kind->metrics[i], name) == 0) return report->own[i];
  return NAN;
}

/* ---- making -------------------------------------------------------------------------------------------------- */

static int check(const ml3_learner_settings *s, ml3_error *error) {
  if (s->envs < 1 || s->steps < 1 || s->envs > 65536 || s->steps > 1000000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learner: %d environments of %d steps an update; both must be at least 1", s->envs, s->steps);
  if (s->updates < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learner: %lld updates; at least 1 is needed", (long long)s->updates);
  return ML3_OK;
}

int ml3_learner_allocate(ml3_learner *l, int size, int optimized, const ml3_nn_optimizer_settings *settings,
                         ml3_error *error) {
  l->size = size;
  l->parameters = calloc((size_t)size, sizeof *l->parameters);
  if (!l->parameters) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d parameters", size);
  return ml3_nn_optimizer_init(&l->optimizer, settings, (size_t)optimized, error);
}

/* The learner's own settings: a copy of what is given, or their initial values. */
static int copy_own(ml3_learner *l, const void *own, ml3_error *error) {
  const ml3_keys *k = l->kind->keys;
  l->settings.own = NULL;
  if (!k) return ML3_OK;
  l->settings.own = l->own_settings = calloc(1, k->size);
  if (!l->own_settings) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the learner '%s'", l->kind->name);
  if (own)
    memcpy(l->own_settings, own, k->size);
  else
    ml3_keys_default(k, l->own_settings);
  return ML3_OK;
}

static int make(ml3_learner *l, const ml3_learner_settings *s, ml3_error *error) {
  int code = ml3_policy_copy(&l->policy, &s->policy, error);
  l->settings.policy = l->policy; /* the caller's may be gone by then */
  if (code == ML3_OK) code = check(s, error);
  if (code == ML3_OK) code = copy_own(l, s->own, error);
  if (code == ML3_OK && l->kind->policy) code = l->kind->policy(&l->policy, error);
  if (code != ML3_OK) return code;
  if (s->task && !(l->task = malloc(((size_t)s->env->task_dim + 1) * sizeof *l->task)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the learner '%s'", l->kind->name);
  if (l->task) memcpy(l->task, s->task, (size_t)s->env->task_dim * sizeof *l->task);
  l->settings.task = l->task;
  if (s->normalize_obs && (code = ml3_policy_reserve(&l->policy, error)) != ML3_OK) return code;
  if ((code = ml3_normalizer_init(&l->normalizer, l->policy.net.inputs, error)) != ML3_OK) return code;
  l->sampler = ml3_sampler_new(s->env, &l->policy, s->envs, s->horizon, s->threads, error);
  l->rollout = l->sampler ? ml3_rollout_new(&l->policy, s->envs, l->kind->stepwise ? 1 : s->steps, 0, error) : NULL;
  l->settings.start = NULL; /* the sampler has it */
  if (!l->rollout) return ML3_ERR_MEMORY;
  if ((code = l->kind->create(l, error)) != ML3_OK) return code;
  ml3_sampler_start_at(l->sampler, s->start);
  ml3_sampler_reset(l->sampler, l->task, s->seed);
  return ML3_OK;
}

ml3_learner *ml3_learner_new(const ml3_learner_kind *kind, const ml3_learner_settings *s, ml3_error *error) {
  ml3_learner *l = calloc(1, sizeof *l);
  if (!l) {
    free(s->owned);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the learner '%s'", kind->name);
    return NULL;
  }
  *l = (ml3_learner){.kind = kind, .settings = *s};
  if (make(l, s, error) == ML3_OK) return l;
  ml3_learner_free(l);
  return NULL;
}

void ml3_learner_free(ml3_learner *l) {
  if (!l) return;
  if (l->kind->destroy) l->kind->destroy(l);
  ml3_sampler_free(l->sampler);
  ml3_rollout_free(l->rollout);
  ml3_nn_optimizer_free(&l->optimizer);
  ml3_normalizer_free(&l->normalizer);
  ml3_policy_free(&l->policy);
  free(l->parameters);
  free(l->task);
  free(l->own_settings);
  free(l->settings.owned);
  free(l);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

int ml3_learner_descend(ml3_learner *l, ml3_nn_optimizer *optimizer, ml3_real *parameters, const ml3_real *gradient,
                        const char *what, ml3_error *error) {
  if (isfinite(ml3_nn_optimizer_update(optimizer, parameters, gradient))) {
    ml3_policy_bound_log_std(&l->policy, l->parameters); /* theta comes first */
    return ML3_OK;
  }
  return ml3_error_set(error, ML3_ERR_NUMERIC,
                       "%s, update %lld: the gradient of %s is not finite; a smaller learner.rate may help",
                       l->kind->name, (long long)l->updates, what);
}

enum { HOPELESS_UPDATES = 3 };

/* Where nothing but divergence comes of it, no learner can mend that. */
static int check_diverged(ml3_learner *l, const ml3_learner_report *report, ml3_error *error) {
  const ml3_rollout *r = l->rollout;
  const bool everywhere = l->kind->stepwise ? report->diverged >= r->envs : r->diverged_envs == r->envs;
  l->diverged_updates = everywhere && report->episodes == 0 ? l->diverged_updates + 1 : 0;
  if (l->diverged_updates < HOPELESS_UPDATES) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_NUMERIC,
      "in %d updates in a row the simulation of every one of the %d environments '%s' diverged, and no "
      "episode ended otherwise; a smaller time step of the model or narrower bounds of its actions may help",
      HOPELESS_UPDATES, r->envs, l->settings.env->name);
}

/* Means over the episodes of this collection and of those before it in the same update. */
static void count_episodes(ml3_learner_report *report, const ml3_rollout *r) {
  double *const means[] = {&report->episode_return, &report->episode_length, &report->success, &report->passed,
                           &report->distance};
  const double now[] = {r->episode_return, r->episode_length, r->success, r->passed, r->distance};
  const int before = report->episodes;
  report->diverged += r->diverged;
  report->episodes += r->episodes;
  for (int i = 0; i < 5 && r->episodes; i++)
    *means[i] = before ? *means[i] + (now[i] - *means[i]) * r->episodes / report->episodes : now[i];
}

static int collect(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  if (l->kind->whole_episodes) {
    ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, (uint32_t)l->updates, 0);
    ml3_sampler_reset(l->sampler, l->task, (uint64_t)ml3_random_bits(&random) << 32 | ml3_random_bits(&random));
  }
  const ml3_rollout *r = l->rollout;
  ml3_sampler_explore(l->sampler, l->kind->explores && l->kind->explores(l));
  const int code = ml3_sampler_collect(l->sampler, l->parameters, l->settings.normalize_obs ? &l->normalizer : NULL,
                                       &l->policy, l->rollout, error);
  if (code != ML3_OK) return code;
  l->env_steps += (int64_t)r->envs * r->steps;
  l->diverged += r->diverged;
  count_episodes(report, r);
  return ML3_OK;
}

/* Collects and learns, as often as it takes for settings.steps of each environment. */
static int learn(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  const int rounds = l->kind->stepwise && l->kind->collects ? l->settings.steps : 1;
  for (int i = 0; i < rounds; i++) {
    int code = l->kind->collects ? collect(l, report, error) : ML3_OK;
    if (code == ML3_OK && l->kind->collects && i + 1 == rounds) code = check_diverged(l, report, error);
    if (code != ML3_OK) return ml3_error_prefix(error, "%s, update %lld", l->kind->name, (long long)l->updates);
    if (l->kind->update && (code = l->kind->update(l, report, error)) != ML3_OK) return code;
  }
  return ML3_OK;
}

int ml3_learner_update(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  *report = (ml3_learner_report){
      .episode_return = NAN, .episode_length = NAN, .success = NAN, .passed = NAN, .distance = NAN, .rate = NAN};
  for (int i = 0; i < ML3_LEARNER_METRICS_MAX; i++) report->own[i] = NAN;
  if (l->optimizer.size) report->rate = ml3_nn_optimizer_rate(&l->optimizer.settings, l->optimizer.step);
  const int code = learn(l, report, error);
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
