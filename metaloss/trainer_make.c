/* A trainer from its settings: batches, and each thread's place to work. See trainer.h. */
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "metaloss/trainer_internal.h"

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
  const bool apart = s->task_clip_norm > 0 || s->epochs > 1 || s->gradient == ML3_GRADIENT_EVOLUTION;
  return apart ? 1 : unit;
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

/* What normalisation and lifetimes of several outer steps need. */
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
  t->lifetimes.birth = calloc(tasks, sizeof *t->lifetimes.birth);
  t->lifetimes.theta = calloc(theta, sizeof *t->lifetimes.theta);
  if (s->meta.loss.momentum > 0) t->lifetimes.velocity = calloc(theta, sizeof *t->lifetimes.velocity);
  for (size_t i = 0; i < tasks && t->lifetimes.birth; i++) t->lifetimes.birth[i] = -1;
  return t->lifetimes.birth && t->lifetimes.theta && (t->lifetimes.velocity || s->meta.loss.momentum == 0);
}

/* A learned start begins at an initial optimizee. */
static int draw_start(ml3_trainer *t, ml3_error *error) {
  ml3_random random;
  batch_task *b = &t->train.items[0];
  ml3_real *start = ml3_loss_start(t->loss);
  if (!start) return ML3_OK;
  const int code = ml3_trainer_draw(t, ML3_DRAWS_START, 0, 0, b, &random, error);
  if (code == ML3_OK) memcpy(start, b->theta, (size_t)t->problem->theta_size * sizeof *start);
  return code;
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
  t->shared = calloc(tasks * ML3_TRAINER_SHARED, sizeof *t->shared);
  return t->received && t->shared;
}

static int make_parts(ml3_trainer *t, ml3_error *error) {
  const ml3_problem *p = t->problem;
  const ml3_trainer_settings *s = &t->settings;
  ml3_random init = ml3_trainer_stream(t, ML3_DRAWS_LOSS, 0, 0);

  if (s->meta.target_weight > 0 && !p->build_targets)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "outer.target_weight is %g, but nobody says what the loss's targets should be on '%s', as a model-free "
                         "problem's expert does (extra.kind=advice); set outer.target_weight=0",
                         s->meta.target_weight, p->name);
  if (!(t->meta = ml3_meta_new(p, &s->meta, error))) return ML3_ERR_ARGUMENT;
  t->loss = ml3_loss_new(&s->meta.loss, &init, error);
  t->best = ml3_loss_new(&s->meta.loss, &init, error);
  if (!t->loss || !t->best) return ML3_ERR_MEMORY;
  if (t->loss->size == 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is nothing to learn: no loss, no start and no step size");
  int code = ml3_nn_optimizer_init(&t->optimizer, &s->optimizer, (size_t)t->loss->size, error);
  if (code != ML3_OK) return code;

  t->threads = ml3_threads(s->threads);
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
  if (code == ML3_OK && s->gradient == ML3_GRADIENT_EVOLUTION) code = ml3_evolution_make(t, error);
  if (code != ML3_OK) return code;

  if (p->feature_names && s->meta.loss.kind == ML3_LOSS_LEARNED) ml3_loss_name_features(t->loss, p->feature_names);
  if ((code = ml3_trainer_keep_scaling(t, error)) != ML3_OK) return code;
  if (draw_start(t, error) != ML3_OK) return error ? error->code : ML3_ERR_ARGUMENT;
  if (s->normalize != ML3_NORMALIZE_NONE && s->meta.loss.kind == ML3_LOSS_LEARNED && !s->from_checkpoint)
    code = ml3_trainer_first_features(t, error);
  ml3_loss_copy(t->best, t->loss);
  return code;
}

int ml3_trainer_epochs(const ml3_problem *problem, int epochs) {
  return epochs > 1 && problem->collect ? epochs : 1;
}

int ml3_trainer_keep_scaling(ml3_trainer *t, ml3_error *error) {
  const int code = ml3_loss_keep_scaling(t->loss, t->problem, error);
  return code == ML3_OK ? ml3_loss_keep_scaling(t->best, t->problem, error) : code;
}

ml3_trainer *ml3_trainer_new(const ml3_problem *problem, const ml3_trainer_settings *settings, ml3_error *error) {
  const bool evolution = settings->gradient == ML3_GRADIENT_EVOLUTION;
  if (check(settings, error) != ML3_OK) return NULL;
  if (evolution && ml3_evolution_check(problem, settings, error) != ML3_OK) return NULL;
  ml3_trainer *t = calloc(1, sizeof *t);
  if (!t) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a trainer");
    return NULL;
  }
  t->problem = problem;
  t->settings = *settings;
  t->epochs = t->settings.epochs = ml3_trainer_epochs(problem, settings->epochs);
  t->settings.meta.batch = 1; /* units are the trainer's own matter */
  t->settings.meta.moments = settings->normalize == ML3_NORMALIZE_RUNNING;
  if (evolution) t->settings.meta.keep_bytes = 0; /* nothing is walked back through */
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
  ml3_evolution_free(t->evolution, t->threads);
  free(t->lifetimes.birth);
  free(t->lifetimes.theta);
  free(t->lifetimes.velocity);
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
