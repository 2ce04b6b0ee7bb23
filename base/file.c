/* Atomic writing and bounded reading: see file.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Something that cannot be replaced by a file, such as /dev/stdout or a named pipe? */
static bool is_special(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

int ml3_file_create(ml3_file *f, const char *path, ml3_error *error) {
  *f = (ml3_file){0};
  if (strlen(path) >= sizeof f->path)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s...' is longer than %d characters", path,
                         (int)sizeof f->path - 1);
  snprintf(f->path, sizeof f->path, "%s", path);
  if (is_special(path)) {
    f->stream = fopen(path, "wb");
    return f->stream ? ML3_OK : ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
  }
  snprintf(f->temporary, sizeof f->temporary, "%s.tmp-XXXXXX", path);

  int fd = mkstemp(f->temporary);
  if (fd < 0)
    return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s; choose a folder you may write to", path,
                         strerror(errno));
  fchmod(fd, 0644);
  f->stream = fdopen(fd, "wb");
  if (!f->stream) {
    close(fd);
    unlink(f->temporary);
    return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
  }
  return ML3_OK;
}

/* The folder's entry for the file on the disk too. Not every file system can; what it cannot is no error. */
static void sync_folder(const char *path) {
  char folder[1024];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
  int fd = open(folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

/* Of an earlier write that failed the stream does not keep the reason: another one tells. (The file is to be removed.) */
static int why(FILE *stream) {
  static const char block[4096];
  return write(fileno(stream), block, sizeof block) < 0 ? errno : EIO;
}

/* All written and on the disk? 0, or the first reason why not. */
static int close_synced(FILE *stream) {
  int reason = ferror(stream) ? why(stream) : 0;
  if (fflush(stream) != 0 && !reason) reason = errno;
  if (fsync(fileno(stream)) != 0 && !reason) reason = errno;
  if (fclose(stream) != 0 && !reason) reason = errno;
  return reason;
}

/* The target under the name `previous` as well; at no moment is there neither. Without hard links it is moved. */
static int keep_target(const ml3_file *f, const char *previous) {
  char link_name[sizeof f->temporary + 1];
  snprintf(link_name, sizeof link_name, "%s~", f->temporary);
  if (access(f->path, F_OK) != 0) return 0;
  if (link(f->path, link_name) != 0) return rename(f->path, previous) == 0 ? 0 : errno;
  if (rename(link_name, previous) == 0) {
    unlink(link_name); /* still there when both names were of one file */
    return 0;
  }
  int reason = errno;
  unlink(link_name);
  return reason;
}

/* What was written to something special is there already. */
static int close_special(ml3_file *f, ml3_error *error) {
  int reason = ferror(f->stream) ? why(f->stream) : 0;
  if (fclose(f->stream) != 0 && !reason) reason = errno;
  f->stream = NULL;
  return reason ? ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", f->path, strerror(reason)) : ML3_OK;
}

int ml3_file_commit_keeping(ml3_file *f, const char *previous, ml3_error *error) {
  if (!f->temporary[0]) return close_special(f, error);
  int reason = close_synced(f->stream);
  f->stream = NULL;
  if (!reason && previous) reason = keep_target(f, previous);
  if (!reason && rename(f->temporary, f->path) != 0) reason = errno;
  if (!reason) {
    sync_folder(f->path);
    return ML3_OK;
  }
  unlink(f->temporary);
  return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s; the file is as it was before", f->path,
                       strerror(reason));
}

int ml3_file_commit(ml3_file *f, ml3_error *error) {
  return ml3_file_commit_keeping(f, NULL, error);
}

void ml3_file_abandon(ml3_file *f) {
  if (!f->stream) return;
  fclose(f->stream);
  if (f->temporary[0]) unlink(f->temporary);
  f->stream = NULL;
}

/* Reads all of an open file whose size is known. */
static char *read_open(FILE *in, const char *path, size_t limit, size_t *size, ml3_error *error) {
  struct stat info;
  if (fstat(fileno(in), &info) != 0 || !S_ISREG(info.st_mode)) {
    ml3_error_set(error, ML3_ERR_IO, "cannot read '%s': it is not a regular file", path);
    return NULL;
  }
  if ((unsigned long long)info.st_size > limit) {
    ml3_error_set(error, ML3_ERR_FORMAT, "'%s' has %lld bytes; at most %zu are read", path, (long long)info.st_size,
                  limit);
    return NULL;
  }

  char *text = malloc((size_t)info.st_size + 1);
  if (!text) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory to read '%s'", path);
    return NULL;
  }
  *size = fread(text, 1, (size_t)info.st_size, in);
  if (ferror(in)) {
    ml3_error_set(error, ML3_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    free(text);
    return NULL;
  }
  text[*size] = '\0';
  return text;
}

char *ml3_file_read(const char *path, size_t limit, size_t *size, ml3_error *error) {
  FILE *in = fopen(path, "rb");
  if (!in) {
    ml3_error_set(error, ML3_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    return NULL;
  }
  char *text = read_open(in, path, limit, size, error);
  fclose(in);
  return text;
}

int ml3_file_may_write(const char *path, const char *option, bool force, ml3_error *error) {
  struct stat info;
  if (!path || force || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_IO, "'%s' exists already; choose another %s, or --force", path, option);
}

int ml3_file_make_parents(const char *path, ml3_error *error) {
  char folder[1024];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--; /* of a folder's name */
  for (const char *slash = strchr(path + 1, '/'); slash && slash < path + length; slash = strchr(slash + 1, '/')) {
    if (slash - path >= (ptrdiff_t)sizeof folder)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.200s' is too long", path);
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
      return ml3_error_set(error, ML3_ERR_IO, "cannot make the folder '%s': %s", folder, strerror(errno));
  }
  return ML3_OK;
}

bool ml3_file_ends_in(const char *path, const char *ending) {
  const size_t n = strlen(path), k = strlen(ending);
  return n > k && strcmp(path + n - k, ending) == 0;
}
