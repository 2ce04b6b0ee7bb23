/* Landscapes of a run: see landscapes.h. Here: opening, the path of the updates, files. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/landscapes_internal.h"
#include "lab/plot.h"
#include "lab/zoo.h"

enum { UPDATES_MAX = 1000 }; /* of an optimizee, unless they are given */

/* ---- opening -------------------------------------------------------------------------------------------------- */

const ml3_real *landscapes_theta(const inspecting *s, int k) {
  return s->theta + (size_t)k * (size_t)s->problem->theta_size;
}

int landscapes_learn(inspecting *s, int number, ml3_error *error) {
  ml3_lab_adapting *a = &s->adapting;
  const size_t n = (size_t)s->problem->theta_size;
  int code = ml3_lab_adapting_begin(a, number, error);
  s->random = a->random;
  for (int k = 0; k <= s->updates && code == ML3_OK; k++) {
    if (k > 0) code = ml3_lab_adapting_step(a, NULL, error);
    memcpy(s->theta + (size_t)k * n, a->theta, n * sizeof *s->theta);
  }
  return code;
}

static int open_run(inspecting *s, const ml3_lab_landscape_settings *own, ml3_error *error) {
  ml3_lab_adapting *a = &s->adapting;
  char folder[ML3_LAB_PATH_MAX];
  int code = ml3_lab_adapting_open(a, own->run, NULL, own->callbacks, error);
  snprintf(s->found->folder, ML3_LAB_PATH_MAX, "%.1000s", own->run ? own->run : "");
  if (code == ML3_OK && ml3_lab_zoo_is(own->run)) {
    snprintf(folder, sizeof folder, "runs/inspect-%.200s", own->run + strlen("zoo:"));
    code = ml3_lab_run_create(folder, &a->config, true, s->found->folder, error);
  }
  if (code == ML3_OK) code = ml3_lab_config_override(&a->config, own->settings, own->count, own->callbacks, error);
  if (code == ML3_OK) code = ml3_lab_adapting_make(a, error);
  if (code != ML3_OK) return code;
  s->config = &a->config, s->problem = a->problem, s->loss = a->loss, s->meta = a->meta, s->work = a->work;
  s->task = a->task;
  const int64_t all = ML3_LAB_GET(s->config, inner)->steps * ML3_LAB_GET(s->config, inner)->lifetime;
  if (s->updates == 0) s->updates = (int)(all < UPDATES_MAX ? all : UPDATES_MAX);
  const size_t n = (size_t)s->problem->theta_size;
  s->theta = calloc(((size_t)s->updates + 3) * n, sizeof *s->theta);
  if (!s->theta) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d optimizees", s->updates);
  s->a = s->theta + ((size_t)s->updates + 1) * n;
  s->b = s->a + n;
  return ML3_OK;
}

const char *landscapes_descended(const inspecting *s) {
  return s->loss->spec.kind == ML3_LOSS_LEARNED ? "learned loss" : "task's own loss on the inner data";
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* A number as CSV, nothing where it is not one. */
static void write_number(FILE *out, double x, char end) {
  if (isfinite(x)) fprintf(out, "%.9g", x);
  fputc(end, out);
}

int landscapes_save(const inspecting *s, const char *name, const char *header, const ml3_landscape *l,
                    const double *rows, ml3_error *error) {
  char file_name[64], path[ML3_LAB_PATH_MAX];
  ml3_file file;
  snprintf(file_name, sizeof file_name, "%s.csv", name);
  ml3_lab_run_path(s->found->folder, file_name, path);
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  fprintf(file.stream, "%s\n", header);
  for (int i = 0; i < l->width * l->height; i++) {
    write_number(file.stream, ml3_landscape_at(l->x_low, l->x_high, i % l->width, l->width), ',');
    const double y = rows ? rows[i / l->width] : ml3_landscape_at(l->y_low, l->y_high, i / l->width, l->height);
    if (l->height > 1) write_number(file.stream, y, ',');
    write_number(file.stream, l->learned[i], l->task ? ',' : '\n');
    if (l->task) write_number(file.stream, l->task[i], '\n');
  }
  return ml3_file_commit(&file, error);
}

void landscapes_note(const inspecting *s, const char *name, int code, const ml3_error *plot) {
  ml3_lab_landscapes *found = s->found;
  const int i = found->count++;
  found->files[i].name = name;
  snprintf(found->files[i].no_picture, sizeof found->files[i].no_picture, "%s", code == ML3_OK ? "" : plot->message);
}

void landscapes_maps(const inspecting *s, const char *name, const char *title, const char *x_label, const char *y_label,
                     const char *const *titles, const ml3_landscape *l, const double *path_x, const double *path_y,
                     int path_count) {
  char path[ML3_LAB_PATH_MAX];
  ml3_error plot = {0};
  const ml3_lab_map form = {.width = l->width,
                            .height = l->height,
                            .x_low = l->x_low,
                            .x_high = l->x_high,
                            .y_low = l->y_low,
                            .y_high = l->y_high};
  ml3_lab_map maps[2] = {form, form};
  maps[0].title = titles[0], maps[0].z = l->learned;
  maps[1].title = titles[1], maps[1].z = l->task;
  const ml3_lab_maps all = {.title = title,
                            .x_label = x_label,
                            .y_label = y_label,
                            .maps = maps,
                            .count = l->task ? 2 : 1,
                            .path_x = path_x,
                            .path_y = path_y,
                            .path_count = path_count};
  ml3_lab_run_path(s->found->folder, name, path);
  landscapes_note(s, name, ml3_lab_plot_maps(&all, path, &plot), &plot);
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

static int draw(inspecting *s, ml3_error *error) {
  const bool learned = s->loss->spec.kind == ML3_LOSS_LEARNED, scalar = s->problem->theta_size == 1;
  int code = learned ? landscapes_check(s, error) : ML3_OK;
  if (code == ML3_OK) code = landscapes_learn(s, s->task_number, error);
  if (code == ML3_OK) code = scalar ? landscapes_scalar(s, error) : landscapes_line(s, error);
  if (code == ML3_OK && !scalar) code = landscapes_plane(s, error);
  return code == ML3_OK && learned ? landscapes_loss(s, error) : code;
}

int ml3_lab_landscapes_draw(const ml3_lab_landscape_settings *own, ml3_lab_landscapes *found, ml3_error *error) {
  inspecting *s = calloc(1, sizeof *s);
  ml3_error local = {0};
  if (!error) error = &local;
  *found = (ml3_lab_landscapes){0};
  if (!s) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for landscapes");
  s->found = found, s->features = own->features;
  s->task_number = own->task, s->updates = own->updates, s->points = own->points ? own->points : 41;
  s->random_directions = own->random_directions;
  int code = ML3_OK;
  if (s->task_number < 0 || s->updates < 0 || s->updates > 100000 || s->points < 5 || s->points > 1000)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--task must not be negative, --updates must be 1 to 100000 and --points 5 to 1000");
  if (code == ML3_OK) code = open_run(s, own, error);
  if (code == ML3_OK) code = draw(s, error);
  free(s->theta);
  ml3_lab_adapting_close(&s->adapting);
  free(s);
  return code;
}
