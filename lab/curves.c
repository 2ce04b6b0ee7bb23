/* Curves of runs: see curves.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/color.h"
#include "lab/experiment.h"
#include "lab/gnuplot.h"
#include "lab/metrics.h"
#include "lab/statistics.h"
#include "metaloss/options.h"

typedef struct line {
  double *x, *mean, *low, *high; /* [count] */
  int count;
} line;

struct ml3_lab_curves {
  int panels, groups;
  char names[ML3_LAB_PANELS_MAX][80];
  char (*labels)[160]; /* [groups] */
  char (*colors)[8];   /* [groups] of their methods, where these differ */
  int *sizes;          /* [groups] runs in each */
  bool *policies;      /* [groups] by environment steps: runs that train a policy by itself */
  line *lines;         /* [panels][groups] */
  int shown;           /* as characters: the one panel that is drawn */
};

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* One run's points of a metric, smoothed. */
typedef struct points {
  double *x, *y;
  int count;
} points;

static void smooth(points *p, int width) {
  double *y = calloc((size_t)p->count + 1, sizeof *y);
  for (int i = 0; i < p->count && y; i++) {
    const int reach = width / 2, low = i > reach ? i - reach : 0,
              high = i + reach < p->count ? i + reach : p->count - 1;
    for (int j = low; j <= high; j++) y[i] += p->y[j] / (high - low + 1);
  }
  if (y) memcpy(p->y, y, (size_t)p->count * sizeof *y);
  free(y);
}

/* `optional`: a run that does not log it has no points. */
static int read_points(const ml3_lab_metrics *m, const char *name, bool optional, int width, points *p,
                       ml3_error *error) {
  const int column = ml3_lab_metrics_find(m, name, optional ? NULL : error);
  if (column < 0) return optional ? ML3_OK : ML3_ERR_ARGUMENT;
  p->x = calloc(2 * ((size_t)m->rows + 1), sizeof *p->x);
  if (!p->x) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d points", m->rows);
  p->y = p->x + m->rows + 1;
  p->count = ml3_lab_metrics_points(m, column, p->x, p->y);
  if (width > 1) smooth(p, width);
  return ML3_OK;
}

/* What all runs' points of a metric can be. */
static ml3_lab_range range_of(const points *runs, int count) {
  for (int r = 0; r < count; r++)
    if (ml3_lab_range_of(runs[r].y, runs[r].count) == ML3_LAB_REAL) return ML3_LAB_REAL;
  return ML3_LAB_POSITIVE;
}

/* Is the metric a share, such as validation/success? */
static bool is_share(const char *name) {
  return strstr(name, "success") != NULL;
}

/* Tasks behind a share, 1 where they are not known; 0 for what is none. */
static int trials_of(const char *name, int validation_tasks) {
  if (!is_share(name)) return 0;
  return strncmp(name, "validation/", 11) == 0 ? validation_tasks : 1;
}

/* The runs of a group at each step that the first has: mean and interval over those that have it too. trials: as
   trials_of has them. */
static int join(const points *runs, int count, int trials, line *to) {
  const ml3_lab_range range = range_of(runs, count);
  const points *first = &runs[0];
  int *at = calloc((size_t)count, sizeof *at);
  double *values = calloc((size_t)count, sizeof *values);
  to->x = calloc(4 * ((size_t)first->count + 1), sizeof *to->x);
  if (!at || !values || !to->x) return free(at), free(values), ML3_ERR_MEMORY;
  to->mean = to->x + first->count + 1;
  to->low = to->mean + first->count + 1;
  to->high = to->low + first->count + 1;
  to->count = first->count;
  for (int i = 0; i < first->count; i++) {
    for (int r = 0; r < count; r++) {
      while (at[r] < runs[r].count && runs[r].x[at[r]] < first->x[i]) at[r]++;
      values[r] = at[r] < runs[r].count && runs[r].x[at[r]] == first->x[i] ? runs[r].y[at[r]] : NAN;
    }
    const ml3_lab_interval v =
        trials ? ml3_lab_share_interval(values, count, trials) : ml3_lab_sample_interval(values, count, range);
    to->x[i] = first->x[i];
    to->mean[i] = v.mean, to->low[i] = v.low, to->high[i] = v.high;
  }
  free(at);
  free(values);
  return ML3_OK;
}

/* Where nobody names metrics, charts/ are of policies: a learned loss counts other steps. */
static bool is_left_out(const ml3_lab_curves *c, int group, int panel, bool optional) {
  return optional && !c->policies[group] && strncmp(c->names[panel], "charts/", 7) == 0;
}

static int read_group(ml3_lab_curves *c, const ml3_lab_runs *runs, int group, bool optional, int width,
                      ml3_error *error) {
  const int size = ml3_lab_runs_size(runs, group);
  points *p = calloc((size_t)size * (size_t)c->panels, sizeof *p); /* [panels][size] */
  int code = p ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d runs", size), n = 0;
  int validation_tasks = 1;
  for (int i = 0; i < runs->count && code == ML3_OK; i++) {
    if (runs->runs[i].group != group) continue;
    validation_tasks = (int)ML3_LAB_GET(&runs->runs[i].config, validation)->tasks;
    ml3_lab_metrics m;
    code = ml3_lab_metrics_read(&m, runs->runs[i].folder, error);
    for (int k = 0; k < c->panels && code == ML3_OK; k++)
      if (!is_left_out(c, group, k, optional) &&
          (code = read_points(&m, c->names[k], optional, width, &p[k * size + n], error)) != ML3_OK)
        ml3_error_prefix(error, "%s", runs->runs[i].folder);
    ml3_lab_metrics_free(&m);
    n++;
  }
  for (int k = 0; k < c->panels && code == ML3_OK; k++)
    if (join(p + k * size, size, trials_of(c->names[k], validation_tasks), &c->lines[k * c->groups + group]) != ML3_OK)
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d runs", size);
  for (int k = 0; k < size * c->panels && p; k++) free(p[k].x);
  free(p);
  return code;
}

static int split_names(ml3_lab_curves *c, const char *names, ml3_error *error) {
  char text[1024], *save = NULL;
  snprintf(text, sizeof text, "%s", names);
  for (char *name = strtok_r(text, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
    if (c->panels == ML3_LAB_PANELS_MAX || strlen(name) >= sizeof *c->names)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "--metric: at most %d names of at most %zu characters",
                           ML3_LAB_PANELS_MAX, sizeof *c->names - 1);
    strcpy(c->names[c->panels++], name);
  }
  return c->panels ? ML3_OK : ml3_error_set(error, ML3_ERR_ARGUMENT, "--metric names no metric");
}

/* What is drawn when nobody names a metric: what validation found, and what policies found while they learned. */
static const char *usual_metrics(const ml3_lab_runs *runs) {
  bool losses = false, policies = false;
  for (int i = 0; i < runs->count; i++) *(ml3_lab_trains_policy(&runs->runs[i].config) ? &policies : &losses) = true;
  return !policies ? "validation/task_loss,validation/success"
         : !losses ? "charts/episodic_return,charts/success"
                   : "validation/task_loss,validation/success,charts/episodic_return,charts/success";
}

/* A panel without a point is none, or an error where its metric was asked for. */
static int drop_empty_panels(ml3_lab_curves *c, bool asked, ml3_error *error) {
  int kept = 0;
  for (int k = 0; k < c->panels; k++) {
    int count = 0;
    for (int g = 0; g < c->groups; g++) count += c->lines[k * c->groups + g].count;
    if (count == 0 && asked)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "these runs have no point of '%s' yet", c->names[k]);
    if (count == 0 || kept++ == k) continue;
    memmove(c->names[kept - 1], c->names[k], sizeof *c->names);
    for (int g = 0; g < c->groups; g++) {
      free(c->lines[(kept - 1) * c->groups + g].x);
      c->lines[(kept - 1) * c->groups + g] = c->lines[k * c->groups + g];
      c->lines[k * c->groups + g] = (line){0};
    }
  }
  for (int i = kept * c->groups; i < c->panels * c->groups; i++) free(c->lines[i].x), c->lines[i] = (line){0};
  if (kept == 0) return ml3_error_set(error, ML3_ERR_ARGUMENT, "these runs have nothing to plot yet");
  c->panels = kept;
  return ML3_OK;
}

/* Each method has its colour; where two groups are of one method, they have colours by their number. */
static void choose_colors(ml3_lab_curves *c, const ml3_lab_runs *runs) {
  const char *methods[ML3_COLORS_MAX] = {NULL};
  float rgb[ML3_COLORS_MAX][3];
  bool differ = c->groups <= ML3_COLORS_MAX;
  for (int i = 0; i < runs->count && differ; i++)
    methods[runs->runs[i].group] = ml3_lab_method_label(&runs->runs[i].config);
  for (int g = 0; g < c->groups && differ; g++)
    for (int h = 0; h < g; h++) differ = differ && strcmp(methods[g], methods[h]) != 0;
  if (differ) ml3_color_methods(methods, c->groups, rgb);
  for (int g = 0; g < c->groups; g++)
    if (differ)
      ml3_color_text(rgb[g], c->colors[g]);
    else
      snprintf(c->colors[g], sizeof *c->colors, "%s", ml3_lab_gnuplot_color(g));
}

ml3_lab_curves *ml3_lab_curves_new(const ml3_lab_runs *runs, const char *metrics, int width, ml3_error *error) {
  ml3_lab_curves *c = calloc(1, sizeof *c);
  int code = c ? split_names(c, metrics ? metrics : usual_metrics(runs), error)
               : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for curves");
  if (code == ML3_OK) {
    c->groups = runs->groups;
    c->labels = calloc((size_t)c->groups + 1, sizeof *c->labels);
    c->colors = calloc((size_t)c->groups + 1, sizeof *c->colors);
    c->sizes = calloc((size_t)c->groups + 1, sizeof *c->sizes);
    c->policies = calloc((size_t)c->groups + 1, sizeof *c->policies);
    c->lines = calloc((size_t)(c->groups + 1) * (size_t)c->panels, sizeof *c->lines);
    if (!c->labels || !c->colors || !c->sizes || !c->policies || !c->lines)
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for curves");
  }
  for (int g = 0; g < runs->groups && code == ML3_OK; g++) {
    ml3_lab_runs_label(runs, g, c->labels[g], sizeof *c->labels);
    c->sizes[g] = ml3_lab_runs_size(runs, g);
    for (int i = 0; i < runs->count; i++)
      if (runs->runs[i].group == g) c->policies[g] = ml3_lab_trains_policy(&runs->runs[i].config);
    code = read_group(c, runs, g, !metrics, width, error);
  }
  if (code == ML3_OK) choose_colors(c, runs);
  if (code == ML3_OK) code = drop_empty_panels(c, metrics != NULL, error);
  if (code == ML3_OK) return c;
  ml3_lab_curves_free(c);
  return NULL;
}

void ml3_lab_curves_free(ml3_lab_curves *c) {
  if (!c) return;
  for (int i = 0; c->lines && i < c->panels * c->groups; i++) free(c->lines[i].x);
  free(c->lines);
  free(c->labels);
  free(c->colors);
  free(c->sizes);
  free(c->policies);
  free(c);
}

/* ---- pictures ------------------------------------------------------------------------------------------------------ */

static void write_data(FILE *out, const ml3_lab_curves *c, int panel) {
  for (int g = 0; g < c->groups; g++) {
    const line *l = &c->lines[panel * c->groups + g];
    fprintf(out, "$data%d_%d << EOD\n", panel, g);
    for (int i = 0; i < l->count; i++) {
      if (!isfinite(l->mean[i])) continue;
      const double low = isfinite(l->low[i]) ? l->low[i] : l->mean[i],
                   high = isfinite(l->high[i]) ? l->high[i] : l->mean[i];
      fprintf(out, "%.9g %.9g %.9g %.9g\n", l->x[i], l->mean[i], low, high);
    }
    fprintf(out, "EOD\n");
  }
}

static void write_plot(FILE *out, const ml3_lab_curves *c, int panel, bool bands) {
  int n = 0;
  fprintf(out, "plot ");
  for (int g = 0; g < c->groups && bands; g++)
    if (c->sizes[g] > 1 && c->lines[panel * c->groups + g].count)
      fprintf(out, "%s$data%d_%d using 1:3:4 with filledcurves fs transparent solid 0.2 noborder lc rgb '%s' notitle",
              n++ ? ", " : "", panel, g, c->colors[g]);
  for (int g = 0; g < c->groups; g++) {
    if (c->lines[panel * c->groups + g].count == 0) continue;
    fprintf(out, "%s$data%d_%d using 1:2 with lines", n++ ? ", " : "", panel, g);
    if (bands) fprintf(out, " lw 2.5 dt %d lc rgb '%s'", g / ML3_LAB_GNUPLOT_COLORS + 1, c->colors[g]);
    fprintf(out, " title ");
    ml3_lab_gnuplot_quote(out, c->labels[g]);
    fprintf(out, " noenhanced");
  }
  fputc('\n', out);
}

/* The panel's range: lines are always seen whole, bands as far as they do not make the lines flat. */
static void write_range(FILE *out, const ml3_lab_curves *c, int panel) {
  double low = INFINITY, high = -INFINITY;
  for (int g = 0; g < c->groups; g++) {
    const line *l = &c->lines[panel * c->groups + g];
    for (int i = 0; i < l->count; i++)
      if (isfinite(l->mean[i])) low = fmin(low, l->mean[i]), high = fmax(high, l->mean[i]);
  }
  const double beyond = 1.5 * (high - low);
  if (is_share(c->names[panel]))
    fprintf(out, "set yrange [0:1.02]\n");
  else if (isfinite(beyond) && beyond > 0)
    fprintf(out, "set yrange [%.9g<*:*<%.9g]\n", low - beyond, high + beyond);
  else
    fprintf(out, "set autoscale y\n");
}

/* What the runs of a panel count. */
static const char *steps_of(const ml3_lab_curves *c, int panel) {
  bool outer = false, environment = false;
  for (int g = 0; g < c->groups; g++)
    if (c->lines[panel * c->groups + g].count) *(c->policies[g] ? &environment : &outer) = true;
  return !environment ? "outer steps (meta-training)"
         : !outer     ? "environment steps"
                      : "outer steps (meta-training); environment steps of policies";
}

/* What a metric's axis says of it. */
static const char *axis_of(const char *name) {
  static const struct {
    const char *name, *axis;
  } axes[] = {{"validation/task_loss", "mean task loss, validation tasks"},
              {"validation/success", "share with success, validation tasks"},
              {"validation/objective", "objective, validation tasks"},
              {"validation/distance", "mean distance to the goal, validation tasks"},
              {"charts/episodic_return", "return of the last episodes"},
              {"charts/success", "share of episodes with success"}};
  for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
    if (strcmp(axes[i].name, name) == 0) return axes[i].axis;
  return is_share(name) ? "share" : "";
}

static void write_panels(FILE *out, const void *what) {
  const ml3_lab_curves *c = what;
  for (int k = 0; k < c->panels; k++) write_data(out, c, k);
  fprintf(out, "set multiplot layout 1,%d\n", c->panels);
  for (int k = 0; k < c->panels; k++) {
    ml3_lab_gnuplot_heading(out, c->names[k], steps_of(c, k), axis_of(c->names[k]));
    fprintf(out, "set key below left Left reverse vertical maxrows 8 height 1\n");
    write_range(out, c, k);
    write_plot(out, c, k, true);
  }
  fprintf(out, "unset multiplot\n");
}

/* One panel: characters know no multiplot. */
static void write_characters(FILE *out, const void *what) {
  const ml3_lab_curves *c = what;
  write_data(out, c, c->shown);
  fprintf(out, "set title ");
  ml3_lab_gnuplot_quote(out, c->names[c->shown]);
  fprintf(out, " noenhanced\nset xlabel ");
  ml3_lab_gnuplot_quote(out, steps_of(c, c->shown));
  fprintf(out, "\nset key below\nset tics nomirror\n");
  write_plot(out, c, c->shown, false);
}

int ml3_lab_curves_save(const ml3_lab_curves *c, const char *path, ml3_error *error) {
  return ml3_lab_gnuplot_save(write_panels, c, 760 * c->panels, 620, path, error);
}

int ml3_lab_learning_curve(const char *folder, ml3_error *error) {
  static const char *const files[] = {"learning_curve.png", "learning_curve.svg"};
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_runs run;
  ml3_lab_curves *curves = NULL;
  ml3_error none = {0}; /* points, which is none: a very short run has too few */
  int code = ml3_lab_runs_open(&run, &folder, 1, true, error);
  if (code == ML3_OK) curves = ml3_lab_curves_new(&run, NULL, 0, &none);
  for (int i = 0; i < 2 && code == ML3_OK && curves; i++) {
    ml3_lab_run_path(folder, files[i], path);
    code = ml3_lab_curves_save(curves, path, error);
  }
  ml3_lab_curves_free(curves);
  ml3_lab_runs_free(&run);
  return code;
}

int ml3_lab_curves_show(const ml3_lab_curves *c, const ml3_lab_characters *form, ml3_error *error) {
  ml3_lab_curves panel = *c;
  int code = ML3_OK;
  for (panel.shown = 0; panel.shown < c->panels && code == ML3_OK; panel.shown++)
    code = ml3_lab_gnuplot_show(write_characters, &panel, form, error);
  return code;
}
