/* Checkpoints: everything to go on with the same bits. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metaloss/trainer_internal.h"
#include "nn/checkpoint.h"

/* What the loss's network sees; 0 where no loss is learned. */
static int inputs_of(const ml3_trainer *t) {
  const ml3_loss_spec *spec = &t->settings.meta.loss;
  return spec->kind == ML3_LOSS_LEARNED ? spec->net.inputs : 0;
}

/* What must agree for a checkpoint to fit. */
static void fingerprint(const ml3_trainer *t, char *text, size_t size) {
  const ml3_loss_spec *spec = &t->settings.meta.loss;
  snprintf(text, size,
           "problem %s, %d policy parameters, %d loss parameters, %d inputs, %d inner steps, momentum %g, lifetime %d, "
           "%d tasks, seed %llu",
           t->problem->name, t->problem->theta_size, t->loss->size, inputs_of(t), t->settings.meta.inner_steps,
           spec->momentum, t->settings.lifetime, t->settings.tasks, (unsigned long long)t->settings.seed);
}

enum { BEST = 10, COUNTERS = 5 + BEST };
static const char *const format_name = "ml3 checkpoint 4";

/* The numbers of a report, bit by bit, so that a resumed run writes the same files. */
static void pack_best(const ml3_trainer_report *r, int64_t *counters) {
  const double values[BEST] = {r->objective,       r->inner_rate,       r->outcome.task_loss,
                               r->outcome.success, r->outcome.distance, r->outcome.episode_return,
                               r->median_distance, r->model.step,       r->model.horizon,
                               (double)r->skipped};
  counters[0] = r->outer_step;
  memcpy(counters + 1, values, sizeof values);
}

static void unpack_best(ml3_trainer_report *r, const int64_t *counters) {
  double values[BEST];
  memcpy(values, counters + 1, sizeof values);
  *r = (ml3_trainer_report){
      .outer_step = counters[0],
      .objective = values[0],
      .inner_rate = values[1],
      .outcome = {.task_loss = values[2], .success = values[3], .distance = values[4], .episode_return = values[5]},
      .median_distance = values[6],
      .model = {.step = values[7], .horizon = values[8]},
      .skipped = values[9] >= 0 && values[9] <= INT_MAX ? (int)values[9] : 0, /* a file may say anything */
      .is_best = true};
}

/* ---- normalisation and lifetimes ---------------------------------------------------------------------------- */

static int put_inputs(const ml3_trainer *t, ml3_nn_tensors *f, ml3_error *error) {
  const int inputs = inputs_of(t);
  if (inputs == 0) return ML3_OK;
  int code = ml3_nn_tensors_put(f, "shift", 0, inputs, t->loss->shift, error);
  if (!code) code = ml3_nn_tensors_put(f, "scale", 0, inputs, t->loss->scale, error);
  if (!code) code = ml3_nn_tensors_put(f, "best_shift", 0, inputs, t->best->shift, error);
  if (!code) code = ml3_nn_tensors_put(f, "best_scale", 0, inputs, t->best->scale, error);
  if (!code) code = ml3_nn_tensors_put_doubles(f, "running_count", 1, &t->running.count, error);
  if (!code) code = ml3_nn_tensors_put_doubles(f, "running_mean", inputs, t->running.mean, error);
  if (!code) code = ml3_nn_tensors_put_doubles(f, "running_squares", inputs, t->running.squares, error);
  return code;
}

static int get_inputs(ml3_trainer *t, const ml3_nn_tensors *f, ml3_error *error) {
  const int inputs = inputs_of(t);
  const size_t n = (size_t)inputs;
  if (inputs == 0) return ML3_OK;
  int code = ml3_nn_tensors_get(f, "shift", n, t->loss->shift, error);
  if (!code) code = ml3_nn_tensors_get(f, "scale", n, t->loss->scale, error);
  if (!code) code = ml3_nn_tensors_get(f, "best_shift", n, t->best->shift, error);
  if (!code) code = ml3_nn_tensors_get(f, "best_scale", n, t->best->scale, error);
  if (!code) code = ml3_nn_tensors_get_doubles(f, "running_count", 1, &t->running.count, error);
  if (!code) code = ml3_nn_tensors_get_doubles(f, "running_mean", inputs, t->running.mean, error);
  if (!code) code = ml3_nn_tensors_get_doubles(f, "running_squares", inputs, t->running.squares, error);
  return code;
}

static int put_lives(const ml3_trainer *t, ml3_nn_tensors *f, ml3_error *error) {
  const int tasks = t->settings.tasks, theta = t->problem->theta_size;
  if (!t->lifetimes.birth) return ML3_OK;
  int code = ml3_nn_tensors_put_ints(f, "births", tasks, t->lifetimes.birth, error);
  if (!code) code = ml3_nn_tensors_put(f, "lives", tasks, theta, t->lifetimes.theta, error);
  if (!code && t->lifetimes.velocity) code = ml3_nn_tensors_put(f, "velocities", tasks, theta, t->lifetimes.velocity, error);
  return code;
}

static int get_lives(ml3_trainer *t, const ml3_nn_tensors *f, ml3_error *error) {
  const size_t size = (size_t)t->settings.tasks * (size_t)t->problem->theta_size;
  if (!t->lifetimes.birth) return ML3_OK;
  int code = ml3_nn_tensors_get_ints(f, "births", t->settings.tasks, t->lifetimes.birth, error);
  if (!code) code = ml3_nn_tensors_get(f, "lives", size, t->lifetimes.theta, error);
  if (!code && t->lifetimes.velocity) code = ml3_nn_tensors_get(f, "velocities", size, t->lifetimes.velocity, error);
  return code;
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

int ml3_trainer_save(const ml3_trainer *t, const char *path, ml3_error *error) {
  const int size = t->loss->size;
  int code = ml3_trainer_share_lives(t, error);
  if (code != ML3_OK || (t->settings.ranks && t->settings.ranks->rank > 0)) return code;
  int64_t counters[COUNTERS] = {t->outer_step, t->optimizer.step, t->has_best, t->stale};
  pack_best(&t->best_report, counters + 4);
  char print[512];
  fingerprint(t, print, sizeof print);
  ml3_nn_tensors *f = ml3_nn_tensors_new();
  if (!f) code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the checkpoint '%s'", path);

  if (!code) code = ml3_nn_tensors_put_text(f, "format", format_name, error);
  if (!code) code = ml3_nn_tensors_put_text(f, "fits", print, error);
  if (!code) code = ml3_nn_tensors_put(f, "phi", 0, size, t->loss->phi, error);
  if (!code) code = ml3_nn_tensors_put(f, "best_phi", 0, size, t->best->phi, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment1", 0, size, t->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment2", 0, size, t->optimizer.v, error);
  if (!code) code = put_inputs(t, f, error);
  if (!code) code = put_lives(t, f, error);
  if (!code && t->problem->keep) code = t->problem->keep(t->problem, f, error);
  if (!code) code = ml3_nn_tensors_put_ints(f, "counters", COUNTERS, counters, error);
  const double passed = t->best_report.outcome.passed;
  if (!code && isfinite(passed)) code = ml3_nn_tensors_put_doubles(f, "best_passed", 1, &passed, error);
  if (!code) code = ml3_nn_checkpoint_save(f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}

static int load_tensors(ml3_trainer *t, const ml3_nn_tensors *f, const char *path, ml3_error *error) {
  const size_t size = (size_t)t->loss->size;
  const char *format = ml3_nn_tensors_text(f, "format"), *fits = ml3_nn_tensors_text(f, "fits");
  char print[512];
  int64_t counters[COUNTERS];
  fingerprint(t, print, sizeof print);
  if (!format || strcmp(format, format_name) != 0 || !fits)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a checkpoint of ml3", path);
  if (strcmp(fits, print) != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "the checkpoint '%s' is of another run (%s); this one is: %s", path,
                         fits, print);

  int code = ml3_nn_tensors_get_ints(f, "counters", COUNTERS, counters, error);
  if (!code) code = ml3_nn_tensors_get(f, "phi", size, t->loss->phi, error);
  if (!code) code = ml3_nn_tensors_get(f, "best_phi", size, t->best->phi, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment1", size, t->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment2", size, t->optimizer.v, error);
  if (!code) code = get_inputs(t, f, error);
  if (!code) code = get_lives(t, f, error);
  if (!code && t->problem->restore) code = t->problem->restore(t->problem, f, error);
  if (!code) code = ml3_trainer_keep_scaling(t, error);
  double passed = NAN; /* files of before have none */
  if (!code && ml3_nn_tensors_size(f, "best_passed"))
    code = ml3_nn_tensors_get_doubles(f, "best_passed", 1, &passed, error);
  if (code) return ml3_error_prefix(error, "checkpoint '%s'", path);

  t->outer_step = counters[0];
  t->optimizer.step = counters[1];
  t->has_best = counters[2] != 0;
  t->stale = counters[3];
  unpack_best(&t->best_report, counters + 4);
  t->best_report.outcome.passed = passed;
  return ML3_OK;
}

int ml3_trainer_load(ml3_trainer *t, const char *path, ml3_error *error) {
  ml3_nn_tensors *f = ml3_nn_checkpoint_load(path, error);
  if (!f) return error ? error->code : ML3_ERR_IO;
  int code = load_tensors(t, f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}
