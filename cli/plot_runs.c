/* ml3 plot: metrics of runs, in the terminal or as a picture. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "lab/curves.h"

int cli_plot_runs(int argc, const char **argv) {
  const char *output = NULL, *metrics = NULL;
  int smooth = 0, each = 0, force = 0;
  const struct poptOption own[] = {
      {"metric", 'm', POPT_ARG_STRING, &metrics, 0,
       "columns of metrics.csv, separated by commas (validation/task_loss,validation/success)", "NAMES"},
      {"output", 'o', POPT_ARG_STRING, &output, 0, "FILE.png, FILE.svg or FILE.pdf, in place of the terminal", "FILE"},
      CLI_FORCE_OPTION(&force),
      {"smooth", '\0', POPT_ARG_INT, &smooth, 0, "moving mean over N points", "N"},
      {"each", '\0', POPT_ARG_NONE, &each, 0, "one line for each run, also where runs differ by their seed alone", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN... [OPTIONS]",
      "Plots logged metrics: one panel for each metric, one line for each run. Runs that differ by their seed alone\n"
      "are one line, their mean, with a 95 % confidence band. A folder stands for all runs in it.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  ml3_lab_runs runs = {0};
  ml3_lab_curves *curves = NULL;
  int code = ML3_OK;
  if (options.argument_count == 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "which runs? `ml3 list runs` shows them");
  if (code == ML3_OK && (smooth < 0 || smooth > 1000000))
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--smooth is %d; 0 to 1000000 are possible", smooth);
  if (code == ML3_OK) code = ml3_file_may_write(output, "--output", force, &error);
  if (code == ML3_OK) code = ml3_lab_runs_open(&runs, options.arguments, options.argument_count, each, &error);
  if (code == ML3_OK && !(curves = ml3_lab_curves_new(&runs, metrics, smooth, &error))) code = error.code;
  const ml3_lab_characters screen = {.out = stdout,
                                     .width = cli_terminal_width(stdout) - 1,
                                     .height = cli_terminal_height(stdout) > 33 ? 30 : cli_terminal_height(stdout) - 3,
                                     .color = cli_terminal_color(stdout)};
  if (code == ML3_OK)
    code = output ? ml3_lab_curves_save(curves, output, &error) : ml3_lab_curves_show(curves, &screen, &error);
  if (code == ML3_OK && output) printf("%s\n", output);
  ml3_lab_curves_free(curves);
  ml3_lab_runs_free(&runs);
  return cli_end("plot", code, &error);
}
