/* gnuplot: see gnuplot.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/terminal.h"

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
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "gnuplot is not installed; `apt-get install gnuplot-nox` brings it");
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "gnuplot failed");
}

void cli_gnuplot_quote(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    if (*text != '\n') fputc(*text, out);
  }
  fputc('\'', out);
}

void cli_gnuplot_heading(FILE *out, const char *title, const char *x_label, const char *y_label) {
  fprintf(
      out,
      "set encoding utf8\nset border 3 lc rgb '#666666'\nset tics nomirror\nset grid ytics lc rgb '#dddddd' lt 1\n");
  fprintf(out, "set title ");
  cli_gnuplot_quote(out, title);
  fprintf(out, " noenhanced font ',15'\nset xlabel ");
  cli_gnuplot_quote(out, x_label);
  fprintf(out, "\nset ylabel ");
  cli_gnuplot_quote(out, y_label);
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

int cli_gnuplot_save(cli_gnuplot_body body, const void *what, int width, int height, const char *path,
                     ml3_error *error) {
  char temporary[1300], line[160];
  pid_t child;
  if (!terminal_for(path, width, height, line, sizeof line))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%.500s': plots end in .png, .svg or .pdf", path);
  snprintf(temporary, sizeof temporary, "%.1200s.tmp", path);
  FILE *probe = fopen(temporary, "w"); /* gnuplot itself would not say why */
  if (!probe) return ml3_error_set(error, ML3_ERR_IO, "cannot write '%.500s': %s", path, strerror(errno));
  fclose(probe);
  FILE *script = start(&child, error);
  if (!script) return ML3_ERR_UNAVAILABLE;
  char output[1310]; /* to gnuplot "|x" is a command and "~/x" someone's home: with a folder before it, it is a file */
  snprintf(output, sizeof output, "%s%s", temporary[0] == '/' ? "" : "./", temporary);
  fprintf(script, "set terminal %s\nset output ", line);
  cli_gnuplot_quote(script, output);
  fputc('\n', script);
  body(script, what);
  int code = finish(script, child, error);
  if (code == ML3_OK && rename(temporary, path) != 0)
    code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%.500s': %s", path, strerror(errno));
  if (code != ML3_OK) unlink(temporary);
  return code;
}

int cli_gnuplot_show(cli_gnuplot_body body, const void *what, ml3_error *error) {
  pid_t child;
  fflush(stdout);
  FILE *script = start(&child, error);
  if (!script) return ML3_ERR_UNAVAILABLE;
  int height = cli_terminal_height(stdout) - 3;
  if (height > 30) height = 30;
  fprintf(script, "set terminal dumb %s size %d,%d\n", cli_terminal_color(stdout) ? "ansi" : "mono",
          cli_terminal_width(stdout) - 1, height);
  body(script, what);
  return finish(script, child, error);
}
