/* ml3 train with --seeds, --sweep or --search: many runs of one kind. */
#ifndef ML3_CLI_TRAIN_MANY_H
#define ML3_CLI_TRAIN_MANY_H

#include "cli/options.h"

typedef struct cli_many {
  const cli_options *options;
  int seeds, search;           /* as given; 0: not */
  const char **sweeps, **over; /* ended by NULL; NULL: not given */
  const char *output, *resume, *log_formats;
  bool force;
} cli_many;

/* Is this a training of many? Options that do not go together are an error. */
int cli_many_check(const cli_many *many, bool *is_many, ml3_error *error);

int cli_many_train(const cli_many *many, ml3_error *error);

#endif
