/* Data sets through HDF5: it makes a file in memory as a recipe says, and the reader reads that. Slow, about three quarters
   of it HDF5's own work; fuzz_dataset.c fuzzes the same reader without. (Bytes of damaged files are not fuzzed: whether HDF5
   stands them is not decided here, and a process of its own tries first, see envs/dataset_try.c.) */
#include <hdf5.h>
#include <stdlib.h>

#include "envs/dataset.h"
#include "memory_files.h"
#include "recipe.h"

static const char METADATA[] = "{\"data_format\": \"hdf5\", \"total_episodes\": 1}";

static hid_t make_type(recipe_type type, hid_t sound) {
  switch (type) {
    case RECIPE_FLOAT:
      return H5Tcopy(H5T_IEEE_F32BE);
    case RECIPE_LONG:
      return H5Tcopy(H5T_STD_I64LE);
    case RECIPE_BYTE:
      return H5Tcopy(H5T_STD_U8LE);
    case RECIPE_TEXT:
      return H5Tcopy(H5T_C_S1);
    case RECIPE_COMPOUND:
      return H5Tcreate(H5T_COMPOUND, 8);
    case RECIPE_ENUM:
      return H5Tenum_create(H5T_STD_I32LE);
    case RECIPE_OPAQUE:
      return H5Tcreate(H5T_OPAQUE, 3);
    default:
      return H5Tcopy(sound);
  }
}

static void add_array(hid_t group, const recipe_item *a, hid_t truth) {
  if (a->kind == RECIPE_MISSING) return;
  if (a->kind == RECIPE_GROUP) {
    hid_t inner = H5Gcreate2(group, a->name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (inner >= 0) H5Gclose(inner);
    return;
  }
  hid_t type = make_type(a->type, a->truth ? truth : H5T_NATIVE_DOUBLE), settings = H5Pcreate(H5P_DATASET_CREATE);
  hsize_t dims[4] = {a->dims[0], a->dims[1], a->dims[2], a->dims[3]};
  const hsize_t chunk[4] = {4, 4, 4, 4};
  hid_t space = a->rank ? H5Screate_simple(a->rank, dims, NULL) : H5Screate(H5S_SCALAR);
  if (a->chunked) H5Pset_chunk(settings, a->rank, chunk);
  hid_t set = H5Dcreate2(group, a->name, type, space, H5P_DEFAULT, settings, H5P_DEFAULT);
  const long long count = recipe_count(a);
  if (set >= 0 && count > 0 && count <= RECIPE_VALUES_MAX) {
    double values[RECIPE_VALUES_MAX];
    if (a->truth)
      recipe_truths(a, (signed char *)values);
    else
      recipe_values(a, values);
    H5Dwrite(set, a->truth ? truth : H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  if (set >= 0) H5Dclose(set);
  if (space >= 0) H5Sclose(space);
  H5Pclose(settings);
  H5Tclose(type);
}

static void add_attribute(hid_t group, const recipe_item *a) {
  if (a->kind == RECIPE_MISSING) return;
  double values[RECIPE_VALUES_MAX];
  recipe_values(a, values);
  hid_t type = make_type(a->type, H5T_NATIVE_DOUBLE);
  hid_t space = a->rank ? H5Screate_simple(1, &(hsize_t){a->dims[0]}, NULL) : H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(group, a->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) H5Awrite(attribute, H5T_NATIVE_DOUBLE, values), H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

static void add_episode(hid_t file, const recipe *r) {
  hid_t group = H5Gcreate2(file, "episode_0", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        truth = H5Tenum_create(H5T_NATIVE_INT8);
  H5Tenum_insert(truth, "FALSE", &(signed char){0});
  H5Tenum_insert(truth, "TRUE", &(signed char){1});
  if (r->infos) H5Gclose(H5Gcreate2(group, "infos", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  for (int i = 0; i < RECIPE_ARRAYS; i++) add_array(group, &r->arrays[i], truth);
  for (int i = 0; i < RECIPE_ATTRIBUTES; i++) add_attribute(group, &r->attributes[i]);
  H5Tclose(truth);
  H5Gclose(group);
}

/* Here nothing is tried in a process of its own. */
int __wrap_ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error);
int __wrap_ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error) {
  (void)path, (void)read, (void)user, (void)error;
  return ML3_OK;
}

static hid_t file = -1; /* what is read */

hid_t __wrap_H5Fopen(const char *path, unsigned flags, hid_t access);
hid_t __wrap_H5Fopen(const char *path, unsigned flags, hid_t access) {
  (void)path, (void)flags, (void)access;
  return H5Freopen(file);
}

/* One file in memory, which gets another episode every time. */
static void make_file(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5Pset_fapl_core(access, 1 << 20, false);
  file = H5Fcreate("fuzz.hdf5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  if (file < 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int used;
  ml3_error error = {0};
  recipe r;
  const ml3_env_spec *spec = ml3_env_at(0);
  if (used++ % 1000 == 0) { /* what was deleted takes memory until the file is closed */
    if (file >= 0) H5Fclose(file);
    make_file();
  }
  memory_file("fuzz.hdf5", "", 0);
  memory_file("metadata.json", METADATA, sizeof METADATA - 1);
  recipe_read(&r, data, size, spec);
  add_episode(file, &r);
  ml3_dataset *d = ml3_dataset_open("fuzz.hdf5", spec, &error);
  if (!d) abort();
  ml3_episode *e = ml3_dataset_episode(d, 0, &error);
  if (!e && !error.message[0]) abort();
  if (!e && size == 0) abort(); /* the sound one */
  ml3_episode_free(e);
  ml3_dataset_close(d);
  H5Ldelete(file, "episode_0", H5P_DEFAULT);
  if (H5Fget_obj_count(file, H5F_OBJ_ALL | H5F_OBJ_LOCAL) != 1) abort(); /* the reader left something open */
  return 0;
}
