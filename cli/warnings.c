/* See warnings.h. */
#include "cli/warnings.h"

#include <stdio.h>

void cli_warnings_tell(const char *verb, const ml3_env_warnings *warnings) {
  char text[512];
  for (int k = 0; k < ML3_WARN_KINDS; k++)
    if (*ml3_env_warning_tell(warnings, (ml3_env_warning)k, text, sizeof text))
      fprintf(stderr, "ml3 %s: warning: %s\n", verb, text);
}

void cli_warnings_say(cli_progress *progress, const ml3_env_warnings *warnings, unsigned *told) {
  char text[512];
  for (unsigned k = 0; k < ML3_WARN_KINDS; k++) {
    if (*told & 1u << k || !*ml3_env_warning_tell(warnings, (ml3_env_warning)k, text, sizeof text)) continue;
    *told |= 1u << k;
    cli_progress_say(progress, "warning: %s", text);
  }
}

void cli_warnings_add(json_t *summary, const ml3_env_warnings *warnings) {
  json_t *counts = json_object();
  for (int k = 0; counts && k < ML3_WARN_KINDS; k++)
    if (warnings->counts[k])
      json_object_set_new(counts, ml3_env_warning_name((ml3_env_warning)k), json_integer(warnings->counts[k]));
  if (counts && json_object_size(counts) > 0) json_object_set(summary, "warnings", counts);
  json_decref(counts);
}
