/* JSON files of a run. */
#ifndef ML3_LAB_JSON_H
#define ML3_LAB_JSON_H

#include <jansson.h>

#include "base/error.h"

/* Writes it, indented, whole or not at all. */
int ml3_lab_json_save(const json_t *json, const char *path, ml3_error *error);

/* summary.json of a run's folder, which the caller releases; NULL: it has none. */
json_t *ml3_lab_json_summary(const char *folder);

/* Adds a number; null where it is not finite. */
void ml3_lab_json_add(json_t *object, const char *key, double value);

#endif
