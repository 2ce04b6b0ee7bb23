/* What a user has, no verb overwrites unasked: a file that is there is written over with --force, or where a verb replaces what
   it has left in a run's folder by itself. */
#ifndef ML3_CLI_OUTPUT_H
#define ML3_CLI_OUTPUT_H

#include "base/error.h"

/* The option in a verb's table (cli/options.h); force: an int. */
#define CLI_FORCE_OPTION(force) \
  { "force", 'f', POPT_ARG_NONE, force, 0, "write over what is there", NULL }

/* Whether path (NULL: nothing is written) may be written, or a sentence with the option that names another. Devices and pipes may;
   of folders their writers know more. */
int cli_output_check(const char *path, const char *option, int force, ml3_error *error);

#endif
