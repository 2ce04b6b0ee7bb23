/* See task_draft.h. The text is loaded from a file of another name first, so that nothing is left of a task that does not load. */
#define _XOPEN_SOURCE 700
#include "lab/task_draft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "envs/env.h"
#include "envs/task/draft.h"

static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The model as the task names it: by its name alone from the same folder, else by its whole path. */
static int name_model(const char *xml, const char *yaml, char *model, ml3_error *error) {
  const size_t n = folder_length(xml);
  if (n == folder_length(yaml) && strncmp(xml, yaml, n) == 0) {
    snprintf(model, ML3_LAB_PATH_MAX, "%s", xml + n);
    return ML3_OK;
  }
  char *whole = realpath(xml, NULL);
  if (!whole) return ml3_error_set(error, ML3_ERR_IO, "cannot find '%.300s'", xml);
  snprintf(model, ML3_LAB_PATH_MAX, "%s", whole);
  free(whole);
  return ML3_OK;
}

static int write_text(const char *path, const char *text, ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  fputs(text, file.stream);
  return ml3_file_commit(&file, error);
}

/* Does it load, and can it be stepped? */
static int try_task(const char *path, const char *name, ml3_error *error) {
  const ml3_env_spec *spec = ml3_env_open(path, name, error);
  ml3_env *env = spec ? ml3_env_new(spec, error) : NULL;
  if (!env) return error->code;
  ml3_env_free(env);
  return ML3_OK;
}

int ml3_lab_task_draft(const char *xml, const char *yaml, bool force, char *path, ml3_error *error) {
  char model[ML3_LAB_PATH_MAX], tried[ML3_LAB_PATH_MAX + 32];
  ml3_error own = {0}, *e = error ? error : &own;
  if (!ml3_file_ends_in(xml, ".xml"))
    return ml3_error_set(e, ML3_ERR_ARGUMENT,
                         "'%.200s' is no FILE.xml to write a task for; --check looks at one that is there", xml);
  const int n = yaml ? snprintf(path, ML3_LAB_PATH_MAX, "%s", yaml)
                     : snprintf(path, ML3_LAB_PATH_MAX, "%.*s.yaml", (int)strlen(xml) - 4, xml);
  if (n < 0 || n >= ML3_LAB_PATH_MAX || strlen(xml) >= ML3_LAB_PATH_MAX)
    return ml3_error_set(e, ML3_ERR_ARGUMENT, "the path '%.200s' is too long", xml);
  if (!ml3_file_ends_in(path, ".yaml"))
    return ml3_error_set(e, ML3_ERR_ARGUMENT, "--output is '%.200s'; expected a FILE.yaml", path);
  if (access(xml, R_OK) != 0) return ml3_error_set(e, ML3_ERR_IO, "cannot read '%.300s': %s", xml, strerror(errno));
  int code = ml3_file_may_write(path, "--output", force, e);
  if (code == ML3_OK) code = name_model(xml, path, model, e);
  char *text = code == ML3_OK ? ml3_task_draft(xml, model, e) : NULL;
  if (!text) return e->code;
  snprintf(tried, sizeof tried, "%.*s.draft-%ld.yaml", (int)strlen(path) - 5, path, (long)getpid());
  code = ml3_file_make_parents(path, e);
  if (code == ML3_OK) code = write_text(tried, text, e);
  if (code == ML3_OK) code = try_task(tried, path, e);
  if (code == ML3_OK && rename(tried, path) != 0) code = ml3_error_set(e, ML3_ERR_IO, "cannot write '%.300s'", path);
  if (code != ML3_OK) unlink(tried);
  free(text);
  return code;
}
