/* Terminals: see terminal.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool cli_terminal_color(FILE *out) {
  const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
  if (no_color && *no_color) return false;
  return isatty(fileno(out)) && !(term && strcmp(term, "dumb") == 0);
}

static struct winsize size_of(FILE *out) {
  struct winsize size;
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col <= 20 || size.ws_row <= 5)
    size = (struct winsize){.ws_col = 80, .ws_row = 24};
  return size;
}

int cli_terminal_width(FILE *out) {
  return size_of(out).ws_col;
}

int cli_terminal_height(FILE *out) {
  return size_of(out).ws_row;
}
