/* Several seeds over the cores: see seeds.h. */
#include "cli/seeds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/table.h"
#include "lab/results.h"
#include "lab/run_progress.h"

static long long seed_number(const cli_seeds *s, int i) {
  return (long long)s->config->seed + i;
}

void cli_seeds_folder(const cli_seeds *s, int i, char *folder) {
  snprintf(folder, ML3_LAB_PATH_MAX, "%.900s/seed-%lld", s->folder, seed_number(s, i));
}

int cli_seeds_check(const cli_seeds *s, ml3_error *error) {
  for (int i = 0; s->resume && i < s->count; i++) {
    char run[ML3_LAB_PATH_MAX];
    cli_seeds_folder(s, i, run);
    const ml3_lab_run_progress progress = {.done = ml3_lab_run_steps_done(run)};
    const int code =
        ml3_lab_run_is_finished(run, s->config) ? ML3_OK : ml3_lab_run_may_resume(run, s->config, &progress, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

int cli_seeds_add(const cli_seeds *s, cli_jobs *jobs, ml3_error *error) {
  char file[ML3_LAB_PATH_MAX], name[64];
  ml3_lab_run_path(s->folder, "seeds.yaml", file);
  const int code = ml3_lab_config_write(s->config, file, error);
  if (code != ML3_OK) return code;
  for (int i = 0; i < s->count; i++) {
    cli_job *job = cli_jobs_add(jobs, error);
    if (!job) return error->code;
    job->config = s->config, job->sets = s->sets, job->set_count = s->set_count, job->resume = s->resume,
    job->seed = seed_number(s, i);
    snprintf(job->file, sizeof job->file, "%s", file);
    cli_seeds_folder(s, i, job->folder);
    snprintf(name, sizeof name, "seed-%lld.log", job->seed);
    ml3_lab_run_path(s->folder, name, job->log);
  }
  return ML3_OK;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static int add_row(ml3_lab_table *table, const ml3_lab_results *r, const char *name, const double *values) {
  char cells[ML3_LAB_RESULTS_MAX][32];
  const char *row[ML3_LAB_RESULTS_MAX + 1] = {name};
  for (int i = 0; i < r->count; i++)
    row[i + 1] = ml3_lab_results_text(&r->list[i], values[i], cells[i], sizeof cells[i]);
  return ml3_lab_table_row(table, row);
}

/* A row a seed, then mean and ends of the interval. Returns the number of seeds that are done, or a negative code. */
static int fill_table(const cli_seeds *s, const cli_job *jobs, const ml3_lab_results *r, ml3_lab_table *table) {
  double *values = calloc((size_t)s->count * ML3_LAB_RESULTS_MAX, sizeof *values), row[ML3_LAB_RESULTS_MAX];
  double mean[ML3_LAB_RESULTS_MAX], low[ML3_LAB_RESULTS_MAX], high[ML3_LAB_RESULTS_MAX];
  int done = 0, code = values ? ML3_OK : ML3_ERR_MEMORY;
  char name[48];
  for (int i = 0; i < s->count && code == ML3_OK; i++) {
    if (jobs[i].code != 0 || !ml3_lab_results_read(r, jobs[i].folder, row)) continue;
    for (int j = 0; j < r->count; j++) values[j * s->count + done] = row[j];
    snprintf(name, sizeof name, "%lld", jobs[i].seed);
    code = add_row(table, r, name, row);
    done++;
  }
  for (int j = 0; j < r->count && code == ML3_OK; j++) {
    const ml3_lab_interval in = ml3_lab_results_interval(r, j, values + j * s->count, done);
    mean[j] = in.mean, low[j] = in.low, high[j] = in.high;
  }
  snprintf(name, sizeof name, "mean");
  if (done < s->count) snprintf(name, sizeof name, "mean of %d of %d seeds", done, s->count);
  if (code == ML3_OK && done > 0) code = add_row(table, r, name, mean);
  if (code == ML3_OK && done > 1) code = add_row(table, r, "95 %, low", low);
  if (code == ML3_OK && done > 1) code = add_row(table, r, "95 %, high", high);
  free(values);
  return code == ML3_OK ? done : code;
}

static int save(const cli_seeds *s, const ml3_lab_table *table, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(s->folder, "seeds.csv", path);
  const int code = ml3_lab_table_save_csv(table, path, error);
  ml3_lab_run_path(s->folder, "seeds.md", path);
  return code == ML3_OK ? ml3_lab_table_save_markdown(table, path, error) : code;
}

int cli_seeds_report(const cli_seeds *s, const cli_job *jobs, bool silent, ml3_error *error) {
  const char **folders = calloc((size_t)s->count, sizeof *folders), *columns[ML3_LAB_RESULTS_MAX + 1] = {"seed"};
  ml3_lab_results results;
  for (int i = 0; i < s->count && folders; i++) folders[i] = jobs[i].folder;
  ml3_lab_results_of(&results, s->config, folders, folders ? s->count : 0);
  for (int i = 0; i < results.count; i++) columns[i + 1] = results.list[i].name;
  ml3_lab_table *table = ml3_lab_table_new(columns, results.count + 1);
  const int done = table ? fill_table(s, jobs, &results, table) : ML3_ERR_MEMORY;
  int code = done < 0 ? ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table") : ML3_OK;
  if (code == ML3_OK && !silent) {
    cli_table_print(table, stdout);
    printf("%d of %d seeds, judged %s; intervals by Student's t over seeds, within what a quantity can be\n", done,
           s->count, results.judged);
  }
  if (code == ML3_OK) code = save(s, table, error);
  ml3_lab_table_free(table);
  free(folders);
  return code;
}

int cli_seeds_train(const cli_seeds *s, const char *log_formats, bool quiet, ml3_error *error) {
  cli_jobs jobs = {.what = "training", .log_formats = log_formats, .cores = (int)s->config->threads, .quiet = quiet};
  int code = cli_seeds_check(s, error);
  if (code == ML3_OK) code = cli_seeds_add(s, &jobs, error);
  if (code == ML3_OK) code = cli_jobs_run(&jobs, error);
  if (code == ML3_ERR_INTERRUPTED)
    ml3_error_set(error, code,
                  "interrupted; what has begun has kept its checkpoint, go on with `ml3 train --seeds %d --resume %s`",
                  s->count, s->folder);
  if (code == ML3_OK) code = cli_seeds_report(s, jobs.list, false, error);
  if (code == ML3_OK) code = cli_jobs_check(jobs.list, jobs.count, error);
  cli_jobs_free(&jobs);
  return code;
}
