/* See json.h. */
#include "lab/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "lab/run_folder.h"

int ml3_lab_json_save(const json_t *json, const char *path, ml3_error *error) {
  char *text = json_dumps(json, JSON_INDENT(2));
  ml3_file file;
  if (!text) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  int code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fprintf(file.stream, "%s\n", text);
    code = ml3_file_commit(&file, error);
  }
  free(text);
  return code;
}

json_t *ml3_lab_json_summary(const char *folder) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, "summary.json", path);
  return json_load_file(path, 0, NULL);
}

void ml3_lab_json_add(json_t *object, const char *key, double value) {
  json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}
