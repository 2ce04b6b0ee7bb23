/* Sweeps and searches: see sweep.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/options.h"
#include "cli/seeds.h"
#include "cli/table.h"
#include "lab/run_environment.h"

/* One point at work. */
typedef struct point {
  ml3_lab_config config;
  const char *sets[CLI_SETS_MAX]; /* as given, without those that the points change */
  int set_count;
  char folder[ML3_LAB_PATH_MAX];
  cli_seeds seeds;
} point;

const char *cli_sweep_name(const ml3_lab_points *points) {
  return points->drawn ? "search" : "sweep";
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

static void keep_unswept(const cli_sweep *s, point *p) {
  p->set_count = 0;
  for (int i = 0; i < s->set_count; i++) {
    const char *set = s->sets[i];
    bool swept = false;
    for (int a = 0; a < s->points->axis_count; a++) {
      const size_t n = strlen(s->points->axes[a].key);
      swept = swept || (strncmp(set, s->points->axes[a].key, n) == 0 && set[n] == '=');
    }
    if (!swept && p->set_count < CLI_SETS_MAX) p->sets[p->set_count++] = set;
  }
}

static int open_point(const cli_sweep *s, int i, point *p, ml3_error *error) {
  char name[ML3_LAB_POINT_NAME];
  p->config = *s->config;
  const int code = ml3_lab_points_apply(s->points, i, &p->config, name, error);
  if (code != ML3_OK) return code;
  snprintf(p->folder, sizeof p->folder, "%.500s/%.250s", s->folder, name);
  keep_unswept(s, p);
  p->seeds = (cli_seeds){.config = &p->config,
                         .of = {.folder = p->folder, .first = (long long)p->config.seed, .count = s->seeds},
                         .sets = p->sets,
                         .set_count = p->set_count,
                         .resume = s->resume};
  return cli_seeds_check(&p->seeds, error);
}

static int add_jobs(const cli_sweep *s, point *p, cli_jobs *jobs, ml3_error *error) {
  if (mkdir(p->folder, 0755) != 0 && errno != EEXIST)
    return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s", p->folder, strerror(errno));
  const int code = ml3_lab_run_environment_ensure(&p->config, p->folder, s->resume, error);
  return code == ML3_OK ? cli_seeds_add(&p->seeds, jobs, error) : code;
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

static int keep_best(const cli_sweep *s, const point *points, const ml3_lab_seeds *of, const ml3_lab_results *r,
                     ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  double score = 0;
  const int best = ml3_lab_results_best(r, of, s->points->count, &score);
  if (best < 0) {
    printf("no point has ended well: there is no best.yaml\n");
    return ML3_OK;
  }
  ml3_lab_run_path(s->folder, "best.yaml", path);
  const int code = ml3_lab_config_write(&points[best].config, path, error);
  if (code == ML3_OK)
    printf("best on validation tasks: point %03d, %s %.4g; `ml3 train %s` trains it again\n", best, r->select,
           r->better * score, path);
  return code;
}

static int report(const cli_sweep *s, const point *points, ml3_error *error) {
  ml3_lab_results results;
  const size_t count = s->points->count > 0 ? (size_t)s->points->count : 0;
  ml3_lab_seeds *of = calloc(count, sizeof *of);
  ml3_lab_table *table = NULL;
  for (int i = 0; i < s->points->count && of; i++) of[i] = points[i].seeds.of;
  if (of) ml3_lab_results_of(&results, s->config, of, s->points->count);
  if (of) table = ml3_lab_points_table(&results, s->points, of);
  int code = table ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  if (table) {
    cli_table_print(table, stdout);
    printf("%d %s, %d seed%s each, judged %s%s\n", s->points->count, s->points->drawn ? "points" : "combinations",
           s->seeds, s->seeds == 1 ? "" : "s", results.judged,
           s->seeds > 1 ? "; intervals by Student's t over seeds, within what a quantity can be" : "");
    code = ml3_lab_table_save(table, s->folder, cli_sweep_name(s->points), error);
  }
  if (code == ML3_OK && s->points->drawn) code = keep_best(s, points, of, &results, error);
  free(of);
  ml3_lab_table_free(table);
  return code;
}

/* ---- training ----------------------------------------------------------------------------------------------------- */

/* A table of the seeds of each point; a point whose seeds failed is what a sweep finds out. */
static int end_points(const cli_sweep *s, const point *points, const cli_jobs *jobs, int *failed, ml3_error *first,
                      ml3_error *error) {
  for (int i = 0; i < s->points->count; i++) {
    const cli_job *own = jobs->list + i * s->seeds;
    ml3_error e = {0};
    const int code = cli_seeds_report(&points[i].seeds, own, true, error);
    if (code != ML3_OK) return code;
    if (cli_jobs_check(own, s->seeds, &e) != ML3_OK && (*failed)++ == 0) *first = e;
  }
  return ML3_OK;
}

int cli_sweep_train(const cli_sweep *s, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX], name[32];
  cli_jobs jobs = {.what = cli_sweep_name(s->points),
                   .log_formats = s->log_formats,
                   .cores = (int)s->config->threads,
                   .quiet = s->quiet};
  point *points = calloc((size_t)s->points->count, sizeof *points);
  int code = points ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d points", s->points->count);
  int failed = 0;
  ml3_error first = {0};
  snprintf(name, sizeof name, "%s.yaml", cli_sweep_name(s->points));
  ml3_lab_run_path(s->folder, name, path);
  for (int i = 0; i < s->points->count && code == ML3_OK; i++) code = open_point(s, i, &points[i], error);
  if (code == ML3_OK) code = ml3_lab_config_write(s->config, path, error);
  for (int i = 0; i < s->points->count && code == ML3_OK; i++) code = add_jobs(s, &points[i], &jobs, error);
  if (code == ML3_OK) code = cli_jobs_run(&jobs, error);
  if (code == ML3_ERR_INTERRUPTED)
    ml3_error_set(error, code, "interrupted; go on with the same options, and --resume %s", s->folder);
  if (code == ML3_OK) code = end_points(s, points, &jobs, &failed, &first, error);
  if (code == ML3_OK) code = report(s, points, error);
  if (code == ML3_OK && failed)
    code = ml3_error_set(error, ML3_ERR_NUMERIC, "%d of %d %s have seeds that failed; the first: %.400s", failed,
                         s->points->count, s->points->drawn ? "points" : "combinations", first.message);
  cli_jobs_free(&jobs);
  free(points);
  return code;
}
