/* ml3 collect: episodes of an environment under random actions or a trained policy, as a data set in Minari's layout.
   ml3 data: what is in such a data set, after reading all of it. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/policy.h"
#include "base/file.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "envs/dataset.h"
#include "lab/experiment.h"
#include "lab/run_environment.h"
#include "lab/statistics.h"

/* ---- who acts ----------------------------------------------------------------------------------------------------- */

typedef struct actor {
  const ml3_env_spec *spec;
  ml3_policy policy;
  ml3_real *theta; /* NULL: random actions */
  double *goal;    /* [goal_dim] of the present episode */
  ml3_random random;
} actor;

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  actor *a = user;
  (void)step, (void)state;
  if (a->theta) {
    ml3_policy_act(&a->policy, a->theta, obs, a->goal, action);
    return;
  }
  ml3_env_draw_action(a->spec, &a->random, action);
}

/* ---- where it goes ------------------------------------------------------------------------------------------------ */

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

/* ---- collecting --------------------------------------------------------------------------------------------------- */

typedef struct collecting {
  actor actor;
  ml3_env *env;
  ml3_episode *episode;
  double *task, *returns;
  ml3_dataset_writer *writer;
  int episodes, succeeded, passed; /* at the goal at the end, at some step */
  long long steps;
  uint64_t seed;
  const char *id; /* of the set; NULL: of its folder */
} collecting;

static int open_collecting(collecting *c, const char *name, const char *policy, ml3_error *error) {
  ml3_lab_config run; /* a run's environment is the one that it keeps */
  const bool is_run = ml3_lab_run_is(name);
  if (is_run && ml3_lab_run_config(name, &run, &cli_messages, error) != ML3_OK) return error->code;
  const ml3_env_spec *spec = is_run ? ml3_lab_run_environment_spec(&run, error) : ml3_env_find(name, error);
  if (!spec) return error->code;
  c->actor.spec = spec;
  if (strcmp(policy, "random") != 0) {
    if (!is_run) ml3_lab_run_environment_say_beside(policy, name, &cli_messages);
    int code = ml3_policy_open(policy, spec, &c->actor.policy, &c->actor.theta, error);
    if (code != ML3_OK) return code;
  }
  if (!(c->env = ml3_env_new(spec, error)) || !(c->episode = ml3_episode_new(spec, spec->horizon, error)))
    return error->code;
  c->task = calloc((size_t)spec->task_dim + 1, sizeof *c->task);
  c->actor.goal = calloc((size_t)spec->goal_dim + 1, sizeof *c->actor.goal);
  c->returns = calloc((size_t)c->episodes, sizeof *c->returns);
  return c->task && c->actor.goal && c->returns
             ? ML3_OK
             : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d episodes", c->episodes);
}

static void close_collecting(collecting *c) {
  ml3_episode_free(c->episode);
  ml3_env_free(c->env);
  ml3_policy_free(&c->actor.policy);
  free(c->actor.theta);
  free(c->actor.goal);
  free(c->task);
  free(c->returns);
}

/* Episode number k starts as python/'s environment does in its k-th episode after reset(seed). */
static int collect_one(collecting *c, int k, ml3_error *error) {
  ml3_random reset = ml3_random_stream(c->seed, ML3_PURPOSE_RESET, 0, (uint32_t)k);
  c->actor.random = ml3_random_stream(c->seed, ML3_PURPOSE_ACTION, 0, (uint32_t)k);
  ml3_env_sample_task(c->actor.spec, &reset, c->task);
  ml3_env_reset(c->env, c->task, &reset);
  ml3_env_goal(c->env, c->actor.goal);
  ml3_episode_record(c->episode, c->env, c->actor.spec->horizon, false, act, &c->actor);
  c->returns[k] = c->episode->episode_return;
  c->succeeded += c->episode->success, c->passed += c->episode->passed;
  c->steps += c->episode->steps;
  return ml3_dataset_append(c->writer, c->episode, error);
}

static int collect_all(collecting *c, bool quiet, ml3_error *error) {
  cli_progress progress;
  int code = ML3_OK;
  cli_progress_begin(&progress, "collecting", c->episodes, quiet);
  for (int k = 0; k < c->episodes && code == ML3_OK; k++) {
    code = collect_one(c, k, error);
    cli_progress_update(&progress, k + 1, "");
    if (code == ML3_OK && cli_interrupted())
      code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted; nothing is left of the data set");
  }
  cli_progress_end(&progress);
  return code;
}

static int write_set(collecting *c, const char *policy, const char *path, bool force, bool quiet, ml3_error *error) {
  char id[ML3_LAB_PATH_MAX], description[512];
  if (c->id)
    snprintf(id, sizeof id, "%s", c->id);
  else
    name_set(path, id, sizeof id);
  snprintf(description, sizeof description, "%d episodes of ml3's %s, seed %llu, actions from %.300s.", c->episodes,
           c->actor.spec->name, (unsigned long long)c->seed, c->actor.theta ? policy : "the uniform distribution");
  const ml3_dataset_info info = {
      .id = id, .algorithm = c->actor.theta ? "policy" : "random", .description = description, .replace = force};
  if (!force && access(path, F_OK) == 0)
    return ml3_error_set(error, ML3_ERR_IO, "'%s' exists already; choose another --output, or --force", path);
  int code = ml3_file_make_parents(path, error);
  if (code == ML3_OK && !(c->writer = ml3_dataset_create(path, c->actor.spec, &info, error))) code = error->code;
  if (code != ML3_OK) return code;
  code = collect_all(c, quiet, error);
  if (code == ML3_OK) return ml3_dataset_commit(c->writer, error);
  ml3_dataset_abandon(c->writer);
  return code;
}

int cli_collect(int argc, const char **argv) {
  int episodes = 100, force = 0;
  long seed = 0;
  const char *policy = "random", *output = NULL, *id = NULL;
  const struct poptOption own[] = {
      {"policy", 'p', POPT_ARG_STRING, &policy, 0,
       "'random', or a trained policy.safetensors, which acts by its mean (random)", "POLICY"},
      {"episodes", 'n', POPT_ARG_INT, &episodes, 0, "how many (100)", "N"},
      {"seed", '\0', POPT_ARG_LONG, &seed, 0, "of tasks, starts and random actions (0)", "N"},
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the new folder (data/ENVIRONMENT-POLICY-v0)", "FOLDER"},
      {"id", '\0', POPT_ARG_STRING, &id, 0, "Minari's name of the set, (NAMESPACE/)NAME-v0 (the folder's last part)",
       "ID"},
      CLI_FORCE_OPTION(&force),
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "ENVIRONMENT|RUN [OPTIONS]",
      "Plays episodes, each with a task drawn from the environment's ranges, and writes them as a data set in\n"
      "Minari's layout: FOLDER/data/main_data.hdf5 and metadata.json. In Python:\n"
      "minari.MinariDataset(\"FOLDER/data\").",
      NULL);
  if (answer >= 0) return answer;

  char path[ML3_LAB_PATH_MAX];
  ml3_error error = {0};
  collecting c = {.episodes = episodes, .seed = (uint64_t)seed, .id = id};
  int code = ML3_OK;
  if (!options.argument)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "which environment? `ml3 list` shows them");
  else if (episodes < 1 || episodes > ML3_DATASET_EPISODES_MAX)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--episodes is %d; 1 to %d are possible", episodes,
                         ML3_DATASET_EPISODES_MAX);
  else if (seed < 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--seed is %ld; it must not be negative", seed);
  if (code == ML3_OK) code = open_collecting(&c, options.argument, policy, &error);
  if (code == ML3_OK) {
    const char *slash = strrchr(c.actor.spec->name, '/'),
               *name = slash ? slash + 1 : c.actor.spec->name; /* or a FILE.xml */
    snprintf(path, sizeof path, "data/%.*s-%s-v0", (int)strcspn(name, "."), name, c.actor.theta ? "policy" : "random");
    const char *to = output ? output : path;
    code = write_set(&c, policy, to, force, options.quiet, &error);
    if (code == ML3_OK) {
      ml3_lab_interval mean = ml3_lab_mean_interval(c.returns, c.episodes, 0);
      printf("%s: %d episodes, %lld steps; return %.4g (95 %%: %.4g - %.4g), success %.1f %%, passed %.1f %%\n", to,
             c.episodes, c.steps, mean.mean, mean.low, mean.high, 100.0 * c.succeeded / c.episodes,
             100.0 * c.passed / c.episodes);
    }
  }
  if (c.env) cli_console_warn("collect", &c.env->warnings); /* of a failure as well: they may be its cause */
  close_collecting(&c);
  return cli_end("collect", code, &error);
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

typedef struct summary {
  long long steps;
  int shortest, longest, terminated, succeeded, passed, without_states;
  double *returns; /* [episodes] */
} summary;

static int summarise(ml3_dataset *d, summary *s, bool quiet, ml3_error *error) {
  const int count = ml3_dataset_count(d);
  cli_progress progress;
  int code = ML3_OK;
  s->returns = calloc((size_t)count + 1, sizeof *s->returns);
  if (!s->returns) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d episodes", count);
  cli_progress_begin(&progress, "reading", count, quiet);
  for (int k = 0; k < count && code == ML3_OK; k++) {
    ml3_episode *e = ml3_dataset_episode(d, k, error);
    if (!e) {
      code = error->code;
      break;
    }
    s->returns[k] = e->episode_return;
    s->steps += e->steps;
    if (k == 0 || e->steps < s->shortest) s->shortest = e->steps;
    if (e->steps > s->longest) s->longest = e->steps;
    s->terminated += e->terminated;
    s->succeeded += e->success, s->passed += e->passed;
    s->without_states += isnan(e->final_distance);
    ml3_episode_free(e);
    cli_progress_update(&progress, k + 1, "");
    if (cli_interrupted()) code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted");
  }
  cli_progress_end(&progress);
  return code;
}

static void print_summary(const ml3_dataset *d, const summary *s) {
  const int count = ml3_dataset_count(d);
  ml3_lab_interval mean = ml3_lab_mean_interval(s->returns, count, 0);
  if (*ml3_dataset_id(d)) printf("id             %s\n", ml3_dataset_id(d));
  printf("environment    %s\n", ml3_dataset_spec(d)->name);
  printf("episodes       %d, of which the environment ended %d\n", count, s->terminated);
  printf("steps          %lld, %d to %d an episode\n", s->steps, s->shortest, s->longest);
  if (count) printf("return         %.6g on average (95 %%: %.6g - %.6g)\n", mean.mean, mean.low, mean.high);
  if (s->without_states)
    printf("goal           unknown in %d episodes, which have no states\n", s->without_states);
  else
    printf("goal           reached at the end of %d episodes, passed in %d\n", s->succeeded, s->passed);
}

int cli_data(int argc, const char **argv) {
  const char *environment = NULL;
  const struct poptOption own[] = {
      {"environment", 'e', POPT_ARG_STRING, &environment, 0,
       "whose episodes these are, where the data set does not say, or FILE.xml has moved", "NAME"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "FOLDER|FILE.hdf5 [OPTIONS]",
      "Reads a data set in Minari's layout, written by `ml3 collect` or by Minari, checks every number in it and\n"
      "tells what is there.",
      NULL);
  if (answer >= 0) return answer;

  ml3_error error = {0};
  summary s = {0};
  const ml3_env_spec *spec = NULL;
  ml3_dataset *d = NULL;
  int code = options.argument ? ML3_OK : ml3_error_set(&error, ML3_ERR_ARGUMENT, "which data set?");
  if (code == ML3_OK && environment && !(spec = ml3_env_find(environment, &error))) code = error.code;
  if (code == ML3_OK && !(d = ml3_dataset_open(options.argument, spec, &error))) code = error.code;
  if (code == ML3_OK) code = summarise(d, &s, options.quiet, &error);
  if (code == ML3_OK) print_summary(d, &s);
  free(s.returns);
  ml3_dataset_close(d);
  return cli_end("data", code, &error);
}
