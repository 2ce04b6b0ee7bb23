/* Gymnasium's environments as environments of others: see gym.h. */
#define _GNU_SOURCE
#include "envs/gym.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/foreign_internal.h"
#include "envs/gym_internal.h"
#include "envs/worker_internal.h"

enum { WORKERS_MAX = 64 };

typedef struct gym {
  gym_name name;
  char *kwargs; /* JSON */
  int obs_dim, goal_dim, action_dim;
  pthread_mutex_t lock;
  ml3_worker *workers[WORKERS_MAX]; /* those that live come first */
  int count;
} gym;

/* An instance: a slot of a worker. */
typedef struct place {
  ml3_worker *worker;
  ml3_worker_slot *slot;
  bool asked;
} place;

/* ---- which worker ----------------------------------------------------------------------------------------------- */

static int most_workers(const gym *g) {
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const int most = g->name.workers > 0 ? g->name.workers : cores;
  return most < WORKERS_MAX ? most : WORKERS_MAX;
}

/* What has died goes when nobody has a slot of it any more. */
static void clear_away(gym *g) {
  for (int i = 0; i < g->count;) {
    if (ml3_worker_lives(g->workers[i]) || ml3_worker_used(g->workers[i])) {
      i++;
      continue;
    }
    ml3_worker_free(g->workers[i]);
    g->workers[i] = g->workers[--g->count];
  }
}

static ml3_worker *start(gym *g, ml3_error *error) {
  ml3_worker *w = ml3_worker_new(g->name.id, g->kwargs, g->name.timeout_s, error);
  if (!w) return NULL;
  json_t *said = json_loads(ml3_worker_description(w), 0, NULL);
  const char *why = json_string_value(json_object_get(said, "error"));
  int code = ML3_OK;
  if (why) code = ml3_error_set(error, ML3_ERR_UNAVAILABLE, "%.400s", why);
  json_decref(said);
  if (code == ML3_OK) code = ml3_worker_make_slots(w, g->obs_dim, g->goal_dim, g->action_dim, error);
  if (code == ML3_OK) return w;
  ml3_worker_free(w);
  return NULL;
}

/* The one with the fewest environments, or a new one as long as each has some. */
static ml3_worker *choose(gym *g, ml3_error *error) {
  ml3_worker *least = NULL;
  pthread_mutex_lock(&g->lock);
  clear_away(g);
  for (int i = 0; i < g->count; i++)
    if (ml3_worker_lives(g->workers[i]) && (!least || ml3_worker_used(g->workers[i]) < ml3_worker_used(least)))
      least = g->workers[i];
  if ((!least || ml3_worker_used(least) > 0) && g->count < most_workers(g)) {
    ml3_worker *fresh = start(g, error);
    if (fresh) g->workers[g->count++] = fresh;
    least = fresh;
  }
  pthread_mutex_unlock(&g->lock);
  if (!least && error && !error->code) ml3_error_set(error, ML3_ERR_UNAVAILABLE, "no worker process is left");
  return least;
}

/* ---- callbacks -------------------------------------------------------------------------------------------------- */

static int create(void *user, ml3_foreign_record *r) {
  ml3_error error = {0};
  place *p = calloc(1, sizeof *p);
  if (p) p->worker = choose(user, &error);
  if (p && p->worker && !(p->slot = ml3_worker_take(p->worker)))
    ml3_error_set(&error, ML3_ERR_MEMORY, "a worker process has at most %d environments", ML3_WORKER_CAPACITY);
  r->instance = p;
  if (p && p->slot) return 0;
  snprintf(r->error, sizeof r->error, "%.500s", p ? error.message : "no memory");
  free(p);
  return -1;
}

/* The answer, into the record. */
static int wait_answer(gym *g, place *p, ml3_foreign_record *r) {
  const ml3_worker_slot *s = p->slot;
  p->asked = false;
  if (ml3_worker_wait(p->worker, p->slot, r->error) != 0) return -1;
  memcpy(r->obs, s->numbers, (size_t)g->obs_dim * sizeof *r->obs);
  r->reward = s->reward;
  r->terminated = s->terminated, r->truncated = s->truncated, r->success = s->success;
  return 0;
}

static void destroy(void *user, ml3_foreign_record *r) {
  place *p = r->instance;
  char error[ML3_WORKER_ERROR];
  (void)user;
  if (ml3_worker_lives(p->worker)) {
    if (p->asked) ml3_worker_wait(p->worker, p->slot, error);
    ml3_worker_ask(p->worker, p->slot, ML3_WORKER_DESTROY);
    ml3_worker_wait(p->worker, p->slot, error);
  }
  ml3_worker_return(p->worker, p->slot);
  free(p);
}

static void begin_reset(void *user, ml3_foreign_record *r, const double *task, uint64_t seed) {
  place *p = r->instance;
  (void)user, (void)task;
  p->slot->seed = (uint32_t)seed;
  p->asked = true;
  ml3_worker_ask(p->worker, p->slot, ML3_WORKER_RESET);
}

static int reset(void *user, ml3_foreign_record *r, const double *task, uint64_t seed) {
  place *p = r->instance;
  if (!p->asked) begin_reset(user, r, task, seed);
  return wait_answer(user, p, r);
}

static void begin_step(void *user, ml3_foreign_record *r, const double *action) {
  const gym *g = user;
  place *p = r->instance;
  memcpy(p->slot->numbers + g->obs_dim + g->goal_dim, action, (size_t)g->action_dim * sizeof *action);
  p->asked = true;
  ml3_worker_ask(p->worker, p->slot, ML3_WORKER_STEP);
}

static int step(void *user, ml3_foreign_record *r, const double *action) {
  place *p = r->instance;
  if (!p->asked) begin_step(user, r, action);
  return wait_answer(user, p, r);
}

static int draw(void *user, ml3_foreign_record *r, const unsigned char **rgb, int *width, int *height) {
  place *p = r->instance;
  (void)user;
  ml3_worker_ask(p->worker, p->slot, ML3_WORKER_DRAW);
  if (ml3_worker_wait(p->worker, p->slot, r->error) != 0) return -1;
  if ((*rgb = ml3_worker_picture(p->worker, p->slot, width, height))) return 0;
  snprintf(r->error, sizeof r->error, "there is no picture");
  return -1;
}

/* ---- what an environment is -------------------------------------------------------------------------------------- */

static double bound_of(const json_t *field, const char *key, double none) {
  const json_t *bound = json_object_get(field, key);
  return json_is_number(bound) ? json_number_value(bound) : none;
}

/* fields[n] of a list; names stay those of the JSON. */
static ml3_env_field *read_fields(const json_t *list) {
  const size_t n = json_array_size(list);
  ml3_env_field *fields = calloc(n + 1, sizeof *fields);
  for (size_t i = 0; i < n && fields; i++) {
    const json_t *field = json_array_get(list, i);
    const char *name = json_string_value(json_object_get(field, "name"));
    fields[i] = (ml3_env_field){.name = name ? name : "",
                                .unit = "1",
                                .low = bound_of(field, "low", -INFINITY),
                                .high = bound_of(field, "high", INFINITY)};
  }
  return fields;
}

static int count_of(const json_t *said, const char *key) {
  const json_t *list = json_object_get(said, key);
  return json_is_integer(list) ? (int)json_integer_value(list) : (int)json_array_size(list);
}

static ml3_foreign *describe(gym *g, const char *name, const json_t *said, ml3_error *error) {
  const int choices = (int)json_integer_value(json_object_get(said, "choices"));
  const int horizon = (int)json_integer_value(json_object_get(said, "horizon"));
  g->obs_dim = count_of(said, "observation");
  g->action_dim = choices ? 1 : count_of(said, "action");
  const json_t *listed = json_object_get(said, "observation");
  ml3_env_field *obs = json_is_array(listed) ? read_fields(listed) : NULL;
  ml3_env_field *action = choices ? NULL : read_fields(json_object_get(said, "action"));
  const ml3_foreign_description d = {.name = name,
                                     .summary = "an environment of Gymnasium",
                                     .dt_s = json_number_value(json_object_get(said, "dt")),
                                     .horizon = g->name.horizon > 0 ? g->name.horizon
                                                : horizon > 0       ? horizon
                                                                    : 1000,
                                     .obs_dim = g->obs_dim,
                                     .action_dim = g->action_dim,
                                     .choices = choices,
                                     .no_goal = !json_is_true(json_object_get(said, "success")),
                                     .obs = obs,
                                     .action = action,
                                     .user = g,
                                     .create = create,
                                     .destroy = destroy,
                                     .reset = reset,
                                     .step = step,
                                     .draw = draw,
                                     .begin_reset = begin_reset,
                                     .begin_step = begin_step};
  ml3_foreign *f = ml3_foreign_new(&d, error);
  free(obs);
  free(action);
  return f;
}

static int explain(const gym *g, const json_t *said, ml3_error *error) {
  const char *why = json_string_value(json_object_get(said, "error"));
  const char *missing = json_string_value(json_object_get(said, "missing"));
  if (missing && (strcmp(missing, "gymnasium") == 0 || strcmp(missing, "numpy") == 0))
    return ml3_error_set(
        error, ML3_ERR_UNAVAILABLE,
        "environment 'gym:%.100s' needs Gymnasium, and the Python that was found has no module '%s': pip "
        "install gymnasium, or name another Python in ML3_PYTHON",
        g->name.id, missing);
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "environment 'gym:%.100s': %.450s", g->name.id,
                       why ? why : "the worker process does not say what it is");
}

static void gym_free(gym *g) {
  for (int i = 0; i < g->count; i++) ml3_worker_free(g->workers[i]);
  pthread_mutex_destroy(&g->lock);
  free(g->kwargs);
  free(g);
}

/* The first worker says what all are. */
static ml3_foreign *introduce(gym *g, const char *name, ml3_error *error) {
  ml3_worker *first = ml3_worker_new(g->name.id, g->kwargs, g->name.timeout_s, error);
  if (!first) return ml3_error_prefix(error, "environment 'gym:%.100s'", g->name.id), NULL;
  g->workers[g->count++] = first;
  json_t *said = json_loads(ml3_worker_description(first), 0, NULL);
  ml3_foreign *f = NULL;
  if (!said || json_object_get(said, "error"))
    explain(g, said, error);
  else
    f = describe(g, name, said, error);
  json_decref(said);
  if (f && ml3_worker_make_slots(first, g->obs_dim, g->goal_dim, g->action_dim, error) == ML3_OK) return f;
  ml3_foreign_free(f);
  return NULL;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* What failed, so that Python is not started again to fail again. */
typedef struct failure {
  struct failure *next;
  ml3_error error;
  char name[];
} failure;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static failure *failures; /* behind the lock */

static void keep_failure(const char *name, const ml3_error *error) {
  failure *f = malloc(sizeof *f + strlen(name) + 1);
  if (!f) return;
  f->error = *error;
  f->next = failures;
  strcpy(f->name, name);
  failures = f;
}

static ml3_foreign *open_gym(const char *name, ml3_error *error) {
  gym *g = calloc(1, sizeof *g);
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%.100s'", name), NULL;
  pthread_mutex_init(&g->lock, NULL);
  ml3_foreign *f = NULL;
  if (gym_name_read(name, &g->name, &g->kwargs, error) == ML3_OK) f = introduce(g, name, error);
  if (!f) gym_free(g);
  return f;
}

bool ml3_gym_is(const char *name) {
  return strncmp(name, "gym:", 4) == 0;
}

const ml3_env_spec *ml3_gym_find(const char *name, ml3_error *error) {
  ml3_error why = {0};
  pthread_mutex_lock(&lock);
  const ml3_env_spec *spec = ml3_foreign_find(name);
  for (const failure *f = failures; f && !spec && !why.code; f = f->next)
    if (strcmp(f->name, name) == 0) why = f->error;
  if (!spec && !why.code) {
    ml3_foreign *f = open_gym(name, &why);
    if (f)
      ml3_foreign_put(f), spec = ml3_foreign_spec(f, 0);
    else
      keep_failure(name, &why);
  }
  pthread_mutex_unlock(&lock);
  if (!spec && error) *error = why;
  return spec;
}
