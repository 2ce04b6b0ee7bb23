/* From a configuration to what the library works with: environment, problem, settings; and a run folder's files. */
#ifndef ML3_CLI_EXPERIMENT_H
#define ML3_CLI_EXPERIMENT_H

#include "agents/compare/compare.h"
#include "agents/problems/model_based.h"
#include "cli/config.h"
#include "cli/problems.h"
#include "metaloss/trainer.h"

enum { CLI_PATH_MAX = 1024 };

/* Threads for this process: `threads`, or of several ranks its share of the cores; 0: all. */
int cli_threads(const cli_config *config);

int cli_trainer_settings(const cli_config *config, const ml3_problem *problem, ml3_trainer_settings *settings,
                         ml3_error *error);
const char *cli_method_label(const cli_config *config); /* "learned loss", "MAML" ... */
ml3_compare_settings cli_compare_settings(const cli_config *config);

/* ---- run folders -------------------------------------------------------------------------------------- */

/* FOLDER/name into path[CLI_PATH_MAX]. */
void cli_run_path(const char *folder, const char *name, char *path);

/* What can be told of `wanted` (NULL: nothing) before there is something to write: that it exists and not `force`, that it is a file. */
int cli_run_may_create(const char *wanted, bool force, ml3_error *error);

/* Makes a new folder. `wanted` or, when NULL, runs/DATE-ENVIRONMENT-SEED (or the problem's kind), with a number behind it when
   taken. An existing folder is an error unless `force`. folder[CLI_PATH_MAX] gets its name. */
int cli_run_create(const char *wanted, const cli_config *config, bool force, char *folder, ml3_error *error);

#define CLI_ENSEMBLE "ensemble.safetensors" /* of a run that has learned its environment */

/* A trained run: its configuration and its best loss; where it has learned a model, dynamics.file names it. Not a run folder, or not trained yet: an error. */
int cli_run_open(const char *folder, cli_config *config, ml3_loss **loss, ml3_error *error);

/* Does the name end in .xml: a user's own environment? */
bool cli_is_mjcf(const char *name);

/* Is this a run folder (has a config.yaml)? */
bool cli_run_is(const char *folder);

/* Which checkpoint a resumed run goes on from, into found[CLI_PATH_MAX]; "" when it has none yet and begins anew. When the
   newest is damaged the one before is taken, which is said on stderr, and the damaged one kept as checkpoint.damaged. What
   a killed process has left half-written is removed. */
int cli_run_find_checkpoint(const char *folder, char *found, ml3_error *error);

/* Removes what would be mistaken for this run's, from a folder that another run was in (--force). */
void cli_run_clear(const char *folder);

/* Is a checkpoint due? Every so many steps, and a minute after the last one (*saved_s, 0 before any; kept here). */
bool cli_checkpoint_due(int64_t done, int64_t every, double *saved_s);

/* ---- interruption ---------------------------------------------------------------------------------------- */

/* SIGINT and SIGTERM set a flag instead of ending the process; a second one ends it. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

#endif
