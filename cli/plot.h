/* Plots through gnuplot, started by argument list: PATH.png and PATH.svg. */
#ifndef ML3_CLI_PLOT_H
#define ML3_CLI_PLOT_H

#include <stdbool.h>

#include "base/error.h"

typedef struct cli_curve {
  const char *label;
  int count;
  const double *x, *y;
  const double *low, *high; /* ends of its band, or NULL */
} cli_curve;

typedef struct cli_plot {
  const char *title, *x_label, *y_label;
  const cli_curve *curves;
  int count;
  bool log_x;
} cli_plot;

typedef struct cli_bar {
  const char *label;
  double value, low, high; /* low and high: the ends of its interval */
} cli_bar;

/* Each appears whole or not at all. Without gnuplot: ML3_ERR_UNAVAILABLE with the package's name. */
int cli_plot_save(const cli_plot *plot, const char *path_without_ending, ml3_error *error);
int cli_plot_bars(const char *title, const char *y_label, const cli_bar *bars, int count,
                  const char *path_without_ending, ml3_error *error);

#endif
