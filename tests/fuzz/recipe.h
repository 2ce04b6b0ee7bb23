/* What a file of data sets may hold, from a fuzzer's bytes: array by array whether it is there, of which type, rank and
   size, and what numbers are in it. fuzz_hdf5.c has HDF5 make such a file, fuzz_dataset.c answers in HDF5's place. No bytes
   at all are a sound episode. */
#ifndef ML3_TESTS_RECIPE_H
#define ML3_TESTS_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "envs/env.h"

enum { RECIPE_ARRAYS = 7, RECIPE_ATTRIBUTES = 3, RECIPE_VALUES_MAX = 256 };

typedef enum recipe_kind { RECIPE_MISSING, RECIPE_GROUP, RECIPE_ARRAY } recipe_kind;

typedef enum recipe_type {
  RECIPE_SOUND, /* double, or h5py's truth value */
  RECIPE_FLOAT,
  RECIPE_LONG,
  RECIPE_BYTE,
  RECIPE_TEXT,
  RECIPE_COMPOUND,
  RECIPE_ENUM,
  RECIPE_OPAQUE
} recipe_type;

/* An array, or an attribute. */
typedef struct recipe_item {
  const char *name;
  recipe_kind kind;
  recipe_type type;
  bool truth, chunked;
  int rank;
  unsigned long long dims[4];
  unsigned how, where; /* the number that is not as the others are */
} recipe_item;

typedef struct recipe {
  bool infos; /* the group is there; else it may be an array */
  recipe_item arrays[RECIPE_ARRAYS];
  recipe_item attributes[RECIPE_ATTRIBUTES];
} recipe;

void recipe_read(recipe *r, const uint8_t *bytes, size_t size, const ml3_env_spec *spec);

/* How many numbers an item has; -1 beyond 2^62. */
long long recipe_count(const recipe_item *item);

/* They, where they are at most RECIPE_VALUES_MAX; larger ones are not written and hold zeros. */
void recipe_values(const recipe_item *item, double *values);
void recipe_truths(const recipe_item *item, signed char *values);

#endif
