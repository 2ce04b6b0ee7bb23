/* For tests of the command: a folder of its own for each test, and `ml3` run in it as a user would. */
#ifndef ML3_TESTS_COMMAND_H
#define ML3_TESTS_COMMAND_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[32], output[65536];

static inline void make_folder(void) {
  strcpy(folder, "/tmp/ml3_cli_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
}

static inline void drop_folder(void) {
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
  cr_assert_eq(system(command), 0);
}

/* Runs `ml3 ARGUMENTS` in the folder; output holds what it printed. Returns the exit code. */
static inline int ml3(const char *arguments) {
  char command[2048];
  snprintf(command, sizeof command, "cd %s && %s %s 2>&1", folder, ML3_COMMAND, arguments);
  FILE *pipe = popen(command, "r");
  size_t n = fread(output, 1, sizeof output - 1, pipe);
  output[n] = '\0';
  int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Options of `ml3 train` that make it a matter of milliseconds. */
#define TINY_START "--quiet --set outer.tasks=2 --set validation.tasks=2 --set validation.every=5 "
#define TINY TINY_START "--set loss.hidden=[8] "

static inline void expect(const char *arguments, int code, const char *sentence) {
  int got = ml3(arguments);
  cr_expect_eq(got, code, "ml3 %s: exit code %d, not %d: %s", arguments, got, code, output);
  cr_expect_not_null(strstr(output, sentence), "ml3 %s: '%s' is not in: %s", arguments, sentence, output);
}

static inline bool exists(const char *name) {
  char path[256];
  struct stat info;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return stat(path, &info) == 0;
}

static inline void write_file(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

/* Runs a line of the shell in the folder; its exit code. */
static inline int shell(const char *line) {
  char command[2048];
  snprintf(command, sizeof command, "cd %s && (%s)", folder, line);
  const int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
