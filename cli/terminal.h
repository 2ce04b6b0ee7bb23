/* What the stream is that we write to: a terminal, which may have colours, or something else. */
#ifndef ML3_CLI_TERMINAL_H
#define ML3_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* A terminal that shows colours: not TERM=dumb, and NO_COLOR is unset or empty (no-color.org). */
bool cli_terminal_color(FILE *out);

/* Columns and rows; 80 by 24 when it is no terminal. */
int cli_terminal_width(FILE *out);
int cli_terminal_height(FILE *out);

#endif
