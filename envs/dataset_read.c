/* Reading a data set: every shape and size is checked before memory is asked for, every number before it is believed. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "envs/dataset_internal.h"

struct ml3_dataset {
  const ml3_env_spec *spec;
  char path[ML3_DATASET_PATH_MAX + 32]; /* of main_data.hdf5 */
  hid_t file;
  ml3_dataset_metadata metadata;
  ml3_env *probe; /* tells distance and success of a state */
};

/* One array may take that much. */
static const long long ARRAY_BYTES_MAX = 1LL << 30;

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static bool is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Where main_data.hdf5 and metadata.json of the path are. */
static int find_files(const char *path, char *hdf5, char *json, size_t size, ml3_error *error) {
  struct stat info;
  if (strlen(path) >= ML3_DATASET_PATH_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s...' is longer than %d characters", path,
                         ML3_DATASET_PATH_MAX - 1);
  if (stat(path, &info)) return ml3_error_set(error, ML3_ERR_IO, "there is no data set '%s'", path);
  if (is_file(path)) {
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    snprintf(hdf5, size, "%s", path);
    snprintf(json, size, "%.*smetadata.json", folder, path);
    return ML3_OK;
  }
  for (int i = 0; i < 2; i++) {
    const char *inside = i ? "" : "data/";
    snprintf(hdf5, size, "%s/%smain_data.hdf5", path, inside);
    snprintf(json, size, "%s/%smetadata.json", path, inside);
    if (is_file(hdf5)) return ML3_OK;
  }
  return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is no data set: it has no data/main_data.hdf5", path);
}

static int open_file(ml3_dataset *d, ml3_error *error) {
  ml3_h5_turn turn;
  ml3_h5_enter(&turn);
  d->file = H5Fopen(d->path, H5F_ACC_RDONLY, H5P_DEFAULT);
  int code = d->file >= 0 ? ML3_OK : ml3_h5_fail(error, ML3_ERR_FORMAT, d->path, "is not a whole HDF5 file");
  ml3_h5_leave(&turn);
  return code;
}

/* In a child process: what the caller may ask for later. */
static void read_all(void *user) {
  ml3_dataset *d = user;
  if (open_file(d, NULL) != ML3_OK) return;
  for (int i = 0; i < d->metadata.episodes; i++) ml3_episode_free(ml3_dataset_episode(d, i, NULL));
}

static hid_t open_group(const ml3_dataset *d, int number) {
  char name[32];
  snprintf(name, sizeof name, "episode_%d", number);
  return H5Gopen2(d->file, name, H5P_DEFAULT);
}

/* The steps of an episode as far as its rewards tell, or -1: then reading it says more. */
static long long count_steps(const ml3_dataset *d, int number) {
  hid_t group = open_group(d, number), set = group >= 0 ? H5Dopen2(group, "rewards", H5P_DEFAULT) : -1,
        space = set >= 0 ? H5Dget_space(set) : -1;
  hsize_t dims[H5S_MAX_RANK] = {0};
  const int rank = space >= 0 ? H5Sget_simple_extent_dims(space, dims, NULL) : -1;
  if (space >= 0) H5Sclose(space);
  if (set >= 0) H5Dclose(set);
  if (group >= 0) H5Gclose(group);
  return rank == 1 && dims[0] >= 1 && dims[0] <= ML3_DATASET_STEPS_MAX ? (long long)dims[0] : -1;
}

/* Is there as much in the file as the metadata say? */
static int check_totals(const ml3_dataset *d, ml3_error *error) {
  const ml3_dataset_metadata *said = &d->metadata;
  const hid_t more = open_group(d, said->episodes);
  if (more >= 0) {
    H5Gclose(more);
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "'%s' has a group episode_%d, though the metadata (total_episodes) count %d, from episode_0",
                         d->path, said->episodes, said->episodes);
  }
  if (said->steps < 0) return ML3_OK;
  long long steps = 0, of_one = 0;
  for (int i = 0; i < said->episodes && of_one >= 0; i++) {
    of_one = count_steps(d, i);
    steps += of_one;
  }
  if (of_one < 0 || steps == said->steps) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' has %lld steps, though the metadata (total_steps) count %lld",
                       d->path, steps, said->steps);
}

ml3_dataset *ml3_dataset_open(const char *path, const ml3_env_spec *spec, ml3_error *error) {
  char json[ML3_DATASET_PATH_MAX + 32];
  ml3_dataset *d = calloc(1, sizeof *d);
  if (!d) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the data set '%s'", path);
    return NULL;
  }
  *d = (ml3_dataset){.spec = spec, .file = -1};
  int code = find_files(path, d->path, json, sizeof json, error);
  if (code == ML3_OK) code = ml3_dataset_metadata_read(json, &d->spec, &d->metadata, error);
  if (code == ML3_OK && !(d->probe = ml3_env_new(d->spec, error))) code = ML3_ERR_MEMORY;
  if (code == ML3_OK) code = ml3_dataset_try(d->path, read_all, d, error);
  if (code == ML3_OK) code = open_file(d, error);
  if (code == ML3_OK) {
    ml3_h5_turn turn;
    ml3_h5_enter(&turn);
    code = check_totals(d, error);
    ml3_h5_leave(&turn);
  }
  if (code == ML3_OK) return d;
  ml3_dataset_close(d);
  return NULL;
}

void ml3_dataset_close(ml3_dataset *d) {
  if (!d) return;
  if (d->file >= 0) {
    ml3_h5_turn turn;
    ml3_h5_enter(&turn);
    H5Fclose(d->file);
    ml3_h5_leave(&turn);
  }
  ml3_env_free(d->probe);
  free(d);
}

const ml3_env_spec *ml3_dataset_spec(const ml3_dataset *d) {
  return d->spec;
}

int ml3_dataset_count(const ml3_dataset *d) {
  return d->metadata.episodes;
}

const char *ml3_dataset_id(const ml3_dataset *d) {
  return d->metadata.id;
}

/* ---- arrays ------------------------------------------------------------------------------------------------------- */

/* An episode's group on its way into memory. */
typedef struct reader {
  const ml3_dataset *dataset;
  int number;
  hid_t group;
  ml3_error *error;
} reader;

static int complain(const reader *r, const char *name, const char *format, ...) {
  char what[400], where[96];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  snprintf(where, sizeof where, "episode_%d/%s", r->number, name);
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "'%s': %s %s", r->dataset->path, where, what);
}

/* Opens array `name`: numbers or truth values, [rows] or, with cols, [rows][cols]; rows -1 takes what is there. Returns
   the array and its number of rows in *rows, or a negative number with an error. */
static hid_t open_array(const reader *r, const char *name, long long *rows, int cols) {
  hid_t set = H5Dopen2(r->group, name, H5P_DEFAULT);
  if (set < 0) {
    complain(r, name, "is missing or is no array; ml3 reads observations and actions that are plain vectors");
    return -1;
  }
  hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  hsize_t dims[H5S_MAX_RANK] = {0};
  int rank = H5Sget_simple_extent_dims(space, dims, NULL), expected = cols ? 2 : 1;
  H5T_class_t class = H5Tget_class(type);
  bool numbers = class == H5T_FLOAT || class == H5T_INTEGER || class == H5T_ENUM;
  H5Tclose(type);
  H5Sclose(space);

  char shape[128];
  ml3_h5_print_shape(shape, sizeof shape, rank, dims);
  bool fits = rank == expected && (*rows < 0 || dims[0] == (hsize_t)*rows) && (!cols || dims[1] == (hsize_t)cols) &&
              dims[0] <= ML3_DATASET_STEPS_MAX + 1;
  if (fits) *rows = (long long)dims[0];
  if (fits && numbers && *rows * (cols ? cols : 1) * 8 <= ARRAY_BYTES_MAX) return set;
  if (!numbers)
    complain(r, name, "does not hold numbers");
  else if (fits)
    complain(r, name, "is larger than %lld bytes", ARRAY_BYTES_MAX);
  else if (*rows >= 0 && cols)
    complain(r, name, "has the shape %s; expected %lld x %d", shape, *rows, cols);
  else if (*rows >= 0)
    complain(r, name, "has the shape %s; expected %lld", shape, *rows);
  else
    complain(r, name, "has the shape %s; expected one axis of at most %d steps", shape, ML3_DATASET_STEPS_MAX);
  H5Dclose(set);
  return -1;
}

/* Numbers into out, all of them finite. */
static int read_numbers(const reader *r, const char *name, long long rows, int cols, double *out) {
  hid_t set = open_array(r, name, &rows, cols);
  if (set < 0) return ML3_ERR_FORMAT;
  herr_t got = H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  H5Dclose(set);
  if (got < 0) return ml3_h5_fail(r->error, ML3_ERR_FORMAT, r->dataset->path, "an episode's numbers cannot be read");
  for (long long i = 0; i < rows * (cols ? cols : 1); i++) {
    if (!isfinite(out[i]))
      return cols ? complain(r, name, "is %g at step %lld, entry %lld; expected finite numbers", out[i], i / cols, i % cols)
                  : complain(r, name, "is %g at step %lld; expected finite numbers", out[i], i);
  }
  return ML3_OK;
}

/* The last of the truth values of T steps, which alone may be true. */
static int read_end(const reader *r, const char *name, int steps, bool *end) {
  long long rows = steps;
  hid_t set = open_array(r, name, &rows, 0);
  if (set < 0) return ML3_ERR_FORMAT;
  signed char *values = malloc((size_t)steps);
  hid_t stored = H5Dget_type(set), truth = ml3_h5_bool();
  hid_t type = H5Tget_class(stored) == H5T_ENUM ? truth : H5T_NATIVE_INT8;
  herr_t got = values ? H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) : -1;
  H5Tclose(stored);
  H5Tclose(truth);
  H5Dclose(set);

  int code = got >= 0 ? ML3_OK : complain(r, name, "cannot be read as truth values");
  for (int i = 0; code == ML3_OK && i + 1 < steps; i++) {
    if (values[i]) code = complain(r, name, "is true at step %d of %d; an episode ends with its last step", i, steps);
  }
  if (code == ML3_OK) *end = values[steps - 1] != 0;
  free(values);
  return code;
}

/* ---- episodes ----------------------------------------------------------------------------------------------------- */

/* A number in an attribute of the group, where there is one. */
static int read_attribute(const reader *r, const char *name, double *value, bool *found) {
  *found = H5Aexists(r->group, name) > 0;
  if (!*found) return ML3_OK;
  hid_t attribute = H5Aopen(r->group, name, H5P_DEFAULT), space = attribute >= 0 ? H5Aget_space(attribute) : -1;
  bool one = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
  herr_t got = one ? H5Aread(attribute, H5T_NATIVE_DOUBLE, value) : -1;
  if (space >= 0) H5Sclose(space);
  if (attribute >= 0) H5Aclose(attribute);
  return got >= 0 && isfinite(*value) ? ML3_OK : complain(r, name, "is not one finite number");
}

/* Task parameters: the attributes options/task/NAME, else what they were before. */
static int read_task(const reader *r, ml3_episode *e) {
  int code = ML3_OK;
  for (int i = 0; i < e->spec->task_dim && code == ML3_OK; i++) {
    char name[160];
    bool found;
    double value;
    snprintf(name, sizeof name, "options/task/%s", e->spec->task[i].name);
    code = read_attribute(r, name, &value, &found);
    if (code == ML3_OK && found) e->task[i] = value;
  }
  return code;
}

/* infos/NAME where it is there: [T + 1][cols]. */
static int read_info(const reader *r, const char *name, int rows, int cols, double *out, bool *found) {
  char path[64];
  snprintf(path, sizeof path, "infos/%s", name);
  *found = H5Lexists(r->group, "infos", H5P_DEFAULT) > 0 && H5Lexists(r->group, path, H5P_DEFAULT) > 0;
  return *found && cols ? read_numbers(r, path, rows, cols, out) : ML3_OK;
}

/* python/ notes the task with every step. */
static int read_task_of_infos(const reader *r, ml3_episode *e) {
  const int dim = e->spec->task_dim;
  double *rows = malloc(((size_t)e->steps + 1) * (size_t)dim * sizeof *rows + 1);
  if (!rows) return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory for an episode of %d steps", e->steps);
  bool found;
  ml3_env_default_task(e->spec, e->task);
  int code = read_info(r, "task", e->steps + 1, dim, rows, &found);
  if (code == ML3_OK && found) memcpy(e->task, rows, (size_t)dim * sizeof *rows);
  free(rows);
  return code;
}

/* Distance and success along the states. */
static void judge_states(ml3_env *probe, ml3_episode *e) {
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(probe, e->task, &none);
  for (int t = 0; t <= e->steps; t++) {
    ml3_env_set_state(probe, e->states + (size_t)t * (size_t)e->spec->state_dim);
    e->final_distance = ml3_env_distance(probe);
    e->success = ml3_env_success(probe);
    if (e->success && !e->passed) e->passed = true, e->success_step = t;
  }
}

/* Distance and success as they were noted, else along the states. A state that is put back is not quite what it was: the
   reacher's fingertip is where the integrator's last stage left it. */
static int judge(const reader *r, ml3_episode *e) {
  bool has_distance, has_step, has_success; /* files of before have no success of the last state */
  double distance = NAN, step = -1, success = 0;
  int code = read_attribute(r, "ml3/final_distance", &distance, &has_distance);
  if (code == ML3_OK) code = read_attribute(r, "ml3/success_step", &step, &has_step);
  if (code == ML3_OK) code = read_attribute(r, "ml3/success", &success, &has_success);
  if (code != ML3_OK) return code;
  if (has_step && (step < -1 || step > e->steps || step != floor(step)))
    return complain(r, "ml3/success_step", "is %g; expected -1 to %d", step, e->steps);
  if (has_success && success != 0 && success != 1) return complain(r, "ml3/success", "is %g; expected 0 or 1", success);
  if (!has_distance || !has_step || !has_success) judge_states(r->dataset->probe, e);
  if (!has_distance || !has_step) return ML3_OK;
  e->final_distance = distance;
  e->success_step = (int)step;
  e->passed = step >= 0;
  if (has_success) e->success = success != 0;
  return ML3_OK;
}

static int check_choices(const reader *r, const ml3_episode *e) {
  for (int t = 0; t < e->steps && e->spec->choices; t++)
    if (!ml3_env_takes(e->spec, e->actions[t]))
      return complain(r, "actions", "has %g at step %d; expected whole numbers from 0 to %d", e->actions[t], t,
                      e->spec->choices - 1);
  return ML3_OK;
}

static int read_arrays(const reader *r, ml3_episode *e, bool *has_states) {
  const ml3_env_spec *spec = e->spec;
  bool truncated;
  e->steps = e->capacity;
  int code = read_numbers(r, "rewards", e->steps, 0, e->rewards);
  if (code == ML3_OK) code = read_numbers(r, "observations", e->steps + 1, spec->obs_dim, e->obs);
  if (code == ML3_OK) code = read_numbers(r, "actions", e->steps, spec->choices ? 0 : spec->action_dim, e->actions);
  if (code == ML3_OK) code = check_choices(r, e);
  if (code == ML3_OK) code = read_end(r, "terminations", e->steps, &e->terminated);
  if (code == ML3_OK) code = read_end(r, "truncations", e->steps, &truncated);
  if (code == ML3_OK) code = read_task_of_infos(r, e);
  if (code == ML3_OK) code = read_task(r, e);
  if (code == ML3_OK) code = read_info(r, "state", e->steps + 1, spec->state_dim, e->states, has_states);
  return code;
}

static ml3_episode *read_episode(const reader *r) {
  const ml3_env_spec *spec = r->dataset->spec;
  long long steps = -1;
  hid_t rewards = open_array(r, "rewards", &steps, 0);
  if (rewards < 0) return NULL;
  H5Dclose(rewards);
  if (steps < 1) return complain(r, "rewards", "is empty"), NULL;

  ml3_episode *e = ml3_episode_new(spec, (int)steps, r->error);
  bool has_states = false;
  int code = e ? read_arrays(r, e, &has_states) : ML3_ERR_MEMORY;
  if (code == ML3_OK && has_states) code = judge(r, e);
  if (code != ML3_OK) {
    ml3_episode_free(e);
    return NULL;
  }
  snprintf(e->label, sizeof e->label, "episode %d", r->number);
  for (int t = 0; t < e->steps; t++) e->episode_return += e->rewards[t], e->loss[t] = NAN;
  if (!has_states) {
    e->final_distance = NAN;
    for (size_t i = 0; i < ((size_t)e->steps + 1) * (size_t)spec->state_dim; i++) e->states[i] = NAN;
  }
  return e;
}

ml3_episode *ml3_dataset_episode(ml3_dataset *d, int index, ml3_error *error) {
  if (index < 0 || index >= d->metadata.episodes) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': episode %d was asked for; there are %d, counted from 0", d->path,
                  index, d->metadata.episodes);
    return NULL;
  }

  ml3_h5_turn turn;
  ml3_h5_enter(&turn);
  reader r = {d, index, open_group(d, index), error};
  ml3_episode *e = NULL;
  if (r.group >= 0) {
    e = read_episode(&r);
    H5Gclose(r.group);
  } else {
    ml3_error_set(error, ML3_ERR_FORMAT, "'%s': the group episode_%d is missing, though the metadata count %d episodes",
                  d->path, index, d->metadata.episodes);
  }
  ml3_h5_leave(&turn);
  return e;
}
