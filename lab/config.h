/* The complete configuration of a run, and the one table from which defaults, YAML reading and writing, --set, range
   checks, suggestions and `ml3 config` all come. */
#ifndef ML3_LAB_CONFIG_H
#define ML3_LAB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "lab/owners.h"

/* The choices of `method`, in order. From PPO on a policy learns by itself. */
enum { METHOD_LEARNED_LOSS, METHOD_MAML, METHOD_FOMAML, METHOD_META_SGD, METHOD_PPO, METHOD_REINFORCE, METHOD_RANDOM };

enum { ML3_LAB_KEYS_MAX = 256 };

/* extra.expert, in the order of its choices. */
enum { ML3_LAB_EXPERT_ILQR, ML3_LAB_EXPERT_PPO };

/* extra.kind, in the order of its choices. */
enum {
  ML3_LAB_EXTRA_NONE,
  ML3_LAB_EXTRA_EXPLORATION_GOAL,
  ML3_LAB_EXTRA_KNOWN_PARAMETERS,
  ML3_LAB_EXTRA_DEMONSTRATION,
  ML3_LAB_EXTRA_PHYSICS,
  ML3_LAB_EXTRA_ENERGY,
  ML3_LAB_EXTRA_ADVICE
};

typedef struct ml3_lab_config {
  char problem[ML3_KEY_TEXT_MAX], environment[ML3_KEY_TEXT_MAX];
  int method, numerics;
  int64_t seed, threads, horizon, checkpoint_every;

  /* Of owners: ML3_LAB_GET. */
  ml3_policy_options policy;
  ml3_loss_options loss;
  ml3_inner_options inner;
  ml3_outer_options outer;
  ml3_extra_options extra;
  ml3_model_based_options model_based;
  ml3_dynamics_options dynamics;
  ml3_rollout_options rollout;
  ml3_model_free_options model_free;
  ml3_supervised_options supervised;
  ml3_sine_options sine;
  ml3_shaped_sine_options shaped_sine;
  ml3_classes_options classes;
  ml3_idx_options idx;
  ml3_table_options table;
  ml3_validation_options validation;
  ml3_learner_options learner;
  ml3_test_options test;
  ml3_meta_test_options meta_test;
  ml3_compare_options compare;

  /* Not keys. */
  unsigned char given[ML3_LAB_KEYS_MAX]; /* by key: in which layer it was given; 0: it has its default */
  int layer;                             /* number of the last one: a file, or the options of a command line */
  bool whole;                            /* a file gave most of the keys in force: it lacks no environment's defaults */
  bool from_checkpoint;                  /* what a problem fits or plans when it is made will come from a checkpoint */
  char environment_run[1024];            /* the run (or folder of seeds) that keeps the environment; "": none does */
  char environment_copy
      [1024]; /* its copy of the environment's FILE.xml, which is used in place of that; "": there is none */
  const struct ml3_lab_callbacks *callbacks; /* for what is to be said while a problem is made; NULL: nothing is */
  const struct ml3_ranks *ranks;             /* that share out what is fitted; NULL: there is one */
  int cores;                                 /* of this process, where `threads` is 0; 0: all */
} ml3_lab_config;

/* The settings of an owner, whose struct is ml3_OWNER_options: ML3_LAB_GET(config, inner)->rate; to be written: ML3_LAB_EDIT. */
#define ML3_LAB_GET(config, owner)  ((const ml3_##owner##_options *)&(config)->owner)
#define ML3_LAB_EDIT(config, owner) ((ml3_##owner##_options *)&(config)->owner)

/* Does a policy learn by itself? Else it meta-trains. */
static inline bool ml3_lab_trains_policy(const ml3_lab_config *config) {
  return config->method >= METHOD_PPO;
}

void ml3_lab_config_defaults(ml3_lab_config *config);

/* Reads a YAML file over what config holds. What nothing has given takes the defaults of the problem, the method and the
   environment, wherever in the file these stand. An unknown key, a wrong type, a value out of range and a key of another
   kind of problem are errors that name the file, the key, what was found and what is possible; a file with most of the keys
   in force, as runs have and older ones with every key, may hold keys that are not. */
int ml3_lab_config_read(ml3_lab_config *config, const char *path, ml3_error *error);

/* Settings "key=value" in one layer, in any order; a key of another kind of problem is an error. */
int ml3_lab_config_set_all(ml3_lab_config *config, const char *const *assignments, int count, ml3_error *error);
int ml3_lab_config_set(ml3_lab_config *config, const char *assignment, ml3_error *error); /* one, as a layer */

/* Number i of the keys that the last layer has given and that have no effect, as "loss.hidden, with method 'maml'", into
   text[size]; false behind the last. */
bool ml3_lab_config_idle(const ml3_lab_config *config, int i, char *text, size_t size);

/* The keys in force with their values, as YAML that ml3_lab_config_read takes; with comments when `help`. */
void ml3_lab_config_print(const ml3_lab_config *config, FILE *out, bool help);
char *ml3_lab_config_text(const ml3_lab_config *config); /* the same, without help, to be freed; NULL without memory */
int ml3_lab_config_write(const ml3_lab_config *config, const char *path, ml3_error *error);

/* What is to be known of key number i; false behind the last. choices: "a|b|c", or NULL. */
typedef struct ml3_lab_key_texts {
  const char *name, *choices, *help;
} ml3_lab_key_texts;
bool ml3_lab_config_key(int i, ml3_lab_key_texts *texts);

#endif
