/* One process that trains, adapts, compares, plans, collects and reads again, over and over, as `ml3` would in processes of
   its own, and counts what it holds: memory in use by malloc, resident memory, open files, threads.

     soak SECONDS FOLDER     a line a minute; at the end the verdict, and code 1 unless memory was flat to 1 % and files and
                             threads stayed the same

   "Flat": the greatest over the second half of the time is at most 1 % above the greatest over the first half, after two
   rounds to warm up. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int ml3_main(int argc, const char **argv);

/* {} stands for the folder. */
static const char *const commands[] = {
    "train mountain_car --quiet --force --set threads=2 --set outer.steps=20 --set outer.tasks=8 --set "
    "loss.hidden=[64,64] "
    "--set policy.hidden=[32] --set validation.every=10 --set validation.tasks=4 --set checkpoint.every=10 -o {}/car",
    "train {}/model_free.yaml --quiet --force --set threads=2 -o {}/free",
    "train sine --quiet --force --set outer.steps=20 --set validation.every=10 --set threads=2 -o {}/sine",
    "train pointmass --quiet --force --set method=ppo --set learner.updates=2 --set threads=2 -o {}/ppo",
    "adapt {}/car --force --output {}/policy.safetensors",
    "compare {}/car --quiet --set test.tasks=4 --set test.ilqr_restarts=1",
    "compare {}/free --quiet --set test.tasks=2 --methods untrained,learned_loss",
    "plan pointmass --quiet",
    "inspect {}/car",
    "collect reacher --quiet --force --episodes 5 -o {}/set",
    "data {}/set",
    "report {}/car --force --output {}/report.html",
    "train no_such_preset --quiet",
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const char model_free[] =
    "problem: model_free\nenvironment: pointmass\nhorizon: 20\nouter: {steps: 3, tasks: 4}\n"
    "loss: {hidden: [16]}\npolicy: {hidden: [8]}\nvalidation: {every: 3, tasks: 2}\n"
    "rollout: {episodes: 2, outer_episodes: 2, judge_episodes: 1}\n";

typedef struct holding {
  double used, resident; /* bytes */
  int files, threads;
} holding;

static int count_entries(const char *path) {
  DIR *folder = opendir(path);
  int count = 0;
  while (folder && readdir(folder)) count++;
  if (folder) closedir(folder);
  return count - 2; /* . and .. */
}

static holding look(void) {
  const struct mallinfo2 info = mallinfo2();
  long pages = 0, unused;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &unused, &pages) != 2) abort();
  fclose(f);
  return (holding){.used = (double)info.uordblks + (double)info.hblkhd,
                   .resident = (double)pages * (double)sysconf(_SC_PAGESIZE),
                   .files = count_entries("/proc/self/fd") - 1,
                   .threads = count_entries("/proc/self/task")};
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The command with its folder, cut at blanks. */
static int run(const char *command, const char *folder) {
  char text[2048] = "ml3 ";
  const char *argv[64];
  int argc = 0;
  for (const char *c = command; *c; c++) {
    const size_t used = strlen(text);
    if (strncmp(c, "{}", 2) == 0)
      snprintf(text + used, sizeof text - used, "%s", folder), c++;
    else
      snprintf(text + used, sizeof text - used, "%c", *c);
  }
  for (char *save = NULL, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
    argv[argc++] = word;
  argv[argc] = NULL;
  return ml3_main(argc, argv);
}

static void run_round(const char *folder, long number) {
  char path[512];
  snprintf(path, sizeof path, "rm -rf '%s'; mkdir -p '%s'", folder, folder);
  if (system(path) != 0) abort();
  snprintf(path, sizeof path, "%s/model_free.yaml", folder);
  FILE *f = fopen(path, "w");
  if (!f || fputs(model_free, f) < 0 || fclose(f) != 0) abort();
  for (int i = 0; i < COMMANDS; i++) {
    const int code = run(commands[i], folder);
    if (code == (i == COMMANDS - 1 ? 2 : 0) || (i == COMMANDS - 1 && code == 1)) continue;
    fprintf(stderr, "soak: round %ld: `ml3 %s` ended with %d\n", number, commands[i], code);
    exit(1);
  }
}

static double greater(double a, double b) {
  return a > b ? a : b;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const double seconds = atof(argv[1]), begin = now_s();
  const int out = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
  FILE *report = fdopen(out, "w");
  dup2(nowhere, STDOUT_FILENO); /* what the verbs print; mistakes still go to stderr, but the one made on purpose */
  dup2(nowhere, STDERR_FILENO);
  close(nowhere);

  double used[2] = {0}, resident[2] = {0}, told = -60;
  int files[2] = {1 << 30, 0}, threads[2] = {1 << 30, 0};
  long rounds = 0;
  for (double at = 0; at < seconds || rounds < 6; at = now_s() - begin) {
    run_round(argv[2], rounds++);
    const holding h = look();
    if (at - told >= 60) {
      fprintf(report, "%6.0f s  round %5ld  in use %9.3f MB  resident %9.3f MB  %d files  %d threads\n", at, rounds,
              h.used / 1e6, h.resident / 1e6, h.files, h.threads);
      fflush(report);
      told = at;
    }
    if (rounds <= 2) continue;
    const int half = rounds > 4 && at > seconds / 2;
    used[half] = greater(used[half], h.used);
    resident[half] = greater(resident[half], h.resident);
    if (h.files < files[0]) files[0] = h.files;
    if (h.files > files[1]) files[1] = h.files;
    if (h.threads < threads[0]) threads[0] = h.threads;
    if (h.threads > threads[1]) threads[1] = h.threads;
  }
  const bool flat = used[1] <= 1.01 * used[0] && resident[1] <= 1.01 * resident[0];
  const bool same = files[0] == files[1] && threads[0] == threads[1];
  fprintf(report,
          "%ld rounds of %d commands in %.0f s; greatest in the first and the second half: in use %.3f and %.3f MB "
          "(%+.2f %%), resident %.3f and %.3f MB (%+.2f %%); files %d to %d, threads %d to %d: %s\n",
          rounds, COMMANDS, now_s() - begin, used[0] / 1e6, used[1] / 1e6, 100 * (used[1] / used[0] - 1),
          resident[0] / 1e6, resident[1] / 1e6, 100 * (resident[1] / resident[0] - 1), files[0], files[1], threads[0],
          threads[1], flat && same ? "flat" : "NOT flat");
  fclose(report);
  return flat && same ? 0 : 1;
}
