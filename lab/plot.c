/* Plots: a gnuplot script with its data inside, written to gnuplot's standard input. */
#include "lab/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/color.h"
#include "lab/gnuplot.h"

/* PATH.png and PATH.svg. */
static int run(void (*body)(FILE *out, const void *what), const void *what, const char *path, ml3_error *error) {
  static const char *const endings[] = {"png", "svg"};
  int code = ML3_OK;
  for (int i = 0; i < 2 && code == ML3_OK; i++) {
    char target[1200];
    snprintf(target, sizeof target, "%.1100s.%s", path, endings[i]);
    code = ml3_lab_gnuplot_save(body, what, 1200, 750, target, error);
  }
  return code;
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

/* Point j of a curve with the ends of its band; an empty line makes a gap. */
static void write_point(FILE *out, const ml3_lab_curve *c, int j) {
  if (isnan(c->x[j]) || isnan(c->y[j]))
    fputs("\n", out);
  else
    fprintf(out, "%.9g %.9g %.9g %.9g\n", c->x[j], c->y[j], c->low ? c->low[j] : c->y[j],
            c->high ? c->high[j] : c->y[j]);
}

/* The colours of methods by their labels; behind ML3_COLORS_MAX from the first again. */
typedef struct colors {
  float rgb[ML3_COLORS_MAX][3];
  char text[8];
} colors;

static void choose_colors(colors *c, const char *const *labels, int count) {
  ml3_color_methods(labels, count < ML3_COLORS_MAX ? count : ML3_COLORS_MAX, c->rgb);
}

static const char *color_of(colors *c, int i) {
  ml3_color_text(c->rgb[i % ML3_COLORS_MAX], c->text);
  return c->text;
}

static void write_curves(FILE *out, const void *what) {
  const ml3_lab_plot *p = what;
  const char *labels[ML3_COLORS_MAX];
  colors colors;
  for (int i = 0; i < p->count && i < ML3_COLORS_MAX; i++) labels[i] = p->curves[i].label;
  choose_colors(&colors, labels, p->count);
  for (int i = 0; i < p->count; i++) {
    const ml3_lab_curve *c = &p->curves[i];
    fprintf(out, "$data%d << EOD\n", i);
    for (int j = 0; j < c->count; j++) write_point(out, c, j);
    fprintf(out, "EOD\n");
  }
  ml3_lab_gnuplot_heading(out, p->title, p->x_label, p->y_label);
  if (p->log_x) fprintf(out, "set logscale x\nset format x '10^{%%L}'\n");
  if (p->y_high > p->y_low) fprintf(out, "set yrange [%.9g:%.9g]\n", p->y_low, p->y_high);
  if (p->right_label) {
    fprintf(out, "set border 11 lc rgb '#666666'\nset y2tics\nset y2label ");
    ml3_lab_gnuplot_quote(out, p->right_label);
    fputc('\n', out);
  }
  fprintf(out, p->count > 6 ? "set key outside right center vertical\nplot "
                            : "set key outside top center horizontal\nplot ");
  const char *comma = "";
  for (int i = 0; i < p->count; i++) {
    if (!p->curves[i].low || p->curves[i].dots) continue;
    fprintf(out, "%s$data%d using 1:3:4 with filledcurves fs transparent solid 0.15 noborder lc rgb '%s' notitle ",
            comma, i, color_of(&colors, i));
    comma = ", ";
  }
  for (int i = 0; i < p->count; i++) {
    const ml3_lab_curve *c = &p->curves[i];
    const bool bars = c->dots && c->low;
    fprintf(out, "%s$data%d using 1:2%s axes x1y%d with ", comma, i, bars ? ":3:4" : "", c->right ? 2 : 1);
    if (bars)
      fprintf(out, "yerrorbars pt 7 ps 1.6 lw 2.5 lc rgb '%s' title ", color_of(&colors, i));
    else if (c->dots)
      fprintf(out, "points pt 7 ps 1.2 lc rgb '%s' title ", color_of(&colors, i));
    else
      fprintf(out, "lines lw %.1f dt %d lc rgb '%s' title ", 2 + 2.5 * (p->count - 1 - i) / p->count,
              /* coinciding lines */ c->dashed ? 4 : 1 + i / ML3_LAB_GNUPLOT_COLORS, color_of(&colors, i));
    ml3_lab_gnuplot_quote(out, c->label);
    fprintf(out, " noenhanced ");
    comma = ", ";
  }
  fputc('\n', out);
}

int ml3_lab_plot_save(const ml3_lab_plot *plot, const char *path, ml3_error *error) {
  return run(write_curves, plot, path, error);
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

enum { LEVELS = 14 };

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Values that cut the map's area into equal parts: contours at these show its shape whatever its scale, and colours that
   end at the last but one do not drown in a steep wall. Returns how many there are. */
static int find_levels(const ml3_lab_map *m, double *levels) {
  double *sorted = malloc((size_t)(m->width * m->height) * sizeof *sorted);
  int count = 0;
  for (int i = 0; i < m->width * m->height && sorted; i++)
    if (isfinite(m->z[i])) sorted[count++] = m->z[i];
  if (count) qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
  for (int i = 0; i <= LEVELS && count; i++) levels[i] = sorted[(long)(count - 1) * i / LEVELS];
  free(sorted);
  return count ? LEVELS + 1 : 0;
}

static void write_map_data(FILE *out, const ml3_lab_map *m, int number) {
  fprintf(out, "$map%d << EOD\n", number);
  for (int row = 0; row < m->height; row++) {
    for (int column = 0; column < m->width; column++) {
      const double z = m->z[row * m->width + column];
      fprintf(out, "%.9g %.9g ", m->x_low + (m->x_high - m->x_low) * column / (m->width - 1),
              m->y_low + (m->y_high - m->y_low) * row / (m->height - 1));
      if (isfinite(z))
        fprintf(out, "%.9g\n", z);
      else
        fputs("NaN\n", out);
    }
    fputc('\n', out);
  }
  fputs("EOD\n", out);
}

/* 1, 2 or 5 times a power of ten, near x. */
static double tic_step(double x) {
  const double ten = pow(10, floor(log10(x))), rest = x / ten;
  return ten * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

static void write_map(FILE *out, const ml3_lab_maps *p, int number) {
  const ml3_lab_map *m = &p->maps[number];
  double levels[LEVELS + 1];
  const int count = find_levels(m, levels);
  const bool flat = count == 0 || levels[0] == levels[LEVELS];
  write_map_data(out, m, number);
  if (!flat) {
    fprintf(out, "set contour base\nunset surface\nset cntrparam levels discrete ");
    for (int i = 1; i < LEVELS; i++) fprintf(out, "%s%.9g", i > 1 ? "," : "", levels[i]);
    fprintf(out, "\nset table $contour%d\nsplot $map%d\nunset table\nunset contour\nset surface\n", number, number);
    fprintf(out, "set cbrange [%.9g:%.9g]\n", levels[0],
            levels[LEVELS - 1] > levels[0] ? levels[LEVELS - 1] : levels[LEVELS]);
  }
  ml3_lab_gnuplot_heading(out, m->title, p->x_label, p->y_label);
  fprintf(out, "unset grid\nunset key\nset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", m->x_low, m->x_high, m->y_low,
          m->y_high);
  fprintf(out, "set xtics %.3g\n", tic_step((m->x_high - m->x_low) / 4));
  fprintf(out, "plot $map%d using 1:2:3 with image", number);
  if (!flat) fprintf(out, ", $contour%d using 1:2 with lines lw 0.8 lc rgb '#80ffffff'", number);
  if (p->path_count)
    fprintf(out,
            ", $path using 1:2 with linespoints lw 2.5 pt 7 ps 0.9 lc rgb '#d55e00', "
            "$path every ::0::0 using 1:2 with points pt 7 ps 2 lc rgb '#ffffff', "
            "$path every ::0::0 using 1:2 with points pt 6 ps 2 lw 2 lc rgb '#d55e00'");
  fputc('\n', out);
}

static void write_maps(FILE *out, const void *what) {
  const ml3_lab_maps *p = what;
  fprintf(out, "$path << EOD\n");
  for (int i = 0; i < p->path_count; i++) fprintf(out, "%.9g %.9g\n", p->path_x[i], p->path_y[i]);
  fprintf(out, "EOD\nset palette defined (0 '#30123b', 0.2 '#3b528b', 0.4 '#21908d', 0.7 '#5dc863', 1 '#fde725')\n");
  fprintf(out, "set format '%%g'\nset multiplot layout 1,%d margins 0.08,0.9,0.12,0.84 spacing 0.18,0 title ",
          p->count);
  ml3_lab_gnuplot_quote(out, p->title);
  fprintf(out, " noenhanced font ',16'\n");
  for (int i = 0; i < p->count; i++) write_map(out, p, i);
  fprintf(out, "unset multiplot\n");
}

int ml3_lab_plot_maps(const ml3_lab_maps *maps, const char *path, ml3_error *error) {
  return run(write_maps, maps, path, error);
}

/* ---- bars ------------------------------------------------------------------------------------------------------ */

typedef struct bar_chart {
  const char *title, *label;
  const ml3_lab_bar *bars;
  int count;
} bar_chart;

/* Characters of the longest label. */
static int label_width(const bar_chart *c) {
  size_t widest = 0;
  for (int i = 0; i < c->count; i++)
    if (strlen(c->bars[i].label) > widest) widest = strlen(c->bars[i].label);
  return (int)widest;
}

/* Horizontal bars, the first on top, so that long names can be read. */
static void write_bars(FILE *out, const void *what) {
  const bar_chart *c = what;
  const char *labels[ML3_COLORS_MAX];
  colors colors;
  for (int i = 0; i < c->count && i < ML3_COLORS_MAX; i++) labels[i] = c->bars[i].label;
  choose_colors(&colors, labels, c->count);
  fprintf(out, "$data << EOD\n");
  for (int i = 0; i < c->count; i++)
    fprintf(out, "%d %.9g %.9g %.9g %ld\n", c->count - i, c->bars[i].value, c->bars[i].low, c->bars[i].high,
            strtol(color_of(&colors, i) + 1, NULL, 16));
  fprintf(out, "EOD\n");
  ml3_lab_gnuplot_heading(out, c->title, c->label, "");
  fprintf(out,
          "unset key\nset grid xtics noytics lc rgb '#dddddd' lt 1\nset lmargin %d\nset xrange [0:*]\nset yrange "
          "[0.4:%d.6]\nset ytics (",
          label_width(c) + 2, c->count);
  for (int i = 0; i < c->count; i++) {
    if (i) fputs(", ", out);
    ml3_lab_gnuplot_quote(out, c->bars[i].label);
    fprintf(out, " %d", c->count - i);
  }
  fprintf(out,
          ")\nset style fill solid 0.85 noborder\n"
          "plot $data using (0):1:(0):2:($1-0.35):($1+0.35):5 with boxxyerror lc rgb variable, "
          "$data using 2:1:3:4 with xerrorbars pt 0 lw 2 lc rgb '#222222'\n");
}

int ml3_lab_plot_bars(const char *title, const char *y_label, const ml3_lab_bar *bars, int count, const char *path,
                      ml3_error *error) {
  const bar_chart chart = {title, y_label, bars, count};
  return run(write_bars, &chart, path, error);
}
