/* Evolution strategies (Salimans et al. 2017; antithetic pairs as in Nesterov and Spokoiny 2017): the gradient of J
   (meta.h), smoothed by a normal distribution around phi, from values of J alone.

     eps_i ~ N(0, 1),  phi_i+- = phi +- deviation eps_i                              i = 1 .. pairs
     J_i+- = mean over the tasks of J(phi_i+-; task)
     g     = 1/(2 deviation pairs) sum_i (u(J_i+) - u(J_i-)) eps_i
     u     = the centred rank among all J of the generation, or J itself

   All perturbed losses see the same tasks, initial optimizees and streams of random numbers. Nothing is differentiated
   through the inner steps, so that there may be hundreds of them. Where a problem collects data, the value of its graph
   of L_task says nothing (model_free: a surrogate whose gradient counts), and L_task is what `evaluate` finds after an
   update (model_free: minus the return of the mean action).

   Evaluations, a perturbed loss on a task each, are shared out over threads, pairs over ranks; eps_i is the stream of
   (seed, outer step, i), and sums are taken in fixed order: the same bits on any number of threads and ranks. */
#include "metaloss/evolution.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "metaloss/trainer_internal.h"

/* A thread's own. */
typedef struct place {
  ml3_meta_work *work; /* the trainer's */
  ml3_loss *loss;      /* perturbed */
  ml3_real *theta;     /* [theta_size] */
} place;

struct ml3_evolution {
  ml3_real *noise;          /* [pairs][size of phi] eps, then the pair's share of the gradient */
  double *evaluations;      /* [pairs][2][tasks] J of phi + deviation eps, then of phi - deviation eps; NAN: failed */
  int *codes;               /* [pairs][2][tasks] */
  double *values, *weights; /* [pairs][2], [pairs] */
  ml3_ranked *room;         /* [pairs][2] */
  ml3_random *random;       /* [tasks] what goes on behind the draw of task and optimizee */
  place *places;            /* [threads] */
  int first;                /* evaluation that failed, those that are not of numbers first; -1: none did */
  ml3_error failure;        /* why */
};

/* ---- the mathematics ---------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
  const double x = ((const ml3_ranked *)a)->value, y = ((const ml3_ranked *)b)->value;
  return (x > y) - (x < y);
}

void ml3_evolution_ranks(const double *values, int count, double *shaped, ml3_ranked *room) {
  for (int i = 0; i < count; i++) room[i] = (ml3_ranked){values[i], i};
  qsort(room, (size_t)count, sizeof *room, by_value);
  for (int from = 0, to; from < count; from = to) {
    for (to = from + 1; to < count && room[to].value == room[from].value; to++) continue;
    const double rank = 0.5 * (from + to - 1);
    for (int i = from; i < to; i++) shaped[room[i].at] = rank / (count - 1) - 0.5;
  }
}

/* The greatest of the finite values on that task, or NAN. */
static double worst_on(const ml3_evolution_settings *s, int tasks, const double *evaluations, int task) {
  double worst = NAN;
  for (int i = 0; i < 2 * s->pairs; i++) worst = fmax(worst, evaluations[(size_t)i * (size_t)tasks + (size_t)task]);
  return worst;
}

void ml3_evolution_values(const ml3_evolution_settings *s, int tasks, const double *evaluations, double *values) {
  for (int i = 0; i < 2 * s->pairs; i++) values[i] = 0;
  for (int i = 0; i < s->pairs; i++) {
    const double *plus = evaluations + 2 * (size_t)i * (size_t)tasks, *minus = plus + tasks;
    double *sum = values + 2 * (size_t)i;
    int count = 0;
    for (int k = 0; k < tasks; k++) {
      const bool ranks = s->shape == ML3_SHAPE_RANKS, whole = isfinite(plus[k]) && isfinite(minus[k]);
      const double worst = whole || !ranks ? 0 : worst_on(s, tasks, evaluations, k);
      if (!whole && (!ranks || isnan(worst))) continue;
      sum[0] += isfinite(plus[k]) ? plus[k] : worst;
      sum[1] += isfinite(minus[k]) ? minus[k] : worst;
      count++;
    }
    sum[0] = count ? sum[0] / count : NAN, sum[1] = count ? sum[1] / count : NAN;
  }
}

int ml3_evolution_weights(const ml3_evolution_settings *s, double *values, double *weights, ml3_ranked *room) {
  int good = 0;
  if (s->shape == ML3_SHAPE_RANKS) ml3_evolution_ranks(values, 2 * s->pairs, values, room);
  for (int i = 0; i < s->pairs; i++) good += isfinite(values[2 * i]);
  for (int i = 0; i < s->pairs; i++)
    weights[i] = isfinite(values[2 * i]) ? (values[2 * i] - values[2 * i + 1]) / (2 * s->deviation * good) : 0;
  return good;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static int check_values(const ml3_problem *p, const ml3_trainer_settings *s, ml3_error *error) {
  const ml3_meta_settings *m = &s->meta;
  if (!p->collect) return ML3_OK;
  if (!p->evaluate)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "evolution strategies need the value of a loss, and problem '%s' collects its data without judging what "
        "was learned (`evaluate`); use outer.gradient=exact",
        p->name);
  if ((p->build_extra_loss && m->extra_weight > 0) || (p->build_targets && m->target_weight > 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "evolution strategies judge '%s' by its return, in which extra information has no part; set "
                         "extra.kind=none, or "
                         "outer.extra_weight=0 and outer.target_weight=0",
                         p->name);
  if (!(m->task_weight > 0))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "outer.task_weight is %g: evolution strategies judge '%s' by the task loss alone, so it must be above 0",
        m->task_weight, p->name);
  return ML3_OK;
}

int ml3_evolution_check(const ml3_problem *p, const ml3_trainer_settings *s, ml3_error *error) {
  const ml3_evolution_settings *e = &s->evolution;
  if (e->pairs < 1 || e->pairs > 65536)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "evolution.pairs is %d; 1 to 65536 are possible", e->pairs);
  if (!(e->deviation > 0) || !isfinite(e->deviation))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "evolution.deviation is %g; it must be above 0", e->deviation);
  if ((int64_t)e->pairs * s->tasks > 1 << 24)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%d evolution.pairs on %d outer.tasks each; at most %d in all are possible", e->pairs,
                         s->tasks, 1 << 24);
  if (ml3_trainer_epochs(p, s->epochs) > 1)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "outer.epochs is %d, but evolution strategies have no data that would serve twice; set outer.epochs=1",
        s->epochs);
  if (s->lifetime > 1)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "inner.lifetime is %d, but with evolution strategies no optimizee goes on: each is of a perturbed loss; "
        "set inner.lifetime=1 and as many inner.steps as you like",
        s->lifetime);
  if (s->meta.derivatives != ML3_DERIVATIVES_EXACT)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "evolution strategies take no derivatives that could be first order or greedy; set "
                         "inner.derivatives=exact, and method=maml in place of fomaml");
  if (s->normalize == ML3_NORMALIZE_RUNNING && s->meta.loss.kind == ML3_LOSS_LEARNED)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "loss.normalize is running, but evolution strategies see no features; set loss.normalize=first or none");
  if (s->numerics == ML3_NUMERICS_REDUCE)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "numerics is reduce, but evolution strategies compare losses at the inner steps that they have; "
        "set numerics=skip or stop");
  return check_values(p, s, error);
}

static bool make_places(ml3_evolution *e, const ml3_trainer *t, ml3_error *error) {
  ml3_random unused = ml3_trainer_stream(t, ML3_DRAWS_LOSS, 0, 0);
  e->places = calloc((size_t)t->threads, sizeof *e->places);
  for (int i = 0; e->places && i < t->threads; i++) {
    e->places[i].work = t->works[i];
    e->places[i].loss = ml3_loss_new(&t->loss->spec, &unused, error);
    e->places[i].theta = calloc((size_t)t->problem->theta_size, sizeof(ml3_real));
    if (!e->places[i].loss || !e->places[i].theta) return false;
  }
  return e->places != NULL;
}

int ml3_evolution_make(ml3_trainer *t, ml3_error *error) {
  const size_t pairs = (size_t)t->settings.evolution.pairs, tasks = (size_t)t->settings.tasks;
  ml3_evolution *e = t->evolution = calloc(1, sizeof *e);
  if (e) {
    *e = (ml3_evolution){.noise = calloc(pairs * (size_t)t->loss->size, sizeof *e->noise),
                         .evaluations = calloc(2 * pairs * tasks, sizeof *e->evaluations),
                         .codes = calloc(2 * pairs * tasks, sizeof *e->codes),
                         .values = calloc(3 * pairs, sizeof *e->values),
                         .room = calloc(2 * pairs, sizeof *e->room),
                         .random = calloc(tasks, sizeof *e->random),
                         .first = -1};
    e->weights = e->values ? e->values + 2 * pairs : NULL;
  }
  if (e && e->noise && e->evaluations && e->codes && e->values && e->room && e->random && make_places(e, t, error))
    return ML3_OK;
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d pairs of %d numbers each", (int)pairs, t->loss->size);
}

void ml3_evolution_free(ml3_evolution *e, int threads) {
  if (!e) return;
  for (int i = 0; e->places && i < threads; i++) {
    ml3_loss_free(e->places[i].loss);
    free(e->places[i].theta);
  }
  free(e->places);
  free(e->noise);
  free(e->evaluations);
  free(e->codes);
  free(e->values);
  free(e->room);
  free(e->random);
  free(e);
}

/* ---- an evaluation ------------------------------------------------------------------------------------------ */

/* J of an optimizee's updates by that loss, as `evaluate` finds L_task after them. */
static int judge_updates(const ml3_trainer *t, const place *at, const ml3_real *task, ml3_random *random, double *value,
                         ml3_error *error) {
  const ml3_problem *p = t->problem;
  const int updates = ml3_meta_updates(&t->settings.meta);
  int code = ML3_OK, k;
  *value = 0;
  for (k = 1; k <= updates && code == ML3_OK; k++) {
    const double weight = t->settings.meta.task_weight * ml3_meta_weight(t->meta, k);
    ml3_outcome outcome;
    code = ml3_meta_adapt(at->work, at->loss, task, at->theta, random, NULL, error);
    if (code != ML3_OK || weight == 0) continue;
    code = p->evaluate(p, task, at->theta, &outcome, error);
    if (code == ML3_OK) *value += weight * outcome.task_loss;
  }
  if (code == ML3_ERR_NUMERIC) ml3_error_prefix(error, "update %d", k - 1);
  return code;
}

/* Evaluation number n of [pairs][2][tasks]. */
static int evaluate(ml3_trainer *t, int n, int thread, ml3_error *error) {
  ml3_evolution *e = t->evolution;
  const ml3_problem *p = t->problem;
  const int tasks = t->settings.tasks, i = n % tasks, size = t->loss->size;
  const batch_task *b = &t->train.items[i];
  const place *at = &e->places[thread];
  const ml3_real *eps = e->noise + (size_t)(n / tasks / 2) * (size_t)size;
  const ml3_real step = (ml3_real)(n / tasks % 2 ? -t->settings.evolution.deviation : t->settings.evolution.deviation);
  ml3_random random = e->random[i];
  double *value = &e->evaluations[n];

  for (int j = 0; j < size; j++) at->loss->phi[j] = t->loss->phi[j] + step * eps[j];
  memcpy(at->theta, b->theta, (size_t)p->theta_size * sizeof *at->theta);
  ml3_meta_begin(at->work, at->loss, at->theta);
  int code = p->collect ? judge_updates(t, at, b->task, &random, value, error)
                        : ml3_meta_objective(at->work, at->loss, b->task, at->theta, &random, NULL, value, error);
  if (code == ML3_OK && !isfinite(*value))
    code = ml3_error_set(error, ML3_ERR_NUMERIC,
                         "problem '%s': the value of the updated parameter vector is not finite", p->name);
  if (code != ML3_OK) *value = NAN;
  return code;
}

/* Is a failure told before the other? */
static bool goes_before(int code, int n, int other_code, int other) {
  const bool numbers = code == ML3_ERR_NUMERIC, other_numbers = other_code == ML3_ERR_NUMERIC;
  return other < 0 || (numbers == other_numbers ? n < other : other_numbers);
}

/* ---- a generation ------------------------------------------------------------------------------------------- */

/* Tasks and optimizees, the same for all perturbed losses and on all ranks; eps of the rank's own pairs. */
static int draw(ml3_trainer *t, int first, int end, ml3_error *error) {
  ml3_evolution *e = t->evolution;
  const size_t size = (size_t)t->loss->size;
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(dynamic, 1)
  for (int i = 0; i < t->train.count; i++) {
    batch_task *b = &t->train.items[i];
    b->code = ml3_trainer_draw(t, ML3_DRAWS_TASK, i, t->outer_step, b, &e->random[i], &b->error);
  }
  const batch_task *failed = ml3_trainer_first_failure(&t->train);
  if (failed) {
    if (error) *error = failed->error;
    return failed->code;
  }
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(dynamic, 1)
  for (int i = first; i < end; i++) {
    ml3_random random = ml3_trainer_stream(t, ML3_DRAWS_PERTURBATION, i, t->outer_step);
    for (size_t j = 0; j < size; j++) e->noise[(size_t)i * size + j] = (ml3_real)ml3_random_normal(&random);
  }
  for (int i = 0; i < t->threads; i++) ml3_loss_copy(e->places[i].loss, t->loss);
  return ML3_OK;
}

/* The rank's own pairs on all tasks. */
static void evaluate_pairs(ml3_trainer *t, int first, int end) {
  ml3_evolution *e = t->evolution;
  const int a_pair = 2 * t->settings.tasks;
  e->first = -1;
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(dynamic, 1)
  for (int n = first * a_pair; n < end * a_pair; n++) {
    ml3_error why = {0};
    const int code = e->codes[n] = evaluate(t, n, omp_get_thread_num(), &why);
    if (code == ML3_OK) continue;
#pragma omp critical
    if (goes_before(code, n, e->first < 0 ? ML3_OK : e->codes[e->first], e->first)) e->first = n, e->failure = why;
  }
}

/* What the other ranks' pairs have come to, and the sentence about the first that failed. */
static int share(ml3_trainer *t, ml3_error *error) {
  ml3_evolution *e = t->evolution;
  const ml3_ranks *ranks = t->settings.ranks;
  const int pairs = t->settings.evolution.pairs, count = 2 * pairs * t->settings.tasks;
  const size_t a_pair = 2 * (size_t)t->settings.tasks;
  int code = ml3_ranks_share(ranks, e->evaluations, pairs, a_pair * sizeof *e->evaluations, error);
  if (code == ML3_OK) code = ml3_ranks_share(ranks, e->codes, pairs, a_pair * sizeof *e->codes, error);
  if (code != ML3_OK) return code;
  e->first = -1;
  for (int n = 0; n < count; n++)
    if (e->codes[n] != ML3_OK && goes_before(e->codes[n], n, e->first < 0 ? ML3_OK : e->codes[e->first], e->first))
      e->first = n;
  if (e->first < 0) return ML3_OK;
  const int owner = ml3_ranks_owner(ranks, e->first / (int)a_pair, pairs);
  return ml3_ranks_broadcast(ranks, owner, &e->failure, sizeof e->failure, error);
}

/* Their mean, how many failed, and whether what failed ends the outer step. */
static int look_at(const ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
  const ml3_evolution *e = t->evolution;
  ml3_error what;
  *report = (ml3_trainer_report){.outer_step = t->outer_step,
                                 .evaluations = 2 * t->settings.evolution.pairs * t->settings.tasks};
  double sum = 0;
  for (int n = 0; n < report->evaluations; n++) {
    if (e->codes[n] == ML3_OK)
      sum += e->evaluations[n];
    else
      report->skipped++;
  }
  const int good = report->evaluations - report->skipped;
  report->objective = good ? sum / good : NAN;
  if (e->first < 0) return ML3_OK;
  if (e->codes[e->first] != ML3_ERR_NUMERIC) {
    if (error) *error = e->failure;
    return e->codes[e->first];
  }
  if (t->settings.numerics != ML3_NUMERICS_STOP && report->skipped <= good) return ML3_OK;
  ml3_evolution_trouble(t, &what);
  return ml3_error_set(error, ML3_ERR_NUMERIC,
                       "%.400s; %d of %d evaluations failed, and the loss is as it was before; %s", what.message,
                       report->skipped, report->evaluations,
                       report->skipped <= good ? "`numerics: skip` goes on without them"
                                               : "a smaller inner.rate, evolution.deviation or outer.rate may help");
}

/* The sum over the pairs of weight times eps, in row 0 of the noise. */
static int sum_gradient(ml3_trainer *t, int first, int end, ml3_error *error) {
  ml3_evolution *e = t->evolution;
  const ml3_evolution_settings *s = &t->settings.evolution;
  const size_t size = (size_t)t->loss->size;
  ml3_evolution_values(s, t->settings.tasks, e->evaluations, e->values);
  if (ml3_evolution_weights(s, e->values, e->weights, e->room) == 0)
    return ml3_error_set(
        error, ML3_ERR_NUMERIC,
        "outer step %lld: no pair has a task on which both evaluations are finite; the loss is as it was before",
        (long long)t->outer_step);
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(static)
  for (int i = first; i < end; i++)
    for (size_t j = 0; j < size; j++) e->noise[(size_t)i * size + j] *= (ml3_real)e->weights[i];
  return ml3_ranks_sum(t->settings.ranks, e->noise, s->pairs, t->loss->size, t->received, t->threads, error);
}

int ml3_evolution_step(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
  int first, end;
  ml3_ranks_own(t->settings.ranks, t->settings.evolution.pairs, &first, &end);
  int code = draw(t, first, end, error);
  if (code != ML3_OK) return code;
  evaluate_pairs(t, first, end);
  code = share(t, error);
  if (code == ML3_OK) code = look_at(t, report, error);
  if (code == ML3_OK) code = sum_gradient(t, first, end, error);
  return code == ML3_OK ? ml3_trainer_update(t, t->evolution->noise, report, error) : code;
}

bool ml3_evolution_trouble(const ml3_trainer *t, ml3_error *what) {
  const ml3_evolution *e = t->evolution;
  const int tasks = t->settings.tasks;
  if (e->first < 0) return false;
  ml3_error_set(what, ML3_ERR_NUMERIC, "outer step %lld, pair %d (%c), task %d: %s", (long long)t->tried_step,
                e->first / tasks / 2, e->first / tasks % 2 ? '-' : '+', e->first % tasks, e->failure.message);
  return true;
}
