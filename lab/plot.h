/* Plots through gnuplot, started by argument list: PATH.png and PATH.svg. Curves and bars have the colours of the methods that
   their labels name (base/color.h). */
#ifndef ML3_LAB_PLOT_H
#define ML3_LAB_PLOT_H

#include <stdbool.h>

#include "base/error.h"

typedef struct ml3_lab_curve {
  const char *label;
  int count;
  const double *x, *y;      /* NaN: a gap */
  const double *low, *high; /* ends of its band, or NULL */
  bool right;               /* against the right axis */
  bool dots;                /* points instead of a line, with bars for the band */
  bool dashed;              /* a line, whatever its colour's own dashes are */
} ml3_lab_curve;

typedef struct ml3_lab_plot {
  const char *title, *x_label, *y_label;
  const char *right_label; /* NULL: no right axis */
  const ml3_lab_curve *curves;
  int count;
  bool log_x;
  double y_low, y_high; /* the range of the left axis; both 0: as the curves need */
} ml3_lab_plot;

typedef struct ml3_lab_bar {
  const char *label;
  double value, low, high; /* low and high: the ends of its interval */
} ml3_lab_bar;

/* A heat map with contours: z[height][width], its columns from x_low to x_high, its rows from y_low to y_high. */
typedef struct ml3_lab_map {
  const char *title;
  int width, height;
  double x_low, x_high, y_low, y_high;
  const double *z; /* NaN: a hole */
} ml3_lab_map;

typedef struct ml3_lab_maps {
  const char *title, *x_label, *y_label;
  const ml3_lab_map *maps; /* side by side */
  int count;
  const double *path_x, *path_y; /* drawn over each, or NULL */
  int path_count;
} ml3_lab_maps;

/* Each appears whole or not at all. Without gnuplot: ML3_ERR_UNAVAILABLE with the package's name. */
int ml3_lab_plot_save(const ml3_lab_plot *plot, const char *path_without_ending, ml3_error *error);
int ml3_lab_plot_maps(const ml3_lab_maps *maps, const char *path_without_ending, ml3_error *error);
int ml3_lab_plot_bars(const char *title, const char *y_label, const ml3_lab_bar *bars, int count,
                      const char *path_without_ending, ml3_error *error);

#endif
