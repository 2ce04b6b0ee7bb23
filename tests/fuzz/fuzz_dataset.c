/* Data sets. What begins with a brace is metadata.json. Anything else is a recipe, and the functions below answer in HDF5's
   place as it says: what is fuzzed is the reader, many times as fast as through HDF5 (fuzz_hdf5.c), and with arrays that
   HDF5 would refuse to make. */
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "envs/dataset.h"
#include "memory_files.h"
#include "recipe.h"

static const char METADATA[] = "{\"data_format\": \"hdf5\", \"total_episodes\": 1}";

/* ---- what is open: a handle is 1 and its place in the list ---------------------------------------------------------- */

typedef enum kind { CLOSED, FILE_, GROUP, SET, ATTRIBUTE, SPACE, TYPE, TRUTH } kind;
typedef struct handle {
  kind kind;
  const recipe_item *item;
} handle;

static struct {
  recipe recipe;
  handle list[16];
  int open;
} h5;

static hid_t open_handle(kind kind, const recipe_item *item) {
  for (int i = 0; i < 16; i++) {
    if (h5.list[i].kind != CLOSED) continue;
    h5.list[i] = (handle){kind, item};
    h5.open++;
    return i + 1;
  }
  abort();
}

/* The reader must not use what is closed, nor one thing as another. */
static handle *get(hid_t id, kind kind) {
  if (id < 1 || id > 16 || h5.list[id - 1].kind != kind) abort();
  return &h5.list[id - 1];
}

static herr_t close_handle(hid_t id, kind kind) {
  get(id, kind)->kind = CLOSED;
  h5.open--;
  return 0;
}

static const recipe_item *find(const recipe_item *items, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (items[i].kind != RECIPE_MISSING && strcmp(items[i].name, name) == 0) return &items[i];
  return NULL;
}

static const recipe_item *find_array(const char *name) {
  return find(h5.recipe.arrays, RECIPE_ARRAYS, name);
}

static const recipe_item *find_attribute(const char *name) {
  return find(h5.recipe.attributes, RECIPE_ATTRIBUTES, name);
}

/* ---- HDF5's functions, as the reader calls them --------------------------------------------------------------------- */

#define ANSWER(type, name, ...)    \
  type __wrap_##name(__VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__)

ANSWER(hid_t, H5Fopen, const char *path, unsigned flags, hid_t access) {
  (void)path, (void)flags, (void)access;
  return open_handle(FILE_, NULL);
}

ANSWER(herr_t, H5Fclose, hid_t id) {
  return close_handle(id, FILE_);
}

ANSWER(hid_t, H5Gopen2, hid_t file, const char *name, hid_t access) {
  (void)access;
  get(file, FILE_);
  return strcmp(name, "episode_0") == 0 ? open_handle(GROUP, NULL) : -1;
}

ANSWER(herr_t, H5Gclose, hid_t id) {
  return close_handle(id, GROUP);
}

ANSWER(htri_t, H5Lexists, hid_t group, const char *name, hid_t access) {
  (void)access;
  get(group, GROUP);
  return find_array(name) || (h5.recipe.infos && strcmp(name, "infos") == 0);
}

ANSWER(hid_t, H5Dopen2, hid_t group, const char *name, hid_t access) {
  (void)access;
  get(group, GROUP);
  const recipe_item *a = find_array(name);
  return a && a->kind == RECIPE_ARRAY ? open_handle(SET, a) : -1;
}

ANSWER(herr_t, H5Dclose, hid_t id) {
  return close_handle(id, SET);
}

ANSWER(hid_t, H5Dget_space, hid_t set) {
  return open_handle(SPACE, get(set, SET)->item);
}

ANSWER(hid_t, H5Dget_type, hid_t set) {
  return open_handle(TYPE, get(set, SET)->item);
}

ANSWER(hid_t, H5Aget_space, hid_t attribute) {
  return open_handle(SPACE, get(attribute, ATTRIBUTE)->item);
}

ANSWER(int, H5Sget_simple_extent_dims, hid_t space, hsize_t *dims, hsize_t *most) {
  const recipe_item *a = get(space, SPACE)->item;
  (void)most;
  for (int i = 0; i < a->rank; i++) dims[i] = a->dims[i];
  return a->rank;
}

ANSWER(hssize_t, H5Sget_simple_extent_npoints, hid_t space) {
  return recipe_count(get(space, SPACE)->item);
}

ANSWER(herr_t, H5Sclose, hid_t id) {
  return close_handle(id, SPACE);
}

ANSWER(H5T_class_t, H5Tget_class, hid_t type) {
  static const H5T_class_t classes[] = {H5T_FLOAT,  H5T_FLOAT,    H5T_INTEGER, H5T_INTEGER,
                                        H5T_STRING, H5T_COMPOUND, H5T_ENUM,    H5T_OPAQUE};
  const recipe_item *a = get(type, TYPE)->item;
  return a->type == RECIPE_SOUND && a->truth ? H5T_ENUM : classes[a->type];
}

ANSWER(hid_t, H5Tenum_create, hid_t base) {
  (void)base;
  return open_handle(TRUTH, NULL);
}

ANSWER(herr_t, H5Tenum_insert, hid_t type, const char *name, const void *value) {
  (void)name, (void)value;
  get(type, TRUTH);
  return 0;
}

ANSWER(herr_t, H5Tclose, hid_t id) {
  return close_handle(id, id >= 1 && id <= 16 && h5.list[id - 1].kind == TRUTH ? TRUTH : TYPE);
}

/* As many numbers as the item has, whatever the reader expects; what HDF5 cannot convert is an error, of truth values half
   of the time. */
static herr_t answer_numbers(const recipe_item *a, bool truths, void *out) {
  const long long count = recipe_count(a);
  const bool numbers = a->type != RECIPE_TEXT && a->type != RECIPE_COMPOUND && a->type != RECIPE_OPAQUE;
  if (!numbers || (a->type == RECIPE_ENUM && a->where % 2)) return -1;
  if (count > RECIPE_VALUES_MAX)
    memset(out, 0, (size_t)count * (truths ? 1 : sizeof(double)));
  else if (truths)
    recipe_truths(a, out);
  else
    recipe_values(a, out);
  return 0;
}

ANSWER(herr_t, H5Dread, hid_t set, hid_t type, hid_t memory, hid_t file, hid_t transfer, void *out) {
  (void)memory, (void)file, (void)transfer;
  return answer_numbers(get(set, SET)->item, type != H5T_NATIVE_DOUBLE, out);
}

ANSWER(htri_t, H5Aexists, hid_t group, const char *name) {
  get(group, GROUP);
  return find_attribute(name) != NULL;
}

ANSWER(hid_t, H5Aopen, hid_t group, const char *name, hid_t access) {
  (void)access;
  get(group, GROUP);
  return open_handle(ATTRIBUTE, find_attribute(name));
}

ANSWER(herr_t, H5Aread, hid_t attribute, hid_t type, void *out) {
  (void)type;
  return answer_numbers(get(attribute, ATTRIBUTE)->item, false, out);
}

ANSWER(herr_t, H5Aclose, hid_t id) {
  return close_handle(id, ATTRIBUTE);
}

/* Nothing is tried in a process of its own. */
ANSWER(int, ml3_dataset_try, const char *path, void (*read)(void *user), void *user, ml3_error *error) {
  (void)path, (void)read, (void)user, (void)error;
  return ML3_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ml3_error error = {0};
  const bool json = size > 0 && data[0] == '{';
  const ml3_env_spec *spec = ml3_env_at(0);
  memory_file("fuzz.hdf5", "", 0);
  memory_file("metadata.json", json ? data : (const uint8_t *)METADATA, json ? size : sizeof METADATA - 1);
  recipe_read(&h5.recipe, data, size, spec);
  ml3_dataset *d = ml3_dataset_open("fuzz.hdf5", json ? NULL : spec, &error);
  if (!d && !error.message[0]) abort();
  if (d && !json) {
    ml3_episode *e = ml3_dataset_episode(d, 0, &error);
    if (!e && !error.message[0]) abort();
    if (!e && size == 0) abort(); /* the sound one */
    ml3_episode_free(e);
  }
  ml3_dataset_close(d);
  if (h5.open) abort(); /* the reader left something open */
  return 0;
}
