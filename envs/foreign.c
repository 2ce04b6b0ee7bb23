/* Descriptions of environments of others: checked, copied, found by name. See foreign.h. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/foreign_internal.h"

/* ---- checking -------------------------------------------------------------------------------------------------- */

static int wrong(const ml3_foreign_description *d, ml3_error *error, const char *what) {
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%.100s': %s", d->name, what);
}

static int check_actions(const ml3_foreign_description *d, ml3_error *error) {
  if (d->choices < 0 || (d->choices && d->action_dim != 1))
    return wrong(d, error, "discrete actions are one entry with at least 1 choice");
  for (int i = 0; i < d->action_dim && d->action && !d->choices; i++)
    if (!isfinite(d->action[i].low) || !isfinite(d->action[i].high) || d->action[i].low >= d->action[i].high)
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "environment '%.100s': action %d (%.60s) is in [%g, %g]; finite bounds are needed, the lower "
          "one first (Gymnasium: wrap it in RescaleAction or ClipAction)",
          d->name, i, d->action[i].name, d->action[i].low, d->action[i].high);
  return ML3_OK;
}

static int check_lists(const ml3_foreign_description *d, ml3_error *error) {
  static const char *const names[] = {"train", "validation", "test", "ood"};
  for (int k = 0; k < FOREIGN_SPLITS; k++) {
    if (!d->tasks[k]) continue;
    if (d->task_counts[k] < 1 || d->task_dim < 1 || !d->tasks[0])
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%.100s': the list of %s tasks %s", d->name, names[k],
                           d->task_counts[k] < 1 ? "is empty"
                           : d->task_dim < 1     ? "has tasks of no parameter; task_dim is 0"
                                                 : "is there, and none of training tasks");
    const int bad = d->task_counts[k] * d->task_dim;
    for (int i = 0; i < bad; i++)
      if (!isfinite(d->tasks[k][i]))
        return ml3_error_set(error, ML3_ERR_ARGUMENT,
                             "environment '%.100s': %s task %d: parameter %d is %g; a finite number is needed", d->name,
                             names[k], i / d->task_dim, i % d->task_dim, d->tasks[k][i]);
  }
  return ML3_OK;
}

static int check(const ml3_foreign_description *d, ml3_error *error) {
  if (!d->name || !*d->name) return ml3_error_set(error, ML3_ERR_ARGUMENT, "an environment of callbacks needs a name");
  if (!d->create || !d->destroy || !d->reset || !d->step)
    return wrong(d, error, "the callbacks create, destroy, reset and step are needed");
  if ((d->state_dim > 0) != (d->get_state != NULL) || (d->state_dim > 0) != (d->set_state != NULL))
    return wrong(d, error, "get_state, set_state and state_dim go together");
  if (d->horizon < 1) return wrong(d, error, "horizon: at least 1 step is needed");
  if (d->obs_dim < 1 || d->action_dim < 1 || d->goal_dim < 0 || d->task_dim < 0 || d->state_dim < 0)
    return wrong(d, error, "observations and actions need at least one entry");
  const int code = check_actions(d, error);
  return code == ML3_OK ? check_lists(d, error) : code;
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

/* Memory that goes with the description; NULL without. */
static void *own(ml3_foreign *f, void *memory) {
  void **grown = memory ? realloc(f->owned, ((size_t)f->owned_count + 1) * sizeof *grown) : NULL;
  if (!grown) return free(memory), NULL;
  f->owned = grown;
  return f->owned[f->owned_count++] = memory;
}

static char *copy_text(ml3_foreign *f, const char *text, const char *stem, int i) {
  char name[64];
  snprintf(name, sizeof name, "%s_%d", stem, i);
  return own(f, strdup(text && *text ? text : name));
}

/* fields[n], from the caller's or, where they are NULL, by number. */
static const ml3_env_field *copy_fields(ml3_foreign *f, const ml3_env_field *from, int n, const char *stem,
                                        double bound) {
  ml3_env_field *to = own(f, calloc((size_t)n + 1, sizeof *to));
  for (int i = 0; i < n && to; i++) {
    to[i] = from ? from[i] : (ml3_env_field){.low = -bound, .high = bound};
    to[i].name = copy_text(f, from ? from[i].name : NULL, stem, i);
    to[i].unit = own(f, strdup(from && from[i].unit ? from[i].unit : "1"));
    if (!to[i].name || !to[i].unit) return NULL;
  }
  return to;
}

/* Where tasks are lists, the ranges are those of the training tasks' entries. */
static void widen(const ml3_foreign_description *d, ml3_env_parameter *p, int i) {
  for (int k = 0; k < d->task_counts[0] && d->tasks[0]; k++) {
    const double x = d->tasks[0][k * d->task_dim + i];
    if (k == 0) p->value = p->low = p->high = x;
    p->low = fmin(p->low, x);
    p->high = fmax(p->high, x);
  }
}

static const ml3_env_parameter *copy_parameters(ml3_foreign *f, const ml3_foreign_description *d) {
  ml3_env_parameter *to = own(f, calloc((size_t)d->task_dim + 1, sizeof *to));
  for (int i = 0; i < d->task_dim && to; i++) {
    if (d->task) to[i] = d->task[i];
    to[i].name = copy_text(f, d->task ? d->task[i].name : NULL, "task", i);
    to[i].unit = own(f, strdup(d->task && d->task[i].unit ? d->task[i].unit : "1"));
    widen(d, &to[i], i);
    if (!to[i].name || !to[i].unit) return NULL;
  }
  return to;
}

static bool copy_lists(ml3_foreign *f, const ml3_foreign_description *d) {
  for (int k = 0; k < FOREIGN_SPLITS; k++) {
    const size_t numbers = (size_t)d->task_counts[k] * (size_t)d->task_dim;
    if (!d->tasks[k]) continue;
    double *copy = own(f, malloc(numbers * sizeof *copy));
    if (!copy) return false;
    memcpy(copy, d->tasks[k], numbers * sizeof *copy);
    f->own.tasks[k] = copy;
  }
  return true;
}

/* One of the list of the split; of the training tasks where it has none. */
static void draw_task(const ml3_env_spec *spec, ml3_random *random, double *task) {
  const ml3_foreign_description *d = &((const ml3_foreign *)spec->own)->own;
  const int k = d->tasks[spec->split] ? spec->split : 0;
  const size_t n = (size_t)d->task_dim, at = ml3_random_below(random, (uint32_t)d->task_counts[k]);
  memcpy(task, d->tasks[k] + at * n, n * sizeof *task);
}

static bool copy(ml3_foreign *f, const ml3_foreign_description *d) {
  ml3_foreign_description *c = &f->own;
  *c = *d;
  c->name = own(f, strdup(d->name));
  c->summary = own(f, strdup(d->summary ? d->summary : ""));
  c->obs = copy_fields(f, d->obs, d->obs_dim, "obs", INFINITY);
  c->action = copy_fields(f, d->action, d->action_dim, "action", 1);
  c->goal = copy_fields(f, d->goal, d->goal_dim, "goal", INFINITY);
  c->state = d->state_dim ? copy_fields(f, d->state, d->state_dim, "state", INFINITY) : c->obs;
  c->task = copy_parameters(f, d);
  if (d->choices && c->action) {
    ml3_env_field *choice = (ml3_env_field *)c->action;
    choice->low = 0, choice->high = d->choices - 1;
  }
  return c->name && c->summary && c->obs && c->action && c->goal && c->state && c->task && copy_lists(f, d);
}

static void fill_spec(ml3_foreign *f, int split) {
  const ml3_foreign_description *d = &f->own;
  ml3_env_spec *spec = &f->specs[split];
  *spec = (ml3_env_spec){.name = d->name,
                         .summary = d->summary,
                         .dt_s = d->dt_s > 0 ? d->dt_s : 1,
                         .horizon = d->horizon,
                         .state_dim = d->state_dim ? d->state_dim : d->obs_dim,
                         .obs_dim = d->obs_dim,
                         .action_dim = d->action_dim,
                         .goal_dim = d->goal_dim,
                         .task_dim = d->task_dim,
                         .choices = d->choices,
                         .state = d->state,
                         .obs = d->obs,
                         .action = d->action,
                         .goal = d->goal,
                         .task = d->task,
                         .split = split,
                         .splits = d->tasks[0] ? f->specs : NULL,
                         .no_goal = d->no_goal,
                         .threads = d->threads,
                         .draw_task = d->tasks[0] ? draw_task : NULL,
                         .own = f};
  ml3_foreign_put_functions(spec, d);
}

ml3_foreign *ml3_foreign_new(const ml3_foreign_description *d, ml3_error *error) {
  if (check(d, error) != ML3_OK) return NULL;
  ml3_foreign *f = calloc(1, sizeof *f);
  if (f) pthread_mutex_init(&f->lock, NULL);
  if (!f || !copy(f, d)) {
    ml3_foreign_free(f);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for environment '%.100s'", d->name);
    return NULL;
  }
  for (int k = 0; k < FOREIGN_SPLITS; k++) fill_spec(f, k);
  if (ml3_env_check_sizes(&f->specs[0], error) == ML3_OK) return f;
  ml3_foreign_free(f);
  return NULL;
}

const ml3_env_spec *ml3_foreign_spec(const ml3_foreign *f, int split) {
  return split >= 0 && split < FOREIGN_SPLITS ? &f->specs[split] : NULL;
}

ml3_foreign_counts ml3_foreign_count(const ml3_foreign *foreign) {
  ml3_foreign *f = (ml3_foreign *)foreign;
  pthread_mutex_lock(&f->lock);
  const ml3_foreign_counts counts = f->counts;
  pthread_mutex_unlock(&f->lock);
  return counts;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ml3_foreign *registered; /* behind the lock */

const ml3_env_spec *ml3_foreign_find(const char *name) {
  static const char *const endings[] = {"", ":validation", ":test", ":ood"};
  const ml3_env_spec *found = NULL;
  pthread_mutex_lock(&lock);
  for (const ml3_foreign *f = registered; f && !found; f = f->next) {
    const size_t n = strlen(f->own.name);
    if (strncmp(name, f->own.name, n) != 0) continue;
    for (int k = 0; k < FOREIGN_SPLITS; k++)
      if (strcmp(name + n, endings[k]) == 0) found = &f->specs[k];
  }
  pthread_mutex_unlock(&lock);
  return found;
}

void ml3_foreign_put(ml3_foreign *f) {
  pthread_mutex_lock(&lock);
  f->next = registered;
  registered = f;
  pthread_mutex_unlock(&lock);
}

int ml3_foreign_register(ml3_foreign *f, ml3_error *error) {
  if (ml3_env_find(f->own.name, NULL))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is an environment '%.100s' already; choose another name",
                         f->own.name);
  ml3_foreign_put(f);
  return ML3_OK;
}

void ml3_foreign_free(ml3_foreign *f) {
  if (!f) return;
  pthread_mutex_lock(&lock);
  for (ml3_foreign **at = &registered; *at; at = &(*at)->next)
    if (*at == f) {
      *at = f->next;
      break;
    }
  pthread_mutex_unlock(&lock);
  for (foreign_instance *d = f->pool, *next; d; d = next) {
    next = d->next;
    ml3_foreign_destroy(f, d);
  }
  for (int i = 0; i < f->owned_count; i++) free(f->owned[i]);
  free(f->owned);
  pthread_mutex_destroy(&f->lock);
  free(f);
}
