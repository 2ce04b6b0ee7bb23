/* What ran: build, MuJoCo, OpenBLAS and instruction set. Where all are the same, the same seed gives the same bits. */
#ifndef ML3_CLI_BUILD_H
#define ML3_CLI_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* The three lines of `ml3 --version`. */
void cli_build_print(FILE *out);

/* RUN/build.json: by what a run was trained, and from which step on. A run that goes on by something else says so on
   stderr, once, and keeps it in the file; `step` is where it goes on. */
int cli_build_keep(const char *folder, int64_t step, bool resumed, ml3_error *error);

#endif
