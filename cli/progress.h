/* Progress on stderr: one line redrawn on a terminal, plain lines at intervals in a pipe, nothing when quiet. */
#ifndef ML3_CLI_PROGRESS_H
#define ML3_CLI_PROGRESS_H

#include <stdbool.h>

typedef struct cli_progress {
  const char *what;
  long total, first; /* first: done when the first update came, so that the rate of a resumed run is right */
  bool quiet, terminal, color, begun;
  double started_s, shown_s;
} cli_progress;

void cli_progress_begin(cli_progress *progress, const char *what, long total, bool quiet);
void cli_progress_update(cli_progress *progress, long done, const char *note); /* shown at most ten times a second */

/* A line of its own, above the progress line. Shown even when quiet. */
void cli_progress_say(cli_progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

void cli_progress_end(cli_progress *progress);

#endif
