/* Error messages and spelling suggestions (Levenshtein distance over short words). */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

int ml3_error_set(ml3_error *e, int code, const char *format, ...) {
  if (!e) return code;

  e->code = code;
  va_list args;
  va_start(args, format);
  vsnprintf(e->message, sizeof e->message, format, args);
  va_end(args);
  return code;
}

int ml3_error_prefix(ml3_error *e, const char *format, ...) {
  if (!e) return ML3_ERR_ARGUMENT;

  char prefix[256], old[sizeof e->message];
  va_list args;
  va_start(args, format);
  vsnprintf(prefix, sizeof prefix, format, args);
  va_end(args);

  memcpy(old, e->message, sizeof old);
  int room = (int)sizeof e->message - (int)strlen(prefix) - 3;
  snprintf(e->message, sizeof e->message, "%s: %.*s", prefix, room, old);
  return e->code;
}

/* Edit distance between two words of fewer than 64 characters; 99 for longer ones. */
static int edit_distance(const char *a, const char *b) {
  int na = (int)strlen(a), nb = (int)strlen(b), row[65];
  if (na > 63 || nb > 63) return 99;

  for (int j = 0; j <= nb; j++) row[j] = j;
  for (int i = 1; i <= na; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= nb; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[nb];
}

const char *ml3_error_nearest(const char *word, const char *const *candidates, int count) {
  const char *best = NULL;
  int best_distance = 99;

  for (int i = 0; i < count; i++) {
    int d = edit_distance(word, candidates[i]);
    size_t n = strlen(word);
    if (n >= 3 && strncmp(word, candidates[i], n) == 0) d = 1; /* an unfinished word */
    if (d < best_distance) best_distance = d, best = candidates[i];
  }
  int allowed = 1 + (int)strlen(word) / 3;
  return best_distance <= allowed ? best : NULL;
}
