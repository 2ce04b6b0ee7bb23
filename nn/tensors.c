/* Tensors by name, in memory: see tensor_file.h. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nn/tensors_internal.h"

const char ml3_nn_metadata_key[] = "__metadata__";

static const struct {
  const char *name;
  size_t bytes;
} dtypes[ML3_NN_DTYPES] = {
    [ML3_NN_F64] = {"F64", 8},
    [ML3_NN_I64] = {"I64", 8},
    [ML3_NN_F32] = {"F32", 4},
    [ML3_NN_F16] = {"F16", 2},
    [ML3_NN_BF16] = {"BF16", 2},
};

/* ---- in memory --------------------------------------------------------------------------------------- */

static const char *source_of(const ml3_nn_tensors *t) {
  return t->source ? t->source : "the tensors in memory";
}

static ml3_nn_tensor *find(const ml3_nn_tensors *t, const char *name) {
  for (int i = 0; i < t->count; i++)
    if (strcmp(t->list[i].name, name) == 0) return &t->list[i];
  return NULL;
}

static bool is_utf8(const char *s) {
  json_t *j = json_string(s);
  json_decref(j);
  return j != NULL;
}

static void *copy_data(const char *name, const ml3_nn_tensor *x, const void *data, ml3_error *error) {
  const size_t bytes = x->count * ml3_nn_dtype_bytes(x->type);
  void *copy = malloc(bytes ? bytes : 1);
  if (!copy)
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for tensor '%s' of %zu bytes", ml3_nn_show(name).text, bytes);
  else if (bytes)
    memcpy(copy, data, bytes);
  return copy;
}

/* Adds or replaces. */
static int put(ml3_nn_tensors *t, const char *name, ml3_nn_tensor x, const void *data, ml3_error *error) {
  ml3_nn_tensor *old = find(t, name);
  if (!old) return ml3_nn_tensors_append(t, name, x, data, error);

  x.data = copy_data(name, &x, data, error);
  if (!x.data) return ML3_ERR_MEMORY;
  x.name = old->name;
  free(old->data);
  *old = x;
  return ML3_OK;
}

static int check_name(const char *name, ml3_error *error) {
  if (!name[0] || strcmp(name, ml3_nn_metadata_key) == 0 || !is_utf8(name))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "a tensor cannot be named '%s'; give it a name in UTF-8 that is neither empty nor '%s'",
                         ml3_nn_show(name).text, ml3_nn_metadata_key);
  return ML3_OK;
}

/* The tensor of that name and number of entries, or NULL with a sentence. */
static const ml3_nn_tensor *find_sized(const ml3_nn_tensors *t, const char *name, size_t size, ml3_error *error) {
  const ml3_nn_tensor *found = find(t, name);
  if (!found) {
    ml3_error_set(error, ML3_ERR_FORMAT, "%s: there is no tensor '%s' among the %d; was it written for something else?",
                  source_of(t), ml3_nn_show(name).text, t->count);
    return NULL;
  }
  if (found->count != size) {
    ml3_error_set(error, ML3_ERR_FORMAT,
                  "%s: tensor '%s' has %zu entries where %zu are expected; was it written with other sizes?",
                  source_of(t), ml3_nn_show(name).text, found->count, size);
    return NULL;
  }
  return found;
}

/* ---- numbers of any type ------------------------------------------------------------------------------- */

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
static double from_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? (double)NAN : sign * (double)INFINITY;
  return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static double from_bfloat(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float x;
  memcpy(&x, &wide, sizeof x);
  return (double)x;
}

/* Entry i of a tensor that holds no whole numbers. */
static double entry(const ml3_nn_tensor *x, size_t i) {
  switch (x->type) {
    case ML3_NN_F64: return ((const double *)x->data)[i];
    case ML3_NN_F16: return from_half(((const uint16_t *)x->data)[i]);
    case ML3_NN_BF16: return from_bfloat(((const uint16_t *)x->data)[i]);
    default: return (double)((const float *)x->data)[i];
  }
}

/* Says which entry is not finite, as [row, column ...]. */
static int tell_not_finite(const ml3_nn_tensors *t, const ml3_nn_tensor *x, size_t i, ml3_error *error) {
  size_t place[ML3_NN_MAX_RANK], rest = i;
  char index[24 * ML3_NN_MAX_RANK] = "";
  for (int d = x->rank - 1; d >= 0; rest /= x->shape[d--]) place[d] = rest % x->shape[d];
  for (int d = 0; d < x->rank; d++)
    snprintf(index + strlen(index), sizeof index - strlen(index), "%s%zu", d ? ", " : "", place[d]);
  const double value = entry(x, i);
  return ml3_error_set(error, ML3_ERR_FORMAT, "%s: tensor '%s' has %g at [%s]; expected finite numbers%s", source_of(t),
                       ml3_nn_show(x->name).text, value, index,
                       isfinite(value) ? ", and this one is too large for " ML3_REAL_NAME : "");
}

/* ---- shared with tensor_file.c ------------------------------------------------------------------------- */

const char *ml3_nn_dtype_name(ml3_nn_dtype type) {
  return dtypes[type].name;
}
size_t ml3_nn_dtype_bytes(ml3_nn_dtype type) {
  return dtypes[type].bytes;
}

char *ml3_nn_copy_string(const char *s) {
  const size_t bytes = strlen(s) + 1;
  char *copy = malloc(bytes);
  return copy ? memcpy(copy, s, bytes) : NULL;
}

ml3_nn_shown ml3_nn_show(const char *text) {
  ml3_nn_shown s;
  snprintf(s.text, sizeof s.text, "%.80s%s", text, strlen(text) > 80 ? "..." : "");
  for (char *c = s.text; *c; c++)
    if ((unsigned char)*c < 32 || *c == 127) *c = '?';
  return s;
}

static bool reserve(ml3_nn_tensors *t) {
  if (t->count < t->capacity) return true;
  const int capacity = t->capacity ? 2 * t->capacity : 16;
  ml3_nn_tensor *list = realloc(t->list, (size_t)capacity * sizeof *list);
  if (list) t->list = list, t->capacity = capacity;
  return list != NULL;
}

int ml3_nn_tensors_append(ml3_nn_tensors *t, const char *name, ml3_nn_tensor x, const void *data, ml3_error *error) {
  x.data = copy_data(name, &x, data, error);
  if (!x.data) return ML3_ERR_MEMORY;

  x.name = ml3_nn_copy_string(name);
  if (!x.name || !reserve(t)) {
    free(x.name);
    free(x.data);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for one more tensor, '%s'", ml3_nn_show(name).text);
  }
  t->list[t->count++] = x;
  return ML3_OK;
}

/* ---- public ------------------------------------------------------------------------------------------ */

ml3_nn_tensors *ml3_nn_tensors_new(void) {
  ml3_nn_tensors *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->text = json_object();
  if (t->text) return t;
  free(t);
  return NULL;
}

void ml3_nn_tensors_free(ml3_nn_tensors *t) {
  if (!t) return;
  for (int i = 0; i < t->count; i++) {
    free(t->list[i].name);
    free(t->list[i].data);
  }
  free(t->list);
  free(t->source);
  json_decref(t->text);
  free(t);
}

int ml3_nn_tensors_put(ml3_nn_tensors *t, const char *name, int rows, int cols, const ml3_real *data,
                       ml3_error *error) {
  int code = check_name(name, error);
  if (code) return code;
  if (rows < 0 || cols < 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "tensor '%s' cannot have the shape %d x %d", ml3_nn_show(name).text,
                         rows, cols);

  ml3_nn_tensor x = {.type = sizeof(ml3_real) == 8 ? ML3_NN_F64 : ML3_NN_F32, .rank = rows ? 2 : 1};
  x.shape[0] = (size_t)(rows ? rows : cols);
  x.shape[1] = (size_t)(rows ? cols : 0);
  x.count = (size_t)(rows ? rows : 1) * (size_t)cols;
  return put(t, name, x, data, error);
}

/* A vector of that type. */
static int put_vector(ml3_nn_tensors *t, const char *name, ml3_nn_dtype type, int count, const void *data,
                      ml3_error *error) {
  int code = check_name(name, error);
  if (code) return code;
  if (count < 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "tensor '%s' cannot have %d entries", ml3_nn_show(name).text, count);

  const ml3_nn_tensor x = {.type = type, .rank = 1, .shape = {(size_t)count}, .count = (size_t)count};
  return put(t, name, x, data, error);
}

int ml3_nn_tensors_put_ints(ml3_nn_tensors *t, const char *name, int count, const int64_t *data, ml3_error *error) {
  return put_vector(t, name, ML3_NN_I64, count, data, error);
}

int ml3_nn_tensors_put_doubles(ml3_nn_tensors *t, const char *name, int count, const double *data, ml3_error *error) {
  return put_vector(t, name, ML3_NN_F64, count, data, error);
}

int ml3_nn_tensors_put_text(ml3_nn_tensors *t, const char *key, const char *value, ml3_error *error) {
  if (!is_utf8(key) || !is_utf8(value))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the text '%s' is not UTF-8 and cannot be stored",
                         ml3_nn_show(key).text);
  if (json_object_set_new(t->text, key, json_string(value)) != 0)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the text '%s'", ml3_nn_show(key).text);
  return ML3_OK;
}

/* The tensor of that name and number of entries, converted into data[size], or NULL with a sentence. */
static const ml3_nn_tensor *convert(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *data,
                                    ml3_error *error) {
  const ml3_nn_tensor *x = find_sized(t, name, size, error);
  if (x && x->type == ML3_NN_I64) {
    ml3_error_set(error, ML3_ERR_FORMAT,
                  "%s: tensor '%s' holds whole numbers (I64) where F64, F32, F16 or BF16 is expected", source_of(t),
                  ml3_nn_show(name).text);
    return NULL;
  }
  for (size_t i = 0; i < size && x; i++) data[i] = (ml3_real)entry(x, i);
  return x;
}

int ml3_nn_tensors_get_raw(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *data, ml3_error *error) {
  return convert(t, name, size, data, error) ? ML3_OK : ML3_ERR_FORMAT;
}

int ml3_nn_tensors_get(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *data, ml3_error *error) {
  const ml3_nn_tensor *x = convert(t, name, size, data, error);
  if (!x) return ML3_ERR_FORMAT;
  for (size_t i = 0; i < size; i++)
    if (!isfinite(data[i])) return tell_not_finite(t, x, i, error);
  return ML3_OK;
}

/* A vector of that type, as it is. */
static int get_vector(const ml3_nn_tensors *t, const char *name, ml3_nn_dtype type, int count, void *data,
                      ml3_error *error) {
  const ml3_nn_tensor *x = find_sized(t, name, count < 0 ? SIZE_MAX : (size_t)count, error);
  if (!x) return ML3_ERR_FORMAT;
  if (x->type != type)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s: tensor '%s' is %s where %s (%s) are expected", source_of(t),
                         ml3_nn_show(name).text, ml3_nn_dtype_name(x->type),
                         type == ML3_NN_I64 ? "whole numbers" : "doubles", ml3_nn_dtype_name(type));
  if (count) memcpy(data, x->data, (size_t)count * ml3_nn_dtype_bytes(type));
  return ML3_OK;
}

int ml3_nn_tensors_get_ints(const ml3_nn_tensors *t, const char *name, int count, int64_t *data, ml3_error *error) {
  return get_vector(t, name, ML3_NN_I64, count, data, error);
}

int ml3_nn_tensors_get_doubles(const ml3_nn_tensors *t, const char *name, int count, double *data, ml3_error *error) {
  int code = get_vector(t, name, ML3_NN_F64, count, data, error);
  for (int i = 0; i < count && !code; i++)
    if (!isfinite(data[i])) code = tell_not_finite(t, find(t, name), (size_t)i, error);
  return code;
}

const char *ml3_nn_tensors_text(const ml3_nn_tensors *t, const char *key) {
  return json_string_value(json_object_get(t->text, key));
}

size_t ml3_nn_tensors_size(const ml3_nn_tensors *t, const char *name) {
  const ml3_nn_tensor *x = find(t, name);
  return x ? x->count : 0;
}
