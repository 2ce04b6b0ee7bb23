/* Checkpoints: see checkpoint.h. The checksum is the CRC-32 of everything else: text, names, shapes and numbers. */
#define _POSIX_C_SOURCE 200809L
#include "nn/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "nn/tensors_internal.h"

static const char checksum_key[] = "crc32";

/* ---- the checksum ---------------------------------------------------------------------------------------- */

static uLong add(uLong crc, const void *data, size_t bytes) {
  return crc32_z(crc, data, bytes);
}

/* Lengths go in as well, so that nothing can move from one part to the next unseen. */
static uLong add_text(uLong crc, const char *text) {
  return add(crc, text, strlen(text) + 1);
}

/* The text's keys in order of the alphabet, without the checksum's own. */
static int sum_text(const ml3_nn_tensors *t, uLong *crc) {
  json_t *rest = json_copy(t->text);
  if (rest) json_object_del(rest, checksum_key);
  char *text = rest ? json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  if (text) *crc = add_text(*crc, text);
  free(text);
  json_decref(rest);
  return text ? ML3_OK : ML3_ERR_MEMORY;
}

/* In the order of a file: by type, then as they were put. */
static int checksum(const ml3_nn_tensors *t, char digits[16], ml3_error *error) {
  uLong crc = crc32_z(0, NULL, 0);
  if (sum_text(t, &crc) != ML3_OK) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a checksum");
  for (ml3_nn_dtype type = 0; type < ML3_NN_DTYPES; type++)
    for (int i = 0; i < t->count; i++) {
      const ml3_nn_tensor *x = &t->list[i];
      if (x->type != type) continue;
      crc = add_text(add_text(crc, x->name), ml3_nn_dtype_name(type));
      crc = add(add(crc, &x->rank, sizeof x->rank), x->shape, (size_t)x->rank * sizeof *x->shape);
      crc = add(crc, x->data, x->count * ml3_nn_dtype_bytes(type));
    }
  snprintf(digits, 16, "%08lx", crc & 0xffffffff);
  return ML3_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static int previous_path(const char *path, char *previous, size_t size, ml3_error *error) {
  if ((size_t)snprintf(previous, size, "%s.previous", path) < size) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s...' is too long", path);
}

int ml3_nn_checkpoint_save(ml3_nn_tensors *t, const char *path, ml3_error *error) {
  char digits[16], previous[1024];
  int code = previous_path(path, previous, sizeof previous, error);
  if (!code) code = checksum(t, digits, error);
  if (!code) code = ml3_nn_tensors_put_text(t, checksum_key, digits, error);
  return code ? code : ml3_nn_tensors_write(t, path, previous, error);
}

/* Fuzzers would seldom get past it. */
static int check(const ml3_nn_tensors *t, const char *path, ml3_error *error) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  (void)t, (void)path, (void)error;
  return ML3_OK;
#else
  char digits[16];
  const char *written = ml3_nn_tensors_text(t, checksum_key);
  int code = checksum(t, digits, error);
  if (code) return code;
  if (!written)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a checkpoint of this ml3: it has no checksum", path);
  if (strcmp(written, digits) != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "the checkpoint '%s' is damaged: its content has the checksum %s, but %s was written", path,
                         digits, ml3_nn_show(written).text);
  return ML3_OK;
#endif
}

ml3_nn_tensors *ml3_nn_checkpoint_load(const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t || check(t, path, error) == ML3_OK) return t;
  ml3_nn_tensors_free(t);
  return NULL;
}

static int try(const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_checkpoint_load(path, error);
  ml3_nn_tensors_free(t);
  return t ? ML3_OK : error ? error->code : ML3_ERR_MEMORY;
}

int ml3_nn_checkpoint_find(const char *path, char *found, size_t size, ml3_error *damage, ml3_error *error) {
  char previous[1024];
  ml3_error newest = {0}, before = {0};
  int code = previous_path(path, previous, sizeof previous, error);
  if (code) return code;
  if (damage) *damage = newest;
  const char *chosen = try(path, &newest) == ML3_OK ? path : try(previous, &before) == ML3_OK ? previous : NULL;
  if (!chosen) {
    if (access(path, F_OK) != 0 && access(previous, F_OK) == 0) newest = before;
    return ml3_error_set(error, newest.code, "%s", newest.message);
  }
  if (damage && chosen == previous) *damage = newest;
  if ((size_t)snprintf(found, size, "%s", chosen) < size) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s...' is too long", path);
}
