/* Bars and learning curves of a comparison: see comparison.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/comparison.h"
#include "lab/plot.h"
#include "lab/run_folder.h"

static int save_bars(const ml3_lab_comparison *c, const char *path, ml3_error *error) {
  ml3_lab_bar *bars = calloc((size_t)c->count, sizeof *bars);
  double *x = calloc((size_t)c->compare->tasks, sizeof *x);
  int code = ML3_ERR_MEMORY;
  if (bars && x) {
    for (int i = 0; i < c->count; i++) {
      ml3_lab_comparison_values(c, &c->rows[i], ML3_LAB_SUCCESS, x);
      const ml3_lab_interval in = ml3_lab_comparison_interval(c, ML3_LAB_SUCCESS, x);
      bars[i] = (ml3_lab_bar){c->rows[i].name, 100 * in.mean, 100 * in.low, 100 * in.high};
    }
    char title[96];
    snprintf(title, sizeof title, "Success in %d trials, with 95 %% intervals", c->compare->tasks);
    code = ml3_lab_plot_bars(title, "success in the last state, %", bars, c->count, path, error);
  }
  free(bars);
  free(x);
  return code;
}

enum { GRID = 48 };

/* In the curve's unit: success in percent. */
static ml3_lab_interval interval_at(const ml3_lab_comparison *c, ml3_lab_quantity q, const double *x) {
  const double scale = q == ML3_LAB_SUCCESS ? 100 : 1;
  const ml3_lab_interval in = ml3_lab_comparison_interval(c, q, x);
  return (ml3_lab_interval){scale * in.mean, scale * in.low, scale * in.high};
}

/* A method with one answer a trial and nothing before it: a point where its steps are taken, with a bar; a line from end to
   end where it takes none. */
static int fill_answer(const ml3_lab_comparison *c, const ml3_compare_series *s, ml3_lab_quantity q, double first,
                       double last, double *x, double *numbers, ml3_lab_curve *curve) {
  double steps = 0;
  int answers = 0;
  for (int j = 0; j < c->compare->tasks; j++) {
    const ml3_compare_point *p = ml3_compare_at(&s->trials[j], -1);
    x[j] = ml3_lab_comparison_value(p, q);
    if (p) steps += p->env_steps, answers++;
  }
  if (answers) steps /= answers;
  const ml3_lab_interval in = interval_at(c, q, x);
  const int count = steps > 0 ? 1 : 2;
  for (int i = 0; i < count; i++) {
    numbers[i] = steps > 0 ? steps : i ? last : first;
    numbers[GRID + i] = in.mean, numbers[2 * GRID + i] = in.low, numbers[3 * GRID + i] = in.high;
  }
  *curve = (ml3_lab_curve){.label = s->label,
                           .count = count,
                           .x = numbers,
                           .y = numbers + GRID,
                           .low = numbers + 2 * GRID,
                           .high = numbers + 3 * GRID,
                           .dots = steps > 0,
                           .dashed = true};
  return count;
}

static bool has_one_answer(const ml3_lab_comparison *c, const ml3_compare_series *s) {
  for (int j = 0; j < c->compare->tasks; j++)
    if (s->trials[j].count > 1) return false;
  return true;
}

/* A method's mean over trials by steps taken, from where all of them have something to show. */
static int fill_curve(const ml3_lab_comparison *c, const ml3_compare_series *s, ml3_lab_quantity q, double first,
                      double last, double *x, double *numbers, ml3_lab_curve *curve) {
  double *xs = numbers, *mean = numbers + GRID, *low = numbers + 2 * GRID, *high = numbers + 3 * GRID, longest = 0;
  int count = 0;
  if (has_one_answer(c, s)) return fill_answer(c, s, q, first, last, x, numbers, curve);
  for (int j = 0; j < c->compare->tasks; j++) {
    const ml3_compare_point *p = ml3_compare_at(&s->trials[j], -1);
    if (p) longest = fmax(longest, p->env_steps);
  }
  for (int i = 0; i < GRID; i++) {
    const double steps = first * pow(last / first, i / (GRID - 1.0)) * (1 + 1e-9);
    bool all = true;
    for (int j = 0; j < c->compare->tasks && all; j++) {
      const ml3_compare_point *p = ml3_compare_within(&s->trials[j], steps);
      all = p != NULL;
      x[j] = ml3_lab_comparison_value(p, q);
    }
    if (!all) continue;
    const ml3_lab_interval in = interval_at(c, q, x);
    xs[count] = steps, mean[count] = in.mean, low[count] = in.low, high[count] = in.high;
    count++;
    if (steps >= longest) break; /* nothing changes any more */
  }
  *curve = (ml3_lab_curve){.label = s->label, .count = count, .x = xs, .y = mean, .low = low, .high = high};
  return count;
}

static int save_curves(const ml3_lab_comparison *c, ml3_lab_quantity q, const char *label, const char *path,
                       ml3_error *error) {
  const int n = c->compare->count;
  ml3_lab_curve *curves = calloc((size_t)n, sizeof *curves);
  double *numbers = calloc((size_t)n * 4 * GRID + (size_t)c->compare->tasks, sizeof *numbers);
  double first = INFINITY, last = 0;
  int code = ML3_ERR_MEMORY, count = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < c->compare->tasks; j++) {
      const ml3_compare_points *t = &c->compare->series[i].trials[j];
      for (int k = 0; k < t->count; k++) {
        if (t->points[k].env_steps > 0) first = fmin(first, t->points[k].env_steps);
        last = fmax(last, t->points[k].env_steps);
      }
    }
  if (curves && numbers && last > first) {
    double *x = numbers + (size_t)n * 4 * GRID;
    for (int i = 0; i < n; i++)
      count += fill_curve(c, &c->compare->series[i], q, first / 2, last, x, numbers + (size_t)i * 4 * GRID,
                          &curves[count]) > 0;
    char title[96];
    snprintf(title, sizeof title, "%s by environment steps, with 95 %% bands", label);
    const bool percent = q == ML3_LAB_SUCCESS;
    const ml3_lab_plot plot = {.title = title,
                               .x_label = "environment steps on the task, of the simulator or a model",
                               .y_low = percent ? 0 : NAN,
                               .y_high = percent ? 102 : NAN,
                               .y_label = label,
                               .curves = curves,
                               .count = count,
                               .log_x = true};
    code = count ? ml3_lab_plot_save(&plot, path, error) : ML3_OK;
  } else if (curves && numbers) {
    code = ML3_OK; /* no method takes steps: there is no curve */
  }
  free(curves);
  free(numbers);
  return code;
}

int ml3_lab_comparison_plot(const ml3_lab_comparison *c, const char *folder, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, "comparison", path);
  int code = save_bars(c, path, error);
  ml3_lab_run_path(folder, "comparison_success", path);
  if (code == ML3_OK && !c->no_goal)
    code = save_curves(c, ML3_LAB_SUCCESS, "Success in the last state, %", path, error);
  ml3_lab_run_path(folder, "comparison_return", path);
  if (code == ML3_OK) code = save_curves(c, ML3_LAB_RETURN, "Return of the episode", path, error);
  return code;
}
