/* Rules of learning side by side: see meta_test.h. */
#include "metaloss/meta_test.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 33 }; /* step sizes 1e-5 .. 1e3, four a decade */

static double grid_rate(int i) {
  return pow(10, -5 + i / 4.0);
}

/* The task's own loss as a rule: its step size is a number of the loss, so that one program serves the whole grid. */
typedef struct descent {
  ml3_meta *meta;
  ml3_loss *loss;
} descent;

static void drop_descent(descent *d) {
  ml3_loss_free(d->loss);
  ml3_meta_free(d->meta);
}

static int make_descent(descent *d, const ml3_problem *p, ml3_error *error) {
  const ml3_meta_settings settings = {
      .loss = {.kind = ML3_LOSS_TASK, .rate = 1, .learn_rate = ML3_RATE_SCALAR}, .inner_steps = 1, .task_weight = 1};
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

/* ---- one task -------------------------------------------------------------------------------------------------------- */

/* A thread's place to work. */
typedef struct bench {
  const ml3_problem *problem;
  ml3_meta_work *rules[ML3_META_TEST_MAX_RULES], *task_loss;
  ml3_real *task, *theta_0, *theta;
} bench;

static void drop_bench(bench *b) {
  for (int i = 0; i < ML3_META_TEST_MAX_RULES; i++) ml3_meta_work_free(b->rules[i]);
  ml3_meta_work_free(b->task_loss);
  free(b->task);
}

static int make_bench(bench *b, const ml3_problem *p, const ml3_rule *rules, int count, const descent *d,
                      ml3_error *error) {
  const size_t task = (size_t)p->task_size, theta = (size_t)p->theta_size;
  *b = (bench){.problem = p, .task_loss = ml3_meta_work_new(d->meta, error)};
  bool whole = b->task_loss != NULL;
  for (int i = 0; i < count && whole; i++) whole = (b->rules[i] = ml3_meta_work_new(rules[i].meta, error)) != NULL;
  if (whole && !(b->task = calloc(task + 2 * theta, sizeof *b->task)))
    whole = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods") == ML3_OK;
  if (!whole) {
    drop_bench(b);
    return ML3_ERR_MEMORY;
  }
  b->theta_0 = b->task + task;
  b->theta = b->theta_0 + theta;
  return ML3_OK;
}

static ml3_random draw_task(bench *b, uint64_t seed, ml3_split split, int task) {
  const ml3_purpose purpose = split == ML3_SPLIT_TEST ? ML3_PURPOSE_TEST : ML3_PURPOSE_VALIDATION;
  ml3_random random = ml3_random_stream(seed, purpose, (uint32_t)task, 0);
  b->problem->sample(b->problem, split, &random, b->task, b->theta_0);
  return random;
}

/* Updates by that rule from theta_0, judged at each number of steps: out[step_count]. */
static void run(bench *b, ml3_meta_work *work, const ml3_loss *loss, const ml3_meta_test_settings *s, ml3_random random,
                ml3_outcome *out) {
  int done = 0, code = ML3_OK;
  memcpy(b->theta, b->theta_0, (size_t)b->problem->theta_size * sizeof *b->theta);
  ml3_meta_begin(work, loss, b->theta);
  for (int i = 0; i < s->step_count; i++) {
    for (; done < s->steps[i]; done++)
      if (code == ML3_OK) code = ml3_meta_adapt(work, loss, b->task, b->theta, &random, NULL, NULL);
    out[i] = (ml3_outcome){0};
    if (code == ML3_OK) code = b->problem->evaluate(b->problem, b->task, b->theta, &out[i], NULL);
    if (code != ML3_OK) out[i] = (ml3_outcome){.task_loss = INFINITY, .distance = INFINITY};
  }
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

typedef struct testing {
  const ml3_problem *problem;
  const ml3_rule *rules;
  int rule_count;
  const ml3_meta_test_settings *settings;
  descent descent;
  ml3_outcome *grid; /* [rate_tasks][GRID][step_count] */
  double best[ML3_META_TEST_MAX_STEPS];
  ml3_meta_test *result;
} testing;

/* The task loss on validation task i, at every step size. */
static void run_grid(testing *j, bench *b, int i) {
  const ml3_meta_test_settings *s = j->settings;
  ml3_random random = draw_task(b, s->seed, ML3_SPLIT_VALIDATION, i);
  for (int rate = 0; rate < GRID; rate++) {
    ml3_real log_rate;
    const ml3_loss loss = with_rate(&j->descent, &log_rate, grid_rate(rate));
    run(b, b->task_loss, &loss, s, random, j->grid + ((size_t)i * GRID + (size_t)rate) * (size_t)s->step_count);
  }
}

static void choose_rates(testing *j) {
  const ml3_meta_test_settings *s = j->settings;
  for (int step = 0; step < s->step_count; step++) {
    double best_success = -1, best_loss = INFINITY;
    for (int rate = 0; rate < GRID; rate++) {
      double success = 0, loss = 0;
      for (int i = 0; i < s->rate_tasks; i++) {
        const ml3_outcome *o = &j->grid[((size_t)i * GRID + (size_t)rate) * (size_t)s->step_count + (size_t)step];
        success += j->problem->success_name ? o->success : 0;
        loss += o->task_loss;
      }
      if (rate && (success < best_success || (success == best_success && !(loss < best_loss)))) continue;
      best_success = success, best_loss = loss;
      j->best[step] = grid_rate(rate);
    }
  }
}

static void run_task(testing *j, bench *b, int task) {
  const ml3_meta_test_settings *s = j->settings;
  ml3_random random = draw_task(b, s->seed, ML3_SPLIT_TEST, task);
  ml3_outcome out[ML3_META_TEST_MAX_STEPS];
  ml3_meta_test_row *row = j->result->rows;
  if (b->problem->evaluate(b->problem, b->task, b->theta_0, &row->outcome[task], NULL) != ML3_OK)
    row->outcome[task] = (ml3_outcome){.task_loss = INFINITY, .distance = INFINITY};
  row++;
  for (int rule = 0; rule < j->rule_count; rule++) {
    run(b, b->rules[rule], j->rules[rule].loss, s, random, out);
    for (int i = 0; i < s->step_count; i++, row++) row->outcome[task] = out[i];
  }
  ml3_real log_rate;
  ml3_loss loss = with_rate(&j->descent, &log_rate, s->rate);
  run(b, b->task_loss, &loss, s, random, out);
  for (int i = 0; i < s->step_count; i++, row++) row->outcome[task] = out[i];
  for (int i = 0; i < s->step_count; i++, row++) {
    loss = with_rate(&j->descent, &log_rate, j->best[i]);
    run(b, b->task_loss, &loss, s, random, out);
    row->outcome[task] = out[i];
  }
}

static bool add_row(ml3_meta_test *c, const char *method, int updates) {
  ml3_meta_test_row *r = &c->rows[c->count++];
  snprintf(r->method, sizeof r->method, "%s", method);
  r->updates = updates;
  return (r->outcome = calloc((size_t)c->tasks, sizeof *r->outcome)) != NULL;
}

static ml3_meta_test *make_rows(const ml3_problem *p, const ml3_rule *rules, int rule_count,
                                const ml3_meta_test_settings *s) {
  ml3_meta_test *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->tasks = s->tasks;
  c->rows = calloc((size_t)((rule_count + 2) * s->step_count + 1), sizeof *c->rows);
  bool enough = c->rows && add_row(c, "untrained", 0);
  const char *plain = p->task_loss_name ? p->task_loss_name : "task loss";
  char best[64];
  snprintf(best, sizeof best, "%.40s, best step size", plain);
  for (int rule = 0; rule < rule_count + 2; rule++)
    for (int i = 0; i < s->step_count && enough; i++)
      enough = add_row(c, rule < rule_count ? rules[rule].label : rule == rule_count ? plain : best, s->steps[i]);
  if (enough) return c;
  ml3_meta_test_free(c);
  return NULL;
}

/* Work items 0 .. count - 1 over threads. */
static int over_threads(testing *j, int count, void (*work)(testing *j, bench *b, int item), int before, int total,
                        int (*progress)(void *user, int done, int total), void *user, ml3_error *error) {
  int code = ML3_OK, done = before, stop = 0;
#pragma omp parallel num_threads(j->settings->threads > 0 ? j->settings->threads : omp_get_num_procs())
  {
    bench b;
    ml3_error local = {0};
    const int made = make_bench(&b, j->problem, j->rules, j->rule_count, &j->descent, &local);
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < count; i++) {
      if (made == ML3_OK && !stop) work(j, &b, i);
#pragma omp critical
      {
        if (made != ML3_OK && code == ML3_OK) {
          code = made;
          if (error) *error = local;
        }
        done++;
        if (progress && !stop && code == ML3_OK) stop = progress(user, done, total);
      }
    }
    if (made == ML3_OK) drop_bench(&b);
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
  testing j = {.problem = problem, .rules = rules, .rule_count = rule_count, .settings = s};
  const int total = s->rate_tasks + s->tasks;
  int code = make_descent(&j.descent, problem, error);
  if (code == ML3_OK) {
    j.grid = calloc((size_t)s->rate_tasks * GRID * (size_t)s->step_count, sizeof *j.grid);
    j.result = make_rows(problem, rules, rule_count, s);
    if (!j.grid || !j.result)
      code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare methods on %d tasks", s->tasks);
  }
  if (code == ML3_OK) code = over_threads(&j, s->rate_tasks, run_grid, 0, total, progress, user, error);
  if (code == ML3_OK) choose_rates(&j);
  for (int i = 0; i < s->step_count && code == ML3_OK; i++) {
    ml3_meta_test_row *of_task_loss = &j.result->rows[1 + rule_count * s->step_count + i];
    of_task_loss->rate = s->rate;
    of_task_loss[s->step_count].rate = j.best[i];
  }
  if (code == ML3_OK) code = over_threads(&j, s->tasks, run_task, s->rate_tasks, total, progress, user, error);
  drop_descent(&j.descent);
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
