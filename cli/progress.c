/* The progress line: see progress.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_begin(cli_progress *p, const char *what, long total, bool quiet) {
  *p = (cli_progress){.what = what, .total = total, .quiet = quiet, .terminal = isatty(STDERR_FILENO), .started_s = now_s()};
}

static int terminal_width(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw(const cli_progress *p, long done, const char *note) {
  char line[512], bar[21];
  double seconds = now_s() - p->started_s, rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
  long left = rate > 0 ? (long)((double)(p->total - done) / rate + 0.5) : 0;
  int filled = p->total > 0 ? (int)(20 * done / p->total) : 0;
  for (int i = 0; i < 20; i++) bar[i] = i < filled ? '#' : '.';
  bar[20] = '\0';
  int n = snprintf(line, sizeof line, "%s [%s] %ld/%ld  %.3g/s  left %ld:%02ld  %s", p->what, bar, done, p->total, rate,
                   left / 60, left % 60, note);
  if (p->terminal) {
    int width = terminal_width() - 1;
    fprintf(stderr, "\r%.*s%*s", width, line, n < width ? width - n : 0, "");
  } else {
    fprintf(stderr, "%s\n", line);
  }
  fflush(stderr);
}

void cli_progress_update(cli_progress *p, long done, const char *note) {
  if (p->quiet) return;
  double now = now_s(), interval = p->terminal ? 0.1 : 10;
  if (!p->begun) {
    p->begun = true;
    p->first = done - 1;
  } else if (done < p->total && now - p->shown_s < interval) {
    return;
  }
  p->shown_s = now;
  draw(p, done, note);
}

void cli_progress_end(cli_progress *p) {
  if (!p->quiet && p->terminal && p->begun) fputc('\n', stderr);
}
