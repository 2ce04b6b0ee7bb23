/* Calls of callbacks: see callbacks.h. */
#include "lab/callbacks.h"

#include <stdarg.h>
#include <stdio.h>

void ml3_lab_message(const ml3_lab_callbacks *c, const char *format, ...) {
  char sentence[1024];
  va_list arguments;
  if (!c || !c->message) return;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  c->message(c->user, sentence);
}

void ml3_lab_begin(const ml3_lab_callbacks *c, const char *what, int64_t total) {
  if (c && c->begin) c->begin(c->user, what, total);
}

void ml3_lab_progress(const ml3_lab_callbacks *c, int64_t done, const char *note) {
  if (c && c->progress) c->progress(c->user, done, note);
}

void ml3_lab_end(const ml3_lab_callbacks *c) {
  if (c && c->end) c->end(c->user);
}

bool ml3_lab_interrupted(const ml3_lab_callbacks *c) {
  return c && c->interrupted && c->interrupted(c->user);
}
