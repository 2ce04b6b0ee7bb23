/* Files that are not written over: see output.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/output.h"

#include <sys/stat.h>

int cli_output_check(const char *path, const char *option, int force, ml3_error *error) {
  struct stat info;
  if (!path || force || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_IO, "'%s' exists already; choose another %s, or --force", path, option);
}
