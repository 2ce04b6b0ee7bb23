/* The command ml3: a table of verbs. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "lab/build.h"
#include "lab/experiment.h"

static const cli_verb verbs[] = {
    {"train", "meta-train a learned loss, or train a policy", cli_train},
    {"adapt", "train a fresh policy with a learned loss", cli_adapt},
    {"evaluate", "what a policy does in many episodes of held-out tasks", cli_evaluate},
    {"compare", "learned loss, task gradient and iLQR on the same held-out tasks", cli_compare},
    {"inspect", "the landscape of a learned loss beside the task loss", cli_inspect},
    {"plan", "iLQR on an environment: open loop or receding horizon, with a log", cli_plan},
    {"view", "watch rollouts in a window", cli_view},
    {"record", "write rollouts as video or frames, without a display", cli_record},
    {"collect", "write rollouts as a data set that Minari reads", cli_collect},
    {"data", "check a data set and tell what is in it", cli_data},
    {"task", "write a first task for a model of your own, or check one", cli_task},
    {"config", "print the complete configuration", cli_inspect_config},
    {"plot", "plot metrics of runs, in the terminal or as a picture", cli_plot_runs},
    {"report", "write an HTML page about runs", cli_report},
    {"list", "environments, presets and runs", cli_list},
    {"bench", "time the meta-gradient", cli_bench},
    {"completion", "print the completion script of a shell", cli_completion},
    {"man", NULL, cli_man},
    {"complete", NULL, cli_complete},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

const cli_verb *cli_verb_at(int i) {
  return i >= 0 && i < VERBS ? &verbs[i] : NULL;
}

const cli_verb *cli_verb_find(const char *name) {
  const char *names[VERBS];
  int count = 0;
  for (int i = 0; i < VERBS; i++) {
    if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    if (verbs[i].summary) names[count++] = verbs[i].name;
  }
  const char *nearest = ml3_error_nearest(name, names, count);
  fprintf(stderr, "ml3: unknown verb '%s'%s%s%s; `ml3 --help` lists all\n", name, nearest ? "; did you mean '" : "",
          nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}

int cli_fail(const char *verb, const ml3_error *error) {
  const bool color = cli_terminal_color(stderr);
  fprintf(stderr, "%sml3 %s:%s %s\n", color ? "\033[1;31m" : "", verb, color ? "\033[0m" : "", error->message);
  if (error->code == ML3_ERR_INTERRUPTED) return CLI_INTERRUPTED;
  return CLI_FAILED;
}

int cli_end(const char *verb, int code, const ml3_error *error) {
  const int failed = code == ML3_OK ? CLI_DONE : cli_fail(verb, error);
  return code == ML3_ERR_ARGUMENT ? CLI_USAGE : failed;
}

static void print_help(FILE *out) {
  fprintf(out, "usage: ml3 VERB [OPTIONS]\n\nReinforcement learning with learned losses.\n\n");
  for (int i = 0; i < VERBS; i++)
    if (verbs[i].summary) fprintf(out, "  %-10s  %s\n", verbs[i].name, verbs[i].summary);
  fprintf(out,
          "\n`ml3 VERB --help` tells a verb's options, `ml3 --version` what this build is. A first run:\n\n"
          "  ml3 train mountain_car --output runs/first\n"
          "  ml3 compare runs/first\n"
          "  ml3 view runs/first\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n");
}

/* An answer that did not get through, to a full disk say, is no answer. */
static int check_output(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  const int reason =
      write(STDOUT_FILENO, "\n", 1) < 0 ? errno : EIO; /* of an earlier write the stream does not keep it */
  fprintf(stderr, "ml3: cannot write the output: %s\n", strerror(reason));
  return code == CLI_DONE ? CLI_FAILED : code;
}

/* Of several processes that a launcher has started, one does what is not shared out; what the others would do is the same,
   into the same files. -1 to go on, or an exit code. */
static int leave_to_one(const char *name) {
  const int count = cli_ranks_started(), rank = cli_ranks_number();
  if (count <= 1 || strcmp(name, "train") == 0) return -1;
  if (rank > 0) return CLI_DONE;
  if (rank < 0) {
    fprintf(stderr, "ml3 %s: %d processes were started, and each would do the same; start one\n", name, count);
    return CLI_USAGE;
  }
  fprintf(stderr, "ml3 %s: only `ml3 train` is shared out over ranks; of %d, rank 0 works alone\n", name, count);
  return -1;
}

static int run(int argc, const char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return CLI_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2)) {
    print_help(stdout);
    return CLI_DONE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    char text[512];
    ml3_lab_build_text(text, sizeof text);
    fputs(text, stdout);
    return CLI_DONE;
  }
  const bool help = strcmp(argv[1], "help") == 0;
  const cli_verb *verb = cli_verb_find(argv[help ? 2 : 1]);
  if (!verb) return CLI_USAGE;
  const int left = leave_to_one(verb->name);
  if (left >= 0) return left;
  if (!help) return verb->run(argc - 1, argv + 1);
  const char *arguments[] = {verb->name, "--help", NULL};
  return verb->run(2, arguments);
}

int main(int argc, const char **argv) {
  cli_catch_interrupts();
  return check_output(run(argc, argv));
}
