/* ml3 view and ml3 record: policies of a run on a held-out task, or an environment with random actions; in a window, or as
   video and frames. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/interrupt.h"
#include "cli/live.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "envs/gym.h"
#include "lab/policy_open.h"
#include "lab/zoo.h"

/* ---- what both take -------------------------------------------------------------------------------------------- */

static int choose(const char *what, const char *given, const char *const *names, int fallback, int *chosen,
                  ml3_error *error) {
  *chosen = fallback;
  if (!given) return ML3_OK;
  char list[128] = "";
  for (int i = 0; names[i]; i++) {
    if (strcmp(names[i], given) == 0) return *chosen = i, ML3_OK;
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
  }
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s is '%s'; it can be %s", what, given, list);
}

static const char *const layouts[] = {"single", "ghosts", "tiles", NULL};
static const char *const overlays[] = {"none", "labels", "plots", "all", NULL};

typedef struct view_arguments {
  int task, width, height, map;
  const char *layout, *overlay, *camera, *with, *policy;
} view_arguments;

/* The options that both verbs have, of view_arguments `given`. */
/* clang-format off */
#define VIEW_OPTIONS \
  {"task", 't', POPT_ARG_INT, &given.task, 0, "index of the held-out task (0)", "N"}, \
  {"policy", 'p', POPT_ARG_STRING, &given.policy, 0, \
   "show this trained policy, a RUN's or a FILE.safetensors, in ENVIRONMENT (its run's)", "POLICY"}, \
  {"with", '\0', POPT_ARG_STRING, &given.with, 0, "also show the policy of this run, of PPO for example", "RUN"}, \
  {"camera", '\0', POPT_ARG_STRING, &given.camera, 0, "a camera of the scene by name or number, free, or track", "NAME"}, \
  {"overlay", '\0', POPT_ARG_STRING, &given.overlay, 0, "none, labels, plots or all (all)", "NAME"}, \
  {"map", '\0', POPT_ARG_NONE, &given.map, 0, "show the learned loss as a map under the scene", NULL}, \
  {"width", '\0', POPT_ARG_INT, &given.width, 0, "pixels (1280)", "N"}, \
  {"height", '\0', POPT_ARG_INT, &given.height, 0, "pixels (720)", "N"}
/* clang-format on */

/* The options that both verbs have; view is filled from them. */
static int fill(const view_arguments *given, const cli_live *live, ml3_view_options *view, ml3_error *error) {
  int layout, overlay;
  const bool one = cli_live_source(live)->actors < 2;
  int code = choose("--layout", given->layout, layouts, one ? ML3_VIEW_SINGLE : ML3_VIEW_GHOSTS, &layout, error);
  if (code == ML3_OK) code = choose("--overlay", given->overlay, overlays, 3, &overlay, error);
  if (code != ML3_OK) return code;
  if (given->task < 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--task is %d; it must not be negative", given->task);
  if (given->width < 16 || given->height < 16 || given->width > 8192 || given->height > 8192)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--width and --height are %d and %d; 16 to 8192 are possible",
                         given->width, given->height);
  view->width = given->width;
  view->height = given->height;
  view->task = given->task;
  view->camera = given->camera;
  view->map = given->map;
  view->layout = (ml3_view_layout)layout;
  view->labels = overlay & 1;
  view->plots = overlay & 2;
  return ML3_OK;
}

static cli_live *open_main(const cli_options *o, const view_arguments *given, cli_cast cast, ml3_error *error) {
  if (given->policy) return cli_live_of_policy(given->policy, o->argument, o, error);
  if (!o->argument) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "which run or environment? `ml3 list` shows them");
    return NULL;
  }
  char folder[ML3_LAB_PATH_MAX];
  const char *where = ml3_lab_zoo_folder(o->argument, folder, error);
  if (!where) return NULL;
  if (ml3_lab_run_is_policy(where)) return cli_live_of_policy(where, NULL, o, error);
  if (ml3_lab_run_is(where) || (strchr(where, '/') && !ml3_env_is_file(where) && !ml3_gym_is(where)))
    return cli_live_of_run(where, o, cast, error);
  return cli_live_of_environment(where, error);
}

static cli_live *open_live(const cli_options *o, const view_arguments *given, cli_cast cast, ml3_error *error) {
  cli_live *live = open_main(o, given, cast, error);
  if (!live || !given->with || cli_live_add(live, given->with, error) == ML3_OK) return live;
  cli_live_free(live);
  return NULL;
}

static int end(const char *verb, cli_live *live, int code, const ml3_error *error) {
  cli_live_free(live);
  return cli_end(verb, code, error);
}

/* ---- view --------------------------------------------------------------------------------------------------------- */

/* The window's keys, for --help. */
static void key_notes(char *notes, size_t size) {
  size_t used = (size_t)snprintf(notes, size, "In the window:\n");
  for (const char *const *line = ml3_view_keys(); *line && used < size; line++)
    used += (size_t)snprintf(notes + used, size - used, "  %s\n", *line);
}

int cli_view(int argc, const char **argv) {
  view_arguments given = {.width = 1280, .height = 720};
  double speed = 1;
  int force = 0, follow = 0;
  const char *trace = NULL;
  const struct poptOption own[] = {
      {"layout", 'l', POPT_ARG_STRING, &given.layout, 0, "single, ghosts or tiles (ghosts)", "NAME"},
      VIEW_OPTIONS,
      {"speed", '\0', POPT_ARG_DOUBLE, &speed, 0, "1 is real time", "FACTOR"},
      {"follow", '\0', POPT_ARG_NONE, &follow, 0,
       "follow a training that goes on in RUN: its curves, and the best loss or the policy so far", NULL},
      {"trace", '\0', POPT_ARG_STRING, &trace, 0, "log every key and its effect", "FILE"},
      CLI_FORCE_OPTION(&force),
      POPT_TABLEEND};
  cli_options options = {0};
  char notes[2048];
  key_notes(notes, sizeof notes);
  int answer = cli_options_read(
      &options, argc, argv, own, "[RUN|zoo:NAME|ENVIRONMENT|FILE.xml] [OPTIONS]",
      "Opens a window on a held-out task of a run. Two policies start from the same initial parameters: key u updates\n"
      "one with the learned loss, key o the other with the baseline (the task gradient; without a model REINFORCE).\n"
      "Beside them: the untrained policy, iLQR, and the first policy one update earlier. The reward is plotted only.\n"
      "With an environment in place of a run: random actions, no action, and iLQR where it is possible.",
      notes);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  const char *run = options.argument ? options.argument : "";
  if (follow && cli_live_wait(run, &error) != ML3_OK) return cli_end("view", error.code, &error);
  cli_live *live = open_live(&options, &given, follow ? CLI_CAST_COMPARISON : CLI_CAST_LEARNERS, &error);
  ml3_view_options view = {
      .speed = speed, .trace = trace, .title = live ? cli_live_title(live) : NULL, .stop = cli_interrupted};
  int code = live ? fill(&given, live, &view, &error) : error.code;
  if (code == ML3_OK && follow) code = cli_live_follow(live, run, &error);
  if (code == ML3_OK) code = ml3_file_may_write(trace, "--trace", force, &error);
  if (code == ML3_OK) code = ml3_view_window(cli_live_source(live), &view, &error);
  return end("view", live, code, &error);
}

/* ---- record ------------------------------------------------------------------------------------------------------- */

static int on_progress(void *user, int done, int total) {
  ((cli_progress *)user)->total = total;
  cli_progress_update(user, done, "");
  return cli_interrupted();
}

/* NAME.mp4; of zoo:NAME and gym:MODULE:NAMESPACE/ID?ARGUMENTS by their last part. */
static void name_video(const char *argument, char *path) {
  const bool gym = ml3_gym_is(argument);
  const char *name = argument + (ml3_lab_zoo_is(argument) ? 4 : 0), *end = name + strcspn(name, gym ? "?#" : "");
  for (const char *c = argument; gym && c < end; c++)
    if (*c == ':' || *c == '/') name = c + 1;
  snprintf(path, ML3_LAB_PATH_MAX, "%.*s.mp4", end - name < 900 ? (int)(end - name) : 900, name);
}

/* RUN/rollouts.mp4, which may be an earlier one, or the name of the environment or of the zoo's loss; of a policy alone its own. */
static int choose_output(const char *argument, int force, char *path, ml3_error *error) {
  if (argument && ml3_lab_run_is(argument)) {
    ml3_lab_run_path(argument, "rollouts.mp4", path);
    return ML3_OK;
  }
  if (argument)
    name_video(argument, path);
  else
    strcpy(path, "policy.mp4");
  return ml3_file_may_write(path, "--output", force, error);
}

int cli_record(int argc, const char **argv) {
  view_arguments given = {.width = 1280, .height = 720};
  double fps = 0;
  int force = 0;
  const char *output = NULL;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0,
       "FILE.mp4, FILE.gif, FILE.png for the last state, or a folder for frames (RUN/rollouts.mp4)", "PATH"},
      CLI_FORCE_OPTION(&force),
      {"layout", 'l', POPT_ARG_STRING, &given.layout, 0, "single (one after the other), ghosts or tiles (ghosts)",
       "NAME"},
      VIEW_OPTIONS,
      {"fps", '\0', POPT_ARG_DOUBLE, &fps, 0, "frames a second of video", "N"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "[RUN|zoo:NAME|ENVIRONMENT|FILE.xml] [OPTIONS]",
      "Writes a held-out task of a run as video (through ffmpeg) or as PNG frames: the untrained policy, the learned\n"
      "loss after each number of updates in test.steps, the baseline (task gradient, or REINFORCE without a model) and "
      "iLQR.\n"
      "Needs no display.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  char path[ML3_LAB_PATH_MAX];
  int frames = 0, code = ml3_file_may_write(output, "--output", force, &error);
  if (code != ML3_OK) return cli_fail("record", &error);
  cli_live *live = open_live(&options, &given, CLI_CAST_COMPARISON, &error);
  ml3_view_options view = {.fps = fps};
  code = live ? fill(&given, live, &view, &error) : error.code;
  if (code == ML3_OK && !output) code = choose_output(options.argument, force, path, &error);
  if (code == ML3_OK) {
    const char *to = output ? output : path;
    cli_progress progress;
    cli_progress_begin(&progress, "recording", 1, options.quiet);
    code = ml3_view_record(cli_live_source(live), to, &view, on_progress, &progress, &frames, &error);
    cli_progress_end(&progress);
    if (code == ML3_OK) printf("%s: %d frames, %d rollouts\n", to, frames, cli_live_source(live)->actors);
  }
  return end("record", live, code, &error);
}
