/* Configurations as files: checked with their lines, written so that every reader of YAML takes them. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <dirent.h>
#include <yaml.h>

#include "command.h"

TestSuite(config, .init = make_folder, .fini = drop_folder, .timeout = 120);

Test(config, a_configuration_file_is_checked_with_its_line) {
  write_file("a.yaml", "seed: 1\nouter:\n  stpes: 5\n");
  expect("train a.yaml", 2, "a.yaml:3: unknown key 'outer.stpes'; did you mean 'outer.steps'?");
  write_file("b.yaml", "seed: [1, 2]\n");
  expect("train b.yaml", 2, "b.yaml:1: seed is 'a list'");
  write_file("c.yaml", "seed: \"1\n");
  expect("train c.yaml", 1, "not YAML");
  write_file("d.yaml", "- 1\n- 2\n");
  expect("train d.yaml", 1, "expected `key: value`");
}

/* Two configurations as `ml3 config` prints them, but for which layer gave each value. */
static void expect_same(const char *one, const char *other) {
  char line[256];
  snprintf(line, sizeof line, "sed 's/  # \\[[^]]*\\]/  #/' %s >a.same; sed 's/  # \\[[^]]*\\]/  #/' %s | cmp a.same -", one, other);
  cr_expect_eq(shell(line), 0, "%s and %s differ", one, other);
}

Test(config, the_complete_configuration_reads_back_the_same) {
  expect("config --set seed=7 --set loss.hidden=[3,4] > one.yaml", 0, "");
  expect("config one.yaml > two.yaml", 0, "");
  expect_same("one.yaml", "two.yaml");
}

Test(config, a_text_with_line_breaks_and_controls_reads_back_the_same) {
  expect("config table --set \"$(printf 'data=a\\nb\\t\\302\\205\\342\\200\\250\\001 \\303\\244\\\\')\" > one.yaml", 0,
         "");
  expect("config one.yaml > two.yaml", 0, "");
  expect_same("one.yaml", "two.yaml");
  cr_expect_eq(shell("grep -q 'data: \"a.x0Ab.x09.x85.u2028.x01 ' one.yaml"), 0);
  expect("config table --set \"$(printf 'data=\\377')\"", 2, "expected a text of at most 255 characters, in UTF-8");
}

Test(config, a_key_that_is_given_twice_is_refused) {
  write_file("a.yaml", "seed: 1\nouter: {steps: 5, tasks: 2}\nseed: 2\n");
  expect("train a.yaml", 1, "a.yaml:3: seed stands twice, first in line 1");
  write_file("b.yaml", "outer: {steps: 5}\nouter: {tasks: 2}\n"); /* as files of older versions have it */
  expect("config b.yaml", 0, "steps: 5  #");
}

/* No key twice in a mapping, here or below. */
static void expect_keys_once(yaml_document_t *document, const yaml_node_t *node, const char *path) {
  if (node->type != YAML_MAPPING_NODE) return;
  const yaml_node_pair_t *first = node->data.mapping.pairs.start;
  for (const yaml_node_pair_t *pair = first; pair < node->data.mapping.pairs.top; pair++) {
    const char *name = (const char *)yaml_document_get_node(document, pair->key)->data.scalar.value;
    for (const yaml_node_pair_t *earlier = first; earlier < pair; earlier++)
      cr_expect_str_neq((const char *)yaml_document_get_node(document, earlier->key)->data.scalar.value, name,
                        "%s: %s twice", path, name);
    expect_keys_once(document, yaml_document_get_node(document, pair->value), path);
  }
}

static void expect_strict_yaml(const char *path) {
  FILE *file = fopen(path, "rb");
  cr_assert_not_null(file, "%s", path);
  yaml_parser_t parser;
  yaml_document_t document;
  cr_assert(yaml_parser_initialize(&parser));
  yaml_parser_set_input_file(&parser, file);
  cr_assert(yaml_parser_load(&parser, &document), "%s: %s", path, parser.problem);
  cr_assert_not_null(yaml_document_get_root_node(&document), "%s is empty", path);
  expect_keys_once(&document, yaml_document_get_root_node(&document), path);
  yaml_document_delete(&document);
  yaml_parser_delete(&parser);
  fclose(file);
}

Test(config, every_preset_prints_each_key_once) {
  DIR *presets = opendir(ML3_TEST_DATA "/../scripts/experiments");
  cr_assert_not_null(presets);
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(presets));) {
    char arguments[512], path[512];
    const size_t length = strlen(entry->d_name);
    if (length < 5 || strcmp(entry->d_name + length - 5, ".yaml") != 0) continue;
    snprintf(path, sizeof path, ML3_TEST_DATA "/../scripts/experiments/%s", entry->d_name);
    expect_strict_yaml(path);
    snprintf(arguments, sizeof arguments, "config %.*s > all.yaml", (int)length - 5, entry->d_name);
    cr_assert_eq(ml3(arguments), 0, "%s", output);
    snprintf(path, sizeof path, "%s/all.yaml", folder);
    expect_strict_yaml(path);
    count++;
  }
  closedir(presets);
  cr_expect_gt(count, 10);
}

Test(config, losses_of_the_zoo_have_each_key_once) {
  DIR *zoo = opendir(ML3_TEST_DATA "/../zoo");
  cr_assert_not_null(zoo);
  for (const struct dirent *entry; (entry = readdir(zoo));) {
    char path[512];
    snprintf(path, sizeof path, ML3_TEST_DATA "/../zoo/%s/config.yaml", entry->d_name);
    if (entry->d_name[0] != '.') expect_strict_yaml(path);
  }
  closedir(zoo);
}
