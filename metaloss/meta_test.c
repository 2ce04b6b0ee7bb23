/* Rules of learning side by side: see meta_test.h. */
#include "metaloss/meta_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum { GRID = 33, MOMENTA = 5 }; /* step sizes 1e-5 .. 1e3, four a decade */

static double grid_rate(int i) {
  return pow(10, -5 + i / 4.0);
}

static const double momenta[MOMENTA] = {0, 0.8, 0.9, 0.95, 0.98};

/* The task's own loss as a rule: its step size is a number of the loss, so that one program serves the whole grid. */
typedef struct descent {
  ml3_meta *meta;
  ml3_loss *loss;
} descent;

static void drop_descent(descent *d) {
  ml3_loss_free(d->loss);
  ml3_meta_free(d->meta);
}

static int make_descent(descent *d, const ml3_problem *p, double momentum, ml3_error *error) {
  const ml3_meta_settings settings = {
      .loss = {.kind = ML3_LOSS_TASK, .rate = 1, .learn_rate = ML3_RATE_SCALAR, .momentum = momentum},
      .inner_steps = 1,
      .task_weight = 1};
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  d->meta = ml3_meta_new(p, &settings, error);
  d->loss = d->meta ? ml3_loss_new(&settings.loss, &unused, error) : NULL;
  return d->loss ? ML3_OK : ML3_ERR_MEMORY;
}

static ml3_loss with_rate(const descent *d, ml3_real *log_rate, double rate) {
  ml3_loss loss = *d->loss;
  *log_rate = (ml3_real)log(rate);
  loss.phi = log_rate;
  return loss;
}

/* What has diverged: success 0, and as bad as can be in all else. */
static const ml3_outcome failed = {.task_loss = INFINITY, .episode_return = -INFINITY, .distance = INFINITY};

/* ---- one task -------------------------------------------------------------------------------------------------------- */

/* A thread's place to work. */
typedef struct workspace {
  const ml3_problem *problem;
  ml3_meta_work *rules[ML3_META_TEST_MAX_RULES], *task_loss[MOMENTA];
  ml3_real *task, *theta_0, *theta;
} workspace;

static void free_workspace(workspace *b) {
  for (int i = 0; i < ML3_META_TEST_MAX_RULES; i++) ml3_meta_work_free(b->rules[i]);
  for (int i = 0; i < MOMENTA; i++) ml3_meta_work_free(b->task_loss[i]);
  free(b->task);
}

static int make_workspace(workspace *b, const ml3_problem *p, const ml3_rule *rules, int count, const descent *d, int descents,
                      ml3_error *error) {
  const size_t task = (size_t)p->task_size, theta = (size_t)p->theta_size;
  bool whole = true;
  *b = (workspace){.problem = p};
  for (int i = 0; i < descents && whole; i++) whole = (b->task_loss[i] = ml3_meta_work_new(d[i].meta, error)) != NULL;
  for (int i = 0; i < count && whole; i++) whole = (b->rules[i] = ml3_meta_work_new(rules[i].meta, error)) != NULL;
  if (whole && !(b->task = calloc(task + 2 * theta, sizeof *b->task)))
    whole = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods") == ML3_OK;
  if (!whole) {
    free_workspace(b);
    return ML3_ERR_MEMORY;
  }
  b->theta_0 = b->task + task;
  b->theta = b->theta_0 + theta;
  return ML3_OK;
}

static int draw_task(workspace *b, uint64_t seed, ml3_split split, int task, ml3_random *random, ml3_error *error) {
  const ml3_purpose purpose = split == ML3_SPLIT_TEST ? ML3_PURPOSE_TEST : ML3_PURPOSE_VALIDATION;
  *random = ml3_random_stream(seed, purpose, (uint32_t)task, 0);
  return b->problem->sample(b->problem, split, random, b->task, b->theta_0, error);
}

/* Updates by that rule from theta_0, judged at each number of steps: out[step_count]. */
static void run(workspace *b, ml3_meta_work *work, const ml3_loss *loss, const ml3_meta_test_settings *s, ml3_random random,
                ml3_outcome *out) {
  int done = 0, code = ML3_OK;
  memcpy(b->theta, b->theta_0, (size_t)b->problem->theta_size * sizeof *b->theta);
  ml3_meta_begin(work, loss, b->theta);
  for (int i = 0; i < s->step_count; i++) {
    for (; done < s->steps[i]; done++)
      if (code == ML3_OK) code = ml3_meta_adapt(work, loss, b->task, b->theta, &random, NULL, NULL);
    out[i] = (ml3_outcome){0};
    if (code == ML3_OK) code = b->problem->evaluate(b->problem, b->task, b->theta, &out[i], NULL);
    if (code != ML3_OK) out[i] = failed;
  }
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

/* A momentum, by its number, and a step size. */
typedef struct choice {
  int momentum;
  double rate;
} choice;

typedef struct testing {
  const ml3_problem *problem;
  const ml3_rule *rules;
  int rule_count;
  const ml3_meta_test_settings *settings;
  descent descents[MOMENTA];
  int descent_count; /* 1: without momentum alone */
  ml3_outcome *grid; /* [rate_tasks][descent_count][GRID][step_count] */
  choice best[ML3_META_TEST_MAX_STEPS], best_of_all[ML3_META_TEST_MAX_STEPS]; /* without, and with any momentum */
  ml3_meta_test *result;
} testing;

static ml3_outcome *grid_at(const testing *j, int task, int momentum, int rate) {
  const size_t place = ((size_t)task * (size_t)j->descent_count + (size_t)momentum) * GRID + (size_t)rate;
  return j->grid + place * (size_t)j->settings->step_count;
}

/* The task loss on validation task i, at every momentum and step size. */
static int run_grid(testing *j, workspace *b, int i, ml3_error *error) {
  const ml3_meta_test_settings *s = j->settings;
  ml3_random random;
  const int code = draw_task(b, s->seed, ML3_SPLIT_VALIDATION, i, &random, error);
  if (code != ML3_OK) return code;
  for (int m = 0; m < j->descent_count; m++)
    for (int rate = 0; rate < GRID; rate++) {
      ml3_real log_rate;
      const ml3_loss loss = with_rate(&j->descents[m], &log_rate, grid_rate(rate));
      run(b, b->task_loss[m], &loss, s, random, grid_at(j, i, m, rate));
    }
  return ML3_OK;
}

/* What does best after the step-th number of updates, of the first so many momenta. */
static choice choose(const testing *j, int step, int momentum_count) {
  double best_success = -1, best_loss = INFINITY;
  choice best = {0, grid_rate(0)};
  for (int m = 0; m < momentum_count; m++)
    for (int rate = 0; rate < GRID; rate++) {
      double success = 0, loss = 0;
      for (int i = 0; i < j->settings->rate_tasks; i++) {
        const ml3_outcome *o = grid_at(j, i, m, rate) + step;
        success += j->problem->success_name ? o->success : 0;
        loss += o->task_loss;
      }
      if (success < best_success || (success == best_success && !(loss < best_loss))) continue;
      best_success = success, best_loss = loss;
      best = (choice){m, grid_rate(rate)};
    }
  return best;
}

/* The task loss by that choice, after the step-th number of updates. */
static ml3_outcome run_choice(const testing *j, workspace *b, choice c, ml3_random random, int step) {
  ml3_real log_rate;
  ml3_outcome out[ML3_META_TEST_MAX_STEPS];
  const ml3_loss loss = with_rate(&j->descents[c.momentum], &log_rate, c.rate);
  run(b, b->task_loss[c.momentum], &loss, j->settings, random, out);
  return out[step];
}

static int run_task(testing *j, workspace *b, int task, ml3_error *error) {
  const ml3_meta_test_settings *s = j->settings;
  ml3_random random;
  const int code = draw_task(b, s->seed, ML3_SPLIT_TEST, task, &random, error);
  if (code != ML3_OK) return code;
  ml3_outcome out[ML3_META_TEST_MAX_STEPS];
  ml3_meta_test_row *row = j->result->rows;
  if (b->problem->evaluate(b->problem, b->task, b->theta_0, &row->outcome[task], NULL) != ML3_OK)
    row->outcome[task] = failed;
  row++;
  for (int rule = 0; rule < j->rule_count; rule++) {
    run(b, b->rules[rule], j->rules[rule].loss, s, random, out);
    for (int i = 0; i < s->step_count; i++, row++) row->outcome[task] = out[i];
  }
  ml3_real log_rate;
  ml3_loss loss = with_rate(&j->descents[0], &log_rate, s->rate);
  run(b, b->task_loss[0], &loss, s, random, out);
  for (int i = 0; i < s->step_count; i++, row++) row->outcome[task] = out[i];
  for (int i = 0; i < s->step_count; i++, row++) row->outcome[task] = run_choice(j, b, j->best[i], random, i);
  for (int i = 0; i < s->step_count && j->descent_count > 1; i++, row++)
    row->outcome[task] = run_choice(j, b, j->best_of_all[i], random, i);
  return ML3_OK;
}

static bool add_row(ml3_meta_test *c, const char *method, int updates) {
  ml3_meta_test_row *r = &c->rows[c->count++];
  snprintf(r->method, sizeof r->method, "%s", method);
  r->updates = updates;
  return (r->outcome = calloc((size_t)c->tasks, sizeof *r->outcome)) != NULL;
}

static ml3_meta_test *make_rows(const testing *j) {
  const ml3_problem *p = j->problem;
  const ml3_meta_test_settings *s = j->settings;
  const int kinds = j->rule_count + (j->descent_count > 1 ? 3 : 2);
  ml3_meta_test *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->tasks = s->tasks;
  c->rows = calloc((size_t)(kinds * s->step_count + 1), sizeof *c->rows);
  bool enough = c->rows && add_row(c, "untrained", 0);
  const char *plain = p->task_loss_name ? p->task_loss_name : "task loss";
  char best[64], best_of_all[64];
  snprintf(best, sizeof best, "%.40s, best step size", plain);
  snprintf(best_of_all, sizeof best_of_all, "%.30s, best step size and momentum", plain);
  const char *const own[] = {plain, best, best_of_all};
  for (int kind = 0; kind < kinds; kind++)
    for (int i = 0; i < s->step_count && enough; i++)
      enough = add_row(c, kind < j->rule_count ? j->rules[kind].label : own[kind - j->rule_count], s->steps[i]);
  if (enough) return c;
  ml3_meta_test_free(c);
  return NULL;
}

/* Work items 0 .. count - 1 over threads. */
static int over_threads(testing *j, int count, int (*work)(testing *j, workspace *b, int item, ml3_error *error), int before, int total,
                        int (*progress)(void *user, int done, int total), void *user, ml3_error *error) {
  int code = ML3_OK, done = before, stop = 0;
#pragma omp parallel num_threads(ml3_threads(j->settings->threads))
  {
    workspace b;
    ml3_error local = {0};
    int mine = make_workspace(&b, j->problem, j->rules, j->rule_count, j->descents, j->descent_count, &local);
    const bool made = mine == ML3_OK;
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < count; i++) {
      if (mine == ML3_OK && !stop) mine = work(j, &b, i, &local);
#pragma omp critical
      {
        if (mine != ML3_OK && code == ML3_OK) {
          code = mine;
          if (error) *error = local;
        }
        done++;
        if (progress && !stop && code == ML3_OK) stop = progress(user, done, total);
      }
    }
    if (made) free_workspace(&b);
  }
  return code == ML3_OK && stop ? ml3_error_set(error, ML3_ERR_INTERRUPTED, "the comparison was interrupted") : code;
}

static int check(const ml3_problem *p, const ml3_rule *rules, int count, const ml3_meta_test_settings *s,
                 ml3_error *error) {
  if (!p->evaluate)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "problem '%s' cannot judge what was learned", p->name);
  if (count > ML3_META_TEST_MAX_RULES || s->step_count < 1 || s->step_count > ML3_META_TEST_MAX_STEPS || s->tasks < 1 ||
      s->rate_tasks < 1 || !(s->rate > 0))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "%d methods, %d numbers of updates, %d tasks; at most %d methods, 1 to %d numbers and at least one "
        "task are possible",
        count, s->step_count, s->tasks, ML3_META_TEST_MAX_RULES, ML3_META_TEST_MAX_STEPS);
  for (int i = 0; i < s->step_count; i++)
    if (s->steps[i] < 1 || (i && s->steps[i] <= s->steps[i - 1]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "test.steps must be positive and rising; entry %d is %d", i + 1,
                           s->steps[i]);
  for (int i = 0; i < count; i++) {
    int code = ml3_meta_fits(rules[i].meta, rules[i].loss, error);
    if (code != ML3_OK) return ml3_error_prefix(error, "%s", rules[i].label), code;
  }
  return ML3_OK;
}

ml3_meta_test *ml3_meta_test_run(const ml3_problem *problem, const ml3_rule *rules, int rule_count,
                                 const ml3_meta_test_settings *s, int (*progress)(void *user, int done, int total),
                                 void *user, ml3_error *error) {
  if (check(problem, rules, rule_count, s, error) != ML3_OK) return NULL;
  testing j = {.problem = problem, .rules = rules, .rule_count = rule_count, .settings = s, .descent_count = 1};
  for (int i = 0; i < rule_count; i++)
    if (rules[i].loss->spec.momentum > 0) j.descent_count = MOMENTA;
  const int total = s->rate_tasks + s->tasks;
  int code = ML3_OK;
  for (int i = 0; i < j.descent_count && code == ML3_OK; i++)
    code = make_descent(&j.descents[i], problem, momenta[i], error);
  if (code == ML3_OK) {
    j.grid = calloc((size_t)s->rate_tasks * (size_t)(j.descent_count * GRID * s->step_count), sizeof *j.grid);
    j.result = make_rows(&j);
    if (!j.grid || !j.result)
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods on %d tasks", s->tasks);
  }
  if (code == ML3_OK) code = over_threads(&j, s->rate_tasks, run_grid, 0, total, progress, user, error);
  for (int i = 0; i < s->step_count && code == ML3_OK; i++) {
    j.best[i] = choose(&j, i, 1);
    j.best_of_all[i] = choose(&j, i, j.descent_count);
    ml3_meta_test_row *of_task_loss = &j.result->rows[1 + rule_count * s->step_count + i];
    of_task_loss->rate = s->rate;
    of_task_loss[s->step_count].rate = j.best[i].rate;
    if (j.descent_count == 1) continue;
    of_task_loss[2 * s->step_count].rate = j.best_of_all[i].rate;
    of_task_loss[2 * s->step_count].momentum = momenta[j.best_of_all[i].momentum];
  }
  if (code == ML3_OK) code = over_threads(&j, s->tasks, run_task, s->rate_tasks, total, progress, user, error);
  for (int i = 0; i < MOMENTA; i++) drop_descent(&j.descents[i]);
  free(j.grid);
  if (code == ML3_OK) return j.result;
  ml3_meta_test_free(j.result);
  return NULL;
}

void ml3_meta_test_free(ml3_meta_test *c) {
  if (!c) return;
  for (int i = 0; i < c->count && c->rows; i++) free(c->rows[i].outcome);
  free(c->rows);
  free(c);
}
