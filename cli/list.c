/* ml3 list: environments, kinds of problem, learners, presets, runs. ml3 config: all keys of a configuration. */
#define _GNU_SOURCE /* strverscmp */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/learner.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "lab/experiment.h"
#include "lab/overview.h"
#include "lab/presets.h"
#include "lab/runs.h"
#include "lab/zoo.h"

static void list_environments(void) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const ml3_env_spec *spec = ml3_env_at(i); /* a task as data is read now */
    printf("  %-24s %s\n", ml3_env_name(i), spec ? spec->summary : "(no memory to read it)");
  }
}

static void list_problems(void) {
  for (int i = 0; ml3_lab_problem_kind_at(i); i++)
    printf("  %-24s %s\n", ml3_lab_problem_kind_at(i)->name, ml3_lab_problem_kind_at(i)->summary);
}

static void list_learners(void) {
  const ml3_learner_kind *kind;
  for (int i = 0; (kind = ml3_learner_at(i)); i++) printf("  %-24s %s\n", kind->name, kind->summary);
}

static void list_presets(void) {
  char names[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME], line[300];
  const int count = ml3_lab_preset_names(names);
  for (int i = 0; i < count; i++) printf("  %-24s %s\n", names[i], ml3_lab_preset_summary(names[i], line, sizeof line));
}

static void list_zoo(void) {
  char names[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME], line[160];
  const int count = ml3_lab_zoo_names(names);
  for (int i = 0; i < count; i++)
    printf("  zoo:%-24s %s\n", names[i], ml3_lab_zoo_summary(names[i], line, sizeof line));
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

static int add_run(ml3_lab_table *table, const ml3_lab_run *run) {
  const char *row[ML3_LAB_OVERVIEW_COLUMNS];
  ml3_lab_overview overview;
  ml3_lab_overview_read(&overview, run);
  for (int i = 0; i < ML3_LAB_OVERVIEW_COLUMNS; i++) row[i] = overview.cells[i];
  return ml3_lab_table_row(table, row);
}

static int by_version(const struct dirent **a, const struct dirent **b) {
  return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *e) {
  return e->d_name[0] != '.';
}

/* A run that cannot be read is an error and does not hide the others. */
static void list_runs(void) {
  ml3_lab_table *table = ml3_lab_table_new(ml3_lab_overview_columns, ML3_LAB_OVERVIEW_COLUMNS);
  struct dirent **entries = NULL;
  const int count = scandir("runs", &entries, is_visible, by_version);
  int shown = 0;
  for (int i = 0; i < count; i++) {
    char folder[ML3_LAB_PATH_MAX];
    const char *one = folder;
    ml3_lab_runs runs;
    ml3_error error = {0};
    ml3_lab_run_path("runs", entries[i]->d_name, folder);
    const int code = ml3_lab_runs_open(&runs, &one, 1, true, &error);
    if (code != ML3_OK && runs.count > 0) fprintf(stderr, "ml3 list: %s\n", error.message);
    for (int r = 0; r < runs.count && code == ML3_OK && table; r++, shown++) add_run(table, &runs.runs[r]);
    ml3_lab_runs_free(&runs);
    free(entries[i]);
  }
  free(entries);
  if (shown && table)
    cli_table_print(table, stdout);
  else
    printf("  none in runs/; `ml3 train mountain_car` makes one\n");
  ml3_lab_table_free(table);
}

static const struct {
  const char *name;
  void (*list)(void);
} lists[] = {{"environments", list_environments},
             {"problems", list_problems},
             {"learners", list_learners},
             {"presets", list_presets},
             {"zoo", list_zoo},
             {"runs", list_runs}};
enum { LISTS = sizeof lists / sizeof *lists };

int cli_list(int argc, const char **argv) {
  const struct poptOption own[] = {POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[LIST]",
                                "Lists environments, problems (kinds of them), learners (for method), presets, the zoo (learned losses that "
                                "come with ml3) and runs (those below runs/); or one of these.",
                                NULL);
  if (answer >= 0) return answer;
  const char *names[LISTS];
  bool found = false;
  for (int i = 0; i < LISTS; i++) {
    names[i] = lists[i].name;
    if (options.argument && strcmp(options.argument, lists[i].name) != 0) continue;
    if (!options.argument) printf("%s%s\n", i ? "\n" : "", lists[i].name);
    lists[i].list();
    found = true;
  }
  if (found) return CLI_DONE;
  const char *nearest = ml3_error_nearest(options.argument, names, LISTS);
  fprintf(stderr, "ml3 list: no list of '%s'%s%s%s; there are environments, problems, learners, presets, zoo and runs\n",
          options.argument, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return CLI_USAGE;
}

/* All keys by their owners, with defaults and help; to be freed, NULL without memory. */
static char *key_notes(void) {
  char *notes = NULL, title[256], last[256] = "";
  size_t size;
  ml3_lab_key_texts k;
  FILE *out = open_memstream(&notes, &size);
  for (int i = 0; out && ml3_lab_config_key(i, &k); i++) {
    ml3_lab_config_owner_title(k.owner, title, sizeof title);
    if (strcmp(title, last) != 0) fprintf(out, "%sKeys of %s:\n", i ? "\n" : "", title);
    strcpy(last, title);
    fprintf(out, "  %s: %s%s%s%s%s\n", k.name, *k.initial ? k.initial : "\"\"", *k.help ? "  # " : "", k.help,
            k.choices ? *k.help ? ": " : "  # " : "", k.choices ? k.choices : "");
  }
  if (out) fclose(out);
  return notes;
}

int cli_inspect_config(int argc, const char **argv) {
  const struct poptOption own[] = {POPT_TABLEEND};
  cli_options options = {0};
  char *notes = key_notes();
  int answer = cli_options_read(
      &options, argc, argv, own, "[PRESET|FILE.yaml|PROBLEM|ENVIRONMENT] [OPTIONS]",
      "Prints the keys in force with their values, which layer gave each ([default], [problem], [method], "
      "[environment], "
      "[preset NAME], [FILE], [--set]), what they mean and what is possible; as YAML that train takes.",
      notes);
  free(notes);
  if (answer >= 0) return answer;
  ml3_lab_config config;
  ml3_error error = {0};
  int code = cli_options_begin(&options, &config, &error);
  if (code == ML3_OK) ml3_lab_config_print(&config, stdout, true);
  return cli_end("config", code, &error);
}
