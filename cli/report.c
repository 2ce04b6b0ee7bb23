/* ml3 report: what is known of runs, as one HTML page that needs no other file: a table of all, their curves, and for each
   run its comparison, its pictures, its video and its configuration. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/curves.h"
#include "cli/html.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "lab/experiment.h"
#include "lab/overview.h"

/* ---- the table over all runs ---------------------------------------------------------------------------------------- */

static void put_overview(FILE *out, const ml3_lab_runs *runs) {
  bool losses = false, policies = false;
  fprintf(out, "<table>\n<tr>");
  for (int c = 0; c < ML3_LAB_OVERVIEW_COLUMNS; c++) fprintf(out, "<th>%s</th>", ml3_lab_overview_columns[c]);
  fprintf(out, "</tr>\n");
  for (int i = 0; i < runs->count; i++) {
    ml3_lab_overview row;
    ml3_lab_overview_read(&row, &runs->runs[i]);
    *(ml3_lab_run_trains_policy(&runs->runs[i]) ? &policies : &losses) = true;
    fprintf(out, "<tr>");
    for (int c = 0; c < ML3_LAB_OVERVIEW_COLUMNS; c++) {
      const bool link = c == ML3_LAB_OVERVIEW_RUN && runs->count > 1;
      fprintf(out, "<td>");
      if (link) fprintf(out, "<a href=\"#run%d\">", i);
      cli_html_text(out, row.cells[c]);
      fprintf(out, "%s</td>", link ? "</a>" : "");
    }
    fprintf(out, "</tr>\n");
  }
  fprintf(out, "</table>\n");
  if (losses) fprintf(out, "<p>The best learned loss or start of each run, judged on its validation tasks.</p>\n");
  if (policies) fprintf(out, "<p>A policy by itself: its mean action on 100 episodes after its last update.</p>\n");
}

/* ---- curves ---------------------------------------------------------------------------------------------------------- */

/* Without gnuplot the page says so and goes on. */
static void put_curves(FILE *out, const ml3_lab_runs *runs, const char *metrics) {
  char path[] = "/tmp/ml3_report_XXXXXX.svg";
  ml3_error error = {0};
  const int fd = mkstemps(path, 4);
  cli_curves *curves = cli_curves_new(runs, metrics, 0, &error);
  fprintf(out, "<h2>%s</h2>\n", ml3_lab_run_trains_policy(&runs->runs[0]) ? "Training" : "Meta-training");
  if (fd >= 0 && curves && cli_curves_save(curves, path, &error) == ML3_OK) {
    cli_html_media(out, path, "metrics by step");
    if (runs->groups < runs->count)
      fprintf(out, "<p>Runs that differ by their seed alone: their mean, and a band that holds it with 95 %%.</p>\n");
  } else {
    fprintf(out, "<p>No curves: ");
    cli_html_text(out, error.message);
    fprintf(out, "</p>\n");
  }
  cli_curves_free(curves);
  if (fd >= 0) close(fd), unlink(path);
}

/* ---- a run ------------------------------------------------------------------------------------------------------------ */

static int is_picture(const struct dirent *e) {
  const char *ending = strrchr(e->d_name, '.');
  return ending && strcmp(ending, ".svg") == 0 && strcmp(e->d_name, "learning_curve.svg") != 0 &&
         strcmp(e->d_name, "comparison.svg") != 0;
}

/* What other verbs have drawn: all pictures of the folder. */
static void put_pictures(FILE *out, const char *folder) {
  struct dirent **entries = NULL;
  const int count = scandir(folder, &entries, is_picture, versionsort);
  for (int i = 0; i < count; i++) {
    char path[ML3_LAB_PATH_MAX];
    ml3_lab_run_path(folder, entries[i]->d_name, path);
    cli_html_media(out, path, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
}

static void put_run(FILE *out, const ml3_lab_run *r, int number, bool heading, bool video) {
  char path[ML3_LAB_PATH_MAX];
  if (heading) {
    fprintf(out, "<h2 id=\"run%d\">", number);
    cli_html_text(out, r->folder);
    fprintf(out, "</h2>\n");
  }
  ml3_lab_run_path(r->folder, "comparison.md", path);
  if (access(path, R_OK) == 0) {
    fprintf(out, heading ? "<h3>Comparison on held-out tasks</h3>\n" : "<h2>Comparison on held-out tasks</h2>\n");
    cli_html_table(out, path);
    ml3_lab_run_path(r->folder, "comparison.svg", path);
    cli_html_media(out, path, "comparison");
  }
  put_pictures(out, r->folder);
  ml3_lab_run_path(r->folder, "rollouts.mp4", path);
  if (video)
    cli_html_media(out, path,
                   ml3_lab_run_trains_policy(r) ? "The policy, and what it is beside (ml3 record)"
                                                : "The same start before and after learning (ml3 record)");
  ml3_lab_run_path(r->folder, "config.yaml", path);
  cli_html_details(out, path, "Configuration");
  fprintf(out, "<p>Again: <code>ml3 train ");
  cli_html_text(out, path);
  fprintf(out, "</code></p>\n");
}

static int write_page(const ml3_lab_runs *runs, const char *path, const char *metrics, bool video, ml3_error *error) {
  char title[ML3_LAB_PATH_MAX + 32];
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  if (runs->count == 1)
    snprintf(title, sizeof title, "%s: %s, seed %lld", runs->runs[0].folder,
             ml3_lab_problem_title(&runs->runs[0].config), (long long)runs->runs[0].config.seed);
  else
    snprintf(title, sizeof title, "%d runs", runs->count);
  cli_html_begin(file.stream, title);
  put_overview(file.stream, runs);
  put_curves(file.stream, runs, metrics);
  for (int i = 0; i < runs->count; i++) put_run(file.stream, &runs->runs[i], i, runs->count > 1, video);
  cli_html_end(file.stream);
  return ml3_file_commit(&file, error);
}

int cli_report(int argc, const char **argv) {
  const char *output = NULL, *metrics = NULL;
  char path[ML3_LAB_PATH_MAX];
  int plain = 0, force = 0;
  const struct poptOption own[] = {
      {"output", 'o', POPT_ARG_STRING, &output, 0, "the page (RUN/report.html; of several runs report.html)", "FILE"},
      CLI_FORCE_OPTION(&force),
      {"metric", 'm', POPT_ARG_STRING, &metrics, 0, "columns of metrics.csv to plot, as for `ml3 plot`", "NAMES"},
      {"no-video", '\0', POPT_ARG_NONE, &plain, 0, "leave out videos, for a small file", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN... [OPTIONS]",
      "Writes one HTML page about runs, which needs no other file: tables, plots, video, configuration. What\n"
      "`ml3 compare`, `ml3 record` and others have left in the run's folder is in it.",
      NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  ml3_lab_runs runs = {0};
  int code = ML3_OK;
  if (options.argument_count == 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "which runs? `ml3 list runs` shows them");
  if (code == ML3_OK) code = ml3_lab_runs_open(&runs, options.arguments, options.argument_count, false, &error);
  if (code == ML3_OK) {
    if (runs.count == 1)
      ml3_lab_run_path(runs.runs[0].folder, "report.html", path);
    else
      snprintf(path, sizeof path, "report.html");
    if (output || runs.count > 1) code = cli_output_check(output ? output : path, "--output", force, &error);
    if (code == ML3_OK) code = write_page(&runs, output ? output : path, metrics, !plain, &error);
  }
  if (code == ML3_OK) printf("%s\n", output ? output : path);
  ml3_lab_runs_free(&runs);
  if (code == ML3_ERR_ARGUMENT) return cli_fail("report", &error), CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : cli_fail("report", &error);
}
