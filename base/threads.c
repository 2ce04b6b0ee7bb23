/* See threads.h. What OpenMP's library keeps of its threads is copied by fork(), the threads are not: GNU's hangs in the
   child's first region of more than one thread. The child therefore works alone. */
#define _DEFAULT_SOURCE
#include "base/threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Written by fork() alone, in a process that has one thread then. */
static volatile bool alone, had_threads;

/* A folder has a link more for each folder in it; without /proc there may have been threads. */
static void before_fork(void) {
  struct stat tasks;
  had_threads = stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 3;
}

static void in_child(void) {
  alone = alone || had_threads;
}

/* When the library is loaded: whoever forks may never have called it. */
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(before_fork, NULL, in_child);
}

int ml3_threads(int asked) {
  if (alone) return 1;
  return asked > 0 ? asked : omp_get_max_threads();
}
