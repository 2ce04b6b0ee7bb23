/* The kinds of problem that a configuration can name (`problem: KIND`): one file and one line in problems.c each. */
#ifndef ML3_LAB_PROBLEMS_H
#define ML3_LAB_PROBLEMS_H

#include "agents/control/ensemble.h"
#include "agents/problems/playable.h"
#include "lab/config.h"
#include "metaloss/supervised.h"

/* environment, horizon: fields of the configuration, in force where a problem acts */
extern const ml3_keys ml3_lab_acting_keys;

/* dynamics.*, of model_based */
typedef struct ml3_dynamics_options {
  int kind;
  int64_t transitions, hold, every, tasks, members, epochs;
  ml3_key_numbers hidden;
  bool second_order;
  char file[ML3_KEY_TEXT_MAX];
} ml3_dynamics_options;

/* extra.kind and keys of rollout.* and outer.* of model_free */
typedef struct ml3_model_free_options {
  int64_t outer_episodes, judge_episodes;
  bool reuse;
  double discount, lambda, clip, target_weight;
  int extra_kind, credit, baseline, rows;
} ml3_model_free_options;

/* model.*, samples.*, extra.* of supervised problems */
typedef struct ml3_supervised_options {
  ml3_key_numbers model_hidden;
  int model_activation, extra_kind;
  bool model_bias;
  int64_t samples_inner, samples_outer, extra_points;
  double extra_frequency, extra_step;
} ml3_supervised_options;

extern const ml3_keys ml3_dynamics_keys, ml3_model_free_keys, ml3_supervised_keys;

typedef struct ml3_lab_problem_kind {
  const char *name, *summary;
  const char *defaults;        /* "key=value key=value": where they are other than the tables of keys say; or NULL */
  const ml3_keys *const *keys; /* in force while something is meta-trained on it, up to NULL */
  bool rollouts;  /* it acts in an environment: there is something to view and record, and iLQR to compare with */
  bool simulated; /* it is about an environment, though there is nothing to view yet */
  ml3_problem *(*make)(const ml3_lab_config *config, ml3_error *error); /* NULL with a sentence */
  ml3_playable (*playable)(const ml3_problem *problem); /* for comparisons of RL methods; NULL: it is none */
} ml3_lab_problem_kind;

/* The kind of that name; NULL with a sentence that names the nearest. */
const ml3_lab_problem_kind *ml3_lab_problem_kind_find(const char *name, ml3_error *error);

/* Kind number i, NULL behind the last. */
const ml3_lab_problem_kind *ml3_lab_problem_kind_at(int i);

/* Is it about an environment? */
bool ml3_lab_problem_acts(const ml3_lab_problem_kind *kind);

/* What a run is about, for titles and folders: the environment, or the problem's kind. */
const char *ml3_lab_problem_title(const ml3_lab_config *config);

/* The problem of a configuration; NULL with a sentence. Freed by problem->free. */
ml3_problem *ml3_lab_problem_new(const ml3_lab_config *config, ml3_error *error);

/* The same for meta-test, where extra information is gone: there is no expert. */
ml3_problem *ml3_lab_problem_new_at_test(const ml3_lab_config *config, ml3_error *error);
/* The same for that loss, with the scaling of inputs that the loss brings; that an older file brings none is
   a message. */
ml3_problem *ml3_lab_problem_new_for(const ml3_lab_config *config, const ml3_loss *loss, ml3_error *error);

/* The environment that it acts in, with a tally of what MuJoCo warns of there; or NULL. */
const ml3_env_spec *ml3_lab_problem_env(const ml3_lab_config *config, const ml3_problem *problem);

/* The model that a problem of that configuration has learned of its environment, or NULL. */
const ml3_ensemble *ml3_lab_problem_ensemble(const ml3_lab_config *config, const ml3_problem *problem);

/* For kinds: a list of widths as the layers of a network, named `what` in errors. */
int ml3_lab_copy_widths(const ml3_key_numbers *list, int *widths, const char *what, ml3_error *error);

/* For supervised kinds: model.*, samples.* and extra.* as settings, without inputs and outputs. `name` is kept. */
int ml3_lab_supervised_settings(const ml3_lab_config *config, const char *name, ml3_supervised_settings *settings,
                                ml3_error *error);

/* ---- the kinds, each in a file of its own ---- */
extern const ml3_lab_problem_kind ml3_lab_problem_model_based;
extern const ml3_lab_problem_kind ml3_lab_problem_sine;
extern const ml3_lab_problem_kind ml3_lab_problem_shaped_sine;
extern const ml3_lab_problem_kind ml3_lab_problem_digits;
extern const ml3_lab_problem_kind ml3_lab_problem_idx;
extern const ml3_lab_problem_kind ml3_lab_problem_table;
extern const ml3_lab_problem_kind ml3_lab_problem_model_free;

#endif
