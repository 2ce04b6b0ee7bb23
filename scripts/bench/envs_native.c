/* Steps a second of ml3's batches and of a bare mj_step loop over the same model: lines for scripts/bench/envs.

     bench_envs THREADS SLICES REACHER_XML

   prints one JSON line an engine: environment, engine, threads, the median of its steps a second over the slices, and
   `of_bare`, the median of its ratio to the bare loop's slice just before. A step is one action: for the reacher two
   mj_step. The engines take turns in slices of some tenths of a second, so that a busy machine is busy for all; a slice is
   whole episodes, since an arm at its stop costs MuJoCo more than one that is free. Resets are in the measure; the bare
   loop's cost next to nothing. */
#define _POSIX_C_SOURCE 200809L
#include <mujoco/mujoco.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "envs/batch.h"
#include "nn/mlp.h"
#include "nn/program.h"

enum { FRAME_SKIP = 2, HORIZON = 50, ACTIONS = 4096, SLICES_MAX = 1000, THREADS_MAX = 64 };

typedef struct settings {
  int threads, slices;
  const char *reacher;
} settings;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "bench_envs: %s\n", what);
  exit(1);
}

/* Uniform in +-high, the same for all. */
static ml3_real *actions_new(size_t count, double high) {
  ml3_real *a = malloc(count * sizeof *a);
  if (!a) fail("no memory");
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  for (size_t i = 0; i < count; i++) a[i] = (ml3_real)ml3_random_uniform(&random, -high, high);
  return a;
}

/* ---- the bare loop -------------------------------------------------------------------------------------- */

typedef struct bare {
  mjModel *model;
  mjData *data[THREADS_MAX]; /* one a thread */
  double start[8];
} bare;

static bare bare_open(const settings *s) {
  char message[512] = "";
  bare b = {.model = mj_loadXML(s->reacher, NULL, message, sizeof message)};
  if (!b.model) fail(message);
  for (int i = 0; i < s->threads; i++) b.data[i] = mj_makeData(b.model);
  b.start[2] = b.start[3] = 0.1;
  return b;
}

/* Nothing but mj_step and actions; every 50 actions the start is copied in, so that the arm moves as in the batch. */
static long bare_run(bare *b, int threads, long steps, const ml3_real *actions) {
  const mjModel *m = b->model;
#pragma omp parallel num_threads(threads)
  {
    mjData *d = b->data[omp_get_thread_num()];
    for (long t = 0; t < steps; t++) {
      if (t % HORIZON == 0) {
        memcpy(d->qpos, b->start, 4 * sizeof(double));
        memcpy(d->qvel, b->start + 4, 4 * sizeof(double));
      }
      const ml3_real *a = actions + 2 * (t % ACTIONS);
      d->ctrl[0] = (double)a[0], d->ctrl[1] = (double)a[1];
      for (int k = 0; k < FRAME_SKIP; k++) mj_step(m, d);
    }
  }
  return steps * threads;
}

static void bare_close(bare *b, int threads) {
  for (int i = 0; i < threads; i++) mj_deleteData(b->data[i]);
  mj_deleteModel(b->model);
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

/* A 64-64 tanh network over all observations of a batch at once. */
typedef struct policy {
  ml3_nn_program *program;
  ml3_nn_workspace *workspace;
  ml3_real *theta;
} policy;

typedef struct run {
  const ml3_env_spec *spec;
  ml3_env_batch *batch;
  int count;
  ml3_real *actions, *obs, *rewards;
  bool *terminated, *truncated;
  policy policy;
} run;

static policy policy_open(const run *r) {
  ml3_error error = {0};
  const ml3_mlp net = {.inputs = r->spec->obs_dim,
                       .outputs = r->spec->action_dim,
                       .depth = 2,
                       .hidden = {64, 64},
                       .activation = ML3_TANH,
                       .output = ML3_TANH,
                       .bias = true};
  const int size = ml3_mlp_size(&net);
  policy p = {.theta = malloc((size_t)size * sizeof *p.theta)};
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_USER, 0, 0);
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!p.theta || !g) fail("no memory");
  ml3_mlp_init(&net, &random, p.theta);
  ml3_node theta = ml3_nn_input(g, 1, size), obs = ml3_nn_input(g, r->count, net.inputs);
  ml3_nn_output output = {ml3_nn_scale(g, ml3_mlp_build(g, &net, theta, 0, obs), r->spec->action[0].high), 0};
  p.program = ml3_nn_compile(g, &output, 1, &error);
  p.workspace = p.program ? ml3_nn_workspace_new(p.program, &error) : NULL;
  if (!p.workspace) fail(error.message);
  ml3_nn_bind_input(p.workspace, theta, p.theta);
  ml3_nn_bind_input(p.workspace, obs, r->obs);
  ml3_nn_bind_output(p.workspace, 0, r->actions);
  ml3_nn_graph_free(g);
  return p;
}

static run run_open(const char *name, int batch, int threads, bool with_policy) {
  ml3_error error = {0};
  run r = {.spec = ml3_env_find(name, &error), .count = batch};
  r.batch = r.spec ? ml3_env_batch_new(r.spec, batch, threads, 0, true, &error) : NULL;
  if (!r.batch) fail(error.message);
  size_t n = (size_t)batch;
  r.actions = actions_new((n + ACTIONS) * (size_t)r.spec->action_dim, r.spec->action[0].high);
  r.obs = calloc(n * (size_t)r.spec->obs_dim, sizeof(ml3_real));
  r.rewards = calloc(n, sizeof(ml3_real));
  r.terminated = calloc(n, sizeof(bool));
  r.truncated = calloc(n, sizeof(bool));
  if (!r.obs || !r.rewards || !r.terminated || !r.truncated) fail("no memory");
  if (with_policy) r.policy = policy_open(&r);
  ml3_env_batch_reset(r.batch, r.obs);
  return r;
}

static void run_close(run *r) {
  ml3_nn_workspace_free(r->policy.workspace);
  ml3_nn_program_free(r->policy.program);
  free(r->policy.theta);
  ml3_env_batch_free(r->batch);
  free(r->actions);
  free(r->obs);
  free(r->rewards);
  free(r->terminated);
  free(r->truncated);
}

static long batch_run(run *r, long steps) {
  ml3_error error = {0};
  for (long t = 0; t < steps; t++) {
    const ml3_real *a = r->policy.workspace ? r->actions : r->actions + (t % ACTIONS) * r->spec->action_dim;
    if (r->policy.workspace) ml3_nn_run(r->policy.workspace, 0);
    if (ml3_env_batch_step(r->batch, a, r->obs, r->rewards, r->terminated, r->truncated, NULL, &error))
      fail(error.message);
  }
  return steps * r->count;
}

/* ---- taking turns -------------------------------------------------------------------------------------------- */

typedef struct engine {
  const char *environment, *name;
  bool bare, policy;
  int batch, steps; /* rows, and steps of each in a slice: whole episodes */
  run run;
  double rates[SLICES_MAX], ratios[SLICES_MAX];
} engine;

static engine engines[] = {
    {"reacher", "bare mj_step loop", .bare = true, .batch = 256, .steps = HORIZON},
    {"reacher", "ml3 batch of 256", .batch = 256, .steps = HORIZON},
    {"reacher", "ml3 batch of 256, policy in the loop", .policy = true, .batch = 256, .steps = HORIZON},
    {"mountain_car", "ml3 batch of 1024", .batch = 1024, .steps = 35 * 200},
    {"mountain_car", "ml3 batch of 1024, policy in the loop", .policy = true, .batch = 1024, .steps = 35 * 20},
    {"mountain_car_continuous", "ml3 batch of 1024", .batch = 1024, .steps = 2 * 999},
};
enum { ENGINES = sizeof engines / sizeof *engines };

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_size);
  return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void slice(engine *e, int k, bare *b, const settings *s, const ml3_real *actions) {
  const double start = now();
  long done =
      e->bare ? bare_run(b, s->threads, (long)e->batch * e->steps / s->threads, actions) : batch_run(&e->run, e->steps);
  e->rates[k] = (double)done / (now() - start);
  e->ratios[k] = e->rates[k] / engines[0].rates[k];
}

int main(int argc, char **argv) {
  if (argc != 4) fail("usage: bench_envs THREADS SLICES REACHER_XML");
  const settings s = {atoi(argv[1]), atoi(argv[2]), argv[3]};
  if (s.threads < 1 || s.threads > THREADS_MAX || s.slices < 1 || s.slices > SLICES_MAX)
    fail("threads must be 1 to 64, slices 1 to 1000");

  bare b = bare_open(&s);
  ml3_real *actions = actions_new(2 * ACTIONS, 1);
  for (int i = 0; i < ENGINES; i++)
    if (!engines[i].bare)
      engines[i].run = run_open(engines[i].environment, engines[i].batch, s.threads, engines[i].policy);
  for (int i = 0; i < ENGINES; i++) slice(&engines[i], 0, &b, &s, actions); /* warms up */
  for (int k = 0; k < s.slices; k++)
    for (int i = 0; i < ENGINES; i++) slice(&engines[i], k, &b, &s, actions);

  for (int i = 0; i < ENGINES; i++) {
    engine *e = &engines[i];
    printf("{\"environment\": \"%s\", \"engine\": \"%s\", \"threads\": %d, \"steps_per_s\": %.6g", e->environment,
           e->name, s.threads, median(e->rates, s.slices));
    if (strcmp(e->environment, "reacher") == 0) printf(", \"of_bare\": %.4f", median(e->ratios, s.slices));
    printf("}\n");
    if (!e->bare) run_close(&e->run);
  }
  free(actions);
  bare_close(&b, s.threads);
  return 0;
}
