/* What ran: build, MuJoCo, OpenBLAS and instruction set. Where all are the same, the same seed gives the same bits. */
#ifndef ML3_LAB_BUILD_H
#define ML3_LAB_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lab/callbacks.h"

/* The three lines of `ml3 --version`. */
void ml3_lab_build_text(char *text, size_t size);

/* RUN/build.json: by what a run was trained, and from which step on. A run that goes on by something else says so on
   stderr, once, and keeps it in the file; `step` is where it goes on. */
int ml3_lab_build_keep(const char *folder, int64_t step, bool resumed, const ml3_lab_callbacks *callbacks,
                       ml3_error *error);

#endif
