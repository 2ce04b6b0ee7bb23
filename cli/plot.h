/* Plots through gnuplot, started by argument list: PATH.png and PATH.svg. */
#ifndef ML3_CLI_PLOT_H
#define ML3_CLI_PLOT_H

#include <stdbool.h>

#include "base/error.h"

typedef struct cli_curve {
  const char *label;
  int count;
  const double *x, *y;      /* NaN: a gap */
  const double *low, *high; /* ends of its band, or NULL */
  bool right;               /* against the right axis */
  bool dots;                /* points instead of a line, with bars for the band */
  bool dashed;              /* a line, whatever its colour's own dashes are */
} cli_curve;

typedef struct cli_plot {
  const char *title, *x_label, *y_label;
  const char *right_label; /* NULL: no right axis */
  const cli_curve *curves;
  int count;
  bool log_x;
} cli_plot;

typedef struct cli_bar {
  const char *label;
  double value, low, high; /* low and high: the ends of its interval */
} cli_bar;

/* A heat map with contours: z[height][width], its columns from x_low to x_high, its rows from y_low to y_high. */
typedef struct cli_map {
  const char *title;
  int width, height;
  double x_low, x_high, y_low, y_high;
  const double *z; /* NaN: a hole */
} cli_map;

typedef struct cli_maps {
  const char *title, *x_label, *y_label;
  const cli_map *maps; /* side by side */
  int count;
  const double *path_x, *path_y; /* drawn over each, or NULL */
  int path_count;
} cli_maps;

/* Each appears whole or not at all. Without gnuplot: ML3_ERR_UNAVAILABLE with the package's name. */
int cli_plot_save(const cli_plot *plot, const char *path_without_ending, ml3_error *error);
int cli_plot_maps(const cli_maps *maps, const char *path_without_ending, ml3_error *error);
int cli_plot_bars(const char *title, const char *y_label, const cli_bar *bars, int count,
                  const char *path_without_ending, ml3_error *error);

#endif
