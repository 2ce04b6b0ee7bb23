/* ml3 view and ml3 record: rollouts of a run's held-out task (untrained, after each number of learned-loss updates, the
   task gradient, iLQR) or of an environment with random actions; in a window, or as video and frames. */
#include <stdlib.h>
#include <string.h>

#include "cli/experiment.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "viewer/viewer.h"

enum { EPISODES_MAX = 32 };

typedef struct showing {
  ml3_episode *episodes[EPISODES_MAX];
  int count;
  char title[160];
} showing;

static void drop(showing *s) {
  for (int i = 0; i < s->count; i++) ml3_episode_free(s->episodes[i]);
}

/* ---- what to show --------------------------------------------------------------------------------------------- */

/* Not every problem has rollouts. */
static int check_shows(const cli_config *config, ml3_error *error) {
  const cli_problem_kind *kind = cli_problem_kind_find(config->problem, error);
  if (!kind) return ML3_ERR_ARGUMENT;
  if (kind->rollouts) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "problem '%s' has no rollouts to look at; `ml3 adapt` and `ml3 compare` show what its loss does",
                       kind->name);
}

static int of_run(showing *s, const cli_options *o, int task, ml3_error *error) {
  cli_config config;
  ml3_loss *loss = NULL;
  ml3_problem *problem = NULL;
  ml3_meta *meta = NULL;
  double rate = 0;
  int code = cli_run_open(o->argument, &config, &loss, error);
  if (code == ML3_OK) code = cli_options_apply(o, &config, error);
  if (code == ML3_OK) code = check_shows(&config, error);
  if (code == ML3_OK && !(problem = cli_problem_new(&config, error))) code = error->code;
  ml3_trainer_settings settings;
  if (code == ML3_OK) code = cli_trainer_settings(&config, problem, &settings, error);
  if (code == ML3_OK) {
    settings.meta.loss = loss->spec;
    if (!(meta = ml3_meta_new(problem, &settings.meta, error))) code = error->code;
  }
  ml3_compare_settings compare = cli_compare_settings(&config);
  if (code == ML3_OK) code = ml3_compare_task_rate(meta, &compare, &rate, error);
  if (code == ML3_OK) {
    const ml3_compare_loss shown = {cli_method_label(&config), loss, NULL};
    int count = ml3_compare_episodes(meta, &shown, 1, &compare, task, rate, s->episodes, EPISODES_MAX, error);
    if (count < 0)
      code = count;
    else
      s->count = count;
    snprintf(s->title, sizeof s->title, "ml3: %.60s, %.40s, held-out task %d", o->argument, cli_problem_title(&config), task);
  }
  ml3_meta_free(meta);
  if (problem) problem->free(problem);
  ml3_loss_free(loss);
  return code;
}

/* Uniform random actions, from the user's stream. */
typedef struct random_player {
  const ml3_env_spec *spec;
  ml3_random random;
} random_player;

static void play_random(void *user, int step, const double *obs, const double *state, double *action) {
  random_player *p = user;
  (void)step, (void)obs, (void)state;
  for (int i = 0; i < p->spec->action_dim; i++)
    action[i] = ml3_random_uniform(&p->random, p->spec->action[i].low, p->spec->action[i].high);
}

static int of_environment(showing *s, const char *name, int task, ml3_error *error) {
  const ml3_env_spec *spec = ml3_env_find(name, error);
  ml3_env *env = spec ? ml3_env_new(spec, error) : NULL;
  ml3_episode *episode = env ? ml3_episode_new(spec, spec->horizon, error) : NULL;
  if (!episode) {
    ml3_env_free(env);
    return error->code;
  }
  double *values = calloc((size_t)spec->task_dim + 1, sizeof *values);
  random_player player = {spec, ml3_random_stream(0, ML3_PURPOSE_ACTION, (uint32_t)task, 0)};
  ml3_random reset = ml3_random_stream(0, ML3_PURPOSE_RESET, (uint32_t)task, 0);
  if (values) {
    ml3_env_sample_task(spec, &reset, values);
    ml3_env_reset(env, values, &reset);
    ml3_episode_record(episode, env, spec->horizon, false, play_random, &player);
    snprintf(episode->label, sizeof episode->label, "random actions");
    snprintf(s->title, sizeof s->title, "ml3: %s, task %d", name, task);
    s->episodes[s->count++] = episode;
  }
  free(values);
  ml3_env_free(env);
  return values ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a task");
}

static int collect(showing *s, const cli_options *o, int task, ml3_error *error) {
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run or environment? `ml3 list` shows them");
  if (task < 0) return ml3_error_set(error, ML3_ERR_ARGUMENT, "--task is %d; it must not be negative", task);
  if (cli_run_is(o->argument) || strchr(o->argument, '/')) return of_run(s, o, task, error);
  return of_environment(s, o->argument, task, error);
}

static int end(const char *verb, showing *s, int code, const ml3_error *error) {
  drop(s);
  if (code == ML3_ERR_ARGUMENT) return cli_fail(verb, error), CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : cli_fail(verb, error);
}

/* ---- view --------------------------------------------------------------------------------------------------------- */

/* The window's keys, for --help. */
static void key_notes(char *notes, size_t size) {
  size_t used = (size_t)snprintf(notes, size, "In the window:\n");
  for (const char *const *line = ml3_view_keys(); *line && used < size; line++)
    used += (size_t)snprintf(notes + used, size - used, "  %s\n", *line);
}

int cli_view(int argc, const char **argv) {
  int task = 0;
  double speed = 1;
  const char *trace = NULL;
  const struct poptOption own[] = {
      {"task", 't', POPT_ARG_INT, &task, 0, "number of the held-out task (0)", "N"},
      {"speed", '\0', POPT_ARG_DOUBLE, &speed, 0, "1 is real time", "FACTOR"},
      {"trace", '\0', POPT_ARG_STRING, &trace, 0, "a line for every key and what came of it", "FILE"},
      POPT_TABLEEND};
  cli_options options = {0};
  char notes[2048];
  key_notes(notes, sizeof notes);
  int answer = cli_options_read(&options, argc, argv, own, "RUN|ENVIRONMENT [OPTIONS]",
                                "Opens a window on a held-out task of a run: the untrained policy, the learned loss after each number\n"
                                "of updates in test.steps, the task gradient and iLQR. An environment plays random actions.",
                                notes);
  if (answer >= 0) return answer;
  showing s = {0};
  ml3_error error = {0};
  int code = collect(&s, &options, task, &error);
  if (code == ML3_OK) {
    const ml3_view_options view = {.speed = speed, .plots = true, .labels = true, .title = s.title, .trace = trace};
    code = ml3_view_window(s.episodes, s.count, &view, &error);
  }
  return end("view", &s, code, &error);
}

/* ---- record ------------------------------------------------------------------------------------------------------- */

static int on_progress(void *user, int done, int total) {
  ((cli_progress *)user)->total = total;
  cli_progress_update(user, done, "");
  return cli_interrupted();
}

int cli_record(int argc, const char **argv) {
  int task = 0, width = 1280, height = 720, plain = 0;
  double fps = 0;
  const char *output = NULL;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0, "FILE.mp4, FILE.gif, or a folder for frames (RUN/rollouts.mp4)", "PATH"},
      {"task", 't', POPT_ARG_INT, &task, 0, "number of the held-out task (0)", "N"},
      {"width", '\0', POPT_ARG_INT, &width, 0, "pixels (1280)", "N"},
      {"height", '\0', POPT_ARG_INT, &height, 0, "pixels (720)", "N"},
      {"fps", '\0', POPT_ARG_DOUBLE, &fps, 0, "frames a second of video", "N"},
      {"plain", '\0', POPT_ARG_NONE, &plain, 0, "the scene alone, without labels and plots", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "RUN|ENVIRONMENT [OPTIONS]",
                                "Writes the rollouts that `ml3 view` shows as video (through ffmpeg) or as PNG frames. Needs no display.",
                                NULL);
  if (answer >= 0) return answer;
  showing s = {0};
  ml3_error error = {0};
  char path[CLI_PATH_MAX];
  int frames = 0, code = collect(&s, &options, task, &error);
  if (code == ML3_OK && (width < 16 || height < 16 || width > 8192 || height > 8192))
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--width and --height are %d and %d; 16 to 8192 are possible", width, height);
  if (code == ML3_OK) {
    if (cli_run_is(options.argument))
      cli_run_path(options.argument, "rollouts.mp4", path);
    else
      snprintf(path, sizeof path, "%.900s.mp4", options.argument);
    const ml3_view_options view = {.width = width, .height = height, .fps = fps, .plots = !plain, .labels = !plain};
    const char *to = output ? output : path;
    cli_progress progress;
    cli_progress_begin(&progress, "recording", 1, options.quiet);
    code = ml3_view_record(s.episodes, s.count, to, &view, on_progress, &progress, &frames, &error);
    cli_progress_end(&progress);
    if (code == ML3_OK) printf("%s: %d frames, %d rollouts\n", to, frames, s.count);
  }
  return end("record", &s, code, &error);
}
