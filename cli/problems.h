/* The kinds of problem that a configuration can name (`problem: KIND`): one file and one line in problems.c each. */
#ifndef ML3_CLI_PROBLEMS_H
#define ML3_CLI_PROBLEMS_H

#include "agents/problems/playable.h"
#include "cli/config.h"
#include "agents/control/ensemble.h"
#include "metaloss/supervised.h"

typedef struct cli_problem_kind {
  const char *name, *summary;
  const char *defaults; /* "key=value key=value": where they are other than the table of keys says; or NULL */
  bool rollouts;  /* it acts in an environment: there is something to view and record, and iLQR to compare with */
  bool simulated; /* it is about an environment, though there is nothing to view yet */
  ml3_problem *(*make)(const cli_config *config, ml3_error *error); /* NULL with a sentence */
  ml3_playable (*playable)(const ml3_problem *problem); /* for comparisons of RL methods; NULL: it is none */
} cli_problem_kind;

/* The kind of that name; NULL with a sentence that names the nearest. */
const cli_problem_kind *cli_problem_kind_find(const char *name, ml3_error *error);

/* Kind number i, NULL behind the last. */
const cli_problem_kind *cli_problem_kind_at(int i);

/* Is it about an environment? */
bool cli_problem_acts(const cli_problem_kind *kind);

/* What a run is about, for titles and folders: the environment, or the problem's kind. */
const char *cli_problem_title(const cli_config *config);

/* The problem of a configuration; NULL with a sentence. Freed by problem->free. */
ml3_problem *cli_problem_new(const cli_config *config, ml3_error *error);

/* The same for meta-test, where extra information is gone: no expert shows anything. */
ml3_problem *cli_problem_new_at_test(const cli_config *config, ml3_error *error);
/* The same for that loss, with the scaling of inputs that the loss brings; that a file of before brings none is told. */
ml3_problem *cli_problem_new_for(const cli_config *config, const ml3_loss *loss, ml3_error *error);

/* The environment that it acts in, with a tally of what MuJoCo warns of there; or NULL. */
const ml3_env_spec *cli_problem_env(const cli_config *config, const ml3_problem *problem);

/* The model that a problem of that configuration has learned of its environment, or NULL. */
const ml3_ensemble *cli_problem_ensemble(const cli_config *config, const ml3_problem *problem);

/* For kinds: a list of widths as the layers of a network, named `what` in errors. */
int cli_copy_widths(const cli_numbers *list, int *widths, const char *what, ml3_error *error);

/* For supervised kinds: model.*, samples.* and extra.* as settings, without inputs and outputs. `name` is kept. */
int cli_supervised_settings(const cli_config *config, const char *name, ml3_supervised_settings *settings,
                            ml3_error *error);

/* ---- the kinds, each in a file of its own ---- */
extern const cli_problem_kind cli_problem_model_based;
extern const cli_problem_kind cli_problem_sine;
extern const cli_problem_kind cli_problem_shaped_sine;
extern const cli_problem_kind cli_problem_digits;
extern const cli_problem_kind cli_problem_idx;
extern const cli_problem_kind cli_problem_table;
extern const cli_problem_kind cli_problem_model_free;

#endif
