/* The model-based problem's model: how far it is off, and how it is learned while meta-training goes on.

   Data collection is interleaved with meta-training as in the published experiment: first transitions of random actions, then,
   every some outer steps, rollouts of the current policies in the real environment; the ensemble goes on from its present
   parameters on all of them. Transitions are rounded to ml3_real, so that a checkpoint keeps them as they are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based_internal.h"
#include "nn/program.h"

/* ---- error of the model -------------------------------------------------------------------------------------------- */

/* Programs for single steps along a real rollout, and for an imagined one. */
struct ml3_model_check {
  ml3_nn_program *steps, *rollout;
  ml3_nn_workspace *steps_work, *rollout_work;
  ml3_node states, actions, steps_context, theta, data, rollout_context;
  ml3_real *buffer; /* states [H, n], actions [H, m] */
};

void ml3_model_check_free(ml3_model_check *c) {
  if (!c) return;
  ml3_nn_workspace_free(c->steps_work);
  ml3_nn_workspace_free(c->rollout_work);
  ml3_nn_program_free(c->steps);
  ml3_nn_program_free(c->rollout);
  free(c->buffer);
  free(c);
}

static bool compile_check(const model_based *m, ml3_model_check *c, ml3_error *error) {
  const ml3_problem *p = &m->problem;
  const int n = m->settings.env->state_dim, a = m->settings.env->action_dim, horizon = m->settings.horizon;
  const int size = m->dynamics->context_size ? m->dynamics->context_size : 1;
  ml3_nn_graph *g = ml3_nn_graph_new(), *h = ml3_nn_graph_new();
  if (g && h) {
    c->states = ml3_nn_input(g, horizon, n), c->actions = ml3_nn_input(g, horizon, a);
    c->steps_context = ml3_nn_input(g, 1, size);
    const ml3_nn_output next = {
        m->dynamics->step(m->dynamics, g, m->dynamics->context_size ? c->steps_context : ML3_NN_NONE, c->states,
                          c->actions),
        0};
    c->theta = ml3_nn_input(h, 1, p->theta_size), c->data = ml3_nn_input(h, 1, p->task_size);
    c->rollout_context = ml3_nn_input(h, 1, size);
    const ml3_nn_output states = {ml3_model_based_rollout_states(m, h, c->theta, c->data, c->rollout_context), 0};
    c->steps = ml3_nn_compile(g, &next, 1, error);
    c->rollout = c->steps ? ml3_nn_compile(h, &states, 1, error) : NULL;
  }
  ml3_nn_graph_free(g);
  ml3_nn_graph_free(h);
  c->steps_work = c->rollout ? ml3_nn_workspace_new(c->steps, error) : NULL;
  c->rollout_work = c->steps_work ? ml3_nn_workspace_new(c->rollout, error) : NULL;
  c->buffer = calloc((size_t)(horizon * (n + a)), sizeof *c->buffer);
  return c->rollout_work && c->buffer;
}

static ml3_model_check *make_check(const model_based *m, ml3_error *error) {
  ml3_model_check *c = calloc(1, sizeof *c);
  ml3_error why = {0}; /* what a graph has said, if that was it */
  if (c && compile_check(m, c, &why)) return c;
  ml3_model_check_free(c);
  if (why.code != ML3_OK)
    ml3_error_set(error, why.code, "measuring the model of '%s': %s", m->settings.env->name, why.message);
  else
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory to measure the model of '%s'", m->settings.env->name);
  return NULL;
}

static bool is_velocity(const ml3_geometry *at, int entry) {
  for (int i = 0; i < at->velocity_dim; i++)
    if (at->velocity[i] == entry) return true;
  return false;
}

/* Sum of squared errors over sum of squared changes, of places and of velocities; the root of their mean. */
static double step_error(const model_based *m, const ml3_model_check *c, const ml3_episode *e) {
  const int n = m->settings.env->state_dim;
  const ml3_real *next = ml3_nn_output_at(c->steps_work, 0);
  double off[2] = {0}, change[2] = {0}, sum = 0;
  int counted = 0;
  for (int k = 0; k < m->geometry.moving_dim; k++) {
    const int i = m->geometry.moving[k], kind = is_velocity(&m->geometry, i);
    for (int t = 0; t < e->steps; t++) {
      off[kind] += pow(e->states[(t + 1) * n + i] - next[t * n + i], 2);
      change[kind] += pow(e->states[(t + 1) * n + i] - e->states[t * n + i], 2);
    }
  }
  for (int kind = 0; kind < 2; kind++)
    if (change[kind] > 0) sum += off[kind] / change[kind], counted++;
  return counted ? sqrt(sum / counted) : 0;
}

static double horizon_error(const model_based *m, const ml3_model_check *c, const ml3_episode *e) {
  const int n = m->settings.env->state_dim;
  const ml3_real *imagined = ml3_nn_output_at(c->rollout_work, 0) + e->steps * m->settings.starts * n;
  double state[n], real[m->settings.env->goal_dim + 1], way[m->geometry.place_dim + 1];
  for (int i = 0; i < n; i++) state[i] = imagined[i];
  m->geometry.outcome(&m->geometry, e->states + e->steps * n, real);
  return ml3_geometry_to_goal(&m->geometry, state, real, way);
}

static void run_check(const model_based *m, ml3_model_check *c, const ml3_real *task, const ml3_real *theta,
                      const ml3_episode *e, ml3_model_error *off) {
  static const ml3_real none[1] = {0};
  const ml3_real *context = m->problem.context ? m->problem.context : none;
  const int n = m->settings.env->state_dim, a = m->settings.env->action_dim, horizon = m->settings.horizon;
  ml3_real *states = c->buffer, *actions = c->buffer + horizon * n;
  for (int t = 0; t < horizon; t++) { /* rows behind an early end are not looked at */
    const int from = t < e->steps ? t : e->steps - 1;
    for (int i = 0; i < n; i++) states[t * n + i] = (ml3_real)e->states[from * n + i];
    for (int i = 0; i < a; i++) {
      const double low = m->settings.env->action[i].low, high = m->settings.env->action[i].high;
      actions[t * a + i] = (ml3_real)fmin(fmax(e->actions[from * a + i], low), high);
    }
  }
  ml3_nn_bind_input(c->steps_work, c->states, states);
  ml3_nn_bind_input(c->steps_work, c->actions, actions);
  ml3_nn_bind_input(c->steps_work, c->steps_context, context);
  ml3_nn_run(c->steps_work, 0);
  ml3_nn_bind_input(c->rollout_work, c->theta, theta);
  ml3_nn_bind_input(c->rollout_work, c->data, task);
  ml3_nn_bind_input(c->rollout_work, c->rollout_context, context);
  ml3_nn_run(c->rollout_work, 0);
  *off = (ml3_model_error){.step = step_error(m, c, e), .horizon = horizon_error(m, c, e)};
}

int ml3_model_based_measure(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_model_error *off,
                            ml3_error *error) {
  model_based *m = p->user; /* the check is the only part that changes */
  ml3_episode *e = ml3_model_based_episode(p, task, 0, theta, NULL, error);
  int code = e ? ML3_OK : ML3_ERR_MEMORY;
  *off = (ml3_model_error){NAN, NAN};
  if (!e || e->steps < 1) {
    ml3_episode_free(e);
    return e ? ML3_OK : code;
  }
#pragma omp critical(ml3_model_based_check)
  {
    if (!m->check) m->check = make_check(m, error);
    if (m->check)
      run_check(m, m->check, task, theta, e, off);
    else
      code = ML3_ERR_MEMORY;
  }
  ml3_episode_free(e);
  return code;
}

/* ---- learning ------------------------------------------------------------------------------------------------------ */

static void round_all(double *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = (ml3_real)x[i];
}

static int gather(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_error *error) {
  model_based *m = p->user;
  int code = ML3_OK;
  for (int start = 0; start < m->settings.starts && code == ML3_OK; start++) {
    ml3_episode *e = ml3_model_based_episode(p, task, start, theta, NULL, error);
    if (!e) return error ? error->code : ML3_ERR_MEMORY;
    const size_t n = (size_t)m->settings.env->state_dim, a = (size_t)m->settings.env->action_dim;
    round_all(e->states, (size_t)(e->steps + 1) * n);
    round_all(e->actions, (size_t)e->steps * a);
    ml3_transitions *d = m->transitions;
    if (d->count + e->steps > d->capacity) code = ml3_transitions_reserve(d, 2 * d->capacity + e->steps, error);
    if (code == ML3_OK) ml3_transitions_add_episode(d, e);
    ml3_episode_free(e);
  }
  return code;
}

static int learn(const ml3_problem *p, int64_t round, ml3_error *error) {
  model_based *m = p->user;
  ml3_ensemble_fit_settings fit = m->fit;
  fit.keep_normalization = true; /* the parameters go on from where they are */
  fit.seed += (uint64_t)round << 32;
  return ml3_ensemble_fit(m->ensemble, m->transitions, &fit, NULL, error);
}

/* ---- checkpoints: the context and all transitions ------------------------------------------------------------------ */

static int keep_transitions(const ml3_transitions *d, ml3_nn_tensors *file, ml3_error *error) {
  const int n = d->state_dim, a = d->action_dim, width = 2 * n + a;
  ml3_real *rows = calloc((size_t)d->count * (size_t)width + 1, sizeof *rows);
  if (!rows) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d transitions", d->count);
  for (int i = 0; i < d->count; i++) {
    ml3_real *row = rows + i * width;
    for (int j = 0; j < n; j++) row[j] = (ml3_real)d->states[i * n + j];
    for (int j = 0; j < a; j++) row[n + j] = (ml3_real)d->actions[i * a + j];
    for (int j = 0; j < n; j++) row[n + a + j] = (ml3_real)d->next[i * n + j];
  }
  int code = ml3_nn_tensors_put(file, "problem.transitions", d->count, width, rows, error);
  free(rows);
  return code;
}

static int restore_transitions(ml3_transitions *d, const ml3_nn_tensors *file, ml3_error *error) {
  const int n = d->state_dim, a = d->action_dim, width = 2 * n + a;
  const size_t size = ml3_nn_tensors_size(file, "problem.transitions"), count = size / (size_t)width;
  if (size == 0 || size % (size_t)width || count > INT32_MAX / 2)
    return ml3_error_set(error, ML3_ERR_FORMAT, "its transitions have %zu numbers; a row has %d", size, width);
  ml3_real *rows = calloc(size, sizeof *rows);
  int code = rows ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %zu transitions", count);
  if (code == ML3_OK) code = ml3_nn_tensors_get(file, "problem.transitions", size, rows, error);
  if (code == ML3_OK) code = ml3_transitions_reserve(d, (int)count, error);
  if (code == ML3_OK) d->count = 0;
  for (size_t i = 0; i < count && code == ML3_OK; i++) {
    double row[width];
    for (int j = 0; j < width; j++) row[j] = rows[i * (size_t)width + (size_t)j];
    ml3_transitions_add(d, row, row + n, row + n + a);
  }
  free(rows);
  return code;
}

int ml3_model_based_keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error) {
  const model_based *m = ml3_model_based_self(p);
  int code = m->demonstrations ? ml3_demonstrations_put(m->demonstrations, file, error) : ML3_OK;
  if (code == ML3_OK && m->settings.ensemble)
    code = ml3_nn_tensors_put(file, "problem.dynamics", 0, p->context_size, p->context, error);
  return code == ML3_OK && m->transitions ? keep_transitions(m->transitions, file, error) : code;
}

int ml3_model_based_restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error) {
  model_based *m = p->user;
  int code = m->demonstrations ? ml3_demonstrations_get(m->demonstrations, file, error) : ML3_OK;
  if (code == ML3_OK && m->settings.ensemble)
    code = ml3_nn_tensors_get(file, "problem.dynamics", (size_t)p->context_size, m->settings.ensemble->context, error);
  return code == ML3_OK && m->transitions ? restore_transitions(m->transitions, file, error) : code;
}

void ml3_model_based_let_learn(ml3_problem *p, ml3_transitions *data, const ml3_ensemble_fit_settings *fit) {
  model_based *m = p->user;
  const size_t count = (size_t)data->count, n = (size_t)data->state_dim, a = (size_t)data->action_dim;
  round_all(data->states, count * n);
  round_all(data->actions, count * a);
  round_all(data->next, count * n);
  m->transitions = data;
  m->fit = *fit;
  p->steps.made = data->count;
  p->gather = gather;
  p->learn = learn;
}
