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

static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
enum { COLORS = sizeof colors / sizeof *colors };

/* ---- gnuplot ------------------------------------------------------------------------------------------------ */

/* Starts gnuplot reading from the stream returned. */
static FILE *start(pid_t *child, ml3_error *error) {
  int ends[2];
  if (pipe(ends) != 0 || (*child = fork()) < 0) {
    ml3_error_set(error, ML3_ERR_UNAVAILABLE, "cannot start gnuplot: %s", strerror(errno));
    return NULL;
  }
  if (*child == 0) {
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) dup2(null, STDERR_FILENO);
    execlp("gnuplot", "gnuplot", (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  return fdopen(ends[1], "w");
}

static int finish(FILE *script, pid_t child, ml3_error *error) {
  int status;
  fclose(script);
  if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) return ML3_OK;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "gnuplot is not installed; `apt-get install gnuplot-nox` brings it");
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "gnuplot failed");
}

/* A text as gnuplot reads it in single quotes. */
static void quote(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    if (*text != '\n') fputc(*text, out);
  }
  fputc('\'', out);
}

static void heading(FILE *out, const char *title, const char *x_label, const char *y_label) {
  fprintf(out, "set encoding utf8\nset border 3 lc rgb '#666666'\nset tics nomirror\nset grid ytics lc rgb '#dddddd' lt 1\n");
  fprintf(out, "set title ");
  quote(out, title);
  fprintf(out, " noenhanced font ',15'\nset xlabel ");
  quote(out, x_label);
  fprintf(out, "\nset ylabel ");
  quote(out, y_label);
  fputc('\n', out);
}

/* Runs the body once for each format, into a temporary file that is renamed when gnuplot has ended well. */
static int run(void (*body)(FILE *out, const void *what), const void *what, const char *path, ml3_error *error) {
  static const char *const endings[] = {"png", "svg"};
  for (int i = 0; i < 2; i++) {
    char temporary[1200], target[1200];
    snprintf(temporary, sizeof temporary, "%.1100s.tmp.%s", path, endings[i]);
    snprintf(target, sizeof target, "%.1100s.%s", path, endings[i]);
    pid_t child;
    FILE *script = start(&child, error);
    if (!script) return ML3_ERR_UNAVAILABLE;
    fprintf(script, i ? "set terminal svg size 1200,750 font 'sans,14' background '#ffffff'\n"
                      : "set terminal pngcairo size 1200,750 font 'sans,14'\n");
    fprintf(script, "set output ");
    quote(script, temporary);
    fputc('\n', script);
    body(script, what);
    int code = finish(script, child, error);
    if (code == ML3_OK && rename(temporary, target) != 0)
      code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", target, strerror(errno));
    if (code != ML3_OK) {
      unlink(temporary);
      return code;
    }
  }
  return ML3_OK;
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
