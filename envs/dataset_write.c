/* Writing a data set: into a hidden folder beside the target, which is renamed when all is there. */
#define _GNU_SOURCE /* memfd_create */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envs/dataset_internal.h"

struct ml3_dataset_writer {
  const ml3_env_spec *spec;
  char *id, *algorithm, *description, *author; /* copies */
  char path[ML3_DATASET_PATH_MAX];
  char temporary[ML3_DATASET_PATH_MAX + 16], data[ML3_DATASET_PATH_MAX + 32];
  char hdf5[ML3_DATASET_PATH_MAX + 64], json[ML3_DATASET_PATH_MAX + 64];
  hid_t file;
  int episodes;
  long long steps;
  bool replaces;
};

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* (namespace/)name-vNUMBER, as Minari wants it. */
static bool is_id(const char *id) {
  size_t n = strlen(id), digits = 0;
  for (size_t i = 0; i < n; i++) {
    bool slash = id[i] == '/' && i > 0 && i + 1 < n && id[i - 1] != '/';
    if (!isalnum((unsigned char)id[i]) && id[i] != '-' && id[i] != '_' && !slash) return false;
  }
  while (digits < n && isdigit((unsigned char)id[n - 1 - digits])) digits++;
  return digits > 0 && digits < 9 && n > digits + 2 && id[n - digits - 1] == 'v' && id[n - digits - 2] == '-' &&
         id[n - digits - 3] != '/';
}

static bool is_there(const char *path) {
  struct stat found;
  return lstat(path, &found) == 0;
}

static int check(const char *path, const ml3_dataset_info *info, ml3_error *error) {
  char hdf5[ML3_DATASET_PATH_MAX + 32];
  if (!info->id || !is_id(info->id))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the data set's name is '%s'; expected (namespace/)name-v0, of letters, digits, - and _",
                         info->id ? info->id : "");
  if (strlen(path) >= ML3_DATASET_PATH_MAX || !path[0])
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s' is empty or longer than %d characters", path,
                         ML3_DATASET_PATH_MAX - 1);
  snprintf(hdf5, sizeof hdf5, "%s/data/main_data.hdf5", path);
  if (is_there(path) && !(info->replace && is_there(hdf5)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' exists already%s; choose another name or move it away", path,
                         info->replace ? " and is no data set" : "");
  return ML3_OK;
}

/* Names of the temporary folder and what goes into it, and the folder itself. */
static int make_folder(ml3_dataset_writer *w, const char *path, ml3_error *error) {
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  snprintf(w->path, sizeof w->path, "%.*s", (int)n, path);
  snprintf(w->temporary, sizeof w->temporary, "%s.XXXXXX", w->path);
  if (!mkdtemp(w->temporary)) {
    w->temporary[0] = '\0';
    return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s; choose a folder you may write to",
                         w->path, strerror(errno));
  }
  chmod(w->temporary, 0755);
  snprintf(w->data, sizeof w->data, "%s/data", w->temporary);
  snprintf(w->hdf5, sizeof w->hdf5, "%s/main_data.hdf5", w->data);
  snprintf(w->json, sizeof w->json, "%s/metadata.json", w->data);
  if (mkdir(w->data, 0755))
    return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s", w->data, strerror(errno));
  return ML3_OK;
}

static char *copy(const char *text, bool *good) {
  char *copied = text ? strdup(text) : NULL;
  *good = *good && (!text || copied);
  return copied;
}

/* Why the file cannot grow: HDF5 does not keep it, so that another try must tell. 0: it can. (The file is to be removed.) */
static int why(const ml3_dataset_writer *w) {
  static const char block[4096];
  const int fd = open(w->hdf5, O_WRONLY | O_APPEND | O_CREAT, 0644);
  int reason = fd < 0 ? errno : 0;
  for (int i = 0; i < 256 && !reason; i++) reason = write(fd, block, sizeof block) < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  return reason;
}

static int fail(const ml3_dataset_writer *w, const char *what, ml3_error *error) {
  const int reason = why(w);
  if (!reason) return ml3_h5_fail(error, ML3_ERR_IO, w->path, what);
  return ml3_error_set(error, ML3_ERR_IO, "'%s': %s: %s", w->path, what, strerror(reason));
}

/* A file that cannot be written cannot be closed either, and HDF5 would try to the end of the process: it may have memory. */
static void let_go(hid_t file) {
  int *fd = NULL;
  const int memory = memfd_create("ml3", MFD_CLOEXEC);
  if (memory >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&fd) >= 0 && dup2(memory, *fd) >= 0) H5Fclose(file);
  if (memory >= 0) close(memory);
}

static int open_file(ml3_dataset_writer *w, ml3_error *error) {
  if (why(w)) return fail(w, "cannot be written", error); /* HDF5 could not let go of a file that it cannot begin */
  unlink(w->hdf5);
  ml3_h5_turn turn;
  ml3_h5_enter(&turn);
  w->file = ml3_h5_create(w->hdf5);
  int code = w->file >= 0 ? ML3_OK : fail(w, "cannot be written", error);
  ml3_h5_leave(&turn);
  return code;
}

ml3_dataset_writer *ml3_dataset_create(const char *path, const ml3_env_spec *spec, const ml3_dataset_info *info,
                                       ml3_error *error) {
  if (check(path, info, error)) return NULL;

  ml3_dataset_writer *w = calloc(1, sizeof *w);
  bool good = w != NULL;
  if (w) {
    *w = (ml3_dataset_writer){.spec = spec, .file = -1, .replaces = is_there(path)};
    w->id = copy(info->id, &good);
    w->algorithm = copy(info->algorithm, &good);
    w->description = copy(info->description, &good);
    w->author = copy(info->author, &good);
  }
  int code = good ? make_folder(w, path, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a data set");
  if (code == ML3_OK) code = open_file(w, error);
  if (code == ML3_OK) return w;
  ml3_dataset_abandon(w);
  return NULL;
}

/* ---- episodes ----------------------------------------------------------------------------------------------------- */

/* The end of the episode: at its last step it is terminated or truncated. */
static bool write_ends(hid_t group, const ml3_episode *e) {
  signed char *ends = calloc((size_t)e->steps, 1);
  hid_t truth = ml3_h5_bool();
  bool good = ends != NULL;
  if (good) ends[e->steps - 1] = e->terminated;
  good = good && ml3_h5_write(group, "terminations", truth, e->steps, 0, ends);
  if (good) ends[e->steps - 1] = !e->terminated;
  good = good && ml3_h5_write(group, "truncations", truth, e->steps, 0, ends);
  H5Tclose(truth);
  free(ends);
  return good;
}

static bool write_attributes(hid_t group, const ml3_episode *e, int number) {
  char name[160];
  bool good = ml3_h5_write_attribute(group, "id", H5T_NATIVE_INT64, &(int64_t){number}) &&
              ml3_h5_write_attribute(group, "total_steps", H5T_NATIVE_INT64, &(int64_t){e->steps});
  good = good && ml3_h5_write_attribute(group, "ml3/success_step", H5T_NATIVE_INT64, &(int64_t){e->success_step}) &&
         ml3_h5_write_attribute(group, "ml3/success", H5T_NATIVE_INT64, &(int64_t){e->success}) &&
         ml3_h5_write_attribute(group, "ml3/final_distance", H5T_NATIVE_DOUBLE, &e->final_distance);
  for (int i = 0; good && i < e->spec->task_dim; i++) {
    snprintf(name, sizeof name, "options/task/%s", e->spec->task[i].name);
    good = ml3_h5_write_attribute(group, name, H5T_NATIVE_DOUBLE, &e->task[i]);
  }
  return good;
}

static bool write_infos(hid_t group, const ml3_episode *e) {
  hid_t infos = ml3_h5_create_group(group, "infos");
  bool good =
      infos >= 0 && ml3_h5_write(infos, "state", H5T_NATIVE_DOUBLE, e->steps + 1, e->spec->state_dim, e->states);
  if (infos >= 0) H5Gclose(infos);
  return good;
}

/* Choices are whole numbers, one a step. */
static bool write_actions(hid_t group, const ml3_episode *e) {
  if (!e->spec->choices)
    return ml3_h5_write(group, "actions", H5T_NATIVE_DOUBLE, e->steps, e->spec->action_dim, e->actions);
  int64_t *choices = calloc((size_t)e->steps, sizeof *choices);
  for (int t = 0; t < e->steps && choices; t++) choices[t] = (int64_t)e->actions[t];
  const bool good = choices && ml3_h5_write(group, "actions", H5T_NATIVE_INT64, e->steps, 0, choices);
  free(choices);
  return good;
}

static bool write_episode(ml3_dataset_writer *w, const ml3_episode *e) {
  char name[32];
  snprintf(name, sizeof name, "episode_%d", w->episodes);
  hid_t group = ml3_h5_create_group(w->file, name);
  if (group < 0) return false;
  bool good = write_attributes(group, e, w->episodes) &&
              ml3_h5_write(group, "observations", H5T_NATIVE_DOUBLE, e->steps + 1, e->spec->obs_dim, e->obs) &&
              write_actions(group, e) &&
              ml3_h5_write(group, "rewards", H5T_NATIVE_DOUBLE, e->steps, 0, e->rewards) && write_ends(group, e) &&
              write_infos(group, e);
  H5Gclose(group);
  return good;
}

/* What is no number would not be read again. */
static int check_finite(const ml3_dataset_writer *w, const char *name, const double *x, int rows, int cols,
                        ml3_error *error) {
  for (int t = 0; t < rows; t++) {
    for (int i = 0; i < cols; i++) {
      double value = x[(size_t)t * (size_t)cols + (size_t)i];
      if (!isfinite(value))
        return ml3_error_set(error, ML3_ERR_NUMERIC,
                             "'%s': %s of episode %d are %g at step %d; expected finite numbers", w->path, name,
                             w->episodes, value, t);
    }
  }
  return ML3_OK;
}

static int check_numbers(const ml3_dataset_writer *w, const ml3_episode *e, ml3_error *error) {
  int code = check_finite(w, "actions", e->actions, e->steps, e->spec->action_dim, error);
  if (!code) code = check_finite(w, "observations", e->obs, e->steps + 1, e->spec->obs_dim, error);
  if (!code) code = check_finite(w, "rewards", e->rewards, e->steps, 1, error);
  if (!code) code = check_finite(w, "states", e->states, e->steps + 1, e->spec->state_dim, error);
  return code;
}

int ml3_dataset_append(ml3_dataset_writer *w, const ml3_episode *e, ml3_error *error) {
  if (strcmp(e->spec->name, w->spec->name) != 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': an episode of '%s' does not belong to a data set of '%s'",
                         w->path, e->spec->name, w->spec->name);
  if (e->steps < 1 || e->steps > ML3_DATASET_STEPS_MAX || w->episodes == ML3_DATASET_EPISODES_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s': episode %d has %d steps; 1 to %d are possible, in at most %d episodes", w->path,
                         w->episodes, e->steps, ML3_DATASET_STEPS_MAX, ML3_DATASET_EPISODES_MAX);
  if (check_numbers(w, e, error)) return error ? error->code : ML3_ERR_NUMERIC;

  ml3_h5_turn turn;
  ml3_h5_enter(&turn);
  int code = write_episode(w, e) ? ML3_OK : fail(w, "an episode cannot be written", error);
  ml3_h5_leave(&turn);
  if (code == ML3_OK) w->episodes++, w->steps += e->steps;
  return code;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static int close_file(ml3_dataset_writer *w, ml3_error *error) {
  if (w->file < 0) return ML3_OK;
  ml3_h5_turn turn;
  ml3_h5_enter(&turn);
  int code = H5Fclose(w->file) >= 0 ? ML3_OK : fail(w, "cannot be written", error);
  if (code != ML3_OK) let_go(w->file);
  ml3_h5_leave(&turn);
  w->file = -1;
  return code;
}

/* To the disk; *bytes gets the size. */
static int sync_file(const char *path, long long *bytes, ml3_error *error) {
  struct stat info;
  int fd = open(path, O_RDONLY);
  bool good = fd >= 0 && fsync(fd) == 0 && fstat(fd, &info) == 0;
  if (good) *bytes = (long long)info.st_size;
  int reason = errno;
  if (fd >= 0) close(fd);
  return good ? ML3_OK : ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", path, strerror(reason));
}

static void free_writer(ml3_dataset_writer *w) {
  free(w->id);
  free(w->algorithm);
  free(w->description);
  free(w->author);
  free(w);
}

/* Into a set that is there; between the two it has no metadata and is none. What else is in its folder stays. */
static bool put_in_place(const ml3_dataset_writer *w) {
  char hdf5[sizeof w->hdf5], json[sizeof w->json];
  snprintf(hdf5, sizeof hdf5, "%s/data/main_data.hdf5", w->path);
  snprintf(json, sizeof json, "%s/data/metadata.json", w->path);
  if (unlink(json) && errno != ENOENT) return false;
  if (rename(w->hdf5, hdf5) || rename(w->json, json)) return false;
  rmdir(w->data);
  rmdir(w->temporary);
  return true;
}

int ml3_dataset_commit(ml3_dataset_writer *w, ml3_error *error) {
  const ml3_dataset_info info = {
      .id = w->id, .algorithm = w->algorithm, .description = w->description, .author = w->author};
  long long bytes = 0;
  int code = close_file(w, error);
  if (code == ML3_OK) code = sync_file(w->hdf5, &bytes, error);
  if (code == ML3_OK) code = ml3_dataset_metadata_write(w->json, w->spec, &info, w->episodes, w->steps, bytes, error);
  if (code == ML3_OK && !(w->replaces ? put_in_place(w) : rename(w->temporary, w->path) == 0))
    code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", w->path, strerror(errno));
  if (code == ML3_OK)
    free_writer(w);
  else
    ml3_dataset_abandon(w);
  return code;
}

void ml3_dataset_abandon(ml3_dataset_writer *w) {
  if (!w) return;
  close_file(w, NULL);
  if (w->temporary[0]) {
    unlink(w->json);
    unlink(w->hdf5);
    rmdir(w->data);
    rmdir(w->temporary);
  }
  free_writer(w);
}
