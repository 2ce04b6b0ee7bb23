/* See warnings.h. */
#include "cli/warnings.h"

#include <stdio.h>

void cli_warnings_tell(const char *verb, const ml3_env_warnings *warnings) {
  char text[512];
  for (int k = 0; k < ML3_WARN_KINDS; k++)
    if (*ml3_env_warning_tell(warnings, (ml3_env_warning)k, text, sizeof text))
      fprintf(stderr, "ml3 %s: warning: %s\n", verb, text);
}
