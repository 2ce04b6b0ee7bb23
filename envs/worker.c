/* Worker processes over shared memory: see worker_internal.h. */
#define _GNU_SOURCE
#include "envs/worker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { HEADER = 65536, RING = 4096, TEXT = 32768 };

typedef struct header {
  uint32_t version;
  _Atomic uint32_t ready; /* 1: the description is there; 2: it is an error */
  _Atomic uint32_t bell;  /* slots that were put into the ring */
  uint32_t slot_size, capacity, obs, goal, action;
  uint32_t unused[8];
  uint32_t ring[RING];
  char text[TEXT];
} header;
_Static_assert(sizeof(header) <= HEADER && offsetof(header, ring) == 64, "worker.py has this layout");
_Static_assert(offsetof(ml3_worker_slot, numbers) == 560, "worker.py has this layout");

struct ml3_worker {
  pid_t pid;
  int memory, words, picture, pipe; /* file descriptors: shared memory, its stderr, what it draws, the pipe's end */
  header *shared;
  size_t size;
  double timeout_s;
  unsigned char *drawn;
  pthread_mutex_t lock; /* for all below */
  atomic_bool dead;
  int used;
  bool taken[ML3_WORKER_CAPACITY];
  uint32_t asked[ML3_WORKER_CAPACITY]; /* commands, as `done` counts answers */
};

extern const char ml3_worker_py[]; /* cmake/embed.cmake */

static void futex_wake(_Atomic uint32_t *at) {
  syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_wait(_Atomic uint32_t *at, uint32_t while_it_is) {
  const struct timespec most = {.tv_nsec = 20000000}; /* then a look whether there still is somebody to wait for */
  syscall(SYS_futex, at, FUTEX_WAIT, while_it_is, &most, NULL, 0);
}

/* ---- what became of it ------------------------------------------------------------------------------------------ */

/* The end of what it wrote to stderr. */
static void read_words(const ml3_worker *w, char *text, size_t size) {
  const off_t end = lseek(w->words, 0, SEEK_END), begin = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
  const ssize_t n = end > 0 ? pread(w->words, text, (size_t)(end - begin), begin) : 0;
  text[n > 0 ? n : 0] = '\0';
}

/* The last line that is not empty. */
static const char *last_line(char *text) {
  size_t n = strlen(text);
  while (n && (text[n - 1] == '\n' || text[n - 1] == ' ')) text[--n] = '\0';
  const char *line = strrchr(text, '\n');
  return line ? line + 1 : text;
}

/* Has the process ended? Then how it did. */
static bool has_ended(ml3_worker *w, char *how, size_t size) {
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) return false;
  char words[2048];
  read_words(w, words, sizeof words);
  const char *line = last_line(words);
  if (info.si_code == CLD_EXITED)
    snprintf(how, size, "the worker process ended (exit code %d)%s%.300s", info.si_status,
             *line ? "; its last words: " : "", line);
  else
    snprintf(how, size, "the worker process was ended by signal %d (%s)%s%.300s", info.si_status,
             strsignal(info.si_status), *line ? "; its last words: " : "", line);
  return true;
}

/* Where the environment hangs: the worker writes its stack to stderr when it is asked by a signal. */
static void ask_where(ml3_worker *w, char *where, size_t size) {
  char words[4096], *at = NULL;
  read_words(w, words, sizeof words);
  const size_t before = strlen(words);
  kill(w->pid, SIGUSR1);
  for (int i = 0; i < 50 && !at; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    read_words(w, words, sizeof words);
    at = strlen(words) > before || before == sizeof words - 1 ? strstr(words, "File \"") : NULL;
  }
  snprintf(where, size, "%s%.200s", at ? "; it was in " : "", at ? strtok(at, "\n") : "");
}

static void stop(ml3_worker *w) {
  atomic_store(&w->dead, true);
  kill(w->pid, SIGKILL);
}

/* Waits until the number is another one; false with a line where that will not be. */
static bool wait_for(ml3_worker *w, _Atomic uint32_t *at, uint32_t old, double timeout_s, char *error, size_t size) {
  const double begun = ml3_clock_s();
  for (;;) {
    futex_wait(at, old);
    if (atomic_load_explicit(at, memory_order_acquire) != old) return true;
    if (atomic_load(&w->dead) || has_ended(w, error, size)) break;
    if (ml3_clock_s() - begun < timeout_s) continue;
    char where[300];
    ask_where(w, where, sizeof where);
    snprintf(error, size, "no answer within %g s (env.timeout_s), and the worker process was stopped%s", timeout_s,
             where);
    stop(w);
    return false;
  }
  if (atomic_exchange(&w->dead, true) && !*error) snprintf(error, size, "the worker process is gone");
  return false;
}

/* ---- starting --------------------------------------------------------------------------------------------------- */

static const char *interpreter(void) {
  const char *named = getenv("ML3_PYTHON");
  return named && *named ? named : "python3";
}

/* Out of the way of the numbers that the child has them by. */
static int raise_fd(int fd) {
  if (fd < 0) return fd;
  const int raised = fcntl(fd, F_DUPFD_CLOEXEC, 10);
  close(fd);
  return raised;
}

enum { CHILD_MEMORY = 3, CHILD_PIPE = 4, CHILD_PICTURE = 5 };

static int spawn(ml3_worker *w, int pipe_end, const char *id, const char *kwargs) {
  extern char **environ;
  char memory[16], pipe_number[16];
  snprintf(memory, sizeof memory, "%d", CHILD_MEMORY);
  snprintf(pipe_number, sizeof pipe_number, "%d", CHILD_PIPE);
  char *const arguments[] = {(char *)interpreter(), "-c",       (char *)ml3_worker_py, memory,
                             pipe_number,           (char *)id, (char *)kwargs,        NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, w->words, 2);
  posix_spawn_file_actions_adddup2(&actions, w->memory, CHILD_MEMORY);
  posix_spawn_file_actions_adddup2(&actions, pipe_end, CHILD_PIPE);
  posix_spawn_file_actions_adddup2(&actions, w->picture, CHILD_PICTURE);
  const int code = posix_spawnp(&w->pid, interpreter(), &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

static int map(ml3_worker *w, size_t size) {
  if (ftruncate(w->memory, (off_t)size) != 0) return -1;
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, w->memory, 0);
  if (at == MAP_FAILED) return -1;
  if (w->shared) munmap(w->shared, w->size);
  w->shared = at;
  w->size = size;
  return 0;
}

static int start(ml3_worker *w, const char *id, const char *kwargs, ml3_error *error) {
  int ends[2] = {-1, -1};
  w->memory = raise_fd(memfd_create("ml3-worker", MFD_CLOEXEC));
  w->words = raise_fd(memfd_create("ml3-worker-stderr", MFD_CLOEXEC));
  w->picture = raise_fd(memfd_create("ml3-worker-picture", MFD_CLOEXEC));
  if (w->memory < 0 || w->words < 0 || w->picture < 0 || pipe2(ends, O_CLOEXEC) != 0 || map(w, HEADER) != 0)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "no shared memory for a worker process: %s", strerror(errno));
  ends[0] = raise_fd(ends[0]);
  w->pipe = raise_fd(ends[1]);
  fcntl(w->words, F_SETFL, O_APPEND);
  const int reason = spawn(w, ends[0], id, kwargs);
  close(ends[0]);
  if (reason == 0) return ML3_OK;
  w->pid = 0;
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                       "'%.200s' cannot be started: %s; name a Python with gymnasium in ML3_PYTHON", interpreter(),
                       strerror(reason));
}

ml3_worker *ml3_worker_new(const char *id, const char *kwargs, double timeout_s, ml3_error *error) {
  static const double IMPORTS_S = 120;
  char why[ML3_WORKER_ERROR] = "";
  ml3_worker *w = calloc(1, sizeof *w);
  if (!w) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a worker process"), NULL;
  *w = (ml3_worker){.memory = -1, .words = -1, .picture = -1, .pipe = -1, .timeout_s = timeout_s};
  pthread_mutex_init(&w->lock, NULL);
  int code = start(w, id, kwargs, error);
  if (code == ML3_OK &&
      !wait_for(w, &w->shared->ready, 0, timeout_s > IMPORTS_S ? timeout_s : IMPORTS_S, why, sizeof why))
    code = ml3_error_set(error, ML3_ERR_UNAVAILABLE, "%.300s: %s", interpreter(), why);
  if (code == ML3_OK) return w;
  ml3_worker_free(w);
  return NULL;
}

void ml3_worker_free(ml3_worker *w) {
  if (!w) return;
  if (w->pipe >= 0) close(w->pipe);
  if (w->pid > 0) {
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
  }
  if (w->shared) munmap(w->shared, w->size);
  if (w->memory >= 0) close(w->memory);
  if (w->words >= 0) close(w->words);
  if (w->picture >= 0) close(w->picture);
  free(w->drawn);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

const char *ml3_worker_description(const ml3_worker *w) {
  return w->shared->text;
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

int ml3_worker_make_slots(ml3_worker *w, int obs_dim, int goal_dim, int action_dim, ml3_error *error) {
  const size_t numbers = (size_t)obs_dim + (size_t)goal_dim + (size_t)action_dim;
  const size_t size = (sizeof(ml3_worker_slot) + numbers * sizeof(double) + 63) / 64 * 64;
  if (map(w, HEADER + ML3_WORKER_CAPACITY * size) != 0)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no shared memory for environments of %zu numbers: %s", numbers,
                         strerror(errno));
  w->shared->slot_size = (uint32_t)size, w->shared->capacity = ML3_WORKER_CAPACITY;
  w->shared->obs = (uint32_t)obs_dim, w->shared->goal = (uint32_t)goal_dim, w->shared->action = (uint32_t)action_dim;
  return ML3_OK;
}

static int number_of(const ml3_worker *w, const ml3_worker_slot *slot) {
  return (int)((size_t)((const char *)slot - ((const char *)w->shared + HEADER)) / w->shared->slot_size);
}

ml3_worker_slot *ml3_worker_take(ml3_worker *w) {
  int i = 0;
  pthread_mutex_lock(&w->lock);
  while (i < ML3_WORKER_CAPACITY && w->taken[i]) i++;
  if (i < ML3_WORKER_CAPACITY) w->taken[i] = true, w->used++;
  pthread_mutex_unlock(&w->lock);
  return i < ML3_WORKER_CAPACITY ? (void *)((char *)w->shared + HEADER + (size_t)i * w->shared->slot_size) : NULL;
}

void ml3_worker_return(ml3_worker *w, ml3_worker_slot *slot) {
  pthread_mutex_lock(&w->lock);
  w->taken[number_of(w, slot)] = false;
  w->used--;
  pthread_mutex_unlock(&w->lock);
}

int ml3_worker_used(const ml3_worker *worker) {
  ml3_worker *w = (ml3_worker *)worker;
  pthread_mutex_lock(&w->lock);
  const int used = w->used;
  pthread_mutex_unlock(&w->lock);
  return used;
}

bool ml3_worker_lives(const ml3_worker *w) {
  return !atomic_load(&w->dead);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

void ml3_worker_ask(ml3_worker *w, ml3_worker_slot *slot, ml3_worker_command command) {
  header *h = w->shared;
  const int i = number_of(w, slot);
  slot->command = command;
  w->asked[i]++;
  pthread_mutex_lock(&w->lock);
  const uint32_t bell = atomic_load(&h->bell);
  h->ring[bell % RING] = (uint32_t)i;
  atomic_store(&h->bell, bell + 1);
  pthread_mutex_unlock(&w->lock);
  futex_wake(&h->bell);
}

int ml3_worker_wait(ml3_worker *w, ml3_worker_slot *slot, char *error) {
  const uint32_t asked = w->asked[number_of(w, slot)];
  char why[ML3_WORKER_ERROR] = "";
  for (uint32_t now; (now = atomic_load_explicit(&slot->done, memory_order_acquire)) != asked;)
    if (!wait_for(w, &slot->done, now, w->timeout_s, why, sizeof why))
      return snprintf(error, ML3_WORKER_ERROR, "%s", *why ? why : "the worker process is gone"), -1;
  if (slot->status == 0) return 0;
  snprintf(error, ML3_WORKER_ERROR, "%.500s", slot->error);
  return -1;
}

const unsigned char *ml3_worker_picture(ml3_worker *w, const ml3_worker_slot *slot, int *width, int *height) {
  *width = (int)(slot->picture >> 16), *height = (int)(slot->picture & 0xffff);
  const size_t size = (size_t)*width * (size_t)*height * 3;
  unsigned char *grown = size ? realloc(w->drawn, size) : NULL;
  if (!grown) return NULL;
  w->drawn = grown;
  return pread(w->picture, grown, size, 0) == (ssize_t)size ? grown : NULL;
}
