/* The outer loop: see trainer.h. Parallel over units, which are single tasks or small batches that one program takes
   together; every unit writes its own gradient, which are then added by a pairwise tree. Size and order of the units
   depend on the settings alone, not on the threads. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/trainer_internal.h"
#include "nn/vector.h"

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
  return s->task_clip_norm > 0 || s->epochs > 1 ? 1 : unit;
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
  if (s->lifetime < 0 || s->lifetime > 1000000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "inner.lifetime is %d; 1 to 1000000 are possible", s->lifetime);
  if (s->lifetime > 1 && s->meta.loss.learn_start)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "inner.lifetime is %d, but the start is learned: every outer step begins there, so it must be 1", s->lifetime);
  if (s->epochs < 0 || s->epochs > 1000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "outer.epochs is %d; 1 to 1000 are possible", s->epochs);
  if (s->threads < 0 || s->threads > 1024)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "threads is %d; 0 (all cores) to 1024 are possible", s->threads);
  return ML3_OK;
}

/* What normalisation and lives of several outer steps need. */
static bool make_state(ml3_trainer *t) {
  const ml3_trainer_settings *s = &t->settings;
  const size_t tasks = (size_t)s->tasks, theta = tasks * (size_t)t->problem->theta_size;
  const size_t inputs = s->meta.loss.kind == ML3_LOSS_LEARNED ? (size_t)s->meta.loss.net.inputs : 0;
  t->running.mean = calloc(2 * inputs + 1, sizeof(double));
  t->running.squares = t->running.mean + inputs;
  if (!t->running.mean) return false;
  if (s->normalize == ML3_NORMALIZE_RUNNING && inputs) {
    const size_t units = tasks / (size_t)t->train.unit, size = 2 * inputs + 1;
    if (!(t->train.moments = calloc(units * size, sizeof(double)))) return false;
    for (size_t i = 0; i < tasks; i++) t->train.items[i].moments = t->train.moments + i / (size_t)t->train.unit * size;
  }
  if (t->epochs > 1 && !(t->stored = calloc(tasks * ml3_meta_data_size(t->meta), sizeof *t->stored))) return false;
  if (s->lifetime <= 1) return true;
  t->lives.birth = calloc(tasks, sizeof *t->lives.birth);
  t->lives.theta = calloc(theta, sizeof *t->lives.theta);
  if (s->meta.loss.momentum > 0) t->lives.velocity = calloc(theta, sizeof *t->lives.velocity);
  for (size_t i = 0; i < tasks && t->lives.birth; i++) t->lives.birth[i] = -1;
  return t->lives.birth && t->lives.theta && (t->lives.velocity || s->meta.loss.momentum == 0);
}

/* A learned start begins at an initial optimizee. */
static void draw_start(ml3_trainer *t) {
  ml3_random random = ml3_random_stream(t->settings.seed, ML3_PURPOSE_INIT, 0, 1);
  batch_task *b = &t->train.items[0];
  ml3_real *start = ml3_loss_start(t->loss);
  if (!start) return;
  t->problem->sample(t->problem, ML3_SPLIT_TRAIN, &random, b->task, b->theta);
  memcpy(start, b->theta, (size_t)t->problem->theta_size * sizeof *start);
}

/* What threads need besides when validation takes other numbers of updates than training: the loss after the last counts. */
static int make_long(ml3_trainer *t, ml3_error *error) {
  ml3_meta_settings settings = t->settings.meta;
  if (!t->settings.validation_steps || t->settings.validation_steps == settings.inner_steps) return ML3_OK;
  settings.inner_steps = t->settings.validation_steps;
  settings.weights = ML3_WEIGHTS_LAST;
  settings.moments = false;
  if (!(t->long_works = calloc((size_t)t->threads, sizeof(ml3_meta_work *))))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for validation by %d updates", settings.inner_steps);
  if (!(t->long_meta = ml3_meta_new(t->problem, &settings, error))) return ML3_ERR_ARGUMENT;
  for (int i = 0; i < t->threads; i++)
    if (!(t->long_works[i] = ml3_meta_work_new(t->long_meta, error))) return ML3_ERR_MEMORY;
  return ML3_OK;
}

/* What messages to other ranks need. */
static bool make_shared(ml3_trainer *t) {
  const ml3_trainer_settings *s = &t->settings;
  const size_t tasks = (size_t)(s->tasks > s->validation_tasks ? s->tasks : s->validation_tasks);
  if (!s->ranks) return true;
  t->received = calloc((size_t)t->loss->size, sizeof *t->received);
  t->shared = calloc(tasks * ML3_TRAINER_TOLD, sizeof *t->shared);
  return t->received && t->shared;
}

static int make_parts(ml3_trainer *t, ml3_error *error) {
  const ml3_problem *p = t->problem;
  const ml3_trainer_settings *s = &t->settings;
  ml3_random init = ml3_random_stream(s->seed, ML3_PURPOSE_INIT, 0, 0);

  if (!(t->meta = ml3_meta_new(p, &s->meta, error))) return ML3_ERR_ARGUMENT;
  t->loss = ml3_loss_new(&s->meta.loss, &init, error);
  t->best = ml3_loss_new(&s->meta.loss, &init, error);
  if (!t->loss || !t->best) return ML3_ERR_MEMORY;
  if (t->loss->size == 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is nothing to learn: no loss, no start and no step size");
  int code = ml3_nn_optimizer_init(&t->optimizer, &s->optimizer, (size_t)t->loss->size, error);
  if (code != ML3_OK) return code;

  t->threads = s->threads > 0 ? s->threads : omp_get_max_threads();
  t->works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->unit_works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->pieces = calloc((size_t)t->threads, sizeof(ml3_real *));
  const int unit = unit_size(s);
  if (!make_shared(t))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for what %d ranks tell each other", s->ranks->count);
  if (!t->works || !t->unit_works || !t->pieces || !make_batch(&t->train, s->tasks, unit, p, t->loss->size) ||
      !make_batch(&t->validation, s->validation_tasks, 1, p, p->theta_size) || !make_state(t))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for batches of %d and %d tasks", s->tasks,
                         s->validation_tasks);
  for (int i = 0; i < t->threads; i++)
    if (!(t->works[i] = ml3_meta_work_new(t->meta, error))) return ML3_ERR_MEMORY;
  code = make_units(t, unit, error);
  if (code == ML3_OK) code = make_long(t, error);
  if (code != ML3_OK) return code;

  if (p->feature_names && s->meta.loss.kind == ML3_LOSS_LEARNED) ml3_loss_name_features(t->loss, p->feature_names);
  draw_start(t);
  if (s->normalize != ML3_NORMALIZE_NONE && s->meta.loss.kind == ML3_LOSS_LEARNED)
    code = ml3_trainer_first_features(t, error);
  ml3_loss_copy(t->best, t->loss);
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
  t->epochs = settings->epochs > 1 && problem->collect ? settings->epochs : 1;
  t->settings.meta.batch = 1; /* units are the trainer's own matter */
  t->settings.meta.moments = settings->normalize == ML3_NORMALIZE_RUNNING;
  if (make_parts(t, error) == ML3_OK) return t;
  ml3_trainer_free(t);
  return NULL;
}

void ml3_trainer_free(ml3_trainer *t) {
  if (!t) return;
  for (int i = 0; i < t->threads; i++) {
    if (t->works) ml3_meta_work_free(t->works[i]);
    if (t->unit_works) ml3_meta_work_free(t->unit_works[i]);
    if (t->long_works) ml3_meta_work_free(t->long_works[i]);
    if (t->pieces) free(t->pieces[i]);
  }
  free(t->works);
  free(t->unit_works);
  free(t->long_works);
  free(t->pieces);
  free(t->received);
  free(t->shared);
  free(t->train.items);
  free(t->train.memory);
  free(t->train.moments);
  free(t->running.mean);
  free(t->stored);
  free(t->lives.birth);
  free(t->lives.theta);
  free(t->lives.velocity);
  free(t->validation.items);
  free(t->validation.memory);
  ml3_nn_optimizer_free(&t->optimizer);
  ml3_loss_free(t->loss);
  ml3_loss_free(t->best);
  ml3_meta_free(t->meta);
  ml3_meta_free(t->unit_meta);
  ml3_meta_free(t->long_meta);
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

static ml3_random task_stream(const ml3_trainer *t, int i, int64_t outer_step) {
  return ml3_random_stream(t->settings.seed, ML3_PURPOSE_TRAIN, (uint32_t)i, (uint32_t)outer_step);
}

/* Is task i drawn anew at this outer step? Lives end at different steps, so that a batch has optimizees of all ages. */
static bool born_now(const ml3_trainer *t, int i) {
  const int64_t lifetime = t->settings.lifetime, phase = i * lifetime / t->settings.tasks;
  return t->lives.birth[i] < 0 || t->lives.birth[i] == t->outer_step || (t->outer_step + phase) % lifetime == 0;
}

static bool goes_on(const ml3_trainer *t, int i) {
  return t->lives.birth && t->lives.birth[i] != t->outer_step;
}

/* Task i and its optimizee: drawn, or as the last outer step left them. */
static ml3_random draw(ml3_trainer *t, int i) {
  batch_task *b = &t->train.items[i];
  const size_t size = (size_t)t->problem->theta_size;
  if (t->lives.birth && born_now(t, i)) t->lives.birth[i] = t->outer_step;
  ml3_random random = task_stream(t, i, goes_on(t, i) ? t->lives.birth[i] : t->outer_step);
  t->problem->sample(t->problem, ML3_SPLIT_TRAIN, &random, b->task, b->theta);
  if (!goes_on(t, i)) return random;
  memcpy(b->theta, t->lives.theta + (size_t)i * size, size * sizeof *b->theta);
  return task_stream(t, i, t->outer_step);
}

/* The batch of `work` before its first step: tasks from `first` on. */
static void begin(ml3_trainer *t, int first, int count, ml3_meta_work *work) {
  const size_t size = (size_t)t->problem->theta_size;
  ml3_meta_begin(work, t->loss, t->train.items[first].theta);
  for (int i = 0; i < count && t->lives.velocity; i++)
    if (goes_on(t, first + i))
      memcpy(ml3_meta_velocity(work) + (size_t)i * size, t->lives.velocity + (size_t)(first + i) * size,
             size * sizeof(ml3_real));
}

/* What became of task i's optimizee, after the last of the epochs, which all begin where it was. */
static void keep(ml3_trainer *t, int i, int epoch, const ml3_meta_work *work, int place) {
  const size_t size = (size_t)t->problem->theta_size, bytes = size * sizeof(ml3_real);
  if (!t->lives.birth || epoch + 1 < t->epochs) return;
  const ml3_real *velocity, *theta = ml3_meta_adapted(work, &velocity);
  memcpy(t->lives.theta + (size_t)i * size, theta + (size_t)place * size, bytes);
  if (velocity) memcpy(t->lives.velocity + (size_t)i * size, velocity + (size_t)place * size, bytes);
}

static void try_task(ml3_trainer *t, int i, int epoch, ml3_meta_work *work, ml3_real *gradient) {
  batch_task *b = &t->train.items[i];
  ml3_random random = epoch == 0 ? draw(t, i) : task_stream(t, i, t->outer_step); /* later ones have their data */
  ml3_error now = {0};
  begin(t, i, 1, work);
  if (t->stored) ml3_meta_use_data(work, t->stored + (size_t)i * ml3_meta_data_size(t->meta), epoch > 0);
  b->code = ml3_meta_gradient(work, t->loss, b->task, b->theta, &random, gradient, &b->objective, NULL, &now);
  if (b->code != ML3_OK && b->halved == 0) b->error = now;
}

/* With shorter inner steps, if that is wanted, until its numbers are finite. */
static void run_task(ml3_trainer *t, int i, int epoch, ml3_meta_work *work, ml3_real *gradient) {
  enum { HALVINGS_MAX = 4 };
  batch_task *b = &t->train.items[i];
  if (epoch > 0 && b->code != ML3_OK) { /* its data are not whole */
    memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
    return;
  }
  b->halved = 0;
  try_task(t, i, epoch, work, gradient);
  while (b->code == ML3_ERR_NUMERIC && t->settings.numerics == ML3_NUMERICS_REDUCE && b->halved < HALVINGS_MAX) {
    ml3_meta_slow(work, ldexp(1, -++b->halved));
    try_task(t, i, epoch, work, gradient);
  }
  ml3_meta_slow(work, 1);
  if (b->code == ML3_OK) {
    clip_task(t, gradient);
    keep(t, i, epoch, work, 0);
    ml3_trainer_add_moments(b, work);
    return;
  }
  memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
  if (t->lives.birth) t->lives.birth[i] = -1;
}

/* All tasks of a unit at once; false when there is something wrong with one of them. */
static bool run_together(ml3_trainer *t, int first, int epoch, ml3_meta_work *work) {
  batch_task *b = &t->train.items[first];
  ml3_random random[ML3_META_MAX_BATCH];
  double objective[ML3_META_MAX_BATCH];
  ml3_error error = {0};
  for (int i = 0; i < t->train.unit; i++) random[i] = draw(t, first + i);
  begin(t, first, t->train.unit, work);
  if (ml3_meta_gradient(work, t->loss, b->task, b->theta, random, b->gradient, objective, NULL, &error) != ML3_OK)
    return false;
  for (int i = 0; i < t->train.unit; i++) {
    b[i].code = ML3_OK, b[i].halved = 0, b[i].objective = objective[i];
    keep(t, first + i, epoch, work, i);
  }
  ml3_trainer_add_moments(b, work);
  return true;
}

static void run_unit(ml3_trainer *t, int unit, int epoch, int thread) {
  const int first = unit * t->train.unit;
  ml3_real *gradient = t->train.items[first].gradient, *piece = t->pieces[thread];
  ml3_trainer_clear_moments(&t->train.items[first], t->loss);
  if (t->train.unit == 1) {
    run_task(t, first, epoch, t->works[thread], gradient);
  } else if (!run_together(t, first, epoch, t->unit_works[thread])) { /* one by one, to leave out what is wrong */
    memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
    for (int i = first; i < first + t->train.unit; i++) {
      run_task(t, i, epoch, t->works[thread], piece);
      ml3_nn_add_to(gradient, piece, (size_t)t->loss->size);
    }
  }
}

int ml3_trainer_mean_objective(const batch *b, double *objective) {
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

const batch_task *ml3_trainer_first_failure(const batch *b) {
  for (int i = 0; i < b->count; i++)
    if (b->items[i].code != ML3_OK) return &b->items[i];
  return NULL;
}

const batch_task *ml3_trainer_first_trouble(const batch *b) {
  for (int i = 0; i < b->count; i++)
    if (b->items[i].code != ML3_OK || b->items[i].halved > 0) return &b->items[i];
  return NULL;
}

bool ml3_trainer_trouble(const ml3_trainer *t, ml3_error *what) {
  const batch_task *b = ml3_trainer_first_trouble(&t->train);
  if (b)
    ml3_error_set(what, ML3_ERR_NUMERIC, "outer step %lld, task %d: %s", (long long)t->tried_step,
                  (int)(b - t->train.items), b->error.message);
  return b != NULL;
}

/* The tasks of this rank, and what the others tell of theirs. */
static int run_batch(ml3_trainer *t, int epoch, ml3_error *error) {
  int first, end;
  ml3_ranks_own(t->settings.ranks, t->train.count / t->train.unit, &first, &end);
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, 1)
  for (int i = first; i < end; i++) run_unit(t, i, epoch, omp_get_thread_num());
  return ml3_trainer_share_batch(t, &t->train, error);
}

/* One update of phi; report is of the last one. */
static int run_epoch(ml3_trainer *t, int epoch, ml3_trainer_report *report, ml3_error *error) {
  int code = run_batch(t, epoch, error);
  if (code != ML3_OK) return code;

  *report = (ml3_trainer_report){.outer_step = t->outer_step};
  int good = ml3_trainer_mean_objective(&t->train, &report->objective);
  report->skipped = t->train.count - good;
  for (int i = 0; i < t->train.count; i++)
    report->reduced += t->train.items[i].code == ML3_OK && t->train.items[i].halved > 0;
  const batch_task *failed = ml3_trainer_first_failure(&t->train);
  if (failed && failed->code != ML3_ERR_NUMERIC) {
    if (error) *error = failed->error;
    return failed->code;
  }
  if (failed && t->settings.numerics == ML3_NUMERICS_STOP) {
    ml3_error what;
    ml3_trainer_trouble(t, &what);
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "%.400s; the loss is as it was before; `numerics: skip` leaves such tasks out, `reduce` takes them with "
        "smaller steps",
        what.message);
  }
  if (2 * good < t->train.count)
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "outer step %lld: %d of %d tasks failed (task %d: %s); a smaller inner.rate or outer.rate may help",
        (long long)t->outer_step, report->skipped, t->train.count, (int)(failed - t->train.items),
        failed->error.message);

  if ((code = ml3_trainer_sum_gradients(t, error)) != ML3_OK) return code;
  ml3_real *gradient = t->train.items[0].gradient;
  for (int i = 0; i < t->loss->size; i++) gradient[i] /= (ml3_real)good;
  report->gradient_norm = ml3_nn_optimizer_update(&t->optimizer, t->loss->phi, gradient);
  if (!isfinite(report->gradient_norm))
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "outer step %lld: the norm of the meta-gradient is not finite; the loss is as it was before",
                         (long long)t->outer_step);
  return ML3_OK;
}

int ml3_trainer_step(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
  t->tried_step = t->outer_step;
  int code = ml3_trainer_gather(t, error);
  for (int epoch = 0; epoch < t->epochs && code == ML3_OK; epoch++) code = run_epoch(t, epoch, report, error);
  if (code != ML3_OK) return code;
  if (t->train.moments) ml3_trainer_merge_moments(t);
  report->outer_step = ++t->outer_step;
  report->inner_rate = ml3_loss_rate(t->loss);
  return ML3_OK;
}

const ml3_loss *ml3_trainer_loss(const ml3_trainer *t) {
  return t->loss;
}
const ml3_loss *ml3_trainer_best_loss(const ml3_trainer *t) {
  return t->has_best ? t->best : t->loss;
}
const ml3_meta *ml3_trainer_meta(const ml3_trainer *t) {
  return t->meta;
}
int64_t ml3_trainer_outer_step(const ml3_trainer *t) {
  return t->outer_step;
}
const ml3_trainer_report *ml3_trainer_best_report(const ml3_trainer *t) {
  return t->has_best ? &t->best_report : NULL;
}
