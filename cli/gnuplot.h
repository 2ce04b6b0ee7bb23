/* gnuplot, started by argument list, fed through a pipe with a script that holds its own data. Without gnuplot all of this
   is ML3_ERR_UNAVAILABLE, with the package's name. */
#ifndef ML3_CLI_GNUPLOT_H
#define ML3_CLI_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* Writes what is to be plotted; the terminal is set already. */
typedef void (*cli_gnuplot_body)(FILE *out, const void *what);

/* Into a file that ends in .png, .svg or .pdf; it appears whole or not at all. width and height in pixels. */
int cli_gnuplot_save(cli_gnuplot_body body, const void *what, int width, int height, const char *path,
                     ml3_error *error);

/* To stdout, as characters. */
int cli_gnuplot_show(cli_gnuplot_body body, const void *what, ml3_error *error);

/* A text as gnuplot reads it in single quotes. */
void cli_gnuplot_quote(FILE *out, const char *text);

/* Title, labels, grid: as all our plots have them. */
void cli_gnuplot_heading(FILE *out, const char *title, const char *x_label, const char *y_label);

#endif
