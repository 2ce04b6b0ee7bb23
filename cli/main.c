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
    {"train",
     "meta-train a learned loss, or train a policy",
     cli_train,
     {"ml3 train mountain_car --output runs/first", "ml3 train reacher --set method=ppo --seeds 3 --output runs/ppo"}},
    {"adapt",
     "train a fresh policy with a learned loss",
     cli_adapt,
     {"ml3 adapt runs/first --updates 10", "ml3 adapt zoo:mountain_car --output policy.safetensors"}},
    {"evaluate",
     "return and success of a policy over many episodes of held-out tasks",
     cli_evaluate,
     {"ml3 evaluate runs/first --episodes 100", "ml3 evaluate runs/first/policy.safetensors --tasks 20 --json"}},
    {"compare",
     "compare learned loss, task gradient and iLQR on the same held-out tasks",
     cli_compare,
     {"ml3 compare runs/first --reference task_gradient",
      "ml3 compare mountain_car --methods ilqr,ppo --budget 20000"}},
    {"inspect",
     "plot the landscapes of a learned loss and of the task loss",
     cli_inspect,
     {"ml3 inspect runs/first", "ml3 inspect runs/first --directions random --points 61"}},
    {"plan",
     "plan by iLQR, open loop or in receding horizon",
     cli_plan,
     {"ml3 plan mountain_car --video plan.mp4", "ml3 plan pendulum --receding --ahead 30"}},
    {"view",
     "watch rollouts in a window",
     cli_view,
     {"ml3 view runs/first", "ml3 view ant --layout single --camera track"}},
    {"record",
     "write rollouts as video or frames, without a display",
     cli_record,
     {"ml3 record runs/first --output first.mp4", "ml3 record zoo:reacher --layout tiles --width 1920 --height 1080"}},
    {"collect",
     "write rollouts as a data set that Minari reads",
     cli_collect,
     {"ml3 collect reacher --episodes 1000",
      "ml3 collect ant --policy runs/ppo/policy.safetensors --output data/ant-ppo-v0"}},
    {"data",
     "check a data set and summarize it",
     cli_data,
     {"ml3 data data/reacher-random-v0", "ml3 data set.hdf5 --environment ant"}},
    {"task",
     "write a first task for a model of your own, or check one",
     cli_task,
     {"ml3 task scripts/examples/cart_pole.xml --output mine.yaml", "ml3 task mine.yaml --check --picture start.png"}},
    {"config",
     "print the complete configuration",
     cli_inspect_config,
     {"ml3 config mountain_car", "ml3 config reacher --set method=ppo > mine.yaml"}},
    {"plot",
     "plot metrics of runs, in the terminal or as a picture",
     cli_plot_runs,
     {"ml3 plot runs/first", "ml3 plot runs/* --metric validation/success --output success.png"}},
    {"report",
     "write an HTML page about runs",
     cli_report,
     {"ml3 report runs/first", "ml3 report runs/* --output all.html --no-video"}},
    {"list", "list environments, presets and runs", cli_list, {"ml3 list", "ml3 list runs"}},
    {"bench",
     "time the meta-gradient",
     cli_bench,
     {"ml3 bench --problem reacher --tasks 32", "ml3 bench --json --seconds 5"}},
    {"completion",
     "print the completion script of a shell",
     cli_completion,
     {"eval \"$(ml3 completion bash)\"", "source <(ml3 completion zsh)"}},
    {"man", NULL, cli_man, {NULL}},
    {"complete", NULL, cli_complete, {NULL}},
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
          "\n`ml3 VERB --help` lists a verb's options and ends in examples; `ml3 --version` describes this build. A "
          "first run:\n\n"
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
