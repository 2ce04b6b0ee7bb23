/* Options of a verb, read by popt: the ones that every verb has, and its own. */
#ifndef ML3_CLI_OPTIONS_H
#define ML3_CLI_OPTIONS_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/config.h"

enum { CLI_SETS_MAX = 64, CLI_OWN_MAX = 16 };

typedef struct cli_options {
  const char *sets[CLI_SETS_MAX]; /* --set key=value, in order */
  int set_count;
  int quiet;
  const char *argument; /* the one argument that is no option, or NULL */
  char storage[16384];  /* the strings above and those of the verb's own options */
  size_t used;
} cli_options;

/* Reads argv by the verb's own table (ended by POPT_TABLEEND, at most CLI_OWN_MAX options; texts live as long as `options`) and the common options. usage: "RUN"; help: what the verb
   does, printed by --help with `notes` (may be NULL) below the options. Returns -1 to go on, or an exit code. */
int cli_options_read(cli_options *options, int argc, const char **argv, const struct poptOption *own, const char *usage,
                     const char *help, const char *notes);

/* Applies the --set options. */
int cli_options_apply(const cli_options *options, cli_config *config, ml3_error *error);

#endif
