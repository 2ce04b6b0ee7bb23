/* gnuplot: see gnuplot.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *ml3_lab_gnuplot_color(int i) {
  static const char *const colors[ML3_LAB_GNUPLOT_COLORS] = {"#0072b2", "#d55e00", "#009e73",
                                                             "#cc79a7", "#e69f00", "#56b4e9"};
  return colors[i % ML3_LAB_GNUPLOT_COLORS];
}

/* Starts gnuplot, which reads from the stream returned and prints to `out`, a descriptor. */
static FILE *start(pid_t *child, int out, ml3_error *error) {
  int ends[2];
  if (pipe(ends) != 0 || (*child = fork()) < 0) {
    ml3_error_set(error, ML3_ERR_UNAVAILABLE, "cannot start gnuplot: %s", strerror(errno));
    return NULL;
  }
  if (*child == 0) {
    dup2(ends[0], STDIN_FILENO);
    if (out != STDOUT_FILENO) dup2(out, STDOUT_FILENO);
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
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "gnuplot is not installed; `apt-get install gnuplot-nox` brings it");
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "gnuplot failed");
}

void ml3_lab_gnuplot_quote(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    if (*text != '\n') fputc(*text, out);
  }
  fputc('\'', out);
}

void ml3_lab_gnuplot_heading(FILE *out, const char *title, const char *x_label, const char *y_label) {
  fprintf(
      out,
      "set encoding utf8\nset minussign\nset border 3 lc rgb '#666666'\nset tics nomirror\nset grid ytics lc rgb '#dddddd' lt 1\n");
  fprintf(out, "set title ");
  ml3_lab_gnuplot_quote(out, title);
  fprintf(out, " noenhanced font ',15'\nset xlabel ");
  ml3_lab_gnuplot_quote(out, x_label);
  fprintf(out, "\nset ylabel ");
  ml3_lab_gnuplot_quote(out, y_label);
  fputc('\n', out);
}

/* The `set terminal` line for a file of that ending; false when there is none. */
static bool terminal_for(const char *path, int width, int height, char *line, size_t size) {
  const char *ending = strrchr(path, '.');
  if (!ending) return false;
  if (strcmp(ending, ".png") == 0)
    snprintf(line, size, "pngcairo size %d,%d font 'sans,14'", width, height);
  else if (strcmp(ending, ".svg") == 0)
    snprintf(line, size, "svg size %d,%d font 'sans,14' background '#ffffff'", width, height);
  else if (strcmp(ending, ".pdf") == 0)
    snprintf(line, size, "pdfcairo size %.2fin,%.2fin font 'sans,11'", width / 120.0, height / 120.0);
  else
    return false;
  return true;
}

int ml3_lab_gnuplot_save(ml3_lab_gnuplot_body body, const void *what, int width, int height, const char *path,
                         ml3_error *error) {
  char temporary[1300], line[160];
  pid_t child;
  if (!terminal_for(path, width, height, line, sizeof line))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%.500s': plots end in .png, .svg or .pdf", path);
  snprintf(temporary, sizeof temporary, "%.1200s.tmp", path);
  FILE *probe = fopen(temporary, "w"); /* gnuplot itself would not say why */
  if (!probe) return ml3_error_set(error, ML3_ERR_IO, "cannot write '%.500s': %s", path, strerror(errno));
  fclose(probe);
  FILE *script = start(&child, STDOUT_FILENO, error);
  if (!script) return ML3_ERR_UNAVAILABLE;
  char output[1310]; /* to gnuplot "|x" is a command and "~/x" someone's home: with a folder before it, it is a file */
  snprintf(output, sizeof output, "%s%s", temporary[0] == '/' ? "" : "./", temporary);
  fprintf(script, "set terminal %s\nset output ", line);
  ml3_lab_gnuplot_quote(script, output);
  fputc('\n', script);
  body(script, what);
  int code = finish(script, child, error);
  if (code == ML3_OK && rename(temporary, path) != 0)
    code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%.500s': %s", path, strerror(errno));
  if (code != ML3_OK) unlink(temporary);
  return code;
}

int ml3_lab_gnuplot_show(ml3_lab_gnuplot_body body, const void *what, const ml3_lab_characters *form,
                         ml3_error *error) {
  pid_t child;
  fflush(form->out);
  FILE *script = start(&child, fileno(form->out), error);
  if (!script) return ML3_ERR_UNAVAILABLE;
  fprintf(script, "set terminal dumb %s size %d,%d\n", form->color ? "ansi" : "mono", form->width, form->height);
  body(script, what);
  return finish(script, child, error);
}
