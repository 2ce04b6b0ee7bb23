/* The natural policy gradient by the inner step of learned losses: Gauss-Newton steps to hand-written targets

     shift = c A noise, and where that is better  spread = c A (noise^2 - 1)/sqrt(2)     (agents/problems/model_free_entries.c)

   on the same episodes. c is tuned on validation tasks: the best return after the last update that is asked for. It is what a
   learned loss of the same inputs must be better than. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "agents/problems/model_free.h"

enum { RATES = 9, NEWTON = 5 };
static const double rates[RATES] = {0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3};

/* What the trials share. */
typedef struct natural {
  ml3_problem *problem; /* of rows of entries; its tasks are the arena's */
  ml3_meta *meta;
  ml3_loss *loss;
} natural;

static void close_natural(void *shared) {
  natural *n = shared;
  if (!n) return;
  ml3_loss_free(n->loss);
  ml3_meta_free(n->meta);
  if (n->problem) n->problem->free(n->problem);
  free(n);
}

static int column(const ml3_problem *p, const char *name) {
  int i = 0;
  while (strcmp(p->feature_names[i], name) != 0) i++;
  return i;
}

/* A loss of no network: its targets are their bases. */
static ml3_loss_spec spec_of(const ml3_problem *p, double c, bool spread) {
  static const char *const targets[] = {"shift", "spread"}, *const bases[] = {"score", "spread_score"};
  ml3_loss_spec s = {.kind = ML3_LOSS_LEARNED,
                     .net = {.inputs = 2, .outputs = 1},
                     .features = p->features,
                     .columns = {column(p, targets[0]), column(p, bases[0])},
                     .target_count = spread ? 2 : 1,
                     .rate = c,
                     .newton = NEWTON};
  for (int i = 0; i < s.target_count; i++)
    s.targets[i] = column(p, targets[i]), s.target_bases[i] = 1 + column(p, bases[i]);
  return s;
}

static int open_meta(natural *n, double c, bool spread, ml3_error *error) {
  const ml3_meta_settings s = {.loss = spec_of(n->problem, c, spread), .inner_steps = 1};
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  ml3_loss_free(n->loss);
  ml3_meta_free(n->meta);
  n->loss = NULL;
  if (!(n->meta = ml3_meta_new(n->problem, &s, error))) return error ? error->code : ML3_ERR_ARGUMENT;
  if (!(n->loss = ml3_loss_new(&s.loss, &unused, error))) return error ? error->code : ML3_ERR_MEMORY;
  memset(n->loss->phi, 0, (size_t)n->loss->size * sizeof *n->loss->phi);
  return ML3_OK;
}

/* Updates on a validation task. */
typedef struct validation {
  const natural *natural;
  int updates;
} validation;

static int learn(void *user, const ml3_real *task, ml3_real *theta, ml3_random *random, ml3_error *error) {
  const validation *v = user;
  ml3_meta_work *work = ml3_meta_work_new(v->natural->meta, error);
  if (!work) return error ? error->code : ML3_ERR_MEMORY;
  ml3_meta_begin(work, v->natural->loss, theta);
  for (int k = 0; k < v->updates; k++)
    ml3_meta_adapt(work, v->natural->loss, task, theta, random, NULL, NULL); /* not finite: the step is not taken */
  ml3_meta_work_free(work);
  return ML3_OK;
}

static int tune(natural *n, const ml3_arena *arena, char *note, size_t note_size, ml3_error *error) {
  const ml3_compare_settings *s = &arena->settings;
  validation v = {n, s->steps[s->step_count - 1]};
  double best = -INFINITY, best_c = rates[0];
  bool best_spread = false;
  for (int i = 0; i < 2 * RATES; i++) {
    double mean;
    int code = open_meta(n, rates[i % RATES], i >= RATES, error);
    if (code == ML3_OK) code = ml3_trial_validate(n->problem, s, learn, &v, &mean, error);
    if (code != ML3_OK) return code;
    if (mean > best) best = mean, best_c = rates[i % RATES], best_spread = i >= RATES;
  }
  snprintf(note, note_size, "the natural gradient's c, the best on validation tasks, is %g, %s", best_c,
           best_spread ? "of mean and deviation" : "of the mean alone");
  return open_meta(n, best_c, best_spread, error);
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  (void)method, (void)loss;
  if (!arena->play.in_world || !arena->play.free_starts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'natural' takes the steps of model-free losses; '%s' is no such problem",
                         arena->play.problem->name);
  ml3_model_free_settings settings = *ml3_model_free_settings_of(arena->play.problem);
  settings.rows = ML3_ROWS_ENTRIES;
  settings.expert_targets = false;
  settings.owned = NULL;
  settings.normalize = false; /* its policy is the arena's, scaled already */
  natural *n = calloc(1, sizeof *n);
  if (!n) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for natural gradients");
  n->problem = ml3_model_free_new(&settings, error);
  const int code = n->problem ? tune(n, arena, note, note_size, error) : error->code;
  *steps = 2.0 * RATES * ML3_TRIAL_VALIDATION * arena->settings.steps[arena->settings.step_count - 1] *
           arena->play.update_steps;
  if (code == ML3_OK)
    *shared = n;
  else
    close_natural(n);
  return code;
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const natural *n = t->shared;
  (void)method;
  return ml3_trial_adapt(t, n->loss, n->meta, t->world_task.numbers, error);
}

const ml3_method ml3_method_natural = {
    .name = "natural",
    .label = "natural gradient",
    .summary = "Gauss-Newton steps to hand-written targets, c advantage noise, with the best c on validation tasks",
    .needs = ML3_NEEDS_PROBLEM,
    .by_updates = true,
    .prepare = prepare,
    .release = close_natural,
    .run = run};
