/* Values of keys: see keys.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/keys.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

static void *field(const ml3_key *key, void *settings) {
  return (char *)settings + key->offset;
}

static const void *field_of(const ml3_key *key, const void *settings) {
  return (const char *)settings + key->offset;
}

int ml3_key_wrong(const ml3_key *key, const char *value, const char *expected, const char *where, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s is '%s'; expected %s", where, key->name, value, expected);
}

static int read_number(const ml3_key *key, const char *text, bool whole, double *x, const char *where,
                       ml3_error *error) {
  char *end, expected[96];
  errno = 0;
  *x = strtod(text, &end);
  const bool number = end != text && *end == '\0' && isfinite(*x);
  if (number && (!whole || *x == floor(*x)) && *x >= key->low && *x <= key->high) return ML3_OK;
  snprintf(expected, sizeof expected, "%s from %g to %g", whole ? "a whole number" : "a number", key->low, key->high);
  return ml3_key_wrong(key, text, expected, where, error);
}

/* Which of "a|b|c" text is, or -1. */
static int choice_index(const char *choices, const char *text) {
  const size_t n = strlen(text);
  int index = 0;
  for (const char *at = choices; at; index++) {
    const size_t length = strcspn(at, "|");
    if (length == n && strncmp(at, text, n) == 0) return index;
    at = at[length] ? at + length + 1 : NULL;
  }
  return -1;
}

void ml3_key_choice(const ml3_key *key, const void *settings, char *name, size_t size) {
  const char *at = key->choices;
  for (int i = *(const int *)field_of(key, settings); i > 0; i--) at = strchr(at, '|') + 1;
  snprintf(name, size, "%.*s", (int)strcspn(at, "|"), at);
}

/* What a YAML file can hold. */
static bool is_utf8(const char *text) {
  json_t *string = json_string(text);
  json_decref(string);
  return string != NULL;
}

/* A single value, for keys that are no lists. */
static int assign(const ml3_key *key, void *settings, const char *text, const char *where, ml3_error *error) {
  void *to = field(key, settings);
  double x;
  int code = ML3_OK;
  switch (key->type) {
    case ML3_KEY_TEXT:
      if (strlen(text) < key->low || strlen(text) >= ML3_KEY_TEXT_MAX || !is_utf8(text))
        return ml3_key_wrong(key, text, "a text of at most 255 characters, in UTF-8", where, error);
      strcpy(to, text);
      break;
    case ML3_KEY_INT:
      if ((code = read_number(key, text, true, &x, where, error)) == ML3_OK) *(int64_t *)to = (int64_t)x;
      break;
    case ML3_KEY_REAL:
      if ((code = read_number(key, text, false, &x, where, error)) == ML3_OK) *(double *)to = x;
      break;
    case ML3_KEY_BOOL:
      if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return ml3_key_wrong(key, text, "true or false", where, error);
      *(bool *)to = text[0] == 't';
      break;
    case ML3_KEY_CHOICE: {
      const char *choices = key->choices ? key->choices : "";
      const int choice = choice_index(choices, text);
      char expected[256];
      snprintf(expected, sizeof expected, "one of %s", choices);
      if (choice < 0) return ml3_key_wrong(key, text, expected, where, error);
      *(int *)to = choice;
      break;
    }
    case ML3_KEY_NUMBERS:
      return ml3_key_wrong(key, text, "a list such as [1, 2]", where, error);
    case ML3_KEY_NAMES:
      return ml3_key_wrong(key, text, "a list such as [height, weight]", where, error);
  }
  return code;
}

bool ml3_key_is_list(const ml3_key *key) {
  return key->type == ML3_KEY_NUMBERS || key->type == ML3_KEY_NAMES;
}

void ml3_key_clear(const ml3_key *key, void *settings) {
  if (key->type == ML3_KEY_NAMES)
    ((ml3_key_names *)field(key, settings))->count = 0;
  else
    ((ml3_key_numbers *)field(key, settings))->count = 0;
}

static int append_name(const ml3_key *key, ml3_key_names *list, const char *text, const char *where, ml3_error *error) {
  if (list->count == ML3_KEY_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, key->name,
                         ML3_KEY_LIST_MAX);
  if (strlen(text) == 0 || strlen(text) >= ML3_KEY_NAME_MAX || !is_utf8(text))
    return ml3_key_wrong(key, text, "names of 1 to 63 characters, in UTF-8", where, error);
  strcpy(list->values[list->count++], text);
  return ML3_OK;
}

int ml3_key_append(const ml3_key *key, void *settings, const char *value, const char *where, ml3_error *error) {
  if (key->type == ML3_KEY_NAMES) return append_name(key, field(key, settings), value, where, error);
  if (key->type != ML3_KEY_NUMBERS) return assign(key, settings, value, where, error);
  ml3_key_numbers *list = field(key, settings);
  double x;
  if (list->count == ML3_KEY_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, key->name,
                         ML3_KEY_LIST_MAX);
  const int code = read_number(key, value, key->low >= 1, &x, where, error); /* from 1 on: widths and steps */
  if (code == ML3_OK) list->values[list->count++] = x;
  return code;
}

int ml3_key_set(const ml3_key *key, void *settings, const char *value, const char *where, ml3_error *error) {
  if (!ml3_key_is_list(key)) return assign(key, settings, value, where, error);
  union {
    ml3_key_numbers numbers;
    ml3_key_names names;
  } before; /* lists are the only fields that a mistake would leave half changed */
  const size_t size = key->type == ML3_KEY_NAMES ? sizeof before.names : sizeof before.numbers;
  char text[1024], *save = NULL;
  const char *separators = key->type == ML3_KEY_NUMBERS ? "[], " : "[],"; /* names may have spaces within */
  memcpy(&before, field(key, settings), size);
  ml3_key_clear(key, settings);
  snprintf(text, sizeof text, "%s", value);
  for (char *item = strtok_r(text, separators, &save); item; item = strtok_r(NULL, separators, &save)) {
    const int code = ml3_key_append(key, settings, item + strspn(item, " "), where, error);
    if (code == ML3_OK) continue;
    memcpy(field(key, settings), &before, size);
    return code;
  }
  return ML3_OK;
}

void ml3_keys_default(const ml3_keys *keys, void *settings) {
  for (int i = 0; i < keys->count; i++) ml3_key_set(&keys->table[i], settings, keys->table[i].initial, "default", NULL);
}

const ml3_key *ml3_keys_find(const ml3_keys *keys, const char *name) {
  for (int i = 0; i < keys->count; i++)
    if (strcmp(keys->table[i].name, name) == 0) return &keys->table[i];
  return NULL;
}

/* As a double-quoted text of YAML. Line breaks and what YAML forbids are escaped: C0 and C1 controls, U+2028, U+2029,
   U+FEFF, U+FFFE and U+FFFF. */
static void print_text(const char *text, const char *before, FILE *out) {
  fprintf(out, "%s\"", before);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    const bool three = c[1] && c[2];
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f)
      fprintf(out, "\\x%02X", *c);
    else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
      fprintf(out, "\\x%02X", *++c);
    else if (three && ((*c == 0xe2 && c[1] == 0x80 && (c[2] & 0xfe) == 0xa8) ||
                       (*c == 0xef && c[1] == 0xbb && c[2] == 0xbf) || (*c == 0xef && c[1] == 0xbf && c[2] >= 0xbe)))
      fprintf(out, "\\u%04X", (*c & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu)), c += 2;
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

void ml3_key_print(const ml3_key *key, const void *settings, FILE *out) {
  const void *from = field_of(key, settings);
  const ml3_key_numbers *list = from;
  const ml3_key_names *names = from;
  char name[ML3_KEY_NAME_MAX], number[ML3_NUMBER_TEXT];
  switch (key->type) {
    case ML3_KEY_TEXT:
      print_text(from, "", out);
      break;
    case ML3_KEY_INT:
      fprintf(out, "%lld", (long long)*(const int64_t *)from);
      break;
    case ML3_KEY_REAL:
      fputs(ml3_number_text(*(const double *)from, number), out);
      break;
    case ML3_KEY_BOOL:
      fputs(*(const bool *)from ? "true" : "false", out);
      break;
    case ML3_KEY_CHOICE:
      ml3_key_choice(key, settings, name, sizeof name);
      fputs(name, out);
      break;
    case ML3_KEY_NUMBERS:
      fputc('[', out);
      for (int i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i ? ", " : "", ml3_number_text(list->values[i], number));
      fputc(']', out);
      break;
    case ML3_KEY_NAMES:
      fputc('[', out);
      for (int i = 0; i < names->count; i++) print_text(names->values[i], i ? ", " : "", out);
      fputc(']', out);
      break;
  }
}
