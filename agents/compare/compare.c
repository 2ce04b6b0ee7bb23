/* The comparison itself: tasks over threads, methods in turn on each. See compare.h. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/compare_internal.h"
#include "base/threads.h"

#define AT(field) offsetof(ml3_compare_options, field)
static const ml3_key keys[] = {
    {"test.ilqr_restarts", ML3_KEY_INT, AT(ilqr_restarts), "10", 0, 1000, NULL, NULL,
     "random initial controls of ilqr_restarts, besides zero controls"},
    {"test.reinforce_rate", ML3_KEY_REAL, AT(reinforce_rate), "0.01", 0, 1e3, NULL, NULL,
     "Adam's step size of REINFORCE in comparisons"},
};
#undef AT
const ml3_keys ml3_compare_keys = ML3_KEYS(keys, ml3_compare_options);

/* ---- one task ---------------------------------------------------------------------------------------------------- */

/* A thread's place to work. */
typedef struct workspace {
  const ml3_arena *arena;
  ml3_env *world;
  ml3_episode *episode;
  ml3_real *task, *world_task, *theta_0;                   /* of the arena's problem */
  ml3_real *other_task, *other_world_task, *other_theta_0; /* of a loss's own */
  double *env_task, *world_env_task, *start;
} workspace;

static void free_workspace(workspace *b) {
  ml3_env_free(b->world);
  ml3_episode_free(b->episode);
  free(b->task);
  free(b->env_task);
}

static void largest(const ml3_problem *p, size_t *task, size_t *theta) {
  if (p && (size_t)p->task_size > *task) *task = (size_t)p->task_size;
  if (p && (size_t)p->theta_size > *theta) *theta = (size_t)p->theta_size;
}

static int make_workspace(workspace *b, const ml3_arena *arena, ml3_error *error) {
  size_t task = 1, theta = 1;
  largest(arena->play.problem, &task, &theta);
  for (int i = 0; i < arena->loss_count; i++) largest(arena->losses[i].play.problem, &task, &theta);
  const size_t parameters = (size_t)arena->env->task_dim, n = (size_t)arena->env->state_dim;
  *b = (workspace){.arena = arena, .world = ml3_env_new(arena->env, error)};
  if (b->world) b->episode = ml3_episode_new(arena->env, arena->horizon, error);
  b->task = calloc(4 * task + 2 * theta, sizeof *b->task);
  b->env_task = calloc(2 * parameters + n, sizeof *b->env_task);
  if (!b->episode || !b->task || !b->env_task) {
    free_workspace(b);
    return error && error->code ? error->code : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods");
  }
  b->world_task = b->task + task;
  b->other_task = b->world_task + task;
  b->other_world_task = b->other_task + task;
  b->theta_0 = b->other_world_task + task;
  b->other_theta_0 = b->theta_0 + theta;
  b->world_env_task = b->env_task + parameters;
  b->start = b->world_env_task + parameters;
  return ML3_OK;
}

/* The same task in the world as it is. */
static void disturb_task(const workspace *b, const ml3_playable *play, const ml3_real *task, ml3_real *world_task) {
  memcpy(world_task, task, (size_t)play->problem->task_size * sizeof *task);
  if (b->arena->settings.error_count) play->set_parameters(play->problem, world_task, b->world_env_task);
}

/* The world's parameters: the models' with the errors asked for. */
static void disturb(const workspace *b, int task) {
  const ml3_arena *arena = b->arena;
  const ml3_compare_settings *s = &arena->settings;
  ml3_random random = ml3_random_stream(s->seed, ML3_PURPOSE_BASELINE, (uint32_t)task, 7);
  memcpy(b->world_env_task, b->env_task, (size_t)arena->env->task_dim * sizeof *b->env_task);
  for (int i = 0; i < s->error_count; i++) {
    const double sign = ml3_random_below(&random, 2) ? 1 : -1;
    const int at = ml3_env_task_index(arena->env, s->errors[i].parameter);
    b->world_env_task[at] *= 1 + sign * s->errors[i].relative;
  }
  if (arena->play.problem) disturb_task(b, &arena->play, b->task, b->world_task);
}

/* Draws the task; the stream goes on where the drawing ended. */
static int draw(const workspace *b, int task, ml3_random *random, ml3_error *error) {
  const ml3_arena *arena = b->arena;
  const ml3_problem *p = arena->play.problem;
  *random = ml3_random_stream(arena->settings.seed, ML3_PURPOSE_TEST, (uint32_t)task, 0);
  int code = ML3_OK;
  if (p)
    code = p->sample(p, ML3_SPLIT_TEST, random, b->task, b->theta_0, error);
  else
    ml3_env_sample_split(arena->env, ML3_SPLIT_TEST, random, b->env_task);
  if (code != ML3_OK) return ml3_error_prefix(error, "task %d", task);
  if (!p || !arena->play.get(p, b->task, b->env_task, b->start)) {
    ml3_env_reset(b->world, b->env_task, random);
    if (arena->env->set_state) ml3_env_get_state(b->world, b->start);
  }
  disturb(b, task);
  return ML3_OK;
}

/* The same task of the problem that a loss has of its own. */
static int put_other(const workspace *b, const entry *e, int task, ml3_error *error) {
  ml3_random theta = ml3_random_stream(b->arena->settings.seed, ML3_PURPOSE_TEST, (uint32_t)task, 1);
  const int code = e->play->put(e->play->problem, b->env_task, b->start, b->other_task, error);
  if (code != ML3_OK) return code;
  disturb_task(b, e->play, b->other_task, b->other_world_task);
  ml3_policy_draw(e->play->policy, &theta, b->other_theta_0);
  return ML3_OK;
}

static bool has_own(const workspace *b, const entry *e) {
  return e->play != &b->arena->play;
}

static ml3_trial make_trial(const workspace *b, const entry *e, ml3_random random, ml3_trial_judge *judge) {
  const ml3_problem *p = e->play->problem;
  const bool own = has_own(b, e);
  return (ml3_trial){
      .arena = b->arena,
      .loss = e->loss,
      .play = e->play,
      .shared = e->shared,
      .random = random,
      .task = {.numbers = own ? b->other_task
                          : p ? b->task
                              : NULL,
               .env_task = b->env_task},
      .theta_0 = own ? b->other_theta_0
                 : p ? b->theta_0
                     : NULL,
      .start = b->start,
      .begin = random,
      .world = b->world,
      .world_task = {.numbers = own ? b->other_world_task : b->world_task, .env_task = b->world_env_task},
      .judge = judge};
}

static int run_trial(const entry *e, ml3_trial *t, ml3_error *error) {
  ml3_trial_restart(t);
  ml3_trial_resume(t);
  const int code = e->method->run(e->method, t, error);
  if (code == ML3_OK && t->judge->points->count == 0) return ml3_trial_report_failure(t, 0, error);
  return code;
}

static int run_task(const workspace *b, const lineup *l, ml3_compare *c, int task, ml3_error *error) {
  ml3_random random;
  int code = draw(b, task, &random, error);
  for (int i = 0; i < l->count && code == ML3_OK; i++) {
    const entry *e = &l->entries[i];
    if (has_own(b, e)) code = put_other(b, e, task, error);
    ml3_trial_judge judge = {.points = &c->series[i].trials[task], .episode = b->episode, .label = e->label};
    ml3_trial t = make_trial(b, e, random, &judge);
    if (code == ML3_OK) code = run_trial(e, &t, error);
    if (code != ML3_OK) ml3_error_prefix(error, "%s on task %d", l->entries[i].label, task);
  }
  return code;
}

/* ---- all tasks --------------------------------------------------------------------------------------------------- */

static int last_of(const ml3_arena *arena) {
  return arena->settings.steps[arena->settings.step_count - 1];
}

static ml3_compare *make_compare(const lineup *l, const ml3_arena *arena, ml3_error *error) {
  const int tasks = arena->settings.tasks;
  ml3_compare *c = calloc(1, sizeof *c);
  if (c) c->series = calloc((size_t)l->count + 1, sizeof *c->series);
  bool enough = c && c->series;
  for (int i = 0; i < l->count && enough; i++) {
    ml3_compare_series *s = &c->series[i];
    memcpy(s->label, l->entries[i].label, sizeof s->label);
    s->method = l->entries[i].method->name;
    s->by_updates = l->entries[i].method->by_updates;
    const ml3_method *method = l->entries[i].method;
    s->most_updates = method->updates ? method->updates(method, arena) : last_of(arena);
    s->once_steps = l->entries[i].once_steps;
    s->trials = calloc((size_t)tasks, sizeof *s->trials);
    enough = s->trials != NULL;
    c->count = i + 1;
  }
  if (enough) {
    c->tasks = tasks;
    memcpy(c->notes, l->notes, sizeof c->notes);
    return c;
  }
  ml3_compare_free(c);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods on %d tasks", tasks);
  return NULL;
}

void ml3_compare_free(ml3_compare *c) {
  if (!c) return;
  for (int i = 0; i < c->count; i++) {
    for (int j = 0; j < c->tasks && c->series[i].trials; j++) free(c->series[i].trials[j].points);
    free(c->series[i].trials);
  }
  free(c->series);
  free(c);
}

static int run_tasks(const ml3_arena *arena, const lineup *l, ml3_compare *c,
                     int (*progress)(void *user, int done, int total), void *user, ml3_error *error) {
  const int threads = ml3_threads(ml3_env_threads(arena->env, arena->settings.threads));
  int code = ML3_OK, done = 0;
#pragma omp parallel num_threads(threads)
  {
    workspace b;
    ml3_error local = {0};
    int mine = make_workspace(&b, arena, &local);
    const bool made = mine == ML3_OK;
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < arena->settings.tasks; i++) {
      bool go_on;
#pragma omp critical(compare)
      go_on = code == ML3_OK;
      if (mine == ML3_OK && go_on) mine = run_task(&b, l, c, i, &local);
#pragma omp critical(compare)
      {
        if (mine != ML3_OK && code == ML3_OK) {
          code = mine;
          if (error) *error = local;
        }
        done++;
        if (progress && code == ML3_OK && progress(user, done, arena->settings.tasks))
          code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "the comparison was interrupted");
      }
    }
    if (made) free_workspace(&b);
  }
  return code;
}

ml3_compare *ml3_compare_run(const ml3_arena *arena, const char *const *methods, int method_count,
                             int (*progress)(void *user, int done, int total), void *user, ml3_error *error) {
  lineup l = {0};
  int code = ml3_compare_check(arena, methods, method_count, error);
  if (code == ML3_OK) code = ml3_compare_line_up(&l, arena, methods, method_count, error);
  ml3_compare *c = code == ML3_OK ? make_compare(&l, arena, error) : NULL;
  if (c) code = run_tasks(arena, &l, c, progress, user, error);
  ml3_compare_release(&l);
  if (c && code == ML3_OK) return c;
  ml3_compare_free(c);
  return NULL;
}

int ml3_compare_append(ml3_compare *c, ml3_compare *more, ml3_error *error) {
  int code = c->count == more->count ? ML3_OK : ML3_ERR_ARGUMENT;
  if (code != ML3_OK)
    ml3_error_set(error, code, "comparisons of %d and of %d methods cannot be put together", c->count, more->count);
  for (int i = 0; i < c->count && code == ML3_OK; i++) {
    const size_t had = (size_t)c->tasks, has = (size_t)more->tasks;
    ml3_compare_points *grown = realloc(c->series[i].trials, (had + has) * sizeof *grown);
    if (!grown) {
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to put comparisons together");
      break;
    }
    memcpy(grown + had, more->series[i].trials, has * sizeof *grown);
    memset(more->series[i].trials, 0, has * sizeof *grown);
    c->series[i].trials = grown;
  }
  if (code == ML3_OK) c->tasks += more->tasks;
  ml3_compare_free(more);
  return code;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

const ml3_compare_point *ml3_compare_at(const ml3_compare_points *trial, int updates) {
  if (updates < 0) return trial->count ? &trial->points[trial->count - 1] : NULL;
  const ml3_compare_point *found = NULL;
  for (int i = 0; i < trial->count; i++)
    if (trial->points[i].updates <= updates) found = &trial->points[i];
  return found;
}

const ml3_compare_point *ml3_compare_within(const ml3_compare_points *trial, double env_steps) {
  const ml3_compare_point *found = NULL;
  for (int i = 0; i < trial->count; i++)
    if (trial->points[i].env_steps <= env_steps) found = &trial->points[i];
  return found;
}

/* ---- episodes for viewing ----------------------------------------------------------------------------------------- */

int ml3_compare_rollouts(const ml3_arena *arena, const char *const *methods, int method_count, int task, bool last_only,
                         ml3_episode **episodes, int capacity, ml3_error *error) {
  lineup l = {0};
  workspace b;
  int count = 0, code = ml3_compare_check(arena, methods, method_count, error);
  for (int i = 0; i < capacity; i++) episodes[i] = NULL;
  if (code == ML3_OK) code = ml3_compare_line_up(&l, arena, methods, method_count, error);
  if (code == ML3_OK && (code = make_workspace(&b, arena, error)) == ML3_OK) {
    ml3_random random;
    code = draw(&b, task, &random, error);
    for (int i = 0; i < l.count && code == ML3_OK; i++) {
      ml3_compare_points points = {0};
      if (has_own(&b, &l.entries[i])) code = put_other(&b, &l.entries[i], task, error);
      ml3_trial_judge judge = {.points = &points,
                               .episode = b.episode,
                               .kept = episodes,
                               .kept_count = &count,
                               .kept_capacity = capacity,
                               .last_only = last_only,
                               .label = l.entries[i].label};
      ml3_trial t = make_trial(&b, &l.entries[i], random, &judge);
      if (code == ML3_OK) code = run_trial(&l.entries[i], &t, error);
      free(points.points);
    }
    free_workspace(&b);
  }
  ml3_compare_release(&l);
  if (code == ML3_OK) return count;
  for (int i = 0; i < capacity; i++) {
    ml3_episode_free(episodes[i]);
    episodes[i] = NULL;
  }
  return code;
}
