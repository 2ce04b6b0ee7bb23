/* ml3 compare: the learned loss of a run, others' if asked for, the task gradient and iLQR on the same held-out tasks.

   Table to the terminal; comparison.csv, .md, .png, .svg and comparison_tasks.csv into the run's folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/experiment.h"
#include "cli/options.h"
#include "cli/plot.h"
#include "cli/progress.h"
#include "cli/statistics.h"
#include "cli/table.h"
#include "cli/verb.h"

static int on_progress(void *user, int done, int total) {
  (void)total;
  cli_progress_update(user, done, "");
  return cli_interrupted();
}

/* ---- what one row says ------------------------------------------------------------------------------------- */

typedef struct row_numbers {
  cli_interval success, task_loss, distance, env_steps, seconds;
} row_numbers;

static double *column(const ml3_compare *c, const ml3_compare_row *r, int which) {
  double *x = calloc((size_t)c->tasks, sizeof *x);
  for (int i = 0; i < c->tasks && x; i++)
    x[i] = which == 0   ? r->outcome[i].task_loss
           : which == 1 ? r->outcome[i].distance
           : which == 2 ? r->outcome[i].env_steps
                        : r->seconds[i];
  return x;
}

static row_numbers numbers_of(const ml3_compare *c, const ml3_compare_row *r, uint64_t seed) {
  row_numbers n = {0};
  double successes = 0;
  cli_interval *const targets[] = {&n.task_loss, &n.distance, &n.env_steps, &n.seconds};
  for (int i = 0; i < c->tasks; i++) successes += r->outcome[i].success;
  n.success = cli_rate_interval(successes, c->tasks);
  for (int which = 0; which < 4; which++) {
    double *x = column(c, r, which);
    if (x) *targets[which] = cli_mean_interval(x, c->tasks, seed);
    free(x);
  }
  return n;
}

static void name_of(const ml3_compare_row *r, char *name, size_t size) {
  if (r->updates > 0)
    snprintf(name, size, "%s, %d update%s", r->method, r->updates, r->updates == 1 ? "" : "s");
  else
    snprintf(name, size, "%s", r->method);
}

/* ---- output --------------------------------------------------------------------------------------------------- */

static cli_table *make_table(const ml3_compare *c, uint64_t seed) {
  static const char *const columns[] = {"method", "success %", "95 %", "task loss", "95 %", "distance", "env steps", "seconds"};
  cli_table *table = cli_table_new(columns, 8);
  for (int i = 0; i < c->count && table; i++) {
    row_numbers n = numbers_of(c, &c->rows[i], seed);
    char cells[8][96];
    name_of(&c->rows[i], cells[0], sizeof cells[0]);
    snprintf(cells[1], sizeof cells[1], "%.1f", 100 * n.success.mean);
    snprintf(cells[2], sizeof cells[2], "%.1f - %.1f", 100 * n.success.low, 100 * n.success.high);
    snprintf(cells[3], sizeof cells[3], "%.3f", n.task_loss.mean);
    snprintf(cells[4], sizeof cells[4], "%.3f - %.3f", n.task_loss.low, n.task_loss.high);
    snprintf(cells[5], sizeof cells[5], "%.3f", n.distance.mean);
    snprintf(cells[6], sizeof cells[6], "%.0f", n.env_steps.mean);
    snprintf(cells[7], sizeof cells[7], "%.2g", n.seconds.mean);
    const char *row[8];
    for (int j = 0; j < 8; j++) row[j] = cells[j];
    if (cli_table_row(table, row) != ML3_OK) {
      cli_table_free(table);
      return NULL;
    }
  }
  return table;
}

static int save_tasks(const ml3_compare *c, const char *path, ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  fprintf(file.stream, "method,updates,task,success,task_loss,distance,return,env_steps,seconds\n");
  for (int i = 0; i < c->count; i++)
    for (int j = 0; j < c->tasks; j++) {
      const ml3_outcome *o = &c->rows[i].outcome[j];
      fprintf(file.stream, "\"%s\",%d,%d,%g,%.6g,%.6g,%.6g,%.0f,%.4g\n", c->rows[i].method, c->rows[i].updates, j,
              o->success, o->task_loss, o->distance, o->episode_return, o->env_steps, c->rows[i].seconds[j]);
    }
  return ml3_file_commit(&file, error);
}

static int save_bars(const ml3_compare *c, uint64_t seed, const char *path, ml3_error *error) {
  cli_bar *bars = calloc((size_t)c->count, sizeof *bars);
  char(*names)[96] = calloc((size_t)c->count, sizeof *names);
  int code = ML3_ERR_MEMORY;
  if (bars && names) {
    for (int i = 0; i < c->count; i++) {
      row_numbers n = numbers_of(c, &c->rows[i], seed);
      name_of(&c->rows[i], names[i], sizeof names[i]);
      bars[i] = (cli_bar){names[i], 100 * n.success.mean, 100 * n.success.low, 100 * n.success.high};
    }
    char title[96];
    snprintf(title, sizeof title, "Success on %d held-out tasks, with 95 %% intervals", c->tasks);
    code = cli_plot_bars(title, "success, %", bars, c->count, path, error);
  }
  free(bars);
  free(names);
  return code;
}

static int report(const ml3_compare *c, const char *folder, uint64_t seed, ml3_error *error) {
  char path[CLI_PATH_MAX];
  cli_table *table = make_table(c, seed);
  if (!table) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  cli_table_print(table, stdout);
  printf("%d held-out tasks; success intervals by Wilson, others by bootstrap; the task gradient's step size, chosen on "
         "validation tasks: %.3g\n",
         c->tasks, c->task_rate);
  cli_run_path(folder, "comparison.csv", path);
  int code = cli_table_save_csv(table, path, error);
  cli_run_path(folder, "comparison.md", path);
  if (code == ML3_OK) code = cli_table_save_markdown(table, path, error);
  cli_run_path(folder, "comparison_tasks.csv", path);
  if (code == ML3_OK) code = save_tasks(c, path, error);
  cli_table_free(table);
  cli_run_path(folder, "comparison", path);
  ml3_error plot = {0};
  if (code == ML3_OK && save_bars(c, seed, path, &plot) != ML3_OK)
    fprintf(stderr, "ml3 compare: no plot: %s\n", plot.message);
  return code;
}

/* ---- the verb --------------------------------------------------------------------------------------------------- */

typedef struct comparing {
  cli_config config;
  ml3_problem *problem;
  ml3_meta *metas[2];
  ml3_loss *losses[2];
  const char *labels[2];
} comparing;

static int open_all(comparing *c, const cli_options *o, const char *other, ml3_error *error) {
  cli_config second;
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run? `ml3 list` shows them");
  int code = cli_run_open(o->argument, &c->config, &c->losses[0], error);
  if (code == ML3_OK && other) code = cli_run_open(other, &second, &c->losses[1], error);
  if (code == ML3_OK) code = cli_options_apply(o, &c->config, error);
  if (code != ML3_OK) return code;
  if (!(c->problem = cli_problem_new(&c->config, error))) return error->code;
  if (!cli_problem_kind_find(c->config.problem, NULL)->rollouts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "problem '%s' has no rollouts to compare", c->config.problem);
  ml3_trainer_settings settings;
  code = cli_trainer_settings(&c->config, c->problem, &settings, error);
  if (code != ML3_OK) return code;
  c->labels[0] = cli_method_label(&c->config);
  if (other && !c->labels[1])
    c->labels[1] = second.method == c->config.method ? "plain learned loss" : cli_method_label(&second);
  for (int i = 0; i < 2 && c->losses[i]; i++) {
    settings.meta.loss = c->losses[i]->spec;
    if (!(c->metas[i] = ml3_meta_new(c->problem, &settings.meta, error))) return error->code;
  }
  return ML3_OK;
}

int cli_compare(int argc, const char **argv) {
  const char *other = NULL, *label = NULL;
  const struct poptOption own[] = {
      {"with", 'w', POPT_ARG_STRING, &other, 0, "a second run, whose learned loss (or MAML, ...) is compared too", "RUN"},
      {"label", 'l', POPT_ARG_STRING, &label, 0, "what the second is called (its method)", "TEXT"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN [OPTIONS]",
      "Every method gets the same held-out tasks: initial policy, start state, goal, horizon. The learned loss and the\n"
      "task gradient are judged after each number of updates in test.steps; iLQR plans from zero controls, and as the\n"
      "best of test.ilqr_restarts random starts besides.",
      "Writes comparison.csv, .md, .png, .svg and comparison_tasks.csv into the run's folder.");
  if (answer >= 0) return answer;

  comparing c = {.labels = {NULL, label}};
  ml3_error error = {0};
  ml3_compare *result = NULL;
  int code = open_all(&c, &options, other, &error);
  if (code == ML3_OK) {
    ml3_compare_settings settings = cli_compare_settings(&c.config);
    const ml3_compare_loss losses[2] = {{c.labels[0], c.losses[0], c.metas[0]}, {c.labels[1], c.losses[1], c.metas[1]}};
    cli_progress progress;
    cli_progress_begin(&progress, "comparing", settings.tasks, options.quiet);
    result = ml3_compare_run(c.metas[0], losses, other ? 2 : 1, &settings, on_progress, &progress, &error);
    cli_progress_end(&progress);
    code = result ? report(result, options.argument, (uint64_t)c.config.seed, &error) : error.code;
  }
  ml3_compare_free(result);
  ml3_meta_free(c.metas[0]);
  ml3_meta_free(c.metas[1]);
  ml3_loss_free(c.losses[0]);
  ml3_loss_free(c.losses[1]);
  if (c.problem) c.problem->free(c.problem);
  if (code == ML3_ERR_ARGUMENT) return cli_fail("compare", &error), CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : cli_fail("compare", &error);
}
