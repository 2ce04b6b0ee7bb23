/* ml3 bench: times one outer step of meta-training, with parameters set by a rule that other programs can follow
   (scripts/bench/README.md), so that numbers and times can be compared with theirs. */
#define _GNU_SOURCE
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "base/clock.h"
#include "cli/bench_problems.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "nn/optimizer.h"

enum { WARM_UP = 3, REPEATS_MIN = 5, REPEATS_MAX = 500, TASKS_MAX = 1024, BATCH_DEFAULT = 4 };

typedef struct timing {
  const bench_case *is;
  ml3_problem *problem;
  ml3_meta *meta;
  ml3_meta_work **works; /* [threads] */
  ml3_loss *loss;
  ml3_nn_optimizer optimizer;
  int tasks, batch, threads, steps;
  ml3_real *task, *theta, *gradients; /* [tasks][...]; gradients [tasks / batch][loss size] */
  double compile_ms, products_ms, task_loss, norm, first[5];
  double ms[REPEATS_MAX];
  int repeats;
} timing;

/* ---- making ------------------------------------------------------------------------------------------------------ */

static int make_programs(timing *t, bool fast, ml3_error *error) {
  const ml3_meta_settings settings = {.loss = t->is->loss,
                                      .inner_steps = t->steps,
                                      .task_weight = 1,
                                      .extra_weight = t->is->extra_weight,
                                      .batch = t->batch,
                                      .keep_bytes = ML3_META_KEEP_BYTES,
                                      .fast_products = fast};
  const double begin = ml3_clock_s();
  if (!(t->problem = t->is->make(error))) return error->code;
  t->meta = ml3_meta_new(t->problem, &settings, error);
  t->compile_ms = 1e3 * (ml3_clock_s() - begin);
  return t->meta ? ML3_OK : error->code;
}

static int make_buffers(timing *t, ml3_error *error) {
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(t->is->outer_rate);
  if (!(t->loss = ml3_loss_new(&t->is->loss, &unused, error))) return error->code;
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

  bench_fill(t->loss->phi, t->loss->size, t->is->loss_scale, t->is->loss_offset);
  for (int i = 0; i < t->problem->features && t->is->input_scale[0] != 0; i++)
    t->loss->scale[i] = (ml3_real)t->is->input_scale[i];
  for (int i = 0; i < t->tasks; i++) {
    t->is->set_task(i, t->task + (size_t)i * task);
    bench_fill(t->theta + (size_t)i * theta, (int)theta, t->is->policy_scale, 0.1 * i);
  }
  return ML3_OK;
}

static void drop(timing *t) {
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
static int gradients(timing *t, double *sum, ml3_error *error) {
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

static int outer_step(timing *t, bool keep, ml3_error *error) {
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

static int measure(timing *t, double seconds, ml3_error *error) {
  int code = ML3_OK;
  for (int i = 0; i < WARM_UP && code == ML3_OK; i++) code = outer_step(t, i == 0, error);
  double begin = ml3_clock_s();
  while (code == ML3_OK && t->repeats < REPEATS_MAX && (t->repeats < REPEATS_MIN || ml3_clock_s() - begin < seconds)) {
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
static void measure_products(timing *t) {
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

/* ---- what comes of it ---------------------------------------------------------------------------------------------- */

static void print_json(const timing *t, bool fast) {
  printf(
      "{\"engine\": \"%s\", \"problem\": \"%s\", \"tasks\": %d, \"threads\": %d, \"steps\": %d, \"batch\": "
      "%d, "
      "\"precision\": \"%s\", \"median_ms\": %.6g, \"min_ms\": %.6g, \"max_ms\": %.6g, \"repeats\": %d, "
      "\"compile_ms\": %.6g, \"products_ms\": %.6g, \"task_loss\": %.12g, \"meta_gradient_norm\": %.12g, "
      "\"meta_gradient_first\": [%.12g, %.12g, %.12g, %.12g, %.12g]}\n",
      fast ? "ml3 fast" : "ml3", t->is->name, t->tasks, t->threads, t->steps, t->batch,
      sizeof(ml3_real) == 4 ? "float32" : "float64", t->ms[t->repeats / 2], t->ms[0], t->ms[t->repeats - 1], t->repeats,
      t->compile_ms, t->products_ms, t->task_loss, t->norm, t->first[0], t->first[1], t->first[2], t->first[3],
      t->first[4]);
}

static void print_program(const char *name, const ml3_nn_program *p) {
  const ml3_nn_report r = ml3_nn_program_report(p);
  printf("  %s program  %d instructions, %d products, %.1f Mflop, %.1f kB of buffers\n", name, r.instructions,
         r.products, r.flops * 1e-6, (double)r.arena_bytes * 1e-3);
}

static void print_text(const timing *t) {
  printf("%s, %d task%s in programs of %d, %d thread%s, %d inner step%s\n", t->is->name, t->tasks,
         t->tasks == 1 ? "" : "s", t->batch, t->threads, t->threads == 1 ? "" : "s", t->steps,
         t->steps == 1 ? "" : "s");
  printf("  an outer step  %.3f ms (%.3f - %.3f, %d repeats)\n", t->ms[t->repeats / 2], t->ms[0], t->ms[t->repeats - 1],
         t->repeats);
  printf("  products only  %.3f ms on one thread\n", t->products_ms);
  printf("  compiling      %.1f ms\n", t->compile_ms);
  print_program("inner", ml3_meta_inner_program(t->meta));
  print_program("outer", ml3_meta_outer_program(t->meta));
}

/* Time by kind of operation over some more outer steps. */
static void print_profile(timing *t) {
  ml3_nn_workspace *parts[2] = {ml3_meta_inner_workspace(t->works[0]), ml3_meta_outer_workspace(t->works[0])};
  for (int i = 0; i < 2; i++)
    if (ml3_nn_profile_enable(parts[i], true) != ML3_OK) return;
  t->threads = 1;
  for (int i = 0; i < 20; i++) outer_step(t, false, NULL);
  for (int i = 0; i < 2; i++) {
    printf("%s program, 20 outer steps:\n", i ? "outer" : "inner");
    ml3_nn_profile(parts[i], stdout);
  }
}

/* The inner step's program for people; in place of timing it. */
static int show_program(const timing *t, const char *form, ml3_error *error) {
  const ml3_nn_program *p = ml3_meta_inner_program(t->meta);
  if (strcmp(form, "text") == 0)
    ml3_nn_program_print(p, stdout);
  else if (strcmp(form, "dot") == 0)
    ml3_nn_program_graphviz(p, stdout);
  else
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--program is '%.40s'; expected text or dot", form);
  return ML3_OK;
}

static void hold_to_processors(int count) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && count > 0; i++)
    if (CPU_ISSET(i, &allowed)) CPU_SET(i, &chosen), count--;
  sched_setaffinity(0, sizeof chosen, &chosen);
}

/* ---- the verb -------------------------------------------------------------------------------------------------------- */

static int check(const timing *t, ml3_error *error) {
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

int cli_bench(int argc, const char **argv) {
  const char *problem = "mountain_car";
  int tasks = 1, threads = 1, steps = 1, batch = 0, fast = 0, json = 0, profile = 0;
  double seconds = 2;
  const char *program = NULL;
  const struct poptOption own[] = {
      {"problem", '\0', POPT_ARG_STRING, &problem, 0, "mountain_car, reacher or sine: the published ones", "NAME"},
      {"tasks", '\0', POPT_ARG_INT, &tasks, 0, "of an outer step (1)", "N"},
      {"batch", '\0', POPT_ARG_INT, &batch, 0, "tasks that one program takes together (up to 4)", "N"},
      {"threads", '\0', POPT_ARG_INT, &threads, 0, "(1)", "N"},
      {"steps", '\0', POPT_ARG_INT, &steps, 0, "inner steps (1)", "N"},
      {"fast", '\0', POPT_ARG_NONE, &fast, 0, "large products to 1e-5 on a matrix unit (loss.products=fast)", NULL},
      {"seconds", '\0', POPT_ARG_DOUBLE, &seconds, 0, "measuring time (2)", "S"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "one line of JSON", NULL},
      {"profile", '\0', POPT_ARG_NONE, &profile, 0, "time by kind of operation", NULL},
      {"program", '\0', POPT_ARG_STRING, &program, 0,
       "print the inner step's program instead: text, or dot for Graphviz", "FORM"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[OPTIONS]",
                                "Times one outer step: inner steps, task loss, meta-gradient, Adam. "
                                "scripts/bench/README.md defines the\n"
                                "numbers; scripts/bench/metagrad sets them beside PyTorch and JAX.",
                                NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  timing *t = calloc(1, sizeof *t);
  if (!t) return CLI_FAILED;
  t->tasks = tasks;
  t->threads = threads;
  t->steps = steps;
  t->batch = batch ? batch : default_batch(tasks);
  t->is = bench_case_find(problem, &error);
  if (!t->is || check(t, &error) != ML3_OK) {
    drop(t);
    return cli_fail("bench", &error), CLI_USAGE;
  }
  hold_to_processors(threads);
  int code = make_programs(t, fast, &error);
  if (program) {
    if (code == ML3_OK) code = show_program(t, program, &error);
    drop(t);
    return code == ML3_OK             ? CLI_DONE
           : code == ML3_ERR_ARGUMENT ? (cli_fail("bench", &error), CLI_USAGE)
                                      : cli_fail("bench", &error);
  }
  if (code == ML3_OK) code = make_buffers(t, &error);
  if (code == ML3_OK) code = measure(t, seconds, &error);
  if (code == ML3_OK) {
    measure_products(t);
    if (json)
      print_json(t, fast);
    else
      print_text(t);
    if (profile) print_profile(t);
  }
  drop(t);
  return code == ML3_OK ? CLI_DONE : cli_fail("bench", &error);
}
