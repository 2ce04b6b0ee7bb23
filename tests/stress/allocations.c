/* Allocations of ml3's own code fail, one in each process. What has
   to come of it: the exit code 1 and a sentence (or 0, where it could do without), no signal, and no temporary file left.
   Allocations within other libraries do not fail here: what they do then is theirs.

     allocations paths [COMMAND]     of all commands, or the one with that number, the first allocation on every path of
                                     calls (the last three of them) that leads to one
     allocations N [COMMAND]         every N-th allocation, so 1 is all of them; 17- instead of 17: that command and all after it
     allocations =N COMMAND          the N-th alone, and where it was made (addr2line -f tells the names)

   The linker gives ml3's objects the allocators below (--wrap in CMakeLists.txt). */
#define _GNU_SOURCE
#include <dirent.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "metaloss/dataset.h"
#include "metaloss/sine.h"
#include "metaloss/trainer.h"

int ml3_main(int argc, const char **argv);

/* ---- allocators ----------------------------------------------------------------------------------------------------- */

enum { PATHS_MAX = 1 << 20, DEPTH = 3 };

/* Shared with the child: allocations so far, and the path of each, hashed. */
static struct {
  atomic_long made;
  uint64_t paths[PATHS_MAX + 1];
} * shared;
static long failing; /* this one fails; 0: none */
static bool wants_paths, tells_where;

static void note_path(long n) {
  void *calls[DEPTH + 2];
  const int depth = backtrace(calls, DEPTH + 2);
  uint64_t hash = 1469598103934665603u;
  for (int i = 2; i < depth; i++) hash = (hash ^ (uint64_t)(uintptr_t)calls[i]) * 1099511628211u;
  if (n <= PATHS_MAX) shared->paths[n] = hash;
}

static __attribute__((noinline)) bool fails(void) {
  const long n = atomic_fetch_add(&shared->made, 1) + 1;
  if (wants_paths) note_path(n);
  if (n != failing) return false;
  void *calls[16];
  if (tells_where) backtrace_symbols_fd(calls, backtrace(calls, 16), STDERR_FILENO);
  return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
FILE *__real_open_memstream(char **text, size_t *size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
FILE *__wrap_open_memstream(char **text, size_t *size);

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
  return fails() ? NULL : __real_realloc(old, size);
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : __real_aligned_alloc(alignment, size);
}
char *__wrap_strdup(const char *text) {
  return fails() ? NULL : __real_strdup(text);
}
FILE *__wrap_open_memstream(char **text, size_t *size) {
  return fails() ? NULL : __real_open_memstream(text, size);
}

/* ---- what is run ------------------------------------------------------------------------------------------------------ */

/* The library without the command: a trainer's life, and a program's. */
static int use_library(ml3_error *error) {
  const ml3_shaped_sine_settings sine = {.start = {0.1, 0.1}, .goal = {-5, 5}, .points = 4, .tolerance = 0.1};
  const ml3_trainer_settings s = {
      .meta = {.loss = {.net = {.inputs = 3, .outputs = 1, .depth = 1, .hidden = {4}, .activation = ML3_TANH},
                        .rate = 0.1,
                        .momentum = 0.5},
               .inner_steps = 2,
               .task_weight = 1},
      .optimizer = ml3_nn_adam(1e-3),
      .threads = 1,
      .tasks = 8,
      .lifetime = 2,
      .normalize = ML3_NORMALIZE_RUNNING,
      .validation_tasks = 2,
      .validation_steps = 3};
  ml3_problem *problem = ml3_shaped_sine_new(&sine, error);
  ml3_trainer *t = problem ? ml3_trainer_new(problem, &s, error) : NULL;
  ml3_trainer_report report;
  int code = t ? ml3_trainer_step(t, &report, error) : error->code;
  if (code == ML3_OK) code = ml3_trainer_validate(t, &report, error);
  if (code == ML3_OK) code = ml3_trainer_save(t, "library.checkpoint", error);
  if (code == ML3_OK) code = ml3_trainer_load(t, "library.checkpoint", error);
  if (code == ML3_OK) code = ml3_loss_save(ml3_trainer_best_loss(t), "library.safetensors", error);
  ml3_loss *loss = code == ML3_OK ? ml3_loss_load("library.safetensors", error) : NULL;
  ml3_dataset *digits = loss ? ml3_digits(error) : NULL;
  code = code == ML3_OK && !digits ? error->code : code;
  ml3_dataset_free(digits);
  ml3_loss_free(loss);
  ml3_trainer_free(t);
  if (problem) problem->free(problem);
  return code;
}

/* Run in a folder of their own, one after the other. */
#define TINY " --quiet --set threads=1 "
static const char *const commands[] = {
    "(library)",
    "train mountain_car --force" TINY
    "--set outer.steps=1 --set outer.tasks=4 --set validation.tasks=1 --set loss.hidden=[4] "
    "--set policy.hidden=[3] --set inner.steps=2 -o car",
    "train free.yaml --force" TINY "-o free",
    "train sine --force" TINY "--set outer.steps=1 --set loss.hidden=[4] --set model.hidden=[4] -o sine",
    "train table.yaml --force" TINY "-o table",
    "train pointmass --force" TINY
    "--set method=ppo --set learner.updates=1 --set learner.steps=8 --set learner.envs=2 --set learner.minibatches=2 "
    "--set learner.epochs=1 --set policy.hidden=[4] -o ppo",
    "train mountain_car --resume car --quiet --set outer.steps=2",
    "adapt car --force --output policy.safetensors --set threads=1",
    "compare car" TINY "--set test.tasks=1 --set test.steps=[1] --methods untrained,learned_loss,ilqr",
    "plan pendulum_swing_up --quiet",
    "inspect car --set threads=1",
    "collect reacher --quiet --episodes 1 -o set-v0",
    "data seen-v0",
    "list",
    "config mountain_car",
    "plot car",
    "report car --force --output report.html",
    "train mountain_car --force" TINY
    "--set outer.steps=2 --set outer.tasks=2 --set validation.tasks=1 --set loss.hidden=[3] --set policy.hidden=[3] "
    "--set inner.steps=1 --set dynamics.kind=ensemble --set dynamics.hidden=[4] --set dynamics.transitions=20 "
    "--set dynamics.epochs=1 --set dynamics.every=1 --set dynamics.tasks=1 -o learned",
    "train free.yaml --force" TINY "--set extra.kind=demonstration --set extra.demonstrations=1 -o shown",
    "train free.yaml --force" TINY
    "--set extra.kind=advice --set extra.expert=ppo --set extra.expert_updates=1 "
    "--set learner.envs=2 --set learner.steps=8 --set learner.minibatches=1 --set learner.epochs=1 -o advised",
    "train pointmass --force" TINY
    "--set method=reinforce --set learner.updates=1 --set policy.hidden=[4] "
    "--set rollout.episodes=2 --set horizon=5 -o reinforce",
    "train sine --force" TINY "--set outer.steps=1 --set method=maml --set model.hidden=[4] -o maml",
    "train digits --force" TINY
    "--set outer.steps=1 --set outer.tasks=1 --set samples.inner=2 --set samples.outer=2 --set validation.tasks=1 "
    "--set loss.hidden=[4] --set model.hidden=[4] -o digits",
    "compare pointmass" TINY "--set test.tasks=1 --set horizon=5 --methods random,ilqr_learned --transitions 12 --force -o cmp",
    "compare free" TINY
    "--set test.tasks=1 --set test.steps=[1] --methods learned_loss,ppo,reinforce "
    "--budget 100",
    "compare sine" TINY "--set test.tasks=1 --set test.steps=[1]",
    "adapt free --set threads=1",
    "inspect sine --set threads=1",
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct {
  const char *name, *text;
} files[] = {
    {"free.yaml",
     "problem: model_free\nenvironment: pointmass\nhorizon: 5\nouter: {steps: 1, tasks: 1}\nloss: {hidden: [4]}\n"
     "policy: {hidden: [3]}\nvalidation: {every: 1, tasks: 1}\nrollout: {episodes: 1, outer_episodes: 1, "
     "judge_episodes: 1}\n"},
    {"table.yaml",
     "problem: table\ndata: table.csv\ntable: {targets: [y], task: t}\nouter: {steps: 1, tasks: 2}\n"
     "samples: {inner: 1, outer: 1}\nloss: {hidden: [4]}\nmodel: {hidden: [3]}\nvalidation: {tasks: 1}\n"},
    {"table.csv", "x,y,t\n1,2,a\n2,3,a\n3,4,b\n4,\"5\",b\n5,6,c\n6,7,c\n"},
};

static void write_files(void) {
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    FILE *f = fopen(files[i].name, "w");
    if (!f || fputs(files[i].text, f) < 0 || fclose(f) != 0) abort();
  }
}

static int run(int which) {
  if (which == 0) {
    ml3_error error = {0};
    const int code = use_library(&error);
    if (code != ML3_OK) fprintf(stderr, "%s\n", error.message);
    return code != ML3_OK;
  }
  char text[1024] = "ml3 ";
  const char *argv[64];
  int argc = 0;
  strcat(text, commands[which]);
  for (char *save = NULL, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
    argv[argc++] = word;
  argv[argc] = NULL;
  return ml3_main(argc, argv);
}

/* ---- one process ------------------------------------------------------------------------------------------------------- */

static char words[4096]; /* that the last child said */

static void tell_where(int signal_number) {
  void *calls[16];
  backtrace_symbols_fd(calls, backtrace(calls, 16), STDERR_FILENO);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

/* Runs the command with its n-th allocation failing; the status as of waitpid. */
static int run_child(int which, long n) {
  if (which == 11 && system("rm -rf set-v0") != 0) abort();
  const bool resumes = strstr(commands[which], "--resume car"); /* a run that is finished is not resumed again */
  if (resumes && system("rm -rf car; cp -r begun car") != 0) abort();
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    const int out = open("said", O_CREAT | O_TRUNC | O_WRONLY, 0600), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    alarm(120);
    signal(SIGSEGV, tell_where);
    signal(SIGABRT, tell_where);
    atomic_store(&shared->made, 0);
    failing = n;
    wants_paths = n == 0;
    exit(run(which));
  }
  int status;
  waitpid(child, &status, 0);
  FILE *said = fopen("said", "r");
  const size_t length = said ? fread(words, 1, sizeof words - 1, said) : 0;
  words[length] = '\0';
  if (said) fclose(said);
  return status;
}

/* What mkstemp made for a file that is to be renamed: NAME.XXXXXX. */
static int count_temporary(const char *path, bool remove_them) {
  DIR *folder = opendir(path);
  int count = 0;
  for (struct dirent *e; folder && (e = readdir(folder));) {
    char inner[1024];
    snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
    const char *dot = strrchr(e->d_name, '.');
    if (e->d_name[0] != '.' && e->d_type == DT_DIR) count += count_temporary(inner, remove_them);
    if (!dot || strlen(dot) != 7 || strcmp(dot, ".tfevents") == 0 || e->d_type != DT_REG) continue;
    count++;
    if (remove_them) unlink(inner);
  }
  if (folder) closedir(folder);
  return count;
}

static const char *complaint(int status) {
  static char text[64];
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  snprintf(text, sizeof text, "signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  if (code < 0) return text;
  snprintf(text, sizeof text, "exit code %d", code);
  if (code > 1) return text;
  if (code == 1 && strlen(words) < 24) return "exit code 1 without a sentence";
  return count_temporary(".", true) ? "a temporary file is left" : NULL;
}

static int by_path(const void *a, const void *b) {
  const long m = *(const long *)a, n = *(const long *)b;
  const uint64_t x = shared->paths[m], y = shared->paths[n];
  return x != y ? (x < y ? -1 : 1) : m < n ? -1 : m > n;
}

/* Which allocations of `count` are to fail: their number, and themselves in list. */
static long choose(long count, long stride, long *list) {
  long chosen = 0;
  if (stride < 0) list[0] = -stride;
  if (stride < 0) return 1;
  if (stride > 0) {
    for (long n = 1; n <= count; n += stride) list[chosen++] = n;
    return chosen;
  }
  for (long n = 0; n < count; n++) list[n] = n + 1;
  qsort(list, (size_t)count, sizeof *list, by_path);
  uint64_t last = 0;
  for (long i = 0; i < count; i++) {
    const uint64_t path = shared->paths[list[i]];
    if (i == 0 || path != last) list[chosen++] = list[i];
    last = path;
  }
  return chosen;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  const bool one = argv[1][0] == '=';
  tells_where = one;
  const long stride = one                             ? -atol(argv[1] + 1)
                      : strcmp(argv[1], "paths") != 0 ? atol(argv[1])
                                                      : 0,
             only = argc > 2 ? atol(argv[2]) : -1;
  const bool onwards = only >= 0 && strchr(argv[2], '-');
  static long list[PATHS_MAX];
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char folder[] = "/tmp/ml3_allocations_XXXXXX";
  if (shared == MAP_FAILED || !mkdtemp(folder) || chdir(folder) != 0) return 2;
  write_files();

  int bad = 0;
  for (int c = 0; c < COMMANDS; c++) {
    const int sound = run_child(c, 0);
    const long made = atomic_load(&shared->made), count = made < PATHS_MAX ? made : PATHS_MAX;
    if (sound != 0) {
      printf("ml3 %s: without failures: %s\n%s\n", commands[c], WIFEXITED(sound) ? "code 1" : "signal", words);
      bad++;
      continue;
    }
    if (c == 1 && system("rm -rf begun; cp -r car begun") != 0) abort();
    if (c == 11 && system("rm -rf seen-v0; cp -r set-v0 seen-v0") != 0) abort();
    if (only >= 0 && !(onwards ? c >= only : c == only)) continue;
    long failed = 0, without = 0, wrong = 0;
    const long chosen = choose(count, stride, list);
    for (long k = 0; k < chosen; k++) {
      const long n = list[k];
      const int status = run_child(c, n);
      const char *what = complaint(status);
      if (what && ++wrong <= 5)
        printf("ml3 %s: allocation %ld of %ld fails: %s\n%.1500s\n", commands[c], n, count, what, words);
      without += status == 0;
      failed += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    printf("%-40.40s %6ld allocations; failing ones told %ld, done without %ld, wrong %ld\n", commands[c], count,
           failed, without, wrong);
    fflush(stdout);
    bad += wrong > 0;
    if (run_child(c, 0) != 0) abort(); /* what the next ones need */
  }
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (system(command) != 0) return 2;
  return bad != 0;
}
