/* Calls of callbacks: see callbacks.h. */
#include "lab/callbacks.h"

#include <stdarg.h>
#include <stdio.h>

#include "envs/env.h"

typedef void (*speaker)(void *user, const char *sentence);

static void say(speaker speak, void *user, const char *format, va_list arguments) {
  char sentence[1024];
  if (!speak) return;
  vsnprintf(sentence, sizeof sentence, format, arguments);
  speak(user, sentence);
}

void ml3_lab_message(const ml3_lab_callbacks *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(c ? c->message : NULL, c ? c->user : NULL, format, arguments);
  va_end(arguments);
}

void ml3_lab_detail(const ml3_lab_callbacks *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(c ? c->detail : NULL, c ? c->user : NULL, format, arguments);
  va_end(arguments);
}

void ml3_lab_warn(const ml3_lab_callbacks *c, const ml3_env_warnings *warnings, unsigned *said) {
  char text[512];
  for (unsigned k = 0; k < ML3_WARN_KINDS; k++) {
    if (said && *said & 1u << k) continue;
    if (!*ml3_env_warning_tell(warnings, (ml3_env_warning)k, text, sizeof text)) continue;
    if (said) *said |= 1u << k;
    ml3_lab_message(c, "warning: %s", text);
  }
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

int ml3_lab_work(void *user, int done, int total) {
  (void)total;
  ml3_lab_progress(user, done, "");
  return ml3_lab_interrupted(user);
}

bool ml3_lab_interrupted(const ml3_lab_callbacks *c) {
  return c && c->interrupted && c->interrupted(c->user);
}
