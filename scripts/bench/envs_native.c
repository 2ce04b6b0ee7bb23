/* Steps a second of ml3's batches and of a bare mj_step loop over the same model: lines for scripts/bench/envs.

     bench_envs THREADS SLICES MODELS ENVIRONMENT ...

   prints one JSON line an engine: environment, engine, threads, the median of its steps a second over the slices, and
   `of_bare`, the median of its ratio to the bare loop's next slice, both by the time of the processors. A step is one action: mj_step as many times as the
   environment's time step is MuJoCo's. Batch and bare loop take turns in slices of some tenths of a second, so that a
   busy machine is busy for both, and the bare loop goes over what the batch has just done: the same states, actions
   and ends of episodes, since a figure that lies on the ground costs MuJoCo more than one in the air. Resets are in the
   measure; the bare loop's cost next to nothing. MODELS/ENVIRONMENT.xml is what the bare loop steps. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <mujoco/mujoco.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "envs/batch.h"
#include "nn/mlp.h"
#include "nn/program.h"

enum { ACTIONS = 4096, SLICES_MAX = 1000, THREADS_MAX = 64 };

/* What is measured: a batch of that many rows, that many steps a slice. */
typedef struct subject {
  const char *environment;
  int batch, steps;
  bool mujoco, policy; /* has a bare loop beside it; is measured with a policy as well */
} subject;

static const subject subjects[] = {
    {"ant", 256, 30, true, false},
    {"half_cheetah", 256, 40, true, false},
    {"hopper", 256, 50, true, false},
    {"humanoid", 256, 10, true, false},
    {"humanoid_standup", 256, 10, true, false},
    {"inverted_double_pendulum", 256, 60, true, false},
    {"inverted_pendulum", 256, 200, true, false},
    {"pusher", 256, 40, true, false},
    {"reacher", 256, 50, true, true},
    {"swimmer", 256, 60, true, false},
    {"walker2d", 256, 40, true, false},
    {"mountain_car", 1024, 35 * 200, false, true},
    {"mountain_car_continuous", 1024, 2 * 999, false, false},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Steps by the second, as time goes by and of processors alone: others on the machine do not count in those. */
typedef struct rate {
  double wall, processor;
} rate;

static rate begin(void) {
  return (rate){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static rate end(rate start, double steps) {
  const rate now = begin();
  return (rate){steps / (now.wall - start.wall), steps / (now.processor - start.processor)};
}

static void fail(const char *what) {
  fprintf(stderr, "bench_envs: %s\n", what);
  exit(1);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) fail("no memory");
  return memory;
}

/* Uniform in +-high, the same for all. */
static ml3_real *actions_new(size_t count, double high) {
  ml3_real *a = allocate(count, sizeof *a);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  for (size_t i = 0; i < count; i++) a[i] = (ml3_real)ml3_random_uniform(&random, -high, high);
  return a;
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
  bool *ended; /* [steps][count] of the last slice, where a bare loop needs it */
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

static run run_open(const subject *s, int threads, bool with_policy) {
  ml3_error error = {0};
  run r = {.spec = ml3_env_find(s->environment, &error), .count = s->batch};
  r.batch = r.spec ? ml3_env_batch_new(r.spec, r.count, threads, 0, true, &error) : NULL;
  if (!r.batch) fail(error.message);
  const size_t n = (size_t)r.count;
  r.actions = actions_new((n + ACTIONS) * (size_t)r.spec->action_dim, r.spec->action[0].high);
  r.obs = allocate(n * (size_t)r.spec->obs_dim, sizeof *r.obs);
  r.rewards = allocate(n, sizeof *r.rewards);
  r.terminated = allocate(n, sizeof *r.terminated);
  r.truncated = allocate(n, sizeof *r.truncated);
  if (s->mujoco) r.ended = allocate(n * (size_t)s->steps, sizeof *r.ended);
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
  free(r->ended);
}

/* Actions of all rows at step t of a slice. */
static const ml3_real *actions_at(const run *r, int t) {
  return r->actions + (size_t)(t % ACTIONS) * (size_t)r->spec->action_dim;
}

static void batch_step(run *r, int t) {
  ml3_error error = {0};
  const ml3_real *a = r->policy.workspace ? r->actions : actions_at(r, t);
  if (r->policy.workspace) ml3_nn_run(r->policy.workspace, 0);
  if (ml3_env_batch_step(r->batch, a, r->obs, r->rewards, r->terminated, r->truncated, NULL, &error))
    fail(error.message);
}

static rate batch_slice(run *r, int steps) {
  const rate start = begin();
  for (int t = 0; t < steps; t++) {
    batch_step(r, t);
    for (int i = 0; r->ended && i < r->count; i++) r->ended[t * r->count + i] = r->terminated[i] || r->truncated[i];
  }
  return end(start, (double)steps * r->count);
}

/* ---- the bare loop -------------------------------------------------------------------------------------- */

typedef struct bare {
  mjModel *model;
  mjData *data[THREADS_MAX]; /* one a thread */
  int threads, skip, state_dim;
  double *starts, *states; /* [count][state_dim]: of episodes; of the rows at the start of the slice */
} bare;

static bare bare_open(const subject *s, const char *folder, int threads, run *r) {
  char message[512] = "", path[4096];
  snprintf(path, sizeof path, "%s/%s.xml", folder, s->environment);
  bare b = {.model = mj_loadXML(path, NULL, message, sizeof message), .threads = threads};
  if (!b.model) fail(message);
  for (int i = 0; i < threads; i++) b.data[i] = mj_makeData(b.model);
  b.skip = (int)lround(r->spec->dt_s / b.model->opt.timestep);
  b.state_dim = r->spec->state_dim;
  b.starts = allocate((size_t)r->count * (size_t)b.state_dim, sizeof *b.starts);
  b.states = allocate((size_t)r->count * (size_t)b.state_dim, sizeof *b.states);
  ml3_env_batch_watch(r->batch, &(ml3_env_batch_infos){.state = b.starts}, NULL);
  ml3_env_batch_reset(r->batch, r->obs);
  ml3_env_batch_watch(r->batch, NULL, NULL);
  return b;
}

static void bare_close(bare *b) {
  for (int i = 0; i < b->threads; i++) mj_deleteData(b->data[i]);
  mj_deleteModel(b->model);
  free(b->starts);
  free(b->states);
}

/* A step of the batch, which is not timed, to see where its rows are. */
static void bare_look(bare *b, run *r) {
  ml3_env_batch_watch(r->batch, &(ml3_env_batch_infos){.state = b->states}, NULL);
  batch_step(r, 0);
  ml3_env_batch_watch(r->batch, NULL, NULL);
}

static void put_state(const mjModel *m, mjData *d, const double *state) {
  memcpy(d->qpos, state, (size_t)m->nq * sizeof *state);
  memcpy(d->qvel, state + m->nq, (size_t)m->nv * sizeof *state);
}

/* Nothing but mj_step and actions, and the start of an episode where the batch began one. */
static rate bare_slice(bare *b, const run *r, int steps) {
  const rate start = begin();
#pragma omp parallel for num_threads(b->threads) schedule(dynamic)
  for (int i = 0; i < r->count; i++) {
    const mjModel *m = b->model;
    mjData *d = b->data[omp_get_thread_num()];
    put_state(m, d, b->states + (size_t)i * (size_t)b->state_dim);
    for (int t = 0; t < steps; t++) {
      const ml3_real *a = actions_at(r, t) + i * r->spec->action_dim;
      for (int k = 0; k < m->nu; k++) d->ctrl[k] = (double)a[k];
      for (int k = 0; k < b->skip; k++) mj_step(m, d);
      if (r->ended[t * r->count + i]) put_state(m, d, b->starts + (size_t)i * (size_t)b->state_dim);
    }
  }
  return end(start, (double)steps * r->count);
}

/* ---- taking turns -------------------------------------------------------------------------------------------- */

enum { BATCH, POLICY, BARE, ENGINES };

typedef struct settings {
  int threads, slices;
  const char *models;
} settings;

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_size);
  return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void print(const subject *s, int engine, const settings *set, rate rates[][SLICES_MAX]) {
  char name[64] = "bare mj_step loop";
  if (engine != BARE)
    snprintf(name, sizeof name, "ml3 batch of %d%s", s->batch, engine == POLICY ? ", policy in the loop" : "");
  double wall[SLICES_MAX], ratios[SLICES_MAX];
  for (int k = 0; k < set->slices; k++) {
    wall[k] = rates[engine][k].wall;
    ratios[k] = rates[engine][k].processor / rates[BARE][k].processor;
  }
  printf("{\"environment\": \"%s\", \"engine\": \"%s\", \"threads\": %d, \"steps_per_s\": %.6g", s->environment, name,
         set->threads, median(wall, set->slices));
  if (s->mujoco) printf(", \"of_bare\": %.4f", median(ratios, set->slices));
  printf("}\n");
}

/* The first slice warms up. */
static void measure(const subject *s, const settings *set) {
  static rate rates[ENGINES][SLICES_MAX];
  run batch = run_open(s, set->threads, false), policy = {0};
  if (s->policy) policy = run_open(s, set->threads, true);
  bare b = {0};
  if (s->mujoco) b = bare_open(s, set->models, set->threads, &batch);
  for (int k = -1; k < set->slices; k++) {
    const int at = k < 0 ? 0 : k;
    if (s->mujoco) bare_look(&b, &batch);
    rates[BATCH][at] = batch_slice(&batch, s->steps);
    if (s->mujoco) rates[BARE][at] = bare_slice(&b, &batch, s->steps);
    if (s->policy) rates[POLICY][at] = batch_slice(&policy, s->mujoco ? s->steps : s->steps / 10);
  }
  print(s, BATCH, set, rates);
  if (s->policy) print(s, POLICY, set, rates);
  if (s->mujoco) print(s, BARE, set, rates);
  if (s->mujoco) bare_close(&b);
  if (s->policy) run_close(&policy);
  run_close(&batch);
}

int main(int argc, char **argv) {
  if (argc < 5) fail("usage: bench_envs THREADS SLICES MODELS ENVIRONMENT ...");
  const settings set = {atoi(argv[1]), atoi(argv[2]), argv[3]};
  if (set.threads < 1 || set.threads > THREADS_MAX || set.slices < 1 || set.slices > SLICES_MAX)
    fail("threads must be 1 to 64, slices 1 to 1000");
  for (int i = 4; i < argc; i++) {
    int k = 0;
    while (k < SUBJECTS && strcmp(argv[i], subjects[k].environment) != 0) k++;
    if (k == SUBJECTS) fail("an environment that is not measured here; scripts/bench/envs lists those that are");
    measure(&subjects[k], &set);
    fflush(stdout);
  }
  return 0;
}
