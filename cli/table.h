/* Tables on the terminal. */
#ifndef ML3_CLI_TABLE_H
#define ML3_CLI_TABLE_H

#include <stdio.h>

#include "lab/table.h"

/* Aligned, the first column to the left; the heading bold on a terminal unless NO_COLOR is set. */
void cli_table_print(const ml3_lab_table *table, FILE *out);

#endif
