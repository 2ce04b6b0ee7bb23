/* ml3 report: an HTML page about runs (lab/report.h). */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <time.h>

#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "lab/report.h"
#include "lab/run_folder.h"

/* In parts, so that an interrupt is answered at once. */
static bool wait(void *user, int seconds) {
  (void)user;
  for (int i = 0; i < 10 * seconds && !cli_interrupted(); i++)
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  return !cli_interrupted();
}

int cli_report(int argc, const char **argv) {
  const char *output = NULL, *metrics = NULL;
  char path[ML3_LAB_PATH_MAX];
  int plain = 0, force = 0, follow = 0;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the page (RUN/report.html; for several runs report.html)", "FILE"},
      CLI_FORCE_OPTION(&force),
      {"metric", 'm', POPT_ARG_STRING, &metrics, 0, "columns of metrics.csv to plot, as for `ml3 plot`", "NAMES"},
      {"follow", '\0', POPT_ARG_NONE, &follow, 0, "write the page again and again until the runs are trained", NULL},
      {"no-video", '\0', POPT_ARG_NONE, &plain, 0, "leave out videos, for a small file", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN... [OPTIONS]",
      "Writes one self-contained HTML page about runs: tables, plots, video, configuration, with the results of\n"
      "`ml3 compare`, `ml3 record` and others from the run's folder. The page of a run in training reloads itself.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  const ml3_lab_report_settings settings = {.folders = options.arguments,
                                            .count = options.argument_count,
                                            .output = output,
                                            .metrics = metrics,
                                            .video = !plain,
                                            .force = force,
                                            .wait = follow ? wait : NULL};
  const int code = ml3_lab_report(&settings, path, &error);
  if (code == ML3_OK) printf("%s\n", path);
  return cli_end("report", code, &error);
}
