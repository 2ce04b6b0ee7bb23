/* What the files config*.c share: the table of keys, and how values get into a configuration. */
#ifndef ML3_LAB_CONFIG_INTERNAL_H
#define ML3_LAB_CONFIG_INTERNAL_H

#include "lab/config.h"

typedef enum config_key_type { KEY_TEXT, KEY_INT, KEY_REAL, KEY_BOOL, KEY_CHOICE, KEY_LIST, KEY_TEXTS } config_key_type;

typedef struct config_key {
  const char *name;
  config_key_type type;
  size_t offset;       /* of its field in ml3_lab_config */
  const char *initial; /* as it would be written */
  double low, high;    /* of numbers, also those in lists; of texts: least length */
  const char *choices; /* "a|b|c" */
  const char *help;
} config_key;

const config_key *config_key_at(int i); /* NULL behind the last */

int config_key_number(const config_key *k);

/* Where keys are in force: a rule holds for those that it names, all rules of a key together. */
typedef struct config_rule {
  const char *keys;     /* "policy.* horizon": names with blanks, and beginnings */
  const char *problems; /* "sine|digits"; NULL: all */
  const char *methods;  /* the same of `method` */
  const char *when;     /* "extra.kind=demonstration|advice"; NULL: always */
} config_rule;

const config_rule *config_rule_at(int i); /* NULL behind the last */

/* NULL, with the nearest key told, one in force if possible, where there is none of that name. where, here and below: what
   errors begin with. */
const config_key *config_key_find(const ml3_lab_config *c, const char *where, const char *name, ml3_error *error);

/* The nearest key by its name: of those in force, or of all; NULL: none is near. */
const char *config_key_nearest(const ml3_lab_config *c, const char *name, bool all);

bool config_is_list(const config_key *k);
void config_empty(ml3_lab_config *c, const config_key *k); /* a list */
int config_append(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error);

/* A single value, as it stands; no other key changes. */
int config_assign(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error);

/* The value as "key=value" has it, lists too. */
int config_put(ml3_lab_config *c, const char *where, const config_key *k, const char *text, ml3_error *error);

/* Of a choice: which it is now, into name[size]. */
void config_choice(const ml3_lab_config *c, const config_key *k, char *name, size_t size);

/* ---- config_scope.c: which keys are in force, and what they are when nothing has given them ---- */

/* Notes that k was given in this layer. Where `before` had another problem, method or environment, what was not given takes
   their defaults; a problem's and a learner's defaults also take the place of what earlier layers gave. */
void config_note(ml3_lab_config *c, const config_key *k, const ml3_lab_config *before);

/* What was not given gets its default. */
void config_refresh(ml3_lab_config *c);

bool config_in_force(const ml3_lab_config *c, const config_key *k);
int config_count_in_force(const ml3_lab_config *c);

/* Is k a key of this kind of problem? An error that names the problem it belongs to, and the nearest key in force. */
int config_check_key(const ml3_lab_config *c, const char *where, const config_key *k, ml3_error *error);

/* The method is one for this problem. */
int config_check_method(const ml3_lab_config *c, ml3_error *error);

/* "where: key is 'value'; expected ..." */
int config_wrong(ml3_error *error, const char *where, const config_key *k, const char *value, const char *expected);

#endif
