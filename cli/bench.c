/* ml3 bench: times one outer step of meta-training, with parameters set by a rule that other programs can follow
   (scripts/bench/README.md), so that numbers and times can be compared with theirs. */
#define _GNU_SOURCE
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/experiment.h"
#include "cli/options.h"
#include "cli/verb.h"

enum { WARM_UP = 3, REPEATS_MIN = 5, REPEATS_MAX = 500, TASKS_MAX = 1024 };

typedef struct timing {
  ml3_problem *problem;
  ml3_meta *meta;
  ml3_meta_work **works;
  ml3_loss *loss;
  ml3_nn_optimizer optimizer;
  int tasks, threads;
  ml3_real *task, *theta, *gradients; /* [tasks][...] */
  double compile_ms, task_loss, norm, first[5];
  double ms[REPEATS_MAX];
  int repeats;
} timing;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(ml3_real *x, int n, double scale, double offset) {
  for (int k = 0; k < n; k++) x[k] = (ml3_real)(scale * sin(k + 1 + offset));
}

/* ---- the published mountain car -------------------------------------------------------------------------------- */

static int make_mountain_car(timing *t, int steps, ml3_error *error) {
  const ml3_env_spec *env = ml3_env_find("mountain_car", error);
  const int hidden[1] = {200};
  if (!env) return error->code;
  ml3_model_based_settings s = {.env = env,
                                .horizon = 35,
                                .starts = 1,
                                .cost = ML3_COST_TRAJECTORY,
                                .cost_from_step = 15,
                                .extra = true,
                                .extra_goal = {-0.947, -0.0055},
                                .extra_until_step = 15};
  int code = ml3_policy_init(&s.policy, env, hidden, 1, ML3_IDENTITY, false, error);
  if (code != ML3_OK) return code;
  if (!(t->problem = ml3_model_based_new(&s, error))) return error->code;
  const ml3_meta_settings settings = {
      .loss = {.net = {.inputs = 4, .outputs = 1, .depth = 2, .hidden = {400, 400}, .activation = ML3_ELU, .bias = true},
               .rate = 1e-3},
      .inner_steps = steps,
      .task_weight = 1,
      .extra_weight = 1};
  t->meta = ml3_meta_new(t->problem, &settings, error);
  return t->meta ? ML3_OK : error->code;
}

static int make_buffers(timing *t, ml3_error *error) {
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(1e-3);
  if (!(t->loss = ml3_loss_new(&ml3_meta_settings_of(t->meta)->loss, &unused, error))) return error->code;
  int code = ml3_nn_optimizer_init(&t->optimizer, &adam, (size_t)t->loss->size, error);
  if (code != ML3_OK) return code;
  size_t tasks = (size_t)t->tasks, task = (size_t)t->problem->task_size, theta = (size_t)t->problem->theta_size;
  t->works = calloc((size_t)t->threads, sizeof(ml3_meta_work *));
  t->task = calloc(tasks * task, sizeof *t->task);
  t->theta = calloc(tasks * theta, sizeof *t->theta);
  t->gradients = calloc(tasks * (size_t)t->loss->size, sizeof *t->gradients);
  if (!t->works || !t->task || !t->theta || !t->gradients)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d tasks", t->tasks);
  for (int i = 0; i < t->threads; i++)
    if (!(t->works[i] = ml3_meta_work_new(t->meta, error))) return error->code;

  fill(t->loss->phi, t->loss->size, 0.05, 0);
  for (int i = 0; i < t->tasks; i++) {
    ml3_real *d = t->task + (size_t)i * task;
    d[0] = (ml3_real)(-0.55 + 0.002 * i);
    d[2] = (ml3_real)0.5;
    d[3] = (ml3_real)1.0375;
    fill(t->theta + (size_t)i * theta, (int)theta, 0.3, 0.1 * i);
  }
  return ML3_OK;
}

/* ---- an outer step ------------------------------------------------------------------------------------------------ */

static int outer_step(timing *t, bool keep, ml3_error *error) {
  const size_t size = (size_t)t->loss->size;
  double sum = 0;
  int code = ML3_OK;
#pragma omp parallel for num_threads(t->threads) schedule(dynamic, 1) reduction(+ : sum) if (t->threads > 1)
  for (int i = 0; i < t->tasks; i++) {
    double objective = 0;
    ml3_error local = {0};
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_USER, (uint32_t)i, 0);
    int failed = ml3_meta_gradient(t->works[omp_get_thread_num()], t->loss, t->task + i * t->problem->task_size,
                                   t->theta + i * t->problem->theta_size, &random, t->gradients + (size_t)i * size,
                                   &objective, NULL, &local);
    sum += objective;
    if (failed)
#pragma omp critical
    {
      code = failed;
      if (error) *error = local;
    }
  }
  if (code != ML3_OK) return code;
  for (int stride = 1; stride < t->tasks; stride *= 2)
    for (int i = 0; i + stride < t->tasks; i += 2 * stride) {
      ml3_real *to = t->gradients + (size_t)i * size;
      const ml3_real *from = t->gradients + (size_t)(i + stride) * size;
#pragma omp parallel for num_threads(t->threads) schedule(static) if (t->threads > 1)
      for (size_t j = 0; j < size; j++) to[j] += from[j];
    }
  if (t->tasks > 1)
    for (size_t j = 0; j < size; j++) t->gradients[j] /= (ml3_real)t->tasks;
  if (keep) {
    double squares = 0;
    for (size_t j = 0; j < size; j++) squares += (double)t->gradients[j] * t->gradients[j];
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
  double begin = now_s();
  while (code == ML3_OK && t->repeats < REPEATS_MAX && (t->repeats < REPEATS_MIN || now_s() - begin < seconds)) {
    double start = now_s();
    code = outer_step(t, false, error);
    t->ms[t->repeats++] = 1e3 * (now_s() - start);
  }
  qsort(t->ms, (size_t)t->repeats, sizeof *t->ms, compare_ms);
  return code;
}

/* ---- what comes of it ---------------------------------------------------------------------------------------------- */

static void print_json(const timing *t, const char *problem, int steps) {
  printf("{\"engine\": \"ml3\", \"problem\": \"%s\", \"tasks\": %d, \"threads\": %d, \"steps\": %d, \"precision\": \"%s\", "
         "\"median_ms\": %.6g, \"min_ms\": %.6g, \"max_ms\": %.6g, \"repeats\": %d, \"compile_ms\": %.6g, "
         "\"task_loss\": %.12g, \"meta_gradient_norm\": %.12g, \"meta_gradient_first\": [%.12g, %.12g, %.12g, %.12g, %.12g]}\n",
         problem, t->tasks, t->threads, steps, sizeof(ml3_real) == 4 ? "float32" : "float64", t->ms[t->repeats / 2],
         t->ms[0], t->ms[t->repeats - 1], t->repeats, t->compile_ms, t->task_loss, t->norm, t->first[0], t->first[1],
         t->first[2], t->first[3], t->first[4]);
}

static void print_text(const timing *t, const char *problem, int steps) {
  ml3_nn_report inner = ml3_nn_program_report(ml3_meta_inner_program(t->meta));
  ml3_nn_report outer = ml3_nn_program_report(ml3_meta_outer_program(t->meta));
  printf("%s, %d task%s, %d thread%s, %d inner step%s\n", problem, t->tasks, t->tasks == 1 ? "" : "s", t->threads,
         t->threads == 1 ? "" : "s", steps, steps == 1 ? "" : "s");
  printf("  an outer step  %.3f ms (%.3f - %.3f, %d repeats)\n", t->ms[t->repeats / 2], t->ms[0],
         t->ms[t->repeats - 1], t->repeats);
  printf("  compiling      %.1f ms\n", t->compile_ms);
  printf("  inner program  %d instructions, %d products, %.1f Mflop, %.1f kB of buffers\n", inner.instructions,
         inner.products, inner.flops * 1e-6, (double)inner.arena_bytes * 1e-3);
  printf("  outer program  %d instructions, %d products, %.1f Mflop, %.1f kB of buffers\n", outer.instructions,
         outer.products, outer.flops * 1e-6, (double)outer.arena_bytes * 1e-3);
}

/* Time by kind of operation over some more outer steps. */
static void print_profile(timing *t) {
  ml3_nn_workspace *parts[2] = {ml3_meta_inner_workspace(t->works[0]), ml3_meta_outer_workspace(t->works[0])};
  for (int i = 0; i < 2; i++) ml3_nn_profile_enable(parts[i], true);
  t->threads = 1;
  for (int i = 0; i < 20; i++) outer_step(t, false, NULL);
  for (int i = 0; i < 2; i++) {
    printf("%s program, 20 outer steps:\n", i ? "outer" : "inner");
    ml3_nn_profile(parts[i], true, stdout);
  }
}

static void hold_to_processors(int count) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && count > 0; i++)
    if (CPU_ISSET(i, &allowed)) CPU_SET(i, &chosen), count--;
  sched_setaffinity(0, sizeof chosen, &chosen);
}

static void drop(timing *t, int threads) {
  for (int i = 0; i < threads && t->works; i++) ml3_meta_work_free(t->works[i]);
  free(t->works);
  free(t->task);
  free(t->theta);
  free(t->gradients);
  ml3_nn_optimizer_free(&t->optimizer);
  ml3_loss_free(t->loss);
  ml3_meta_free(t->meta);
  if (t->problem) t->problem->free(t->problem);
}

int cli_bench(int argc, const char **argv) {
  const char *problem = "mountain_car";
  int tasks = 1, threads = 1, steps = 1, json = 0, profile = 0;
  double seconds = 2;
  const struct poptOption own[] = {
      {"problem", '\0', POPT_ARG_STRING, &problem, 0, "mountain_car: the published one", "NAME"},
      {"tasks", '\0', POPT_ARG_INT, &tasks, 0, "a batch (1)", "N"},
      {"threads", '\0', POPT_ARG_INT, &threads, 0, "(1)", "N"},
      {"steps", '\0', POPT_ARG_INT, &steps, 0, "inner steps (1)", "N"},
      {"seconds", '\0', POPT_ARG_DOUBLE, &seconds, 0, "measuring time (2)", "S"},
      {"json", '\0', POPT_ARG_NONE, &json, 0, "one line of JSON", NULL},
      {"profile", '\0', POPT_ARG_NONE, &profile, 0, "time by kind of operation", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(&options, argc, argv, own, "[OPTIONS]",
                                "Times one outer step: inner steps, task loss, meta-gradient, Adam. scripts/bench/README.md defines the\n"
                                "numbers; scripts/bench/metagrad sets them beside PyTorch and JAX.",
                                NULL);
  if (answer >= 0) return answer;
  ml3_error error = {0};
  int code = ML3_OK;
  if (strcmp(problem, "mountain_car") != 0)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--problem is '%s'; 'mountain_car' can be timed", problem);
  else if (tasks < 1 || tasks > TASKS_MAX || threads < 1 || threads > 256 || steps < 1)
    code = ml3_error_set(&error, ML3_ERR_ARGUMENT, "--tasks is %d (1 to %d), --threads %d (1 to 256), --steps %d (at least 1)",
                         tasks, TASKS_MAX, threads, steps);
  if (code != ML3_OK) return cli_fail("bench", &error), CLI_USAGE;

  timing *t = calloc(1, sizeof *t);
  if (!t) return CLI_FAILED;
  t->tasks = tasks;
  t->threads = threads;
  hold_to_processors(threads);
  double begin = now_s();
  code = make_mountain_car(t, steps, &error);
  t->compile_ms = 1e3 * (now_s() - begin);
  if (code == ML3_OK) code = make_buffers(t, &error);
  if (code == ML3_OK) code = measure(t, seconds, &error);
  if (code == ML3_OK) {
    if (json)
      print_json(t, problem, steps);
    else
      print_text(t, problem, steps);
    if (profile) print_profile(t);
  }
  drop(t, threads);
  free(t);
  return code == ML3_OK ? CLI_DONE : cli_fail("bench", &error);
}
