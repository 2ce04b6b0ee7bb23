/* Tables: see table.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/table.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct ml3_lab_table {
  int columns, rows;
  char **cells; /* [rows + 1][columns], the heading first */
};

void ml3_lab_table_free(ml3_lab_table *t) {
  if (!t) return;
  for (int i = 0; i < (t->rows + 1) * t->columns && t->cells; i++) free(t->cells[i]);
  free(t->cells);
  free(t);
}

static int put_row(ml3_lab_table *t, int row, const char *const *cells) {
  for (int i = 0; i < t->columns; i++)
    if (!(t->cells[row * t->columns + i] = strdup(cells[i]))) return ML3_ERR_MEMORY;
  return ML3_OK;
}

ml3_lab_table *ml3_lab_table_new(const char *const *columns, int count) {
  ml3_lab_table *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->columns = count;
  t->cells = calloc((size_t)count, sizeof *t->cells);
  if (t->cells && put_row(t, 0, columns) == ML3_OK) return t;
  ml3_lab_table_free(t);
  return NULL;
}

int ml3_lab_table_row(ml3_lab_table *t, const char *const *cells) {
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

int ml3_lab_table_rows(const ml3_lab_table *t) {
  return t->rows;
}

int ml3_lab_table_columns(const ml3_lab_table *t) {
  return t->columns;
}

const char *ml3_lab_table_cell(const ml3_lab_table *t, int row, int column) {
  return t->cells[(row + 1) * t->columns + column];
}

static void write_csv(const ml3_lab_table *t, FILE *out) {
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

static void write_markdown(const ml3_lab_table *t, FILE *out) {
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

static void write_latex(const ml3_lab_table *t, FILE *out) {
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

static int save(const ml3_lab_table *t, const char *path, void (*write)(const ml3_lab_table *, FILE *),
                ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  write(t, file.stream);
  return ml3_file_commit(&file, error);
}

int ml3_lab_table_save(const ml3_lab_table *t, const char *folder, const char *name, ml3_error *error) {
  char path[1200];
  snprintf(path, sizeof path, "%.1000s/%.100s.csv", folder, name);
  const int code = ml3_lab_table_save_csv(t, path, error);
  snprintf(path, sizeof path, "%.1000s/%.100s.md", folder, name);
  return code == ML3_OK ? ml3_lab_table_save_markdown(t, path, error) : code;
}

int ml3_lab_table_save_csv(const ml3_lab_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_csv, error);
}

int ml3_lab_table_save_markdown(const ml3_lab_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_markdown, error);
}

int ml3_lab_table_save_markdown_with(const ml3_lab_table *t, const char *below, const char *path, ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  write_markdown(t, file.stream);
  fprintf(file.stream, "\n%s\n", below);
  return ml3_file_commit(&file, error);
}

const char *ml3_lab_count_text(double count, char *text, size_t size) {
  const long whole = lround(count);
  if (fabs(count) >= 1e6)
    snprintf(text, size, "%.3g million", count / 1e6);
  else if (labs(whole) >= 1000)
    snprintf(text, size, "%ld,%03ld", whole / 1000, labs(whole % 1000));
  else
    snprintf(text, size, "%ld", whole);
  return text;
}

int ml3_lab_table_save_latex(const ml3_lab_table *t, const char *path, ml3_error *error) {
  return save(t, path, write_latex, error);
}
