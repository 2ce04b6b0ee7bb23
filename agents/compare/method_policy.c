/* Methods that have a policy: untrained, random actions, updates by a learned loss (on rollouts through the model, or in the
   world), updates by the task loss's gradient. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "agents/problems/model_based.h"

static int most_updates(const ml3_arena *arena) {
  return arena->settings.steps[arena->settings.step_count - 1];
}

/* ---- untrained --------------------------------------------------------------------------------------------------- */

static int run_untrained(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_report_theta(t, 0, true, t->theta_0, error);
}

const ml3_method ml3_method_untrained = {.name = "untrained",
                                         .label = "untrained",
                                         .summary = "the initial policy",
                                         .needs = ML3_NEEDS_PROBLEM,
                                         .run = run_untrained};

/* ---- random ------------------------------------------------------------------------------------------------------ */

static void play_random(void *user, int step, const double *obs, const double *state, double *action) {
  ml3_trial *t = user;
  (void)step, (void)obs, (void)state;
  ml3_env_draw_action(t->arena->env, &t->random, action);
}

static int run_random(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_report_policy(t, 0, true, play_random, t, error);
}

const ml3_method ml3_method_random = {
    .name = "random", .label = "random actions", .summary = "uniform within their bounds", .run = run_random};

/* ---- learned loss ------------------------------------------------------------------------------------------------ */

/* What an update needs. */
typedef struct adapting {
  ml3_meta_work *work;
  const ml3_loss *loss;
  const ml3_real *task;
} adapting;

static void adapt(void *user, ml3_trial *t, ml3_real *theta) {
  const adapting *a = user;
  ml3_meta_adapt(a->work, a->loss, a->task, theta, &t->random, NULL, NULL); /* not finite: the step is not taken */
}

int ml3_trial_adapt(ml3_trial *t, const ml3_loss *loss, const ml3_meta *meta, const ml3_real *task, ml3_error *error) {
  const size_t size = (size_t)t->play->problem->theta_size;
  ml3_trial_pause(t); /* buffers are made once in real use */
  ml3_meta_work *work = ml3_meta_work_new(meta, error);
  ml3_real *theta = malloc(size * sizeof *theta);
  ml3_trial_resume(t);
  int code = ML3_ERR_MEMORY;
  if (work && theta) {
    adapting a = {work, loss, task};
    memcpy(theta, t->theta_0, size * sizeof *theta);
    ml3_meta_begin(work, loss, theta);
    code = ml3_trial_report_updates(t, t->play->update_steps, theta, adapt, &a, error);
  } else if (work) {
    ml3_error_set(error, code, "no memory for a policy");
  }
  free(theta);
  ml3_meta_work_free(work);
  return code;
}

static const ml3_meta *meta_of(const ml3_arena *arena, const ml3_compare_loss *loss) {
  return loss->meta ? loss->meta : arena->meta;
}

/* What updates roll out on: the task as models have it, or the world. */
static const ml3_real *learned_on(const ml3_trial *t) {
  return t->play->in_world ? t->world_task.numbers : t->task.numbers;
}

static int run_learned_loss(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_adapt(t, t->loss->loss, meta_of(t->arena, t->loss), learned_on(t), error);
}

const ml3_method ml3_method_learned_loss = {
    .name = "learned_loss",
    .label = "%s",
    .summary = "updates by the learned loss as in meta-training: through the model, or model-free",
    .needs = ML3_NEEDS_PROBLEM | ML3_NEEDS_LOSS,
    .by_updates = true,
    .run = run_learned_loss};

/* The same loss as it was before it was trained: its initial parameters, drawn as meta-training draws them, and the scaling of
   its inputs, which training measures and does not learn. */
static void release_untrained_loss(void *shared) {
  ml3_loss_free(shared);
}

static int prepare_untrained_loss(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss,
                                  void **shared, double *steps, char *note, size_t note_size, ml3_error *error) {
  const ml3_loss *trained = loss->loss;
  (void)method, (void)steps, (void)note, (void)note_size;
  if (trained->spec.kind != ML3_LOSS_LEARNED || trained->spec.learn_start)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'untrained_loss' is of a learned loss without a learned start; '%s' has %s", loss->label,
                         trained->spec.learn_start ? "a start" : "none");
  ml3_random init = ml3_random_stream(arena->settings.seed, ML3_PURPOSE_INIT, 0, 0);
  ml3_loss *fresh = ml3_loss_new(&trained->spec, &init, error);
  if (!fresh) return error ? error->code : ML3_ERR_MEMORY;
  const size_t bytes = (size_t)trained->spec.net.inputs * sizeof *fresh->shift;
  memcpy(fresh->shift, trained->shift, bytes);
  memcpy(fresh->scale, trained->scale, bytes);
  *shared = fresh;
  return ML3_OK;
}

static int run_untrained_loss(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_adapt(t, t->shared, meta_of(t->arena, t->loss), learned_on(t), error);
}

const ml3_method ml3_method_untrained_loss = {.name = "untrained_loss",
                                              .label = "%s, not trained",
                                              .summary = "updates by the learned loss with its initial parameters",
                                              .needs = ML3_NEEDS_PROBLEM | ML3_NEEDS_LOSS,
                                              .by_updates = true,
                                              .prepare = prepare_untrained_loss,
                                              .release = release_untrained_loss,
                                              .run = run_untrained_loss};

/* The same on rollouts in the world: no model is used, its errors do not matter. A model-free loss does so anyway. */
typedef struct recorded {
  ml3_problem *problem;
  ml3_meta *meta;
} recorded;

static void release_recorded(void *shared) {
  recorded *r = shared;
  ml3_meta_free(r->meta);
  if (r->problem) r->problem->free(r->problem);
  free(r);
}

static int prepare_recorded(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss,
                            void **shared, double *steps, char *note, size_t note_size, ml3_error *error) {
  const ml3_playable *play = loss->play.problem ? &loss->play : &arena->play;
  (void)method, (void)steps, (void)note, (void)note_size;
  if (play->in_world) return ML3_OK;
  ml3_model_based_settings settings = *ml3_model_based_settings_of(play->problem);
  ml3_meta_settings meta = *ml3_meta_settings_of(meta_of(arena, loss));
  settings.recorded = true;
  meta.batch = 1;
  recorded *r = calloc(1, sizeof *r);
  if (!r) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for rollouts in the world");
  r->problem = ml3_model_based_new(&settings, error);
  if (r->problem) r->meta = ml3_meta_new(r->problem, &meta, error);
  if (r->meta) {
    *shared = r;
    return ML3_OK;
  }
  release_recorded(r);
  return error ? error->code : ML3_ERR_ARGUMENT;
}

static int run_recorded(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  const recorded *r = t->shared;
  return ml3_trial_adapt(t, t->loss->loss, r ? r->meta : meta_of(t->arena, t->loss), t->world_task.numbers, error);
}

const ml3_method ml3_method_learned_loss_world = {
    .name = "learned_loss_world",
    .label = "%s, in the world",
    .summary = "updates by the learned loss on rollouts in the world itself, without a model",
    .needs = ML3_NEEDS_PROBLEM | ML3_NEEDS_LOSS,
    .by_updates = true,
    .prepare = prepare_recorded,
    .release = release_recorded,
    .run = run_recorded};

/* ---- task gradient ----------------------------------------------------------------------------------------------- */

enum { RATE_TASKS = 16, MOMENTA = 4, HALF_DECADES = 13, RATES = HALF_DECADES + 2 /* the best one's neighbours */ };

static const double momenta[MOMENTA] = {0, 0.5, 0.8, 0.9};

/* v <- momentum v + grad, theta <- theta - rate v */
typedef struct task_step {
  double rate, momentum;
} task_step;

/* A place to descend L_task. */
typedef struct descent {
  const ml3_problem *problem;
  ml3_meta_work *work;
  ml3_real *task, *theta, *gradient, *velocity;
} descent;

static int open_descent(descent *d, const ml3_meta *meta, ml3_error *error) {
  const ml3_problem *p = ml3_meta_problem(meta);
  *d = (descent){.problem = p, .work = ml3_meta_work_new(meta, error)};
  d->task = calloc((size_t)p->task_size + 3 * (size_t)p->theta_size, sizeof *d->task);
  if (!d->work || !d->task) {
    ml3_meta_work_free(d->work);
    free(d->task);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the task's gradient");
  }
  d->theta = d->task + p->task_size;
  d->gradient = d->theta + p->theta_size;
  d->velocity = d->gradient + p->theta_size;
  return ML3_OK;
}

static void close_descent(descent *d) {
  ml3_meta_work_free(d->work);
  free(d->task);
}

static void begin_descent(descent *d) {
  memset(d->velocity, 0, (size_t)d->problem->theta_size * sizeof *d->velocity);
}

/* False: the gradient is not finite, and no step is taken. */
static bool descend(descent *d, const ml3_real *task, task_step step, ml3_random *random) {
  if (ml3_meta_task_gradient(d->work, task, d->theta, random, NULL, d->gradient, NULL) != ML3_OK) return false;
  for (int i = 0; i < d->problem->theta_size; i++) {
    d->velocity[i] = (ml3_real)step.momentum * d->velocity[i] + d->gradient[i];
    d->theta[i] -= (ml3_real)step.rate * d->velocity[i];
  }
  return true;
}

/* *mean: infinite where some gradient is not finite. */
static int mean_task_loss(descent *d, const ml3_compare_settings *s, task_step step, double *mean, ml3_error *error) {
  double sum = 0, value;
  *mean = INFINITY;
  for (int i = 0; i < RATE_TASKS; i++) {
    ml3_random random = ml3_random_stream(s->seed, ML3_PURPOSE_VALIDATION, (uint32_t)i, 0);
    const int code = d->problem->sample(d->problem, ML3_SPLIT_VALIDATION, &random, d->task, d->theta, error);
    if (code != ML3_OK) return code;
    begin_descent(d);
    for (int k = 0; k < s->steps[s->step_count - 1]; k++)
      if (!descend(d, d->task, step, &random)) return ML3_OK;
    if (ml3_meta_task_gradient(d->work, d->task, d->theta, &random, &value, NULL, NULL) != ML3_OK) return ML3_OK;
    sum += value / RATE_TASKS;
  }
  *mean = sum;
  return ML3_OK;
}

/* The best of two step sizes a decade, 1e-5 .. 10, then of the quarters of a decade beside it: RATES, with each of the first so
   many momenta. */
static int choose_step(const ml3_meta *meta, const ml3_compare_settings *settings, int momentum_count, task_step *step,
                       ml3_error *error) {
  descent d;
  int code = open_descent(&d, meta, error);
  if (code != ML3_OK) return code;
  double best = INFINITY;
  *step = (task_step){1e-5, 0};
  for (int m = 0; m < momentum_count && code == ML3_OK; m++) {
    int nearest = -20;
    double least = INFINITY;
    for (int i = 0; i < RATES && code == ML3_OK; i++) {
      const int quarter = i < HALF_DECADES ? 2 * i - 20 : i == HALF_DECADES ? nearest - 1 : nearest + 1;
      const task_step candidate = {pow(10, quarter / 4.0), momenta[m]};
      double loss;
      code = mean_task_loss(&d, settings, candidate, &loss, error);
      if (loss < least && i < HALF_DECADES) least = loss, nearest = quarter;
      if (loss < best) best = loss, *step = candidate;
    }
  }
  close_descent(&d);
  return code;
}

int ml3_compare_task_rate(const ml3_meta *meta, const ml3_compare_settings *settings, double *rate, ml3_error *error) {
  task_step step;
  const int code = choose_step(meta, settings, 1, &step, error);
  if (code == ML3_OK) *rate = step.rate;
  return code;
}

/* method->options: how many of the momenta are tried. */
static int prepare_gradient(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss,
                            void **shared, double *steps, char *note, size_t note_size, ml3_error *error) {
  const int momentum_count = *(const int *)method->options;
  task_step *step = malloc(sizeof *step);
  (void)loss;
  if (!step) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a step size");
  *step = (task_step){arena->settings.task_rate, 0};
  int code = ML3_OK;
  if (!(step->rate > 0) || momentum_count > 1) {
    code = choose_step(arena->meta, &arena->settings, momentum_count, step, error);
    *steps = (double)(RATES * momentum_count) * RATE_TASKS * (most_updates(arena) + 1) * arena->play.gradient_steps;
    if (momentum_count > 1)
      snprintf(note, note_size,
               "the task gradient's step size and momentum, the best on validation tasks, are %.3g and %g", step->rate,
               step->momentum);
    else
      snprintf(note, note_size, "the task gradient's step size, the best on validation tasks, is %.3g", step->rate);
  }
  if (code == ML3_OK)
    *shared = step;
  else
    free(step);
  return code;
}

/* A descent with its step size and momentum. */
typedef struct stepping {
  descent descent;
  task_step step;
} stepping;

static void step_down(void *user, ml3_trial *t, ml3_real *theta) {
  stepping *s = user; /* theta is the descent's */
  (void)theta;
  descend(&s->descent, learned_on(t), s->step, &t->random);
}

static int run_gradient(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  stepping s = {.step = *(const task_step *)t->shared};
  descent *d = &s.descent;
  (void)method;
  ml3_trial_pause(t);
  int code = open_descent(d, t->arena->meta, error);
  ml3_trial_resume(t);
  if (code != ML3_OK) return code;
  memcpy(d->theta, t->theta_0, (size_t)d->problem->theta_size * sizeof *d->theta);
  code = ml3_trial_report_updates(t, t->play->gradient_steps, d->theta, step_down, &s, error);
  close_descent(d);
  return code;
}

static const int plain = 1, any_momentum = MOMENTA;

const ml3_method ml3_method_task_gradient = {
    .name = "task_gradient",
    .label = "task gradient",
    .summary = "updates by the gradient of the task loss, through the model or model-free",
    .needs = ML3_NEEDS_PROBLEM,
    .by_updates = true,
    .options = &plain,
    .prepare = prepare_gradient,
    .release = free,
    .run = run_gradient};

const ml3_method ml3_method_task_gradient_momentum = {
    .name = "task_gradient_momentum",
    .label = "task gradient, momentum",
    .summary = "the same with momentum; momentum and step size are the best on validation tasks",
    .needs = ML3_NEEDS_PROBLEM,
    .by_updates = true,
    .options = &any_momentum,
    .prepare = prepare_gradient,
    .release = free,
    .run = run_gradient};
