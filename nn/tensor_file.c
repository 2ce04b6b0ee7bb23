/* Files of the safetensors format:

     8 bytes    N, the header's length, little-endian
     N bytes    JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
                "__metadata__": {"key": "text", ...}}, padded with spaces so that the data are 8-aligned
     the rest   the tensors' numbers, little-endian, back to back without holes

   The format's rules are those of its own reader (github.com/huggingface/safetensors, README). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "nn/tensors_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor files are written as they lie in memory");

enum { PREFIX = 8 };
static const size_t max_header = (size_t)100 << 20; /* the format's own limit */
static const size_t max_file = (size_t)2 << 30;

/* ---- writing ----------------------------------------------------------------------------------------- */

static json_t *describe(const ml3_nn_tensor *x, size_t begin) {
  json_t *shape = json_array();
  for (int i = 0; i < x->rank; i++) json_array_append_new(shape, json_integer((json_int_t)x->shape[i]));
  const json_int_t end = (json_int_t)(begin + x->count * ml3_nn_dtype_bytes(x->type));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", ml3_nn_dtype_name(x->type), "shape", shape,
                   "data_offsets", (json_int_t)begin, end);
}

/* The header's JSON text (caller frees), or NULL when out of memory. */
static char *header_text(const ml3_nn_tensors *t) {
  json_t *header = json_object();
  bool failed = !header;
  size_t at = 0;

  if (json_object_size(t->text) > 0) failed |= json_object_set(header, ml3_nn_metadata_key, t->text) != 0;
  for (ml3_nn_dtype type = 0; type < ML3_NN_DTYPES; type++)
    for (int i = 0; i < t->count; i++) {
      const ml3_nn_tensor *x = &t->list[i];
      if (x->type != type) continue;
      failed |= json_object_set_new(header, x->name, describe(x, at)) != 0;
      at += x->count * ml3_nn_dtype_bytes(type);
    }

  char *text = failed ? NULL : json_dumps(header, JSON_COMPACT);
  json_decref(header);
  return text;
}

/* Short writes stay marked in the stream, and commit sees them. */
static void write_all(const ml3_nn_tensors *t, const char *header, FILE *out) {
  const size_t length = strlen(header), padded = (length + 7) / 8 * 8;
  const uint64_t prefix = padded;

  fwrite(&prefix, 1, PREFIX, out);
  fprintf(out, "%s%*s", header, (int)(padded - length), "");
  for (ml3_nn_dtype type = 0; type < ML3_NN_DTYPES; type++)
    for (int i = 0; i < t->count; i++)
      if (t->list[i].type == type) fwrite(t->list[i].data, ml3_nn_dtype_bytes(type), t->list[i].count, out);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* What is read, and where complaints go. */
typedef struct reader {
  const char *path;
  const char *data; /* after the header */
  size_t data_bytes;
  ml3_error *error;
} reader;

/* A tensor's place among the data, to check that they lie back to back. */
typedef struct span {
  size_t begin, end;
  const char *name;
} span;

__attribute__((format(printf, 2, 3))) static int complain(const reader *r, const char *format, ...) {
  char reason[420];
  va_list args;
  va_start(args, format);
  vsnprintf(reason, sizeof reason, format, args);
  va_end(args);
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "'%.150s' cannot be read as a safetensors file: %s", r->path,
                       reason);
}

static int read_dtype(const reader *r, const char *name, const json_t *entry, ml3_nn_dtype *type) {
  const char *word = json_string_value(json_object_get(entry, "dtype"));
  if (!word) return complain(r, "tensor '%s' has no dtype", ml3_nn_show(name).text);

  for (*type = 0; *type < ML3_NN_DTYPES; ++*type)
    if (strcmp(word, ml3_nn_dtype_name(*type)) == 0) return ML3_OK;
  return complain(r, "tensor '%s' has dtype '%s'; F64, F32, F16, BF16 and I64 are known", ml3_nn_show(name).text,
                  ml3_nn_show(word).text);
}

static int read_shape(const reader *r, const char *name, const json_t *entry, ml3_nn_tensor *x) {
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape) || json_array_size(shape) > ML3_NN_MAX_RANK)
    return complain(r, "tensor '%s' has no shape of at most %d dimensions", ml3_nn_show(name).text,
                    ML3_NN_MAX_RANK);

  x->rank = (int)json_array_size(shape);
  x->count = 1;
  for (int i = 0; i < x->rank; i++) {
    const json_t *size = json_array_get(shape, (size_t)i);
    const json_int_t n = json_integer_value(size);
    if (!json_is_integer(size) || n < 0)
      return complain(r, "dimension %d of tensor '%s' is not a whole number of at least 0", i,
                      ml3_nn_show(name).text);
    if (n > 0 && x->count > max_file / (size_t)n)
      return complain(r, "the shape of tensor '%s' has more entries than any file", ml3_nn_show(name).text);
    x->shape[i] = (size_t)n;
    x->count *= (size_t)n;
  }
  return ML3_OK;
}

static int read_span(const reader *r, const char *name, const json_t *entry, const ml3_nn_tensor *x,
                     span *place) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
    return complain(r, "tensor '%s' has no data_offsets of two whole numbers", ml3_nn_show(name).text);

  const json_int_t begin = json_integer_value(first), end = json_integer_value(last);
  if (begin < 0 || end < begin || (uint64_t)end > r->data_bytes)
    return complain(r,
                    "tensor '%s' lies at bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
                    " of %zu bytes of data; the file is truncated or damaged",
                    ml3_nn_show(name).text, begin, end, r->data_bytes);
  const size_t bytes = x->count * ml3_nn_dtype_bytes(x->type);
  if ((size_t)(end - begin) != bytes)
    return complain(r, "tensor '%s' has %zu bytes of data where its shape needs %zu", ml3_nn_show(name).text,
                    (size_t)(end - begin), bytes);
  *place = (span){.begin = (size_t)begin, .end = (size_t)end, .name = name};
  return ML3_OK;
}

static int read_tensor(const reader *r, const char *name, const json_t *entry, ml3_nn_tensors *t,
                       span *place) {
  ml3_nn_tensor x = {0};
  int code = 0;
  if (!json_is_object(entry))
    return complain(r, "the header's entry '%s' is not an object", ml3_nn_show(name).text);
  if ((code = read_dtype(r, name, entry, &x.type))) return code;
  if ((code = read_shape(r, name, entry, &x))) return code;
  if ((code = read_span(r, name, entry, &x, place))) return code;
  return ml3_nn_tensors_append(t, name, x, r->data + place->begin, r->error);
}

static int read_metadata(const reader *r, const json_t *entry, ml3_nn_tensors *t) {
  const char *key;
  json_t *value;
  if (!json_is_object(entry)) return complain(r, "its %s is not an object", ml3_nn_metadata_key);

  json_object_foreach((json_t *)entry, key, value) {
    if (!json_is_string(value))
      return complain(r, "entry '%s' of its %s is not text", ml3_nn_show(key).text, ml3_nn_metadata_key);
    if (json_object_set(t->text, key, value) != 0)
      return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory to read '%s'", r->path);
  }
  return ML3_OK;
}

static int compare_spans(const void *a, const void *b) {
  const span *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* No overlap, no hole, nothing after the last. */
static int check_spans(const reader *r, span *spans, size_t count) {
  size_t at = 0;
  qsort(spans, count, sizeof *spans, compare_spans);
  for (size_t i = 0; i < count; i++) {
    if (spans[i].begin != at)
      return complain(r, "tensor '%s' begins at byte %zu, %s the tensor before it ends (%zu)",
                      ml3_nn_show(spans[i].name).text, spans[i].begin,
                      spans[i].begin < at ? "before" : "after", at);
    at = spans[i].end;
  }
  if (at != r->data_bytes)
    return complain(r, "it has %zu bytes of data, but its tensors end at %zu", r->data_bytes, at);
  return ML3_OK;
}

static int read_header(const reader *r, json_t *header, ml3_nn_tensors *t) {
  span *spans = calloc(json_object_size(header) + 1, sizeof *spans);
  if (!spans) return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory to read '%s'", r->path);

  const char *name;
  json_t *entry;
  size_t count = 0;
  int code = ML3_OK;
  json_object_foreach(header, name, entry) {
    if (strcmp(name, ml3_nn_metadata_key) == 0)
      code = read_metadata(r, entry, t);
    else
      code = read_tensor(r, name, entry, t, &spans[count++]);
    if (code) break;
  }
  if (!code) code = check_spans(r, spans, count);
  free(spans);
  return code;
}

static int read_all(const char *path, const char *bytes, size_t size, ml3_nn_tensors *t, ml3_error *error) {
  reader r = {.path = path, .error = error};
  if (size < PREFIX)
    return complain(&r, "it has %zu bytes, fewer than the %d before any header", size, PREFIX);

  uint64_t length;
  memcpy(&length, bytes, PREFIX);
  if (length < 2 || length > max_header)
    return complain(&r, "its header would have %" PRIu64 " bytes; it is some other kind of file, or damaged",
                    length);
  if (length > size - PREFIX)
    return complain(&r, "it ends within the header, at %zu of %" PRIu64 " bytes; it is truncated",
                    size - PREFIX, length);
  r.data = bytes + PREFIX + length;
  r.data_bytes = size - PREFIX - (size_t)length;

  json_error_t where;
  const char *text = bytes + PREFIX;
  json_t *header = text[0] == '{' ? json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &where) : NULL;
  if (!header && text[0] == '{')
    return complain(&r, "its header is not valid JSON: %s", ml3_nn_show(where.text).text);
  if (!header)
    return complain(&r, "its header is not JSON (it begins with byte %d, not '{')", (unsigned char)text[0]);

  int code = read_header(&r, header, t);
  json_decref(header);
  return code;
}

/* ---- public ------------------------------------------------------------------------------------------ */

int ml3_nn_tensors_write(const ml3_nn_tensors *t, const char *path, const char *previous, ml3_error *error) {
  char *header = header_text(t);
  if (!header) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to write '%s'", path);

  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (!code) {
    write_all(t, header, file.stream);
    code = ml3_file_commit_keeping(&file, previous, error);
  }
  free(header);
  return code;
}

int ml3_nn_tensors_save(const ml3_nn_tensors *t, const char *path, ml3_error *error) {
  return ml3_nn_tensors_write(t, path, NULL, error);
}

ml3_nn_tensors *ml3_nn_tensors_load(const char *path, ml3_error *error) {
  size_t size;
  char *bytes = ml3_file_read(path, max_file, &size, error);
  if (!bytes) return NULL;

  ml3_nn_tensors *t = ml3_nn_tensors_new();
  if (t) t->source = ml3_nn_copy_string(path);
  int code = ML3_ERR_MEMORY;
  if (!t || !t->source)
    ml3_error_set(error, code, "no memory to read '%s'", path);
  else
    code = read_all(path, bytes, size, t, error);
  free(bytes);
  if (!code) return t;
  ml3_nn_tensors_free(t);
  return NULL;
}
