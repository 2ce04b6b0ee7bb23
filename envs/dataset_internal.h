/* What reading and writing of data sets share. Internal. */
#ifndef ML3_ENVS_DATASET_INTERNAL_H
#define ML3_ENVS_DATASET_INTERNAL_H

#include <hdf5.h>
#include <jansson.h>

#include "envs/dataset.h"

enum { ML3_DATASET_PATH_MAX = 1024 };

/* ---- HDF5 (dataset_hdf5.c) ---------------------------------------------------------------------------------------- */

/* HDF5 belongs to this thread until leave; it prints nothing meanwhile. */
typedef struct ml3_h5_turn {
  H5E_auto2_t print;
  void *print_data;
} ml3_h5_turn;

void ml3_h5_enter(ml3_h5_turn *turn);
void ml3_h5_leave(const ml3_h5_turn *turn);

/* Sets the error "'file': what: HDF5's own words" and returns its code. */
int ml3_h5_fail(ml3_error *error, int code, const char *file, const char *what);

/* The type of a truth value as h5py has it; H5Tclose frees it. */
hid_t ml3_h5_bool(void);

/* A new file whose structure has checksums (the format of HDF5 1.10): damage is found before it is believed. */
hid_t ml3_h5_create(const char *path);

/* A group in it. Neither notes when it was made: the same episodes are the same bytes. */
hid_t ml3_h5_create_group(hid_t parent, const char *name);

/* Array `name` of a group: [rows] where cols is 0, else [rows][cols]; `type` is that in memory and on disk. Its rows have
   checksums, and more of them can be appended, as Minari does. */
bool ml3_h5_write(hid_t group, const char *name, hid_t type, int rows, int cols, const void *data);

/* The shape of an array as text: "51 x 8". */
void ml3_h5_print_shape(char *text, size_t size, int rank, const hsize_t *dims);

/* One number as an attribute of a group. */
bool ml3_h5_write_attribute(hid_t group, const char *name, hid_t type, const void *value);

/* Calls read(user), which is to read all of the file, in a child process. What it says is lost; an error when it crashes or
   does not come to an end (dataset_try.c). */
int ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error);

/* ---- metadata.json (dataset_metadata.c) --------------------------------------------------------------------------- */

int ml3_dataset_metadata_write(const char *path, const ml3_env_spec *spec, const ml3_dataset_info *info, int episodes,
                               long long steps, long long bytes, ml3_error *error);

/* What is read there. */
typedef struct ml3_dataset_metadata {
  char id[256]; /* "" where there is none */
  int episodes;
  long long steps; /* of all; -1 where they are not counted */
} ml3_dataset_metadata;

/* *spec, where it is NULL, becomes the environment that is named there; else that must be the same, or none of ml3's. */
int ml3_dataset_metadata_read(const char *path, const ml3_env_spec **spec, ml3_dataset_metadata *metadata,
                              ml3_error *error);

#endif
