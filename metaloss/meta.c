/* The inner step, the task loss and the adjoint walk, as three small programs for any problem and any K:

     inner  stage 0: theta, phi, D -> mean M, theta'
            stage 1: lambda        -> grad_phi s       s = < theta' - theta, lambda >, so that gradients add
            stage 2:               -> grad_theta s
     outer  stage 0: theta, D'     -> L_task, L
            stage 1:               -> grad L
     task   the same for L_task alone, for baselines

   Stages reuse forward values. The last inner step's are still there when the walk starts; for earlier steps stage 0
   is run again, so memory holds K copies of theta and D and one computation. */
#include "metaloss/meta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INNER_VALUE, INNER_THETA, INNER_GRAD_PHI, INNER_GRAD_THETA };
enum { OUTER_TASK, OUTER_LOSS, OUTER_GRADIENT };

struct ml3_meta {
  const ml3_problem *problem;
  ml3_meta_settings settings;
  int loss_size, rows;
  double *weights; /* [K + 1] w_k */
  ml3_nn_program *inner, *outer, *task, *features;
  ml3_node in_theta, in_phi, in_shift, in_scale, in_data, in_context, in_lambda; /* of inner and features */
  ml3_node out_theta, out_data, out_context;                                    /* of outer and task */
};

struct ml3_meta_work {
  const ml3_meta *meta;
  ml3_nn_workspace *inner, *outer, *task, *features;
  ml3_real *theta;  /* [K + 1][theta_size] */
  ml3_real *data;   /* [K][inner_size]; unused when D is the task */
  ml3_real *fresh;  /* [outer_size] */
  ml3_real *lambda; /* [theta_size] */
  ml3_real *piece;  /* [max(loss_size, theta_size)] */
  ml3_real *grads;  /* [K + 1][theta_size] grad L(theta_k) */
};

/* ---- programs --------------------------------------------------------------------------------------- */

static ml3_node context_input(const ml3_problem *p, ml3_nn_graph *g) {
  return ml3_nn_input(g, 1, p->context_size ? p->context_size : 1);
}

static int compile_inner(ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  const ml3_loss_spec *spec = &m->settings.loss;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the inner step");

  m->in_theta = ml3_nn_input(g, 1, p->theta_size);
  m->in_phi = ml3_nn_input(g, 1, m->loss_size);
  m->in_shift = ml3_nn_input(g, 1, p->features);
  m->in_scale = ml3_nn_input(g, 1, p->features);
  m->in_data = ml3_nn_input(g, 1, p->inner_size);
  m->in_context = context_input(p, g);
  m->in_lambda = ml3_nn_input(g, 1, p->theta_size);

  ml3_node rows = p->build_features(p, g, m->in_theta, m->in_data, m->in_context), step, grads[2];
  ml3_node value = ml3_nn_mean(g, ml3_loss_build(g, spec, m->in_phi, m->in_shift, m->in_scale, rows));
  ml3_nn_gradient(g, value, &m->in_theta, 1, &step);
  step = ml3_nn_mul(g, step, ml3_loss_build_rate(g, spec, m->in_phi));
  ml3_node wrt[2] = {m->in_phi, m->in_theta};
  ml3_nn_gradient(g, ml3_nn_neg(g, ml3_nn_dot(g, step, m->in_lambda)), wrt, 2, grads);

  m->rows = ml3_nn_rows(g, rows);
  const ml3_nn_output outputs[] = {
      {value, 0}, {ml3_nn_sub(g, m->in_theta, step), 0}, {grads[0], 1}, {grads[1], 2}};
  const ml3_nn_output only_rows = {rows, 0};
  m->inner = ml3_nn_compile(g, outputs, 4, error);
  m->features = m->inner ? ml3_nn_compile(g, &only_rows, 1, error) : NULL;
  ml3_nn_graph_free(g);
  return m->features ? ML3_OK : ml3_error_prefix(error, "problem '%s', inner step", p->name);
}

static int compile_outer(ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the task loss");

  m->out_theta = ml3_nn_input(g, 1, p->theta_size);
  m->out_data = ml3_nn_input(g, 1, p->outer_size);
  m->out_context = context_input(p, g);

  ml3_node task = p->build_task_loss(p, g, m->out_theta, m->out_data, m->out_context), loss, grads[2];
  loss = ml3_nn_scale(g, task, m->settings.task_weight);
  if (p->build_extra_loss && m->settings.extra_weight != 0) {
    ml3_node extra = p->build_extra_loss(p, g, m->out_theta, m->out_data, m->out_context);
    loss = ml3_nn_add(g, loss, ml3_nn_scale(g, extra, m->settings.extra_weight));
  }
  ml3_nn_gradient(g, loss, &m->out_theta, 1, &grads[0]);
  ml3_nn_gradient(g, task, &m->out_theta, 1, &grads[1]);

  const ml3_nn_output outer[] = {{task, 0}, {loss, 0}, {grads[0], 1}};
  const ml3_nn_output plain[] = {{task, 0}, {task, 0}, {grads[1], 1}};
  m->outer = ml3_nn_compile(g, outer, 3, error);
  m->task = m->outer ? ml3_nn_compile(g, plain, 3, error) : NULL;
  ml3_nn_graph_free(g);
  return m->task ? ML3_OK : ml3_error_prefix(error, "problem '%s', task loss", p->name);
}

/* ---- making ------------------------------------------------------------------------------------------ */

static void set_weights(ml3_meta *m) {
  int k_max = m->settings.inner_steps;
  for (int k = 1; k <= k_max; k++) switch (m->settings.weights) {
      case ML3_WEIGHTS_LAST: m->weights[k] = k == k_max; break;
      case ML3_WEIGHTS_ALL: m->weights[k] = 1.0 / k_max; break;
      case ML3_WEIGHTS_LINEAR: m->weights[k] = 2.0 * k / (k_max * (k_max + 1.0)); break;
    }
}

static int check(const ml3_problem *p, const ml3_meta_settings *s, ml3_error *error) {
  if (s->inner_steps < 1 || s->inner_steps > 1000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "inner steps are %d; 1 to 1000 are possible", s->inner_steps);
  if (s->loss.net.inputs != p->features)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss takes %d features; problem '%s' gives %d",
                         s->loss.net.inputs, p->name, p->features);
  if (s->loss.learn_rate == ML3_RATE_PARAMETER && s->loss.theta_size != p->theta_size)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the learned loss has step sizes for %d parameters; the optimizee has %d; a loss with one "
                         "step size fits any",
                         s->loss.theta_size, p->theta_size);
  return ML3_OK;
}

ml3_meta *ml3_meta_new(const ml3_problem *problem, const ml3_meta_settings *settings, ml3_error *error) {
  if (check(problem, settings, error) != ML3_OK) return NULL;

  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  ml3_loss *shape = ml3_loss_new(&settings->loss, &unused, error); /* checks the loss and tells its size */
  if (!shape) return NULL;
  ml3_meta *m = calloc(1, sizeof *m);
  double *weights = calloc((size_t)settings->inner_steps + 1, sizeof *weights);
  if (!m || !weights) {
    free(m);
    free(weights);
    ml3_loss_free(shape);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for problem '%s'", problem->name);
    return NULL;
  }
  *m = (ml3_meta){.problem = problem, .settings = *settings, .loss_size = shape->size, .weights = weights};
  ml3_loss_free(shape);
  set_weights(m);
  if (compile_inner(m, error) == ML3_OK && compile_outer(m, error) == ML3_OK) return m;
  ml3_meta_free(m);
  return NULL;
}

void ml3_meta_free(ml3_meta *m) {
  if (!m) return;
  ml3_nn_program_free(m->inner);
  ml3_nn_program_free(m->outer);
  ml3_nn_program_free(m->task);
  ml3_nn_program_free(m->features);
  free(m->weights);
  free(m);
}

const ml3_meta_settings *ml3_meta_settings_of(const ml3_meta *m) { return &m->settings; }
const ml3_problem *ml3_meta_problem(const ml3_meta *m) { return m->problem; }
const ml3_nn_program *ml3_meta_inner_program(const ml3_meta *m) { return m->inner; }
const ml3_nn_program *ml3_meta_outer_program(const ml3_meta *m) { return m->outer; }
int ml3_meta_rows(const ml3_meta *m) { return m->rows; }

ml3_meta_work *ml3_meta_work_new(const ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  size_t steps = (size_t)m->settings.inner_steps, theta = (size_t)p->theta_size;
  size_t piece = (size_t)(m->loss_size > p->theta_size ? m->loss_size : p->theta_size);
  ml3_meta_work *w = calloc(1, sizeof *w);
  if (!w) goto no_memory;

  *w = (ml3_meta_work){
      .meta = m,
      .inner = ml3_nn_workspace_new(m->inner, error),
      .outer = ml3_nn_workspace_new(m->outer, error),
      .task = ml3_nn_workspace_new(m->task, error),
      .features = ml3_nn_workspace_new(m->features, error),
      .theta = calloc((steps + 1) * theta, sizeof(ml3_real)),
      .data = calloc(steps * (size_t)p->inner_size, sizeof(ml3_real)),
      .fresh = calloc((size_t)p->outer_size, sizeof(ml3_real)),
      .lambda = calloc(theta, sizeof(ml3_real)),
      .piece = calloc(piece, sizeof(ml3_real)),
      .grads = calloc((steps + 1) * theta, sizeof(ml3_real)),
  };
  if (w->inner && w->outer && w->task && w->features && w->theta && w->data && w->fresh && w->lambda && w->piece &&
      w->grads)
    return w;
  ml3_meta_work_free(w);
no_memory:
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the buffers of problem '%s'", p->name);
  return NULL;
}

void ml3_meta_work_free(ml3_meta_work *w) {
  if (!w) return;
  ml3_nn_workspace_free(w->inner);
  ml3_nn_workspace_free(w->outer);
  ml3_nn_workspace_free(w->task);
  ml3_nn_workspace_free(w->features);
  free(w->theta);
  free(w->data);
  free(w->fresh);
  free(w->lambda);
  free(w->piece);
  free(w->grads);
  free(w);
}

ml3_nn_workspace *ml3_meta_inner_workspace(ml3_meta_work *w) { return w->inner; }
ml3_nn_workspace *ml3_meta_outer_workspace(ml3_meta_work *w) { return w->outer; }

/* ---- running ------------------------------------------------------------------------------------------ */

static bool all_finite(const ml3_real *x, int n) {
  ml3_real sum = 0; /* one NaN or infinity makes the sum of x * 0 a NaN */
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < n; i++) sum += x[i] * 0;
  return sum == 0;
}

static int not_finite(const ml3_meta *m, const char *what, int step, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': %s is not finite at inner step %d", m->problem->name, what,
                       step);
}

/* D_k: the task itself, or data collected under theta. */
static int inner_data(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random, int k,
                      const ml3_real **data, ml3_error *error) {
  const ml3_problem *p = w->meta->problem;
  *data = task;
  if (!p->collect) return ML3_OK;
  ml3_real *fresh = w->data + (size_t)k * (size_t)p->inner_size;
  *data = fresh;
  return p->collect(p, task, theta, random, fresh, NULL, error);
}

static int outer_data(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      const ml3_real **data, ml3_error *error) {
  const ml3_problem *p = w->meta->problem;
  *data = task;
  if (!p->collect) return ML3_OK;
  *data = w->fresh;
  return p->collect(p, task, theta, random, NULL, w->fresh, error);
}

static void bind_inner(const ml3_meta *m, ml3_nn_workspace *w, const ml3_loss *loss, const ml3_real *theta,
                       const ml3_real *data) {
  ml3_nn_bind_input(w, m->in_theta, theta);
  ml3_nn_bind_input(w, m->in_data, data);
  ml3_nn_bind_input(w, m->in_context, m->problem->context);
  if (!loss) return;
  ml3_nn_bind_input(w, m->in_phi, loss->phi);
  ml3_nn_bind_input(w, m->in_shift, loss->shift);
  ml3_nn_bind_input(w, m->in_scale, loss->scale);
}

/* theta_next = the inner step from theta. Leaves the forward values for the pullback. */
static int inner_step(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *theta, const ml3_real *data,
                      ml3_real *theta_next, int k, ml3_error *error) {
  const ml3_meta *m = w->meta;
  bind_inner(m, w->inner, loss, theta, data);
  ml3_nn_bind_output(w->inner, INNER_THETA, theta_next);
  ml3_nn_run(w->inner, 0);
  if (!isfinite(ml3_nn_output_at(w->inner, INNER_VALUE)[0])) return not_finite(m, "the learned loss", k, error);
  if (!all_finite(theta_next, m->problem->theta_size)) return not_finite(m, "the updated parameter vector", k, error);
  return ML3_OK;
}

/* value and, unless NULL, gradient of L (outer) or L_task (task) at theta. */
static int loss_at(ml3_meta_work *w, ml3_nn_workspace *outer, const ml3_real *task, const ml3_real *theta,
                   ml3_random *random, int k, double *value, ml3_real *gradient, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_real *data;
  int code = outer_data(w, task, theta, random, &data, error);
  if (code != ML3_OK) return code;

  ml3_nn_bind_input(outer, m->out_theta, theta);
  ml3_nn_bind_input(outer, m->out_data, data);
  ml3_nn_bind_input(outer, m->out_context, m->problem->context);
  ml3_nn_run(outer, 0);
  *value = ml3_nn_output_at(outer, OUTER_LOSS)[0];
  if (!isfinite(*value)) return not_finite(m, "the task loss", k, error);
  if (!gradient) return ML3_OK;

  ml3_nn_bind_output(outer, OUTER_GRADIENT, gradient);
  ml3_nn_run(outer, 1);
  if (!all_finite(gradient, m->problem->theta_size)) return not_finite(m, "the task loss's gradient", k, error);
  return ML3_OK;
}

/* theta_1 .. theta_K from theta, and L where w_k is not 0, with its gradient when that is wanted. */
static int walk_forward(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta_0,
                        ml3_random *random, bool gradients, double *objective, double *losses, ml3_error *error) {
  const ml3_meta *m = w->meta;
  size_t size = (size_t)m->problem->theta_size;
  memcpy(w->theta, theta_0, size * sizeof *theta_0);
  *objective = 0;
  for (int k = 0; k <= m->settings.inner_steps; k++) {
    ml3_real *theta = w->theta + (size_t)k * size;
    if (losses) losses[k] = NAN;
    if (m->weights[k] != 0) {
      double value;
      ml3_real *gradient = gradients ? w->grads + (size_t)k * size : NULL;
      int code = loss_at(w, w->outer, task, theta, random, k, &value, gradient, error);
      if (code != ML3_OK) return code;
      *objective += m->weights[k] * value;
      if (losses) losses[k] = value;
    }
    if (k == m->settings.inner_steps) break;

    const ml3_real *data;
    int code = inner_data(w, task, theta, random, k, &data, error);
    if (code == ML3_OK) code = inner_step(w, loss, theta, data, theta + size, k, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* lambda and grad_phi from step K back to 0. */
static int walk_back(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *gradient,
                     ml3_error *error) {
  const ml3_meta *m = w->meta;
  const int steps = m->settings.inner_steps, n = m->problem->theta_size;
  const size_t inner_size = (size_t)m->problem->inner_size;
  const ml3_real *last = w->grads + (size_t)steps * (size_t)n;

  for (int i = 0; i < n; i++) w->lambda[i] = (ml3_real)m->weights[steps] * last[i];
  ml3_nn_bind_input(w->inner, m->in_lambda, w->lambda);

  for (int k = steps - 1; k >= 0; k--) {
    const ml3_real *data = m->problem->collect ? w->data + (size_t)k * inner_size : task;
    ml3_real *theta = w->theta + (size_t)k * (size_t)n;
    if (k < steps - 1) { /* the last step's forward values are still there */
      int code = inner_step(w, loss, theta, data, theta + n, k, error);
      if (code != ML3_OK) return code;
    }
    bool first = k == steps - 1;
    ml3_nn_bind_output(w->inner, INNER_GRAD_PHI, first ? gradient : w->piece);
    ml3_nn_run(w->inner, 1);
    for (int i = 0; i < m->loss_size && !first; i++) gradient[i] += w->piece[i];
    if (k == 0) break;

    const ml3_real *here = w->grads + (size_t)k * (size_t)n, weight = (ml3_real)m->weights[k];
    if (m->settings.greedy) {
      for (int i = 0; i < n; i++) w->lambda[i] = 0;
    } else {
      ml3_nn_bind_output(w->inner, INNER_GRAD_THETA, w->piece);
      ml3_nn_run(w->inner, 2);
      for (int i = 0; i < n; i++) w->lambda[i] += w->piece[i];
    }
    for (int i = 0; i < n && weight != 0; i++) w->lambda[i] += weight * here[i];
    if (!all_finite(w->lambda, n)) return not_finite(m, "the adjoint", k, error);
  }
  return all_finite(gradient, m->loss_size) ? ML3_OK : not_finite(m, "the meta-gradient", 0, error);
}

int ml3_meta_gradient(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses, ml3_error *error) {
  double sum;
  int code = walk_forward(w, loss, task, theta, random, true, &sum, losses, error);
  if (code == ML3_OK) code = walk_back(w, loss, task, gradient, error);
  if (objective) *objective = sum;
  return code;
}

int ml3_meta_objective(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                       ml3_random *random, ml3_real *adapted, double *objective, ml3_error *error) {
  const size_t size = (size_t)w->meta->problem->theta_size, steps = (size_t)w->meta->settings.inner_steps;
  int code = walk_forward(w, loss, task, theta, random, false, objective, NULL, error);
  if (adapted && code == ML3_OK) memcpy(adapted, w->theta + steps * size, size * sizeof *adapted);
  return code;
}

int ml3_meta_adapt(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *theta, ml3_random *random,
                   double *value, ml3_error *error) {
  const size_t bytes = (size_t)w->meta->problem->theta_size * sizeof *theta;
  const ml3_real *data;
  int code = inner_data(w, task, theta, random, 0, &data, error);
  if (code == ML3_OK) code = inner_step(w, loss, theta, data, w->theta, 0, error);
  if (code != ML3_OK) return code;
  if (value) *value = ml3_nn_output_at(w->inner, INNER_VALUE)[0];
  memcpy(theta, w->theta, bytes);
  return ML3_OK;
}

int ml3_meta_task_gradient(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           double *value, ml3_real *gradient, ml3_error *error) {
  double unused;
  return loss_at(w, w->task, task, theta, random, 0, value ? value : &unused, gradient, error);
}

int ml3_meta_features(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      ml3_real *features, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_real *data;
  int code = inner_data(w, task, theta, random, 0, &data, error);
  if (code != ML3_OK) return code;
  bind_inner(m, w->features, NULL, theta, data);
  ml3_nn_bind_output(w->features, 0, features);
  ml3_nn_run(w->features, 0);
  return ML3_OK;
}
