/* The learned loss over its features: see landscapes.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/landscapes_internal.h"
#include "lab/plot.h"

typedef struct feature_range {
  double low, high, mean;
} feature_range;

enum { FEATURE_TASKS = 16 };

/* Range and mean of every feature over held-out tasks, before and after the updates. */
static int feature_ranges(inspecting *s, feature_range *r, ml3_error *error) {
  const int cols = s->problem->features, rows = ml3_meta_rows(s->meta);
  ml3_real *features = calloc((size_t)rows * (size_t)cols, sizeof *features);
  int code = features ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for features");
  for (int c = 0; c < cols; c++) r[c] = (feature_range){INFINITY, -INFINITY, 0};
  for (int i = 0; i < 2 * FEATURE_TASKS && code == ML3_OK; i++) {
    if (i % 2 == 0) code = landscapes_learn(s, i / 2, error);
    ml3_random same = s->random;
    if (code == ML3_OK)
      code = ml3_meta_features(s->work, s->task, landscapes_theta(s, i % 2 ? s->updates : 0), &same, features, error);
    for (int j = 0; j < rows * cols && code == ML3_OK; j++) {
      feature_range *of = &r[j % cols];
      of->low = fmin(of->low, features[j]), of->high = fmax(of->high, features[j]);
      of->mean += features[j] / (2.0 * FEATURE_TASKS * rows);
    }
  }
  free(features);
  return code;
}

static int find_feature(const ml3_loss *loss, const char *name, size_t length) {
  for (int i = 0; i < ml3_loss_features(&loss->spec); i++)
    if (strlen(loss->names[i]) == length && strncmp(loss->names[i], name, length) == 0) return i;
  return -1;
}

/* Which two features to show: those asked for, prediction and target, or the first and the last but one (in a rollout, a
   state and an action). */
static int choose_features(const inspecting *s, int *x, int *y, ml3_error *error) {
  const int count = ml3_loss_features(&s->loss->spec);
  *x = find_feature(s->loss, "prediction", 10), *y = find_feature(s->loss, "target", 6);
  if (*x < 0 || *y < 0) *x = 0, *y = count > 2 ? count - 2 : count - 1;
  if (!s->features) return ML3_OK;
  const size_t first = strcspn(s->features, ",");
  *x = find_feature(s->loss, s->features, first);
  *y = s->features[first] ? find_feature(s->loss, s->features + first + 1, strlen(s->features + first + 1)) : -1;
  if (*x >= 0 && *y >= 0) return ML3_OK;
  char all[400] = "";
  for (int i = 0; i < count; i++)
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", s->loss->names[i]);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "--features is '%s'; expected two of: %s, with a comma between",
                       s->features, all);
}

int landscapes_check(const inspecting *s, ml3_error *error) {
  int x, y;
  return choose_features(s, &x, &y, error);
}

static int inspect_features(inspecting *s, ml3_error *error) {
  feature_range ranges[ML3_LOSS_MAX_FEATURES];
  int x, y, code = choose_features(s, &x, &y, error);
  if (code == ML3_OK) code = feature_ranges(s, ranges, error);
  if (code != ML3_OK) return code;
  const int width = 2 * s->points + 1, cols = s->problem->features;
  const bool regression = strcmp(s->loss->names[x], "prediction") == 0 && strcmp(s->loss->names[y], "target") == 0;
  double *values = calloc((size_t)(2 * width * width), sizeof(double)), row[ML3_LOSS_MAX_FEATURES];
  if (!values) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a landscape");
  ml3_landscape l = {.width = width,
                     .height = width,
                     .x_low = ranges[x].low,
                     .x_high = ranges[x].high,
                     .y_low = ranges[y].low,
                     .y_high = ranges[y].high,
                     .learned = values,
                     .task = regression ? values + width * width : NULL};
  if (!(l.y_high > l.y_low)) l.y_high = l.y_low + 1;
  if (regression) l.x_low = 1.25 * l.y_low - 0.25 * l.y_high, l.x_high = 1.25 * l.y_high - 0.25 * l.y_low;
  if (!(l.x_high > l.x_low)) l.x_high = l.x_low + 1;
  for (int c = 0; c < cols; c++) row[c] = ranges[c].mean;
  for (int i = 0; i < width * width; i++) {
    row[x] = ml3_landscape_at(l.x_low, l.x_high, i % width, width);
    row[y] = ml3_landscape_at(l.y_low, l.y_high, i / width, width);
    l.learned[i] = ml3_loss_value(s->loss, row);
    if (regression) l.task[i] = (row[x] - row[y]) * (row[x] - row[y]);
  }
  char header[2 * ML3_LOSS_NAME_MAX + 64], title[160];
  snprintf(header, sizeof header, "%s,%s,learned_loss%s", s->loss->names[x], s->loss->names[y],
           regression ? ",squared_error" : "");
  code = landscapes_save(s, "landscape_features", header, &l, NULL, error);
  if (code == ML3_OK) {
    const char *const titles[2] = {"learned loss of a row", "squared error"};
    snprintf(title, sizeof title, "%s: the learned loss over two of its features%s", ml3_lab_problem_title(s->config),
             cols > 2 ? ", the others at their mean" : "");
    landscapes_maps(s, "landscape_features", title, s->loss->names[x], s->loss->names[y], titles, &l, NULL, NULL, 0);
  }
  free(values);
  return code == ML3_OK ? landscapes_learn(s, s->task_number, error) : code;
}

/* For classes: over the probability p that a class is given, when it is the right one and when not. */
static int inspect_classes(inspecting *s, int p, int log_p, int target, ml3_error *error) {
  const int width = 4 * s->points + 1;
  double *x = calloc((size_t)(4 * width), sizeof(double)), *right = x + width, *wrong = right + width,
         *entropy = wrong + width;
  char path[ML3_LAB_PATH_MAX];
  ml3_file file;
  ml3_error plot = {0};
  if (!x) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a landscape");
  for (int i = 0; i < width; i++) {
    double row[ML3_LOSS_MAX_FEATURES] = {0};
    x[i] = row[p] = ml3_landscape_at(0.005, 0.995, i, width);
    row[log_p] = log(x[i]);
    entropy[i] = -log(x[i]);
    wrong[i] = ml3_loss_value(s->loss, row);
    row[target] = 1;
    right[i] = ml3_loss_value(s->loss, row);
  }
  ml3_lab_run_path(s->found->folder, "landscape_features.csv", path);
  int code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fprintf(file.stream, "p,learned_loss_right_class,learned_loss_wrong_class,cross_entropy_right_class\n");
    for (int i = 0; i < width; i++) fprintf(file.stream, "%.9g,%.9g,%.9g,%.9g\n", x[i], right[i], wrong[i], entropy[i]);
    code = ml3_file_commit(&file, error);
  }
  if (code == ML3_OK) {
    const ml3_lab_curve curves[] = {
        {.label = "learned loss, right class", .count = width, .x = x, .y = right},
        {.label = "learned loss, wrong class", .count = width, .x = x, .y = wrong},
        {.label = "cross-entropy, right class (right axis)", .count = width, .x = x, .y = entropy, .right = true}};
    const ml3_lab_plot all = {.title = "The learned loss of a row, beside cross-entropy",
                              .x_label = "probability that the class is given",
                              .y_label = "learned loss",
                              .right_label = "cross-entropy",
                              .curves = curves,
                              .count = 3};
    ml3_lab_run_path(s->found->folder, "landscape_features", path);
    landscapes_note(s, "landscape_features", ml3_lab_plot_save(&all, path, &plot), &plot);
  }
  free(x);
  return code;
}

int landscapes_loss(inspecting *s, ml3_error *error) {
  const int p = find_feature(s->loss, "p", 1), log_p = find_feature(s->loss, "log_p", 5);
  const int target = find_feature(s->loss, "target", 6);
  const bool classes = p >= 0 && log_p >= 0 && target >= 0 && !s->features;
  return classes ? inspect_classes(s, p, log_p, target, error) : inspect_features(s, error);
}
