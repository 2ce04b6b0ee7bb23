/* ml3 task: a first task for a model of one's own (lab/task_draft.h), and what a task is worth (lab/task_check.h). */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/console.h"
#include "cli/live.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "lab/task_check.h"
#include "lab/task_draft.h"

static int print_table(ml3_lab_table *table, ml3_error *error) {
  if (!table) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  if (ml3_lab_table_rows(table) > 0) {
    cli_table_print(table, stdout);
    printf("\n");
  }
  ml3_lab_table_free(table);
  return ML3_OK;
}

static int print_text(const ml3_lab_task_check *c, ml3_error *error) {
  const ml3_env_spec *s = c->spec;
  printf("%s: %s\n%d action%s, %d observation%s, %g s a step, episodes of at most %d steps\n\n", s->name, s->summary,
         s->action_dim, s->action_dim == 1 ? "" : "s", s->obs_dim, s->obs_dim == 1 ? "" : "s", s->dt_s, s->horizon);
  int code = print_table(ml3_lab_task_check_rewards(c), error);
  if (code == ML3_OK) code = print_table(ml3_lab_task_check_observations(c), error);
  if (code == ML3_OK) code = print_table(ml3_lab_task_check_ends(c), error);
  if (code != ML3_OK) return code;
  printf("start: as an episode begins; min, mean and max: over %d steps of random actions\n", c->settings.steps);
  if (c->episodes)
    printf("%d episode%s ended, after %.1f steps with a return of %.4g on average\n", c->episodes,
           c->episodes == 1 ? "" : "s", c->length, c->return_);
  printf("%.0f steps a second on one thread\n", c->steps_per_second);
  return ML3_OK;
}

static int print_json(const ml3_lab_task_check *c, ml3_error *error) {
  json_t *json = ml3_lab_task_check_json(c);
  char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
  json_decref(json);
  if (text) puts(text);
  free(text);
  return text ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for JSON");
}

/* The first step under random actions. */
static int draw(const char *name, const char *path, ml3_error *error) {
  cli_live *live = cli_live_of_environment(name, error);
  if (!live) return error->code;
  ml3_view_source source = *cli_live_source(live);
  const ml3_view_options view = {.layout = ML3_VIEW_SINGLE};
  source.horizon = source.actors = 1;
  const int code = ml3_view_record(&source, path, &view, NULL, NULL, NULL, error);
  cli_live_free(live);
  return code;
}

static int check(const char *name, const ml3_lab_task_check_settings *settings, bool json, const char *picture,
                 ml3_error *error) {
  const ml3_env_spec *spec = ml3_env_find(name, error);
  ml3_lab_task_check found = {0};
  int code = spec ? ml3_lab_task_check_run(spec, settings, &found, error) : error->code;
  if (code == ML3_OK && picture) code = draw(name, picture, error);
  if (code == ML3_OK) code = json ? print_json(&found, error) : print_text(&found, error);
  if (code == ML3_OK && !json) {
    cli_console console;
    cli_console_open(&console, "task", true);
    ml3_lab_warn(&console.callbacks, &found.warnings, NULL);
  }
  ml3_lab_task_check_free(&found);
  return code;
}

static int draft(const char *xml, const char *output, bool force, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  const int code = ml3_lab_task_draft(xml, output, force, path, error);
  const ml3_env_spec *spec = code == ML3_OK ? ml3_env_find(path, error) : NULL;
  if (!spec) return error->code;
  printf(
      "%s: %d actions, %d observations, %d terms of reward; edit it, and see what it is worth:\n  ml3 task --check "
      "%s\n",
      path, spec->action_dim, spec->obs_dim, spec->term_count, path);
  return ML3_OK;
}

int cli_task(int argc, const char **argv) {
  ml3_lab_task_check_settings settings = {.steps = 1000};
  int looks = 0, json = 0, force = 0;
  long seed = 0;
  const char *output = NULL, *picture = NULL;
  const struct poptOption own[] = {
      {"check", 'c', POPT_ARG_NONE, &looks, 0, "print the terms of the reward at the start and along random actions",
       NULL},
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the new file (FILE.yaml beside FILE.xml)", "FILE.yaml"},
      {"steps", 'n', POPT_ARG_INT, &settings.steps, 0, "number of random steps, with --check (1000)", "N"},
      {"seed", '\0', POPT_ARG_LONG, &seed, 0, "seed of tasks, starts and random actions, with --check (0)", "N"},
      {"picture", 'p', POPT_ARG_STRING, &picture, 0, "write a picture of the scene at the start, with --check",
       "FILE.png"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "print JSON, with --check", NULL},
      CLI_FORCE_OPTION(&force),
      POPT_TABLEEND};
  cli_options options = {0};
  const int answer = cli_options_read(
      &options, argc, argv, own, "FILE.xml|FILE.yaml|ENVIRONMENT [OPTIONS]",
      "Writes a first task for your own model: FILE.yaml beside FILE.xml, with its actuators, an observation, a\n"
      "reward to edit, and the names that the model defines. With --check it plays a task with random actions and\n"
      "prints the size of each term of the reward, the range of the observation, how episodes end, and the speed.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  int code = ML3_OK;
  settings.seed = (uint64_t)seed;
  if (!options.argument)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "which model? Name a FILE.xml, or with --check a task");
  else if (seed < 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--seed is %ld; it must not be negative", seed);
  else if (!looks && (picture || json))
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "%s goes with --check", picture ? "--picture" : "--json");
  else if (looks && output)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--output is of a new task; with --check none is written");
  else if (picture && !ml3_file_ends_in(picture, ".png"))
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--picture is '%s'; expected a FILE.png", picture);
  if (code == ML3_OK) code = ml3_file_may_write(picture, "--picture", force, &error);
  if (code == ML3_OK)
    code = looks ? check(options.argument, &settings, json, picture, &error)
                 : draft(options.argument, output, force, &error);
  return cli_end("task", code, &error);
}
