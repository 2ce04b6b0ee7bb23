/* From the points of a comparison to tables: see comparison.h. */
#include "lab/comparison.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/run_folder.h"

/* ---- tables ---------------------------------------------------------------------------------------------------------- */

static void print_interval(char *cell, size_t size, const char *format, ml3_lab_interval x, double scale) {
  char pattern[64];
  if (isnan(x.mean)) {
    snprintf(cell, size, "n/a");
    return;
  }
  snprintf(pattern, sizeof pattern, "%s (%s - %s)", format, format, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(cell, size, pattern, scale * x.mean, scale * x.low, scale * x.high);
#pragma GCC diagnostic pop
}

static void print_one_p(char *cell, size_t size, double p) {
  if (isnan(p))
    snprintf(cell, size, "-");
  else if (p < 0.0002)
    snprintf(cell, size, "< 0.0002");
  else
    snprintf(cell, size, p < 0.01 ? "%.4f" : "%.2f", p);
}

/* By seed, then by task where that is another test. */
static void print_p(char *cell, size_t size, bool is_reference, double p, double p_tasks) {
  char first[24], second[24];
  print_one_p(first, sizeof first, p);
  print_one_p(second, sizeof second, p_tasks);
  if (is_reference)
    snprintf(cell, size, "reference");
  else if (isnan(p_tasks))
    snprintf(cell, size, "%s", first);
  else
    snprintf(cell, size, "%s (%s)", first, second);
}

/* Each seed has a learned loss of its own, and seeds are what is drawn at random for a statement about the method. */
static bool tests_by_seed(const ml3_lab_comparison *c) {
  return c->runs_differ && c->seeds > 1;
}

/* Seconds below a millisecond are the clock's noise. */
static void print_seconds(char *cell, size_t size, double seconds) {
  snprintf(cell, size, seconds < 0.001 ? "< 0.001" : "%.2g", seconds);
}

/* Success and distance to a goal, where the environment has one. */
static void print_of_goal(const ml3_lab_comparison *c, char shown[][96], int cell, const char *format,
                          ml3_lab_interval x, double scale) {
  if (c->no_goal) x.mean = NAN;
  print_interval(shown[cell], 96, format, x, scale);
}

enum { SHOWN = 11, P_SUCCESS = 8, P_RETURN = 9, FAILED = 10, NUMBERS = 3 * ML3_LAB_QUANTITIES + 7 };

/* One row as it is shown, and as numbers for the CSV. */
static void fill_row(const ml3_lab_comparison *c, const ml3_lab_comparison_row *r,
                     const ml3_lab_comparison_row *reference, double *x, double *y, char shown[SHOWN][96],
                     char numbers[NUMBERS][96]) {
  static const char *const formats[ML3_LAB_QUANTITIES] = {"%.1f", "%.1f", "%.3f", "%.3f",
                                                          "%.0f", "%.2g", "%.0f", "%.1f"};
  ml3_lab_interval in[ML3_LAB_QUANTITIES];
  double p[2] = {NAN, NAN}, p_tasks[2] = {NAN, NAN};
  const int tasks = c->compare->tasks, failed = ml3_lab_comparison_failures(c, r);
  for (int q = 0; q < ML3_LAB_QUANTITIES; q++) {
    ml3_lab_comparison_values(c, r, (ml3_lab_quantity)q, x);
    in[q] = ml3_lab_comparison_interval(c, (ml3_lab_quantity)q, x);
    if (!reference || q > ML3_LAB_RETURN) continue;
    ml3_lab_comparison_values(c, reference, (ml3_lab_quantity)q, y);
    p[q] = ml3_lab_paired_test(x, y, c->seeds, tasks / c->seeds, tests_by_seed(c), c->settings.seed);
    if (tests_by_seed(c)) p_tasks[q] = ml3_lab_paired_test(x, y, c->seeds, tasks / c->seeds, false, c->settings.seed);
  }
  snprintf(shown[0], 96, "%s", r->name);
  print_of_goal(c, shown, 1, formats[ML3_LAB_SUCCESS], in[ML3_LAB_SUCCESS], 100);
  print_of_goal(c, shown, 2, formats[ML3_LAB_PASSED], in[ML3_LAB_PASSED], 100);
  print_interval(shown[3], 96, formats[ML3_LAB_RETURN], in[ML3_LAB_RETURN], 1);
  print_of_goal(c, shown, 4, formats[ML3_LAB_DISTANCE], in[ML3_LAB_DISTANCE], 1);
  ml3_lab_count_text(in[ML3_LAB_STEPS].mean, shown[5], 96);
  ml3_lab_count_text(r->series->once_steps, shown[6], 96);
  print_seconds(shown[7], 96, in[ML3_LAB_SECONDS].mean);
  print_p(shown[P_SUCCESS], 96, r == reference, p[ML3_LAB_SUCCESS], p_tasks[ML3_LAB_SUCCESS]);
  print_p(shown[P_RETURN], 96, r == reference, p[ML3_LAB_RETURN], p_tasks[ML3_LAB_RETURN]);
  snprintf(shown[FAILED], 96, "%d of %d", failed, tasks);

  snprintf(numbers[0], 96, "%s", r->name);
  for (int q = 0; q < ML3_LAB_QUANTITIES; q++) {
    snprintf(numbers[1 + 3 * q], 96, "%.8g", in[q].mean);
    snprintf(numbers[2 + 3 * q], 96, "%.8g", in[q].low);
    snprintf(numbers[3 + 3 * q], 96, "%.8g", in[q].high);
  }
  snprintf(numbers[NUMBERS - 6], 96, "%.8g", r->series->once_steps);
  snprintf(numbers[NUMBERS - 5], 96, "%.6g", p[ML3_LAB_SUCCESS]);
  snprintf(numbers[NUMBERS - 4], 96, "%.6g", p[ML3_LAB_RETURN]);
  snprintf(numbers[NUMBERS - 3], 96, "%.6g", p_tasks[ML3_LAB_SUCCESS]);
  snprintf(numbers[NUMBERS - 2], 96, "%.6g", p_tasks[ML3_LAB_RETURN]);
  snprintf(numbers[NUMBERS - 1], 96, "%d", failed);
}

/* Of cells[][96] those whose numbers are in which[count]. */
static int add_cells(ml3_lab_table *table, const char *cells, const int *which, int count) {
  const char *row[NUMBERS];
  for (int i = 0; i < count; i++) row[i] = cells + which[i] * 96;
  return ml3_lab_table_row(table, row);
}

int ml3_lab_comparison_tables(const ml3_lab_comparison *c, ml3_lab_table **shown, ml3_lab_table **numbers,
                              ml3_error *error) {
  static const char *const heading[SHOWN] = {"method",
                                             "success at end, %",
                                             "success at any step, %",
                                             "return",
                                             "distance",
                                             "environment steps",
                                             "meta-training steps",
                                             "seconds",
                                             "p success",
                                             "p return",
                                             "failed"};
  static const char *const heading_numbers[NUMBERS] = {
      "method",         "success",        "success_low",   "success_high",   "return",          "return_low",
      "return_high",    "distance",       "distance_low",  "distance_high",  "task_loss",       "task_loss_low",
      "task_loss_high", "env_steps",      "env_steps_low", "env_steps_high", "seconds",         "seconds_low",
      "seconds_high",   "updates",        "updates_low",   "updates_high",   "passed",          "passed_low",
      "passed_high",    "env_steps_once", "p_success",     "p_return",       "p_success_tasks", "p_return_tasks",
      "failed"};
  const ml3_lab_comparison_row *reference = ml3_lab_comparison_reference(c);
  double *x = calloc(2 * (size_t)c->compare->tasks, sizeof *x);
  char a[SHOWN][96], b[NUMBERS][96];
  const char *names[SHOWN];
  int failed = 0, columns = 0, which[NUMBERS], all[NUMBERS];
  for (int i = 0; i < c->count; i++) failed += ml3_lab_comparison_failures(c, &c->rows[i]);
  for (int i = 0; i < SHOWN; i++) /* p only beside a reference, the last one only where a trial failed */
    if ((reference || (i != P_SUCCESS && i != P_RETURN)) && (failed || i != FAILED))
      names[columns] = heading[i], which[columns++] = i;
  for (int i = 0; i < NUMBERS; i++) all[i] = i;
  *shown = ml3_lab_table_new(names, columns);
  *numbers = ml3_lab_table_new(heading_numbers, NUMBERS);
  int code = x && *shown && *numbers ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < c->count && code == ML3_OK; i++) {
    fill_row(c, &c->rows[i], reference, x, x + c->compare->tasks, a, b);
    code = add_cells(*shown, a[0], which, columns);
    if (code == ML3_OK) code = add_cells(*numbers, b[0], all, NUMBERS);
  }
  free(x);
  if (code == ML3_OK) return ML3_OK;
  ml3_lab_table_free(*shown);
  ml3_lab_table_free(*numbers);
  *shown = *numbers = NULL;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
}

/* Puts more behind what text[size] has. */
static void say(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(char *text, size_t size, const char *format, ...) {
  const size_t used = strlen(text);
  va_list arguments;
  va_start(arguments, format);
  if (used < size) vsnprintf(text + used, size - used, format, arguments);
  va_end(arguments);
}

void ml3_lab_comparison_legend(const ml3_lab_comparison *c, char *text, size_t size) {
  const ml3_lab_comparison_row *reference = ml3_lab_comparison_reference(c);
  bool any_failed = false;
  for (int i = 0; i < c->count; i++) any_failed = any_failed || ml3_lab_comparison_failures(c, &c->rows[i]);
  text[0] = '\0';
  const int per_seed = c->compare->tasks / c->seeds;
  say(text, size, "%d held-out task%s", per_seed, per_seed == 1 ? "" : "s");
  if (c->seeds > 1) say(text, size, " of each of %d seeds%s", c->seeds, c->runs_differ ? ", a run each" : "");
  say(text, size,
      "; in brackets 95 %% intervals by bootstrap%s (Wilson's where all trials agree);\n"
      "environment steps: of the simulator or a model, to learn or plan on one task;\nmeta-training steps: taken once "
      "before, "
      "on other tasks (also to tune a step size or fit a model)",
      c->seeds > 1 ? " of seeds and tasks" : "");
  say(text, size,
      c->no_goal ? ";\nsuccess and distance: n/a, the environment has no goal"
                 : ";\nsuccess: at the goal in the last state of the judged episode, or in any state of it; distance: "
                   "to the goal in the last state");
  if (reference)
    say(text, size, ";\np: paired permutation test against %s, by %s", reference->name,
        tests_by_seed(c) ? "seed (other losses of the kind), in brackets by task (these losses, other tasks)" : "task");
  for (int i = 0; i < c->settings.error_count; i++)
    say(text, size, ";\nthe world's %s is %.3g %% off the models', up or down by task", c->settings.errors[i].parameter,
        100 * c->settings.errors[i].relative);
  if (c->compare->notes[0]) say(text, size, ";\n%s", c->compare->notes);
  if (any_failed)
    say(text, size,
        ";\nfailed: trials without a finite answer; they have no success, and count in no return and distance");
  say(text, size, ".\n");
}

static int save_tasks(const ml3_lab_comparison *c, const char *path, ml3_error *error) {
  ml3_file file;
  const int per_seed = c->compare->tasks / c->seeds;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  fprintf(file.stream, "method,updates,task,success,task_loss,distance,return,env_steps,seconds,seed,passed\n");
  for (int i = 0; i < c->count; i++)
    for (int j = 0; j < c->compare->tasks; j++) {
      const ml3_compare_point *p = ml3_compare_at(&c->rows[i].series->trials[j], c->rows[i].updates);
      fprintf(file.stream, "\"%s\",%d,%d,%g,%.6g,%.6g,%.6g,%.0f,%.4g,%d,%g\n", c->rows[i].series->label,
              c->rows[i].updates, j % per_seed, ml3_lab_comparison_value(p, ML3_LAB_SUCCESS),
              ml3_lab_comparison_value(p, ML3_LAB_TASK_LOSS), ml3_lab_comparison_value(p, ML3_LAB_DISTANCE),
              ml3_lab_comparison_value(p, ML3_LAB_RETURN), ml3_lab_comparison_value(p, ML3_LAB_STEPS),
              ml3_lab_comparison_value(p, ML3_LAB_SECONDS), j / per_seed, ml3_lab_comparison_value(p, ML3_LAB_PASSED));
    }
  return ml3_file_commit(&file, error);
}

int ml3_lab_comparison_save(const ml3_lab_comparison *c, const char *folder, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_table *shown, *numbers;
  int code = ml3_lab_comparison_tables(c, &shown, &numbers, error);
  if (code != ML3_OK) return code;
  ml3_lab_run_path(folder, "comparison.csv", path);
  code = ml3_lab_table_save_csv(numbers, path, error);
  ml3_lab_run_path(folder, "comparison.md", path);
  char below[512];
  ml3_lab_comparison_conclusion(c, below, sizeof below);
  if (code == ML3_OK) code = ml3_lab_table_save_markdown_with(shown, below, path, error);
  ml3_lab_run_path(folder, "comparison.tex", path);
  if (code == ML3_OK) code = ml3_lab_table_save_latex(shown, path, error);
  ml3_lab_run_path(folder, "comparison_tasks.csv", path);
  if (code == ML3_OK) code = save_tasks(c, path, error);
  ml3_lab_table_free(shown);
  ml3_lab_table_free(numbers);
  return code;
}
