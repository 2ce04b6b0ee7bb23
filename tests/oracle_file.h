/* Reads oracle/NAME.json, numbers of another implementation. */
#ifndef ML3_TESTS_ORACLE_FILE_H
#define ML3_TESTS_ORACLE_FILE_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>

/* The caller drops the reference. */
static inline json_t *load_oracle(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/oracle/%s.json", ML3_TEST_DATA, name);
  json_t *json = json_load_file(path, 0, NULL);
  cr_assert_not_null(json, "cannot read %s", path);
  return json;
}

#endif
