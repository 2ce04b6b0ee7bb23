/* Instances of environments of others: pooled, reset lazily, with errors that stay. See foreign.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/foreign_internal.h"

static ml3_foreign *foreign_of(const ml3_env_spec *spec) {
  return (ml3_foreign *)spec->own;
}

static void count(long *counter, ml3_foreign *f, long more) {
  pthread_mutex_lock(&f->lock);
  *counter += more;
  pthread_mutex_unlock(&f->lock);
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

static int failed(const ml3_env_spec *spec, ml3_error *error) {
  ml3_foreign *f = foreign_of(spec);
  pthread_mutex_lock(&f->lock);
  const ml3_error failure = f->failure;
  pthread_mutex_unlock(&f->lock);
  if (failure.code != ML3_OK && error) *error = failure;
  return failure.code;
}

/* The first failure is the one that is told. */
static void fail(ml3_env *env, const char *where, const char *text) {
  ml3_foreign *f = foreign_of(env->spec);
  char at[48] = "";
  if (strcmp(where, "step") == 0) snprintf(at, sizeof at, " %d of the episode", env->steps);
  snprintf(env->warnings.failure, sizeof env->warnings.failure, "%.190s", text);
  env->warnings.counts[ML3_WARN_ERROR]++;
  pthread_mutex_lock(&f->lock);
  if (f->failure.code == ML3_OK)
    ml3_error_set(&f->failure, ML3_ERR_UNAVAILABLE, "environment '%s' failed in %s%s: %s", f->own.name, where, at,
                  *text ? text : "it does not say why");
  pthread_mutex_unlock(&f->lock);
}

static int first_unusable(const double *x, int n) {
  for (int i = 0; i < n; i++)
    if (!isfinite(x[i])) return i;
  return -1;
}

/* Is every number of the record one? */
static bool is_whole(ml3_env *env, const char *where) {
  const ml3_env_spec *spec = env->spec;
  const ml3_foreign_record *r = &((foreign_instance *)env->data)->record;
  char text[200];
  const int obs = first_unusable(r->obs, spec->obs_dim), goal = first_unusable(r->goal, spec->goal_dim);
  if (obs >= 0)
    snprintf(text, sizeof text, "entry %d of the observation (%.80s) is %g, which is no finite number", obs,
             spec->obs[obs].name, r->obs[obs]);
  else if (goal >= 0)
    snprintf(text, sizeof text, "entry %d of the goal (%.80s) is %g, which is no finite number", goal,
             spec->goal[goal].name, r->goal[goal]);
  else if (!isfinite(r->reward) || !isfinite(r->distance))
    snprintf(text, sizeof text, "the %s is %g, which is no finite number",
             isfinite(r->distance) ? "reward" : "distance", isfinite(r->distance) ? r->reward : r->distance);
  else
    return true;
  fail(env, where, text);
  return false;
}

/* ---- resets ---------------------------------------------------------------------------------------------------- */

/* The task as it stands in its list, which single precision may have rounded on its way here. */
static const double *task_of(const ml3_env *env) {
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  foreign_instance *d = env->data;
  const int n = env->spec->task_dim;
  memcpy(d->task, env->task, (size_t)n * sizeof *d->task);
  for (int k = 0; k < FOREIGN_SPLITS; k++)
    for (int i = 0; own->tasks[k] && i < own->task_counts[k]; i++) {
      const double *listed = own->tasks[k] + (size_t)i * (size_t)n;
      int same = 0;
      while (same < n && (float)listed[same] == (float)env->task[same]) same++;
      if (same == n) return memcpy(d->task, listed, (size_t)n * sizeof *d->task);
    }
  return d->task;
}

/* What was begun elsewhere ends before anything else is asked of the instance. */
static void finish(ml3_env *env) {
  foreign_instance *d = env->data;
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  const foreign_begun begun = d->begun;
  d->begun = FOREIGN_IDLE;
  if (begun == FOREIGN_RESETS) own->reset(own->user, &d->record, d->task, d->seed);
  if (begun == FOREIGN_STEPS) own->step(own->user, &d->record, d->action);
}

static void start_record(ml3_foreign_record *r) {
  r->reward = r->distance = 0;
  r->terminated = r->truncated = r->success = 0;
  r->error[0] = '\0';
}

static bool make_step(ml3_env *env) {
  foreign_instance *d = env->data;
  ml3_foreign *f = foreign_of(env->spec);
  if (d->begun == FOREIGN_IDLE) start_record(&d->record);
  d->begun = FOREIGN_IDLE;
  if (f->own.step(f->own.user, &d->record, d->action) == 0) return is_whole(env, "step");
  d->record.error[sizeof d->record.error - 1] = '\0';
  fail(env, "step", d->record.error);
  return false;
}

/* The reset that was asked for, if it has not been made; and the steps that a full state has. */
static bool begin(ml3_env *env) {
  foreign_instance *d = env->data;
  ml3_foreign *f = foreign_of(env->spec);
  const size_t n = (size_t)env->spec->action_dim;
  if (!d->pending) return true;
  if (failed(env->spec, NULL) != ML3_OK) return false;
  d->pending = false;
  count(&f->counts.resets, f, 1);
  if (d->begun == FOREIGN_IDLE) start_record(&d->record);
  d->begun = FOREIGN_IDLE;
  if (f->own.reset(f->own.user, &d->record, task_of(env), d->seed) != 0) {
    d->record.error[sizeof d->record.error - 1] = '\0';
    fail(env, "reset", d->record.error);
    return false;
  }
  bool whole = is_whole(env, "reset");
  for (int i = 0; i < d->replay && whole; i++) {
    memcpy(d->action, d->made + (size_t)i * n, n * sizeof *d->action);
    whole = make_step(env);
  }
  d->made_count = d->replay;
  d->replay = 0;
  return whole;
}

/* The instance of an environment that may be read: a reset that is due is made, whoever asks. */
static foreign_instance *ready(const ml3_env *env) {
  begin((ml3_env *)env);
  return env->data;
}

static void mark(ml3_env *env, uint64_t seed) {
  foreign_instance *d = env->data;
  finish(env);
  d->seed = seed;
  d->pending = true;
  d->made_count = d->replay = 0;
}

static void reset(ml3_env *env, ml3_random *random) {
  mark(env, ml3_random_bits(random) >> 1);
}

/* A task that changes by itself needs a reset, from the same seed; ml3_env_reset marks after this. */
static void change_task(ml3_env *env) {
  mark(env, ((foreign_instance *)env->data)->seed);
}

/* ---- stepping -------------------------------------------------------------------------------------------------- */

static void put_action(const ml3_env *env, const double *action) {
  foreign_instance *d = env->data;
  for (int i = 0; i < env->spec->action_dim; i++)
    d->action[i] = fmin(fmax(action[i], env->spec->action[i].low), env->spec->action[i].high);
}

static void send(ml3_env *env, const double *action) {
  foreign_instance *d = env->data;
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  if (d->begun != FOREIGN_IDLE || (d->pending && action) || (!d->pending && !action)) return;
  if (failed(env->spec, NULL) != ML3_OK) return;
  start_record(&d->record);
  if (action) {
    put_action(env, action);
    own->begin_step(own->user, &d->record, d->action);
    d->begun = FOREIGN_STEPS;
  } else {
    own->begin_reset(own->user, &d->record, task_of(env), d->seed);
    d->begun = FOREIGN_RESETS;
  }
}

static void step(ml3_env *env, const double *action, ml3_env_result *result) {
  foreign_instance *d = env->data;
  const size_t n = (size_t)env->spec->action_dim;
  result->code = ML3_ERR_UNAVAILABLE;
  if (!begin(env) || failed(env->spec, NULL) != ML3_OK) return;
  if (d->begun == FOREIGN_IDLE) put_action(env, action);
  if (d->made && d->made_count < env->spec->horizon)
    memcpy(d->made + (size_t)d->made_count++ * n, d->action, n * sizeof *d->action);
  if (!make_step(env)) return;
  *result = (ml3_env_result){
      .reward = d->record.reward, .terminated = d->record.terminated != 0, .truncated = d->record.truncated != 0};
}

static void observe(const ml3_env *env, double *obs) {
  memcpy(obs, ready(env)->record.obs, (size_t)env->spec->obs_dim * sizeof *obs);
}

static void goal_now(const ml3_env *env, double *goal) {
  const foreign_instance *d = ready(env);
  for (int i = 0; i < env->spec->goal_dim; i++) goal[i] = d->record.goal[i];
}

static double distance(const ml3_env *env) {
  return ready(env)->record.distance;
}

static bool success(const ml3_env *env) {
  return ready(env)->record.success != 0;
}

static int draw(ml3_env *env, const unsigned char **rgb, int *width, int *height, ml3_error *error) {
  foreign_instance *d = ready(env);
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  if (failed(env->spec, error) == ML3_OK && own->draw(own->user, &d->record, rgb, width, height) != 0)
    fail(env, "render", d->record.error);
  return failed(env->spec, error);
}

/* ---- states ---------------------------------------------------------------------------------------------------- */

static void get_state(const ml3_env *env, double *state) {
  foreign_instance *d = ready(env);
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  memset(state, 0, (size_t)env->spec->state_dim * sizeof *state);
  if (failed(env->spec, NULL) == ML3_OK && own->get_state(own->user, &d->record, state) != 0)
    fail((ml3_env *)env, "get_state", d->record.error);
}

static void set_state(ml3_env *env, const double *state) {
  foreign_instance *d = ready(env);
  const ml3_foreign_description *own = &foreign_of(env->spec)->own;
  if (failed(env->spec, NULL) != ML3_OK) return;
  start_record(&d->record);
  if (own->set_state(own->user, &d->record, state) != 0)
    fail(env, "set_state", d->record.error);
  else
    is_whole(env, "set_state");
}

/* Without a state: the seed, how many actions were made, and these. */
enum { FULL_SEED, FULL_COUNT, FULL_ACTIONS };

static size_t log_size(const ml3_env *env) {
  return (size_t)env->spec->horizon * (size_t)env->spec->action_dim;
}

static int full_dim(const ml3_env *env) {
  return FULL_ACTIONS + (int)log_size(env);
}

static void get_full(const ml3_env *env, double *full) {
  const foreign_instance *d = env->data;
  const int made = d->pending ? d->replay : d->made_count;
  const size_t known = (size_t)made * (size_t)env->spec->action_dim;
  full[FULL_SEED] = (double)d->seed;
  full[FULL_COUNT] = made;
  memset(full + FULL_ACTIONS, 0, log_size(env) * sizeof *full);
  memcpy(full + FULL_ACTIONS, d->made, known * sizeof *full);
}

static void set_full(ml3_env *env, const double *full) {
  foreign_instance *d = env->data;
  const double most = env->spec->horizon;
  mark(env, (uint64_t)full[FULL_SEED]);
  memcpy(d->made, full + FULL_ACTIONS, log_size(env) * sizeof *full);
  d->replay = full[FULL_COUNT] > most ? env->spec->horizon : (int)full[FULL_COUNT];
}

/* ---- instances ------------------------------------------------------------------------------------------------- */

static void free_room(foreign_instance *d) {
  free(d->record.obs);
  free(d->action);
  free(d->task);
  free(d->made);
  free(d);
}

void ml3_foreign_destroy(ml3_foreign *f, foreign_instance *d) {
  f->own.destroy(f->own.user, &d->record);
  free_room(d);
}

static foreign_instance *make_room(const ml3_env_spec *spec) {
  const bool replays = spec->full_dim != NULL;
  foreign_instance *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->record.obs = calloc((size_t)(spec->obs_dim + spec->goal_dim) + 1, sizeof *d->record.obs);
  d->action = calloc((size_t)spec->action_dim + 1, sizeof *d->action);
  d->task = calloc((size_t)spec->task_dim + 1, sizeof *d->task);
  d->made = replays ? calloc((size_t)spec->horizon * (size_t)spec->action_dim + 1, sizeof *d->made) : NULL;
  if (d->record.obs && d->action && d->task && (d->made || !replays)) {
    d->record.goal = spec->goal_dim ? d->record.obs + spec->obs_dim : NULL;
    return d;
  }
  free_room(d);
  return NULL;
}

/* One from the pool, or NULL. Where no instance is left, what failed before is over. */
static foreign_instance *take(ml3_foreign *f) {
  foreign_instance *old = NULL;
  pthread_mutex_lock(&f->lock);
  if (f->counts.in_use == 0 && f->failure.code != ML3_OK) {
    f->failure = (ml3_error){0};
    old = f->pool, f->pool = NULL; /* who knows whether these are well */
  }
  foreign_instance *d = f->pool;
  if (d) f->pool = d->next, f->counts.in_use++;
  pthread_mutex_unlock(&f->lock);
  for (foreign_instance *next; old; old = next) {
    next = old->next;
    ml3_foreign_destroy(f, old);
  }
  return d;
}

static int create(ml3_env *env, ml3_error *error) {
  ml3_foreign *f = foreign_of(env->spec);
  foreign_instance *d = take(f);
  env->data = d;
  if (d) return ML3_OK;
  if (!(d = make_room(env->spec))) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an instance");
  if (f->own.create(f->own.user, &d->record) != 0) {
    d->record.error[sizeof d->record.error - 1] = '\0';
    ml3_error_set(error, ML3_ERR_UNAVAILABLE, "it cannot be made: %s",
                  *d->record.error ? d->record.error : "it does not say why");
    free_room(d);
    return ML3_ERR_UNAVAILABLE;
  }
  pthread_mutex_lock(&f->lock);
  f->counts.created++;
  f->counts.in_use++;
  pthread_mutex_unlock(&f->lock);
  env->data = d;
  return ML3_OK;
}

/* Back into the pool, unless something failed: then who knows what state it is in. */
static void destroy(ml3_env *env) {
  ml3_foreign *f = foreign_of(env->spec);
  foreign_instance *d = env->data;
  finish(env);
  pthread_mutex_lock(&f->lock);
  f->counts.in_use--;
  const bool good = f->failure.code == ML3_OK;
  if (good) d->next = f->pool, f->pool = d;
  pthread_mutex_unlock(&f->lock);
  if (!good) ml3_foreign_destroy(f, d);
}

void ml3_foreign_put_functions(ml3_env_spec *spec, const ml3_foreign_description *own) {
  const bool has_state = own->state_dim > 0;
  spec->create = create;
  spec->destroy = destroy;
  spec->change_task = change_task;
  spec->reset = reset;
  spec->step = step;
  spec->send = own->begin_step && own->begin_reset ? send : NULL;
  spec->failed = failed;
  spec->draw = own->draw ? draw : NULL;
  spec->observe = observe;
  spec->goal_now = goal_now;
  spec->distance = distance;
  spec->success = success;
  spec->get_state = has_state ? get_state : observe;
  spec->set_state = has_state ? set_state : NULL;
  spec->full_dim = has_state ? NULL : full_dim;
  spec->get_full = has_state ? NULL : get_full;
  spec->set_full = has_state ? NULL : set_full;
}
