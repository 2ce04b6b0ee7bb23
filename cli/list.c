/* ml3 list: environments, presets, runs. ml3 config: all keys of a configuration. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/experiment.h"
#include "cli/options.h"
#include "cli/presets.h"
#include "cli/verb.h"

static void list_environments(void) {
  printf("environments\n");
  for (int i = 0; i < ml3_env_count(); i++) printf("  %-25s %s\n", ml3_env_at(i)->name, ml3_env_at(i)->summary);
}
static void list_problems(void) {
  printf("\nproblems\n");
  for (int i = 0; cli_problem_kind_at(i); i++)
    printf("  %-14s %s\n", cli_problem_kind_at(i)->name, cli_problem_kind_at(i)->summary);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sorted names in a folder that pass the test; prints them under a heading, nothing when there are none. */
static void list_folder(const char *heading, const char *folder, bool (*shown)(const char *folder, const char *name)) {
  DIR *dir = opendir(folder);
  char *names[1024];
  int count = 0;
  if (!dir) return;
  for (struct dirent *e = readdir(dir); e && count < 1024; e = readdir(dir))
    if (e->d_name[0] != '.' && shown(folder, e->d_name)) {
      size_t size = strlen(e->d_name) + 1;
      if ((names[count] = malloc(size))) memcpy(names[count++], e->d_name, size);
    }
  closedir(dir);
  qsort(names, (size_t)count, sizeof *names, by_name);
  if (count) printf("\n%s\n", heading);
  for (int i = 0; i < count; i++) {
    printf("  %s/%s\n", folder, names[i]);
    free(names[i]);
  }
}

static bool is_preset(const char *folder, const char *name) {
  size_t n = strlen(name);
  (void)folder;
  return n > 5 && strcmp(name + n - 5, ".yaml") == 0;
}

static bool is_run(const char *folder, const char *name) {
  char path[CLI_PATH_MAX];
  cli_run_path(folder, name, path);
  return cli_run_is(path);
}

int cli_list(int argc, const char **argv) {
  const struct poptOption own[] = {POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "",
                                "Environments, kinds of problem, presets and the runs below runs/.", NULL);
  if (answer >= 0) return answer;
  list_environments();
  list_problems();
  list_folder("presets", "scripts/experiments", is_preset);
  list_folder("runs", "runs", is_run);
  return CLI_DONE;
}

int cli_inspect_config(int argc, const char **argv) {
  const struct poptOption own[] = {POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[PRESET|FILE.yaml|PROBLEM|ENVIRONMENT] [OPTIONS]",
                                "Prints all keys with their values, what they mean and what is possible; as YAML that train takes.", NULL);
  if (answer >= 0) return answer;
  cli_config config;
  ml3_error error = {0};
  cli_config_defaults(&config);
  int code = cli_preset_apply(&config, options.argument, &error);
  if (code == ML3_OK) code = cli_options_apply(&options, &config, &error);
  if (code != ML3_OK) return cli_fail("config", &error), CLI_USAGE;
  cli_config_print(&config, stdout, true);
  return CLI_DONE;
}
