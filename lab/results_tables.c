/* Tables over seeds, and over points with seeds: see results.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/results.h"
#include "lab/run_folder.h"

/* scale * value, "nan" where it is none. */
static const char *text_of(const ml3_lab_number *result, double value, char *text, size_t size) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(text, size, result->format, result->scale * value);
#pragma GCC diagnostic pop
  return text;
}

/* values[RESULTS_MAX][seeds] of the `done` seeds that have ended, or a code. Where there is a table, each of these gets
   a row. */
typedef struct gathered {
  double *values;
  int done, code;
} gathered;

static int add_row(ml3_lab_table *table, const ml3_lab_results *r, const char *name, const double *values) {
  char cells[ML3_LAB_RESULTS_MAX][32];
  const char *row[ML3_LAB_RESULTS_MAX + 1] = {name};
  for (int i = 0; i < r->count; i++) row[i + 1] = text_of(&r->list[i], values[i], cells[i], sizeof cells[i]);
  return ml3_lab_table_row(table, row);
}

static gathered gather(const ml3_lab_results *r, const ml3_lab_seeds *s, const int *codes, ml3_lab_table *table) {
  gathered g = {.values = calloc((size_t)s->count * ML3_LAB_RESULTS_MAX, sizeof *g.values)};
  double row[ML3_LAB_RESULTS_MAX];
  char folder[ML3_LAB_PATH_MAX], name[32];
  if (!g.values) g.code = ML3_ERR_MEMORY;
  for (int i = 0; i < s->count && g.code == ML3_OK; i++) {
    ml3_lab_seeds_folder(s, i, folder);
    if ((codes && codes[i]) || !ml3_lab_results_read(r, folder, row)) continue;
    for (int j = 0; j < r->count; j++) g.values[j * s->count + g.done] = row[j];
    g.done++;
    snprintf(name, sizeof name, "%lld", s->first + i);
    if (table) g.code = add_row(table, r, name, row);
  }
  return g;
}

ml3_lab_table *ml3_lab_seeds_table(const ml3_lab_results *r, const ml3_lab_seeds *s, const int *codes, int *done) {
  const char *columns[ML3_LAB_RESULTS_MAX + 1] = {"seed"};
  double mean[ML3_LAB_RESULTS_MAX], low[ML3_LAB_RESULTS_MAX], high[ML3_LAB_RESULTS_MAX];
  char name[48] = "mean";
  for (int i = 0; i < r->count; i++) columns[i + 1] = r->list[i].name;
  ml3_lab_table *table = ml3_lab_table_new(columns, r->count + 1);
  gathered g = table ? gather(r, s, codes, table) : (gathered){.code = ML3_ERR_MEMORY};
  for (int j = 0; j < r->count && g.code == ML3_OK; j++) {
    const ml3_lab_interval in = ml3_lab_results_interval(r, j, g.values + j * s->count, g.done);
    mean[j] = in.mean, low[j] = in.low, high[j] = in.high;
  }
  if (g.done < s->count) snprintf(name, sizeof name, "mean of %d of %d seeds", g.done, s->count);
  if (g.code == ML3_OK && g.done > 0) g.code = add_row(table, r, name, mean);
  if (g.code == ML3_OK && g.done > 1) g.code = add_row(table, r, "95 %, low", low);
  if (g.code == ML3_OK && g.done > 1) g.code = add_row(table, r, "95 %, high", high);
  *done = g.done;
  free(g.values);
  if (g.code == ML3_OK) return table;
  ml3_lab_table_free(table);
  return NULL;
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

enum { CELLS = ML3_LAB_AXES_MAX + 2 * ML3_LAB_RESULTS_MAX + 2 };

static int name_columns(const ml3_lab_results *r, const ml3_lab_points *points, const char **columns) {
  int count = 0;
  if (points->drawn) columns[count++] = "point";
  for (int a = 0; a < points->axis_count; a++) columns[count++] = points->axes[a].key;
  columns[count++] = "seeds"; /* that were trained to the end */
  for (int j = 0; j < r->count; j++)
    if (r->list[j].outcome) columns[count++] = r->list[j].name, columns[count++] = "95 %";
  return count;
}

static void write_interval(const ml3_lab_number *r, ml3_lab_interval in, char *mean, char *range, size_t size) {
  char low[30], high[30];
  mean[0] = range[0] = '\0';
  if (!isnan(in.mean)) text_of(r, in.mean, mean, size);
  if (!isnan(in.low))
    snprintf(range, size, "%s - %s", text_of(r, in.low, low, sizeof low), text_of(r, in.high, high, sizeof high));
}

static int add_point(ml3_lab_table *table, const ml3_lab_results *r, const ml3_lab_points *points, int i,
                     const ml3_lab_seeds *s) {
  char cells[CELLS][64];
  const char *row[CELLS];
  int count = 0;
  const gathered g = gather(r, s, NULL, NULL);
  if (g.code != ML3_OK) return g.code;
  if (points->drawn) snprintf(cells[count++], sizeof *cells, "%03d", i);
  for (int a = 0; a < points->axis_count; a++) ml3_lab_points_value(points, i, a, cells[count++]);
  snprintf(cells[count++], sizeof *cells, "%d", g.done);
  for (int j = 0; j < r->count; j++)
    if (r->list[j].outcome) {
      const ml3_lab_interval in = ml3_lab_results_interval(r, j, g.values + j * s->count, g.done);
      write_interval(&r->list[j], in, cells[count], cells[count + 1], sizeof *cells);
      count += 2;
    }
  for (int c = 0; c < count; c++) row[c] = cells[c];
  free(g.values);
  return ml3_lab_table_row(table, row);
}

ml3_lab_table *ml3_lab_points_table(const ml3_lab_results *r, const ml3_lab_points *points, const ml3_lab_seeds *of) {
  const char *columns[CELLS];
  const int count = name_columns(r, points, columns);
  ml3_lab_table *table = ml3_lab_table_new(columns, count);
  for (int i = 0; i < points->count && table; i++)
    if (add_point(table, r, points, i, &of[i]) != ML3_OK) return ml3_lab_table_free(table), NULL;
  return table;
}

int ml3_lab_results_best(const ml3_lab_results *r, const ml3_lab_seeds *of, int count, double *score) {
  int best = -1;
  for (int i = 0; i < count; i++) {
    char folder[ML3_LAB_PATH_MAX];
    double mean = 0;
    for (int k = 0; k < of[i].count; k++) {
      ml3_lab_seeds_folder(&of[i], k, folder);
      mean += ml3_lab_results_score(r, folder) / of[i].count;
    }
    if (isfinite(mean) && (best < 0 || mean > *score)) best = i, *score = mean;
  }
  return best;
}
