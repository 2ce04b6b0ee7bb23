/* The manifest of a kept environment, manifest.json: see run_environment.h. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/json.h"
#include "lab/run_environment_internal.h"
#include "lab/tensorboard.h"

ml3_lab_run_environment *environment_new(int count, ml3_error *error) {
  ml3_lab_run_environment *e = calloc(1, sizeof *e);
  if (e) e->files = calloc((size_t)count + 1, sizeof *e->files);
  if (e && e->files) return e->count = count, e;
  free(e);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the files of an environment");
  return NULL;
}

void ml3_lab_run_environment_free(ml3_lab_run_environment *e) {
  for (int i = 0; e && i < e->count; i++) {
    free(e->files[i].file);
    free(e->files[i].original);
    free(e->files[i].source);
    free(e->files[i].text);
  }
  if (e) free(e->files);
  free(e);
}

bool environment_path(const char *folder, const char *file, char *path) {
  const int n =
      snprintf(path, ML3_LAB_PATH_MAX, "%s/%s%s%s", folder, ML3_LAB_ENVIRONMENT_FOLDER, *file ? "/" : "", file);
  return n >= 0 && n < ML3_LAB_PATH_MAX;
}

/* A manifest may come from anywhere: what it names must lie below its folder. */
static bool is_below(const char *file) {
  if (!file || !*file || *file == '/') return false;
  for (const char *part = file; part; part = strchr(part, '/'), part = part ? part + 1 : NULL) {
    const size_t n = strcspn(part, "/");
    if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.')) return false;
  }
  return true;
}

/* "1a2b3c4d" */
static bool read_sum(const json_t *text, uint32_t *sum) {
  const char *digits = json_string_value(text);
  if (!digits || strlen(digits) != 8 || strspn(digits, "0123456789abcdef") != 8) return false;
  *sum = (uint32_t)strtoul(digits, NULL, 16);
  return true;
}

static bool read_bytes(const json_t *number, size_t *bytes) {
  if (!json_is_integer(number) || json_integer_value(number) < 0) return false;
  *bytes = (size_t)json_integer_value(number);
  return true;
}

static bool read_file(const json_t *json, kept_file *f) {
  const char *file = json_string_value(json_object_get(json, "file"));
  const char *original = json_string_value(json_object_get(json, "original"));
  if (!is_below(file) || !original) return false;
  if (!read_bytes(json_object_get(json, "original_bytes"), &f->original_bytes) ||
      !read_bytes(json_object_get(json, "bytes"), &f->bytes) ||
      !read_sum(json_object_get(json, "original_crc32c"), &f->original_sum) ||
      !read_sum(json_object_get(json, "crc32c"), &f->sum))
    return false;
  f->file = strdup(file);
  f->original = strdup(original);
  return f->file && f->original;
}

int environment_read(const char *folder, ml3_lab_run_environment **found, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  json_error_t wrong;
  *found = NULL;
  ml3_lab_run_path(folder, "manifest.json", path);
  if (access(path, F_OK) != 0) return ML3_OK;
  json_t *json = json_load_file(path, 0, &wrong);
  const char *name = json_string_value(json_object_get(json, "environment"));
  const json_t *files = json_object_get(json, "files");
  const int count = (int)json_array_size(files);
  bool good = name && strlen(name) < ML3_KEY_TEXT_MAX && count > 0;
  if (good && !(*found = environment_new(count, error))) {
    json_decref(json);
    return ML3_ERR_MEMORY;
  }
  if (good) strcpy((*found)->name, name);
  for (int i = 0; i < count && good; i++) good = read_file(json_array_get(files, (size_t)i), &(*found)->files[i]);
  json_decref(json);
  if (good) return ML3_OK;
  ml3_lab_run_environment_free(*found);
  *found = NULL;
  return ml3_error_set(error, ML3_ERR_FORMAT,
                       "'%s' is damaged%s%.120s; it tells which environment was kept: take it from a backup, or remove "
                       "its folder to go on with the environment that config.yaml names",
                       path, json ? "" : ": ", json ? "" : wrong.text);
}

static json_t *file_as_json(const kept_file *f) {
  char original[16], sum[16];
  snprintf(original, sizeof original, "%08x", f->original_sum);
  snprintf(sum, sizeof sum, "%08x", f->sum);
  return json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "file", f->file, "original", f->original, "original_bytes",
                   (json_int_t)f->original_bytes, "original_crc32c", original, "bytes", (json_int_t)f->bytes, "crc32c",
                   sum);
}

int environment_write(const ml3_lab_run_environment *e, const char *folder, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, "manifest.json", path);
  json_t *files = json_array(), *json = json_pack("{s:s}", "environment", e->name);
  bool good = files && json;
  for (int i = 0; i < e->count && good; i++) {
    json_t *one = file_as_json(&e->files[i]); /* NULL, too, where a path is not UTF-8 */
    if (!one) ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.300s' is not UTF-8; rename it", e->files[i].original);
    if (!one) return json_decref(files), json_decref(json), ML3_ERR_ARGUMENT;
    good = json_array_append_new(files, one) == 0;
  }
  good = good && json_object_set(json, "files", files) == 0;
  json_decref(files);
  const int code = good ? ml3_lab_json_save(json, path, error)
                        : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  json_decref(json);
  return code;
}

file_state environment_file_state(const char *path, size_t bytes, uint32_t sum) {
  struct stat info;
  size_t size;
  if (stat(path, &info) != 0) return FILE_GONE;
  if (!S_ISREG(info.st_mode) || (size_t)info.st_size != bytes) return FILE_CHANGED;
  char *content = ml3_file_read(path, bytes + 1, &size, NULL);
  const bool same = content && size == bytes && ml3_lab_crc32c(content, size) == sum;
  free(content);
  return same ? FILE_SAME : FILE_CHANGED;
}
