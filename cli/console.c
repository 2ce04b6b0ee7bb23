/* See console.h. */
#include "cli/console.h"

#include <stdio.h>

#include "cli/interrupt.h"

static void print_message(void *user, const char *sentence) {
  cli_console *console = user;
  if (console && console->busy)
    cli_progress_say(&console->progress, "%s", sentence);
  else
    fprintf(stderr, "ml3%s%s: %s\n", console ? " " : "", console ? console->verb : "", sentence);
}

static void print_idle(void *user, const char *setting) {
  (void)user;
  fprintf(stderr, "ml3: --set has no effect on %s\n", setting);
}

static void begin(void *user, const char *what, int64_t total) {
  cli_console *console = user;
  console->busy = true;
  cli_progress_begin(&console->progress, what, (long)total, console->quiet);
}

static void update(void *user, int64_t done, const char *note) {
  cli_progress_update(&((cli_console *)user)->progress, (long)done, note);
}

static void end(void *user) {
  ((cli_console *)user)->busy = false;
  cli_progress_end(&((cli_console *)user)->progress);
}

static bool interrupted(void *user) {
  (void)user;
  return cli_interrupted();
}

void cli_console_open(cli_console *console, const char *verb, bool quiet) {
  *console = (cli_console){.verb = verb, .quiet = quiet};
  console->callbacks = (ml3_lab_callbacks){.user = console,
                                           .message = print_message,
                                           .idle = quiet ? NULL : print_idle,
                                           .begin = begin,
                                           .progress = update,
                                           .end = end,
                                           .interrupted = interrupted};
}

const ml3_lab_callbacks cli_messages = {.message = print_message, .idle = print_idle};
