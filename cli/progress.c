/* The progress line: see progress.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/terminal.h"

enum { BAR = 20, NARROW_BAR = 10 };

void cli_progress_begin(cli_progress *p, const char *what, long total, bool quiet) {
  *p = (cli_progress){.what = what,
                      .total = total,
                      .quiet = quiet,
                      .terminal = isatty(STDERR_FILENO),
                      .color = cli_terminal_color(stderr),
                      .started_s = ml3_clock_s()};
}

/* "1:05", "2:00:00". */
static void format_time(double seconds, char *text, size_t size) {
  const long s = (long)(seconds + 0.5);
  if (s >= 3600)
    snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
}

static void draw(const cli_progress *p, long done, const char *note) {
  char numbers[512], left[32] = "?", bar[BAR + 1];
  const int columns = p->terminal ? cli_terminal_width(stderr) : 1000, width = columns < 110 ? NARROW_BAR : BAR;
  const double seconds = ml3_clock_s() - p->started_s, rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
  const int filled = p->total > 0 ? (int)(width * done / p->total) : 0;
  if (rate > 0) format_time((double)(p->total - done) / rate, left, sizeof left);
  for (int i = 0; i < width; i++) bar[i] = i < filled ? '#' : '.';
  bar[width] = '\0';
  snprintf(numbers, sizeof numbers, "%ld/%ld  %.3g/s  left %s  %s", done, p->total, rate, left, note);
  if (!p->terminal) {
    fprintf(stderr, "%s [%s] %s\n", p->what, bar, numbers);
  } else {
    int room = columns - 1 - (int)strlen(p->what) - width - 4;
    if (room < 0) room = 0;
    fprintf(stderr, "\r%s [%s%.*s%s%s%s] %-*.*s", p->what, p->color ? "\033[32m" : "", filled, bar,
            p->color ? "\033[2m" : "", bar + filled, p->color ? "\033[0m" : "", room, room, numbers);
  }
  fflush(stderr);
}

void cli_progress_update(cli_progress *p, long done, const char *note) {
  if (p->quiet) return;
  double now = ml3_clock_s(), interval = p->terminal ? 0.1 : 10;
  if (!p->begun) {
    p->begun = true;
    p->first = done > 0 ? done - 1 : 0;
  } else if (done < p->total && now - p->shown_s < interval) {
    return;
  }
  p->shown_s = now;
  draw(p, done, note);
}

void cli_progress_say(cli_progress *p, const char *format, ...) {
  va_list arguments;
  if (p->terminal && p->begun && !p->quiet) fprintf(stderr, "\r%*s\r", cli_terminal_width(stderr) - 1, "");
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

void cli_progress_end(cli_progress *p) {
  if (!p->quiet && p->terminal && p->begun) fputc('\n', stderr);
}
