/* The schedule of the outer step size follows the updates that are made. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

TestSuite(schedule, .init = make_folder, .fini = drop_folder, .timeout = 120);

#define SINE                                                                                                       \
  "train sine --quiet --set loss.hidden=[8] --set model.hidden=[4] --set outer.tasks=16 --set outer.task_clip_norm=0 " \
  "--set validation.tasks=4 --set validation.every=5 --set outer.schedule=cosine "

static int compare(const char *a, const char *b) {
  char command[256];
  snprintf(command, sizeof command, "cd %s && cmp %s/loss.safetensors %s/loss.safetensors", folder, a, b);
  return system(command);
}

/* A problem that collects no data has nothing to make several epochs of. */
Test(schedule, epochs_change_nothing_where_no_data_are_collected) {
  expect(SINE "--set outer.steps=12 -o plain", 0, "");
  expect(SINE "--set outer.steps=12 --set outer.epochs=4 -o epochs", 0, "");
  cr_expect_eq(compare("plain", "epochs"), 0);
  expect(SINE "--set outer.steps=6 --set outer.epochs=4 -o parts", 0, "");
  expect(SINE "--set outer.steps=6 -o plain_parts", 0, "");
  cr_expect_eq(compare("plain_parts", "parts"), 0);
  expect("train --quiet --resume parts --set outer.steps=12", 0, "");
  expect("train --quiet --resume plain_parts --set outer.steps=12", 0, "");
  cr_expect_eq(compare("plain_parts", "parts"), 0, "resumed");
}
