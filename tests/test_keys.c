/* Tables of keys: defaults, setting, checks, printing (base/keys.h). */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/keys.h"

typedef struct options {
  char name[ML3_KEY_TEXT_MAX];
  int64_t steps;
  double rate;
  bool bias;
  int kind;
  ml3_key_numbers widths, scale;
  ml3_key_names columns;
} options;

#define AT(field) offsetof(options, field)
static const ml3_key table[] = {
    {"a.name", ML3_KEY_TEXT, AT(name), "first", 1, 0, NULL, NULL, "a text"},
    {"a.steps", ML3_KEY_INT, AT(steps), "5", 1, 1000, NULL, NULL, "a count"},
    {"a.rate", ML3_KEY_REAL, AT(rate), "0.25", 0, 10, NULL, NULL, "a number"},
    {"a.bias", ML3_KEY_BOOL, AT(bias), "true", 0, 0, NULL, NULL, ""},
    {"a.kind", ML3_KEY_CHOICE, AT(kind), "wide", 0, 0, "deep|wide|flat", NULL, ""},
    {"a.widths", ML3_KEY_NUMBERS, AT(widths), "[64, 32]", 1, 4096, NULL, "a.kind=wide", "whole"},
    {"a.scale", ML3_KEY_NUMBERS, AT(scale), "[]", -2, 2, NULL, NULL, ""},
    {"a.columns", ML3_KEY_NAMES, AT(columns), "[height, body mass]", 0, 0, NULL, NULL, ""},
};
static const ml3_keys keys = ML3_KEYS(table, options);

static options defaults(void) {
  options o;
  memset(&o, 0x5a, sizeof o);
  ml3_keys_default(&keys, &o);
  return o;
}

static void expect_text(const options *o, const char *name, const char *text) {
  char *printed = NULL;
  size_t size;
  FILE *out = open_memstream(&printed, &size);
  ml3_key_print(ml3_keys_find(&keys, name), o, out);
  fclose(out);
  cr_expect_str_eq(printed, text, "%s is printed as %s, not %s", name, printed, text);
  free(printed);
}

static void expect_wrong(const char *name, const char *value, const char *sentence) {
  options o = defaults(), before;
  memcpy(&before, &o, sizeof o);
  ml3_error error = {0};
  cr_expect_neq(ml3_key_set(ml3_keys_find(&keys, name), &o, value, "here", &error), ML3_OK, "%s=%s", name, value);
  cr_expect_str_eq(error.message, sentence);
  cr_expect_eq(memcmp(&o, &before, sizeof o), 0, "%s=%s changed something", name, value);
}

static void expect_set(options *o, const char *name, const char *value) {
  ml3_error error = {0};
  cr_assert_eq(ml3_key_set(ml3_keys_find(&keys, name), o, value, "here", &error), ML3_OK, "%s", error.message);
}

Test(keys, give_every_field_its_initial_value) {
  const options o = defaults();
  cr_expect_str_eq(o.name, "first");
  cr_expect_eq(o.steps, 5);
  cr_expect_eq(o.rate, 0.25);
  cr_expect(o.bias);
  cr_expect_eq(o.kind, 1);
  cr_expect_eq(o.widths.count, 2);
  cr_expect_eq(o.widths.values[1], 32);
  cr_expect_eq(o.scale.count, 0);
  cr_expect_eq(o.columns.count, 2);
  cr_expect_str_eq(o.columns.values[1], "body mass");
}

Test(keys, are_found_by_their_whole_name) {
  cr_expect_eq(ml3_keys_find(&keys, "a.rate"), &table[2]);
  cr_expect_null(ml3_keys_find(&keys, "a.rat"));
  cr_expect_null(ml3_keys_find(&keys, "a.rates"));
}

Test(keys, take_values_to_the_ends_of_their_range) {
  options o = defaults();
  expect_set(&o, "a.steps", "1000");
  expect_set(&o, "a.rate", "0");
  expect_set(&o, "a.kind", "flat");
  expect_set(&o, "a.bias", "false");
  expect_set(&o, "a.scale", "[-2, 2]");
  cr_expect_eq(o.steps, 1000);
  cr_expect_eq(o.rate, 0);
  cr_expect_eq(o.kind, 2);
  cr_expect_not(o.bias);
  cr_expect_eq(o.scale.values[0], -2);
}

Test(keys, say_what_they_expect_and_keep_their_value) {
  expect_wrong("a.steps", "1001", "here: a.steps is '1001'; expected a whole number from 1 to 1000");
  expect_wrong("a.steps", "2.5", "here: a.steps is '2.5'; expected a whole number from 1 to 1000");
  expect_wrong("a.rate", "fast", "here: a.rate is 'fast'; expected a number from 0 to 10");
  expect_wrong("a.rate", "nan", "here: a.rate is 'nan'; expected a number from 0 to 10");
  expect_wrong("a.rate", "-1e-9", "here: a.rate is '-1e-9'; expected a number from 0 to 10");
  expect_wrong("a.bias", "yes", "here: a.bias is 'yes'; expected true or false");
  expect_wrong("a.kind", "wid", "here: a.kind is 'wid'; expected one of deep|wide|flat");
  expect_wrong("a.name", "", "here: a.name is ''; expected a text of at most 255 characters, in UTF-8");
  expect_wrong("a.name", "\xff", "here: a.name is '\xff'; expected a text of at most 255 characters, in UTF-8");
  expect_wrong("a.widths", "[8, 0]", "here: a.widths is '0'; expected a whole number from 1 to 4096");
  expect_wrong("a.widths", "[8, 2.5]", "here: a.widths is '2.5'; expected a whole number from 1 to 4096");
  expect_wrong("a.scale", "[1, 3]", "here: a.scale is '3'; expected a number from -2 to 2");
}

Test(keys, take_as_many_entries_as_a_list_has_room_for) {
  options o = defaults();
  ml3_error error = {0};
  const ml3_key *key = ml3_keys_find(&keys, "a.widths");
  ml3_key_clear(key, &o);
  for (int i = 0; i < ML3_KEY_LIST_MAX; i++)
    cr_assert_eq(ml3_key_append(key, &o, "7", "here", &error), ML3_OK, "%s", error.message);
  cr_expect_neq(ml3_key_append(key, &o, "7", "here", &error), ML3_OK);
  cr_expect_str_eq(error.message, "here: a.widths has more than 64 entries");
  cr_expect_eq(o.widths.count, ML3_KEY_LIST_MAX);
}

Test(keys, print_what_reads_back) {
  options o = defaults();
  expect_set(&o, "a.rate", "0.1");
  expect_text(&o, "a.rate", "0.1");
  expect_text(&o, "a.steps", "5");
  expect_text(&o, "a.bias", "true");
  expect_text(&o, "a.kind", "wide");
  expect_text(&o, "a.widths", "[64, 32]");
  expect_text(&o, "a.scale", "[]");
  expect_text(&o, "a.columns", "[\"height\", \"body mass\"]");
  expect_set(&o, "a.name", "a\n\"b\\");
  expect_text(&o, "a.name", "\"a\\x0A\\\"b\\\\\"");
}

Test(keys, name_the_choice_that_is_made) {
  const options o = defaults();
  char name[ML3_KEY_NAME_MAX];
  ml3_key_choice(ml3_keys_find(&keys, "a.kind"), &o, name, sizeof name);
  cr_expect_str_eq(name, "wide");
}
