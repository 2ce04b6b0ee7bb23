/* A table of texts: on the terminal, as CSV (RFC 4180), as Markdown, as LaTeX (booktabs). */
#ifndef ML3_CLI_TABLE_H
#define ML3_CLI_TABLE_H

#include <stdio.h>

#include "base/error.h"

typedef struct cli_table cli_table;

cli_table *cli_table_new(const char *const *columns, int count); /* NULL when out of memory */
void cli_table_free(cli_table *table);
int cli_table_row(cli_table *table, const char *const *cells); /* copies; 0 or ML3_ERR_MEMORY */

/* Aligned, the first column to the left; the heading bold on a terminal unless NO_COLOR is set. */
void cli_table_print(const cli_table *table, FILE *out);
int cli_table_save_csv(const cli_table *table, const char *path, ml3_error *error);
int cli_table_save_markdown(const cli_table *table, const char *path, ml3_error *error);
int cli_table_save_latex(const cli_table *table, const char *path, ml3_error *error); /* a tabular for \input */

#endif
