/* Keys of a configuration, beside whoever uses them: a plain struct of settings, and a table that says for each key its name,
   type, place in the struct, initial value, range and help. Defaults, reading, checks, printing and help come from the table.

     typedef struct ml3_ppo_options { double rate; int64_t epochs; } ml3_ppo_options;
     static const ml3_key keys[] = {
         {"learner.rate", ML3_KEY_REAL, offsetof(ml3_ppo_options, rate), "3e-4", 0, 10, NULL, NULL, "Adam's step size"}, ...
     };
     const ml3_keys ml3_ppo_keys = ML3_KEYS(keys, ml3_ppo_options); */
#ifndef ML3_BASE_KEYS_H
#define ML3_BASE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_KEY_LIST_MAX = 64, ML3_KEY_TEXT_MAX = 256, ML3_KEY_NAME_MAX = 64 };

/* The field of a key: */
typedef enum ml3_key_type {
  ML3_KEY_TEXT,    /* char[ML3_KEY_TEXT_MAX], UTF-8 */
  ML3_KEY_INT,     /* int64_t */
  ML3_KEY_REAL,    /* double */
  ML3_KEY_BOOL,    /* bool */
  ML3_KEY_CHOICE,  /* int, which of `choices`; an enum whose values count from 0 */
  ML3_KEY_NUMBERS, /* ml3_key_numbers */
  ML3_KEY_NAMES    /* ml3_key_names */
} ml3_key_type;

/* A list of numbers. */
typedef struct ml3_key_numbers {
  int count;
  double values[ML3_KEY_LIST_MAX];
} ml3_key_numbers;

/* A list of names. */
typedef struct ml3_key_names {
  int count;
  char values[ML3_KEY_LIST_MAX][ML3_KEY_NAME_MAX];
} ml3_key_names;

/* A key: its name, where its value is, and what that can be. */
typedef struct ml3_key {
  const char *name; /* "section.word", or "word" */
  ml3_key_type type;
  size_t offset;       /* of its field in the settings */
  const char *initial; /* as it would be written */
  double low,
      high; /* of numbers, also those in lists, which are whole numbers from low 1 on; of texts: low is the least length */
  const char *choices; /* "a|b|c" */
  const char *when;    /* other keys that it needs, "extra.kind=advice|energy cost.kind=reach"; NULL: none */
  const char *help;    /* one line */
} ml3_key;

/* The keys of one struct of settings. */
typedef struct ml3_keys {
  const ml3_key *table;
  int count;
  size_t size; /* of the struct */
} ml3_keys;

#define ML3_KEYS(table, settings) \
  { (table), (int)(sizeof(table) / sizeof *(table)), sizeof(settings) }

/* Every field takes its initial value. */
void ml3_keys_default(const ml3_keys *keys, void *settings);

/* The key of that name; NULL: there is none. */
const ml3_key *ml3_keys_find(const ml3_keys *keys, const char *name);

/* A value as "key=value" has it, lists too ("[1, 2]"). where: what errors begin with. The field keeps its value on an error. */
int ml3_key_set(const ml3_key *key, void *settings, const char *value, const char *where, ml3_error *error);

/* A list's entries one by one, as they come from YAML: an empty list, then one more. */
bool ml3_key_is_list(const ml3_key *key);
void ml3_key_clear(const ml3_key *key, void *settings);
int ml3_key_append(const ml3_key *key, void *settings, const char *value, const char *where, ml3_error *error);

/* The value as YAML, which ml3_key_set takes. */
void ml3_key_print(const ml3_key *key, const void *settings, FILE *out);

/* Of a choice: which one it is, into name[size]. */
void ml3_key_choice(const ml3_key *key, const void *settings, char *name, size_t size);

/* "WHERE: KEY is 'VALUE'; expected EXPECTED" */
int ml3_key_wrong(const ml3_key *key, const char *value, const char *expected, const char *where, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
