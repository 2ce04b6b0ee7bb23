/* What helps at the terminal: colours, completion, manual pages, quiet and verbose. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include "command.h"

TestSuite(cli_terminal, .init = make_folder, .fini = drop_folder, .timeout = 120);

/* The verbs for people, a line each. */
static void verbs(char *list) {
  cr_assert_eq(ml3("complete ''"), 0);
  strcpy(list, output);
  cr_assert_not_null(strstr(list, "train\t"));
}

Test(cli_terminal, completes_verbs_options_keys_and_names) {
  expect("complete tra", 0, "train\tmeta-train");
  expect("complete train --out", 0, "--output\t");
  expect("complete train --set outer.sched", 0, "outer.schedule=\t");
  expect("complete train --set outer.schedule=co", 0, "outer.schedule=cosine");
  expect("complete train mountain_c", 0, "mountain_car\t");
  expect("complete completion z", 0, "zsh");
  expect("complete adapt ''", 0, ":files");
  expect("complete adapt zoo:rea", 0, "zoo:reacher\t");
  expect("complete adapt --loss zoo:rea", 0, "zoo:reacher\t");
  cr_assert_eq(ml3("complete train --set outer.schedule=linear ''"), 0);
  cr_expect_not_null(strstr(output, "mountain_car"), "behind an option's value comes a preset: %s", output);
}

/* What bash puts in the place of the last part of a word, behind '=' or ':'. */
static void expect_in_bash(const char *typed, const char *completed) {
  char text[1024];
  snprintf(text, sizeof text,
           "eval \"$(%s completion bash)\"; compopt() { :; }; COMP_LINE=\"%s %s\"; COMP_POINT=${#COMP_LINE}; _ml3; "
           "printf '%%s\\n' \"${COMPREPLY[@]}\" | grep -qxF -- '%s'",
           ML3_COMMAND, ML3_COMMAND, typed, completed);
  write_file("try.sh", text);
  cr_expect_eq(shell("bash try.sh"), 0, "'%s' is not completed to '%s'", typed, completed);
}

Test(cli_terminal, the_script_for_bash_completes_in_bash) {
  write_file("real.txt", "");
  expect_in_bash("train --set outer.schedule=cos", "cosine");
  expect_in_bash("train --set outer.sched", "outer.schedule=");
  expect_in_bash("adapt zoo:rea", "reacher");
  expect_in_bash("adapt rea", "real.txt");
  expect("completion fish", 2, "bash and zsh");
  expect("completion", 2, "bash and zsh");
}

/* What zsh's own functions are given for candidates. */
static void expect_in_zsh(const char *typed, const char *given) {
  char text[1024];
  snprintf(
      text, sizeof text,
      "compdef() { : }\n_files() { : }\ncompadd() { print -rl -- \"$@\" }\n_describe() { print -rl -- \"${(@P)4}\" }\n"
      "source ./_ml3\nwords=(%s %s)\nCURRENT=$#words\n_ml3 | grep -qF -- '%s'\n",
      ML3_COMMAND, typed, given);
  write_file("try.zsh", text);
  cr_expect_eq(shell("zsh -f try.zsh"), 0, "'%s' is not completed to '%s'", typed, given);
}

Test(cli_terminal, the_script_for_zsh_completes_in_zsh) {
  if (shell("command -v zsh >/dev/null") != 0) return;
  cr_assert_eq(ml3("completion zsh"), 0);
  write_file("_ml3", output);
  cr_expect_eq(shell("zsh -n _ml3"), 0);
  expect_in_zsh("tra", "train:meta-train");
  expect_in_zsh("train --set outer.sched", "outer.schedule=");
  expect_in_zsh("train --set outer.schedule=cos", "outer.schedule=cosine");
  expect_in_zsh("adapt zoo:rea", "zoo\\:reacher:");
}

Test(cli_terminal, every_verb_has_a_manual_page_with_all_that_help_says) {
  static char list[sizeof output], page[sizeof output];
  verbs(list);
  for (char *save = NULL, *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    char arguments[128], *save_help = NULL;
    *strchr(line, '\t') = '\0';
    snprintf(arguments, sizeof arguments, "man %s", line);
    cr_assert_eq(ml3(arguments), 0);
    cr_expect_eq(strncmp(output, ".\\\" ", 4), 0);
    size_t used = 0;
    for (const char *c = output; *c; c++) /* "\-" is a hyphen */
      if (!(c[0] == '\\' && c[1] == '-')) page[used++] = *c;
    page[used] = '\0';
    snprintf(arguments, sizeof arguments, "%s --help", line);
    cr_assert_eq(ml3(arguments), 0);
    for (char *word = strtok_r(output, " =\n", &save_help); word; word = strtok_r(NULL, " =\n", &save_help))
      if (strncmp(word, "--", 2) == 0 && word[2] >= 'a' && word[2] <= 'z')
        cr_expect_not_null(strstr(page, word), "ml3 %s: %s is not in its manual page", line, word);
  }
  expect("man", 0, ".SH VERBS");
  expect("man tarin", 2, "did you mean 'train'?");
}

Test(cli_terminal, colours_only_a_terminal_without_no_color) {
  char line[1024];
  const char *const form =
      "%s script -qc '%s tarin; %s train -o run %s --set outer.steps=2' log >/dev/null; grep -q '\033\\[3' log";
  if (shell("command -v script >/dev/null") != 0) return;
  const char *const tiny = "--set loss.hidden=[4] --set policy.hidden=[4] --set outer.tasks=2 --set validation.tasks=2";
  snprintf(line, sizeof line, form, "NO_COLOR= TERM=xterm", ML3_COMMAND, ML3_COMMAND, tiny);
  cr_expect_eq(shell(line), 0, "no colours on a terminal");
  snprintf(line, sizeof line, form, "rm -r run; NO_COLOR=1 TERM=xterm", ML3_COMMAND, ML3_COMMAND, tiny);
  cr_expect_neq(shell(line), 0, "colours in spite of NO_COLOR");
  snprintf(line, sizeof line, form, "rm -r run; NO_COLOR= TERM=dumb", ML3_COMMAND, ML3_COMMAND, tiny);
  cr_expect_neq(shell(line), 0, "colours on a dumb terminal");
  cr_assert_eq(
      ml3("train -o piped --set loss.hidden=[4] --set policy.hidden=[4] --set outer.tasks=2 --set outer.steps=2"), 0);
  cr_expect_null(strchr(output, '\033'), "colours in a pipe");
  cr_expect_null(strchr(output, '\r'), "a redrawn line in a pipe");
}

Test(cli_terminal, quiet_says_the_result_alone_and_verbose_says_more) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=10"), 0);
  cr_expect_eq(strncmp(output, "run: best at outer step", 23), 0, "%s", output);
  cr_expect_eq(strchr(output, '\n')[1], '\0', "more than one line: %s", output);
  cr_assert_eq(ml3("train -o told --verbose --set loss.hidden=[4] --set policy.hidden=[4] --set outer.tasks=2 --set "
                   "outer.steps=10 "
                   "--set validation.tasks=2 --set validation.every=5"),
               0);
  cr_expect_not_null(strstr(output, "outer step 5: validation"), "%s", output);
  cr_expect_not_null(strstr(output, "parameters"), "%s", output);
  expect("train -q -v", 2, "exclude each other");
}
