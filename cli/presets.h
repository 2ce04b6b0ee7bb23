/* What comes with ml3: presets (configurations to begin with) and the zoo. They lie in share/ml3 beside the program: installed,
   or in a build, where these are links to scripts/experiments and zoo. */
#ifndef ML3_CLI_PRESETS_H
#define ML3_CLI_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/config.h"

enum { CLI_PRESETS_MAX = 256, CLI_PRESET_NAME = 128 };

/* The file `name` of a kind of things, "experiments" or "zoo", that comes with ml3; NULL for name: the kind's folder. Into
   path[size]; false when it is nowhere. */
bool cli_share_find(const char *kind, const char *name, char *path, size_t size);

/* Names of files with that ending in a kind's folder, without it, sorted. Their number, at most CLI_PRESETS_MAX. */
int cli_share_names(const char *kind, const char *ending, char names[][CLI_PRESET_NAME]);

/* Names of the presets. */
int cli_preset_names(char names[][CLI_PRESET_NAME]);

/* The first sentence of a preset's opening comment, into text[size]; "" where there is none. */
const char *cli_preset_summary(const char *name, char *text, size_t size);

/* Applies a YAML file, a preset, a kind of problem or an environment by its name; NULL changes nothing. */
int cli_preset_apply(cli_config *config, const char *name, ml3_error *error);

/* The configuration that a verb begins with: defaults, what `name` stands for, then settings[count] ("key=value"). An
   environment stands for the preset that meta-trains in it, unless the settings name another problem or a method by which a policy
   learns by itself: these have settings of their own there, whatever preset has the environment's name. */
int cli_preset_begin(cli_config *config, const char *name, const char *const *settings, int count, ml3_error *error);

#endif
