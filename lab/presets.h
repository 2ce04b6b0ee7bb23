/* What comes with ml3: presets (configurations to begin with) and the zoo. They lie in share/ml3 beside the program or libml3.so:
   installed, or in a build, where these are links to scripts/experiments and zoo. */
#ifndef ML3_LAB_PRESETS_H
#define ML3_LAB_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#include "lab/callbacks.h"
#include "lab/config.h"

enum { ML3_LAB_PRESETS_MAX = 256, ML3_LAB_PRESET_NAME = 128 };

/* The file that this code is in, libml3.so or the program, into path[size]; NULL: not known. */
const char *ml3_lab_own_file(char *path, size_t size);

/* The file `name` of a kind of things, "experiments" or "zoo", that comes with ml3; NULL for name: the kind's folder. Into
   path[size]; false when it is nowhere. */
bool ml3_lab_share_find(const char *kind, const char *name, char *path, size_t size);

/* Names of files with that ending in a kind's folder, without it, sorted. Their number, at most ML3_LAB_PRESETS_MAX. */
int ml3_lab_share_names(const char *kind, const char *ending, char names[][ML3_LAB_PRESET_NAME]);

/* Names of the presets. */
int ml3_lab_preset_names(char names[][ML3_LAB_PRESET_NAME]);

/* The first sentence of a preset's opening comment, into text[size]; "" where there is none. */
const char *ml3_lab_preset_summary(const char *name, char *text, size_t size);

/* Applies a YAML file, a preset, a kind of problem or an environment by its name; NULL changes nothing. */
int ml3_lab_preset_apply(ml3_lab_config *config, const char *name, ml3_error *error);

/* The configuration that a verb begins with: defaults, what `name` stands for, then settings[count] ("key=value"). An
   environment stands for the preset that meta-trains in it, unless the settings name another problem or a method by which a policy
   learns by itself: these have settings of their own there, whatever preset has the environment's name. */
int ml3_lab_preset_begin(ml3_lab_config *config, const char *name, const char *const *settings, int count,
                         const ml3_lab_callbacks *callbacks, ml3_error *error);

#endif
