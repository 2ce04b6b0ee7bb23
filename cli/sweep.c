/* Sweeps: see sweep.h. Combinations follow one another; the seeds of one share the cores (seeds.c). */
#define _POSIX_C_SOURCE 200809L
#include "cli/sweep.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "cli/seeds.h"
#include "cli/table.h"
#include "lab/run_environment.h"
#include "lab/statistics.h"

/* ---- axes --------------------------------------------------------------------------------------------------------- */

/* Where a value ends: at a comma outside brackets, or at the end. */
static size_t value_length(const char *text) {
  int depth = 0;
  size_t n = 0;
  for (; text[n] && !(text[n] == ',' && depth == 0); n++) depth += (text[n] == '[') - (text[n] == ']');
  return n;
}

static int read_axis(cli_axis *axis, const char *text, ml3_error *error) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || (size_t)(equals - text) >= sizeof axis->key || !equals[1])
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--sweep %.200s: expected key=value,value", text);
  snprintf(axis->key, sizeof axis->key, "%.*s", (int)(equals - text), text);
  for (const char *at = equals + 1;; at++) {
    const size_t n = value_length(at);
    if (axis->count == CLI_AXIS_VALUES_MAX || n == 0 || n >= sizeof *axis->values)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "--sweep %.200s: expected 1 to %d values of at most %zu characters",
                           text, CLI_AXIS_VALUES_MAX, sizeof *axis->values - 1);
    snprintf(axis->values[axis->count++], sizeof *axis->values, "%.*s", (int)n, at);
    at += n;
    if (!*at) return ML3_OK;
  }
}

int cli_sweep_read(cli_sweep *s, const char *const *texts, ml3_error *error) {
  *s = (cli_sweep){.points = 1};
  for (; *texts; texts++) {
    if (s->axis_count == CLI_AXES_MAX)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "more than %d --sweep options", CLI_AXES_MAX);
    cli_axis *axis = &s->axes[s->axis_count++];
    int code = read_axis(axis, *texts, error);
    if (code != ML3_OK) return code;
    if (strcmp(axis->key, "seed") == 0)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "--sweep seed: several seeds are what --seeds is for");
    for (int i = 0; i + 1 < s->axis_count; i++)
      if (strcmp(s->axes[i].key, axis->key) == 0)
        return ml3_error_set(error, ML3_ERR_ARGUMENT, "--sweep %s: given twice", axis->key);
    s->points *= axis->count;
    if (s->points > CLI_SWEEP_MAX)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "the sweep has more than %d combinations", CLI_SWEEP_MAX);
  }
  return ML3_OK;
}

/* Which value of each axis combination i has. */
static void indices_of(const cli_sweep *s, int i, int *indices) {
  for (int a = s->axis_count; a-- > 0; i /= s->axes[a].count) indices[a] = i % s->axes[a].count;
}

/* What ml3_lab_config_set says of --set. */
static void tell_as_sweep(ml3_error *error) {
  if (error && strncmp(error->message, "--set", 5) == 0) {
    const ml3_error said = *error;
    ml3_error_set(error, said.code, "--sweep%.600s", said.message + 5);
  }
}

int cli_sweep_point(const cli_sweep *s, int i, ml3_lab_config *config, char *name, ml3_error *error) {
  int indices[CLI_AXES_MAX];
  size_t used = 0;
  indices_of(s, i, indices);
  for (int a = 0; a < s->axis_count; a++) {
    char assignment[160];
    snprintf(assignment, sizeof assignment, "%s=%s", s->axes[a].key, s->axes[a].values[indices[a]]);
    int code = ml3_lab_config_set(config, assignment, error);
    if (code != ML3_OK) return tell_as_sweep(error), code;
    if (name && used < CLI_POINT_NAME)
      used += (size_t)snprintf(name + used, CLI_POINT_NAME - used, "%s%s", a ? "," : "", assignment);
  }
  for (char *c = name; c && *c; c++)
    if (*c == '/') *c = '_';
  return ML3_OK;
}

/* ---- training ------------------------------------------------------------------------------------------------------ */

static int point_folder(const cli_sweep *s, const cli_sweep_settings *o, int i, ml3_lab_config *config, char *folder,
                        ml3_error *error) {
  char name[CLI_POINT_NAME];
  *config = *o->config;
  int code = cli_sweep_point(s, i, config, name, error);
  if (code == ML3_OK) snprintf(folder, ML3_LAB_PATH_MAX, "%.500s/%.250s", o->folder, name);
  return code;
}

/* The --set options without those of a swept key. */
static void keep_unswept(const cli_sweep *s, const cli_options *given, cli_options *kept) {
  kept->set_count = 0;
  for (int i = 0; given && i < given->set_count; i++) {
    bool swept = false;
    for (int a = 0; a < s->axis_count; a++) {
      const size_t n = strlen(s->axes[a].key);
      swept = swept || (strncmp(given->sets[i], s->axes[a].key, n) == 0 && given->sets[i][n] == '=');
    }
    if (!swept) kept->sets[kept->set_count++] = given->sets[i];
  }
}

/* Combination i, in its folder; `check`: only whether it may go on. */
static int train_point(const cli_sweep *s, const cli_sweep_settings *o, int i, bool check, ml3_error *error) {
  ml3_lab_config config;
  cli_options options;
  char folder[ML3_LAB_PATH_MAX];
  int code = point_folder(s, o, i, &config, folder, error);
  if (code != ML3_OK) return code;
  keep_unswept(s, o->options, &options);
  if (!check && mkdir(folder, 0755) != 0 && errno != EEXIST)
    return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s", folder, strerror(errno));
  if (!check && (code = ml3_lab_run_environment_ensure(&config, folder, o->resume, error)) != ML3_OK) return code;
  const cli_seeds seeds = {.config = &config,
                           .count = o->seeds,
                           .options = &options,
                           .folder = folder,
                           .log = o->log,
                           .resume = o->resume,
                           .quiet = true,
                           .silent = true};
  return check ? cli_seeds_check(&seeds, error) : cli_seeds_train(&seeds, error);
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

/* Of all seeds of a combination; NaN where a run has none. Returns how many have one. */
static int read_summaries(const char *folder, int seeds, int64_t first, const char *key, double *values) {
  int found = 0;
  for (int i = 0; i < seeds; i++) {
    char path[ML3_LAB_PATH_MAX];
    snprintf(path, sizeof path, "%.900s/seed-%lld/summary.json", folder, (long long)(first + i));
    json_t *json = json_load_file(path, 0, NULL);
    const json_t *x = json_object_get(json, key);
    values[i] = x ? json_number_value(x) : NAN;
    found += x != NULL;
    json_decref(json);
  }
  return found;
}

static void format_interval(ml3_lab_interval v, double factor, const char *format, char *mean, char *range,
                            size_t size) {
  mean[0] = range[0] = '\0';
  if (!isnan(v.mean)) snprintf(mean, size, format, factor * v.mean);
  char low[24], high[24];
  if (isnan(v.low)) return;
  snprintf(low, sizeof low, format, factor * v.low);
  snprintf(high, sizeof high, format, factor * v.high);
  snprintf(range, size, "%s - %s", low, high);
}

/* What the problem calls its numbers, from the first run that says so. */
static cli_words read_words(const cli_sweep *s, const cli_sweep_settings *o) {
  cli_words words = {"success", "task loss"};
  ml3_lab_config config;
  char folder[ML3_LAB_PATH_MAX], run[ML3_LAB_PATH_MAX];
  for (int i = 0; i < s->points * o->seeds; i++) {
    if (point_folder(s, o, i / o->seeds, &config, folder, NULL) != ML3_OK) continue;
    snprintf(run, sizeof run, "%.900s/seed-%lld", folder, (long long)(config.seed + i % o->seeds));
    if (cli_words_read(&words, run)) return words;
  }
  return (cli_words){"success", "task loss"};
}

static int add_point(const cli_sweep *s, const cli_sweep_settings *o, int i, bool has_success, cli_table *table,
                     double *values, ml3_error *error) {
  ml3_lab_config config;
  char folder[ML3_LAB_PATH_MAX], cells[4][64], done[16];
  const char *row[CLI_AXES_MAX + 5];
  int indices[CLI_AXES_MAX];
  int code = point_folder(s, o, i, &config, folder, error);
  if (code != ML3_OK) return code;
  indices_of(s, i, indices);
  for (int a = 0; a < s->axis_count; a++) row[a] = s->axes[a].values[indices[a]];
  read_summaries(folder, o->seeds, config.seed, "best_success", values);
  const ml3_lab_interval success =
      ml3_lab_share_interval(values, o->seeds, (int)ML3_LAB_GET(&config, validation)->tasks);
  format_interval(success, 100, "%.1f", cells[0], cells[1], sizeof *cells);
  const int count = read_summaries(folder, o->seeds, config.seed, "best_task_loss", values);
  const ml3_lab_interval loss = ml3_lab_sample_interval(values, o->seeds, ml3_lab_range_of(values, o->seeds));
  format_interval(loss, 1, "%.4g", cells[2], cells[3], sizeof *cells);
  snprintf(done, sizeof done, "%d", count);
  row[s->axis_count] = done;
  const int first = has_success ? 0 : 2;
  for (int c = first; c < 4; c++) row[s->axis_count + 1 + c - first] = cells[c];
  return cli_table_row(table, row);
}

static int report(const cli_sweep *s, const cli_sweep_settings *o, ml3_error *error) {
  const char *columns[CLI_AXES_MAX + 5];
  char path[ML3_LAB_PATH_MAX], success[80];
  const cli_words words = read_words(s, o);
  int count = s->axis_count;
  for (int a = 0; a < s->axis_count; a++) columns[a] = s->axes[a].key;
  columns[count++] = "seeds"; /* that were trained to the end */
  snprintf(success, sizeof success, "%s %%", words.success);
  if (*words.success) columns[count++] = success, columns[count++] = "95 %";
  columns[count++] = words.task_loss, columns[count++] = "95 %";
  cli_table *table = cli_table_new(columns, count);
  double *values = calloc((size_t)o->seeds, sizeof *values);
  int code = table && values ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  for (int i = 0; i < s->points && code == ML3_OK; i++)
    code = add_point(s, o, i, *words.success != 0, table, values, error);
  if (code == ML3_OK) {
    cli_table_print(table, stdout);
    printf("%d combinations, %d seed%s each, judged on validation tasks%s\n", s->points, o->seeds,
           o->seeds == 1 ? "" : "s",
           o->seeds > 1 ? "; intervals by Student's t over seeds, within what a quantity can be" : "");
    ml3_lab_run_path(o->folder, "sweep.csv", path);
    code = cli_table_save_csv(table, path, error);
    ml3_lab_run_path(o->folder, "sweep.md", path);
    if (code == ML3_OK) code = cli_table_save_markdown(table, path, error);
  }
  free(values);
  cli_table_free(table);
  return code;
}

int cli_sweep_train(const cli_sweep *s, const cli_sweep_settings *o, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  cli_progress progress;
  ml3_lab_run_path(o->folder, "sweep.yaml", path);
  int code = ML3_OK, failed = 0;
  for (int i = 0; i < s->points && code == ML3_OK; i++) code = train_point(s, o, i, true, error);
  if (code == ML3_OK) code = ml3_lab_config_write(o->config, path, error);
  ml3_error first = {0};
  cli_progress_begin(&progress, "sweep", s->points, o->quiet);
  for (int i = 0; i < s->points && code == ML3_OK; i++) {
    code = train_point(s, o, i, false, error);
    if (code == ML3_ERR_NUMERIC) { /* a bad step size is what a sweep finds out */
      if (failed++ == 0 && error) first = *error;
      code = ML3_OK;
    }
    cli_progress_update(&progress, i + 1, "");
  }
  cli_progress_end(&progress);
  if (code == ML3_ERR_INTERRUPTED)
    return ml3_error_set(error, code, "interrupted; go on with the same --sweep and --seeds, and --resume %s",
                         o->folder);
  if (code == ML3_OK) code = report(s, o, error);
  if (code == ML3_OK && failed)
    code = ml3_error_set(error, ML3_ERR_NUMERIC, "%d of %d combinations have seeds that failed; the first: %.400s",
                         failed, s->points, first.message);
  return code;
}
