/* Data sets. What begins with a brace is metadata.json. Anything else is a recipe for the file beside it: its bytes say,
   array by array, whether it is there, of which type, rank and size, and what numbers are in it; HDF5 itself makes that
   file in memory. (Bytes of damaged files are not fuzzed: whether HDF5 stands them is not decided here, and a process of
   its own tries first, see envs/dataset_read.c.) An empty recipe is a sound episode. */
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/dataset.h"
#include "memory_files.h"

static const char METADATA[] = "{\"data_format\": \"hdf5\", \"total_episodes\": 1}";

typedef struct recipe {
  const uint8_t *at, *end;
} recipe;

static unsigned take(recipe *r) {
  return r->at < r->end ? *r->at++ : 0;
}

static void fill(recipe *r, double *values, size_t count) {
  static const double odd[8] = {-0.5, NAN, INFINITY, -INFINITY, 1e308, 5e-324, 0, 1e17};
  const unsigned how = take(r), where = take(r);
  for (size_t i = 0; i < count; i++) values[i] = -0.5;
  if (count > 0) values[where % count] = odd[how % 8];
}

static hid_t pick_type(unsigned which, hid_t sound) {
  switch (which) {
    case 1:
      return H5Tcopy(H5T_IEEE_F32BE);
    case 2:
      return H5Tcopy(H5T_STD_I64LE);
    case 3:
      return H5Tcopy(H5T_STD_U8LE);
    case 4:
      return H5Tcopy(H5T_C_S1);
    case 5:
      return H5Tcreate(H5T_COMPOUND, 8);
    case 6:
      return H5Tenum_create(H5T_STD_I32LE);
    case 7:
      return H5Tcreate(H5T_OPAQUE, 3);
    default:
      return H5Tcopy(sound);
  }
}

/* Array `name` as the recipe has it; without a recipe [rows][cols] of that type. */
static void add_array(recipe *r, hid_t group, const char *name, hid_t sound, unsigned rows, unsigned cols) {
  const unsigned what = take(r);
  hsize_t dims[4] = {rows, cols, 1, 1};
  int rank = cols ? 2 : 1;
  if (what == 1) return;
  if (what == 2) {
    hid_t inner = H5Gcreate2(group, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (inner >= 0) H5Gclose(inner);
    return;
  }
  hid_t type = pick_type(what >= 3 && what < 16 ? take(r) % 8 : 0, sound), settings = H5Pcreate(H5P_DATASET_CREATE);
  if (what >= 8 && what < 32) { /* another shape; a large one takes no memory until it is written */
    rank = (int)(take(r) % 5);
    for (int i = 0; i < rank; i++) dims[i] = (hsize_t)(take(r) % 16) << (what % 2 ? 4 * (take(r) % 16) : 0);
  }
  hid_t space = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
  const hsize_t chunk[4] = {4, 4, 4, 4};
  if (what >= 32 || what % 2) H5Pset_chunk(settings, rank, chunk);
  hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, settings, H5P_DEFAULT);
  const hssize_t count = space >= 0 ? H5Sget_simple_extent_npoints(space) : 0;
  double values[256] = {0};
  if (set >= 0 && count > 0 && count <= 256) {
    const bool truth = H5Tget_class(sound) == H5T_ENUM;
    const unsigned how = truth ? take(r) : 0, where = truth ? take(r) : 0;
    if (!truth) fill(r, values, (size_t)count);
    if (truth && how) ((signed char *)values)[where % (unsigned)count] = (signed char)how;
    H5Dwrite(set, truth ? sound : H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  if (set >= 0) H5Dclose(set);
  if (space >= 0) H5Sclose(space);
  H5Pclose(settings);
  H5Tclose(type);
}

static void add_attribute(recipe *r, hid_t group, const char *name) {
  const unsigned what = take(r);
  if (what == 0) return;
  double values[4];
  fill(r, values, 4);
  hid_t type = pick_type(what % 8, H5T_NATIVE_DOUBLE);
  hid_t space = what >= 16 ? H5Screate_simple(1, &(hsize_t){what % 4}, NULL) : H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) H5Awrite(attribute, H5T_NATIVE_DOUBLE, values), H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

static void add_episode(recipe *r, hid_t file, const ml3_env_spec *spec) {
  hid_t group = H5Gcreate2(file, "episode_0", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        truth = H5Tenum_create(H5T_NATIVE_INT8);
  const unsigned steps = 1 + take(r) % 4, infos = take(r);
  H5Tenum_insert(truth, "FALSE", &(signed char){0});
  H5Tenum_insert(truth, "TRUE", &(signed char){1});
  add_array(r, group, "rewards", H5T_NATIVE_DOUBLE, steps, 0);
  add_array(r, group, "observations", H5T_NATIVE_DOUBLE, steps + 1, (unsigned)spec->obs_dim);
  add_array(r, group, "actions", H5T_NATIVE_DOUBLE, steps, (unsigned)spec->action_dim);
  add_array(r, group, "terminations", truth, steps, 0);
  add_array(r, group, "truncations", truth, steps, 0);
  if (infos == 1) add_array(r, group, "infos", H5T_NATIVE_DOUBLE, steps, 0);
  if (infos != 1) {
    hid_t inner = H5Gcreate2(group, "infos", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    add_array(r, inner, "state", H5T_NATIVE_DOUBLE, steps + 1, (unsigned)spec->state_dim);
    if (infos % 2 == 0) add_array(r, inner, "task", H5T_NATIVE_DOUBLE, steps + 1, (unsigned)spec->task_dim);
    H5Gclose(inner);
  }
  add_attribute(r, group, "options/task/mass");
  add_attribute(r, group, "ml3/final_distance");
  add_attribute(r, group, "ml3/success_step");
  H5Tclose(truth);
  H5Gclose(group);
}

/* Here nothing is tried in a process of its own. */
int __wrap_ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error);
int __wrap_ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error) {
  (void)path, (void)read, (void)user, (void)error;
  return ML3_OK;
}

/* One file in memory, which gets another episode every time. */
static hid_t make_file(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5Pset_fapl_core(access, 1 << 16, false);
  hid_t file = H5Fcreate("fuzz.hdf5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  if (file < 0) abort();
  return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static hid_t file = -1;
  static int used;
  ml3_error error = {0};
  const bool json = size > 0 && data[0] == '{';
  const ml3_env_spec *spec = ml3_env_at(0);
  if (used++ % 1000 == 0) { /* what was deleted takes memory until the file is closed */
    if (file >= 0) H5Fclose(file);
    file = make_file();
  }
  memory_file("fuzz.hdf5", "", 0);
  memory_file("metadata.json", json ? data : (const uint8_t *)METADATA, json ? size : sizeof METADATA - 1);
  memory_hdf5(file);
  if (!json) add_episode(&(recipe){data, data + size}, file, spec);
  ml3_dataset *d = ml3_dataset_open("fuzz.hdf5", json ? NULL : spec, &error);
  if (!d && !error.message[0]) abort();
  if (d && !json) {
    ml3_episode *e = ml3_dataset_episode(d, 0, &error);
    if (!e && !error.message[0]) abort();
    if (!e && size == 0) abort(); /* the sound one */
    ml3_episode_free(e);
  }
  ml3_dataset_close(d);
  if (!json) H5Ldelete(file, "episode_0", H5P_DEFAULT);
  if (H5Fget_obj_count(file, H5F_OBJ_ALL | H5F_OBJ_LOCAL) != 1) abort(); /* the reader left something open */
  return 0;
}
