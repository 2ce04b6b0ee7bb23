/* The configuration of a run, made of layers, later ones over earlier ones: defaults of the tables of keys, of the
   problem, of a policy that learns by itself, of the environment; files; settings. Each value knows which layer
   gave it.

   Keys belong to their owners: whoever uses a setting has a struct ml3_OWNER_options and the table ml3_OWNER_keys
   of its keys beside its code (base/keys.h). Problems (problems.h), methods (methods.h) and learners list their
   owners, and with that the keys in force. A configuration has room for all, can be copied as a value, and is
   reached through the owner: ML3_LAB_GET. */
#ifndef ML3_LAB_CONFIG_H
#define ML3_LAB_CONFIG_H

#include "base/keys.h"

enum {
  ML3_LAB_KEYS_MAX = 384,
  ML3_LAB_OPTIONS_MAX = 64 << 10, /* bytes of all owners' options */
  ML3_LAB_LAYERS_MAX = 8,
  ML3_LAB_LAYER_NAME = 96
};

typedef struct ml3_lab_config {
  char problem[ML3_KEY_TEXT_MAX], environment[ML3_KEY_TEXT_MAX];
  int method; /* see methods.h */
  int64_t seed, threads, horizon, checkpoint_every;

  /* Not keys. */
  unsigned char source[ML3_LAB_KEYS_MAX]; /* by key: where its value is from (config_internal.h) */
  int layer;                              /* number of the last one: a file, or the options of a command line */
  char layers[ML3_LAB_LAYERS_MAX][ML3_LAB_LAYER_NAME]; /* their names */
  bool whole;                 /* a file gave most of the keys in force: it lacks no environment's defaults */
  bool from_checkpoint;       /* what a problem fits or plans when it is made will come from a checkpoint */
  char environment_run[1024]; /* the run (or folder of seeds) that keeps the environment; "": none does */
  char environment_copy
      [1024]; /* its copy of the environment's FILE.xml, which is used in place of that; "": there is none */
  const struct ml3_lab_callbacks *callbacks; /* for what is to be said while a problem is made; NULL: nothing is */
  const struct ml3_ranks *ranks;             /* that share out what is fitted; NULL: there is one */
  int cores;                                 /* of this process, where `threads` is 0; 0: all */
  _Alignas(16) unsigned char options[ML3_LAB_OPTIONS_MAX]; /* of all owners; no pointer is among them */
} ml3_lab_config;

/* The options of an owner: ML3_LAB_GET(config, inner)->rate; to be written: ML3_LAB_EDIT. */
#define ML3_LAB_GET(config, owner)  ((const ml3_##owner##_options *)ml3_lab_config_get(config, &ml3_##owner##_keys))
#define ML3_LAB_EDIT(config, owner) ((ml3_##owner##_options *)ml3_lab_config_edit(config, &ml3_##owner##_keys))
const void *ml3_lab_config_get(const ml3_lab_config *config, const ml3_keys *owner);
void *ml3_lab_config_edit(ml3_lab_config *config, const ml3_keys *owner);

/* Methods from this number on are learners: a policy learns by itself. The others meta-train; see methods.h. */
enum { ML3_LAB_META_METHODS = 4 };
static inline bool ml3_lab_trains_policy(const ml3_lab_config *config) {
  return config->method >= ML3_LAB_META_METHODS;
}

void ml3_lab_config_defaults(ml3_lab_config *config);

/* Reads a YAML file over what config holds. What nothing has given takes the defaults of the problem, the method
   and the environment, wherever in the file these stand. An unknown key, a wrong type, a value out of range and a
   key of another kind of problem or method are errors that name the file, the key, what was found and what is possible; a
   file with most of the keys in force, as runs have and older ones with every key, may hold keys that are not. */
int ml3_lab_config_read(ml3_lab_config *config, const char *path, ml3_error *error);

/* Settings "key=value" in one layer, in any order; a key of another kind of problem, or of another method, is an error. */
int ml3_lab_config_set_all(ml3_lab_config *config, const char *const *assignments, int count, ml3_error *error);
int ml3_lab_config_set(ml3_lab_config *config, const char *assignment, ml3_error *error); /* one, as a layer */

/* The same; a setting without an effect goes to the callback for these. callbacks: NULL, or a table. */
int ml3_lab_config_override(ml3_lab_config *config, const char *const *assignments, int count,
                            const struct ml3_lab_callbacks *callbacks, ml3_error *error);

/* Is the key of "key=value" one of other problems or methods alone? */
bool ml3_lab_config_foreign(const ml3_lab_config *config, const char *assignment);

/* What the last layer is called in place of its file or "--set". */
void ml3_lab_config_name_layer(ml3_lab_config *config, const char *name);

/* "extra.kind=advice|energy cost.kind=reach": are the keys that? */
bool ml3_lab_config_holds(const ml3_lab_config *config, const char *when);

/* Number i of the keys that the last layer has given and that have no effect, as "extra.goal, which needs
   extra.kind=exploration_goal", into text[size]; false behind the last. */
bool ml3_lab_config_idle(const ml3_lab_config *config, int i, char *text, size_t size);

/* The keys in force with their values, as YAML that ml3_lab_config_read takes; when `help`, with comments: the
   layer that gave it, what it means, its choices. */
void ml3_lab_config_print(const ml3_lab_config *config, FILE *out, bool help);
char *ml3_lab_config_text(const ml3_lab_config *config); /* the same, without help, to be freed; NULL without memory */
int ml3_lab_config_write(const ml3_lab_config *config, const char *path, ml3_error *error);

/* What is to be known of key number i of all owners; false behind the last. choices: "a|b|c", or NULL. owner: the
   same for keys of one table. */
typedef struct ml3_lab_key_texts {
  const char *name, *initial, *choices, *help;
  const ml3_keys *owner;
} ml3_lab_key_texts;
bool ml3_lab_config_key(int i, ml3_lab_key_texts *texts);

/* Whose keys these are, as "problem sine, digits; method ppo" or "every configuration", into text[size]. */
void ml3_lab_config_owner_title(const ml3_keys *owner, char *text, size_t size);

#endif
