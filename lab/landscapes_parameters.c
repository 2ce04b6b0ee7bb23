/* Landscapes over an optimizee's parameters: see landscapes.c. */
#include <math.h>
#include <stdlib.h>

#include "lab/experiment.h"
#include "lab/landscapes_internal.h"
#include "lab/plot.h"

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void draw_line(const inspecting *s, const char *name, const char *title, const char *x_label,
                      const ml3_landscape *l, const double *stops, const double *at_stops, int stop_count) {
  char path[ML3_LAB_PATH_MAX];
  ml3_error plot = {0};
  double *x = calloc((size_t)(l->width), sizeof(double));
  for (int i = 0; i < l->width && x; i++) x[i] = ml3_landscape_at(l->x_low, l->x_high, i, l->width);
  const ml3_lab_curve curves[] = {
      {.label = landscapes_descended(s), .count = l->width, .x = x, .y = l->learned},
      {.label = "task loss (right)", .count = l->width, .x = x, .y = l->task, .right = true},
      {.label = "updates", .count = stop_count, .x = stops, .y = at_stops, .dots = true}};
  const ml3_lab_plot all = {.title = title,
                            .x_label = x_label,
                            .y_label = landscapes_descended(s),
                            .right_label = "task loss",
                            .curves = curves,
                            .count = stop_count ? 3 : 2};
  ml3_lab_run_path(s->found->folder, name, path);
  if (x) landscapes_note(s, name, ml3_lab_plot_save(&all, path, &plot), &plot);
  free(x);
}

/* Where theta_k lies along direction d from origin: the foot of the perpendicular. */
static double foot(const inspecting *s, int k, const ml3_real *origin, const ml3_real *d) {
  double dot = 0, norm = 0;
  for (int i = 0; i < s->problem->theta_size; i++) {
    dot += ((double)landscapes_theta(s, k)[i] - origin[i]) * d[i];
    norm += (double)d[i] * d[i];
  }
  return norm > 0 ? dot / norm : 0;
}

/* The line origin + x a over [low, high], with the updates on it; far off the line, these are beside the curve. */
static int inspect_along(inspecting *s, const ml3_real *origin, const ml3_real *a, double low, double high,
                         const char *x_label, ml3_error *error) {
  const int width = 4 * s->points + 1;
  double *values = calloc((size_t)(2 * width + 2 * (s->updates + 1)), sizeof(double)), *stops = values + 2 * width,
         *at_stops = stops + s->updates + 1;
  char title[160];
  if (!values) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a landscape");
  ml3_landscape l = {.width = width,
                     .height = 1,
                     .x_low = low,
                     .x_high = high,
                     .origin = origin,
                     .a = a,
                     .learned = values,
                     .task = values + width};
  int code = ml3_landscape_fill(s->meta, s->loss, s->task, &s->random, ml3_lab_threads(s->config), &l, error);
  for (int k = 0; k <= s->updates && code == ML3_OK; k++) {
    ml3_random same = s->random;
    stops[k] = foot(s, k, origin, a);
    if (ml3_meta_inner_loss(s->work, s->loss, s->task, landscapes_theta(s, k), &same, &at_stops[k], NULL) != ML3_OK)
      at_stops[k] = NAN;
  }
  if (code == ML3_OK) code = landscapes_save(s, "landscape_line", "along,learned_loss,task_loss", &l, NULL, error);
  if (code == ML3_OK) {
    snprintf(title, sizeof title, "%s, held-out task %d, %d update%s", ml3_lab_problem_title(s->config), s->task_number,
             s->updates, s->updates == 1 ? "" : "s");
    draw_line(s, "landscape_line", title, x_label, &l, stops, at_stops, s->updates + 1);
  }
  free(values);
  return code;
}

int landscapes_line(inspecting *s, ml3_error *error) {
  for (int i = 0; i < s->problem->theta_size; i++)
    s->a[i] = landscapes_theta(s, s->updates)[i] - landscapes_theta(s, 0)[i];
  return inspect_along(s, s->theta, s->a, -0.5, 1.5, "0: the start; 1: where the updates end", error);
}

/* ---- a plane ------------------------------------------------------------------------------------------------------ */

/* x without its part along a, and how long it is, in units of a's length. */
static double across(const ml3_real *a, ml3_real *x, int n) {
  double ax = 0, aa = 0, xx = 0;
  for (int i = 0; i < n; i++) ax += (double)a[i] * x[i], aa += (double)a[i] * a[i];
  for (int i = 0; i < n && aa > 0; i++) x[i] -= (ml3_real)(ax / aa * a[i]);
  for (int i = 0; i < n; i++) xx += (double)x[i] * x[i];
  return aa > 0 ? sqrt(xx / aa) : 0;
}

/* The plane through the start, the end and the theta_k farthest from the line between: b is orthogonal to a and as long, so
   that the picture has the true shape. Where the way is straight, b is random. Returns how far up the way goes. */
static double make_plane(inspecting *s, ml3_random *random) {
  const int n = s->problem->theta_size;
  const ml3_real *end = landscapes_theta(s, s->updates);
  double farthest = 0;
  int which = 0;
  for (int i = 0; i < n; i++) s->a[i] = end[i] - s->theta[i];
  for (int k = 1; k < s->updates; k++) {
    for (int i = 0; i < n; i++) s->b[i] = landscapes_theta(s, k)[i] - s->theta[i];
    const double far = across(s->a, s->b, n);
    if (far > farthest) farthest = far, which = k;
  }
  if (farthest > 1e-3)
    for (int i = 0; i < n; i++) s->b[i] = landscapes_theta(s, which)[i] - s->theta[i];
  else
    ml3_landscape_direction(s->problem, end, random, s->b);
  const double length = across(s->a, s->b, n);
  for (int i = 0; i < n && length > 0; i++) s->b[i] = (ml3_real)(s->b[i] / length);
  return farthest > 1e-3 ? farthest : 0;
}

int landscapes_plane(inspecting *s, ml3_error *error) {
  const int width = s->points, size = width * width;
  double *values = calloc((size_t)(2 * size + 2 * (s->updates + 1)), sizeof(double)), *path_x = values + 2 * size,
         *path_y = path_x + s->updates + 1;
  ml3_random random = ml3_random_stream((uint64_t)s->config->seed, ML3_PURPOSE_USER, (uint32_t)s->task_number, 0);
  const ml3_real *end = landscapes_theta(s, s->updates);
  if (!values) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a landscape");
  double up = 0;
  if (s->random_directions) {
    ml3_landscape_direction(s->problem, end, &random, s->a);
    ml3_landscape_direction(s->problem, end, &random, s->b);
  } else {
    up = make_plane(s, &random);
  }
  ml3_landscape l = {.width = width,
                     .height = width,
                     .a = s->a,
                     .b = s->b,
                     .learned = values,
                     .task = values + size,
                     .origin = s->random_directions ? end : s->theta,
                     .y_low = -1,
                     .y_high = fmax(1, 1.2 * up)};
  l.x_low = s->random_directions ? -1 : -0.5;
  l.x_high = s->random_directions ? 1 : 1.5;
  for (int k = 0; k <= s->updates; k++) path_x[k] = foot(s, k, l.origin, s->a), path_y[k] = foot(s, k, l.origin, s->b);
  int code = ml3_landscape_fill(s->meta, s->loss, s->task, &s->random, ml3_lab_threads(s->config), &l, error);
  if (code == ML3_OK)
    code = landscapes_save(s, "landscape_plane", "along,across,learned_loss,task_loss", &l, NULL, error);
  if (code == ML3_OK) {
    const char *const titles[2] = {landscapes_descended(s), "task loss"};
    char title[160];
    snprintf(title, sizeof title, "%s, held-out task %d: %s", ml3_lab_problem_title(s->config), s->task_number,
             s->random_directions ? "around the end of the updates" : "the plane of the updates");
    landscapes_maps(s, "landscape_plane", title,
                    s->random_directions ? "random direction" : "0: the start; 1: where the updates end",
                    s->random_directions ? "another"
                    : up > 0             ? "across, towards the way"
                                         : "random direction across",
                    titles, &l, path_x, path_y, s->updates + 1);
  }
  free(values);
  return code;
}

/* ---- an optimizee of one parameter ------------------------------------------------------------------------------------ */

enum { SCALAR_ROWS = 64, SCALAR_DRAWS = 512 };

typedef struct scalar_task {
  double goal;
  int task;
} scalar_task;

static int compare_goals(const void *a, const void *b) {
  const scalar_task *x = a, *y = b;
  return (x->goal > y->goal) - (x->goal < y->goal);
}

/* Held-out tasks at goals as evenly spaced as there are, and the range of theta: goals, starts and ends. The goal is known by
   the distance that a theta below all goals has; without a distance it is the task's number. */
static int choose_tasks(inspecting *s, scalar_task *chosen, double *low, double *high, ml3_error *error) {
  scalar_task drawn[SCALAR_DRAWS];
  const ml3_real below = -1000;
  const bool known = s->problem->distance_name != NULL;
  const int count = known ? SCALAR_DRAWS : SCALAR_ROWS;
  *low = INFINITY, *high = -INFINITY;
  for (int i = 0; i < count; i++) {
    ml3_outcome outcome = {0};
    int code = landscapes_learn(s, i, error);
    if (code == ML3_OK && known) code = s->problem->evaluate(s->problem, s->task, &below, &outcome, error);
    if (code != ML3_OK) return code;
    drawn[i] = (scalar_task){known ? outcome.distance + below : i, i};
    if (known) *low = fmin(*low, drawn[i].goal), *high = fmax(*high, drawn[i].goal);
    *low = fmin(*low, landscapes_theta(s, 0)[0]), *high = fmax(*high, landscapes_theta(s, 0)[0]);
  }
  qsort(drawn, (size_t)count, sizeof *drawn, compare_goals);
  for (int i = 0, next = 0; i < SCALAR_ROWS; i++) {
    const double aim = ml3_landscape_at(drawn[0].goal, drawn[count - 1].goal, i, SCALAR_ROWS);
    while (next + 1 < count && fabs(drawn[next + 1].goal - aim) <= fabs(drawn[next].goal - aim)) next++;
    chosen[i] = drawn[next];
  }
  return ML3_OK;
}

/* The map of chosen tasks, one a row; all->learned and all->task have room. */
static int fill_tasks(inspecting *s, const scalar_task *tasks, const ml3_landscape *all, ml3_error *error) {
  const ml3_real origin = 0, unit = 1;
  int code = ML3_OK;
  for (int i = 0; i < all->height && code == ML3_OK; i++) {
    ml3_landscape row = *all;
    double least = INFINITY; /* each row from its own least value, so that its valley shows */
    row.height = 1, row.origin = &origin, row.a = &unit;
    row.learned += i * all->width, row.task += i * all->width;
    if ((code = landscapes_learn(s, tasks[i].task, error)) == ML3_OK)
      code = ml3_landscape_fill(s->meta, s->loss, s->task, &s->random, 1, &row, error);
    for (int j = 0; j < row.width; j++) least = fmin(least, row.learned[j]);
    for (int j = 0; j < row.width; j++) row.learned[j] -= least;
  }
  return code;
}

static int inspect_tasks(inspecting *s, const scalar_task *tasks, double low, double high, ml3_error *error) {
  const int width = 4 * s->points + 1;
  double *values = calloc((size_t)(2 * width * SCALAR_ROWS), sizeof(double)), goals[SCALAR_ROWS];
  if (!values) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a landscape");
  for (int i = 0; i < SCALAR_ROWS; i++) goals[i] = tasks[i].goal;
  ml3_landscape all = {.width = width,
                       .height = SCALAR_ROWS,
                       .x_low = low,
                       .x_high = high,
                       .y_low = goals[0],
                       .y_high = goals[SCALAR_ROWS - 1],
                       .learned = values,
                       .task = values + width * SCALAR_ROWS};
  int code = fill_tasks(s, tasks, &all, error);
  if (code == ML3_OK)
    code = landscapes_save(s, "landscape_scalar", "theta,goal,learned_loss_above_least,task_loss", &all, goals, error);
  if (code == ML3_OK) {
    char title[160], name[96];
    const char *const titles[2] = {name, "task loss"};
    snprintf(name, sizeof name, "%s, above its least", landscapes_descended(s));
    snprintf(title, sizeof title, "%s: over theta, for %d held-out tasks", ml3_lab_problem_title(s->config),
             SCALAR_ROWS);
    landscapes_maps(s, "landscape_scalar", title, "theta", s->problem->distance_name ? "goal" : "task", titles, &all,
                    NULL, NULL, 0);
  }
  free(values);
  return code;
}

int landscapes_scalar(inspecting *s, ml3_error *error) {
  const ml3_real origin = 0, unit = 1;
  scalar_task tasks[SCALAR_ROWS];
  double low = 0, high = 0;
  int code = choose_tasks(s, tasks, &low, &high, error);
  if (code != ML3_OK) return code;
  const double margin = 0.1 * (high - low) + 1e-3;
  code = inspect_tasks(s, tasks, low - margin, high + margin, error);
  if (code == ML3_OK) code = landscapes_learn(s, s->task_number, error);
  return code == ML3_OK ? inspect_along(s, &origin, &unit, low - margin, high + margin, "theta", error) : code;
}
