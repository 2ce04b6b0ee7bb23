/* Pictures of a comparison. */
#ifndef ML3_CLI_COMPARISON_PLOTS_H
#define ML3_CLI_COMPARISON_PLOTS_H

#include "lab/comparison.h"

/* Bars of success, and success and return by steps taken, into the folder: comparison.png, comparison_success.png,
   comparison_return.png and the same as .svg. A failure is printed on stderr. */
void cli_comparison_plot(const ml3_lab_comparison *comparison, const char *folder);

#endif
