/* Values of a configuration: assigned, set, printed. See config.h. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "lab/config_internal.h"
#include "lab/problems.h"

/* ---- values ------------------------------------------------------------------------------------------- */

int config_wrong(ml3_error *error, const char *where, const config_key *k, const char *value, const char *expected) {
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s is '%s'; expected %s", where, k->name, value, expected);
}

static int read_number(const char *where, const config_key *k, const char *text, bool whole, double *x,
                       ml3_error *error) {
  char *end, expected[96];
  errno = 0;
  *x = strtod(text, &end);
  bool number = end != text && *end == '\0' && isfinite(*x);
  if (number && (!whole || *x == floor(*x)) && *x >= k->low && *x <= k->high) return ML3_OK;
  snprintf(expected, sizeof expected, "%s from %g to %g", whole ? "a whole number" : "a number", k->low, k->high);
  return config_wrong(error, where, k, text, expected);
}

/* Which of "a|b|c" text is, or -1. */
static int choice_index(const char *choices, const char *text) {
  size_t n = strlen(text);
  int index = 0;
  for (const char *at = choices; at; index++) {
    const char *bar = strchr(at, '|');
    size_t length = bar ? (size_t)(bar - at) : strlen(at);
    if (length == n && strncmp(at, text, n) == 0) return index;
    at = bar ? bar + 1 : NULL;
  }
  return -1;
}

static void choice_name(const char *choices, int index, char *name, size_t size) {
  const char *at = choices;
  for (; index > 0; index--) at = strchr(at, '|') + 1;
  snprintf(name, size, "%.*s", (int)strcspn(at, "|"), at);
}

/* What a YAML file can hold. */
static bool is_utf8(const char *text) {
  json_t *string = json_string(text);
  json_decref(string);
  return string != NULL;
}

int config_assign(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error) {
  void *field = (char *)c + k->offset;
  double x;
  int code = ML3_OK, choice;
  switch (k->type) {
    case KEY_TEXT:
      if (strlen(text) < k->low || strlen(text) >= ML3_KEY_TEXT_MAX || !is_utf8(text))
        return config_wrong(error, where, k, text, "a text of at most 255 characters, in UTF-8");
      if (k->offset == offsetof(ml3_lab_config, problem) && !ml3_lab_problem_kind_find(text, error))
        return ml3_error_prefix(error, "%s", where), ML3_ERR_ARGUMENT;
      if (k->offset == offsetof(ml3_lab_config, environment) && strcmp(field, text) != 0)
        c->environment_copy[0] = c->environment_run[0] = '\0'; /* a copy is of the one that was named */
      strcpy(field, text);
      break;
    case KEY_INT:
      if ((code = read_number(where, k, text, true, &x, error)) == ML3_OK) *(int64_t *)field = (int64_t)x;
      break;
    case KEY_REAL:
      if ((code = read_number(where, k, text, false, &x, error)) == ML3_OK) *(double *)field = x;
      break;
    case KEY_BOOL:
      if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return config_wrong(error, where, k, text, "true or false");
      *(bool *)field = text[0] == 't';
      break;
    case KEY_CHOICE:
      choice = choice_index(k->choices, text);
      if (choice < 0) {
        char expected[160];
        snprintf(expected, sizeof expected, "one of %s", k->choices);
        return config_wrong(error, where, k, text, expected);
      }
      *(int *)field = choice;
      break;
    case KEY_LIST:
      return config_wrong(error, where, k, text, "a list such as [1, 2]");
    case KEY_TEXTS:
      return config_wrong(error, where, k, text, "a list such as [height, weight]");
  }
  return code;
}

static int append_text(ml3_key_names *list, const char *where, const config_key *k, const char *text,
                       ml3_error *error) {
  if (list->count == ML3_KEY_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, k->name, ML3_KEY_LIST_MAX);
  if (strlen(text) == 0 || strlen(text) >= sizeof *list->values || !is_utf8(text))
    return config_wrong(error, where, k, text, "names of 1 to 63 characters, in UTF-8");
  strcpy(list->values[list->count++], text);
  return ML3_OK;
}

bool config_is_list(const config_key *k) {
  return k->type == KEY_LIST || k->type == KEY_TEXTS;
}

void config_empty(ml3_lab_config *c, const config_key *k) {
  void *field = (char *)c + k->offset;
  if (k->type == KEY_TEXTS)
    ((ml3_key_names *)field)->count = 0;
  else
    ((ml3_key_numbers *)field)->count = 0;
}

int config_append(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error) {
  if (k->type == KEY_TEXTS) return append_text((ml3_key_names *)((char *)c + k->offset), where, k, text, error);
  ml3_key_numbers *list = (ml3_key_numbers *)((char *)c + k->offset);
  double x;
  if (list->count == ML3_KEY_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, k->name, ML3_KEY_LIST_MAX);
  bool whole = k->low >= 1; /* widths and steps */
  int code = read_number(where, k, text, whole, &x, error);
  if (code == ML3_OK) list->values[list->count++] = x;
  return code;
}

/* ---- setting, printing ------------------------------------------------------------------------------------ */

int config_put(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error) {
  char value[1024];
  if (!config_is_list(k)) return config_assign(c, where, k, text, error);
  config_empty(c, k);
  snprintf(value, sizeof value, "%s", text);
  const char *separators = k->type == KEY_LIST ? "[], " : "[],"; /* names may have spaces within */
  for (char *save = NULL, *item = strtok_r(value, separators, &save); item; item = strtok_r(NULL, separators, &save)) {
    int code = config_append(c, where, k, item + strspn(item, " "), error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

static int set_one(ml3_lab_config *c, const char *assignment, ml3_error *error) {
  char text[1024], *value = NULL;
  snprintf(text, sizeof text, "%s", assignment);
  if (strlen(assignment) < sizeof text) value = strchr(text, '=');
  if (!value) return ml3_error_set(error, ML3_ERR_ARGUMENT, "--set %.200s: expected key=value", assignment);
  *value++ = '\0';
  const config_key *k = config_key_find(c, "--set", text, error);
  if (!k) return ML3_ERR_ARGUMENT;
  const ml3_lab_config before = *c;
  const int code = config_put(c, "--set", k, value, error);
  if (code == ML3_OK) config_note(c, k, &before);
  return code;
}

int ml3_lab_config_set_all(ml3_lab_config *config, const char *const *assignments, int count, ml3_error *error) {
  ml3_lab_config fresh = *config; /* a mistake changes nothing */
  const config_key *k;
  fresh.layer++;
  for (int i = 0; i < count; i++) {
    int code = set_one(&fresh, assignments[i], error);
    if (code != ML3_OK) return code;
  }
  for (int i = 0; (k = config_key_at(i)); i++) {
    int code = fresh.given[i] == fresh.layer ? config_check_key(&fresh, "--set", k, error) : ML3_OK;
    if (code != ML3_OK) return code;
  }
  if (config_check_method(&fresh, error) != ML3_OK) return ML3_ERR_ARGUMENT;
  *config = fresh;
  return ML3_OK;
}

int ml3_lab_config_set(ml3_lab_config *config, const char *assignment, ml3_error *error) {
  return ml3_lab_config_set_all(config, &assignment, 1, error);
}

void ml3_lab_config_defaults(ml3_lab_config *config) {
  *config = (ml3_lab_config){.problem = "model_based"};
  config_refresh(config);
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

void config_choice(const ml3_lab_config *c, const config_key *k, char *name, size_t size) {
  choice_name(k->choices, *(const int *)((const char *)c + k->offset), name, size);
}

static void print_value(const ml3_lab_config *c, const config_key *k, FILE *out) {
  const void *field = (const char *)c + k->offset;
  const ml3_key_numbers *list = field;
  const ml3_key_names *texts = field;
  char name[64], number[ML3_NUMBER_TEXT];
  switch (k->type) {
    case KEY_TEXT:
      print_text(field, "", out);
      break;
    case KEY_INT:
      fprintf(out, "%lld", (long long)*(const int64_t *)field);
      break;
    case KEY_REAL:
      fputs(ml3_number_text(*(const double *)field, number), out);
      break;
    case KEY_BOOL:
      fputs(*(const bool *)field ? "true" : "false", out);
      break;
    case KEY_CHOICE:
      config_choice(c, k, name, sizeof name);
      fputs(name, out);
      break;
    case KEY_LIST:
      fputc('[', out);
      for (int i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i ? ", " : "", ml3_number_text(list->values[i], number));
      fputc(']', out);
      break;
    case KEY_TEXTS:
      fputc('[', out);
      for (int i = 0; i < texts->count; i++) print_text(texts->values[i], i ? ", " : "", out);
      fputc(']', out);
      break;
  }
}

void ml3_lab_config_print(const ml3_lab_config *config, FILE *out, bool help) {
  char section[64] = "";
  const config_key *k;
  for (int i = 0; (k = config_key_at(i)); i++) {
    const char *dot = strchr(k->name, '.');
    if (!config_in_force(config, k)) continue;
    if (dot && strncmp(section, k->name, (size_t)(dot - k->name + 1)) != 0) {
      snprintf(section, sizeof section, "%.*s", (int)(dot - k->name + 1), k->name);
      fprintf(out, "%.*s:\n", (int)(dot - k->name), k->name);
    }
    fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : k->name);
    print_value(config, k, out);
    if (help && (*k->help || k->choices))
      fprintf(out, "  # %s%s%s", k->help, *k->help && k->choices ? ": " : "", k->choices ? k->choices : "");
    fputc('\n', out);
  }
}

char *ml3_lab_config_text(const ml3_lab_config *config) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  ml3_lab_config_print(config, out, false);
  fclose(out);
  return text;
}

int ml3_lab_config_write(const ml3_lab_config *config, const char *path, ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  ml3_lab_config_print(config, file.stream, false);
  return ml3_file_commit(&file, error);
}
