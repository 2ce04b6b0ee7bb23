/* Reports: see report.h. */
#define _GNU_SOURCE
#include "lab/report.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/curves.h"
#include "lab/experiment.h"
#include "lab/html.h"
#include "lab/overview.h"
#include "lab/results.h"

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
      ml3_lab_html_text(out, row.cells[c]);
      fprintf(out, "%s</td>", link ? "</a>" : "");
    }
    fprintf(out, "</tr>\n");
  }
  fprintf(out, "</table>\n");
  if (losses) fprintf(out, "<p>The best learned loss or start of each run, judged on its validation tasks.</p>\n");
  if (policies)
    fprintf(out, "<p>A policy by itself: its mean action on %d episodes after its last update.</p>\n", ML3_LAB_JUDGED);
}

/* ---- curves ---------------------------------------------------------------------------------------------------------- */

/* Without gnuplot the page says so and goes on. */
static void put_curves(FILE *out, const ml3_lab_runs *runs, const char *metrics) {
  char path[] = "/tmp/ml3_report_XXXXXX.svg";
  ml3_error error = {0};
  const int fd = mkstemps(path, 4);
  ml3_lab_curves *curves = ml3_lab_curves_new(runs, metrics, 0, &error);
  fprintf(out, "<h2>%s</h2>\n", ml3_lab_run_trains_policy(&runs->runs[0]) ? "Training" : "Meta-training");
  if (fd >= 0 && curves && ml3_lab_curves_save(curves, path, &error) == ML3_OK) {
    ml3_lab_html_media(out, path, "metrics by step");
    if (runs->groups < runs->count)
      fprintf(out, "<p>Runs that differ by their seed alone: their mean, and a band that holds it with 95 %%.</p>\n");
  } else {
    fprintf(out, "<p>No curves: ");
    ml3_lab_html_text(out, error.message);
    fprintf(out, "</p>\n");
  }
  ml3_lab_curves_free(curves);
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
    ml3_lab_html_media(out, path, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
}

/* The lines of Markdown below a table. */
static void put_conclusion(FILE *out, const char *path) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 22, &size, NULL);
  fprintf(out, "<p>");
  for (char *line = text ? strtok(text, "\n") : NULL; line; line = strtok(NULL, "\n")) {
    if (*line == '|') continue;
    ml3_lab_html_text(out, line);
    fprintf(out, "<br>\n");
  }
  fprintf(out, "</p>\n");
  free(text);
}

static void put_run(FILE *out, const ml3_lab_run *r, int number, bool heading, bool video) {
  char path[ML3_LAB_PATH_MAX];
  if (heading) {
    fprintf(out, "<h2 id=\"run%d\">", number);
    ml3_lab_html_text(out, r->folder);
    fprintf(out, "</h2>\n");
  }
  ml3_lab_run_path(r->folder, "comparison.md", path);
  if (access(path, R_OK) == 0) {
    fprintf(out, heading ? "<h3>Comparison on held-out tasks</h3>\n" : "<h2>Comparison on held-out tasks</h2>\n");
    ml3_lab_html_table(out, path);
    put_conclusion(out, path);
    ml3_lab_run_path(r->folder, "comparison.svg", path);
    ml3_lab_html_media(out, path, "comparison");
  }
  put_pictures(out, r->folder);
  ml3_lab_run_path(r->folder, "rollouts.mp4", path);
  if (video)
    ml3_lab_html_media(out, path,
                       ml3_lab_run_trains_policy(r) ? "The policy, and what it is beside (ml3 record)"
                                                    : "The same start before and after learning (ml3 record)");
  ml3_lab_run_path(r->folder, "config.yaml", path);
  ml3_lab_html_details(out, path, "Configuration");
  fprintf(out, "<p>Again: <code>ml3 train ");
  ml3_lab_html_text(out, path);
  fprintf(out, "</code></p>\n");
}

enum { REFRESH_S = 5 };

static bool all_finished(const ml3_lab_runs *runs) {
  char path[ML3_LAB_PATH_MAX];
  for (int i = 0; i < runs->count; i++) {
    ml3_lab_run_path(runs->runs[i].folder, "summary.json", path);
    if (access(path, F_OK) != 0) return false;
  }
  return true;
}

/* whole: nothing is in training any more; else the page reloads itself. */
static int write_page(const ml3_lab_runs *runs, const char *path, const ml3_lab_report_settings *s, bool whole,
                      ml3_error *error) {
  char title[ML3_LAB_PATH_MAX + 32];
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  if (runs->count == 1)
    snprintf(title, sizeof title, "%s: %s, seed %lld", runs->runs[0].folder,
             ml3_lab_problem_title(&runs->runs[0].config), (long long)runs->runs[0].config.seed);
  else
    snprintf(title, sizeof title, "%d runs", runs->count);
  ml3_lab_html_begin(file.stream, title, whole ? 0 : REFRESH_S);
  if (!whole)
    fprintf(
        file.stream,
        "<p>Training goes on; this page reloads itself every %d seconds (<code>ml3 report --follow</code> keeps it up "
        "to date).</p>\n",
        REFRESH_S);
  put_overview(file.stream, runs);
  put_curves(file.stream, runs, s->metrics);
  for (int i = 0; i < runs->count; i++) put_run(file.stream, &runs->runs[i], i, runs->count > 1, s->video);
  ml3_lab_html_end(file.stream);
  return ml3_file_commit(&file, error);
}

int ml3_lab_report(const ml3_lab_report_settings *s, char *path, ml3_error *error) {
  ml3_lab_runs runs;
  int code = s->count ? ML3_OK : ml3_error_set(error, ML3_ERR_ARGUMENT, "which runs? `ml3 list runs` shows them");
  if (code != ML3_OK) return code;
  code = ml3_lab_runs_open(&runs, s->folders, s->count, false, error);
  if (code == ML3_OK) {
    const bool own = !s->output && runs.count == 1; /* an earlier one in the run's folder is replaced */
    ml3_lab_run_path(own ? runs.runs[0].folder : ".", "report.html", path);
    if (!own) snprintf(path, ML3_LAB_PATH_MAX, "%s", s->output ? s->output : "report.html");
    code = ml3_file_may_write(own ? NULL : path, "--output", s->force, error);
  }
  for (bool whole = false; code == ML3_OK && !whole;) {
    whole = all_finished(&runs);
    code = write_page(&runs, path, s, whole, error);
    if (whole || !s->wait || code != ML3_OK) break;
    if (!s->wait(s->user, REFRESH_S))
      code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted; '%s' stays as it is", path);
  }
  ml3_lab_runs_free(&runs);
  return code;
}
