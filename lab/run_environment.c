/* Keeping an environment in the folder of a run, and finding it there: see run_environment.h. The copy is made under
   another name and renamed when it is whole. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "envs/mjcf_files.h"
#include "lab/environments.h"
#include "lab/problems.h"
#include "lab/run_environment_internal.h"
#include "lab/tensorboard.h"

static const size_t FILE_SIZE_MAX = (size_t)1 << 32;

const ml3_env_spec *ml3_lab_run_environment_spec(const ml3_lab_config *c, ml3_error *error) {
  return *c->environment_copy ? ml3_env_open(c->environment_copy, c->environment, error)
                              : ml3_env_find(c->environment, error);
}

/* ---- looking through ------------------------------------------------------------------------------------------- */

static int look_through(ml3_lab_run_environment *e, const ml3_mjcf_files *files, ml3_error *error) {
  for (int i = 0; i < e->count; i++) {
    kept_file *f = &e->files[i];
    char *content = ml3_file_read(files->files[i].source, FILE_SIZE_MAX, &f->original_bytes, error);
    if (!content) return error ? error->code : ML3_ERR_IO;
    f->original_sum = f->sum = ml3_lab_crc32c(content, f->original_bytes);
    f->bytes = f->original_bytes;
    char *moved = files->files[i].is_xml ? ml3_mjcf_files_relocate(files, i, content) : NULL;
    const bool failed = files->files[i].is_xml && !moved;
    if (moved && strcmp(moved, content) != 0)
      f->text = moved, f->bytes = strlen(moved), f->sum = ml3_lab_crc32c(moved, f->bytes);
    else
      free(moved);
    free(content);
    f->file = strdup(ml3_mjcf_files_relative(files, i));
    f->original = strdup(files->files[i].path);
    f->source = strdup(files->files[i].source);
    if (failed || !f->file || !f->original || !f->source)
      return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the files of '%s'", e->name);
  }
  return ML3_OK;
}

/* Another run's copy is copied as it is: its originals are this one's. */
static int prepare_copy(const ml3_lab_config *c, ml3_lab_run_environment **found, ml3_error *error) {
  char folder[ML3_LAB_PATH_MAX], path[ML3_LAB_PATH_MAX];
  environment_path(c->environment_run, "", folder);
  int code = environment_read(folder, found, error);
  for (int i = 0; code == ML3_OK && *found && i < (*found)->count; i++) {
    environment_path(c->environment_run, (*found)->files[i].file, path);
    if (!((*found)->files[i].source = strdup(path)))
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a path");
  }
  return code;
}

int ml3_lab_run_environment_prepare(const ml3_lab_config *c, ml3_lab_run_environment **found, ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, NULL);
  ml3_mjcf_files files = {0};
  *found = NULL;
  if (!ml3_lab_is_own_environment(c->environment) || !kind || (!ml3_lab_problem_acts(kind) && !ml3_lab_trains_policy(c)))
    return ML3_OK;
  if (!ml3_lab_run_environment_spec(c, error))
    return error ? error->code : ML3_ERR_FORMAT; /* what is wrong with it is the first error */
  if (*c->environment_copy) return prepare_copy(c, found, error);
  int code = ml3_mjcf_files_find(&files, c->environment, error);
  if (code == ML3_OK && !(*found = environment_new(files.count, error))) code = ML3_ERR_MEMORY;
  if (code == ML3_OK) {
    strcpy((*found)->name, c->environment);
    code = look_through(*found, &files, error);
  }
  ml3_mjcf_files_free(&files);
  return code;
}

/* ---- copying ---------------------------------------------------------------------------------------------------- */

static int copy_file(const kept_file *f, const char *top, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_file file;
  size_t size = f->bytes;
  if (snprintf(path, sizeof path, "%s/%s", top, f->file) >= (int)sizeof path)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path of the copy of '%.200s' is too long", f->original);
  char *content = f->text ? NULL : ml3_file_read(f->source, FILE_SIZE_MAX, &size, error);
  if (!f->text && !content) return error ? error->code : ML3_ERR_IO;
  int code = ML3_OK;
  if (content && (size != f->bytes || ml3_lab_crc32c(content, size) != f->sum))
    code = ml3_error_set(error, ML3_ERR_IO, "'%.300s' was changed while the run was being prepared; start again",
                         f->source);
  if (code == ML3_OK) code = ml3_file_make_parents(path, error);
  if (code == ML3_OK) code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    fwrite(f->text ? f->text : content, 1, size, file.stream);
    code = ml3_file_commit(&file, error);
  }
  free(content);
  return code;
}

/* Removes a copy that is not needed any more, or not whole: the files of the manifest, and folders that are empty
   then. */
static void remove_copy(const ml3_lab_run_environment *e, const char *top) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(top, "manifest.json", path);
  unlink(path);
  for (int i = 0; i < e->count; i++) {
    if (snprintf(path, sizeof path, "%s/%s", top, e->files[i].file) >= (int)sizeof path) continue;
    unlink(path);
    for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) >= strlen(top);)
      if (*slash = '\0', rmdir(path) != 0) break;
  }
  rmdir(top);
}

/* A whole copy into the empty folder `top`, which MuJoCo can load. */
static int fill(const ml3_lab_run_environment *e, const char *top, ml3_error *error) {
  char model[2 * ML3_LAB_PATH_MAX + 32];
  int code = ML3_OK;
  for (int i = 0; i < e->count && code == ML3_OK; i++) code = copy_file(&e->files[i], top, error);
  if (code == ML3_OK) code = environment_write(e, top, error);
  if (code != ML3_OK) return code;
  snprintf(model, sizeof model, "%s/%s", top, e->files[0].file);
  if (ml3_env_open(model, e->name, error)) return ML3_OK;
  return ml3_error_prefix(error,
                          "the copy of '%.100s' that the run keeps cannot be loaded; name all files of the model by "
                          "relative paths",
                          e->name);
}

static bool is_empty_or_missing(const char *folder) {
  DIR *dir = opendir(folder);
  int entries = 0;
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
    entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  if (dir) closedir(dir);
  return dir ? entries == 0 : access(folder, F_OK) != 0;
}

/* What is in the way of the new copy: an earlier run's, which goes, or something else, which stays. */
static int make_way(const ml3_lab_run_environment *e, const char *top, ml3_error *error) {
  ml3_lab_run_environment *old = NULL;
  char here[4096], there[4096];
  int code = environment_read(top, &old, error);
  if (code != ML3_OK) return code;
  const bool inside = realpath(top, here) && realpath(e->files[0].source, there) &&
                      strncmp(there, here, strlen(here)) == 0 && there[strlen(here)] == '/';
  if (inside || (!old && !is_empty_or_missing(top)))
    code = ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        inside ? "'%s' is where the run would keep its copy of the environment, and '%s' itself is in it; choose "
                 "another --output"
               : "'%s' is where the run would keep its copy of '%s', and holds something else; choose another --output",
        top, e->name);
  else if (old)
    remove_copy(old, top);
  else
    rmdir(top);
  ml3_lab_run_environment_free(old);
  return code;
}

int ml3_lab_run_environment_keep(const ml3_lab_run_environment *e, const char *folder, ml3_error *error) {
  char top[ML3_LAB_PATH_MAX], temporary[ML3_LAB_PATH_MAX + 16];
  if (!environment_path(folder, "", top))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.200s' is too long", folder);
  snprintf(temporary, sizeof temporary, "%s.tmp-XXXXXX", top);
  if (!mkdtemp(temporary))
    return ml3_error_set(error, ML3_ERR_IO, "cannot make a folder in '%s': %s", folder, strerror(errno));
  chmod(temporary, 0755);
  int code = fill(e, temporary, error);
  if (code == ML3_OK) code = make_way(e, top, error);
  if (code == ML3_OK && rename(temporary, top) != 0)
    code = ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s", top, strerror(errno));
  if (code != ML3_OK) remove_copy(e, temporary);
  return code;
}

int ml3_lab_run_environment_ensure(const ml3_lab_config *config, const char *folder, bool resumed, ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *e = NULL;
  if (resumed && environment_path(folder, "manifest.json", path) && access(path, F_OK) == 0) return ML3_OK;
  int code = ml3_lab_run_environment_prepare(config, &e, error);
  if (code == ML3_OK && e) code = ml3_lab_run_environment_keep(e, folder, error);
  ml3_lab_run_environment_free(e);
  return code;
}

/* Of a run that had another environment before. */
static void forget(const char *folder) {
  char top[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *old = NULL;
  if (environment_path(folder, "", top) && environment_read(top, &old, NULL) == ML3_OK && old) remove_copy(old, top);
  ml3_lab_run_environment_free(old);
}

int ml3_lab_run_environment_create(const char *name, const ml3_lab_config *config, bool force,
                                   const ml3_lab_run_environment *e, char *folder, ml3_error *error) {
  int code = ml3_lab_run_create(name, config, force, folder, error);
  if (code != ML3_OK) return code;
  if (e) code = ml3_lab_run_environment_keep(e, folder, error);
  if (!e && force) forget(folder);
  if (code != ML3_OK) rmdir(folder); /* unless something else is in it */
  return code;
}

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static int check_copy(const ml3_lab_run_environment *e, const char *folder, ml3_error *error) {
  for (int i = 0; i < e->count; i++) {
    const kept_file *f = &e->files[i];
    char path[ML3_LAB_PATH_MAX];
    if (!environment_path(folder, f->file, path))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.200s' is too long", folder);
    const file_state state = environment_file_state(path, f->bytes, f->sum);
    if (state != FILE_SAME)
      return ml3_error_set(error, ML3_ERR_FORMAT,
                           "'%s' %s: the run was learned in what it was; put that back%s%.200s%s", path,
                           state == FILE_GONE ? "is missing" : "was changed",
                           environment_file_state(f->original, f->bytes, f->sum) == FILE_SAME ? " ('" : "",
                           environment_file_state(f->original, f->bytes, f->sum) == FILE_SAME ? f->original : "",
                           environment_file_state(f->original, f->bytes, f->sum) == FILE_SAME ? "' still is it)" : "");
  }
  return ML3_OK;
}

int ml3_lab_run_environment_find(const char *folder, ml3_lab_config *config, ml3_error *error) {
  char top[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *e;
  if (!ml3_lab_is_own_environment(config->environment) || !environment_path(folder, "", top)) return ML3_OK;
  int code = environment_read(top, &e, error);
  if (code != ML3_OK || !e) return code;
  if (strcmp(e->name, config->environment) == 0) {
    code = check_copy(e, folder, error);
    if (code == ML3_OK) environment_path(folder, e->files[0].file, config->environment_copy);
    if (code == ML3_OK) snprintf(config->environment_run, sizeof config->environment_run, "%s", folder);
  }
  ml3_lab_run_environment_free(e);
  return code;
}

/* The first of the originals that is another one now, and how many are. */
static int count_changed(const ml3_lab_run_environment *e, const kept_file **first, file_state *how) {
  int count = 0;
  for (int i = 0; i < e->count; i++) {
    const kept_file *f = &e->files[i];
    const file_state state = environment_file_state(f->original, f->original_bytes, f->original_sum);
    if (state != FILE_SAME && count++ == 0) *first = f, *how = state;
  }
  return count;
}

static void say_changed(const ml3_lab_run_environment *e, const char *folder, const char *what_then,
                        const ml3_lab_callbacks *callbacks) {
  const kept_file *first = NULL;
  file_state how = FILE_SAME;
  const int count = count_changed(e, &first, &how);
  char more[48] = "";
  if (count > 1) snprintf(more, sizeof more, " (and %d more of its files)", count - 1);
  if (count > 0)
    ml3_lab_message(callbacks, "'%s'%s %s since '%s' was learned in it; %s", first->original, more,
                    how == FILE_GONE ? "is gone" : "has changed", folder, what_then);
}

void ml3_lab_run_environment_say(const ml3_lab_config *config, const ml3_lab_callbacks *callbacks) {
  char top[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *e = NULL;
  if (!*config->environment_copy || !environment_path(config->environment_run, "", top)) return;
  if (environment_read(top, &e, NULL) == ML3_OK && e)
    say_changed(e, config->environment_run, "the copy that the run keeps is used", callbacks);
  ml3_lab_run_environment_free(e);
}

void ml3_lab_run_environment_say_beside(const char *file, const char *environment, const ml3_lab_callbacks *callbacks) {
  char folder[ML3_LAB_PATH_MAX], top[ML3_LAB_PATH_MAX], here[4096];
  ml3_lab_run_environment *e = NULL;
  const char *slash = strrchr(file, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file) : 1, slash ? file : ".");
  if (!ml3_lab_is_own_environment(environment) || !environment_path(folder, "", top)) return;
  if (environment_read(top, &e, NULL) == ML3_OK && e && realpath(environment, here) &&
      strcmp(here, e->files[0].original) == 0)
    say_changed(e, folder, "its policy acts in the changed one: name the run in place of the model for its own",
                callbacks);
  ml3_lab_run_environment_free(e);
}

int ml3_lab_run_config(const char *folder, ml3_lab_config *config, const ml3_lab_callbacks *callbacks,
                       ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_config_defaults(config);
  ml3_lab_run_path(folder, "config.yaml", path);
  int code = ml3_lab_config_read(config, path, error);
  if (code == ML3_OK) code = ml3_lab_run_environment_find(folder, config, error);
  config->callbacks = callbacks;
  if (code == ML3_OK) ml3_lab_run_environment_say(config, callbacks);
  return code;
}
