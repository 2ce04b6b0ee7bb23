/* The adjoint walk of meta.h over a batch of tasks: forward through the K inner steps, back through their pullbacks.

   Stages reuse forward values. The last inner step's are still there when the walk starts; for earlier steps stage 0
   is run again, so memory holds K copies of theta and D and one computation. */
#include "metaloss/meta_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/vector.h"

struct ml3_meta_work {
  const ml3_meta *meta;
  ml3_nn_workspace *inner, *outer, *task, *features;
  ml3_real *theta;  /* [K + 1][batch][theta_size] */
  ml3_real *data;   /* [K][batch][inner_size]; unused when D is the task */
  ml3_real *fresh;  /* [outer_size] */
  ml3_real *lambda; /* [batch][theta_size] */
  ml3_real *piece;  /* [max(loss_size, batch * theta_size)] */
  ml3_real *grads;  /* [K + 1][batch][theta_size] grad L(theta_k) */
};

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
  if (s->batch < 0 || s->batch > ML3_META_MAX_BATCH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the batch of a program is %d tasks; 1 to %d are possible", s->batch,
                         ML3_META_MAX_BATCH);
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
  *m = (ml3_meta){.problem = problem,
                  .settings = *settings,
                  .batch = settings->batch > 1 ? settings->batch : 1,
                  .loss_size = shape->size,
                  .weights = weights};
  ml3_loss_free(shape);
  set_weights(m);
  if (ml3_meta_compile(m, error) == ML3_OK) return m;
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
int ml3_meta_batch(const ml3_meta *m) { return m->batch; }
int ml3_meta_rows(const ml3_meta *m) { return m->rows; }

ml3_meta_work *ml3_meta_work_new(const ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  const size_t steps = (size_t)m->settings.inner_steps, batch = (size_t)m->batch;
  const size_t theta = batch * (size_t)p->theta_size, phi = (size_t)m->loss_size;
  ml3_meta_work *w = calloc(1, sizeof *w);
  if (!w) goto no_memory;

  *w = (ml3_meta_work){
      .meta = m,
      .inner = ml3_nn_workspace_new(m->inner, error),
      .outer = ml3_nn_workspace_new(m->outer, error),
      .task = ml3_nn_workspace_new(m->task, error),
      .features = ml3_nn_workspace_new(m->features, error),
      .theta = calloc((steps + 1) * theta, sizeof(ml3_real)),
      .data = calloc(steps * batch * (size_t)p->inner_size, sizeof(ml3_real)),
      .fresh = calloc((size_t)p->outer_size, sizeof(ml3_real)),
      .lambda = calloc(theta, sizeof(ml3_real)),
      .piece = calloc(phi > theta ? phi : theta, sizeof(ml3_real)),
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

static int not_finite(const ml3_meta *m, const char *what, int step, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': %s is not finite at inner step %d", m->problem->name, what,
                       step);
}

/* D_k of every task: the tasks themselves, or data collected under theta. */
static int inner_data(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random, int k,
                      const ml3_real **data, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_problem *p = m->problem;
  *data = task;
  if (!p->collect) return ML3_OK;
  ml3_real *fresh = w->data + (size_t)k * (size_t)m->batch * (size_t)p->inner_size;
  *data = fresh;
  int code = ML3_OK;
  for (int i = 0; i < m->batch && code == ML3_OK; i++)
    code = p->collect(p, task + (size_t)i * (size_t)p->task_size, theta + (size_t)i * (size_t)p->theta_size, &random[i],
                      fresh + (size_t)i * (size_t)p->inner_size, NULL, error);
  return code;
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

/* theta_next = the inner step from theta, for every task. Leaves the forward values for the pullback. */
static int inner_step(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *theta, const ml3_real *data,
                      ml3_real *theta_next, int k, ml3_error *error) {
  const ml3_meta *m = w->meta;
  bind_inner(m, w->inner, loss, theta, data);
  ml3_nn_bind_output(w->inner, INNER_THETA, theta_next);
  ml3_nn_run(w->inner, 0);
  if (!isfinite(ml3_nn_output_at(w->inner, INNER_VALUE)[0])) return not_finite(m, "the learned loss", k, error);
  if (!ml3_nn_all_finite(theta_next, (size_t)(m->batch * m->problem->theta_size))) return not_finite(m, "the updated parameter vector", k, error);
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
  if (!ml3_nn_all_finite(gradient, (size_t)m->problem->theta_size)) return not_finite(m, "the task loss's gradient", k, error);
  return ML3_OK;
}

/* L of every task at theta_k, where w_k is not 0. */
static int losses_at(ml3_meta_work *w, const ml3_real *task, ml3_random *random, int k, bool gradients,
                     double *objective, double *losses, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const size_t size = (size_t)m->problem->theta_size, task_size = (size_t)m->problem->task_size;
  for (int i = 0; i < m->batch; i++) {
    const size_t at = ((size_t)k * (size_t)m->batch + (size_t)i) * size;
    double *const here = losses ? &losses[i * (m->settings.inner_steps + 1) + k] : NULL, value;
    if (here) *here = NAN;
    if (m->weights[k] == 0) continue;
    int code = loss_at(w, w->outer, task + (size_t)i * task_size, w->theta + at, &random[i], k, &value,
                       gradients ? w->grads + at : NULL, error);
    if (code != ML3_OK) return code;
    objective[i] += m->weights[k] * value;
    if (here) *here = value;
  }
  return ML3_OK;
}

/* theta_1 .. theta_K of every task from theta, and L where w_k is not 0, with its gradient when that is wanted. */
static int walk_forward(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta_0,
                        ml3_random *random, bool gradients, double *objective, double *losses, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const size_t size = (size_t)m->batch * (size_t)m->problem->theta_size;
  memcpy(w->theta, theta_0, size * sizeof *theta_0);
  for (int i = 0; i < m->batch; i++) objective[i] = 0;
  for (int k = 0;; k++) {
    ml3_real *theta = w->theta + (size_t)k * size;
    int code = losses_at(w, task, random, k, gradients, objective, losses, error);
    if (code != ML3_OK || k == m->settings.inner_steps) return code;

    const ml3_real *data;
    code = inner_data(w, task, theta, random, k, &data, error);
    if (code == ML3_OK) code = inner_step(w, loss, theta, data, theta + size, k, error);
    if (code != ML3_OK) return code;
  }
}

/* lambda and grad_phi from step K back to 0. */
static int walk_back(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *gradient,
                     ml3_error *error) {
  const ml3_meta *m = w->meta;
  const int steps = m->settings.inner_steps, n = m->batch * m->problem->theta_size;
  const size_t inner_size = (size_t)m->batch * (size_t)m->problem->inner_size;
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
    if (!first) ml3_nn_add_to(gradient, w->piece, (size_t)m->loss_size);
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
    if (!ml3_nn_all_finite(w->lambda, (size_t)n)) return not_finite(m, "the adjoint", k, error);
  }
  return ml3_nn_all_finite(gradient, (size_t)m->loss_size) ? ML3_OK : not_finite(m, "the meta-gradient", 0, error);
}

int ml3_meta_gradient(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses, ml3_error *error) {
  double unused[ML3_META_MAX_BATCH];
  int code = walk_forward(w, loss, task, theta, random, true, objective ? objective : unused, losses, error);
  return code == ML3_OK ? walk_back(w, loss, task, gradient, error) : code;
}

int ml3_meta_objective(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                       ml3_random *random, ml3_real *adapted, double *objective, ml3_error *error) {
  const size_t size = (size_t)w->meta->batch * (size_t)w->meta->problem->theta_size;
  const size_t steps = (size_t)w->meta->settings.inner_steps;
  int code = walk_forward(w, loss, task, theta, random, false, objective, NULL, error);
  if (adapted && code == ML3_OK) memcpy(adapted, w->theta + steps * size, size * sizeof *adapted);
  return code;
}

int ml3_meta_adapt(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *theta, ml3_random *random,
                   double *value, ml3_error *error) {
  const size_t bytes = (size_t)w->meta->batch * (size_t)w->meta->problem->theta_size * sizeof *theta;
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
