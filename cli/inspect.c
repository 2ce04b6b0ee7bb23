/* ml3 inspect: what an optimizee descends, beside the task loss.

     landscape_line      along the updates that the learned loss makes: theta_0 + x (theta_K - theta_0)
     landscape_plane     through these, or around theta_K, with random filter-normalised directions
     landscape_features  the learned loss itself over two of its features: prediction and target where it has them
     landscape_scalar    an optimizee of one parameter: over it, for tasks sorted by their goal

   each as CSV, PNG and SVG in the run's folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/console.h"
#include "cli/inspect_internal.h"
#include "cli/options.h"
#include "lab/plot.h"
#include "cli/verb.h"
#include "lab/zoo.h"
#include "metaloss/options.h"

enum { LIVED_MAX = 1000 }; /* updates of an optimizee, unless they are given */

/* ---- opening -------------------------------------------------------------------------------------------------- */

const ml3_real *cli_inspect_theta(const inspecting *s, int k) {
  return s->theta + (size_t)k * (size_t)s->problem->theta_size;
}

int cli_inspect_learn(inspecting *s, int number, ml3_error *error) {
  const size_t n = (size_t)s->problem->theta_size;
  ml3_random random = ml3_random_stream((uint64_t)s->config.seed, ML3_PURPOSE_TEST, (uint32_t)number, 0);
  int code = s->problem->sample(s->problem, ML3_SPLIT_TEST, &random, s->task, s->theta, error);
  if (code != ML3_OK) return code;
  s->random = random;
  ml3_meta_begin(s->work, s->loss, s->theta);
  for (int k = 0; k < s->updates; k++) {
    memcpy(s->theta + (size_t)(k + 1) * n, s->theta + (size_t)k * n, n * sizeof *s->theta);
    code = ml3_meta_adapt(s->work, s->loss, s->task, s->theta + (size_t)(k + 1) * n, &random, NULL, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

static int open_run(inspecting *s, const cli_options *o, ml3_error *error) {
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run? `ml3 list` shows them");
  char folder[ML3_LAB_PATH_MAX], wanted[ML3_LAB_PATH_MAX];
  const char *where = ml3_lab_zoo_folder(o->argument, folder, error);
  if (!where) return error->code;
  s->folder = o->argument;
  int code = ml3_lab_run_open(where, &s->config, &s->loss, &cli_messages, error);
  if (code == ML3_OK && where != o->argument) {
    snprintf(wanted, sizeof wanted, "runs/inspect-%.200s", o->argument + 4);
    code = ml3_lab_run_create(wanted, &s->config, true, s->made, error);
    s->folder = s->made;
  }
  if (code == ML3_OK) code = cli_options_apply(o, &s->config, error);
  if (code != ML3_OK) return code;
  if (!(s->problem = ml3_lab_problem_new_for(&s->config, s->loss, error))) return error->code;
  ml3_trainer_settings settings;
  if ((code = ml3_lab_trainer_settings(&s->config, s->problem, &settings, error)) != ML3_OK) return code;
  settings.meta.loss = s->loss->spec;
  if (!(s->meta = ml3_meta_new(s->problem, &settings.meta, error))) return error->code;
  if (!(s->work = ml3_meta_work_new(s->meta, error))) return error->code;
  const int64_t lived = ML3_LAB_GET(&s->config, inner)->steps * ML3_LAB_GET(&s->config, inner)->lifetime;
  if (s->updates == 0) s->updates = (int)(lived < LIVED_MAX ? lived : LIVED_MAX);
  const size_t n = (size_t)s->problem->theta_size;
  s->task = calloc((size_t)s->problem->task_size + ((size_t)s->updates + 3) * n, sizeof *s->task);
  if (!s->task) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d optimizees", s->updates);
  s->theta = s->task + s->problem->task_size;
  s->a = s->theta + ((size_t)s->updates + 1) * n;
  s->b = s->a + n;
  return ML3_OK;
}

static void close_run(inspecting *s) {
  free(s->task);
  ml3_meta_work_free(s->work);
  ml3_meta_free(s->meta);
  ml3_loss_free(s->loss);
  if (s->problem) s->problem->free(s->problem);
}

const char *cli_inspect_descended(const inspecting *s) {
  return s->loss->spec.kind == ML3_LOSS_LEARNED ? "learned loss" : "task's own loss on the inner data";
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* A number as CSV, nothing where it is not one. */
static void write_number(FILE *out, double x, char end) {
  if (isfinite(x)) fprintf(out, "%.9g", x);
  fputc(end, out);
}

int cli_inspect_save(const inspecting *s, const char *name, const char *header, const ml3_landscape *l,
                     const double *rows, ml3_error *error) {
  char file_name[64], path[ML3_LAB_PATH_MAX];
  ml3_file file;
  snprintf(file_name, sizeof file_name, "%s.csv", name);
  ml3_lab_run_path(s->folder, file_name, path);
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

void cli_inspect_tell(const inspecting *s, const char *name, int code, const ml3_error *plot) {
  if (code == ML3_OK)
    printf("%s/%s.png, .svg, .csv\n", s->folder, name);
  else
    printf("%s/%s.csv; no picture: %s\n", s->folder, name, plot->message);
}

double *cli_inspect_room(int count) {
  return calloc((size_t)count, sizeof(double));
}

void cli_inspect_maps(const inspecting *s, const char *name, const char *title, const char *x_label,
                      const char *y_label, const char *const *titles, const ml3_landscape *l, const double *path_x,
                      const double *path_y, int path_count) {
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
  ml3_lab_run_path(s->folder, name, path);
  cli_inspect_tell(s, name, ml3_lab_plot_maps(&all, path, &plot), &plot);
}

/* ---- the verb --------------------------------------------------------------------------------------------------------- */

static int inspect(inspecting *s, ml3_error *error) {
  const bool learned = s->loss->spec.kind == ML3_LOSS_LEARNED, scalar = s->problem->theta_size == 1;
  int code = learned ? cli_inspect_check(s, error) : ML3_OK;
  if (code == ML3_OK) code = cli_inspect_learn(s, s->task_number, error);
  if (code == ML3_OK) code = scalar ? cli_inspect_scalar(s, error) : cli_inspect_line(s, error);
  if (code == ML3_OK && !scalar) code = cli_inspect_plane(s, error);
  return code == ML3_OK && learned ? cli_inspect_loss(s, error) : code;
}

int cli_inspect(int argc, const char **argv) {
  const char *directions = "updates";
  inspecting s = {.points = 41};
  const struct poptOption own[] = {
      {"task", 't', POPT_ARG_INT, &s.task_number, 0, "number of the held-out task (0)", "N"},
      {"updates", 'n', POPT_ARG_INT, &s.updates, 0, "updates whose way is shown (inner.steps times inner.lifetime)",
       "N"},
      {"points", 'p', POPT_ARG_INT, &s.points, 0, "points along each side of a plane (41)", "N"},
      {"directions", 'd', POPT_ARG_STRING, &directions, 0,
       "of the plane: updates (one along them, one random across), or random (two, around where they end)", "KIND"},
      {"features", 'f', POPT_ARG_STRING, &s.features, 0, "two features to show the learned loss over", "X,Y"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN [OPTIONS]",
      "Draws the landscape of what an optimizee descends beside the task loss: along its updates, over a\n"
      "plane through them, and the learned loss over two of its features (prediction and target).",
      "Writes landscape_*.csv, .png and .svg into the run's folder. Random directions are filter-normalised.");
  if (answer >= 0) return answer;
  ml3_error error = {0};
  int code = ML3_OK;
  s.random_directions = strcmp(directions, "random") == 0;
  if (s.task_number < 0 || s.updates < 0 || s.updates > 100000 || s.points < 5 || s.points > 1000)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT,
                         "--task must not be negative, --updates must be 1 to 100000 and --points 5 to 1000");
  if (!s.random_directions && strcmp(directions, "updates") != 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--directions is '%s'; updates and random are possible", directions);
  if (code == ML3_OK) code = open_run(&s, &options, &error);
  if (code == ML3_OK) code = inspect(&s, &error);
  close_run(&s);
  return cli_end("inspect", code, &error);
}
