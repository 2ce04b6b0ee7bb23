/* The environment that a run was learned in, kept in its folder where it is a user's own FILE.xml:

     RUN/environment/manifest.json    what it is called, where its files came from, and their checksums
     RUN/environment/...              FILE.xml, FILE.yaml, includes, meshes, textures, as they lay beside each other

   Whatever opens the run uses this copy, from any working folder, also after the run was moved. */
#ifndef ML3_CLI_RUN_ENVIRONMENT_H
#define ML3_CLI_RUN_ENVIRONMENT_H

#include "cli/experiment.h"
#include "envs/env.h"

/* The environment of a configuration: the copy that its run keeps, or the one of its name. */
const ml3_env_spec *cli_run_environment_spec(const cli_config *config, ml3_error *error);

typedef struct cli_run_environment cli_run_environment; /* files that are to be kept, with their checksums */

/* Looks through the files of the configuration's environment; *found is NULL where there is nothing to keep: it is
   one of ml3's own, or the problem does not act. Freed by cli_run_environment_free. */
int cli_run_environment_prepare(const cli_config *config, cli_run_environment **found, ml3_error *error);
void cli_run_environment_free(cli_run_environment *environment); /* may be NULL */

/* Copies them into the folder of a run (or of seeds, or of a sweep), whole or not at all, in place of those of an
   earlier run there, and tries whether the copy can be loaded. A file that has changed since it was looked through
   is an error. */
int cli_run_environment_keep(const cli_run_environment *environment, const char *folder, ml3_error *error);

/* The same for a folder that goes on (`resumed`) and may keep it already: then nothing is done. */
int cli_run_environment_ensure(const cli_config *config, const char *folder, bool resumed, ml3_error *error);

/* cli_run_create, and the new folder keeps the environment (NULL: it has none to keep); on failure there is no
   folder. */
int cli_run_environment_create(const char *wanted, const cli_config *config, bool force,
                               const cli_run_environment *environment, char *folder, ml3_error *error);

/* The configuration of `folder` has been read: where the folder keeps its environment, the copy is used from now on.
   A copy that is damaged is an error. */
int cli_run_environment_find(const char *folder, cli_config *config, ml3_error *error);

/* One sentence on stderr when the user's own files are other ones since, or gone. */
void cli_run_environment_tell(const cli_config *config);

/* The configuration of a run: config.yaml with the environment that the run keeps; told when that has changed since. */
int cli_run_config(const char *folder, cli_config *config, ml3_error *error);

/* The same for what is kept in the folder of a file, a run's policy say, when it is the copy of that FILE.xml: told
   when the two differ. */
void cli_run_environment_tell_beside(const char *file, const char *environment);

#endif
