/* Timing an outer step: see bench.h. */
#define _GNU_SOURCE
#include "lab/bench.h"

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "base/clock.h"

enum { WARM_UP = 3, REPEATS_MIN = 5, TASKS_MAX = 1024, BATCH_DEFAULT = 4 };

/* ---- making ------------------------------------------------------------------------------------------------------ */

static int make_programs(ml3_lab_bench *t, ml3_error *error) {
  const ml3_meta_settings settings = {.loss = t->what->loss,
                                      .inner_steps = t->steps,
                                      .task_weight = 1,
                                      .extra_weight = t->what->extra_weight,
                                      .batch = t->batch,
                                      .keep_bytes = ML3_META_KEEP_BYTES,
                                      .fast_products = t->fast};
  const double begin = ml3_clock_s();
  if (!(t->problem = t->what->make(error))) return error->code;
  t->meta = ml3_meta_new(t->problem, &settings, error);
  t->compile_ms = 1e3 * (ml3_clock_s() - begin);
  return t->meta ? ML3_OK : error->code;
}

static int make_buffers(ml3_lab_bench *t, ml3_error *error) {
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(t->what->outer_rate);
  if (!(t->loss = ml3_loss_new(&t->what->loss, &unused, error))) return error->code;
  int code = ml3_nn_optimizer_init(&t->optimizer, &adam, (size_t)t->loss->size, error);
  if (code != ML3_OK) return code;
  const size_t tasks = (size_t)t->tasks, task = (size_t)t->problem->task_size, theta = (size_t)t->problem->theta_size;
  t->works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->task = calloc(tasks * task, sizeof *t->task);
  t->theta = calloc(tasks * theta, sizeof *t->theta);
  t->gradients = calloc(tasks / (size_t)t->batch * (size_t)t->loss->size, sizeof *t->gradients);
  if (!t->works || !t->task || !t->theta || !t->gradients)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d tasks", t->tasks);
  for (int i = 0; i < t->threads; i++)
    if (!(t->works[i] = ml3_meta_work_new(t->meta, error))) return error->code;

  ml3_lab_bench_fill(t->loss->phi, t->loss->size, t->what->loss_scale, t->what->loss_offset);
  for (int i = 0; i < t->problem->features && t->what->input_scale[0] != 0; i++)
    t->loss->scale[i] = (ml3_real)t->what->input_scale[i];
  for (int i = 0; i < t->tasks; i++) {
    t->what->set_task(i, t->task + (size_t)i * task);
    ml3_lab_bench_fill(t->theta + (size_t)i * theta, (int)theta, t->what->policy_scale, 0.1 * i);
  }
  return ML3_OK;
}

void ml3_lab_bench_free(ml3_lab_bench *t) {
  if (!t) return;
  for (int i = 0; i < t->threads && t->works; i++) ml3_meta_work_free(t->works[i]);
  free(t->works);
  free(t->task);
  free(t->theta);
  free(t->gradients);
  ml3_nn_optimizer_free(&t->optimizer);
  ml3_loss_free(t->loss);
  ml3_meta_free(t->meta);
  if (t->problem) t->problem->free(t->problem);
  free(t);
}

/* ---- an outer step ------------------------------------------------------------------------------------------------ */

/* The meta-gradients of all batches, and the sum of the objectives. */
static int gradients(ml3_lab_bench *t, double *sum, ml3_error *error) {
  const size_t size = (size_t)t->loss->size;
  int code = ML3_OK;
  double total = 0;
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, 1) reduction(+ : total) if (t->threads > 1)
  for (int i = 0; i < t->tasks; i += t->batch) {
    double objective[ML3_META_MAX_BATCH];
    ml3_random random[ML3_META_MAX_BATCH];
    ml3_error local = {0};
    for (int j = 0; j < t->batch; j++) random[j] = ml3_random_stream(0, ML3_PURPOSE_USER, (uint32_t)(i + j), 0);
    int failed = ml3_meta_gradient(t->works[omp_get_thread_num()], t->loss, t->task + i * t->problem->task_size,
                                   t->theta + i * t->problem->theta_size, random,
                                   t->gradients + (size_t)(i / t->batch) * size, objective, NULL, &local);
    for (int j = 0; j < t->batch && !failed; j++) total += objective[j];
    if (failed)
#pragma omp critical
    {
      code = failed;
      if (error) *error = local;
    }
  }
  *sum = total;
  return code;
}

static int outer_step(ml3_lab_bench *t, bool keep, ml3_error *error) {
  const size_t size = (size_t)t->loss->size;
  const int units = t->tasks / t->batch;
  double sum, squares = 0;
  int code = gradients(t, &sum, error);
  if (code != ML3_OK) return code;
  for (int stride = 1; stride < units; stride *= 2)
    for (int i = 0; i + stride < units; i += 2 * stride) {
      ml3_real *to = t->gradients + (size_t)i * size;
      const ml3_real *from = t->gradients + (size_t)(i + stride) * size;
#pragma omp parallel for num_threads(t->threads) schedule(static) if (t->threads > 1)
      for (size_t j = 0; j < size; j++) to[j] += from[j];
    }
  for (size_t j = 0; j < size && t->tasks > 1; j++) t->gradients[j] /= (ml3_real)t->tasks;
  for (size_t j = 0; j < size && keep; j++) squares += (double)t->gradients[j] * t->gradients[j];
  if (keep) {
    t->norm = sqrt(squares);
    t->task_loss = sum / t->tasks;
    for (int j = 0; j < 5; j++) t->first[j] = t->gradients[j];
  }
  ml3_nn_optimizer_update(&t->optimizer, t->loss->phi, t->gradients);
  return ML3_OK;
}

static int compare_ms(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int measure(ml3_lab_bench *t, double seconds, ml3_error *error) {
  int code = ML3_OK;
  for (int i = 0; i < WARM_UP && code == ML3_OK; i++) code = outer_step(t, i == 0, error);
  double begin = ml3_clock_s();
  while (code == ML3_OK && t->repeats < ML3_LAB_BENCH_REPEATS &&
         (t->repeats < REPEATS_MIN || ml3_clock_s() - begin < seconds)) {
    double start = ml3_clock_s();
    code = outer_step(t, false, error);
    t->ms[t->repeats++] = 1e3 * (ml3_clock_s() - start);
  }
  qsort(t->ms, (size_t)t->repeats, sizeof *t->ms, compare_ms);
  return code;
}

/* What the buffers hold shrinks from replay to replay: numbers too small to be normal would be slow, and tell nothing. */
static void flush_denormals(void) {
#ifdef __SSE__
  _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

/* The products that one outer step takes, alone, on one thread: the median of some repeats. */
static void measure_products(ml3_lab_bench *t) {
  enum { REPEATS = 31 };
  ml3_nn_workspace *inner = ml3_meta_inner_workspace(t->works[0]), *outer = ml3_meta_outer_workspace(t->works[0]);
  double ms[REPEATS];
  flush_denormals();
  for (int i = 0; i < REPEATS; i++) {
    const double begin = ml3_clock_s();
    for (int unit = 0; unit < t->tasks / t->batch; unit++)
      for (int k = 0; k < t->steps; k++) {
        for (int again = 0; again < (k < ml3_meta_kept(t->meta) ? 1 : 2); again++) ml3_nn_run_products_only(inner, 0);
        ml3_nn_run_products_only(inner, 1);
        if (k) ml3_nn_run_products_only(inner, 2);
      }
    for (int task = 0; task < t->tasks; task++)
      for (int stage = 0; stage < 2; stage++) ml3_nn_run_products_only(outer, stage);
    ms[i] = 1e3 * (ml3_clock_s() - begin);
  }
  qsort(ms, REPEATS, sizeof *ms, compare_ms);
  t->products_ms = ms[REPEATS / 2];
}

static void hold_to_processors(int count) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && count > 0; i++)
    if (CPU_ISSET(i, &allowed)) CPU_SET(i, &chosen), count--;
  sched_setaffinity(0, sizeof chosen, &chosen);
}

static int check(const ml3_lab_bench *t, ml3_error *error) {
  if (t->tasks < 1 || t->tasks > TASKS_MAX || t->threads < 1 || t->threads > 256 || t->steps < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--tasks is %d (1 to %d), --threads %d (1 to 256), --steps %d (at least 1)", t->tasks,
                         TASKS_MAX, t->threads, t->steps);
  if (t->batch < 1 || t->batch > ML3_META_MAX_BATCH || t->tasks % t->batch)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--batch is %d; it must divide --tasks %d and be at most %d",
                         t->batch, t->tasks, ML3_META_MAX_BATCH);
  return ML3_OK;
}

/* The largest power of two up to 4 that divides the tasks. */
static int default_batch(int tasks) {
  int batch = BATCH_DEFAULT;
  while (batch > 1 && tasks % batch) batch /= 2;
  return batch;
}

ml3_lab_bench *ml3_lab_bench_new(const char *problem, int tasks, int batch, int threads, int steps, bool fast,
                                 ml3_error *error) {
  ml3_lab_bench *t = calloc(1, sizeof *t);
  if (!t) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to time anything"), NULL;
  t->what = ml3_lab_bench_find(problem, error);
  t->tasks = tasks, t->threads = threads, t->steps = steps, t->fast = fast;
  t->batch = batch ? batch : default_batch(tasks);
  if (t->what && check(t, error) == ML3_OK) {
    hold_to_processors(threads);
    if (make_programs(t, error) == ML3_OK) return t;
  }
  ml3_lab_bench_free(t);
  return NULL;
}

int ml3_lab_bench_run(ml3_lab_bench *t, double seconds, ml3_error *error) {
  int code = make_buffers(t, error);
  if (code == ML3_OK) code = measure(t, seconds, error);
  if (code == ML3_OK) measure_products(t);
  return code;
}

int ml3_lab_bench_profile(ml3_lab_bench *t, int steps, ml3_error *error) {
  int code = ml3_nn_profile_enable(ml3_meta_inner_workspace(t->works[0]), true);
  if (code == ML3_OK) code = ml3_nn_profile_enable(ml3_meta_outer_workspace(t->works[0]), true);
  t->threads = 1;
  for (int i = 0; i < steps && code == ML3_OK; i++) code = outer_step(t, false, error);
  return code;
}
