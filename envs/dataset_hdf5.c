/* HDF5 in turns, with its errors as sentences. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "envs/dataset_internal.h"

enum { CHUNK_ROWS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void ml3_h5_enter(ml3_h5_turn *turn) {
  pthread_mutex_lock(&lock);
  H5Eget_auto2(H5E_DEFAULT, &turn->print, &turn->print_data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void ml3_h5_leave(const ml3_h5_turn *turn) {
  H5Eset_auto2(H5E_DEFAULT, turn->print, turn->print_data);
  pthread_mutex_unlock(&lock);
}

/* The last entry on the way down is the innermost one: it says what HDF5 met. */
static herr_t note(unsigned depth, const H5E_error2_t *entry, void *text) {
  (void)depth;
  snprintf(text, 200, "%s", entry->desc);
  return 0;
}

int ml3_h5_fail(ml3_error *error, int code, const char *file, const char *what) {
  char words[200] = "";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, note, words);
  return ml3_error_set(error, code, "'%s': %s%s%s", file, what, words[0] ? "; HDF5 says: " : "", words);
}

hid_t ml3_h5_bool(void) {
  hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  H5Tenum_insert(type, "FALSE", &(signed char){0});
  H5Tenum_insert(type, "TRUE", &(signed char){1});
  return type;
}

hid_t ml3_h5_create(const char *path) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_LATEST);
  H5Pset_obj_track_times(creation, false);
  hid_t file = H5Fcreate(path, H5F_ACC_EXCL, creation, access);
  H5Pclose(access);
  H5Pclose(creation);
  return file;
}

hid_t ml3_h5_create_group(hid_t parent, const char *name) {
  hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(creation, false);
  hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, creation, H5P_DEFAULT);
  H5Pclose(creation);
  return group;
}

void ml3_h5_print_shape(char *text, size_t size, int rank, const hsize_t *dims) {
  size_t used = 0;
  text[0] = '\0';
  if (rank < 1) snprintf(text, size, "no axes");
  for (int i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%llu", i ? " x " : "", (unsigned long long)dims[i]);
}

bool ml3_h5_write(hid_t group, const char *name, hid_t type, int rows, int cols, const void *data) {
  const int rank = cols ? 2 : 1;
  const hsize_t dims[] = {(hsize_t)rows, (hsize_t)cols}, most[] = {H5S_UNLIMITED, (hsize_t)cols};
  const hsize_t chunk[] = {(hsize_t)(rows < CHUNK_ROWS ? rows : CHUNK_ROWS), (hsize_t)cols};
  hid_t settings = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, dims, most);
  H5Pset_chunk(settings, rank, chunk);
  H5Pset_fletcher32(settings);
  H5Pset_obj_track_times(settings, false);

  hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, settings, H5P_DEFAULT);
  bool good = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
  if (set >= 0) good = H5Dclose(set) >= 0 && good;
  if (space >= 0) H5Sclose(space);
  H5Pclose(settings);
  return good;
}

bool ml3_h5_write_attribute(hid_t group, const char *name, hid_t type, const void *value) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool good = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  if (space >= 0) H5Sclose(space);
  return good;
}
