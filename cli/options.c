/* Options by popt: see options.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verb.h"

enum { OPTION_SET = 1000, OPTION_HELP };

static void print_help(poptContext context, const char *verb, const char *usage, const char *help, const char *notes) {
  printf("usage: ml3 %s %s\n\n%s\n\n", verb, usage, help);
  fflush(stdout);
  poptPrintHelp(context, stdout, 0);
  if (notes) printf("\n%s\n", notes);
}

/* Moves a text from popt's memory into the options'; NULL when there is no room left. */
static const char *keep(cli_options *o, char *text) {
  size_t size = strlen(text) + 1;
  char *at = o->storage + o->used;
  bool fits = o->used + size <= sizeof o->storage;
  if (fits) {
    memcpy(at, text, size);
    o->used += size;
  }
  free(text);
  return fits ? at : NULL;
}

/* The verb's own text options that popt has set: those that are not what they were before. */
static bool keep_own(cli_options *o, const struct poptOption *own, char *const *before) {
  for (int i = 0; own[i].longName; i++) {
    char **text = own[i].arg;
    if (own[i].argInfo != POPT_ARG_STRING || *text == before[i]) continue;
    if (!(*text = (char *)keep(o, *text))) return false;
  }
  return true;
}

int cli_options_read(cli_options *options, int argc, const char **argv, const struct poptOption *own,
                     const char *usage, const char *help, const char *notes) {
  const struct poptOption common[] = {
      {"set", 's', POPT_ARG_STRING, NULL, OPTION_SET, "override a key of the configuration", "KEY=VALUE"},
      {"quiet", 'q', POPT_ARG_NONE, &options->quiet, 0, "no progress", NULL},
      {"help", 'h', POPT_ARG_NONE, NULL, OPTION_HELP, "this text", NULL},
      POPT_TABLEEND};
  const struct poptOption table[] = {{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)own, 0, "Options:", NULL},
                                     {NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)common, 0, "Options of every verb:", NULL},
                                     POPT_TABLEEND};
  char name[64], *before[CLI_OWN_MAX];
  for (int i = 0; own[i].longName && i < CLI_OWN_MAX; i++)
    before[i] = own[i].argInfo == POPT_ARG_STRING ? *(char **)own[i].arg : NULL;
  snprintf(name, sizeof name, "ml3 %s", argv[0]);
  poptContext context = poptGetContext(name, argc, argv, table, 0);
  poptSetOtherOptionHelp(context, usage);

  int option, answer = -1;
  while (answer < 0 && (option = poptGetNextOpt(context)) > 0) {
    if (option == OPTION_HELP) {
      print_help(context, argv[0], usage, help, notes);
      answer = CLI_DONE;
    } else if (options->set_count == CLI_SETS_MAX) {
      fprintf(stderr, "ml3 %s: more than %d --set options\n", argv[0], CLI_SETS_MAX);
      answer = CLI_USAGE;
    } else {
      options->sets[options->set_count++] = keep(options, poptGetOptArg(context));
    }
  }
  if (answer < 0 && option < -1) {
    fprintf(stderr, "ml3 %s: %s: %s; see `ml3 %s --help`\n", argv[0], poptBadOption(context, POPT_BADOPTION_NOALIAS),
            poptStrerror(option), argv[0]);
    answer = CLI_USAGE;
  }
  const char *argument = answer < 0 ? poptGetArg(context) : NULL;
  if (argument) options->argument = keep(options, strdup(argument));
  bool kept = keep_own(options, own, before) && (!argument || options->argument);
  for (int i = 0; i < options->set_count; i++) kept = kept && options->sets[i];
  if (!kept) {
    fprintf(stderr, "ml3 %s: the options are longer than %zu characters in all\n", argv[0], sizeof options->storage);
    answer = CLI_USAGE;
  }
  const char *more = argument ? poptGetArg(context) : NULL;
  if (more) {
    fprintf(stderr, "ml3 %s: unexpected argument '%s'; see `ml3 %s --help`\n", argv[0], more, argv[0]);
    answer = CLI_USAGE;
  }
  poptFreeContext(context);
  return answer;
}

int cli_options_apply(const cli_options *options, cli_config *config, ml3_error *error) {
  for (int i = 0; i < options->set_count; i++) {
    int code = cli_config_set(config, options->sets[i], error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}
