/* What the lab says, on stderr: messages, the progress line, Ctrl-C. */
#ifndef ML3_CLI_CONSOLE_H
#define ML3_CLI_CONSOLE_H

#include "cli/progress.h"
#include "lab/callbacks.h"

/* The progress line of what the lab does before a verb's own work, and its table of callbacks. */
typedef struct cli_console {
  const char *verb; /* of messages: "ml3 train: ..." */
  bool busy;        /* between begin and end: the progress line may be on the terminal */
  bool quiet;       /* no progress; messages are printed all the same */
  cli_progress progress;
  ml3_lab_callbacks callbacks; /* whose user is this console: it may not move */
} cli_console;

void cli_console_open(cli_console *console, const char *verb, bool quiet);

/* Messages alone, as "ml3: ...". */
extern const ml3_lab_callbacks cli_messages;

#endif
