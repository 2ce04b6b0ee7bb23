/* Runs, their losses and problems, environments: see compare_open.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/compare_open.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agents/learn/reinforce.h"
#include "lab/experiment.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/zoo.h"
#include "metaloss/scaling.h"

bool ml3_lab_names_each_seed(const char *run, char *pattern, size_t size) {
  char path[ML3_LAB_PATH_MAX];
  struct stat info;
  snprintf(pattern, size, "%s", run);
  if (strstr(run, "{seed}")) return true;
  ml3_lab_run_path(run, "seeds.yaml", path);
  if (stat(path, &info) != 0) return false;
  snprintf(pattern, size, "%.900s/seed-{seed}", run);
  return true;
}

void ml3_lab_put_seed(const char *pattern, long long seed, char *path) {
  const char *gap = strstr(pattern, "{seed}");
  if (gap)
    snprintf(path, ML3_LAB_PATH_MAX, "%.*s%lld%.200s", (int)(gap - pattern), pattern, seed, gap + 6);
  else
    snprintf(path, ML3_LAB_PATH_MAX, "%.1000s", pattern);
}

int ml3_lab_split(char *text, const char *between, const char **names, int most, const char *what, ml3_error *error) {
  int count = 0;
  char *rest = NULL;
  for (char *name = strtok_r(text, between, &rest); name; name = strtok_r(NULL, between, &rest)) {
    if (count == most) return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s has more than %d entries", what, most);
    names[count++] = name;
  }
  if (count == 0) return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s names nothing", what);
  return count;
}

void ml3_lab_compared_close(ml3_lab_compared *c) {
  for (int i = 0; i < ML3_LEARNER_COUNT; i++) {
    free((void *)c->arena.settings.learners[i].own);
    ml3_policy_free(&c->arena.settings.learners[i].policy);
  }
  for (int i = 0; i < 2; i++) {
    ml3_meta_free(c->metas[i]);
    ml3_loss_free(c->losses[i]);
  }
  for (int i = 0; i < 2; i++)
    if (c->problems[i]) c->problems[i]->free(c->problems[i]);
}

/* Steps of simulator and model that meta-training has taken. */
static double meta_steps(const ml3_lab_config *c, const ml3_problem *problem, const ml3_trainer_settings *settings) {
  double environment, model;
  ml3_trainer_count_steps(problem, settings, ML3_LAB_GET(c, outer)->steps, &environment, &model);
  return environment + model;
}

/* The problem of a run, as comparisons see it. */
static int open_problem(const ml3_lab_config *config, const ml3_loss *loss, ml3_problem **problem, ml3_playable *play,
                        ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(config->problem, error);
  if (!kind) return error->code;
  if (!kind->playable)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "problem '%s' has no rollouts to compare", config->problem);
  if (!(*problem = ml3_lab_problem_new_for(config, loss, error))) return error->code;
  *play = kind->playable(*problem);
  return ML3_OK;
}

/* The loss of run number i with the programs for it. */
static int open_loss(ml3_lab_compared *c, int i, const ml3_lab_config *config, const char *label,
                     const ml3_playable *play, ml3_error *error) {
  ml3_trainer_settings settings;
  int code = ml3_lab_trainer_settings(config, play->problem, c->losses[i], &settings, error);
  if (code != ML3_OK) return code;
  const double steps = meta_steps(config, play->problem, &settings);
  if (!(c->metas[i] = ml3_meta_new(play->problem, &settings.meta, error))) return error->code;
  c->compared[i] = (ml3_compare_loss){.label = label, .loss = c->losses[i], .meta = c->metas[i], .meta_steps = steps};
  return ML3_OK;
}

static bool is_of_learner(const char *setting) {
  return strncmp(setting, "learner.", 8) == 0;
}

/* Over the configuration; what is of learners alone is for these (set_learner). */
static int apply_sets(ml3_lab_compared *c, const ml3_lab_compare_settings *s, ml3_error *error) {
  const char **own = calloc((size_t)s->set_count + 1, sizeof *own);
  int count = 0;
  if (!own) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d settings", s->set_count);
  for (int i = 0; i < s->set_count; i++)
    if (!is_of_learner(s->sets[i]) || !ml3_lab_config_foreign(&c->config, s->sets[i])) own[count++] = s->sets[i];
  const int code = ml3_lab_config_override(&c->config, own, count, s->callbacks, error);
  free(own);
  return code;
}

static int open_run(ml3_lab_compared *c, const ml3_lab_compare_settings *s, const char *run, const char *other,
                    ml3_error *error) {
  ml3_lab_config second;
  int code = ml3_lab_run_open(run, &c->config, &c->losses[0], s->callbacks, error);
  if (code == ML3_OK && other) code = ml3_lab_run_open(other, &second, &c->losses[1], s->callbacks, error);
  if (code == ML3_OK) code = apply_sets(c, s, error);
  ml3_playable play, other_play;
  if (code == ML3_OK) code = open_problem(&c->config, c->losses[0], &c->problems[0], &play, error);
  if (code == ML3_OK) code = open_loss(c, 0, &c->config, ml3_lab_method_label(&c->config), &play, error);
  if (code == ML3_OK && other) {
    const bool same = strcmp(second.problem, c->config.problem) == 0;
    const bool shared = same && ml3_loss_same_scaling(c->losses[0], c->losses[1]);
    const char *own = !same                               ? "other learned loss"
                      : second.method == c->config.method ? "plain learned loss"
                                                          : ml3_lab_method_label(&second);
    other_play = play;
    if (!shared) code = open_problem(same ? &c->config : &second, c->losses[1], &c->problems[1], &other_play, error);
    if (code == ML3_OK) code = open_loss(c, 1, &second, s->label ? s->label : own, &other_play, error);
    if (code == ML3_OK && !shared) c->compared[1].play = other_play;
  }
  if (code != ML3_OK) return code;
  c->arena = (ml3_arena){.env = play.env,
                         .horizon = play.horizon,
                         .play = play,
                         .meta = c->metas[0],
                         .losses = c->compared,
                         .loss_count = c->losses[1] ? 2 : 1};
  return ML3_OK;
}

static int open_environment(ml3_lab_compared *c, const ml3_lab_compare_settings *s, const char *name,
                            ml3_error *error) {
  ml3_lab_config_defaults(&c->config);
  if (s->with)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--with %.200s is compared with a run's loss; '%.100s' is an environment", s->with, name);
  int code = ml3_lab_config_set(&c->config, "method=ppo", error); /* the policy that learners begin with */
  const ml3_env_spec *env = code == ML3_OK ? ml3_env_find(name, error) : NULL;
  if (!env) return error->code;
  char named[ML3_LAB_PATH_MAX];
  snprintf(named, sizeof named, "environment=%.255s", name);
  const bool foreign = env->failed != NULL;
  if (env->choices || foreign) code = ml3_lab_config_set(&c->config, named, error); /* what fits discrete actions */
  if (code == ML3_OK) code = apply_sets(c, s, error);
  if (code == ML3_OK && foreign) env = ml3_env_find(c->config.environment, error); /* with its arguments */
  if (code != ML3_OK || !env) return error->code;
  c->arena = (ml3_arena){.env = env, .horizon = c->config.horizon ? (int)c->config.horizon : env->horizon};
  return ML3_OK;
}

/* Its usual policy, on-policy with the layers of the run's where that is Gaussian. What takes whole episodes takes as many as the
   task gradient does, with test.reinforce_rate and no clipping. */
static int set_learner(ml3_lab_compared *c, const ml3_lab_compare_settings *own, const ml3_learner_kind *kind,
                       ml3_learner_settings *s, ml3_error *error) {
  ml3_lab_config usual = c->config;
  ml3_policy policy;
  char method[64];
  const bool gaussian = ML3_LAB_GET(&c->config, policy)->kind != ML3_POLICY_DETERMINISTIC;
  snprintf(method, sizeof method, "method=%s", kind->name);
  int code = ml3_lab_config_set(&usual, method, error);
  for (int i = 0; i < own->set_count && code == ML3_OK; i++) /* over the learner's defaults, where it has the key */
    if (is_of_learner(own->sets[i]) && !ml3_lab_config_foreign(&usual, own->sets[i]))
      code = ml3_lab_config_set(&usual, own->sets[i], error);
  if (gaussian && !kind->stepwise) ML3_LAB_EDIT(&usual, policy)->hidden = ML3_LAB_GET(&c->config, policy)->hidden;
  if (kind == &ml3_learner_reinforce) {
    ML3_LAB_EDIT(&usual, reinforce)->rate = ML3_LAB_GET(&usual, compare)->reinforce_rate;
    ML3_LAB_EDIT(&usual, reinforce)->clip_norm = 0;
  }
  if (code == ML3_OK && ml3_lab_policy_init(&usual, c->arena.env, &policy, error) != ML3_OK)
    return kind->policy ? ML3_OK
                        : error->code; /* it is not for such actions: it has no settings, and cannot take part */
  if (code != ML3_OK) return code;
  if (kind->whole_episodes && gaussian) policy.log_std_init = ML3_LAB_GET(&c->config, policy)->log_std;
  *s = ml3_lab_learner_settings(&usual, kind, c->arena.env, &policy);
  if (kind->whole_episodes) s->envs = (int)ML3_LAB_GET(&usual, rollout)->episodes;
  if (!s->own) return ML3_OK;
  void *copy = malloc(kind->keys->size);
  if (copy) memcpy(copy, s->own, kind->keys->size);
  s->own = copy;
  return copy ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the learner '%s'", kind->name);
}

static int set_learners(ml3_lab_compared *c, const ml3_lab_compare_settings *own, ml3_error *error) {
  int code = ML3_OK;
  for (int i = 0; i < ML3_LEARNER_COUNT && code == ML3_OK; i++)
    code = set_learner(c, own, ml3_learner_at(i), &c->arena.settings.learners[i], error);
  return code;
}

int ml3_lab_compared_open(ml3_lab_compared *c, const ml3_lab_compare_settings *own, int i, ml3_error *error) {
  char pattern[ML3_LAB_PATH_MAX], first[ML3_LAB_PATH_MAX], second[ML3_LAB_PATH_MAX], folder[ML3_LAB_PATH_MAX],
      other_folder[ML3_LAB_PATH_MAX];
  const bool each = ml3_lab_names_each_seed(own->name, pattern, sizeof pattern);
  ml3_lab_put_seed(pattern, i, first);
  int code;
  *c = (ml3_lab_compared){0};
  const char *run = ml3_lab_zoo_folder(first, folder, error), *other = NULL;
  if (!run) return error->code;
  if (own->with) {
    ml3_lab_names_each_seed(own->with, pattern, sizeof pattern);
    ml3_lab_put_seed(pattern, i, second);
    if (!(other = ml3_lab_zoo_folder(second, other_folder, error))) return error->code;
  }
  if (each || ml3_lab_run_is(run) || (strchr(run, '/') && !ml3_env_is_file(run)))
    code = open_run(c, own, run, other, error);
  else
    code = open_environment(c, own, run, error);
  if (code != ML3_OK) return code;
  ml3_compare_settings *s = &c->arena.settings;
  *s = ml3_lab_compare_settings_of(&c->config);
  if (!each) s->seed += (uint64_t)i;
  s->budget = own->budget;
  s->error_count = own->error_count;
  memcpy(s->errors, own->errors, sizeof s->errors);
  s->transitions = own->transitions ? own->transitions : 2000;
  s->transitions_hold = own->transitions_hold ? own->transitions_hold : 5;
  s->transitions_states = own->transitions_states;
  return set_learners(c, own, error);
}
