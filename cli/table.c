/* A table on the terminal: see table.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/table.h"

#include <stdbool.h>

#include "cli/terminal.h"

/* Characters, not bytes, of a UTF-8 text. */
static int width_of(const char *text) {
  int n = 0;
  for (; *text; text++) n += (*text & 0xc0) != 0x80;
  return n;
}

static int column_width(const ml3_lab_table *t, int column) {
  int widest = 0;
  for (int r = -1; r < ml3_lab_table_rows(t); r++) {
    int w = width_of(ml3_lab_table_cell(t, r, column));
    if (w > widest) widest = w;
  }
  return widest;
}

static void print_cell(const char *text, int width, bool left, FILE *out) {
  int pad = width - width_of(text);
  fprintf(out, "%*s%s%*s", left ? 0 : pad, "", text, left ? pad : 0, "");
}

void cli_table_print(const ml3_lab_table *t, FILE *out) {
  bool bold = cli_terminal_color(out);
  for (int r = -1; r < ml3_lab_table_rows(t); r++) {
    if (bold && r < 0) fputs("\033[1m", out);
    for (int c = 0; c < ml3_lab_table_columns(t); c++) {
      if (c) fputs("  ", out);
      print_cell(ml3_lab_table_cell(t, r, c), column_width(t, c), c == 0, out);
    }
    fputs(bold && r < 0 ? "\033[0m\n" : "\n", out);
  }
}
