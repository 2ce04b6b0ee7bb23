/* A table of texts, kept as CSV (RFC 4180), as Markdown, as LaTeX (booktabs). */
#ifndef ML3_LAB_TABLE_H
#define ML3_LAB_TABLE_H

#include <stddef.h>

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Columns with a heading, and rows of texts. */
typedef struct ml3_lab_table ml3_lab_table;

ml3_lab_table *ml3_lab_table_new(const char *const *columns, int count); /* NULL when out of memory */
void ml3_lab_table_free(ml3_lab_table *table);                           /* may be NULL */
int ml3_lab_table_row(ml3_lab_table *table, const char *const *cells);   /* copies; 0 or ML3_ERR_MEMORY */

int ml3_lab_table_rows(const ml3_lab_table *table);                              /* without the heading */
int ml3_lab_table_columns(const ml3_lab_table *table);                           /* in every row */
const char *ml3_lab_table_cell(const ml3_lab_table *table, int row, int column); /* row -1: the heading */

/* FOLDER/NAME.csv and NAME.md. */
int ml3_lab_table_save(const ml3_lab_table *table, const char *folder, const char *name, ml3_error *error);
int ml3_lab_table_save_csv(const ml3_lab_table *table, const char *path, ml3_error *error);      /* with the heading */
int ml3_lab_table_save_markdown(const ml3_lab_table *table, const char *path, ml3_error *error); /* the same */
/* The same with a paragraph below the table. */
int ml3_lab_table_save_markdown_with(const ml3_lab_table *table, const char *below, const char *path, ml3_error *error);
int ml3_lab_table_save_latex(const ml3_lab_table *table, const char *path, ml3_error *error); /* a tabular to include */

/* A number of steps as people read it, into text[size]: "175", "6,206", "3.36 million". Returns text. */
const char *ml3_lab_count_text(double count, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
