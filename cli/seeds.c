/* Several seeds over the cores: see seeds.h. */
#include "cli/seeds.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/table.h"
#include "lab/run_progress.h"

int cli_seeds_check(const cli_seeds *s, ml3_error *error) {
  for (int i = 0; s->resume && i < s->of.count; i++) {
    char run[ML3_LAB_PATH_MAX];
    ml3_lab_seeds_folder(&s->of, i, run);
    const ml3_lab_run_progress progress = {.done = ml3_lab_run_steps_done(run)};
    const int code =
        ml3_lab_run_is_finished(run, s->config) ? ML3_OK : ml3_lab_run_may_resume(run, s->config, &progress, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

int cli_seeds_add(const cli_seeds *s, cli_jobs *jobs, ml3_error *error) {
  char file[ML3_LAB_PATH_MAX], name[64];
  ml3_lab_run_path(s->of.folder, "seeds.yaml", file);
  const int code = ml3_lab_config_write(s->config, file, error);
  if (code != ML3_OK) return code;
  for (int i = 0; i < s->of.count; i++) {
    cli_job *job = cli_jobs_add(jobs, error);
    if (!job) return error->code;
    job->config = s->config, job->sets = s->sets, job->set_count = s->set_count, job->resume = s->resume,
    job->seed = s->of.first + i;
    snprintf(job->file, sizeof job->file, "%s", file);
    ml3_lab_seeds_folder(&s->of, i, job->folder);
    snprintf(name, sizeof name, "seed-%lld.log", job->seed);
    ml3_lab_run_path(s->of.folder, name, job->log);
  }
  return ML3_OK;
}

int cli_seeds_report(const cli_seeds *s, const cli_job *jobs, bool silent, ml3_error *error) {
  ml3_lab_results results;
  int done = 0, *codes = calloc((size_t)s->of.count, sizeof *codes);
  for (int i = 0; i < s->of.count && codes; i++) codes[i] = jobs[i].code;
  ml3_lab_results_of(&results, s->config, &s->of, 1);
  ml3_lab_table *table = codes ? ml3_lab_seeds_table(&results, &s->of, codes, &done) : NULL;
  int code = table ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  if (table && !silent) {
    cli_table_print(table, stdout);
    printf("%d of %d seeds, judged %s; intervals by Student's t over seeds, within what a quantity can be\n", done,
           s->of.count, results.judged);
  }
  if (table) code = ml3_lab_table_save(table, s->of.folder, "seeds", error);
  ml3_lab_table_free(table);
  free(codes);
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
                  s->of.count, s->of.folder);
  if (code == ML3_OK) code = cli_seeds_report(s, jobs.list, false, error);
  if (code == ML3_OK) code = cli_jobs_check(jobs.list, jobs.count, error);
  cli_jobs_free(&jobs);
  return code;
}
