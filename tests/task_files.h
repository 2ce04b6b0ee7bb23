/* A folder of a test's own with a model in it, for tests of tasks as data. */
#ifndef ML3_TESTS_TASK_FILES_H
#define ML3_TESTS_TASK_FILES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];

static void write_text(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  fputs(text, f);
  fclose(f);
}

static void make_folder(const char *model) {
  strcpy(folder, "/tmp/ml3_tasks_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  write_text("own.xml", model);
}

static void remove_folder(void) {
  char command[96];
  snprintf(command, sizeof command, "rm -r %s", folder);
  cr_assert_eq(system(command), 0);
}

#endif
