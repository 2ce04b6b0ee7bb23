/* Evaluating: see evaluate.h. */
#include "lab/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/rollout.h"
#include "agents/problems/model_free.h"
#include "lab/adapt_internal.h"
#include "lab/evaluate_internal.h"
#include "lab/learners.h"
#include "lab/policy_open.h"
#include "lab/zoo.h"
#include "metaloss/options.h"

void ml3_lab_evaluation_free(ml3_lab_evaluation *e) {
  free(e->rows);
  e->rows = NULL;
}

/* ---- from samples to rows and intervals -------------------------------------------------------------------------- */

enum { RETURN, DISTANCE, SUCCESS, PASSED, QUANTITIES };

/* What was measured: of each task `size` samples, each of so many episodes. */
typedef struct samples {
  int tasks, size, episodes;
  double *x[QUANTITIES]; /* [tasks][size]; NAN: return and distance of what diverged */
} samples;

static int samples_new(samples *s, int tasks, int size, int episodes, ml3_error *error) {
  const size_t count = (size_t)tasks * (size_t)size;
  *s = (samples){.tasks = tasks, .size = size, .episodes = episodes};
  s->x[0] = calloc(QUANTITIES * count, sizeof *s->x[0]);
  if (!s->x[0]) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d tasks", tasks);
  for (int q = 1; q < QUANTITIES; q++) s->x[q] = s->x[q - 1] + count;
  return ML3_OK;
}

/* Sample number i of a task. Whatever diverged is no success. */
static void put(const samples *s, int task, int i, const ml3_outcome *o) {
  const bool finite = isfinite(o->episode_return) && isfinite(o->distance);
  const int at = task * s->size + i;
  s->x[RETURN][at] = finite ? o->episode_return : NAN;
  s->x[DISTANCE][at] = finite ? o->distance : NAN;
  s->x[SUCCESS][at] = finite ? o->success : 0;
  s->x[PASSED][at] = finite ? o->passed : 0;
}

/* The mean of x[n] without what is NAN; *missing of them are. */
static double mean_of(const double *x, int n, int *missing) {
  double sum = 0;
  *missing = 0;
  for (int i = 0; i < n; i++)
    if (isnan(x[i]))
      ++*missing;
    else
      sum += x[i];
  return sum / (n - *missing);
}

static int conclude(const samples *s, uint64_t seed, ml3_lab_evaluation *e, ml3_error *error) {
  e->tasks = s->tasks;
  e->episodes = s->tasks * s->size * s->episodes;
  e->diverged = 0;
  if (!(e->rows = calloc((size_t)s->tasks, sizeof *e->rows)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d tasks", s->tasks);
  for (int t = 0; t < s->tasks; t++) {
    ml3_lab_evaluated_task *row = &e->rows[t];
    int missing, none;
    row->episode_return = mean_of(s->x[RETURN] + t * s->size, s->size, &missing);
    row->distance = mean_of(s->x[DISTANCE] + t * s->size, s->size, &missing);
    row->success = mean_of(s->x[SUCCESS] + t * s->size, s->size, &none);
    row->passed = mean_of(s->x[PASSED] + t * s->size, s->size, &none);
    row->episodes = s->size * s->episodes;
    row->diverged = missing * s->episodes;
    e->diverged += row->diverged;
  }
  e->episode_return = ml3_lab_group_interval(s->x[RETURN], s->tasks, s->size, seed);
  e->distance = ml3_lab_group_interval(s->x[DISTANCE], s->tasks, s->size, seed);
  e->success = ml3_lab_success_interval(s->x[SUCCESS], s->tasks, s->size, seed);
  e->passed = ml3_lab_success_interval(s->x[PASSED], s->tasks, s->size, seed);
  return ML3_OK;
}

static int interrupted(const ml3_lab_callbacks *callbacks, ml3_error *error) {
  if (!ml3_lab_interrupted(callbacks)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_INTERRUPTED, "the evaluation was interrupted");
}

/* ---- a policy ---------------------------------------------------------------------------------------------------- */

/* Other starts than any that training or the other split drew: what their stream is named by, for task 0. */
static uint64_t start_key(const ml3_lab_judging *j) {
  return j->seed ^ (j->purpose == ML3_PURPOSE_VALIDATION ? 0x76616c69 : 0x74657374);
}

static int judge_task(const ml3_lab_judging *j, int task, const samples *s, ml3_error *error) {
  double drawn[j->env->task_dim + 1];
  ml3_random random = ml3_random_stream(j->seed, j->purpose, (uint32_t)task, 0);
  const ml3_split split = j->purpose == ML3_PURPOSE_VALIDATION ? ML3_SPLIT_VALIDATION : ML3_SPLIT_TEST;
  if (!j->task) ml3_env_sample_split(j->env, (int)split, &random, drawn);
  for (int i = 0; i < s->size; i++) {
    ml3_episode *e = ml3_judge_episode(j->env, j->policy, j->theta, j->task ? j->task : drawn, j->horizon, i,
                                       start_key(j) + (uint64_t)task, error);
    if (!e) return error ? error->code : ML3_ERR_MEMORY;
    const ml3_outcome outcome = {
        .episode_return = e->episode_return, .distance = e->final_distance, .success = e->success, .passed = e->passed};
    put(s, task, i, &outcome);
    ml3_episode_free(e);
    ml3_lab_progress(j->callbacks, task * s->size + i + 1, "");
    const int code = interrupted(j->callbacks, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

int ml3_lab_judge(const ml3_lab_judging *j, ml3_lab_evaluation *found, ml3_error *error) {
  samples s;
  int code = samples_new(&s, j->tasks, j->starts, 1, error);
  ml3_lab_begin(j->callbacks, "evaluating", (int64_t)j->tasks * j->starts);
  for (int t = 0; t < j->tasks && code == ML3_OK; t++) code = judge_task(j, t, &s, error);
  ml3_lab_end(j->callbacks);
  if (code == ML3_OK) code = conclude(&s, j->seed, found, error);
  free(s.x[0]);
  return code;
}

static int evaluate_policy(const ml3_lab_evaluate_settings *s, const char *what, ml3_lab_evaluation *found,
                           ml3_error *error) {
  ml3_lab_policy p;
  double *task = NULL; /* the one that it has learned */
  int code = ml3_lab_policy_find(&p, what, s->environment, s->callbacks, error);
  if (code == ML3_OK) code = ml3_lab_config_set_all(&p.config, s->settings, s->count, error);
  if (code == ML3_OK) code = ml3_lab_policy_load(&p, error);
  const ml3_learner_kind *kind = code == ML3_OK && p.in_run ? ml3_lab_learner_kind(&p.config) : NULL;
  if (kind) code = ml3_lab_learner_task(&p.config, p.env, &task, error);
  const bool one = task != NULL;
  const int tasks = one ? 1 : s->tasks ? s->tasks : s->episodes;
  if (code == ML3_OK && one && s->tasks > 1)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%.300s' has learned one task (learner.task); it is not evaluated on %d", what, s->tasks);
  if (code == ML3_OK) {
    const ml3_lab_judging judging = {.env = p.env,
                                     .policy = &p.policy,
                                     .theta = kind && kind->uniform ? NULL : p.theta,
                                     .task = task,
                                     .horizon = (int)p.config.horizon,
                                     .purpose = ML3_PURPOSE_TEST,
                                     .seed = (uint64_t)p.config.seed,
                                     .tasks = tasks,
                                     .starts = s->episodes / tasks,
                                     .callbacks = s->callbacks};
    code = ml3_lab_judge(&judging, found, error);
    snprintf(found->environment, sizeof found->environment, "%s", p.env->name), found->no_goal = p.env->no_goal;
    snprintf(found->method, sizeof found->method, "%s", kind ? ml3_lab_method_label(&p.config) : "policy");
    found->updates = -1;
  }
  free(task);
  ml3_lab_policy_close(&p);
  return code;
}

/* ---- fresh policies, by a learned loss ----------------------------------------------------------------------------- */

static int adapt_to(ml3_lab_adapting *a, int task, int updates, ml3_outcome *outcome, ml3_error *error) {
  int code = ml3_lab_adapting_begin(a, task, error);
  for (int k = 0; k < updates && code == ML3_OK; k++) code = ml3_lab_adapting_step(a, NULL, error);
  return code == ML3_OK ? ml3_lab_adapting_judge(a, outcome, error) : code;
}

/* Episodes by which the problem judges a policy on a task: as asked, where it draws starts of its own for each. */
static int choose_episodes(ml3_lab_adapting *a, int episodes, ml3_error *error) {
  char assignment[64];
  if (a->kind != &ml3_lab_problem_model_free || episodes < 1) return ML3_OK;
  snprintf(assignment, sizeof assignment, "rollout.judge_episodes=%d", episodes);
  return ml3_lab_config_set(&a->config, assignment, error);
}

static int episodes_of(const ml3_lab_adapting *a) {
  return a->kind == &ml3_lab_problem_model_free ? ml3_model_free_settings_of(a->problem)->judge_episodes
                                                : ml3_model_based_settings_of(a->problem)->starts;
}

static int open_loss(ml3_lab_adapting *a, const ml3_lab_evaluate_settings *s, const char *what, int *tasks,
                     ml3_error *error) {
  int code = ml3_lab_adapting_open(a, what, NULL, s->callbacks, error);
  if (code == ML3_OK) code = ml3_lab_config_set_all(&a->config, s->settings, s->count, error);
  if (code == ML3_OK && !(a->kind = ml3_lab_problem_kind_find(a->config.problem, error))) code = ML3_ERR_ARGUMENT;
  if (code == ML3_OK && !ml3_lab_problem_acts(a->kind))
    code = ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s' has no episodes; `ml3 adapt` and `ml3 compare` show what its loss does",
                         a->kind->name);
  if (code == ML3_OK && s->environment)
    code =
        ml3_error_set(error, ML3_ERR_ARGUMENT,
                      "a learned loss is evaluated in the environment of its run ('%s'); `ml3 adapt %s --loss` takes "
                      "it to another",
                      a->config.environment, s->environment);
  if (code != ML3_OK) return code;
  *tasks = s->tasks ? s->tasks
                    : (int)(ML3_LAB_GET(&a->config, test)->tasks < s->episodes ? ML3_LAB_GET(&a->config, test)->tasks
                                                                               : s->episodes);
  code = choose_episodes(a, s->episodes / *tasks, error);
  return code == ML3_OK ? ml3_lab_adapting_make(a, error) : code;
}

static int evaluate_loss(const ml3_lab_evaluate_settings *s, const char *what, ml3_lab_evaluation *found,
                         ml3_error *error) {
  ml3_lab_adapting *a = calloc(1, sizeof *a);
  samples all = {0};
  int tasks = 0;
  int code = a ? open_loss(a, s, what, &tasks, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to adapt");
  if (code == ML3_OK) {
    const ml3_lab_config *c = &a->config;
    found->updates = s->updates > 0   ? s->updates
                     : s->updates < 0 ? 0
                                      : (int)(ML3_LAB_GET(c, validation)->steps ? ML3_LAB_GET(c, validation)->steps
                                                                                : ML3_LAB_GET(c, inner)->steps);
    snprintf(found->environment, sizeof found->environment, "%s", c->environment);
    snprintf(found->method, sizeof found->method, "%s", ml3_lab_method_label(c));
    code = samples_new(&all, tasks, 1, episodes_of(a), error);
    ml3_lab_begin(s->callbacks, "adapting", tasks);
  }
  for (int t = 0; t < tasks && code == ML3_OK; t++) {
    ml3_outcome outcome;
    code = adapt_to(a, t, found->updates, &outcome, error);
    if (code == ML3_ERR_NUMERIC) outcome.episode_return = NAN, code = ML3_OK; /* it failed at that task */
    if (code == ML3_OK) put(&all, t, 0, &outcome);
    ml3_lab_progress(s->callbacks, t + 1, "");
    if (code == ML3_OK) code = interrupted(s->callbacks, error);
  }
  if (tasks) ml3_lab_end(s->callbacks);
  if (code == ML3_OK) code = conclude(&all, (uint64_t)a->config.seed, found, error);
  free(all.x[0]);
  if (a) ml3_lab_adapting_close(a);
  free(a);
  return code;
}

int ml3_lab_evaluate(const ml3_lab_evaluate_settings *settings, ml3_lab_evaluation *found, ml3_error *error) {
  char folder[ML3_LAB_PATH_MAX];
  ml3_lab_evaluate_settings s = *settings;
  memset(found, 0, sizeof *found);
  if (!s.episodes) s.episodes = 100;
  if (!s.what) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run or policy? `ml3 list` shows runs");
  if (s.episodes < 1 || s.episodes > 1000000 || s.tasks < 0 || s.tasks > s.episodes)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%d episodes of %d tasks; 1 to 1000000 episodes, and not more tasks than these, are possible",
                         s.episodes, s.tasks);
  const char *what = ml3_lab_zoo_folder(s.what, folder, error);
  if (!what) return error ? error->code : ML3_ERR_ARGUMENT;
  if (ml3_lab_run_is(what) && !ml3_lab_run_is_policy(what)) return evaluate_loss(&s, what, found, error);
  return evaluate_policy(&s, what, found, error);
}
