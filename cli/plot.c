/* Plots: a gnuplot script with its data inside, written to gnuplot's standard input. */
#define _POSIX_C_SOURCE 200809L
#include "cli/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/gnuplot.h"

static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
enum { COLORS = sizeof colors / sizeof *colors };

static void quote(FILE *out, const char *text) { cli_gnuplot_quote(out, text); }

static void heading(FILE *out, const char *title, const char *x_label, const char *y_label) {
  cli_gnuplot_heading(out, title, x_label, y_label);
}

/* PATH.png and PATH.svg. */
static int run(void (*body)(FILE *out, const void *what), const void *what, const char *path, ml3_error *error) {
  static const char *const endings[] = {"png", "svg"};
  int code = ML3_OK;
  for (int i = 0; i < 2 && code == ML3_OK; i++) {
    char target[1200];
    snprintf(target, sizeof target, "%.1100s.%s", path, endings[i]);
    code = cli_gnuplot_save(body, what, 1200, 750, target, error);
  }
  return code;
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

static void write_curves(FILE *out, const void *what) {
  const cli_plot *p = what;
  for (int i = 0; i < p->count; i++) {
    const cli_curve *c = &p->curves[i];
    fprintf(out, "$data%d << EOD\n", i);
    for (int j = 0; j < c->count; j++)
      fprintf(out, "%.9g %.9g %.9g %.9g\n", c->x[j], c->y[j], c->low ? c->low[j] : c->y[j], c->high ? c->high[j] : c->y[j]);
    fprintf(out, "EOD\n");
  }
  heading(out, p->title, p->x_label, p->y_label);
  if (p->log_x) fprintf(out, "set logscale x\n");
  fprintf(out, p->count > 6 ? "set key outside right center vertical\nplot " : "set key outside bottom center horizontal\nplot ");
  const char *comma = "";
  for (int i = 0; i < p->count; i++) {
    if (!p->curves[i].low) continue;
    fprintf(out, "%s$data%d using 1:3:4 with filledcurves fs transparent solid 0.15 noborder lc rgb '%s' notitle ", comma, i,
            colors[i % COLORS]);
    comma = ", ";
  }
  for (int i = 0; i < p->count; i++) {
    fprintf(out, "%s$data%d using 1:2 with lines lw 2.5 dt %d lc rgb '%s' title ", comma, i, 1 + i / COLORS, colors[i % COLORS]);
    quote(out, p->curves[i].label);
    fprintf(out, " noenhanced ");
    comma = ", ";
  }
  fputc('\n', out);
}

int cli_plot_save(const cli_plot *plot, const char *path, ml3_error *error) { return run(write_curves, plot, path, error); }

/* ---- bars ------------------------------------------------------------------------------------------------------ */

typedef struct bar_chart {
  const char *title, *label;
  const cli_bar *bars;
  int count;
} bar_chart;

/* Horizontal bars, the first on top, so that long names can be read. */
static void write_bars(FILE *out, const void *what) {
  const bar_chart *c = what;
  fprintf(out, "$data << EOD\n");
  for (int i = 0; i < c->count; i++)
    fprintf(out, "%d %.9g %.9g %.9g\n", c->count - i, c->bars[i].value, c->bars[i].low, c->bars[i].high);
  fprintf(out, "EOD\n");
  heading(out, c->title, c->label, "");
  fprintf(out, "unset key\nset grid xtics noytics lc rgb '#dddddd' lt 1\nset lmargin 32\nset xrange [0:*]\nset yrange [0.4:%d.6]\nset ytics (",
          c->count);
  for (int i = 0; i < c->count; i++) {
    if (i) fputs(", ", out);
    quote(out, c->bars[i].label);
    fprintf(out, " %d", c->count - i);
  }
  fprintf(out,
          ")\nset style fill solid 0.85 noborder\n"
          "plot $data using (0):1:(0):2:($1-0.35):($1+0.35) with boxxyerror lc rgb '%s', "
          "$data using 2:1:3:4 with xerrorbars pt 0 lw 2 lc rgb '#222222'\n",
          colors[0]);
}

int cli_plot_bars(const char *title, const char *y_label, const cli_bar *bars, int count, const char *path,
                  ml3_error *error) {
  const bar_chart chart = {title, y_label, bars, count};
  return run(write_bars, &chart, path, error);
}
