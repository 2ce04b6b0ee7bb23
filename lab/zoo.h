/* Learned losses by name: zoo:NAME is one that comes with ml3, in share/ml3/zoo beside the program (presets.h).
   An entry is a run's folder without its logs, with a card: README.md. */
#ifndef ML3_LAB_ZOO_H
#define ML3_LAB_ZOO_H

#include "lab/presets.h"
#include "lab/run_folder.h"

/* Names of the entries, sorted; at most ML3_LAB_PRESETS_MAX. */
int ml3_lab_zoo_names(char names[][ML3_LAB_PRESET_NAME]);

/* The first line of an entry's card, into line[size]. */
const char *ml3_lab_zoo_summary(const char *name, char *line, size_t size);

/* A loss and the configuration that it was learned with: `name` is zoo:NAME, a run's folder, or a file of a loss (whose
   configuration is not known: the defaults). */
int ml3_lab_loss_open(const char *name, ml3_lab_config *config, ml3_loss **loss, const ml3_lab_callbacks *callbacks,
                      ml3_error *error);

/* Where to read what an argument of a verb names: the folder of zoo:NAME into path[ML3_LAB_PATH_MAX], else the argument as it is.
   NULL with a sentence: the zoo has no such. Nothing is to be written there. */
const char *ml3_lab_zoo_folder(const char *argument, char *path, ml3_error *error);

bool ml3_lab_zoo_is(const char *argument); /* zoo:NAME, whether or not there is one */

#endif
