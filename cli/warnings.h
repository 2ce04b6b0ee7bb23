/* What MuJoCo warned of. */
#ifndef ML3_CLI_WARNINGS_H
#define ML3_CLI_WARNINGS_H

#include "envs/env.h"

/* A line a kind on stderr. */
void cli_warnings_tell(const char *verb, const ml3_env_warnings *warnings);

#endif
