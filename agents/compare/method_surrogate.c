/* Hand-written losses by several epochs of Adam on the same episodes an update as learned losses have (surrogate.h): the step size and
   the epochs are those with the best return after the last update on validation tasks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "agents/compare/surrogate.h"
#include "agents/problems/model_free.h"
#include "nn/optimizer.h"
#include "nn/program.h"

enum { RATES = 6, EPOCHS = 3, GRID = RATES * EPOCHS };
static const double rates[RATES] = {3e-4, 1e-3, 3e-3, 5e-3, 1e-2, 3e-2};
static const int epochs[EPOCHS] = {1, 3, 10};

/* ---- losses ------------------------------------------------------------------------------------------------------- */

/* relu(x - width tanh(x / width)) */
static ml3_node build_excess(ml3_nn_graph *g, ml3_node x, double width) {
  ml3_node bent = ml3_nn_scale(g, ml3_nn_tanh(g, ml3_nn_scale(g, x, 1 / width)), width);
  return ml3_nn_relu(g, ml3_nn_sub(g, x, bent));
}

static ml3_node build_drift(ml3_nn_graph *g, ml3_node log_ratio, ml3_node ratio, ml3_node advantage) {
  ml3_node good = build_excess(g, ml3_nn_mul(g, ml3_nn_shift(g, ratio, -1), advantage), 2);
  ml3_node bad = build_excess(g, ml3_nn_mul(g, log_ratio, advantage), 0.6);
  ml3_node is_good = ml3_nn_greater_equal(g, advantage, ml3_nn_constant(g, 1, 1, 0));
  return ml3_nn_select(g, is_good, good, bad);
}

ml3_node ml3_surrogate_build(ml3_nn_graph *g, ml3_surrogate kind, ml3_node log_ratio, ml3_node advantage) {
  const double clip = 0.2;
  ml3_node ratio = ml3_nn_exp(g, log_ratio), gain = ml3_nn_mul(g, ratio, advantage);
  if (kind == ML3_SURROGATE_DRIFT)
    gain = ml3_nn_sub(g, gain, build_drift(g, log_ratio, ratio, advantage));
  else
    gain = ml3_nn_min(g, gain, ml3_nn_mul(g, ml3_nn_clamp(g, ratio, 1 - clip, 1 + clip), advantage));
  return ml3_nn_neg(g, ml3_nn_mean(g, gain));
}

/* ---- learning ----------------------------------------------------------------------------------------------------- */

/* What the trials share. */
typedef struct shared_part {
  const ml3_problem *problem; /* the arena's */
  ml3_nn_program *program;    /* the gradient of the loss by theta */
  ml3_node theta, data;
  double rate;
  int epochs;
} shared_part;

/* One policy that learns. */
typedef struct optimizee {
  const shared_part *of;
  ml3_nn_workspace *work;
  ml3_nn_optimizer adam; /* which goes on over the updates */
  ml3_real *inner;
} optimizee;

static void close_optimizee(optimizee *s) {
  ml3_nn_optimizer_free(&s->adam);
  ml3_nn_workspace_free(s->work);
  free(s->inner);
}

static int open_optimizee(optimizee *s, const shared_part *of, ml3_error *error) {
  const ml3_problem *p = of->problem;
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(of->rate);
  *s = (optimizee){.of = of};
  int code = ml3_nn_optimizer_init(&s->adam, &adam, (size_t)p->theta_size, error);
  if (code == ML3_OK && !(s->work = ml3_nn_workspace_new(of->program, error))) code = ML3_ERR_MEMORY;
  if (code == ML3_OK && !(s->inner = calloc((size_t)p->inner_size, sizeof *s->inner)))
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the episodes of an update");
  if (code != ML3_OK) close_optimizee(s);
  return code;
}

/* Fresh episodes, then the epochs. Where something is not finite no step is taken. */
static void update(optimizee *s, const ml3_real *task, ml3_real *theta, ml3_random *random) {
  const ml3_problem *p = s->of->problem;
  if (p->collect(p, task, theta, random, s->inner, NULL, NULL) != ML3_OK) return;
  ml3_nn_bind_input(s->work, s->of->theta, theta);
  ml3_nn_bind_input(s->work, s->of->data, s->inner);
  for (int i = 0; i < s->of->epochs; i++) {
    ml3_nn_run(s->work, 0);
    ml3_nn_optimizer_update(&s->adam, theta, ml3_nn_output_at(s->work, 0));
  }
}

/* ---- choosing the step size ---------------------------------------------------------------------------------------- */

static int compile(shared_part *of, ml3_surrogate kind, ml3_error *error) {
  const ml3_problem *p = of->problem;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a surrogate loss");
  of->theta = ml3_nn_input(g, 1, p->theta_size);
  of->data = ml3_nn_input(g, 1, p->inner_size);
  const ml3_model_free_nodes at = ml3_model_free_build_nodes(p, g, of->theta, of->data);
  ml3_node loss = ml3_surrogate_build(g, kind, at.log_ratio, at.advantage), gradient;
  ml3_nn_gradient(g, loss, &of->theta, 1, &gradient);
  const ml3_nn_output output = {gradient, 0};
  of->program = ml3_nn_compile(g, &output, 1, error);
  ml3_nn_graph_free(g);
  return of->program ? ML3_OK : ml3_error_prefix(error, "problem '%s', a surrogate loss", p->name);
}

static void release(void *shared) {
  shared_part *of = shared;
  if (!of) return;
  ml3_nn_program_free(of->program);
  free(of);
}

/* Updates on a validation task. */
typedef struct validation {
  const shared_part *of;
  int updates;
} validation;

static int learn(void *user, const ml3_real *task, ml3_real *theta, ml3_random *random, ml3_error *error) {
  const validation *c = user;
  optimizee s;
  const int code = open_optimizee(&s, c->of, error);
  if (code != ML3_OK) return code;
  for (int k = 0; k < c->updates; k++) update(&s, task, theta, random);
  close_optimizee(&s);
  return ML3_OK;
}

static int tune(shared_part *of, const ml3_compare_settings *s, ml3_error *error) {
  validation c = {of, s->steps[s->step_count - 1]};
  double best = -INFINITY, mean;
  int at = 0;
  for (int i = 0; i < GRID; i++) {
    of->rate = rates[i % RATES], of->epochs = epochs[i / RATES];
    const int code = ml3_trial_validate(of->problem, s, learn, &c, &mean, error);
    if (code != ML3_OK) return code;
    if (mean > best) best = mean, at = i;
  }
  of->rate = rates[at % RATES], of->epochs = epochs[at / RATES];
  return ML3_OK;
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  const ml3_surrogate kind = *(const ml3_surrogate *)method->options;
  (void)loss;
  if (!arena->play.in_world || !arena->play.free_starts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' learns from the episodes of model-free losses; '%s' has none",
                         method->name, arena->play.problem->name);
  shared_part *of = calloc(1, sizeof *of);
  if (!of) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a surrogate loss");
  of->problem = arena->play.problem;
  int code = compile(of, kind, error);
  if (code == ML3_OK) code = tune(of, &arena->settings, error);
  if (code != ML3_OK) {
    release(of);
    return code;
  }
  *steps = (double)GRID * ML3_TRIAL_VALIDATION * arena->settings.steps[arena->settings.step_count - 1] *
           arena->play.update_steps;
  snprintf(note, note_size, "the step size and epochs of '%s', the best on validation tasks, are %g and %d",
           method->name, of->rate, of->epochs);
  *shared = of;
  return ML3_OK;
}

static void update_in_world(void *user, ml3_trial *t, ml3_real *theta) {
  update(user, t->world_task.numbers, theta, &t->random);
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  const shared_part *of = t->shared;
  const size_t size = (size_t)of->problem->theta_size;
  optimizee s;
  (void)method;
  ml3_trial_pause(t);
  int code = open_optimizee(&s, of, error);
  ml3_trial_resume(t);
  if (code != ML3_OK) return code;
  ml3_real *theta = malloc(size * sizeof *theta);
  if (theta) {
    memcpy(theta, t->theta_0, size * sizeof *theta);
    code = ml3_trial_report_updates(t, t->play->update_steps, theta, update_in_world, &s, error);
  } else {
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a policy");
  }
  free(theta);
  close_optimizee(&s);
  return code;
}

static const ml3_surrogate clipped = ML3_SURROGATE_CLIPPED, drift = ML3_SURROGATE_DRIFT;

const ml3_method ml3_method_surrogate = {
    .name = "surrogate",
    .label = "PPO's surrogate",
    .summary = "epochs of Adam on PPO's clipped surrogate, with the best step size on validation tasks",
    .needs = ML3_NEEDS_PROBLEM,
    .by_updates = true,
    .options = &clipped,
    .prepare = prepare,
    .release = release,
    .run = run};

const ml3_method ml3_method_drift = {.name = "drift",
                                     .label = "discovered drift",
                                     .summary = "the same on the drift of Discovered Policy Optimisation",
                                     .needs = ML3_NEEDS_PROBLEM,
                                     .by_updates = true,
                                     .options = &drift,
                                     .prepare = prepare,
                                     .release = release,
                                     .run = run};
