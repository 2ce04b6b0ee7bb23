/* The outer loop: see trainer.h. Parallel over units, which are single tasks or small batches that one program takes
   together; every unit writes its own gradient, which are then added by a pairwise tree. Size and order of the units
   depend on the settings alone, not on the threads. */
#include "metaloss/trainer.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/vector.h"

/* One task of a batch: where it starts and what came of it. */
typedef struct batch_task {
  ml3_real *task, *theta, *gradient; /* the gradient is its unit's */
  double objective;
  ml3_outcome outcome;
  int code;
  ml3_error error;
} batch_task;

typedef struct batch {
  batch_task *items;
  int count, unit; /* tasks, in all and in a unit */
  ml3_real *memory; /* all tasks, all theta, then a gradient a unit */
} batch;

struct ml3_trainer {
  const ml3_problem *problem;
  ml3_trainer_settings settings;
  ml3_meta *meta, *unit_meta; /* of one task; of a unit, NULL when that is one task */
  ml3_loss *loss, *best;
  ml3_nn_optimizer optimizer;
  ml3_meta_work **works, **unit_works; /* [threads] */
  ml3_real **pieces;                   /* [threads][loss size] a task's gradient, when a unit is taken apart */
  int threads;
  batch train, validation;
  int64_t outer_step;
  bool has_best;
  ml3_trainer_report best_report;
};

/* ---- making ------------------------------------------------------------------------------------------ */

static bool make_batch(batch *b, int count, int unit, const ml3_problem *p, int gradient_size) {
  const size_t n = (size_t)count, task = (size_t)p->task_size, theta = (size_t)p->theta_size;
  b->items = calloc(n, sizeof *b->items);
  b->memory = calloc(n * (task + theta) + n / (size_t)unit * (size_t)gradient_size, sizeof *b->memory);
  if (!b->items || !b->memory) return false;
  b->count = count;
  b->unit = unit;
  for (size_t i = 0; i < n; i++) {
    b->items[i].task = b->memory + i * task;
    b->items[i].theta = b->memory + n * task + i * theta;
    b->items[i].gradient = b->memory + n * (task + theta) + i / (size_t)unit * (size_t)gradient_size;
  }
  return true;
}

/* Tasks in a unit: at most 4, so that what a program works on stays near the processor; at least four units, so that
   threads have something to share. Clipping each task's gradient needs each task's gradient. */
static int unit_size(const ml3_trainer_settings *s) {
  int unit = 4;
  while (unit > 1 && (s->tasks % unit || s->tasks / unit < 4)) unit /= 2;
  return s->task_clip_norm > 0 ? 1 : unit;
}

/* What threads need besides to run units of several tasks. */
static int make_units(ml3_trainer *t, int unit, ml3_error *error) {
  ml3_meta_settings settings = t->settings.meta;
  settings.batch = unit;
  if (unit > 1 && !(t->unit_meta = ml3_meta_new(t->problem, &settings, error))) return ML3_ERR_ARGUMENT;
  for (int i = 0; i < t->threads && unit > 1; i++) {
    if (!(t->unit_works[i] = ml3_meta_work_new(t->unit_meta, error))) return ML3_ERR_MEMORY;
    if (!(t->pieces[i] = calloc((size_t)t->loss->size, sizeof(ml3_real))))
      return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a meta-gradient of %d numbers", t->loss->size);
  }
  return ML3_OK;
}

static int check(const ml3_trainer_settings *s, ml3_error *error) {
  if (s->tasks < 1 || s->tasks > 65536)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "outer.tasks is %d; 1 to 65536 are possible", s->tasks);
  if (s->validation_tasks < 1 || s->validation_tasks > 65536)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "validation.tasks is %d; 1 to 65536 are possible",
                         s->validation_tasks);
  if (s->threads < 0 || s->threads > 1024)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "threads is %d; 0 (all cores) to 1024 are possible", s->threads);
  return ML3_OK;
}

/* Features of the first tasks' initial optimizees set shift and scale: mean 0, deviation 1; constants get scale 1. */
static int set_normalization(ml3_trainer *t, ml3_error *error) {
  const ml3_problem *p = t->problem;
  const int rows = ml3_meta_rows(t->meta), cols = p->features;
  double *sum = calloc(2 * (size_t)cols, sizeof *sum), *squares = sum + cols;
  ml3_real *features = calloc((size_t)rows * (size_t)cols, sizeof *features);
  int code = sum && features ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to look at the features");
  const int tasks = 32;

  for (int i = 0; i < tasks && code == ML3_OK; i++) {
    batch_task *b = &t->train.items[0];
    ml3_random random = ml3_random_stream(t->settings.seed, ML3_PURPOSE_INIT, (uint32_t)i + 1, 0);
    p->sample(p, ML3_SPLIT_TRAIN, &random, b->task, b->theta);
    code = ml3_meta_features(t->works[0], b->task, b->theta, &random, features, error);
    for (int r = 0; r < rows && code == ML3_OK; r++)
      for (int c = 0; c < cols; c++) {
        double x = features[(size_t)r * cols + c];
        sum[c] += x;
        squares[c] += x * x;
      }
  }
  for (int c = 0; c < cols && code == ML3_OK; c++) {
    double n = (double)tasks * rows, mean = sum[c] / n, variance = squares[c] / n - mean * mean;
    t->loss->shift[c] = (ml3_real)mean;
    t->loss->scale[c] = (ml3_real)(variance > 1e-12 ? 1 / sqrt(variance) : 1);
  }
  free(sum);
  free(features);
  return code;
}

static void copy_loss(ml3_loss *to, const ml3_loss *from) {
  const size_t inputs = (size_t)from->spec.net.inputs;
  memcpy(to->phi, from->phi, (size_t)from->size * sizeof *to->phi);
  memcpy(to->shift, from->shift, inputs * sizeof *to->shift);
  memcpy(to->scale, from->scale, inputs * sizeof *to->scale);
}

static int make_parts(ml3_trainer *t, ml3_error *error) {
  const ml3_problem *p = t->problem;
  const ml3_trainer_settings *s = &t->settings;
  ml3_random init = ml3_random_stream(s->seed, ML3_PURPOSE_INIT, 0, 0);

  if (!(t->meta = ml3_meta_new(p, &s->meta, error))) return ML3_ERR_ARGUMENT;
  t->loss = ml3_loss_new(&s->meta.loss, &init, error);
  t->best = ml3_loss_new(&s->meta.loss, &init, error);
  if (!t->loss || !t->best) return ML3_ERR_MEMORY;
  int code = ml3_nn_optimizer_init(&t->optimizer, &s->optimizer, (size_t)t->loss->size, error);
  if (code != ML3_OK) return code;

  t->threads = s->threads > 0 ? s->threads : omp_get_num_procs();
  t->works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->unit_works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->pieces = calloc((size_t)t->threads, sizeof(ml3_real *));
  const int unit = unit_size(s);
  if (!t->works || !t->unit_works || !t->pieces || !make_batch(&t->train, s->tasks, unit, p, t->loss->size) ||
      !make_batch(&t->validation, s->validation_tasks, 1, p, p->theta_size))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for batches of %d and %d tasks", s->tasks,
                         s->validation_tasks);
  for (int i = 0; i < t->threads; i++)
    if (!(t->works[i] = ml3_meta_work_new(t->meta, error))) return ML3_ERR_MEMORY;
  code = make_units(t, unit, error);
  if (code != ML3_OK) return code;

  code = s->normalize ? set_normalization(t, error) : ML3_OK;
  copy_loss(t->best, t->loss);
  return code;
}

ml3_trainer *ml3_trainer_new(const ml3_problem *problem, const ml3_trainer_settings *settings, ml3_error *error) {
  if (check(settings, error) != ML3_OK) return NULL;
  ml3_trainer *t = calloc(1, sizeof *t);
  if (!t) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a trainer");
    return NULL;
  }
  t->problem = problem;
  t->settings = *settings;
  t->settings.meta.batch = 1; /* units are the trainer's own matter */
  if (make_parts(t, error) == ML3_OK) return t;
  ml3_trainer_free(t);
  return NULL;
}

void ml3_trainer_free(ml3_trainer *t) {
  if (!t) return;
  for (int i = 0; i < t->threads; i++) {
    if (t->works) ml3_meta_work_free(t->works[i]);
    if (t->unit_works) ml3_meta_work_free(t->unit_works[i]);
    if (t->pieces) free(t->pieces[i]);
  }
  free(t->works);
  free(t->unit_works);
  free(t->pieces);
  free(t->train.items);
  free(t->train.memory);
  free(t->validation.items);
  free(t->validation.memory);
  ml3_nn_optimizer_free(&t->optimizer);
  ml3_loss_free(t->loss);
  ml3_loss_free(t->best);
  ml3_meta_free(t->meta);
  ml3_meta_free(t->unit_meta);
  free(t);
}

/* ---- an outer step ------------------------------------------------------------------------------------ */

/* A task whose rollout is chaotic may have a meta-gradient thousands of times the others': bounded, it counts as one. */
static void clip_task(const ml3_trainer *t, ml3_real *gradient) {
  const double limit = t->settings.task_clip_norm, squares = ml3_nn_sum_squares(gradient, (size_t)t->loss->size);
  if (limit <= 0 || squares <= limit * limit) return;
  const ml3_real factor = (ml3_real)(limit / sqrt(squares));
  for (int j = 0; j < t->loss->size; j++) gradient[j] *= factor;
}

static ml3_random task_stream(const ml3_trainer *t, int i) {
  return ml3_random_stream(t->settings.seed, ML3_PURPOSE_TRAIN, (uint32_t)i, (uint32_t)t->outer_step);
}

static void run_task(ml3_trainer *t, int i, ml3_meta_work *work, ml3_real *gradient) {
  batch_task *b = &t->train.items[i];
  ml3_random random = task_stream(t, i);
  t->problem->sample(t->problem, ML3_SPLIT_TRAIN, &random, b->task, b->theta);
  b->code = ml3_meta_gradient(work, t->loss, b->task, b->theta, &random, gradient, &b->objective, NULL, &b->error);
  if (b->code == ML3_OK)
    clip_task(t, gradient);
  else
    memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
}

/* All tasks of a unit at once; false when there is something wrong with one of them. */
static bool run_together(ml3_trainer *t, int first, ml3_meta_work *work) {
  batch_task *b = &t->train.items[first];
  ml3_random random[ML3_META_MAX_BATCH];
  double objective[ML3_META_MAX_BATCH];
  ml3_error error = {0};
  for (int i = 0; i < t->train.unit; i++) {
    random[i] = task_stream(t, first + i);
    t->problem->sample(t->problem, ML3_SPLIT_TRAIN, &random[i], b[i].task, b[i].theta);
  }
  if (ml3_meta_gradient(work, t->loss, b->task, b->theta, random, b->gradient, objective, NULL, &error) != ML3_OK)
    return false;
  for (int i = 0; i < t->train.unit; i++) b[i].code = ML3_OK, b[i].objective = objective[i];
  return true;
}

static void run_unit(ml3_trainer *t, int unit, int thread) {
  const int first = unit * t->train.unit;
  ml3_real *gradient = t->train.items[first].gradient, *piece = t->pieces[thread];
  if (t->train.unit == 1) {
    run_task(t, first, t->works[thread], gradient);
  } else if (!run_together(t, first, t->unit_works[thread])) { /* one by one, to leave out what is wrong */
    memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
    for (int i = first; i < first + t->train.unit; i++) {
      run_task(t, i, t->works[thread], piece);
      ml3_nn_add_to(gradient, piece, (size_t)t->loss->size);
    }
  }
}

/* items[0].gradient becomes the sum of all units', in an order that depends on their number alone. */
static void add_gradients(const batch *b, int size, int threads) {
  for (int stride = b->unit; stride < b->count; stride *= 2)
    for (int i = 0; i + stride < b->count; i += 2 * stride) {
      ml3_real *to = b->items[i].gradient;
      const ml3_real *from = b->items[i + stride].gradient;
#pragma omp parallel for num_threads(threads) schedule(static) if (size > 20000)
      for (int j = 0; j < size; j++) to[j] += from[j];
    }
}

/* Mean over the tasks that succeeded; their number is returned. */
static int mean_objective(const batch *b, double *objective) {
  int good = 0;
  double sum = 0;
  for (int i = 0; i < b->count; i++) {
    if (b->items[i].code != ML3_OK) continue;
    sum += b->items[i].objective;
    good++;
  }
  *objective = good ? sum / good : NAN;
  return good;
}

static const batch_task *first_failure(const batch *b) {
  for (int i = 0; i < b->count; i++)
    if (b->items[i].code != ML3_OK) return &b->items[i];
  return NULL;
}

int ml3_trainer_step(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, 1)
  for (int i = 0; i < t->train.count / t->train.unit; i++) run_unit(t, i, omp_get_thread_num());

  *report = (ml3_trainer_report){.outer_step = t->outer_step};
  int good = mean_objective(&t->train, &report->objective);
  report->skipped = t->train.count - good;
  const batch_task *failed = first_failure(&t->train);
  if (failed && failed->code != ML3_ERR_NUMERIC) {
    if (error) *error = failed->error;
    return failed->code;
  }
  if (2 * good < t->train.count)
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "outer step %lld: %d of %d tasks failed (task %d: %s); a smaller inner.rate or outer.rate may help",
                         (long long)t->outer_step, report->skipped, t->train.count, (int)(failed - t->train.items),
                         failed->error.message);

  add_gradients(&t->train, t->loss->size, t->threads);
  ml3_real *gradient = t->train.items[0].gradient;
  for (int i = 0; i < t->loss->size; i++) gradient[i] /= (ml3_real)good;
  report->gradient_norm = ml3_nn_optimizer_update(&t->optimizer, t->loss->phi, gradient);
  if (!isfinite(report->gradient_norm))
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "outer step %lld: the norm of the meta-gradient is not finite; the loss is as it was before",
                         (long long)t->outer_step);
  report->outer_step = ++t->outer_step;
  report->inner_rate = ml3_loss_rate(t->loss);
  return ML3_OK;
}

/* ---- validation ----------------------------------------------------------------------------------------- */

static void validate_task(ml3_trainer *t, int i, ml3_meta_work *work) {
  const ml3_problem *p = t->problem;
  batch_task *b = &t->validation.items[i];
  ml3_real *adapted = b->gradient;
  ml3_random random = ml3_random_stream(t->settings.seed, ML3_PURPOSE_VALIDATION, (uint32_t)i, 0);
  p->sample(p, ML3_SPLIT_VALIDATION, &random, b->task, b->theta);
  b->outcome = (ml3_outcome){0};
  b->code = ml3_meta_objective(work, t->loss, b->task, b->theta, &random, adapted, &b->objective, &b->error);
  if (b->code == ML3_OK && p->evaluate) b->code = p->evaluate(p, b->task, adapted, &b->outcome, &b->error);
}

static ml3_outcome mean_outcome(const batch *b) {
  ml3_outcome mean = {0};
  for (int i = 0; i < b->count; i++) { /* a task that failed has success 0 and counts nowhere else */
    const ml3_outcome *o = &b->items[i].outcome;
    mean.task_loss += o->task_loss / b->count;
    mean.episode_return += o->episode_return / b->count;
    mean.distance += o->distance / b->count;
    mean.success += o->success / b->count;
    mean.env_steps += o->env_steps;
  }
  return mean;
}

static bool better(const ml3_trainer *t, double objective, double success) {
  if (!isfinite(objective)) return false;
  if (!t->has_best) return true;
  const ml3_trainer_report *best = &t->best_report;
  if (t->settings.select == ML3_SELECT_SUCCESS && success != best->outcome.success)
    return success > best->outcome.success;
  return objective < best->objective;
}

int ml3_trainer_validate(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, 1)
  for (int i = 0; i < t->validation.count; i++) validate_task(t, i, t->works[omp_get_thread_num()]);

  const batch_task *failed = first_failure(&t->validation);
  if (failed && failed->code != ML3_ERR_NUMERIC) {
    if (error) *error = failed->error;
    return failed->code;
  }
  *report = (ml3_trainer_report){.outer_step = t->outer_step, .inner_rate = ml3_loss_rate(t->loss)};
  report->skipped = t->validation.count - mean_objective(&t->validation, &report->objective);
  report->outcome = mean_outcome(&t->validation);
  if (report->skipped * 2 <= t->validation.count && better(t, report->objective, report->outcome.success)) {
    copy_loss(t->best, t->loss);
    t->has_best = report->is_best = true;
    t->best_report = *report;
  }
  return ML3_OK;
}

const ml3_loss *ml3_trainer_loss(const ml3_trainer *t) { return t->loss; }
const ml3_loss *ml3_trainer_best_loss(const ml3_trainer *t) { return t->has_best ? t->best : t->loss; }
const ml3_meta *ml3_trainer_meta(const ml3_trainer *t) { return t->meta; }
int64_t ml3_trainer_outer_step(const ml3_trainer *t) { return t->outer_step; }
const ml3_trainer_report *ml3_trainer_best_report(const ml3_trainer *t) { return t->has_best ? &t->best_report : NULL; }

/* ---- checkpoints ------------------------------------------------------------------------------------------ */

/* What must agree for a checkpoint to fit. */
static void fingerprint(const ml3_trainer *t, char *text, size_t size) {
  snprintf(text, size, "problem %s, %d policy parameters, %d loss parameters, %d inner steps, %d tasks, seed %llu",
           t->problem->name, t->problem->theta_size, t->loss->size, t->settings.meta.inner_steps, t->settings.tasks,
           (unsigned long long)t->settings.seed);
}

enum { COUNTERS = 10 };

/* The numbers of a report, bit by bit, so that a resumed run writes the same files. */
static void pack_best(const ml3_trainer_report *r, int64_t *counters) {
  const double values[6] = {r->objective, r->inner_rate, r->outcome.task_loss, r->outcome.success, r->outcome.distance,
                            r->outcome.episode_return};
  counters[0] = r->outer_step;
  memcpy(counters + 1, values, sizeof values);
}

static void unpack_best(ml3_trainer_report *r, const int64_t *counters) {
  double values[6];
  memcpy(values, counters + 1, sizeof values);
  *r = (ml3_trainer_report){.outer_step = counters[0],
                            .objective = values[0],
                            .inner_rate = values[1],
                            .outcome = {.task_loss = values[2],
                                        .success = values[3],
                                        .distance = values[4],
                                        .episode_return = values[5]},
                            .is_best = true};
}

int ml3_trainer_save(const ml3_trainer *t, const char *path, ml3_error *error) {
  const int size = t->loss->size, inputs = t->problem->features;
  int64_t counters[COUNTERS] = {t->outer_step, t->optimizer.step, t->has_best};
  pack_best(&t->best_report, counters + 3);
  char print[256];
  fingerprint(t, print, sizeof print);
  ml3_nn_tensors *f = ml3_nn_tensors_new();
  int code = f ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the checkpoint '%s'", path);

  if (!code) code = ml3_nn_tensors_put_text(f, "format", "ml3 checkpoint 1", error);
  if (!code) code = ml3_nn_tensors_put_text(f, "fits", print, error);
  if (!code) code = ml3_nn_tensors_put(f, "phi", 0, size, t->loss->phi, error);
  if (!code) code = ml3_nn_tensors_put(f, "best_phi", 0, size, t->best->phi, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment1", 0, size, t->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment2", 0, size, t->optimizer.v, error);
  if (!code) code = ml3_nn_tensors_put(f, "shift", 0, inputs, t->loss->shift, error);
  if (!code) code = ml3_nn_tensors_put(f, "scale", 0, inputs, t->loss->scale, error);
  if (!code) code = ml3_nn_tensors_put_ints(f, "counters", COUNTERS, counters, error);
  if (!code) code = ml3_nn_tensors_save(f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}

static int load_tensors(ml3_trainer *t, const ml3_nn_tensors *f, const char *path, ml3_error *error) {
  const size_t size = (size_t)t->loss->size, inputs = (size_t)t->problem->features;
  const char *format = ml3_nn_tensors_text(f, "format"), *fits = ml3_nn_tensors_text(f, "fits");
  char print[256];
  int64_t counters[COUNTERS];
  fingerprint(t, print, sizeof print);
  if (!format || strcmp(format, "ml3 checkpoint 1") != 0 || !fits)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a checkpoint of ml3", path);
  if (strcmp(fits, print) != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "the checkpoint '%s' is of another run (%s); this one is: %s", path, fits,
                         print);

  int code = ml3_nn_tensors_get_ints(f, "counters", COUNTERS, counters, error);
  if (!code) code = ml3_nn_tensors_get(f, "phi", size, t->loss->phi, error);
  if (!code) code = ml3_nn_tensors_get(f, "best_phi", size, t->best->phi, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment1", size, t->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment2", size, t->optimizer.v, error);
  if (!code) code = ml3_nn_tensors_get(f, "shift", inputs, t->loss->shift, error);
  if (!code) code = ml3_nn_tensors_get(f, "scale", inputs, t->loss->scale, error);
  if (code) return ml3_error_prefix(error, "checkpoint '%s'", path);

  memcpy(t->best->shift, t->loss->shift, inputs * sizeof *t->loss->shift);
  memcpy(t->best->scale, t->loss->scale, inputs * sizeof *t->loss->scale);
  t->outer_step = counters[0];
  t->optimizer.step = counters[1];
  t->has_best = counters[2] != 0;
  unpack_best(&t->best_report, counters + 3);
  return ML3_OK;
}

int ml3_trainer_load(ml3_trainer *t, const char *path, ml3_error *error) {
  ml3_nn_tensors *f = ml3_nn_tensors_load(path, error);
  if (!f) return error ? error->code : ML3_ERR_IO;
  int code = load_tensors(t, f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}
