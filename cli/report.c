/* ml3 report: what is known of runs, as one HTML page that needs no other file: a table of all, their curves, and for each
   run its comparison, its pictures, its video and its configuration. */
#define _GNU_SOURCE
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/curves.h"
#include "cli/html.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verb.h"

/* ---- the table over all runs ---------------------------------------------------------------------------------------- */

static void put_number(FILE *out, const json_t *summary, const char *key, double factor, const char *format) {
  const json_t *x = json_object_get(summary, key);
  fprintf(out, "<td>");
  if (x) fprintf(out, format, factor * json_number_value(x));
  fprintf(out, "</td>");
}

static void put_overview(FILE *out, const cli_runs *runs) {
  fprintf(out,
          "<table>\n<tr><th>run</th><th>about</th><th>seed</th><th>outer steps</th><th>best at</th><th>success %%</th>"
          "<th>task loss</th></tr>\n");
  for (int i = 0; i < runs->count; i++) {
    const cli_run *r = &runs->runs[i];
    char path[CLI_PATH_MAX];
    cli_run_path(r->folder, "summary.json", path);
    json_t *summary = json_load_file(path, 0, NULL);
    fprintf(out, "<tr><td>");
    if (runs->count > 1) fprintf(out, "<a href=\"#run%d\">", i);
    cli_html_text(out, r->folder);
    fprintf(out, "%s</td><td>%s</td><td>%lld</td>", runs->count > 1 ? "</a>" : "", cli_problem_title(&r->config),
            (long long)r->config.seed);
    put_number(out, summary, "outer_steps", 1, "%.0f");
    put_number(out, summary, "best_outer_step", 1, "%.0f");
    put_number(out, summary, "best_success", 100, "%.1f");
    put_number(out, summary, "best_task_loss", 1, "%.4g");
    fprintf(out, "</tr>\n");
    json_decref(summary);
  }
  fprintf(out, "</table>\n<p>The best learned loss of each run, judged on its validation tasks.</p>\n");
}

/* ---- curves ---------------------------------------------------------------------------------------------------------- */

/* Without gnuplot the page says so and goes on. */
static void put_curves(FILE *out, const cli_runs *runs, const char *metrics) {
  char path[] = "/tmp/ml3_report_XXXXXX.svg";
  ml3_error error = {0};
  const int fd = mkstemps(path, 4);
  cli_curves *curves = cli_curves_new(runs, metrics, 0, &error);
  fprintf(out, "<h2>Meta-training</h2>\n");
  if (fd >= 0 && curves && cli_curves_save(curves, path, &error) == ML3_OK) {
    cli_html_media(out, path, "metrics by outer step");
    if (runs->groups < runs->count)
      fprintf(out,
              "<p>Runs that differ by their seed alone: their mean, and a band that holds it with 95 %% (Student's "
              "t).</p>\n");
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
    char path[CLI_PATH_MAX];
    cli_run_path(folder, entries[i]->d_name, path);
    cli_html_media(out, path, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
}

static void put_run(FILE *out, const cli_run *r, int number, bool heading, bool video) {
  char path[CLI_PATH_MAX];
  if (heading) {
    fprintf(out, "<h2 id=\"run%d\">", number);
    cli_html_text(out, r->folder);
    fprintf(out, "</h2>\n");
  }
  cli_run_path(r->folder, "comparison.md", path);
  if (access(path, R_OK) == 0) {
    fprintf(out, heading ? "<h3>Comparison on held-out tasks</h3>\n" : "<h2>Comparison on held-out tasks</h2>\n");
    cli_html_table(out, path);
    cli_run_path(r->folder, "comparison.svg", path);
    cli_html_media(out, path, "comparison");
  }
  put_pictures(out, r->folder);
  cli_run_path(r->folder, "rollouts.mp4", path);
  if (video) cli_html_media(out, path, "The same start before and after learning (ml3 record)");
  cli_run_path(r->folder, "config.yaml", path);
  cli_html_details(out, path, "Configuration");
  fprintf(out, "<p>Again: <code>ml3 train ");
  cli_html_text(out, path);
  fprintf(out, "</code></p>\n");
}

static int write_page(const cli_runs *runs, const char *path, const char *metrics, bool video, ml3_error *error) {
  char title[CLI_PATH_MAX + 32];
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  if (runs->count == 1)
    snprintf(title, sizeof title, "%s: %s, seed %lld", runs->runs[0].folder, cli_problem_title(&runs->runs[0].config),
             (long long)runs->runs[0].config.seed);
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
  char path[CLI_PATH_MAX];
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
  cli_runs runs = {0};
  int code = ML3_OK;
  if (options.argument_count == 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "which runs? `ml3 list runs` shows them");
  if (code == ML3_OK) code = cli_runs_open(&runs, options.arguments, options.argument_count, false, &error);
  if (code == ML3_OK) {
    if (runs.count == 1)
      cli_run_path(runs.runs[0].folder, "report.html", path);
    else
      snprintf(path, sizeof path, "report.html");
    if (output || runs.count > 1) code = cli_output_check(output ? output : path, "--output", force, &error);
    if (code == ML3_OK) code = write_page(&runs, output ? output : path, metrics, !plain, &error);
  }
  if (code == ML3_OK) printf("%s\n", output ? output : path);
  cli_runs_free(&runs);
  if (code == ML3_ERR_ARGUMENT) return cli_fail("report", &error), CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : cli_fail("report", &error);
}
