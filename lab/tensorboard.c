/* Event files: see tensorboard.h. A message is built from its innermost field outwards in a growing buffer. */
#define _POSIX_C_SOURCE 200809L
#include "lab/tensorboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

/* ---- checksums ------------------------------------------------------------------------------------------------ */

uint32_t ml3_lab_crc32c(const void *data, size_t size) {
  const unsigned char *at = data;
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; i++) {
    crc ^= at[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
  }
  return ~crc;
}

uint32_t ml3_lab_crc32c_masked(const void *data, size_t size) {
  const uint32_t crc = ml3_lab_crc32c(data, size);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* ---- protobuf --------------------------------------------------------------------------------------------------- */

typedef struct bytes {
  unsigned char *data;
  size_t size, room;
  int failed; /* out of memory: what is in it counts no more */
} bytes;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put(bytes *b, const void *data, size_t size) {
  if (b->size + size > b->room) {
    const size_t room = 2 * (b->size + size) + 64;
    unsigned char *grown = realloc(b->data, room);
    if (!grown) {
      b->failed = 1;
      return;
    }
    b->data = grown;
    b->room = room;
  }
  memcpy(b->data + b->size, data, size);
  b->size += size;
}

static void put_little_endian(bytes *b, uint64_t x, int size) {
  unsigned char out[8];
  for (int i = 0; i < size; i++) out[i] = (unsigned char)(x >> (8 * i));
  put(b, out, (size_t)size);
}

static void put_varint(bytes *b, uint64_t x) {
  unsigned char out[10];
  size_t n = 0;
  do {
    out[n++] = (unsigned char)((x & 127) | (x > 127 ? 128 : 0));
    x >>= 7;
  } while (x);
  put(b, out, n);
}

static void put_integer(bytes *b, int field, uint64_t x) {
  put_varint(b, (uint64_t)field << 3 | WIRE_VARINT);
  put_varint(b, x);
}

static void put_double(bytes *b, int field, double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  put_varint(b, (uint64_t)field << 3 | WIRE_64);
  put_little_endian(b, bits, 8);
}

static void put_float(bytes *b, int field, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  put_varint(b, (uint64_t)field << 3 | WIRE_32);
  put_little_endian(b, bits, 4);
}

static void put_bytes(bytes *b, int field, const void *data, size_t size) {
  put_varint(b, (uint64_t)field << 3 | WIRE_BYTES);
  put_varint(b, size);
  put(b, data, size);
}

static void put_text(bytes *b, int field, const char *text) {
  put_bytes(b, field, text, strlen(text));
}

/* A message as a field of another; the inner one is emptied. */
static void put_message(bytes *b, int field, bytes *inner) {
  put_bytes(b, field, inner->data, inner->size);
  b->failed |= inner->failed;
  inner->size = 0;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

/* Field numbers of event.proto, summary.proto and tensor.proto. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_TENSOR = 8, VALUE_METADATA = 9 };
enum { METADATA_PLUGIN = 1, METADATA_CLASS = 4, CLASS_TENSOR = 2, PLUGIN_NAME = 1 };
enum { TENSOR_TYPE = 1, TENSOR_SHAPE = 2, TENSOR_STRING = 8, TYPE_STRING = 7 };

struct ml3_lab_tensorboard {
  FILE *file;
  char path[1280];
  bytes event, outer, inner, innermost; /* a message under construction, by depth */
};

static double wall_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void begin_event(ml3_lab_tensorboard *t, int64_t step) {
  t->event.size = 0;
  t->event.failed = t->outer.failed = t->inner.failed = t->innermost.failed = 0;
  put_double(&t->event, EVENT_WALL_TIME, wall_time());
  if (step) put_integer(&t->event, EVENT_STEP, (uint64_t)step);
}

static int end_event(ml3_lab_tensorboard *t, ml3_error *error) {
  bytes *record = &t->outer, *event = &t->event;
  record->size = 0;
  put_little_endian(record, event->size, 8);
  if (!record->failed) put_little_endian(record, ml3_lab_crc32c_masked(record->data, 8), 4);
  put(record, event->data, event->size);
  put_little_endian(record, ml3_lab_crc32c_masked(event->data, event->size), 4);
  if (event->failed || record->failed)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a record of '%s'", t->path);
  if (fwrite(record->data, 1, record->size, t->file) != record->size)
    return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", t->path, strerror(errno));
  return ML3_OK;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static FILE *make_file(const char *folder, char *path, size_t size) {
  long long now = (long long)time(NULL);
  for (int tries = 0; tries < 1000; tries++, now++) { /* two in one second: the later one sorts behind the earlier */
    snprintf(path, size, "%.1000s/events.out.tfevents.%010lld.ml3", folder, now);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd >= 0) return fdopen(fd, "wb");
    if (errno != EEXIST) break;
  }
  return NULL;
}

/* ---- going on with a file ------------------------------------------------------------------------------------------ */

static uint64_t little_endian(const unsigned char *at, int size) {
  uint64_t x = 0;
  for (int i = size; i-- > 0;) x = x << 8 | at[i];
  return x;
}

/* The step of an event as begin_event has begun it; 0 where none is said. */
static int64_t step_of(const unsigned char *event, size_t size) {
  const size_t at = 9; /* behind the wall time */
  uint64_t step = 0;
  if (size <= at || event[at] != (EVENT_STEP << 3 | WIRE_VARINT)) return 0;
  for (size_t i = at + 1, shift = 0; i < size && shift < 63; i++, shift += 7) {
    step |= (uint64_t)(event[i] & 127) << shift;
    if (!(event[i] & 128)) break;
  }
  return (int64_t)step;
}

/* How much of an event file is to stay: its whole records up to the first of a step beyond `keep`. */
static size_t size_to_keep(const unsigned char *data, size_t size, int64_t keep) {
  size_t at = 0;
  while (size - at >= 16) {
    const uint64_t length = little_endian(data + at, 8);
    if (length > size - at - 16 || little_endian(data + at + 8, 4) != ml3_lab_crc32c_masked(data + at, 8)) break;
    if (step_of(data + at + 12, (size_t)length) > keep) break;
    at += (size_t)length + 16;
  }
  return at;
}

static bool is_event_file(const char *name) {
  const size_t n = strlen(name);
  return strncmp(name, "events.out.tfevents.", 20) == 0 && n > 4 && strcmp(name + n - 4, ".ml3") == 0;
}

bool ml3_lab_tensorboard_find(const char *folder, char *path, size_t size) {
  char name[256] = "";
  DIR *dir = opendir(folder);
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
    if (is_event_file(e->d_name) && strcmp(e->d_name, name) > 0) snprintf(name, sizeof name, "%s", e->d_name);
  if (dir) closedir(dir);
  snprintf(path, size, "%.1000s/%s", folder, name);
  return name[0] != '\0';
}

/* The newest event file, cut back to `keep` and open for more; NULL when there is none that goes on. */
static FILE *reopen(const char *folder, int64_t keep, char *path, size_t size) {
  size_t bytes;
  if (!ml3_lab_tensorboard_find(folder, path, size)) return NULL;
  char *data = ml3_file_read(path, (size_t)1 << 31, &bytes, NULL);
  const size_t kept = data ? size_to_keep((const unsigned char *)data, bytes, keep) : 0;
  free(data);
  if (kept == 0 || truncate(path, (off_t)kept) != 0) return NULL;
  return fopen(path, "ab");
}

ml3_lab_tensorboard *ml3_lab_tensorboard_open(const char *folder, int64_t keep, bool *goes_on, ml3_error *error) {
  ml3_lab_tensorboard *t = calloc(1, sizeof *t);
  if (!t) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an event file");
    return NULL;
  }
  t->file = keep > 0 ? reopen(folder, keep, t->path, sizeof t->path) : NULL;
  *goes_on = t->file != NULL;
  if (t->file) return t;
  if (!(t->file = make_file(folder, t->path, sizeof t->path))) {
    ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", t->path, strerror(errno));
    free(t);
    return NULL;
  }
  begin_event(t, 0);
  put_text(&t->event, EVENT_FILE_VERSION, "brain.Event:2");
  if (end_event(t, error) == ML3_OK) return t;
  ml3_lab_tensorboard_close(t);
  return NULL;
}

int ml3_lab_tensorboard_scalars(ml3_lab_tensorboard *t, int64_t step, const char *const *names, const double *values,
                                int count, ml3_error *error) {
  begin_event(t, step);
  t->outer.size = t->inner.size = 0;
  for (int i = 0; i < count; i++) {
    if (!isfinite(values[i])) continue;
    put_text(&t->inner, VALUE_TAG, names[i]);
    put_float(&t->inner, VALUE_SIMPLE, (float)values[i]);
    put_message(&t->outer, SUMMARY_VALUE, &t->inner);
  }
  put_message(&t->event, EVENT_SUMMARY, &t->outer);
  return end_event(t, error);
}

int ml3_lab_tensorboard_text(ml3_lab_tensorboard *t, const char *name, const char *text, ml3_error *error) {
  begin_event(t, 0);
  bytes *value = &t->outer, *part = &t->inner, *deep = &t->innermost;
  value->size = part->size = deep->size = 0;
  put_text(value, VALUE_TAG, name);

  put_integer(part, TENSOR_TYPE, TYPE_STRING);
  put_bytes(part, TENSOR_SHAPE, "", 0); /* a single text */
  put_text(part, TENSOR_STRING, text);
  put_message(value, VALUE_TENSOR, part);

  put_text(deep, PLUGIN_NAME, "text");
  put_message(part, METADATA_PLUGIN, deep);
  put_integer(part, METADATA_CLASS, CLASS_TENSOR);
  put_message(value, VALUE_METADATA, part);

  put_message(part, SUMMARY_VALUE, value);
  put_message(&t->event, EVENT_SUMMARY, part);
  return end_event(t, error);
}

int ml3_lab_tensorboard_flush(ml3_lab_tensorboard *t, ml3_error *error) {
  if (fflush(t->file) == 0 && fsync(fileno(t->file)) == 0) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", t->path, strerror(errno));
}

void ml3_lab_tensorboard_close(ml3_lab_tensorboard *t) {
  if (!t) return;
  fclose(t->file);
  free(t->event.data);
  free(t->outer.data);
  free(t->inner.data);
  free(t->innermost.data);
  free(t);
}
