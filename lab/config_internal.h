/* What the files config*.c share: where the keys of owners are in a configuration, which are in force, and how a
   layer gets into it. */
#ifndef ML3_LAB_CONFIG_INTERNAL_H
#define ML3_LAB_CONFIG_INTERNAL_H

#include "lab/config.h"

/* Where a value is from: config->source[]. Layer i: ML3_LAB_FROM_LAYER + i. */
enum { ML3_LAB_FROM_TABLE, ML3_LAB_FROM_PROBLEM, ML3_LAB_FROM_METHOD, ML3_LAB_FROM_ENVIRONMENT, ML3_LAB_FROM_LAYER };

/* All owners, in an order that is always the same, and which of them are in force. */
enum { ML3_LAB_OWNERS_MAX = 64 };
typedef struct ml3_lab_scope {
  int count;
  const ml3_keys *owners[ML3_LAB_OWNERS_MAX];
  size_t place[ML3_LAB_OWNERS_MAX]; /* of its options within an ml3_lab_config */
  bool force[ML3_LAB_OWNERS_MAX];
} ml3_lab_scope;
void ml3_lab_scope_of(const ml3_lab_config *config, ml3_lab_scope *scope); /* of NULL: none is */

/* A key in a configuration. */
typedef struct ml3_lab_slot {
  const ml3_key *key;
  int number;   /* in source[] */
  size_t place; /* of its owner's options */
  bool force;   /* its owner's; `when` is another question */
} ml3_lab_slot;
bool ml3_lab_slot_at(const ml3_lab_scope *scope, int number, ml3_lab_slot *slot); /* false behind the last */
/* The one of that name: of an owner in force, else of the first that has it. */
bool ml3_lab_slot_find(const ml3_lab_scope *scope, const char *name, ml3_lab_slot *slot);

static inline const void *ml3_lab_slot_get(const ml3_lab_config *config, const ml3_lab_slot *slot) {
  return (const char *)config + slot->place;
}
static inline void *ml3_lab_slot_edit(ml3_lab_config *config, const ml3_lab_slot *slot) {
  return (char *)config + slot->place;
}

bool ml3_lab_slot_in_force(const ml3_lab_config *config, const ml3_lab_scope *scope, const ml3_lab_slot *slot);

/* The value at which a key that is gone did nothing; NULL: there never was such a key. */
const char *ml3_lab_key_retired(const char *name);

/* The same of owners that is named; an error with the nearest key, one in force if possible, where there is none.
   where, here and below: what errors begin with. */
int ml3_lab_key_find(const ml3_lab_config *config, const ml3_lab_scope *scope, const char *where, const char *name,
                     ml3_lab_slot *slot, ml3_error *error);

/* Is it a key of other problems or methods alone? */
bool ml3_lab_key_foreign(const ml3_lab_scope *scope, const char *name);

/* Is it a key of this kind of problem, and of the method? An error that names whose it is, and the nearest key in force. */
int ml3_lab_key_check(const ml3_lab_config *config, const ml3_lab_scope *scope, const char *where, const char *name,
                      ml3_error *error);

/* A value for a key, as a layer gives it. */
typedef struct ml3_lab_setting {
  const char *name;
  const char *value;        /* NULL: a list of items */
  const char *const *items; /* [count] */
  int count;
  int line; /* of the file; 0: "key=value", where value may be a list too */
} ml3_lab_setting;

/* All of a layer, in any order; a mistake changes nothing. file: its path; NULL: it comes from --set. */
int ml3_lab_config_apply(ml3_lab_config *config, const char *file, const ml3_lab_setting *settings, int count,
                         ml3_error *error);

#endif
