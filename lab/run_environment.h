/* The environment that a run was learned in, kept in its folder where it is a user's own FILE.xml:

     RUN/environment/manifest.json    what it is called, where its files came from, and their checksums
     RUN/environment/...              FILE.xml, FILE.yaml, includes, meshes, textures, as they lay beside each other

   Whatever opens the run uses this copy, from any working folder, also after the run was moved. */
#ifndef ML3_LAB_RUN_ENVIRONMENT_H
#define ML3_LAB_RUN_ENVIRONMENT_H

#include "envs/env.h"
#include "lab/callbacks.h"
#include "lab/run_folder.h"

/* The environment of a configuration: the copy that its run keeps, or the one of its name. */
const ml3_env_spec *ml3_lab_run_environment_spec(const ml3_lab_config *config, ml3_error *error);

typedef struct ml3_lab_run_environment ml3_lab_run_environment; /* files that are to be kept, with their checksums */

/* Looks through the files of the configuration's environment; *found is NULL where there is nothing to keep: it is
   one of ml3's own, or the problem does not act. Freed by ml3_lab_run_environment_free. */
int ml3_lab_run_environment_prepare(const ml3_lab_config *config, ml3_lab_run_environment **found, ml3_error *error);
void ml3_lab_run_environment_free(ml3_lab_run_environment *environment); /* may be NULL */

/* Copies them into the folder of a run (or of seeds, or of a sweep), whole or not at all, in place of those of an
   earlier run there, and tries whether the copy can be loaded. A file that has changed since it was looked through
   is an error. */
int ml3_lab_run_environment_keep(const ml3_lab_run_environment *environment, const char *folder, ml3_error *error);

/* The same for a folder that goes on (`resumed`) and may keep it already: then nothing is done. */
int ml3_lab_run_environment_ensure(const ml3_lab_config *config, const char *folder, bool resumed, ml3_error *error);

/* ml3_lab_run_create, and the new folder keeps the environment (NULL: it has none to keep); on failure there is no
   folder. */
int ml3_lab_run_environment_create(const char *name, const ml3_lab_config *config, bool force,
                                   const ml3_lab_run_environment *environment, char *folder, ml3_error *error);

/* The configuration of `folder` has been read: where the folder keeps its environment, the copy is used from now on.
   A copy that is damaged is an error. */
int ml3_lab_run_environment_find(const char *folder, ml3_lab_config *config, ml3_error *error);

/* A message when the user's own files are other ones since, or gone. */
void ml3_lab_run_environment_say(const ml3_lab_config *config, const ml3_lab_callbacks *callbacks);

/* The configuration of a run: config.yaml with the environment that the run keeps; a message when that has changed since. */
int ml3_lab_run_config(const char *folder, ml3_lab_config *config, const ml3_lab_callbacks *callbacks,
                       ml3_error *error);

/* The same for what is kept in the folder of a file, a run's policy say, when it is the copy of that FILE.xml: a message
   when the two differ. */
void ml3_lab_run_environment_say_beside(const char *file, const char *environment, const ml3_lab_callbacks *callbacks);

#endif
