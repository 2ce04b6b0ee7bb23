/* The outer loop: see trainer.h. Parallel over units, which are single tasks or small batches that one program takes
   together; every unit writes its own gradient, which are then added by a pairwise tree. Size and order of the units
   depend on the settings alone, not on the threads. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/threads.h"
#include "metaloss/trainer_internal.h"
#include "nn/vector.h"

/* A task whose rollout is chaotic may have a meta-gradient thousands of times the others': bounded, it counts as one. */
static void clip_task(const ml3_trainer *t, ml3_real *gradient) {
  const double limit = t->settings.task_clip_norm, squares = ml3_nn_sum_squares(gradient, (size_t)t->loss->size);
  if (limit <= 0 || squares <= limit * limit) return;
  const ml3_real factor = (ml3_real)(limit / sqrt(squares));
  for (int j = 0; j < t->loss->size; j++) gradient[j] *= factor;
}

/* Is task i drawn anew at this outer step? Lives end at different steps, so that a batch has optimizees of all ages. */
static bool born_now(const ml3_trainer *t, int i) {
  const int64_t lifetime = t->settings.lifetime, phase = i * lifetime / t->settings.tasks;
  return t->lifetimes.birth[i] < 0 || t->lifetimes.birth[i] == t->outer_step || (t->outer_step + phase) % lifetime == 0;
}

static bool goes_on(const ml3_trainer *t, int i) {
  return t->lifetimes.birth && t->lifetimes.birth[i] != t->outer_step;
}

/* Task i and its optimizee: drawn, or as the last outer step left them. */
static int draw(ml3_trainer *t, int i, ml3_random *random, ml3_error *error) {
  batch_task *b = &t->train.items[i];
  const size_t size = (size_t)t->problem->theta_size;
  if (t->lifetimes.birth && born_now(t, i)) t->lifetimes.birth[i] = t->outer_step;
  const int64_t birth = t->lifetimes.birth ? t->lifetimes.birth[i] : t->outer_step;
  const int code = ml3_trainer_draw(t, ML3_DRAWS_TASK, i, birth, b, random, error);
  if (code != ML3_OK || !goes_on(t, i)) return code;
  memcpy(b->theta, t->lifetimes.theta + (size_t)i * size, size * sizeof *b->theta);
  *random = ml3_trainer_stream(t, ML3_DRAWS_TASK, i, t->outer_step);
  return ML3_OK;
}

/* The batch of `work` before its first step: tasks from `first` on. */
static void begin(ml3_trainer *t, int first, int count, ml3_meta_work *work) {
  const size_t size = (size_t)t->problem->theta_size;
  ml3_meta_begin(work, t->loss, t->train.items[first].theta);
  for (int i = 0; i < count && t->lifetimes.birth; i++)
    if (goes_on(t, first + i))
      ml3_meta_set_age(work, i, (t->outer_step - t->lifetimes.birth[first + i]) * ml3_meta_updates(&t->settings.meta));
  for (int i = 0; i < count && t->lifetimes.velocity; i++)
    if (goes_on(t, first + i))
      memcpy(ml3_meta_velocity(work) + (size_t)i * size, t->lifetimes.velocity + (size_t)(first + i) * size,
             size * sizeof(ml3_real));
}

/* What became of task i's optimizee. */
static void keep(ml3_trainer *t, int i, const ml3_meta_work *work, int place) {
  const size_t size = (size_t)t->problem->theta_size, bytes = size * sizeof(ml3_real);
  if (!t->lifetimes.birth) return;
  const ml3_real *velocity, *theta = ml3_meta_adapted(work, &velocity);
  memcpy(t->lifetimes.theta + (size_t)i * size, theta + (size_t)place * size, bytes);
  if (velocity) memcpy(t->lifetimes.velocity + (size_t)i * size, velocity + (size_t)place * size, bytes);
}

static void try_task(ml3_trainer *t, int i, int epoch, ml3_meta_work *work, ml3_real *gradient) {
  batch_task *b = &t->train.items[i];
  ml3_random random = {0}; /* of later epochs, which have their data: not used */
  ml3_error now = {0};
  b->code = epoch == 0 ? draw(t, i, &random, &now) : ML3_OK;
  if (b->code == ML3_OK) {
    begin(t, i, 1, work);
    if (t->stored) ml3_meta_use_data(work, t->stored + (size_t)i * ml3_meta_data_size(t->meta), epoch > 0);
    b->code = ml3_meta_gradient(work, t->loss, b->task, b->theta, &random, gradient, &b->objective, NULL, &now);
  }
  if (b->code != ML3_OK && b->halved == 0) b->error = now;
}

/* With shorter inner steps, if settings.numerics says so, until its numbers are finite. */
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
    if (epoch + 1 == t->epochs) keep(t, i, work, 0); /* until then all begin where it was */
    ml3_trainer_add_moments(b, work);
    return;
  }
  memset(gradient, 0, (size_t)t->loss->size * sizeof *gradient);
  if (t->lifetimes.birth) t->lifetimes.birth[i] = -1;
}

/* All tasks of a unit at once; false when there is something wrong with one of them. */
static bool run_together(ml3_trainer *t, int first, ml3_meta_work *work) {
  batch_task *b = &t->train.items[first];
  ml3_random random[ML3_META_MAX_BATCH];
  double objective[ML3_META_MAX_BATCH];
  ml3_error error = {0};
  for (int i = 0; i < t->train.unit; i++)
    if (draw(t, first + i, &random[i], &error) != ML3_OK) return false;
  begin(t, first, t->train.unit, work);
  if (ml3_meta_gradient(work, t->loss, b->task, b->theta, random, b->gradient, objective, NULL, &error) != ML3_OK)
    return false;
  for (int i = 0; i < t->train.unit; i++) {
    b[i].code = ML3_OK, b[i].halved = 0, b[i].objective = objective[i];
    keep(t, first + i, work, i);
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
  } else if (!run_together(t, first, t->unit_works[thread])) { /* one by one, to leave out what is wrong */
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
  const batch_task *first = NULL;
  for (int i = 0; i < b->count; i++) {
    const batch_task *item = &b->items[i];
    if (item->code != ML3_OK && item->code != ML3_ERR_NUMERIC) return item;
    if (item->code != ML3_OK && !first) first = item;
  }
  return first;
}

const batch_task *ml3_trainer_first_trouble(const batch *b) {
  for (int i = 0; i < b->count; i++)
    if (b->items[i].code != ML3_OK || b->items[i].halved > 0) return &b->items[i];
  return NULL;
}

bool ml3_trainer_trouble(const ml3_trainer *t, ml3_error *what) {
  if (t->evolution) return ml3_evolution_trouble(t, what);
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
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(dynamic, 1)
  for (int i = first; i < end; i++) run_unit(t, i, epoch, omp_get_thread_num());
  return ml3_trainer_share_batch(t, &t->train, error);
}

int ml3_trainer_update(ml3_trainer *t, const ml3_real *gradient, ml3_trainer_report *report, ml3_error *error) {
  report->gradient_norm = ml3_nn_optimizer_update(&t->optimizer, t->loss->phi, gradient);
  if (isfinite(report->gradient_norm)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_NUMERIC,
                       "outer step %lld: the norm of the meta-gradient is not finite; the loss is as it was before",
                       (long long)t->outer_step);
}

/* One update of phi; report is of the last one. */
static int run_epoch(ml3_trainer *t, int epoch, ml3_trainer_report *report, ml3_error *error) {
  int code = run_batch(t, epoch, error);
  if (code != ML3_OK) return code;

  *report = (ml3_trainer_report){.outer_step = t->outer_step, .evaluations = t->train.count};
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
  return ml3_trainer_update(t, gradient, report, error);
}

int ml3_trainer_step(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
  t->tried_step = t->outer_step;
  int code = ml3_trainer_gather(t, error);
  for (int epoch = 0; epoch < t->epochs && code == ML3_OK; epoch++)
    code = t->evolution ? ml3_evolution_step(t, report, error) : run_epoch(t, epoch, report, error);
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
