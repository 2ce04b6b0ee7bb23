/* Tables: see table.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/terminal.h"

struct cli_table {
  int columns, rows;
  char **cells; /* [rows + 1][columns], the heading first */
};

void cli_table_free(cli_table *t) {
  if (!t) return;
  for (int i = 0; i < (t->rows + 1) * t->columns && t->cells; i++) free(t->cells[i]);
  free(t->cells);
  free(t);
}

static int put_row(cli_table *t, int row, const char *const *cells) {
  for (int i = 0; i < t->columns; i++)
    if (!(t->cells[row * t->columns + i] = strdup(cells[i]))) return ML3_ERR_MEMORY;
  return ML3_OK;
}

cli_table *cli_table_new(const char *const *columns, int count) {
  cli_table *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->columns = count;
  t->cells = calloc((size_t)count, sizeof *t->cells);
  if (t->cells && put_row(t, 0, columns) == ML3_OK) return t;
  cli_table_free(t);
  return NULL;
}

int cli_table_row(cli_table *t, const char *const *cells) {
  size_t old = (size_t)(t->rows + 1) * (size_t)t->columns;
  char **grown = realloc(t->cells, (old + (size_t)t->columns) * sizeof *grown);
  if (!grown) return ML3_ERR_MEMORY;
  memset(grown + old, 0, (size_t)t->columns * sizeof *grown);
  t->cells = grown;
  t->rows++;
  if (put_row(t, t->rows, cells) == ML3_OK) return ML3_OK;
  for (int i = 0; i < t->columns; i++) free(t->cells[t->rows * t->columns + i]);
  t->rows--; /* what is printed has no holes */
  return ML3_ERR_MEMORY;
}

/* Characters, not bytes, of a UTF-8 text. */
static int width_of(const char *text) {
  int n = 0;
  for (; *text; text++) n += (*text & 0xc0) != 0x80;
  return n;
}

static int column_width(const cli_table *t, int column) {
  int widest = 0;
  for (int r = 0; r <= t->rows; r++) {
    int w = width_of(t->cells[r * t->columns + column]);
    if (w > widest) widest = w;
  }
  return widest;
}

static void print_cell(const char *text, int width, bool left, FILE *out) {
  int pad = width - width_of(text);
  fprintf(out, "%*s%s%*s", left ? 0 : pad, "", text, left ? pad : 0, "");
}

void cli_table_print(const cli_table *t, FILE *out) {
  bool bold = cli_terminal_color(out);
  for (int r = 0; r <= t->rows; r++) {
    if (bold && r == 0) fputs("\033[1m", out);
    for (int c = 0; c < t->columns; c++) {
      if (c) fputs("  ", out);
      print_cell(t->cells[r * t->columns + c], column_width(t, c), c == 0, out);
    }
    fputs(bold && r == 0 ? "\033[0m\n" : "\n", out);
  }
}

static void write_csv(const cli_table *t, FILE *out) {
  for (int i = 0; i < (t->rows + 1) * t->columns; i++) {
    bool quoted = strpbrk(t->cells[i], ",\"\r\n") != NULL;
    if (quoted) fputc('"', out);
    for (const char *at = t->cells[i]; *at; at++) {
      if (*at == '"') fputc('"', out);
      fputc(*at, out);
    }
    if (quoted) fputc('"', out);
    fputc((i + 1) % t->columns ? ',' : '\n', out);
  }
}

static void write_markdown(const cli_table *t, FILE *out) {
  for (int r = 0; r <= t->rows; r++) {
    for (int c = 0; c < t->columns; c++) fprintf(out, "| %s ", t->cells[r * t->columns + c]);
    fputs("|\n", out);
    for (int c = 0; c < t->columns && r == 0; c++) fputs(c ? "|---:" : "|---", out);
    if (r == 0) fputs("|\n", out);
  }
}

/* What LaTeX takes for itself is escaped; "a - b" becomes an en dash. */
static void write_latex_text(const char *text, FILE *out) {
  for (const char *at = text; *at; at++) {
    if (strchr("%_&#$", *at))
      fprintf(out, "\\%c", *at);
    else if (strncmp(at, " - ", 3) == 0)
      fputs("--", out), at += 2;
    else if (*at == '-' && at[1] >= '0' && at[1] <= '9')
      fputs("$-$", out);
    else if (*at == '<' || *at == '>')
      fprintf(out, "$%c$", *at);
    else
      fputc(*at, out);
  }
}

static void write_latex(const cli_table *t, FILE *out) {
  fputs("\\begin{tabular}{l", out);
  for (int c = 1; c < t->columns; c++) fputc('r', out);
  fputs("}\n\\toprule\n", out);
  for (int r = 0; r <= t->rows; r++) {
    for (int c = 0; c < t->columns; c++) {
      if (c) fputs(" & ", out);
      write_latex_text(t->cells[r * t->columns + c], out);
    }
    fputs(r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n", out);
  }
  fputs("\\bottomrule\n\\end{tabular}\n", out);
}

static int save(const cli_table *t, const char *path, void (*write)(const cli_table *, FILE *), ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  write(t, file.stream);
  return ml3_file_commit(&file, error);
}

int cli_table_save_csv(const cli_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_csv, error);
}

int cli_table_save_markdown(const cli_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_markdown, error);
}

int cli_table_save_latex(const cli_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_latex, error);
}
