/* Collecting: see collect.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/policy.h"
#include "base/file.h"
#include "envs/gym.h"
#include "lab/run_environment.h"

/* ---- what is there -------------------------------------------------------------------------------------------------- */

/* Episode number found->episodes, whose return goes into returns[]. */
static void add(ml3_lab_collected *found, const ml3_episode *e, double *returns) {
  returns[found->episodes] = e->episode_return;
  found->steps += e->steps;
  if (found->episodes == 0 || e->steps < found->shortest) found->shortest = e->steps;
  if (e->steps > found->longest) found->longest = e->steps;
  found->terminated += e->terminated;
  found->succeeded += e->success, found->passed += e->passed;
  found->without_states += isnan(e->final_distance);
  found->episodes++;
}

int ml3_lab_data_read(ml3_dataset *d, const ml3_lab_callbacks *callbacks, ml3_lab_collected *found, ml3_error *error) {
  const int count = ml3_dataset_count(d);
  double *returns = calloc((size_t)count + 1, sizeof *returns);
  int code = returns ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d episodes", count);
  *found = (ml3_lab_collected){0};
  ml3_lab_begin(callbacks, "reading", count);
  for (int k = 0; k < count && code == ML3_OK; k++) {
    ml3_episode *e = ml3_dataset_episode(d, k, error);
    if (e)
      add(found, e, returns);
    else
      code = error ? error->code : ML3_ERR_FORMAT;
    ml3_episode_free(e);
    if (ml3_lab_work((void *)callbacks, k + 1, count)) code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted");
  }
  ml3_lab_end(callbacks);
  if (code == ML3_OK) found->episode_return = ml3_lab_mean_interval(returns, count, 0);
  free(returns);
  return code;
}

/* ---- who acts --------------------------------------------------------------------------------------------------------- */

typedef struct collecting {
  const ml3_lab_collect_settings *settings;
  const ml3_env_spec *spec;
  ml3_policy policy;
  ml3_real *theta; /* NULL: uniform actions */
  ml3_random random;
  ml3_env *env;
  ml3_episode *episode;
  double *task, *goal, *returns; /* goal[goal_dim] of the present episode */
} collecting;

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  collecting *c = user;
  (void)step, (void)state;
  if (c->theta)
    ml3_policy_act(&c->policy, c->theta, obs, c->goal, action);
  else
    ml3_env_draw_action(c->spec, &c->random, action);
}

static int open_all(collecting *c, ml3_error *error) {
  const ml3_lab_collect_settings *s = c->settings;
  ml3_lab_config run; /* a run's environment is the one that it keeps */
  const bool is_run = ml3_lab_run_is(s->environment);
  if (is_run && ml3_lab_run_config(s->environment, &run, s->callbacks, error) != ML3_OK) return error->code;
  const ml3_env_spec *spec = is_run ? ml3_lab_run_environment_spec(&run, error) : ml3_env_find(s->environment, error);
  if (!spec) return error->code;
  c->spec = spec;
  if (s->policy) {
    if (!is_run) ml3_lab_run_environment_say_beside(s->policy, s->environment, s->callbacks);
    const int code = ml3_policy_open(s->policy, spec, &c->policy, &c->theta, error);
    if (code != ML3_OK) return code;
  }
  if (!(c->env = ml3_env_new(spec, error)) || !(c->episode = ml3_episode_new(spec, spec->horizon, error)))
    return error->code;
  c->task = calloc((size_t)spec->task_dim + (size_t)spec->goal_dim + (size_t)s->episodes + 1, sizeof *c->task);
  if (!c->task) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d episodes", s->episodes);
  c->goal = c->task + spec->task_dim;
  c->returns = c->goal + spec->goal_dim;
  return ML3_OK;
}

/* What MuJoCo warned of, also of a failure: it may be its cause. */
static void close_all(collecting *c) {
  if (c->env) ml3_lab_warn(c->settings->callbacks, &c->env->warnings, NULL);
  ml3_episode_free(c->episode);
  ml3_env_free(c->env);
  ml3_policy_free(&c->policy);
  free(c->theta);
  free(c->task);
}

/* ---- collecting ------------------------------------------------------------------------------------------------------- */

/* The id of a data set in that folder where none is given: its last part, with -v0 where it has no version. */
static void name_set(const char *path, char *id, size_t size) {
  size_t n = strlen(path), from;
  while (n > 1 && path[n - 1] == '/') n--;
  for (from = n; from > 0 && path[from - 1] != '/'; from--) {}
  size_t digits = n;
  while (digits > from && path[digits - 1] >= '0' && path[digits - 1] <= '9') digits--;
  bool versioned = digits < n && digits >= from + 2 && path[digits - 1] == 'v' && path[digits - 2] == '-';
  snprintf(id, size, "%.*s%s", (int)(n - from), path + from, versioned ? "" : "-v0");
}

/* Episode number k starts as python/'s environment does in its k-th episode after reset(seed). */
static int collect_one(collecting *c, int k, ml3_dataset_writer *writer, ml3_lab_collected *found, ml3_error *error) {
  const uint64_t seed = c->settings->seed;
  ml3_random reset = ml3_random_stream(seed, ML3_PURPOSE_RESET, 0, (uint32_t)k);
  c->random = ml3_random_stream(seed, ML3_PURPOSE_ACTION, 0, (uint32_t)k);
  ml3_env_sample_task(c->spec, &reset, c->task);
  ml3_env_reset(c->env, c->task, &reset);
  ml3_env_goal(c->env, c->goal);
  ml3_episode_record(c->episode, c->env, c->spec->horizon, false, act, c);
  if (ml3_env_failed(c->spec, error) != ML3_OK) return ML3_ERR_UNAVAILABLE;
  add(found, c->episode, c->returns);
  return ml3_dataset_append(writer, c->episode, error);
}

static int collect_all(collecting *c, ml3_dataset_writer *writer, ml3_lab_collected *found, ml3_error *error) {
  const ml3_lab_callbacks *callbacks = c->settings->callbacks;
  const int count = c->settings->episodes;
  int code = ML3_OK;
  ml3_lab_begin(callbacks, "collecting", count);
  for (int k = 0; k < count && code == ML3_OK; k++) {
    code = collect_one(c, k, writer, found, error);
    if (ml3_lab_work((void *)callbacks, k + 1, count) && code == ML3_OK)
      code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted; nothing is left of the data set");
  }
  ml3_lab_end(callbacks);
  found->episode_return = ml3_lab_mean_interval(c->returns, found->episodes, 0);
  found->no_goal = c->spec->no_goal;
  return code;
}

static int write_set(collecting *c, ml3_lab_collected *found, ml3_error *error) {
  const ml3_lab_collect_settings *s = c->settings;
  char id[ML3_LAB_PATH_MAX], description[512];
  const char *slash = strrchr(c->spec->name, '/'), *name = slash ? slash + 1 : c->spec->name; /* or a FILE.xml */
  if (ml3_gym_is(c->spec->name)) name = c->spec->name + strlen("gym:");
  if (s->output)
    snprintf(found->folder, sizeof found->folder, "%s", s->output);
  else
    snprintf(found->folder, sizeof found->folder, "data/%.*s-%s-v0", (int)strcspn(name, ".:/?#"), name,
             s->policy ? "policy" : "random");
  name_set(found->folder, id, sizeof id);
  snprintf(description, sizeof description, "%d episodes of ml3's %s, seed %llu, actions from %.300s.", s->episodes,
           c->spec->name, (unsigned long long)s->seed, s->policy ? s->policy : "the uniform distribution");
  const ml3_dataset_info info = {.id = s->id ? s->id : id,
                                 .algorithm = s->policy ? "policy" : "random",
                                 .description = description,
                                 .replace = s->force};
  if (!s->force && access(found->folder, F_OK) == 0)
    return ml3_error_set(error, ML3_ERR_IO, "'%s' exists already; choose another --output, or --force", found->folder);
  int code = ml3_file_make_parents(found->folder, error);
  if (code != ML3_OK) return code;
  ml3_dataset_writer *writer = ml3_dataset_create(found->folder, c->spec, &info, error);
  if (!writer) return error->code;
  code = collect_all(c, writer, found, error);
  if (code == ML3_OK) return ml3_dataset_commit(writer, error);
  ml3_dataset_abandon(writer);
  return code;
}

int ml3_lab_collect(const ml3_lab_collect_settings *settings, ml3_lab_collected *found, ml3_error *error) {
  collecting c = {.settings = settings};
  ml3_error own = {0};
  if (!error) error = &own;
  *found = (ml3_lab_collected){0};
  if (!settings->environment) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which environment? `ml3 list` shows them");
  if (settings->episodes < 1 || settings->episodes > ML3_DATASET_EPISODES_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d episodes; 1 to %d are possible", settings->episodes,
                         ML3_DATASET_EPISODES_MAX);
  int code = open_all(&c, error);
  if (code == ML3_OK) code = write_set(&c, found, error);
  close_all(&c);
  return code;
}
