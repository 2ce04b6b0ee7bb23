/* ml3 evaluate: what a policy does in an environment, over many episodes of held-out tasks (lab/evaluate.h). */
#include <math.h>
#include <stdlib.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "lab/evaluate.h"
#include "lab/json.h"

/* ---- as text ----------------------------------------------------------------------------------------------------- */

static void format(char *cell, size_t size, int decimals, double value, const char *without) {
  if (isfinite(value))
    snprintf(cell, size, "%.*f", decimals, value);
  else
    snprintf(cell, size, "%s", without);
}

static int add_quantity(ml3_lab_table *table, const char *name, ml3_lab_interval x, double scale, int decimals) {
  char mean[32], low[32], high[32], both[72];
  format(mean, sizeof mean, decimals, scale * x.mean, "-");
  format(low, sizeof low, decimals, scale * x.low, "");
  format(high, sizeof high, decimals, scale * x.high, "");
  snprintf(both, sizeof both, "%s%s%s", low, *low ? " - " : "", high);
  return ml3_lab_table_row(table, (const char *[]){name, mean, both});
}

/* The means and their intervals. */
static ml3_lab_table *summary_of(const ml3_lab_evaluation *e) {
  ml3_lab_table *table = ml3_lab_table_new((const char *[]){e->environment, "mean", "95 %"}, 3);
  if (table && add_quantity(table, "return", e->episode_return, 1, 3) == ML3_OK &&
      (e->no_goal || (add_quantity(table, "success at end, %", e->success, 100, 1) == ML3_OK &&
                      add_quantity(table, "success at any step, %", e->passed, 100, 1) == ML3_OK &&
                      add_quantity(table, "distance", e->distance, 1, 4) == ML3_OK)))
    return table;
  return ml3_lab_table_free(table), NULL;
}

static ml3_lab_table *tasks_of(const ml3_lab_evaluation *e) {
  static const char *const columns[] = {"task",     "return",  "success at end, %", "success at any step, %",
                                        "distance", "episodes"};
  enum { COLUMNS = sizeof columns / sizeof *columns };
  ml3_lab_table *table = ml3_lab_table_new(columns, COLUMNS);
  for (int t = 0; t < e->tasks && table; t++) {
    const ml3_lab_evaluated_task *row = &e->rows[t];
    char cells[COLUMNS][32];
    const char *pointers[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) pointers[i] = cells[i];
    snprintf(cells[0], sizeof cells[0], "%d", t);
    format(cells[1], sizeof cells[1], 3, row->episode_return, "-");
    format(cells[2], sizeof cells[2], 1, e->no_goal ? NAN : 100 * row->success, "n/a");
    format(cells[3], sizeof cells[3], 1, e->no_goal ? NAN : 100 * row->passed, "n/a");
    format(cells[4], sizeof cells[4], 4, e->no_goal ? NAN : row->distance, "n/a");
    snprintf(cells[5], sizeof cells[5], "%d", row->episodes);
    if (ml3_lab_table_row(table, pointers) != ML3_OK) return ml3_lab_table_free(table), NULL;
  }
  return table;
}

static int print_text(const ml3_lab_evaluation *e, bool rows, ml3_error *error) {
  ml3_lab_table *summary = summary_of(e), *tasks = rows ? tasks_of(e) : NULL;
  const bool whole = summary && (tasks || !rows);
  if (whole && rows) cli_table_print(tasks, stdout), printf("\n");
  if (whole) {
    cli_table_print(summary, stdout);
    printf("%s", e->method);
    if (e->updates >= 0) printf(", %d updates of a fresh policy for each task", e->updates);
    printf("; %d episode%s of %d held-out task%s; 95 %% intervals by bootstrap (Wilson's where all agree);\n",
           e->episodes, e->episodes == 1 ? "" : "s", e->tasks, e->tasks == 1 ? "" : "s");
    printf(e->no_goal ? "success and distance: n/a, the environment has no goal.\n"
                      : "success: at the goal in the last state, or in any state; distance: in the last state.\n");
    if (e->diverged) printf("%d of the episodes diverged or failed, and count as no success\n", e->diverged);
  }
  ml3_lab_table_free(summary);
  ml3_lab_table_free(tasks);
  return whole ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
}

/* ---- as JSON ----------------------------------------------------------------------------------------------------- */

static void add_interval(json_t *json, const char *key, ml3_lab_interval x) {
  json_t *interval = json_object();
  ml3_lab_json_add(interval, "mean", x.mean);
  ml3_lab_json_add(interval, "low", x.low);
  ml3_lab_json_add(interval, "high", x.high);
  json_object_set_new(json, key, interval);
}

static int print_json(const ml3_lab_evaluation *e, ml3_error *error) {
  json_t *tasks = json_array();
  json_t *json = json_pack("{s:s, s:s, s:i, s:i}", "environment", e->environment, "method", e->method, "episodes",
                           e->episodes, "diverged", e->diverged);
  if (e->updates >= 0) json_object_set_new(json, "updates", json_integer(e->updates));
  add_interval(json, "return", e->episode_return);
  add_interval(json, "success", e->success);
  add_interval(json, "passed", e->passed);
  add_interval(json, "distance", e->distance);
  for (int t = 0; t < e->tasks; t++) {
    json_t *row = json_pack("{s:i}", "episodes", e->rows[t].episodes);
    ml3_lab_json_add(row, "return", e->rows[t].episode_return);
    ml3_lab_json_add(row, "success", e->rows[t].success);
    ml3_lab_json_add(row, "passed", e->rows[t].passed);
    ml3_lab_json_add(row, "distance", e->rows[t].distance);
    json_array_append_new(tasks, row);
  }
  json_object_set_new(json, "tasks", tasks);
  char *text = json_dumps(json, JSON_INDENT(2));
  json_decref(json);
  if (text) puts(text);
  free(text);
  return text ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for JSON");
}

int cli_evaluate(int argc, const char **argv) {
  ml3_lab_evaluate_settings s = {.episodes = 100};
  int json = 0, updates = -1;
  const struct poptOption own[] = {
      {"episodes", 'n', POPT_ARG_INT, &s.episodes, 0, "number of episodes in total (100)", "N"},
      {"tasks", 't', POPT_ARG_INT, &s.tasks, 0,
       "number of tasks to divide the episodes over, and print a row for each (one task an episode; with a learned "
       "loss at most test.tasks)",
       "N"},
      {"updates", 'u', POPT_ARG_INT, &updates, 0,
       "updates of a fresh policy for each task with the learned loss (as many as in the run's validation)", "N"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "print JSON, with all tasks", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  const int answer = cli_options_read(
      &options, argc, argv, own, "RUN|zoo:NAME|FILE.safetensors [ENVIRONMENT] [OPTIONS]",
      "Plays episodes of held-out tasks and prints return, success and distance with 95 % intervals. RUN of a single\n"
      "policy (method=ppo ...), or FILE.safetensors: that policy, in the environment of its run or in ENVIRONMENT. "
      "RUN\n"
      "of a learned loss: policies that are first trained with the loss on each task.",
      NULL);
  if (answer >= 0) return answer;
  cli_console console;
  ml3_lab_evaluation found;
  ml3_error error = {0};
  cli_console_open(&console, "evaluate", options.quiet);
  s.what = options.argument, s.environment = options.arguments[1];
  s.settings = options.sets, s.count = options.set_count;
  s.updates = updates > 0 ? updates : -1 - updates; /* -1, not given: 0 */
  s.callbacks = &console.callbacks;
  int code = s.episodes < 1 ? ml3_error_set(&error, ML3_ERR_ARGUMENT, "--episodes is %d; at least 1", s.episodes)
                            : ml3_lab_evaluate(&s, &found, &error);
  if (code == ML3_OK) {
    code = json ? print_json(&found, &error) : print_text(&found, s.tasks > 0 || found.updates >= 0, &error);
    ml3_lab_evaluation_free(&found);
  }
  return cli_end("evaluate", code, &error);
}
