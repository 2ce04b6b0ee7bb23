/* Words of a text, and instructions and constants as values: see compiler.h. */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/task/compiler.h"

static const ml3_value NOTHING = {0, 0};

/* ---- words ---------------------------------------------------------------------------------------------------------- */

static bool in_word(const char *s, bool begins) {
  if (isalnum((unsigned char)*s) || *s == '_') return true;
  if (begins) return false;
  if (*s == '.') return true;
  return (*s == '-' || *s == '/') && (isalnum((unsigned char)s[1]) || s[1] == '_');
}

void ml3_words_next(ml3_words *w) {
  const char *s = w->rest + strspn(w->rest, " \t\n");
  size_t n = 0;
  w->text[0] = '\0';
  if (!*s) {
    w->kind = ML3_END;
  } else if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1]))) {
    char *end;
    w->kind = ML3_NUMBER;
    w->number = strtod(s, &end);
    n = (size_t)(end - s);
    snprintf(w->text, sizeof w->text, "%.*s", (int)n, s);
  } else if (*s == '\'') {
    const size_t length = strcspn(s + 1, "'");
    w->kind = ML3_QUOTED;
    snprintf(w->text, sizeof w->text, "%.*s", (int)length, s + 1);
    n = length + 1 + (s[1 + length] == '\'');
  } else if (in_word(s, true)) {
    w->kind = ML3_WORD;
    for (n = 1; in_word(s + n, false); n++) {}
    snprintf(w->text, sizeof w->text, "%.*s", (int)n, s);
  } else {
    w->kind = ML3_MARK;
    w->text[0] = *s;
    w->text[1] = '\0';
    n = 1;
  }
  w->rest = s + n;
}

bool ml3_words_are(const ml3_words *w, const char *word) {
  return (w->kind == ML3_WORD || w->kind == ML3_MARK) && strcmp(w->text, word) == 0;
}

bool ml3_words_take(ml3_words *w, const char *word) {
  if (!ml3_words_are(w, word)) return false;
  ml3_words_next(w);
  return true;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

ml3_value ml3_refuse(ml3_compiler *c, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  ml3_tree_wrong(c->at, c->error, "%s", text);
  return NOTHING;
}

static ml3_value value_of(ml3_compiler *c, int reg, int n) {
  if (reg >= 0) return (ml3_value){reg, n};
  ml3_error_set(c->error, ML3_ERR_MEMORY, "no memory for the task of %s", c->at->file);
  return NOTHING;
}

ml3_value ml3_emit(ml3_compiler *c, ml3_instruction instruction, int width) {
  return value_of(c, ml3_program_add(c->program, instruction, width), width);
}

ml3_value ml3_constant(ml3_compiler *c, double x) {
  for (int i = 0; i < c->constant_count; i++)
    if (memcmp(&c->program->initial[c->constants[i]], &x, sizeof x) == 0) return (ml3_value){c->constants[i], 1};
  const ml3_value made = value_of(c, ml3_program_registers(c->program, &x, 1), 1);
  if (made.n && c->constant_count < ML3_CONSTANTS_MAX) c->constants[c->constant_count++] = made.reg;
  return made;
}

ml3_value ml3_apply(ml3_compiler *c, ml3_op op, ml3_value a) {
  if (!a.n) return a;
  return ml3_emit(c, (ml3_instruction){.op = op, .n = a.n, .a = a.reg, .a_step = 1}, a.n);
}

ml3_value ml3_combine(ml3_compiler *c, ml3_op op, ml3_value a, ml3_value b) {
  if (!a.n || !b.n) return NOTHING;
  const int n = a.n > b.n ? a.n : b.n;
  if ((a.n != n && a.n != 1) || (b.n != n && b.n != 1))
    return ml3_refuse(c, "%d numbers and %d do not go together; expected as many, or one of them to be a single number",
                      a.n, b.n);
  return ml3_emit(c, (ml3_instruction){.op = op, .n = n, .a = a.reg, .b = b.reg, .a_step = a.n > 1, .b_step = b.n > 1},
                  n);
}

ml3_value ml3_reduce(ml3_compiler *c, ml3_op op, ml3_value a) {
  if (!a.n) return a;
  return ml3_emit(c, (ml3_instruction){.op = op, .n = a.n, .a = a.reg, .a_step = 1}, 1);
}

ml3_value ml3_join(ml3_compiler *c, const ml3_value *parts, int count) {
  int n = 0;
  for (int i = 0; i < count; i++) {
    if (!parts[i].n) return NOTHING;
    n += parts[i].n;
  }
  if (count == 1) return parts[0];
  const ml3_value all = value_of(c, ml3_program_registers(c->program, NULL, n), n);
  for (int i = 0, at = all.reg; i < count && all.n; at += parts[i++].n)
    if (!ml3_emit(c, (ml3_instruction){.op = ML3_OP_COPY, .n = parts[i].n, .out = at, .a = parts[i].reg, .a_step = 1},
                  parts[i].n)
             .n)
      return NOTHING;
  return all;
}

ml3_value ml3_compile_select(ml3_compiler *c, ml3_value x, ml3_value a, ml3_value b) {
  const int n = a.n > b.n ? a.n : b.n;
  if (!x.n || !a.n || !b.n) return NOTHING;
  if (x.n != 1 || (a.n != n && a.n != 1) || (b.n != n && b.n != 1))
    return ml3_refuse(c, "select X A B: expected one number X, and as many of A as of B; found %d, %d and %d", x.n, a.n,
                      b.n);
  const ml3_value least = ml3_constant(c, DBL_MIN), most = ml3_constant(c, INFINITY);
  if (!least.n || !most.n) return NOTHING;
  const ml3_value above = ml3_emit(
      c, (ml3_instruction){.op = ML3_OP_WITHIN, .n = 1, .a = x.reg, .b = least.reg, .c = most.reg, .a_step = 1}, 1);
  if (!above.n) return NOTHING;
  return ml3_emit(
      c,
      (ml3_instruction){
          .op = ML3_OP_SELECT, .n = n, .a = above.reg, .b = a.reg, .c = b.reg, .b_step = a.n > 1, .c_step = b.n > 1},
      n);
}

/* Kept from the step before, or from the start of the episode. */
ml3_value ml3_remember(ml3_compiler *c, ml3_latch *latches, int *count, ml3_value a) {
  if (!a.n) return a;
  for (int i = 0; i < *count; i++)
    if (latches[i].from == a.reg && latches[i].n == a.n) return (ml3_value){latches[i].to, a.n};
  if (!c->may_remember) return ml3_refuse(c, "`rate of`, `last` and `start` are of steps; here there is none");
  if (*count == ML3_LATCHES_MAX) return ml3_refuse(c, "more than %d quantities with a past", ML3_LATCHES_MAX);
  const ml3_value kept = value_of(c, ml3_program_registers(c->program, NULL, a.n), a.n);
  if (kept.n) latches[(*count)++] = (ml3_latch){a.reg, kept.reg, a.n};
  return kept;
}
