/* HDF5 is trusted with files of others only as far as a process of its own: releases up to 1.10 at least write beyond
   buffers where an old file's sizes are damaged (tests/data/damaged_*.hdf5, found by fuzzing). A child reads the whole file
   first; what kills or hangs the child is refused. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envs/dataset_internal.h"

/* A core file or HDF5's last words would help nobody; a minute, and a second more a megabyte, is enough for any file. */
static void restrain(const char *path) {
  struct stat info = {0};
  stat(path, &info);
  const rlim_t seconds = 60 + (rlim_t)(info.st_size >> 20);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
  const int nowhere = open("/dev/null", O_WRONLY);
  if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO), dup2(nowhere, STDERR_FILENO);
}

static int verdict(const char *path, int status, ml3_error *error) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ML3_OK;
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
    return ml3_error_set(error, ML3_ERR_INTERRUPTED, "'%s': stopped while it was read", path);
  const bool slow = WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
  return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is damaged: HDF5 %s; copy or make it anew", path,
                       slow ? "comes to no end in it" : "crashes on it");
}

int ml3_dataset_try(const char *path, void (*read)(void *user), void *user, ml3_error *error) {
  ml3_h5_turn turn;
  ml3_h5_enter(&turn); /* no other thread may be within HDF5 when the child is made */
  const pid_t child = fork();
  ml3_h5_leave(&turn);
  if (child < 0)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "'%s' cannot be tried in a process of its own: %s", path,
                         strerror(errno));
  if (child == 0) {
    restrain(path);
    read(user);
    _exit(0);
  }
  int status;
  pid_t ended;
  while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {}
  return ended == child ? verdict(path, status, error) : ML3_OK; /* where SIGCHLD is ignored there is no status */
}
