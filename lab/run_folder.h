/* The folder of a run: its name, its checkpoints, what it has learned. */
#ifndef ML3_LAB_RUN_FOLDER_H
#define ML3_LAB_RUN_FOLDER_H

#include "lab/callbacks.h"
#include "lab/config.h"
#include "metaloss/loss.h"

enum { ML3_LAB_PATH_MAX = 1024 };

/* FOLDER/name into path[ML3_LAB_PATH_MAX]. */
void ml3_lab_run_path(const char *folder, const char *name, char *path);

/* What is wrong with `name` (NULL: nothing) before there is something to write: it exists and not `force`, it is a file. */
int ml3_lab_run_may_create(const char *name, bool force, ml3_error *error);

/* Makes a new folder. `name` or, when NULL, runs/DATE-ENVIRONMENT-SEED (or the problem's kind), with a number behind it when
   taken. An existing folder is an error unless `force`. folder[ML3_LAB_PATH_MAX] gets its name. */
int ml3_lab_run_create(const char *name, const ml3_lab_config *config, bool force, char *folder, ml3_error *error);

#define ML3_LAB_ENSEMBLE "ensemble.safetensors" /* of a run that has learned its environment */

/* A trained run: its configuration and its best loss; where it has learned a model, dynamics.file names it. Not a run folder, or not trained yet: an error. */
int ml3_lab_run_open(const char *folder, ml3_lab_config *config, ml3_loss **loss, const ml3_lab_callbacks *callbacks,
                     ml3_error *error);

/* Is this a run folder (has a config.yaml)? */
bool ml3_lab_run_is(const char *folder);

/* Which checkpoint a resumed run goes on from, into found[ML3_LAB_PATH_MAX]; "" when it has none yet and begins anew. When the
   newest is damaged the one before is taken, which is a message, and the damaged one kept as checkpoint.damaged. What
   a killed process has left half-written is removed. */
int ml3_lab_run_find_checkpoint(const char *folder, const ml3_lab_callbacks *callbacks, char *found, ml3_error *error);

/* Removes what would be mistaken for this run's, from a folder that another run was in (--force). */
void ml3_lab_run_clear(const char *folder);

/* Is a checkpoint due? Every so many steps, and a minute after the last one (*saved_s, 0 before any; kept here). */
bool ml3_lab_checkpoint_due(int64_t done, int64_t every, double *saved_s);

#endif
