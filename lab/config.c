/* A configuration as YAML: see config.h. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/config_internal.h"

/* Which layer gave it. */
static const char *source_name(const ml3_lab_config *c, int number) {
  static const char *const defaults[] = {[ML3_LAB_FROM_TABLE] = "default",
                                         [ML3_LAB_FROM_PROBLEM] = "problem",
                                         [ML3_LAB_FROM_METHOD] = "method",
                                         [ML3_LAB_FROM_ENVIRONMENT] = "environment"};
  const int source = c->source[number];
  return source < ML3_LAB_FROM_LAYER ? defaults[source] : c->layers[source - ML3_LAB_FROM_LAYER];
}

static void print_line(const ml3_lab_config *c, const ml3_lab_slot *slot, bool help, FILE *out) {
  const ml3_key *k = slot->key;
  const char *dot = strchr(k->name, '.');
  fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : k->name);
  ml3_key_print(k, ml3_lab_slot_get(c, slot), out);
  if (help) fprintf(out, "  # [%s]%s%s", source_name(c, slot->number), *k->help ? " " : "", k->help);
  if (help && k->choices) fprintf(out, "%s%s", *k->help ? ": " : " ", k->choices);
  fputc('\n', out);
}

/* Those in force whose names begin with prefix[length], "" for those of no section, if none before number `first` does. */
static void print_section(const ml3_lab_config *c, const ml3_lab_scope *s, const char *prefix, int first, bool help,
                          FILE *out) {
  const size_t length = strcspn(prefix, ".");
  ml3_lab_slot slot;
  bool begun = false;
  for (int i = 0; ml3_lab_slot_at(s, i, &slot); i++) {
    const size_t n = strcspn(slot.key->name, ".");
    const bool top = !slot.key->name[n], same = n == length && strncmp(slot.key->name, prefix, n) == 0;
    if (!ml3_lab_slot_in_force(c, s, &slot) || (length ? top || !same : !top)) continue;
    if (i < first) return; /* printed already */
    if (!begun && length) fprintf(out, "%.*s:\n", (int)length, prefix);
    begun = true;
    print_line(c, &slot, help, out);
  }
}

void ml3_lab_config_print(const ml3_lab_config *c, FILE *out, bool help) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  ml3_lab_scope_of(c, &s);
  print_section(c, &s, "", 0, help, out);
  for (int i = 0; ml3_lab_slot_at(&s, i, &slot); i++)
    if (strchr(slot.key->name, '.') && ml3_lab_slot_in_force(c, &s, &slot))
      print_section(c, &s, slot.key->name, i, help, out);
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
