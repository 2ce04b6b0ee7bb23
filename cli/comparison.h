/* What a comparison says: tables (terminal, CSV, Markdown, LaTeX), bars, learning curves with bands. */
#ifndef ML3_CLI_COMPARISON_H
#define ML3_CLI_COMPARISON_H

#include "agents/compare/compare.h"

typedef struct cli_comparison {
  const ml3_compare *compare; /* tasks of seed 0, of seed 1 ... */
  const ml3_compare_settings *settings;
  int seeds;
  bool runs_differ;      /* each seed has a run of its own: then a seed is one sample, else a task is */
  const char *reference; /* the method, by name or by a row's label, that p values are against */
  const char *folder;
} cli_comparison;

/* Prints the table and writes comparison.csv, .md, .tex, .png, .svg, comparison_tasks.csv and
   comparison_success.png, .svg, comparison_return.png, .svg. */
int cli_comparison_report(const cli_comparison *comparison, ml3_error *error);

#endif
