/* Files that are written whole or not at all: to a temporary file beside the target, flushed to the
   disk, then renamed over it. A target that is there and no file, such as /dev/stdout, is written to as it is. */
#ifndef ML3_BASE_FILE_H
#define ML3_BASE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file that is being written, under another name until it is whole. */
typedef struct ml3_file {
  FILE *stream;             /* write here */
  char path[1024];          /* the target */
  char temporary[1024 + 16]; /* PATH.tmp-XXXXXX, in the same folder; a killed process leaves it behind. "": none */
} ml3_file;

/* Opens a temporary file for path. After success call exactly one of commit and abandon. */
int ml3_file_create(ml3_file *f, const char *path, ml3_error *error);

/* Flushes, syncs file and folder, and renames to the target. On failure the target is as it was. */
int ml3_file_commit(ml3_file *f, ml3_error *error);

/* The same, and what was the target is kept as `previous`: whenever the machine stops, one of the two is whole. */
int ml3_file_commit_keeping(ml3_file *f, const char *previous, ml3_error *error);

/* Closes and removes the temporary file. */
void ml3_file_abandon(ml3_file *f);

/* The whole file in a new buffer (caller frees), NUL-terminated beyond size. NULL with a message when
   it cannot be read or is larger than limit bytes. */
char *ml3_file_read(const char *path, size_t limit, size_t *size, ml3_error *error);

/* Whether a file that a user has named may be written: an error where it exists and not `force`, with the option that names
   another. path NULL, devices and pipes: it may; of folders their writers know more. */
int ml3_file_may_write(const char *path, const char *option, bool force, ml3_error *error);

/* Does the path end in that, with something before it: ml3_file_ends_in("a.png", ".png")? */
bool ml3_file_ends_in(const char *path, const char *ending);

/* Makes the folders above the last part of a path, as far as they are missing. */
int ml3_file_make_parents(const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
