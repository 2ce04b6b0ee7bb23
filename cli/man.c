/* ml3 man [VERB]: manual pages as roff, from the same tables as --help. Used when ml3 is installed (cmake/man.cmake). */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/verb.h"

/* A text as roff reads it: no line may begin with a control character, hyphens and backslashes are themselves. */
static void put(const char *text) {
  bool start = true;
  for (; *text; text++) {
    if (start && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
    if (*text == '\\')
      fputs("\\e", stdout);
    else if (*text == '-')
      fputs("\\-", stdout);
    else
      fputc(*text, stdout);
    start = *text == '\n';
  }
}

/* Paragraphs, which empty lines part; lines with leading blanks stay as they are. */
static void put_paragraphs(const char *text) {
  bool plain = false;
  while (*text) {
    const size_t n = strcspn(text, "\n");
    const bool indented = text[0] == ' ';
    char line[1024];
    snprintf(line, sizeof line, "%.*s", (int)n, text);
    if (indented != plain && n > 0) {
      puts(indented ? ".PP\n.nf" : ".fi\n.PP");
      plain = indented;
    }
    if (n == 0)
      puts(".PP");
    else
      put(line), putchar('\n');
    text += n + (text[n] == '\n');
  }
  if (plain) puts(".fi");
}

static void heading(const char *name, const char *summary) {
  printf(".\\\" from `ml3 man`\n.TH \"");
  for (const char *c = name; *c; c++) putchar(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
  printf("\" 1 \"\" \"ml3 " ML3_VERSION "\" \"User Commands\"\n.SH NAME\n");
  put(name);
  printf(" \\- ");
  put(summary);
  printf("\n");
}

static void put_options(const struct poptOption *options) {
  for (; options->longName; options++) {
    printf(".TP\n");
    if (options->shortName) printf("\\fB\\-%c\\fR, ", options->shortName);
    printf("\\fB\\-\\-");
    put(options->longName);
    printf("\\fR");
    if (options->argDescrip) printf("=\\fI%s\\fR", options->argDescrip);
    printf("\n");
    put(options->descrip);
    printf("\n");
  }
}

static void exit_status(void) {
  puts(".SH EXIT STATUS\n0: done. 1: failed, for the reason printed. 2: wrong usage. 130: interrupted.");
}

void cli_man_print(const cli_verb_texts *t) {
  char name[64];
  const cli_verb *verb = cli_verb_find(t->verb);
  snprintf(name, sizeof name, "ml3-%s", t->verb);
  heading(name, verb && verb->summary ? verb->summary : "");
  printf(".SH SYNOPSIS\n\\fBml3 %s\\fR ", t->verb);
  put(t->usage);
  printf("\n.SH DESCRIPTION\n");
  put_paragraphs(t->help);
  printf(".SH OPTIONS\n");
  put_options(t->own);
  put_options(t->common);
  if (t->notes) {
    printf(".SH NOTES\n");
    put_paragraphs(t->notes);
  }
  if (verb && verb->examples[0]) {
    printf(".SH EXAMPLES\n.nf\n");
    for (int i = 0; i < 2; i++) put(verb->examples[i]), putchar('\n');
    printf(".fi\n");
  }
  exit_status();
  printf(".SH SEE ALSO\n.BR ml3 (1)\n");
}

/* ml3(1). */
static void main_page(void) {
  heading("ml3", "reinforcement learning with learned losses");
  puts(
      ".SH SYNOPSIS\n\\fBml3\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\n"
      "A small network takes the place of a hand\\-written loss: a policy or model descends it, and the network is "
      "trained\n"
      "by differentiating the task's outcome through that descent. \\fBml3\\fR trains such losses, uses them, "
      "compares\n"
      "them with other methods and shows what came of it.\n"
      ".SH VERBS");
  for (int i = 0; cli_verb_at(i); i++) {
    const cli_verb *v = cli_verb_at(i);
    if (!v->summary) continue;
    printf(".TP\n\\fB%s\\fR\n", v->name);
    put(v->summary);
    printf("; see\n.BR ml3\\-%s (1)\n", v->name);
  }
  puts(
      ".SH FILES\nA run is a folder:\n"
      ".TP\n.I config.yaml\nthe complete configuration, as used\n"
      ".TP\n.I metrics.csv\nwhat every step and validation found\n"
      ".TP\n.I events.out.tfevents.*\nthe same for TensorBoard\n"
      ".TP\n.I metrics.jsonl\nthe same as JSON lines, on demand\n"
      ".TP\n.I build.json\nwhich build, MuJoCo, OpenBLAS and instruction set it was trained by\n"
      ".TP\n.I checkpoint\nall that is needed to go on with the same bits\n"
      ".TP\n.I loss.safetensors\nthe best loss found\n"
      ".TP\n.I summary.json\nwhat it achieved\n"
      ".TP\n.I environment/\nthe model it was learned in, where that is a FILE.xml of yours\n"
      ".SH ENVIRONMENT\n"
      ".TP\n.B NO_COLOR\nwhen it is set and not empty, nothing is coloured\n"
      ".SH EXAMPLES\n.nf\n"
      "ml3 train mountain_car \\-\\-output runs/first\n"
      "ml3 compare runs/first\n"
      "ml3 view runs/first\n"
      ".fi");
  exit_status();
  printf(".SH SEE ALSO\n");
  for (int i = 0, shown = 0; cli_verb_at(i); i++)
    if (cli_verb_at(i)->summary) printf("%s\n.BR ml3\\-%s (1)", shown++ ? "," : "", cli_verb_at(i)->name);
  printf("\n");
}

int cli_man(int argc, const char **argv) {
  if (argc < 2) return main_page(), CLI_DONE;
  if (strncmp(argv[1], "--", 2) == 0) {
    const struct poptOption own[] = {POPT_TABLEEND};
    cli_options options = {0};
    return cli_options_read(&options, argc, argv, own, "[VERB]", "Prints a manual page for `man -l -`.", NULL);
  }
  const cli_verb *verb = cli_verb_find(argv[1]);
  if (!verb) return CLI_USAGE;
  const char *arguments[] = {verb->name, CLI_ASK_MAN, NULL};
  return verb->run(2, arguments);
}
