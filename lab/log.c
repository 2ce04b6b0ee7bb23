/* Logs of a run: see log.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/log.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "lab/tensorboard.h"

struct ml3_lab_log {
  const char *const *names;
  int count;
  FILE *csv, *json;
  char csv_path[1024], json_path[1024];
  ml3_lab_tensorboard *tensorboard;
  bool goes_on;    /* the event file, with what had been said */
  int counters[2]; /* columns of global_step and charts/model_steps; -1: there is none */
  bool has_rate;   /* charts/SPS is one of the metrics */
  bool begun;
  int64_t last_step; /* of the last line, and which metrics and charts/SPS its step has had */
  bool written[ML3_LAB_LOG_NAMES_MAX + 1];
  double first; /* what counted_of said at `started_s` */
  double started_s;
};

int ml3_lab_log_formats(const char *text, int *formats, ml3_error *error) {
  static const char *const names[] = {"tensorboard", "json", "none"};
  char copy[128], *save = NULL;
  *formats = 0;
  snprintf(copy, sizeof copy, "%s", text);
  for (char *word = strtok_r(copy, ", ", &save); word; word = strtok_r(NULL, ", ", &save)) {
    int i = 0;
    while (i < 3 && strcmp(word, names[i]) != 0) i++;
    if (i < 2) *formats |= 1 << i;
    if (i < 3) continue;
    const char *nearest = ml3_error_nearest(word, names, 3);
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--log names '%s'%s%s%s; expected tensorboard, json, both with a comma, or none", word,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  }
  return ML3_OK;
}

void ml3_lab_log_formats_of(const char *folder, int *formats) {
  char path[1400];
  snprintf(path, sizeof path, "%.1000s/metrics.csv", folder);
  if (access(path, F_OK) != 0) return;
  *formats = ml3_lab_tensorboard_find(folder, path, sizeof path) ? ML3_LAB_LOG_TENSORBOARD : 0;
  snprintf(path, sizeof path, "%.1000s/metrics.jsonl", folder);
  if (access(path, F_OK) == 0) *formats |= ML3_LAB_LOG_JSON;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* Field number `index` of a line with commas between them; *length is 0 where there is none. */
static const char *find_field(const char *line, int index, size_t *length) {
  for (; index > 0 && *line && *line != '\n'; line++) index -= *line == ',';
  *length = index ? 0 : strcspn(line, ",\n");
  return line;
}

/* A line of `old_header`'s columns under those of `header`: a run of an earlier version may have fewer, or others. */
static void write_kept(FILE *out, const char *line, const char *old_header, const char *header) {
  const size_t whole = strcspn(line, "\n");
  if (!*header || strncmp(old_header, header, strlen(header)) == 0) {
    fprintf(out, "%.*s\n", (int)whole, line);
    return;
  }
  size_t name_length, length, n;
  for (int i = 0; find_field(header, i, &name_length), name_length > 0; i++) {
    const char *name = find_field(header, i, &name_length), *value = "", *old;
    n = 0;
    for (int j = 0; old = find_field(old_header, j, &length), length > 0; j++)
      if (length == name_length && strncmp(old, name, length) == 0) value = find_field(line, j, &n);
    fprintf(out, "%s%.*s", i ? "," : "", (int)n, value);
  }
  fputc('\n', out);
}

/* Opens `path` for more lines, behind `header` and those of its lines that say a step up to `keep` after `before`. */
static FILE *open_lines(const char *path, const char *header, const char *before, int64_t keep, ml3_error *error) {
  size_t size = 0;
  char *old = keep > 0 ? ml3_file_read(path, (size_t)1 << 31, &size, NULL) : NULL;
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fputs(header, file.stream);
    for (char *line = old, *end; line && *line && (end = strchr(line, '\n')); line = end + 1) {
      const size_t n = strlen(before);
      char *number_end = line;
      const int64_t step = strncmp(line, before, n) == 0 ? strtoll(line + n, &number_end, 10) : 0;
      if (number_end == line || number_end == line + n) continue; /* the header */
      if (step > keep) break;
      write_kept(file.stream, line, old, header);
    }
    code = ml3_file_commit(&file, error);
  }
  free(old);
  FILE *out = code == ML3_OK ? fopen(path, "a") : NULL;
  if (code == ML3_OK && !out) ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
  return out;
}

/* A new run in an old folder (--force): its event files are another run's. */
static void drop_event_files(const char *folder) {
  char path[1400];
  while (ml3_lab_tensorboard_find(folder, path, sizeof path))
    if (unlink(path) != 0) return;
}

static int open_files(ml3_lab_log *log, const char *folder, int formats, int64_t keep, ml3_error *error) {
  char header[4096];
  size_t used = (size_t)snprintf(header, sizeof header, "outer_step");
  for (int i = 0; i < log->count && used < sizeof header; i++)
    used += (size_t)snprintf(header + used, sizeof header - used, ",%s", log->names[i]);
  if (used + 1 < sizeof header) strcpy(header + used, "\n");

  snprintf(log->csv_path, sizeof log->csv_path, "%.1000s/metrics.csv", folder);
  if (!(log->csv = open_lines(log->csv_path, header, "", keep, error))) return ML3_ERR_IO;
  setvbuf(log->csv, NULL, _IOLBF, 0); /* `ml3 view --follow` and others read whole lines */
  snprintf(log->json_path, sizeof log->json_path, "%.1000s/metrics.jsonl", folder);
  if (formats & ML3_LAB_LOG_JSON && !(log->json = open_lines(log->json_path, "", "{\"step\": ", keep, error)))
    return ML3_ERR_IO;
  if (keep == 0) drop_event_files(folder);
  if (keep == 0 && !log->json) unlink(log->json_path);
  if (formats & ML3_LAB_LOG_TENSORBOARD &&
      !(log->tensorboard = ml3_lab_tensorboard_open(folder, keep, &log->goes_on, error)))
    return ML3_ERR_IO;
  return ML3_OK;
}

/* The column of that name, or -1. */
static int find(const ml3_lab_log *log, const char *name) {
  for (int i = 0; i < log->count; i++)
    if (strcmp(log->names[i], name) == 0) return i;
  return -1;
}

ml3_lab_log *ml3_lab_log_open(const char *folder, const char *const *names, int count, int formats, int64_t keep,
                              ml3_error *error) {
  ml3_lab_log *log = calloc(1, sizeof *log);
  if (!log || count > ML3_LAB_LOG_NAMES_MAX) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a log of %d metrics", count);
    free(log);
    return NULL;
  }
  log->names = names;
  log->count = count;
  log->counters[0] = find(log, "global_step"), log->counters[1] = find(log, "charts/model_steps");
  log->last_step = -1;
  log->has_rate = find(log, "charts/SPS") >= 0;
  if (open_files(log, folder, formats, keep, error) == ML3_OK) return log;
  ml3_lab_log_close(log);
  return NULL;
}

void ml3_lab_log_close(ml3_lab_log *log) {
  if (!log) return;
  if (log->csv) fclose(log->csv);
  if (log->json) fclose(log->json);
  ml3_lab_tensorboard_close(log->tensorboard);
  free(log);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* Since 1970. */
static double time_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_csv(ml3_lab_log *log, int64_t step, const double *values) {
  char number[ML3_NUMBER_TEXT];
  fprintf(log->csv, "%lld", (long long)step);
  for (int i = 0; i < log->count; i++)
    if (isnan(values[i]))
      fputc(',', log->csv);
    else
      fprintf(log->csv, ",%s", ml3_number_text(values[i], number));
  fputc('\n', log->csv);
}

static void write_json(ml3_lab_log *log, int64_t step, const double *values, double rate) {
  char number[ML3_NUMBER_TEXT];
  fprintf(log->json, "{\"step\": %lld, \"time\": %.3f", (long long)step, time_s());
  for (int i = 0; i < log->count; i++)
    if (isfinite(values[i])) fprintf(log->json, ", \"%s\": %s", log->names[i], ml3_number_text(values[i], number));
  if (isfinite(rate)) fprintf(log->json, ", \"charts/SPS\": %.6g", rate);
  fputs("}\n", log->json);
}

static int write_error(const char *path, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
}

/* What charts/SPS counts: steps of environment and model where they are counted, else the log's own. */
static double counted_of(const ml3_lab_log *log, int64_t step, const double *values) {
  double sum = 0;
  bool known = false;
  for (int i = 0; i < 2; i++) {
    const int column = log->counters[i];
    if (column >= 0 && isfinite(values[column])) sum += values[column], known = true;
  }
  return known ? sum : (double)step;
}

/* An event file has one value of a name at a step: what an earlier line of this step has is left out. */
static void leave_out_written(ml3_lab_log *log, int64_t step, double *values, int count) {
  if (step != log->last_step) memset(log->written, 0, sizeof log->written);
  log->last_step = step;
  for (int i = 0; i < count; i++) {
    if (log->written[i]) values[i] = NAN;
    log->written[i] = log->written[i] || isfinite(values[i]);
  }
}

int ml3_lab_log_write(ml3_lab_log *log, int64_t step, const double *values, ml3_error *error) {
  const double now = ml3_clock_s();
  const double counted = counted_of(log, step, values);
  if (!log->begun) log->begun = true, log->first = counted, log->started_s = now;
  const double seconds = now - log->started_s;
  const bool known = !log->has_rate && counted > log->first && seconds > 0;
  const double rate = known ? (counted - log->first) / seconds : NAN;

  write_csv(log, step, values);
  if (ferror(log->csv)) return write_error(log->csv_path, error);
  if (log->json) write_json(log, step, values, rate);
  if (log->json && ferror(log->json)) return write_error(log->json_path, error);
  if (!log->tensorboard) return ML3_OK;

  const char *names[ML3_LAB_LOG_NAMES_MAX + 1];
  double all[ML3_LAB_LOG_NAMES_MAX + 1];
  memcpy(names, log->names, (size_t)log->count * sizeof *names);
  memcpy(all, values, (size_t)log->count * sizeof *all);
  names[log->count] = "charts/SPS";
  all[log->count] = rate;
  leave_out_written(log, step, all, log->count + 1);
  return ml3_lab_tensorboard_scalars(log->tensorboard, step, names, all, log->count + 1, error);
}

int ml3_lab_log_config(ml3_lab_log *log, const ml3_lab_config *config, ml3_error *error) {
  if (!log->tensorboard || log->goes_on) return ML3_OK;
  char *yaml = ml3_lab_config_text(config), *text = yaml ? malloc(strlen(yaml) + 16) : NULL;
  if (text) sprintf(text, "```yaml\n%s```\n", yaml);
  const int code = text ? ml3_lab_tensorboard_text(log->tensorboard, "hyperparameters", text, error)
                        : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the configuration as a text");
  free(yaml);
  free(text);
  return code;
}

int ml3_lab_log_flush(ml3_lab_log *log, ml3_error *error) {
  if (fflush(log->csv) != 0 || fsync(fileno(log->csv)) != 0) return write_error(log->csv_path, error);
  if (log->json && (fflush(log->json) != 0 || fsync(fileno(log->json)) != 0)) return write_error(log->json_path, error);
  return log->tensorboard ? ml3_lab_tensorboard_flush(log->tensorboard, error) : ML3_OK;
}
