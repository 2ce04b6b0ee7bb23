/* What MuJoCo warned of, for the terminal and for summary.json. */
#ifndef ML3_CLI_WARNINGS_H
#define ML3_CLI_WARNINGS_H

#include <jansson.h>

#include "cli/progress.h"
#include "envs/env.h"

/* A line a kind on stderr. */
void cli_warnings_tell(const char *verb, const ml3_env_warnings *warnings);
/* The same beside progress, each kind once: told has a bit for those that have been told already. */
void cli_warnings_say(cli_progress *progress, const ml3_env_warnings *warnings, unsigned *told);

/* Adds "warnings": {"lost_contacts": 12, ...} to a summary where there were any. */
void cli_warnings_add(json_t *summary, const ml3_env_warnings *warnings);

#endif
