/* Methods side by side: see compare.h. */
#define _POSIX_C_SOURCE 200809L
#include "agents/compare.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agents/ilqr.h"

enum { RATE_TASKS = 16 };

/* A thread's place to work, and one held-out task. */
typedef struct bench {
  const ml3_meta *meta;
  const ml3_problem *problem;
  ml3_meta_work *work, *loss_works[ML3_COMPARE_MAX_LOSSES];
  ml3_real *task, *theta_0, *theta, *gradient;
} bench;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void drop_bench(bench *b) {
  ml3_meta_work_free(b->work);
  for (int l = 0; l < ML3_COMPARE_MAX_LOSSES; l++) ml3_meta_work_free(b->loss_works[l]);
  free(b->task);
}

static int make_bench(bench *b, const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                      ml3_error *error) {
  const ml3_problem *p = ml3_meta_problem(meta);
  size_t task = (size_t)p->task_size, theta = (size_t)p->theta_size;
  *b = (bench){.meta = meta, .problem = p, .work = ml3_meta_work_new(meta, error)};
  if (!b->work) return error ? error->code : ML3_ERR_MEMORY;
  for (int l = 0; l < loss_count; l++)
    if (!(b->loss_works[l] = ml3_meta_work_new(losses[l].meta ? losses[l].meta : meta, error))) {
      drop_bench(b);
      return error ? error->code : ML3_ERR_MEMORY;
    }
  b->task = calloc(task + 3 * theta, sizeof *b->task);
  if (!b->task) {
    drop_bench(b);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods");
  }
  b->theta_0 = b->task + task;
  b->theta = b->theta_0 + theta;
  b->gradient = b->theta + theta;
  return ML3_OK;
}

static ml3_random draw_task(bench *b, uint64_t seed, ml3_purpose purpose, int task) {
  ml3_random random = ml3_random_stream(seed, purpose, (uint32_t)task, 0);
  ml3_split split = purpose == ML3_PURPOSE_TEST ? ML3_SPLIT_TEST : ML3_SPLIT_VALIDATION;
  b->problem->sample(b->problem, split, &random, b->task, b->theta_0);
  return random;
}

/* The initial optimizee, or where loss number l says to start; l < 0: no loss. */
static void start_over(bench *b, const ml3_compare_loss *losses, int l) {
  memcpy(b->theta, b->theta_0, (size_t)b->problem->theta_size * sizeof *b->theta);
  if (l >= 0) ml3_meta_begin(b->loss_works[l], losses[l].loss, b->theta);
}

/* Model steps of one update: a rollout from every start. */
static double rollout_steps(const bench *b) {
  const ml3_model_based_settings *s = ml3_model_based_settings_of(b->problem);
  return (double)s->horizon * s->starts;
}

/* theta descends loss number l, or for l < 0 the task loss at that rate. A step that is not finite is not taken. */
static int update(bench *b, const ml3_compare_loss *losses, int l, double rate, ml3_random *random) {
  if (l >= 0) return ml3_meta_adapt(b->loss_works[l], losses[l].loss, b->task, b->theta, random, NULL, NULL);
  int code = ml3_meta_task_gradient(b->work, b->task, b->theta, random, NULL, b->gradient, NULL);
  for (int i = 0; i < b->problem->theta_size && code == ML3_OK; i++) b->theta[i] -= (ml3_real)rate * b->gradient[i];
  return code;
}

/* ---- the task gradient's step size ----------------------------------------------------------------- */

static double mean_task_loss(bench *b, const ml3_compare_settings *s, double rate) {
  double sum = 0, value;
  for (int i = 0; i < RATE_TASKS; i++) {
    ml3_random random = draw_task(b, s->seed, ML3_PURPOSE_VALIDATION, i);
    start_over(b, NULL, -1);
    for (int k = 0; k < s->steps[s->step_count - 1]; k++)
      if (update(b, NULL, -1, rate, &random) != ML3_OK) return INFINITY;
    if (ml3_meta_task_gradient(b->work, b->task, b->theta, &random, &value, NULL, NULL) != ML3_OK) return INFINITY;
    sum += value / RATE_TASKS;
  }
  return sum;
}

int ml3_compare_task_rate(const ml3_meta *meta, const ml3_compare_settings *settings, double *rate,
                          ml3_error *error) {
  bench b;
  int code = make_bench(&b, meta, NULL, 0, error);
  if (code != ML3_OK) return code;
  double best = INFINITY;
  *rate = 1e-5;
  for (int half = -10; half <= 2; half++) {
    double candidate = pow(10, half / 2.0), loss = mean_task_loss(&b, settings, candidate);
    if (loss < best) best = loss, *rate = candidate;
  }
  drop_bench(&b);
  return ML3_OK;
}

/* ---- iLQR ------------------------------------------------------------------------------------------ */

typedef struct plan {
  const double *actions;
  int dim;
} plan;

static void play_plan(void *user, int step, const double *obs, const double *state, double *action) {
  const plan *p = user;
  (void)obs, (void)state;
  memcpy(action, p->actions + step * p->dim, (size_t)p->dim * sizeof *action);
}

/* Random controls within the bounds, or zeros. */
static void first_controls(const ml3_env_spec *spec, int horizon, ml3_random *random, bool zeros, double *actions) {
  for (int t = 0; t < horizon; t++)
    for (int i = 0; i < spec->action_dim; i++) {
      const ml3_env_field *f = &spec->action[i];
      actions[t * spec->action_dim + i] = zeros ? fmin(fmax(0, f->low), f->high) : ml3_random_uniform(random, f->low, f->high);
    }
}

/* Puts env at start 0 of the task. */
static void to_start(const ml3_problem *problem, const ml3_real *task, ml3_env *env) {
  double env_task[ML3_STATE_MAX], state[ML3_STATE_MAX];
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_model_based_start(problem, task, 0, env_task, state);
  ml3_env_reset(env, env_task, &none);
  ml3_env_set_state(env, state);
}

typedef struct search {
  const ml3_problem *problem;
  const ml3_real *task;
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr *ilqr;
  ml3_episode *best, *other; /* the better of what was found; room for the next */
  double best_loss;
} search;

/* Solves from these controls and keeps the rollout when it is the best so far. */
static long try_controls(search *s, int horizon, double *actions) {
  ml3_ilqr_report report = {0};
  ml3_outcome outcome;
  double state[ML3_STATE_MAX];
  to_start(s->problem, s->task, s->env);
  ml3_env_get_state(s->env, state);
  if (ml3_ilqr_solve(s->ilqr, state, 0, actions, &report, NULL) != ML3_OK) return report.model_steps;

  plan p = {actions, s->env->spec->action_dim};
  to_start(s->problem, s->task, s->env);
  ml3_episode_record(s->other, s->env, horizon, false, play_plan, &p);
  ml3_model_based_judge(s->problem, s->task, s->other, &outcome);
  if (outcome.task_loss < s->best_loss) {
    ml3_episode *swap = s->best;
    s->best = s->other;
    s->other = swap;
    s->best_loss = outcome.task_loss;
  }
  return report.model_steps;
}

ml3_episode *ml3_compare_ilqr(const ml3_problem *problem, const ml3_real *task, int restarts, ml3_random *random,
                              double *env_steps, ml3_error *error) {
  const ml3_model_based_settings *m = ml3_model_based_settings_of(problem);
  const int n = m->env->state_dim, horizon = m->horizon;
  double goal[ML3_STATE_MAX], weights[ML3_STATE_MAX];
  for (int i = 0; i < n; i++) weights[i] = 1;
  for (int i = 0; i < n; i++) goal[i] = task[m->starts * n + i];
  const ml3_ilqr_goal_cost cost = {.state_dim = n,
                                   .action_dim = m->env->action_dim,
                                   .goal = goal,
                                   .weights = weights,
                                   .state_weight = m->cost == ML3_COST_FINAL ? 0 : 1,
                                   .action_weight = 1e-3,
                                   .final_weight = 100};
  const ml3_ilqr_settings settings = ml3_ilqr_defaults(horizon);
  const ml3_ilqr_cost goal_cost = ml3_ilqr_goal(&cost);
  search s = {.problem = problem,
              .task = task,
              .env = ml3_env_new(m->env, error),
              .best = ml3_episode_new(m->env, horizon, error),
              .other = ml3_episode_new(m->env, horizon, error),
              .best_loss = INFINITY};
  double *actions = calloc((size_t)horizon * (size_t)m->env->action_dim, sizeof *actions);
  long steps = 0;
  if (s.env) {
    to_start(problem, task, s.env);
    s.model = ml3_model_of_env(s.env, error);
  }
  if (s.model) s.ilqr = ml3_ilqr_new(s.model, &goal_cost, &settings, error);
  if (s.env && s.ilqr && s.best && s.other && actions)
    for (int i = 0; i <= restarts; i++) {
      first_controls(m->env, horizon, random, i == 0, actions);
      steps += try_controls(&s, horizon, actions);
    }
  if (env_steps) *env_steps = (double)steps;
  if (!isfinite(s.best_loss)) {
    ml3_episode_free(s.best);
    s.best = NULL;
    ml3_error_set(error, ML3_ERR_NUMERIC, "iLQR found no finite solution for this task");
  } else {
    snprintf(s.best->label, sizeof s.best->label, restarts ? "iLQR, %d restarts" : "iLQR", restarts);
  }
  ml3_episode_free(s.other);
  ml3_ilqr_free(s.ilqr);
  ml3_model_free(s.model);
  ml3_env_free(s.env);
  free(actions);
  return s.best;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static bool add_row(ml3_compare *c, const char *method, int updates) {
  ml3_compare_row *r = &c->rows[c->count++];
  snprintf(r->method, sizeof r->method, "%s", method);
  r->updates = updates;
  r->outcome = calloc((size_t)c->tasks, sizeof *r->outcome);
  r->seconds = calloc((size_t)c->tasks, sizeof *r->seconds);
  return r->outcome && r->seconds;
}

static ml3_compare *make_rows(const ml3_compare_loss *losses, int loss_count, const ml3_compare_settings *s) {
  ml3_compare *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->tasks = s->tasks;
  c->rows = calloc((size_t)((loss_count + 1) * s->step_count + 3), sizeof *c->rows);
  bool enough = c->rows && add_row(c, "untrained", 0);
  for (int l = 0; l <= loss_count && enough; l++)
    for (int i = 0; i < s->step_count && enough; i++)
      enough = add_row(c, l < loss_count ? losses[l].label : "task gradient", s->steps[i]);
  if (s->ilqr && enough) enough = add_row(c, "iLQR", -1);
  if (s->ilqr && s->ilqr_restarts > 0 && enough) {
    char name[64];
    snprintf(name, sizeof name, "iLQR, %d restarts", s->ilqr_restarts);
    enough = add_row(c, name, -1);
  }
  if (enough) return c;
  ml3_compare_free(c);
  return NULL;
}

void ml3_compare_free(ml3_compare *c) {
  if (!c) return;
  for (int i = 0; i < c->count && c->rows; i++) {
    free(c->rows[i].outcome);
    free(c->rows[i].seconds);
  }
  free(c->rows);
  free(c);
}

/* One method's updates on one task, recorded at each number of steps asked for; returns the next row. */
static ml3_compare_row *run_updates(bench *b, const ml3_compare_loss *losses, int l, double rate, const ml3_compare_settings *s,
                                    ml3_random random, int task, ml3_compare_row *row) {
  double seconds = 0;
  int done = 0, code = ML3_OK;
  start_over(b, losses, l);
  for (int i = 0; i < s->step_count; i++, row++) {
    double begin = now_s();
    for (; done < s->steps[i]; done++)
      if (code == ML3_OK) code = update(b, losses, l, rate, &random);
    seconds += now_s() - begin;
    b->problem->evaluate(b->problem, b->task, b->theta, &row->outcome[task], NULL);
    row->outcome[task].env_steps = done * rollout_steps(b);
    row->seconds[task] = seconds;
  }
  return row;
}

static void run_ilqr(bench *b, int restarts, ml3_random random, int task, ml3_compare_row *row) {
  double env_steps = 0, begin = now_s();
  ml3_episode *e = ml3_compare_ilqr(b->problem, b->task, restarts, &random, &env_steps, NULL);
  row->seconds[task] = now_s() - begin;
  if (e)
    ml3_model_based_judge(b->problem, b->task, e, &row->outcome[task]);
  else
    row->outcome[task] = (ml3_outcome){.task_loss = NAN, .episode_return = NAN, .distance = NAN};
  row->outcome[task].env_steps = env_steps;
  ml3_episode_free(e);
}

static void run_task(bench *b, const ml3_compare_loss *losses, int loss_count, const ml3_compare_settings *s,
                     ml3_compare *c, int task) {
  ml3_random random = draw_task(b, s->seed, ML3_PURPOSE_TEST, task);
  ml3_compare_row *row = c->rows;
  b->problem->evaluate(b->problem, b->task, b->theta_0, &row->outcome[task], NULL);
  row->outcome[task].env_steps = 0;
  row++;
  for (int l = 0; l < loss_count; l++) row = run_updates(b, losses, l, 0, s, random, task, row);
  row = run_updates(b, NULL, -1, c->task_rate, s, random, task, row);
  if (s->ilqr) run_ilqr(b, 0, random, task, row++);
  if (s->ilqr && s->ilqr_restarts > 0) run_ilqr(b, s->ilqr_restarts, random, task, row);
}

static int check(const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                 const ml3_compare_settings *s, ml3_error *error) {
  if (s->tasks < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.tasks is %d; at least 1 is needed", s->tasks);
  if (s->step_count < 1 || s->step_count > ML3_COMPARE_MAX_STEPS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.steps has %d entries; 1 to %d are possible", s->step_count,
                         ML3_COMPARE_MAX_STEPS);
  for (int i = 0; i < s->step_count; i++)
    if (s->steps[i] < 1 || (i && s->steps[i] <= s->steps[i - 1]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.steps must be positive and rising; entry %d is %d", i + 1,
                           s->steps[i]);
  if (loss_count > ML3_COMPARE_MAX_LOSSES)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d losses to compare; at most %d are possible", loss_count,
                         ML3_COMPARE_MAX_LOSSES);
  for (int l = 0; l < loss_count; l++)
    if (ml3_meta_fits(losses[l].meta ? losses[l].meta : meta, losses[l].loss, error) != ML3_OK)
      return ml3_error_prefix(error, "%s", losses[l].label);
  return ML3_OK;
}

ml3_compare *ml3_compare_run(const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                             const ml3_compare_settings *s, int (*progress)(void *user, int done, int total),
                             void *user, ml3_error *error) {
  if (check(meta, losses, loss_count, s, error) != ML3_OK) return NULL;
  ml3_compare *c = make_rows(losses, loss_count, s);
  if (!c) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods on %d tasks", s->tasks);
    return NULL;
  }
  int code = ml3_compare_task_rate(meta, s, &c->task_rate, error), done = 0, stop = 0;

#pragma omp parallel num_threads(s->threads > 0 ? s->threads : omp_get_num_procs())
  {
    bench b;
    ml3_error local = {0};
    int made = code == ML3_OK ? make_bench(&b, meta, losses, loss_count, &local) : code;
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < s->tasks; i++) {
      if (made == ML3_OK && !stop) run_task(&b, losses, loss_count, s, c, i);
#pragma omp critical
      {
        if (made != ML3_OK && code == ML3_OK) {
          code = made;
          if (error) *error = local;
        }
        done++;
        if (progress && !stop && code == ML3_OK) stop = progress(user, done, s->tasks);
      }
    }
    if (made == ML3_OK) drop_bench(&b);
  }
  if (code == ML3_OK && stop) code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "the comparison was interrupted");
  if (code == ML3_OK) return c;
  ml3_compare_free(c);
  return NULL;
}

/* ---- episodes for viewing ----------------------------------------------------------------------------- */

/* Records start 0 under the present theta; episodes beyond capacity are not recorded. */
static int keep(bench *b, const ml3_loss *loss, const char *label, int updates, ml3_episode **list, int count,
                int capacity, ml3_error *error) {
  if (count < 0 || count >= capacity) return count;
  ml3_episode *e = ml3_model_based_episode(b->problem, b->task, 0, updates < 0 ? b->theta_0 : b->theta, loss, error);
  if (!e) return error ? error->code : ML3_ERR_MEMORY;
  if (updates < 0)
    snprintf(e->label, sizeof e->label, "%s", label);
  else
    snprintf(e->label, sizeof e->label, "%s, %d update%s", label, updates, updates == 1 ? "" : "s");
  list[count] = e;
  return count + 1;
}

static int collect_episodes(bench *b, const ml3_compare_loss *losses, int loss_count, const ml3_compare_settings *s,
                            int task, double task_rate, ml3_episode **list, int capacity, ml3_error *error) {
  ml3_random random = draw_task(b, s->seed, ML3_PURPOSE_TEST, task), again;
  const ml3_loss *shown = loss_count ? losses[0].loss : NULL;
  int count = keep(b, shown, "untrained", -1, list, 0, capacity, error);
  for (int l = 0; l <= loss_count; l++) {
    const ml3_loss *loss = l < loss_count ? losses[l].loss : NULL;
    int done = 0, code = ML3_OK;
    again = random;
    start_over(b, losses, loss ? l : -1);
    for (int i = 0; i < s->step_count; i++) {
      for (; done < s->steps[i]; done++)
        if (code == ML3_OK) code = update(b, losses, loss ? l : -1, task_rate, &again);
      if (loss || i == s->step_count - 1)
        count = keep(b, loss ? loss : shown, loss ? losses[l].label : "task gradient", done, list, count, capacity,
                     error);
    }
  }
  if (s->ilqr && count >= 0 && count < capacity) {
    ml3_episode *e = ml3_compare_ilqr(b->problem, b->task, s->ilqr_restarts, &random, NULL, NULL);
    if (e) list[count++] = e;
  }
  return count;
}

int ml3_compare_episodes(const ml3_meta *meta, const ml3_compare_loss *losses, int loss_count,
                         const ml3_compare_settings *settings, int task, double task_rate, ml3_episode **episodes,
                         int capacity, ml3_error *error) {
  bench b;
  int code = check(meta, losses, loss_count, settings, error);
  if (code == ML3_OK) code = make_bench(&b, meta, losses, loss_count, error);
  if (code != ML3_OK) return code;
  for (int i = 0; i < capacity; i++) episodes[i] = NULL;
  int count = collect_episodes(&b, losses, loss_count, settings, task, task_rate, episodes, capacity, error);
  drop_bench(&b);
  if (count < 0)
    for (int i = 0; i < capacity; i++) ml3_episode_free(episodes[i]);
  return count;
}
