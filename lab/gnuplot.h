/* gnuplot, started by argument list, fed through a pipe with a script that holds its own data. Without gnuplot all of this
   is ML3_ERR_UNAVAILABLE, with the package's name. */
#ifndef ML3_LAB_GNUPLOT_H
#define ML3_LAB_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* Writes what is to be plotted; the terminal is set already. */
typedef void (*ml3_lab_gnuplot_body)(FILE *out, const void *what);

/* Into a file that ends in .png, .svg or .pdf; it appears whole or not at all. width and height in pixels. */
int ml3_lab_gnuplot_save(ml3_lab_gnuplot_body body, const void *what, int width, int height, const char *path,
                         ml3_error *error);

/* Where characters are drawn, how many in a row and in a column, and whether by colours of a terminal. */
typedef struct ml3_lab_characters {
  FILE *out;
  int width, height;
  bool color;
} ml3_lab_characters;

/* As characters. */
int ml3_lab_gnuplot_show(ml3_lab_gnuplot_body body, const void *what, const ml3_lab_characters *form, ml3_error *error);

/* Colours of lines, distinct also to the colour-blind (Okabe and Ito); from the first again behind the last. */
enum { ML3_LAB_GNUPLOT_COLORS = 6 };
const char *ml3_lab_gnuplot_color(int i);

/* A text as gnuplot reads it in single quotes. */
void ml3_lab_gnuplot_quote(FILE *out, const char *text);

/* Title, labels, grid: as all our plots have them. */
void ml3_lab_gnuplot_heading(FILE *out, const char *title, const char *x_label, const char *y_label);

#endif
