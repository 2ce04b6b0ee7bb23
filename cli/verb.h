/* The verbs of the command: one file each, one line each in main.c. */
#ifndef ML3_CLI_VERB_H
#define ML3_CLI_VERB_H

#include "base/error.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

typedef struct cli_verb {
  const char *name, *summary; /* summary NULL: for programs, not shown in lists */
  int (*run)(int argc, const char **argv);
  const char *examples[2]; /* command lines; NULL: none */
} cli_verb;

/* Verb number i, NULL behind the last. */
const cli_verb *cli_verb_at(int i);
/* The verb of that name; NULL with a line on stderr that names the nearest. */
const cli_verb *cli_verb_find(const char *name);

/* argv[0] is the verb. The answer is the exit code; the verb has printed what there is to say. */
int cli_train(int argc, const char **argv);
int cli_adapt(int argc, const char **argv);
int cli_evaluate(int argc, const char **argv);
int cli_compare(int argc, const char **argv);
int cli_inspect(int argc, const char **argv);
int cli_plan(int argc, const char **argv);
int cli_view(int argc, const char **argv);
int cli_record(int argc, const char **argv);
int cli_collect(int argc, const char **argv);
int cli_data(int argc, const char **argv);
int cli_task(int argc, const char **argv);
int cli_inspect_config(int argc, const char **argv);
int cli_plot_runs(int argc, const char **argv);
int cli_report(int argc, const char **argv);
int cli_list(int argc, const char **argv);
int cli_bench(int argc, const char **argv);
int cli_completion(int argc, const char **argv);
int cli_complete(int argc, const char **argv);
int cli_man(int argc, const char **argv);

/* Prints "ml3 VERB: message" and answers the exit code for it. */
int cli_fail(const char *verb, const ml3_error *error);
/* The exit code for what a verb came to, ML3_OK or with that line. */
int cli_end(const char *verb, int code, const ml3_error *error);

#endif
