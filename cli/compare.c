/* ml3 compare: methods side by side on the same held-out tasks of a run, of several runs, or of an environment alone.

   Table to the terminal; files into the run's folder or --output (see lab/comparison.h). */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "base/file.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "lab/compare_open.h"
#include "lab/compare_supervised.h"
#include "lab/experiment.h"
#include "lab/zoo.h"
#include "viewer/viewer.h"

enum { LIST_TEXT = 1024, EPISODES_MAX = 64, SEEDS_MAX = 1000 };

typedef struct own_options {
  const char *with, *label, *methods, *reference, *errors, *output, *video;
  int seeds, task, transitions, hold, uniform_states, force;
  long budget;
} own_options;

/* ---- options ------------------------------------------------------------------------------------------------------ */

/* "mass=0.1,gravity=0.3"; text is kept. */
static int read_errors(char *text, ml3_lab_compare_settings *s, ml3_error *error) {
  const char *parts[ML3_COMPARE_MAX_ERRORS];
  const int count = ml3_lab_split(text, ", ", parts, ML3_COMPARE_MAX_ERRORS, "--error", error);
  if (count < 0) return count;
  for (int i = 0; i < count; i++) {
    char *equals = strchr(parts[i], '='), *end = NULL;
    const double relative = equals ? strtod(equals + 1, &end) : NAN;
    if (!equals || end == equals + 1 || *end || !(relative > 0 && relative < 1))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "--error '%s': expected parameter=share with a share between 0 and 1, such as mass=0.1",
                           parts[i]);
    *equals = '\0';
    s->errors[s->error_count++] = (ml3_compare_error){parts[i], relative};
  }
  return ML3_OK;
}

/* ---- output --------------------------------------------------------------------------------------------------------- */

static int on_frame(void *user, int done, int total) {
  ((cli_progress *)user)->total = total;
  cli_progress_update(user, done, "");
  return cli_interrupted();
}

/* Each method's answer on one task, side by side. */
static int record(const ml3_lab_comparison *c, const own_options *own, bool quiet, ml3_error *error) {
  ml3_episode *episodes[EPISODES_MAX];
  const int all = ml3_lab_comparison_rollouts(c, own->task, episodes, EPISODES_MAX, error);
  if (all < 0) return all;
  const int shown = all < ML3_VIEW_ACTORS ? all : ML3_VIEW_ACTORS;
  if (shown < all) fprintf(stderr, "ml3 compare: the video has room for the first %d of %d methods\n", shown, all);
  const ml3_view_source source = ml3_view_recorded(episodes, shown);
  const ml3_view_options view = {.labels = true, .layout = ML3_VIEW_TILES};
  cli_progress progress;
  cli_progress_begin(&progress, "recording", 1, quiet);
  const int code = ml3_view_record(&source, own->video, &view, on_frame, &progress, NULL, error);
  cli_progress_end(&progress);
  for (int i = 0; i < all; i++) ml3_episode_free(episodes[i]);
  return code;
}

/* Several runs have no folder of their own: an error before they are compared. */
static int check_folder(const cli_options *o, const own_options *own, ml3_error *error) {
  if (own->output || !strstr(o->argument, "{seed}")) return ml3_lab_run_may_create(own->output, true, error);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "several runs are compared; --output says where the tables go");
}

static int make_folder(const cli_options *o, const own_options *own, char *folder, ml3_error *error) {
  char pattern[ML3_LAB_PATH_MAX];
  const bool each = ml3_lab_names_each_seed(o->argument, pattern, sizeof pattern);
  if (!own->output && (each ? !strstr(o->argument, "{seed}") : ml3_lab_run_is(o->argument))) {
    snprintf(folder, ML3_LAB_PATH_MAX, "%.1000s", o->argument);
    return ML3_OK;
  }
  char usual[ML3_LAB_PATH_MAX];
  ml3_lab_config config;
  ml3_lab_config_defaults(&config);
  const char *slash = strrchr(o->argument, '/');
  const char *name = slash ? slash + 1 : o->argument;
  snprintf(usual, sizeof usual, "runs/compare-%.200s", ml3_lab_zoo_is(name) ? name + 4 : name);
  return ml3_lab_run_create(own->output ? own->output : usual, &config, true, folder, error);
}

/* ---- the verb --------------------------------------------------------------------------------------------------------- */

/* The table and its legend; it is freed. */
static void print(ml3_lab_table *table, const char *legend) {
  cli_table_print(table, stdout);
  fputs(legend, stdout);
  ml3_lab_table_free(table);
}

static void say_plot(int code, const ml3_error *plot) {
  if (code != ML3_OK) fprintf(stderr, "ml3 compare: no plots: %s\n", plot->message);
}

/* What there is, printed and into the folder. */
static int report(const ml3_lab_comparison *c, const char *folder, ml3_error *error) {
  char legend[4096], conclusion[512];
  ml3_lab_table *shown, *numbers;
  ml3_error plot = {0};
  int code = ml3_lab_comparison_tables(c, &shown, &numbers, error);
  if (code != ML3_OK) return code;
  ml3_lab_comparison_legend(c, legend, sizeof legend);
  print(shown, legend);
  ml3_lab_table_free(numbers);
  ml3_lab_comparison_conclusion(c, conclusion, sizeof conclusion);
  printf("\n%s\n", conclusion);
  code = ml3_lab_comparison_save(c, folder, error);
  if (code == ML3_OK) say_plot(ml3_lab_comparison_plot(c, folder, &plot), &plot);
  return code;
}

static int report_supervised(const ml3_lab_supervised *s, const char *folder, ml3_error *error) {
  char legend[1024], conclusion[512];
  ml3_error plot = {0};
  ml3_lab_table *table = ml3_lab_supervised_table(s);
  if (!table) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  ml3_lab_supervised_legend(s, legend, sizeof legend);
  print(table, legend);
  ml3_lab_supervised_conclusion(s, conclusion, sizeof conclusion);
  printf("\n%s", conclusion);
  const int code = ml3_lab_supervised_save(s, folder, error);
  if (code == ML3_OK) say_plot(ml3_lab_supervised_plot(s, folder, &plot), &plot);
  return code;
}

static int compare(const cli_options *o, const own_options *own, bool supervised, ml3_error *error) {
  char methods_text[LIST_TEXT], errors_text[LIST_TEXT], folder[ML3_LAB_PATH_MAX];
  const char *methods[ML3_COMPARE_MAX_METHODS];
  cli_console console;
  cli_console_open(&console, "compare", o->quiet);
  ml3_lab_compare_settings s = {.name = o->argument,
                                .with = own->with,
                                .label = own->label,
                                .sets = o->sets,
                                .set_count = o->set_count,
                                .methods = methods,
                                .reference = own->reference,
                                .seeds = own->seeds,
                                .budget = own->budget,
                                .transitions = own->transitions,
                                .transitions_hold = own->hold,
                                .transitions_states = own->uniform_states != 0,
                                .callbacks = &console.callbacks};
  snprintf(methods_text, sizeof methods_text, "%s", own->methods ? own->methods : "");
  snprintf(errors_text, sizeof errors_text, "%s", own->errors ? own->errors : "");
  if (own->methods)
    s.method_count = ml3_lab_split(methods_text, ", ", methods, ML3_COMPARE_MAX_METHODS, "--methods", error);
  int code = s.method_count < 0 ? s.method_count : ML3_OK;
  if (code == ML3_OK && own->errors) code = read_errors(errors_text, &s, error);
  ml3_lab_comparison *c = code == ML3_OK && !supervised ? ml3_lab_compare(&s, error) : NULL;
  ml3_lab_supervised *of_losses = code == ML3_OK && supervised ? ml3_lab_compare_supervised(&s, error) : NULL;
  if (code == ML3_OK && !c && !of_losses) code = error->code;
  if (code == ML3_OK) code = make_folder(o, own, folder, error);
  if (code == ML3_OK && c && own->video) code = record(c, own, o->quiet, error);
  if (code == ML3_OK) code = c ? report(c, folder, error) : report_supervised(of_losses, folder, error);
  ml3_lab_comparison_free(c);
  ml3_lab_supervised_free(of_losses);
  return code;
}

/* Of the tables the first stands for all. */
static int check_output(const own_options *own, ml3_error *error) {
  char tables[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(own->output ? own->output : "", "comparison.csv", tables);
  int code = own->output ? ml3_file_may_write(tables, "--output", own->force, error) : ML3_OK;
  return code == ML3_OK ? ml3_file_may_write(own->video, "--video", own->force, error) : code;
}

static int compare_all(const cli_options *o, const own_options *own, ml3_error *error) {
  char pattern[ML3_LAB_PATH_MAX], first[ML3_LAB_PATH_MAX], folder[ML3_LAB_PATH_MAX];
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run or environment? `ml3 list` shows them");
  if (own->seeds < 1 || own->seeds > SEEDS_MAX || own->task < 0 || own->transitions < 10 || own->hold < 1 ||
      own->budget < 0)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "--seeds (%d) must be 1 to %d, --transitions (%d) at least 10, --hold (%d) at least 1, --task (%d) and "
        "--budget (%ld) not negative",
        own->seeds, SEEDS_MAX, own->transitions, own->hold, own->task, own->budget);
  ml3_lab_names_each_seed(o->argument, pattern, sizeof pattern);
  ml3_lab_put_seed(pattern, 0, first);
  const char *run = ml3_lab_zoo_folder(first, folder, error);
  if (!run) return error->code;
  bool supervised = false;
  int code = check_output(own, error);
  if (code == ML3_OK) code = check_folder(o, own, error);
  if (code == ML3_OK) code = ml3_lab_run_find_supervised(run, &supervised, error);
  if (code != ML3_OK) return code;
  return compare(o, own, supervised, error);
}

static void put_names(char *text, size_t size, bool has_run) {
  int count;
  size_t used = 0;
  const char *const *names = ml3_lab_compare_methods(has_run, &count);
  for (int i = 0; i < count && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", names[i]);
}

/* The methods' names for --help. */
static void method_notes(char *notes, size_t size) {
  char with_run[256], without[256];
  put_names(with_run, sizeof with_run, true);
  put_names(without, sizeof without, false);
  size_t used = (size_t)snprintf(notes, size, "Methods (with a run: %s; else: %s):\n", with_run, without);
  for (int i = 0; i < ml3_method_count() && used < size; i++)
    used += (size_t)snprintf(notes + used, size - used, "  %-22s %s\n", ml3_method_at(i)->name,
                             ml3_method_summary(ml3_method_at(i)));
  if (used < size)
    snprintf(notes + used, size - used,
             "Writes comparison.csv, .md, .tex, .png, .svg, comparison_success and comparison_return .png, .svg "
             "(learning curves)\n"
             "and comparison_tasks.csv into the run's folder.");
}

int cli_compare(int argc, const char **argv) {
  own_options own = {.seeds = 1, .transitions = 2000, .hold = 5};
  const struct poptOption table[] = {
      {"with", 'w', POPT_ARG_STRING, &own.with, 0,
       "a second run in the same environment, whose learned loss or start (MAML ...) is compared too; "
       "supervised problems: several, separated by commas",
       "RUN"},
      {"label", 'l', POPT_ARG_STRING, &own.label, 0, "label of the second run (its method)", "TEXT"},
      {"methods", 'm', POPT_ARG_STRING, &own.methods, 0, "methods to compare, separated by commas", "A,B"},
      {"reference", 'r', POPT_ARG_STRING, &own.reference, 0, "print p values against this method", "NAME"},
      {"seeds", '\0', POPT_ARG_INT, &own.seeds, 0,
       "number of seeds for the tasks (1); with {seed} in RUN: one run for each seed", "N"},
      {"budget", '\0', POPT_ARG_LONG, &own.budget, 0, "most environment steps a method may take on a task (unlimited)",
       "N"},
      {"error", '\0', POPT_ARG_STRING, &own.errors, 0, "relative errors of the models' parameters", "mass=0.1,..."},
      {"transitions", '\0', POPT_ARG_INT, &own.transitions, 0,
       "random transitions that a learned model is fitted to (2000)", "N"},
      {"hold", '\0', POPT_ARG_INT, &own.hold, 0, "steps for which each random action is held in them (5)", "N"},
      {"uniform-states", '\0', POPT_ARG_NONE, &own.uniform_states, 0,
       "draw their states uniformly instead of from episodes", NULL},
      {"video", '\0', POPT_ARG_STRING, &own.video, 0, "write a video of all methods on one task", "FILE"},
      {"task", 't', POPT_ARG_INT, &own.task, 0, "index of that task (0)", "N"},
      {"output", 'o', POPT_ARG_STRING, &own.output, 0, "folder for tables and plots (the run's)", "FOLDER"},
      CLI_FORCE_OPTION(&own.force),
      POPT_TABLEEND};
  cli_options options = {0};
  char notes[4096];
  method_notes(notes, sizeof notes);
  const int answer =
      cli_options_read(&options, argc, argv, table, "RUN|zoo:NAME|ENVIRONMENT [OPTIONS]",
                       "Runs several methods on the same held-out tasks: the same initial policy, start "
                       "state, goal and horizon. Environment\n"
                       "steps, of the simulator or of a model, are counted alike for all. Set test.tasks, "
                       "test.steps or test.ilqr_restarts by\n"
                       "--set. The output ends in the best method by success and by return, and its cost.",
                       notes);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  const int code = compare_all(&options, &own, &error);
  return cli_end("compare", code, &error);
}
