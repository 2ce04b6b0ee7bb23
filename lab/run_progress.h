/* How far a run has come, and whether there is anything left to resume. */
#ifndef ML3_LAB_RUN_PROGRESS_H
#define ML3_LAB_RUN_PROGRESS_H

#include "lab/run_folder.h"

typedef struct ml3_lab_run_progress {
  int64_t done; /* outer steps, or a policy's updates, in the checkpoint that was loaded */
  bool stale;   /* validation.patience has ended it before its last step */
} ml3_lab_run_progress;

/* Refuses what would rewrite a run without learning anything: it is finished (and its summary.json says so), or is
   already past the last step that `config` asks for. Nothing is written. */
int ml3_lab_run_may_resume(const char *folder, const ml3_lab_config *config, const ml3_lab_run_progress *progress,
                           ml3_error *error);

/* Steps that a run of `config` makes in all: outer steps, or updates of a policy that learns by itself. */
int64_t ml3_lab_run_steps(const ml3_lab_config *config);

/* By its summary.json alone: is it finished, if it is to be trained by `config`? */
bool ml3_lab_run_is_finished(const char *folder, const ml3_lab_config *config);

/* Steps (or updates) in the folder's newest whole checkpoint; 0 without one. */
int64_t ml3_lab_run_steps_done(const char *folder);

#endif
