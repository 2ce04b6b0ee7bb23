/* ml3 collect and ml3 data: data sets of episodes (lab/collect.h). */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "lab/collect.h"

int cli_collect(int argc, const char **argv) {
  int episodes = 100, force = 0;
  long seed = 0;
  const char *policy = "random", *output = NULL, *id = NULL;
  const struct poptOption own[] = {
      {"policy", 'p', POPT_ARG_STRING, &policy, 0,
       "'random', or a trained policy.safetensors, whose mean action is taken (random)", "POLICY"},
      {"episodes", 'n', POPT_ARG_INT, &episodes, 0, "number of episodes (100)", "N"},
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

  ml3_error error = {0};
  ml3_lab_collected found;
  cli_console console;
  cli_console_open(&console, "collect", options.quiet);
  const ml3_lab_collect_settings settings = {.environment = options.argument,
                                             .policy = strcmp(policy, "random") ? policy : NULL,
                                             .episodes = episodes,
                                             .seed = (uint64_t)seed,
                                             .output = output,
                                             .id = id,
                                             .force = force,
                                             .callbacks = &console.callbacks};
  int code = ML3_OK;
  if (seed < 0) code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--seed is %ld; it must not be negative", seed);
  if (episodes < 1 || episodes > ML3_DATASET_EPISODES_MAX)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--episodes is %d; 1 to %d are possible", episodes,
                         ML3_DATASET_EPISODES_MAX);
  if (code == ML3_OK) code = ml3_lab_collect(&settings, &found, &error);
  if (code == ML3_OK) {
    printf("%s: %d episodes, %lld steps; return %.4g (95 %%: %.4g - %.4g)", found.folder, found.episodes, found.steps,
           found.episode_return.mean, found.episode_return.low, found.episode_return.high);
    if (!found.no_goal)
      printf(", success %.1f %% at the end, %.1f %% at any step", 100.0 * found.succeeded / found.episodes,
             100.0 * found.passed / found.episodes);
    printf("\n");
  }
  return cli_end("collect", code, &error);
}

static void print_summary(const ml3_dataset *d, const ml3_lab_collected *s) {
  const int count = s->episodes;
  const ml3_lab_interval mean = s->episode_return;
  if (*ml3_dataset_id(d)) printf("id             %s\n", ml3_dataset_id(d));
  printf("environment    %s\n", ml3_dataset_spec(d)->name);
  printf("episodes       %d, of which the environment ended %d\n", count, s->terminated);
  printf("steps          %lld, %d to %d an episode\n", s->steps, s->shortest, s->longest);
  if (count) printf("return         %.6g on average (95 %%: %.6g - %.6g)\n", mean.mean, mean.low, mean.high);
  if (s->without_states)
    printf("success        unknown in %d episodes, which have no states\n", s->without_states);
  else
    printf("success        at the end of %d episodes, at any step of %d\n", s->succeeded, s->passed);
}

int cli_data(int argc, const char **argv) {
  const char *environment = NULL;
  const struct poptOption own[] = {
      {"environment", 'e', POPT_ARG_STRING, &environment, 0,
       "environment of the episodes, where the data set does not name it or FILE.xml has moved", "NAME"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "FOLDER|FILE.hdf5 [OPTIONS]",
      "Reads a data set in Minari's layout, written by `ml3 collect` or by Minari, checks every number in it and\n"
      "prints a summary.",
      NULL);
  if (answer >= 0) return answer;

  ml3_error error = {0};
  ml3_lab_collected found;
  cli_console console;
  cli_console_open(&console, "data", options.quiet);
  const ml3_env_spec *spec = NULL;
  ml3_dataset *d = NULL;
  int code = options.argument ? ML3_OK : ml3_error_set(&error, ML3_ERR_ARGUMENT, "which data set?");
  if (code == ML3_OK && environment && !(spec = ml3_env_find(environment, &error))) code = error.code;
  if (code == ML3_OK && !(d = ml3_dataset_open(options.argument, spec, &error))) code = error.code;
  if (code == ML3_OK) code = ml3_lab_data_read(d, &console.callbacks, &found, &error);
  if (code == ML3_OK) print_summary(d, &found);
  ml3_dataset_close(d);
  return cli_end("data", code, &error);
}
