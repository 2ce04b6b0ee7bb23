/* From the outcomes of a comparison without an environment to tables, sentences and bars: see compare_supervised.h. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/compare_supervised.h"
#include "lab/plot.h"
#include "lab/run_folder.h"

/* ---- what one row says ------------------------------------------------------------------------------------------- */

/* A number of every outcome of a row, by its place in that. */
#define OF(field) offsetof(ml3_outcome, field)

static double *column(const ml3_meta_test *c, const ml3_meta_test_row *r, size_t field) {
  double *x = calloc((size_t)c->tasks, sizeof *x);
  for (int i = 0; i < c->tasks && x; i++) memcpy(&x[i], (const char *)&r->outcome[i] + field, sizeof *x);
  return x;
}

static ml3_lab_interval interval_of(const ml3_lab_supervised *s, const ml3_meta_test_row *r, size_t field) {
  const ml3_meta_test *c = s->all;
  double *x = column(c, r, field);
  ml3_lab_interval interval = {NAN, NAN, NAN};
  double *means = x ? calloc((size_t)s->seeds, sizeof *means) : NULL;
  const int size = c->tasks / s->seeds;
  for (int i = 0; i < c->tasks && means; i++) means[i / size] += x[i] / size;
  const bool by_seed = s->runs_differ && s->seeds > 1, of_success = field == OF(success);
  if (means && by_seed)
    interval = of_success ? ml3_lab_share_interval(means, s->seeds, size)
                          : ml3_lab_sample_interval(means, s->seeds, ml3_lab_range_of(means, s->seeds));
  else if (means)
    interval = of_success ? ml3_lab_success_interval(x, 1, c->tasks, 0) : ml3_lab_mean_interval(x, c->tasks, 0);
  free(means);
  free(x);
  return interval;
}

static double median_of(const ml3_meta_test *c, const ml3_meta_test_row *r, size_t field) {
  double *x = column(c, r, field);
  const double median = x ? ml3_lab_median(x, c->tasks) : NAN;
  free(x);
  return median;
}

/* Tasks on which learning diverged: their loss is infinite, they have no success. */
static int failures(const ml3_meta_test *c, const ml3_meta_test_row *r) {
  int failed = 0;
  for (int i = 0; i < c->tasks; i++) failed += !isfinite(r->outcome[i].task_loss);
  return failed;
}

static bool any_failed(const ml3_meta_test *c) {
  for (int i = 0; i < c->count; i++)
    if (failures(c, &c->rows[i])) return true;
  return false;
}

/* On how many tasks the first rule is better than this row after as many updates; a tie is half. -1: not to be said. */
static double wins_of(const ml3_meta_test *c, const ml3_problem *p, const ml3_meta_test_row *r, int steps) {
  const ml3_meta_test_row *first = NULL;
  for (int i = 1; i <= steps; i++)
    if (c->rows[i].updates == r->updates) first = &c->rows[i];
  if (!first || first == r) return -1;
  double wins = 0;
  for (int i = 0; i < c->tasks; i++) {
    const ml3_outcome *a = &first->outcome[i], *b = &r->outcome[i];
    double gain = p->success_name && !p->distance_name ? a->success - b->success : b->task_loss - a->task_loss;
    if (p->distance_name) gain = b->distance - a->distance;
    wins += gain > 0 ? 1 : gain < 0 ? 0 : 0.5;
  }
  return wins;
}

static void name_of(const ml3_meta_test_row *r, char *name, size_t size) {
  if (r->updates > 0)
    snprintf(name, size, "%s, %d update%s", r->method, r->updates, r->updates == 1 ? "" : "s");
  else
    snprintf(name, size, "%s", r->method);
}

/* ---- table --------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 10 };

static void print_interval(char *cell, size_t size, const char *format, ml3_lab_interval x, double scale) {
  if (!isfinite(x.low) || !isfinite(x.high)) {
    snprintf(cell, size, "-");
    return;
  }
  const int used = snprintf(cell, size, format, scale * x.low);
  const int more = snprintf(cell + used, size - (size_t)used, " - ");
  snprintf(cell + used + more, size - (size_t)(used + more), format, scale * x.high);
}

static int add_row(ml3_lab_table *table, const ml3_lab_supervised *s, const ml3_meta_test_row *r) {
  const ml3_meta_test *c = s->all;
  const ml3_problem *p = &s->problem;
  char cells[COLUMNS][96];
  const char *row[COLUMNS];
  const ml3_lab_interval loss = interval_of(s, r, OF(task_loss));
  int count = 4;
  name_of(r, cells[0], sizeof cells[0]);
  snprintf(cells[1], sizeof cells[1], "%.4g", loss.mean);
  print_interval(cells[2], sizeof cells[2], "%.4g", loss, 1);
  snprintf(cells[3], sizeof cells[3], "%.4g", median_of(c, r, OF(task_loss)));
  if (p->distance_name) snprintf(cells[count++], sizeof cells[0], "%.4g", median_of(c, r, OF(distance)));
  if (p->success_name) {
    const ml3_lab_interval rate = interval_of(s, r, OF(success));
    snprintf(cells[count++], sizeof cells[0], "%.1f", 100 * rate.mean);
    print_interval(cells[count++], sizeof cells[0], "%.1f", rate, 100);
  }
  const double wins = wins_of(c, p, r, s->step_count);
  cells[count][0] = cells[count + 1][0] = '\0';
  if (wins >= 0) snprintf(cells[count], sizeof cells[0], "%g of %d", wins, c->tasks);
  int used = r->rate > 0 ? snprintf(cells[count + 1], sizeof cells[0], "%.3g", r->rate) : 0;
  if (r->momentum > 0) snprintf(cells[count + 1] + used, sizeof cells[0] - (size_t)used, ", momentum %g", r->momentum);
  count += 2;
  if (any_failed(c)) snprintf(cells[count++], sizeof cells[0], "%d of %d", failures(c, r), c->tasks);
  for (int i = 0; i < count; i++) row[i] = cells[i];
  return ml3_lab_table_row(table, row);
}

ml3_lab_table *ml3_lab_supervised_table(const ml3_lab_supervised *s) {
  const ml3_problem *p = &s->problem;
  const char *columns[COLUMNS] = {"method", "task loss", "95 %", "median"};
  char of_distance[64], of_success[64];
  int count = 4;
  if (p->distance_name) {
    snprintf(of_distance, sizeof of_distance, "median %.50s", p->distance_name);
    columns[count++] = of_distance;
  }
  if (p->success_name) {
    snprintf(of_success, sizeof of_success, "%.50s %%", p->success_name);
    columns[count++] = of_success;
    columns[count++] = "95 %";
  }
  columns[count++] = "learned loss better on";
  columns[count++] = "step size";
  if (any_failed(s->all)) columns[count++] = "failed";
  ml3_lab_table *table = ml3_lab_table_new(columns, count);
  for (int i = 0; i < s->all->count && table; i++)
    if (add_row(table, s, &s->all->rows[i]) != ML3_OK) {
      ml3_lab_table_free(table);
      return NULL;
    }
  return table;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static int save_tasks(const ml3_lab_supervised *s, const char *path, ml3_error *error) {
  const ml3_meta_test *c = s->all;
  const int size = c->tasks / s->seeds;
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  fprintf(file.stream, "method,updates,seed,task,task_loss,success,distance,rate\n");
  for (int i = 0; i < c->count; i++)
    for (int j = 0; j < c->tasks; j++) {
      const ml3_outcome *o = &c->rows[i].outcome[j];
      fprintf(file.stream, "\"%s\",%d,%d,%d,%.9g,%g,%.9g,%.6g\n", c->rows[i].method, c->rows[i].updates, j / size,
              j % size, o->task_loss, o->success, o->distance, c->rows[i].rate);
    }
  return ml3_file_commit(&file, error);
}

/* Bars of success where there is one, else of the task loss; what diverged is left out. */
static int save_bars(const ml3_lab_supervised *s, const char *path, ml3_error *error) {
  const ml3_meta_test *c = s->all;
  const char *of = s->problem.success_name;
  ml3_lab_bar *bars = calloc((size_t)c->count, sizeof *bars);
  char(*names)[96] = calloc((size_t)c->count, sizeof *names);
  int code = ML3_ERR_MEMORY, shown = 0;
  for (int i = 0; i < c->count && bars && names; i++) {
    const ml3_lab_interval x = interval_of(s, &c->rows[i], of ? OF(success) : OF(task_loss));
    const double scale = of ? 100 : 1;
    if (!isfinite(x.mean) || !isfinite(x.high)) continue;
    const ml3_meta_test_row *r = &c->rows[i];
    name_of(r, names[shown], sizeof names[shown]);
    bars[shown] = (ml3_lab_bar){names[shown], scale * x.mean, scale * x.low, scale * x.high};
    shown++;
  }
  if (bars && names) {
    char title[128], label[64];
    snprintf(title, sizeof title, "%s on %d held-out tasks with 95 %% intervals", s->problem.name, c->tasks);
    snprintf(label, sizeof label, "%.50s%s", of ? of : "mean task loss", of ? ", %" : "");
    code = ml3_lab_plot_bars(title, label, bars, shown, path, error);
  }
  free(bars);
  free(names);
  return code;
}

/* The row of the lowest mean task loss (of the highest success, where `by_success`) of all methods but one (NULL: of all). */
static const ml3_meta_test_row *best_of(const ml3_lab_supervised *s, bool by_success, const char *but) {
  const ml3_meta_test_row *best = NULL;
  double least = INFINITY;
  for (int i = 0; i < s->all->count; i++) {
    const ml3_meta_test_row *r = &s->all->rows[i];
    const double mean = by_success ? -interval_of(s, r, OF(success)).mean : interval_of(s, r, OF(task_loss)).mean;
    if (mean < least && !(but && strcmp(r->method, but) == 0)) least = mean, best = r;
  }
  return best;
}

/* "Best by accuracy: learned loss, 5 updates, 97.2 %; next: ...\n" */
static void say_best(const ml3_lab_supervised *s, bool by_success, FILE *out) {
  const ml3_meta_test_row *rows[2] = {best_of(s, by_success, NULL)};
  char name[128];
  if (by_success && rows[0] && !(interval_of(s, rows[0], OF(success)).mean > 0)) {
    fprintf(out, "%s is 0 for all methods.\n", s->problem.success_name);
    return;
  }
  rows[1] = rows[0] ? best_of(s, by_success, rows[0]->method) : NULL;
  for (int i = 0; i < 2 && rows[i]; i++) {
    name_of(rows[i], name, sizeof name);
    if (i) fprintf(out, "; the best of other methods: ");
    if (!i) fprintf(out, "Best by %s: ", by_success ? s->problem.success_name : "task loss");
    if (by_success)
      fprintf(out, "%s, %.1f %%", name, 100 * interval_of(s, rows[i], OF(success)).mean);
    else
      fprintf(out, "%s, %.4g", name, interval_of(s, rows[i], OF(task_loss)).mean);
  }
  if (rows[0]) fprintf(out, ".\n");
}

void ml3_lab_supervised_conclusion(const ml3_lab_supervised *s, char *text, size_t size) {
  text[0] = '\0';
  FILE *out = fmemopen(text, size, "w");
  if (!out) return;
  say_best(s, false, out);
  if (s->problem.success_name) say_best(s, true, out);
  fclose(out);
}

void ml3_lab_supervised_legend(const ml3_lab_supervised *s, char *text, size_t size) {
  const bool by_seed = s->runs_differ && s->seeds > 1;
  snprintf(text, size,
           "%d held-out tasks%s; intervals of means %s; best step sizes chosen on validation tasks for each number of "
           "updates\n%s",
           s->all->tasks, s->seeds > 1 ? " in all" : "",
           by_seed ? "over seeds, by Student's t within what a quantity can be" : "by bootstrap",
           any_failed(s->all)
               ? "failed: tasks on which learning diverged; their loss is infinite, they have no success\n"
               : "");
}

int ml3_lab_supervised_save(const ml3_lab_supervised *s, const char *folder, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_table *table = ml3_lab_supervised_table(s);
  if (!table) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  int code = ml3_lab_table_save(table, folder, "comparison", error);
  ml3_lab_run_path(folder, "comparison_tasks.csv", path);
  if (code == ML3_OK) code = save_tasks(s, path, error);
  ml3_lab_table_free(table);
  return code;
}

int ml3_lab_supervised_plot(const ml3_lab_supervised *s, const char *folder, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, "comparison", path);
  return save_bars(s, path, error);
}
