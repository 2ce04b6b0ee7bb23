/* Options of a verb, read by popt: the ones that every verb has, and its own. --help, the man page and shell completion
   come from the same tables. */
#ifndef ML3_CLI_OPTIONS_H
#define ML3_CLI_OPTIONS_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "lab/config.h"

enum { CLI_SETS_MAX = 64, CLI_OWN_MAX = 16, CLI_ARGUMENTS_MAX = 256 };

/* What a user has, no verb overwrites unasked; the option in a verb's table, force: an int. */
#define CLI_FORCE_OPTION(force) \
  { "force", 'f', POPT_ARG_NONE, force, 0, "write over what is there", NULL }

typedef struct cli_options {
  const char *sets[CLI_SETS_MAX]; /* --set key=value, in order */
  int set_count;
  int quiet, verbose;
  const char *argument;                     /* the first argument that is no option, or NULL */
  const char *arguments[CLI_ARGUMENTS_MAX]; /* all of them, where the usage has "..." */
  int argument_count;
  char storage[32768]; /* the strings above and those of the verb's own options */
  size_t used;
} cli_options;

/* Reads argv by the verb's own table (ended by POPT_TABLEEND, at most CLI_OWN_MAX options; texts live as long as
   `options`) and the common options. usage: "RUN", or "RUN..." for several; help: what the verb does, printed by --help
   with `notes` (may be NULL) below the options. Returns -1 to go on, or an exit code. */
int cli_options_read(cli_options *options, int argc, const char **argv, const struct poptOption *own, const char *usage,
                     const char *help, const char *notes);

/* Applies the --set options; unless quiet those without an effect are printed on stderr. */
int cli_options_apply(const cli_options *options, ml3_lab_config *config, ml3_error *error);

/* The configuration that the argument (a preset, file, problem or environment) and the --set options make: see presets.h. */
int cli_options_begin(const cli_options *options, ml3_lab_config *config, ml3_error *error);

/* ---- what else comes from the tables ----------------------------------------------------------------------------------
   As first argument of a verb these make cli_options_read print its man page, or candidates for the last of the words
   that follow, in place of reading options. */
#define CLI_ASK_MAN        "--man-page"
#define CLI_ASK_COMPLETION "--complete-words"

typedef struct cli_verb_texts {
  const char *verb, *usage, *help, *notes;
  const struct poptOption *own, *common;
} cli_verb_texts;

void cli_man_print(const cli_verb_texts *texts);                                     /* man.c */
void cli_complete_words(const cli_verb_texts *texts, int count, const char **words); /* completion.c */

#endif
