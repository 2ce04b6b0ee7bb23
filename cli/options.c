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

/* popt prints "Usage: NAME" first; the name says the rest. */
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
  char name[64];
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
      options->sets[options->set_count++] = poptGetOptArg(context); /* kept until the process ends */
    }
  }
  if (answer < 0 && option < -1) {
    fprintf(stderr, "ml3 %s: %s: %s; see `ml3 %s --help`\n", argv[0], poptBadOption(context, POPT_BADOPTION_NOALIAS),
            poptStrerror(option), argv[0]);
    answer = CLI_USAGE;
  }
  const char *argument = answer < 0 ? poptGetArg(context) : NULL;
  if (argument) options->argument = strdup(argument);
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
