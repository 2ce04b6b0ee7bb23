/* What the files config*.c share: the table of keys, and how values get into a configuration. */
#ifndef ML3_CLI_CONFIG_INTERNAL_H
#define ML3_CLI_CONFIG_INTERNAL_H

#include "cli/config.h"

typedef enum config_key_type { KEY_TEXT, KEY_INT, KEY_REAL, KEY_BOOL, KEY_CHOICE, KEY_LIST, KEY_TEXTS } config_key_type;

typedef struct config_key {
  const char *name;
  config_key_type type;
  size_t offset;       /* of its field in cli_config */
  const char *initial; /* as it would be written */
  double low, high;    /* of numbers, also those in lists; of texts: least length */
  const char *choices; /* "a|b|c" */
  const char *help;
} config_key;

enum { CONFIG_KEYS_MAX = 512 };

const config_key *config_key_at(int i); /* NULL behind the last */

/* NULL, with the nearest key told, where there is none of that name. where, here and below: what errors begin with. */
const config_key *config_key_find(const char *where, const char *name, ml3_error *error);

bool config_is_list(const config_key *k);
void config_empty(cli_config *c, const config_key *k); /* a list */
int config_append(cli_config *c, const char *where, const config_key *k, const char *text, ml3_error *error);

/* A single value. Another `problem` brings that kind's defaults, another `method` those of a policy that learns by itself. */
int config_assign(cli_config *c, const char *where, const config_key *k, const char *text, ml3_error *error);

/* Takes over the problem and the method of `from` as config_assign does. */
int config_become(cli_config *c, const char *where, const cli_config *from, ml3_error *error);

/* "where: key is 'value'; expected ..." */
int config_wrong(ml3_error *error, const char *where, const config_key *k, const char *value, const char *expected);

#endif
