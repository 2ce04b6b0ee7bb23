/* Models for planners: see model.h. */
#include "agents/control/model.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/program.h"

void ml3_model_free(ml3_model *model) {
  if (model) model->free(model);
}

/* Bounds of the actions as two arrays in one block. */
static double *copy_bounds(const ml3_env_spec *spec) {
  const size_t m = (size_t)spec->action_dim;
  double *bounds = calloc(2 * m + 1, sizeof *bounds);
  for (size_t i = 0; i < m && bounds; i++) {
    bounds[i] = spec->action[i].low;
    bounds[m + i] = spec->action[i].high;
  }
  return bounds;
}

/* ---- an environment ---------------------------------------------------------------------------------------------- */

typedef struct env_model {
  ml3_model model;
  ml3_env *env;
  double *bounds;
} env_model;

static void env_start(ml3_model *model, const double *state) {
  ml3_env_set_state(((env_model *)model)->env, state);
}

static void env_step(ml3_model *model, const double *action, double *next) {
  ml3_env *env = ((env_model *)model)->env;
  const ml3_env_result result = ml3_env_step(env, action);
  ml3_env_get_state(env, next);
  if (result.code < 0) next[0] = NAN; /* a simulation that diverged is back where it began: not where the action led */
}

static void env_linearize(ml3_model *model, int count, const double *states, const double *actions, double *a,
                          double *b) {
  ml3_env *env = ((env_model *)model)->env;
  const size_t n = (size_t)model->state_dim, m = (size_t)model->action_dim;
  for (size_t i = 0; i < (size_t)count; i++) {
    ml3_env_set_state(env, states + i * n);
    ml3_env_linearize(env, actions + i * m, a + i * n * n, b + i * n * m);
  }
}

static const char *env_trouble(const ml3_model *model) {
  return ((const env_model *)model)->env->warnings.failure;
}

static void env_free(ml3_model *model) {
  env_model *e = (env_model *)model;
  ml3_env_free(e->env);
  free(e->bounds);
  free(e);
}

static ml3_model *env_clone(ml3_model *model, ml3_error *error) {
  return ml3_model_of_env(((env_model *)model)->env, error);
}

ml3_model *ml3_model_of_env(const ml3_env *env, ml3_error *error) {
  const ml3_env_spec *spec = env->spec;
  if (ml3_env_need_continuous(spec, "iLQR", error) != ML3_OK || ml3_env_need_state(spec, "iLQR", error) != ML3_OK)
    return NULL;
  env_model *e = calloc(1, sizeof *e);
  if (!e || !(e->bounds = copy_bounds(spec))) {
    free(e);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a model of environment '%s'", spec->name);
    return NULL;
  }
  e->env = ml3_env_new(spec, error);
  if (!e->env) {
    env_free(&e->model);
    return NULL;
  }
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(e->env, env->task, &random);
  e->model = (ml3_model){.name = spec->name,
                         .state_dim = spec->state_dim,
                         .action_dim = spec->action_dim,
                         .low = e->bounds,
                         .high = e->bounds + spec->action_dim,
                         .precision = DBL_EPSILON,
                         .start = env_start,
                         .step = env_step,
                         .linearize = env_linearize,
                         .clone = env_clone,
                         .free = env_free,
                         .trouble = env_trouble};
  return &e->model;
}

/* ---- differentiable dynamics -------------------------------------------------------------------------------------- */

enum { ROWS = 32 }; /* states that one run of the Jacobian's program takes */

/* A compiled program with its inputs' numbers, shared by clones. */
typedef struct compiled {
  ml3_nn_program *program;
  ml3_node state, action, context;
} compiled;

typedef struct graph_model {
  ml3_model model;
  const ml3_dynamics *dynamics;
  const ml3_real *context;
  const ml3_env_spec *spec;
  compiled step, jacobian;
  ml3_nn_workspace *step_work, *jacobian_work;
  ml3_real *state, *action, *states, *actions; /* [n], [m], [ROWS][n], [ROWS][m] */
  double *bounds;
  struct graph_model *original; /* whose programs these are, or NULL */
} graph_model;

/* rows: of states; jacobian: outputs are the rows of the Jacobian, [rows][n + m] for each entry of the next state. */
static bool compile(const ml3_dynamics *d, int rows, bool jacobian, compiled *c, ml3_error *error) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_nn_output *outputs = calloc((size_t)d->state_dim + 1, sizeof *outputs);
  if (g && outputs) {
    c->state = ml3_nn_input(g, rows, d->state_dim);
    c->action = ml3_nn_input(g, rows, d->action_dim);
    c->context = d->context_size ? ml3_nn_input(g, 1, d->context_size) : ML3_NN_NONE;
    ml3_node next = d->step(d, g, c->context, c->state, c->action);
    const int count = jacobian ? d->state_dim : 1;
    outputs[0].node = next;
    for (int i = 0; i < d->state_dim && jacobian;
         i++) { /* rows do not mix: the sum's gradient is every row's */
      const ml3_node wrt[2] = {c->state, c->action};
      ml3_node by[2];
      ml3_nn_gradient(g, ml3_nn_sum(g, ml3_nn_slice_cols(g, next, i, 1)), wrt, 2, by);
      outputs[i].node = ml3_nn_concat_cols(g, by, 2);
    }
    c->program = ml3_nn_compile(g, outputs, count, error);
  } else {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a model of environment '%s'", d->environment);
  }
  free(outputs);
  ml3_nn_graph_free(g);
  return c->program != NULL;
}

static ml3_nn_workspace *bind(const graph_model *m, const compiled *c, const ml3_real *state,
                              const ml3_real *action, ml3_error *error) {
  ml3_nn_workspace *w = ml3_nn_workspace_new(c->program, error);
  if (!w) return NULL;
  ml3_nn_bind_input(w, c->state, state);
  ml3_nn_bind_input(w, c->action, action);
  if (m->dynamics->context_size) ml3_nn_bind_input(w, c->context, m->context);
  return w;
}

static void graph_start(ml3_model *model, const double *state) {
  graph_model *m = (graph_model *)model;
  for (int i = 0; i < model->state_dim; i++) m->state[i] = (ml3_real)state[i];
}

static void graph_step(ml3_model *model, const double *action, double *next) {
  graph_model *m = (graph_model *)model;
  for (int i = 0; i < model->action_dim; i++) m->action[i] = (ml3_real)action[i];
  ml3_nn_run(m->step_work, 0);
  const ml3_real *out = ml3_nn_output_at(m->step_work, 0);
  for (int i = 0; i < model->state_dim; i++) next[i] = m->state[i] = out[i];
}

/* One run of the Jacobian's program for `count` <= ROWS points. */
static void linearize_rows(graph_model *m, int count, const double *states, const double *actions, double *a,
                           double *b) {
  const size_t n = (size_t)m->model.state_dim, k = (size_t)m->model.action_dim;
  for (size_t i = 0; i < (size_t)count * n; i++) m->states[i] = (ml3_real)states[i];
  for (size_t i = 0; i < (size_t)count * k; i++) m->actions[i] = (ml3_real)actions[i];
  ml3_nn_run(m->jacobian_work, 0);
  for (size_t i = 0; i < n; i++) {
    const ml3_real *out = ml3_nn_output_at(m->jacobian_work, (int)i);
    for (size_t row = 0; row < (size_t)count; row++) {
      for (size_t j = 0; j < n; j++) a[(row * n + i) * n + j] = out[row * (n + k) + j];
      for (size_t j = 0; j < k; j++) b[(row * n + i) * k + j] = out[row * (n + k) + n + j];
    }
  }
}

static void graph_linearize(ml3_model *model, int count, const double *states, const double *actions,
                            double *a, double *b) {
  const size_t n = (size_t)model->state_dim, m = (size_t)model->action_dim;
  for (int first = 0; first < count; first += ROWS) {
    const size_t at = (size_t)first;
    linearize_rows((graph_model *)model, count - first < ROWS ? count - first : ROWS, states + at * n,
                   actions + at * m, a + at * n * n, b + at * n * m);
  }
}

static void graph_free(ml3_model *model) {
  graph_model *m = (graph_model *)model;
  ml3_nn_workspace_free(m->step_work);
  ml3_nn_workspace_free(m->jacobian_work);
  if (!m->original) {
    ml3_nn_program_free(m->step.program);
    ml3_nn_program_free(m->jacobian.program);
  }
  free(m->state);
  free(m->bounds);
  free(m);
}

static ml3_model *make_graph_model(const ml3_dynamics *d, const ml3_real *context, const ml3_env_spec *spec,
                                   graph_model *original, ml3_error *error);

static ml3_model *graph_clone(ml3_model *model, ml3_error *error) {
  graph_model *m = (graph_model *)model;
  return make_graph_model(m->dynamics, m->context, m->spec, m->original ? m->original : m, error);
}

static ml3_model *make_graph_model(const ml3_dynamics *d, const ml3_real *context, const ml3_env_spec *spec,
                                   graph_model *original, ml3_error *error) {
  const size_t n = (size_t)d->state_dim, k = (size_t)d->action_dim;
  graph_model *m = calloc(1, sizeof *m);
  if (!m || !(m->state = calloc((n + k) * (ROWS + 1), sizeof *m->state)) ||
      !(m->bounds = copy_bounds(spec))) {
    if (m) graph_free(&m->model);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a model of environment '%s'", spec->name);
    return NULL;
  }
  m->action = m->state + n;
  m->states = m->action + k;
  m->actions = m->states + ROWS * n;
  m->dynamics = d, m->context = context, m->spec = spec, m->original = original;
  m->model = (ml3_model){.name = spec->name,
                         .state_dim = d->state_dim,
                         .action_dim = d->action_dim,
                         .low = m->bounds,
                         .high = m->bounds + k,
                         .precision = sizeof(ml3_real) == sizeof(double) ? DBL_EPSILON : FLT_EPSILON,
                         .start = graph_start,
                         .step = graph_step,
                         .linearize = graph_linearize,
                         .clone = graph_clone,
                         .free = graph_free};
  bool good = true;
  if (original) {
    m->step = original->step;
    m->jacobian = original->jacobian;
  } else {
    good = compile(d, 1, false, &m->step, error) && compile(d, ROWS, true, &m->jacobian, error);
  }
  good = good && (m->step_work = bind(m, &m->step, m->state, m->action, error)) &&
         (m->jacobian_work = bind(m, &m->jacobian, m->states, m->actions, error));
  if (good) return &m->model;
  graph_free(&m->model);
  return NULL;
}

ml3_model *ml3_model_of_dynamics(const ml3_dynamics *dynamics, const ml3_real *context,
                                 const ml3_env_spec *spec, ml3_error *error) {
  if (dynamics->state_dim != spec->state_dim || dynamics->action_dim != spec->action_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "the dynamics have %d state and %d action entries, environment '%s' has %d and %d",
                  dynamics->state_dim, dynamics->action_dim, spec->name, spec->state_dim, spec->action_dim);
    return NULL;
  }
  return make_graph_model(dynamics, context, spec, NULL, error);
}
