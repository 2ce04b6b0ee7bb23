/* Sweeps and searches: see sweep.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/options.h"
#include "cli/seeds.h"
#include "cli/table.h"
#include "lab/results.h"
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

static void file_path(const cli_sweep *s, const char *ending, char *path) {
  char name[32];
  snprintf(name, sizeof name, "%s%s", cli_sweep_name(s->points), ending);
  ml3_lab_run_path(s->folder, name, path);
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
                         .count = s->seeds,
                         .sets = p->sets,
                         .set_count = p->set_count,
                         .folder = p->folder,
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

enum { CELLS = ML3_LAB_AXES_MAX + 2 * ML3_LAB_RESULTS_MAX + 2 };

/* Axes, seeds that are done, and for each outcome mean and interval. */
static int name_columns(const cli_sweep *s, const ml3_lab_results *r, const char **columns) {
  int count = 0;
  if (s->points->drawn) columns[count++] = "point";
  for (int a = 0; a < s->points->axis_count; a++) columns[count++] = s->points->axes[a].key;
  columns[count++] = "seeds"; /* that were trained to the end */
  for (int j = 0; j < r->count; j++)
    if (r->list[j].outcome) columns[count++] = r->list[j].name, columns[count++] = "95 %";
  return count;
}

static void write_interval(const ml3_lab_result *r, ml3_lab_interval in, char *mean, char *range, size_t size) {
  char low[30], high[30];
  mean[0] = range[0] = '\0';
  if (!isnan(in.mean)) ml3_lab_results_text(r, in.mean, mean, size);
  if (!isnan(in.low))
    snprintf(range, size, "%s - %s", ml3_lab_results_text(r, in.low, low, sizeof low),
             ml3_lab_results_text(r, in.high, high, sizeof high));
}

static int add_row(const cli_sweep *s, const point *p, int i, const ml3_lab_results *r, ml3_lab_table *table,
                   double *values) { /* [RESULTS_MAX][seeds] */
  char cells[CELLS][64], folder[ML3_LAB_PATH_MAX];
  const char *row[CELLS];
  double one[ML3_LAB_RESULTS_MAX];
  int count = 0, done = 0;
  for (int k = 0; k < s->seeds; k++) {
    cli_seeds_folder(&p->seeds, k, folder);
    if (!ml3_lab_results_read(r, folder, one)) continue;
    for (int j = 0; j < r->count; j++) values[j * s->seeds + done] = one[j];
    done++;
  }
  if (s->points->drawn) snprintf(cells[count++], sizeof *cells, "%03d", i);
  for (int a = 0; a < s->points->axis_count; a++) ml3_lab_points_value(s->points, i, a, cells[count++]);
  snprintf(cells[count++], sizeof *cells, "%d", done);
  for (int j = 0; j < r->count; j++)
    if (r->list[j].outcome) {
      const ml3_lab_interval in = ml3_lab_results_interval(r, j, values + j * s->seeds, done);
      write_interval(&r->list[j], in, cells[count], cells[count + 1], sizeof *cells);
      count += 2;
    }
  for (int c = 0; c < count; c++) row[c] = cells[c];
  return ml3_lab_table_row(table, row);
}

/* What the numbers are called is known from the first run of all that has ended. */
static void read_names(const cli_sweep *s, const cli_jobs *jobs, ml3_lab_results *r) {
  const char **folders = calloc((size_t)jobs->count, sizeof *folders);
  for (int i = 0; i < jobs->count && folders; i++) folders[i] = jobs->list[i].folder;
  ml3_lab_results_of(r, s->config, folders, folders ? jobs->count : 0);
  free(folders);
}

/* The point with the best mean score over its seeds, all of which must have ended well; -1: none. */
static int find_best(const cli_sweep *s, const point *points, const ml3_lab_results *r, double *score) {
  int best = -1;
  for (int i = 0; i < s->points->count; i++) {
    char folder[ML3_LAB_PATH_MAX];
    double mean = 0;
    for (int k = 0; k < s->seeds; k++) {
      cli_seeds_folder(&points[i].seeds, k, folder);
      mean += ml3_lab_results_score(r, folder) / s->seeds;
    }
    if (isfinite(mean) && (best < 0 || mean > *score)) best = i, *score = mean;
  }
  return best;
}

static int keep_best(const cli_sweep *s, const point *points, const ml3_lab_results *r, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  double score = 0;
  const int best = find_best(s, points, r, &score);
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

static int save_table(const cli_sweep *s, const ml3_lab_table *table, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  file_path(s, ".csv", path);
  const int code = ml3_lab_table_save_csv(table, path, error);
  file_path(s, ".md", path);
  return code == ML3_OK ? ml3_lab_table_save_markdown(table, path, error) : code;
}

static int report(const cli_sweep *s, const point *points, const cli_jobs *jobs, ml3_error *error) {
  const char *columns[CELLS];
  ml3_lab_results results;
  read_names(s, jobs, &results);
  const int count = name_columns(s, &results, columns);
  ml3_lab_table *table = ml3_lab_table_new(columns, count);
  double *values = calloc((size_t)s->seeds * ML3_LAB_RESULTS_MAX, sizeof *values);
  int code = table && values ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < s->points->count && code == ML3_OK; i++)
    code = add_row(s, &points[i], i, &results, table, values);
  if (code != ML3_OK) ml3_error_set(error, code, "no memory for a table");
  if (code == ML3_OK) {
    cli_table_print(table, stdout);
    printf("%d %s, %d seed%s each, judged %s%s\n", s->points->count, s->points->drawn ? "points" : "combinations",
           s->seeds, s->seeds == 1 ? "" : "s", results.judged,
           s->seeds > 1 ? "; intervals by Student's t over seeds, within what a quantity can be" : "");
    code = save_table(s, table, error);
  }
  if (code == ML3_OK && s->points->drawn) code = keep_best(s, points, &results, error);
  free(values);
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
  char path[ML3_LAB_PATH_MAX];
  cli_jobs jobs = {.what = cli_sweep_name(s->points),
                   .log_formats = s->log_formats,
                   .cores = (int)s->config->threads,
                   .quiet = s->quiet};
  point *points = calloc((size_t)s->points->count, sizeof *points);
  int code = points ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d points", s->points->count);
  int failed = 0;
  ml3_error first = {0};
  file_path(s, ".yaml", path);
  for (int i = 0; i < s->points->count && code == ML3_OK; i++) code = open_point(s, i, &points[i], error);
  if (code == ML3_OK) code = ml3_lab_config_write(s->config, path, error);
  for (int i = 0; i < s->points->count && code == ML3_OK; i++) code = add_jobs(s, &points[i], &jobs, error);
  if (code == ML3_OK) code = cli_jobs_run(&jobs, error);
  if (code == ML3_ERR_INTERRUPTED)
    ml3_error_set(error, code, "interrupted; go on with the same options, and --resume %s", s->folder);
  if (code == ML3_OK) code = end_points(s, points, &jobs, &failed, &first, error);
  if (code == ML3_OK) code = report(s, points, &jobs, error);
  if (code == ML3_OK && failed)
    code = ml3_error_set(error, ML3_ERR_NUMERIC, "%d of %d %s have seeds that failed; the first: %.400s", failed,
                         s->points->count, s->points->drawn ? "points" : "combinations", first.message);
  cli_jobs_free(&jobs);
  free(points);
  return code;
}
