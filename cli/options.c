/* Options by popt: see options.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/options.h"
#include "cli/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verb.h"
#include "lab/presets.h"

enum { OPTION_SET = 1000, OPTION_HELP };

/* popt's tables without the usage line above them, which says less than ours. */
static void print_help(poptContext context, const cli_verb_texts *t) {
  char *tables = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&tables, &size);
  printf("usage: ml3 %s %s\n\n%s\n", t->verb, t->usage, t->help);
  if (out) {
    poptPrintHelp(context, out, 0);
    fclose(out);
    const char *body = strstr(tables, "\n\n");
    fputs(body ? body + 1 : tables, stdout);
  }
  free(tables);
  if (t->notes) printf("\n%s\n", t->notes);
  const cli_verb *verb = cli_verb_find(t->verb);
  if (verb && verb->examples[0]) printf("\nExamples:\n  %s\n  %s\n", verb->examples[0], verb->examples[1]);
}

/* Copies a text into the options; NULL when there is no room left. */
static const char *put(cli_options *o, const char *text) {
  size_t size = strlen(text) + 1;
  char *at = o->storage + o->used;
  bool fits = o->used + size <= sizeof o->storage;
  if (fits) {
    memcpy(at, text, size);
    o->used += size;
  }
  return fits ? at : NULL;
}

/* The same with a text that popt has made, and given away. */
static const char *keep(cli_options *o, char *text) {
  const char *kept = put(o, text);
  free(text);
  return kept;
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

/* What popt stopped at; a long option that is unknown with the nearest. */
static void print_wrong_option(poptContext context, int code, const cli_verb_texts *texts, const char **argv) {
  const char *names[2 * CLI_OWN_MAX], *bad = poptBadOption(context, POPT_BADOPTION_NOALIAS), *nearest = NULL;
  const struct poptOption *const tables[] = {texts->own, texts->common};
  int count = 0;
  for (int t = 0; t < 2; t++)
    for (int i = 0; tables[t][i].longName && count < 2 * CLI_OWN_MAX; i++) names[count++] = tables[t][i].longName;
  if (code == POPT_ERROR_BADOPT && strncmp(bad, "--", 2) == 0) nearest = ml3_error_nearest(bad + 2, names, count);
  for (int i = 1; argv[i] && code == POPT_ERROR_BADNUMBER; i++) /* popt names the value alone */
    if (strcmp(argv[i], bad) == 0 && i > 1 && argv[i - 1][0] == '-') {
      fprintf(stderr, "ml3 %s: %s is '%s'; expected a number\n", texts->verb, argv[i - 1], bad);
      return;
    }
  fprintf(stderr, "ml3 %s: %s: %s%s%s%s; see `ml3 %s --help`\n", texts->verb, bad, poptStrerror(code),
          nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "", texts->verb);
}

/* The words that are no options. */
static bool keep_arguments(cli_options *o, poptContext context) {
  const char *argument;
  while (o->argument_count < CLI_ARGUMENTS_MAX && (argument = poptGetArg(context)))
    if (!(o->arguments[o->argument_count++] = put(o, argument))) return false;
  o->argument = o->arguments[0];
  return poptPeekArg(context) == NULL;
}

/* What popt cannot know. -1, or an exit code. */
static int check(const cli_options *o, const cli_verb_texts *texts) {
  const char *end = strstr(texts->usage, "[OPTIONS]"); /* behind the words of the usage, a blank after each */
  int allowed = *texts->usage && !end ? 1 : 0;
  for (const char *c = texts->usage; end && c < end; c++) allowed += *c == ' ';
  if (strstr(texts->usage, "...")) allowed = CLI_ARGUMENTS_MAX;
  if (o->argument_count > allowed) {
    fprintf(stderr, "ml3 %s: unexpected argument '%s'; see `ml3 %s --help`\n", texts->verb, o->arguments[allowed],
            texts->verb);
    return CLI_USAGE;
  }
  if (o->quiet && o->verbose) {
    fprintf(stderr, "ml3 %s: --quiet and --verbose exclude each other\n", texts->verb);
    return CLI_USAGE;
  }
  return -1;
}

/* Reads the options; -1, or an exit code. */
static int read(cli_options *o, poptContext context, const cli_verb_texts *texts, const char **argv) {
  char *before[CLI_OWN_MAX];
  int option;
  for (int i = 0; texts->own[i].longName && i < CLI_OWN_MAX; i++)
    before[i] = texts->own[i].argInfo == POPT_ARG_STRING ? *(char **)texts->own[i].arg : NULL;
  while ((option = poptGetNextOpt(context)) > 0) {
    if (option == OPTION_HELP) {
      print_help(context, texts);
      return CLI_DONE;
    }
    if (o->set_count == CLI_SETS_MAX) {
      fprintf(stderr, "ml3 %s: more than %d --set options\n", texts->verb, CLI_SETS_MAX);
      return CLI_USAGE;
    }
    o->sets[o->set_count++] = keep(o, poptGetOptArg(context));
  }
  if (option < -1) {
    print_wrong_option(context, option, texts, argv);
    return CLI_USAGE;
  }
  bool kept = keep_arguments(o, context) && keep_own(o, texts->own, before);
  for (int i = 0; i < o->set_count; i++) kept = kept && o->sets[i];
  if (kept) return check(o, texts);
  fprintf(stderr, "ml3 %s: the options are longer than %zu characters in all, or more than %d words\n", texts->verb,
          sizeof o->storage, CLI_ARGUMENTS_MAX);
  return CLI_USAGE;
}

int cli_options_read(cli_options *options, int argc, const char **argv, const struct poptOption *own, const char *usage,
                     const char *help, const char *notes) {
  const struct poptOption common[] = {
      {"set", 's', POPT_ARG_STRING, NULL, OPTION_SET, "override a key of the configuration", "KEY=VALUE"},
      {"quiet", 'q', POPT_ARG_NONE, &options->quiet, 0, "print no progress", NULL},
      {"verbose", 'v', POPT_ARG_NONE, &options->verbose, 0, "print more", NULL},
      {"help", 'h', POPT_ARG_NONE, NULL, OPTION_HELP, "print this text", NULL},
      POPT_TABLEEND};
  const struct poptOption table[] = {
      {NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)own, 0, "Options:", NULL},
      {NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)common, 0, "Options of every verb:", NULL},
      POPT_TABLEEND};
  const cli_verb_texts texts = {argv[0], usage, help, notes, own, common};
  if (argc > 1 && strcmp(argv[1], CLI_ASK_MAN) == 0) return cli_man_print(&texts), CLI_DONE;
  if (argc > 1 && strcmp(argv[1], CLI_ASK_COMPLETION) == 0)
    return cli_complete_words(&texts, argc - 2, argv + 2), CLI_DONE;

  char name[64];
  snprintf(name, sizeof name, "ml3 %s", argv[0]);
  poptContext context = poptGetContext(name, argc, argv, own[0].longName ? table : table + 1, 0);
  poptSetOtherOptionHelp(context, usage);
  const int answer = read(options, context, &texts, argv);
  poptFreeContext(context);
  return answer;
}

/* Messages; with --quiet none about what has no effect. */
static ml3_lab_callbacks messages_of(const cli_options *options) {
  ml3_lab_callbacks messages = cli_messages;
  if (options->quiet) messages.idle = NULL;
  return messages;
}

int cli_options_apply(const cli_options *options, ml3_lab_config *config, ml3_error *error) {
  const ml3_lab_callbacks messages = messages_of(options);
  return ml3_lab_config_override(config, options->sets, options->set_count, &messages, error);
}

int cli_options_begin(const cli_options *options, ml3_lab_config *config, ml3_error *error) {
  const ml3_lab_callbacks messages = messages_of(options);
  const int code = ml3_lab_preset_begin(config, options->argument, options->sets, options->set_count, &messages, error);
  config->callbacks = &cli_messages;
  return code;
}
