/* The adjoint walk of meta.h over a batch of tasks: forward through the K inner steps, back through their pullbacks.

   Stages reuse forward values. Those of the last steps are still there when the walk starts, as many as keep_bytes has room
   for and one at least; for earlier steps stage 0 is run again, so memory holds K copies of theta and D and a bounded
   number of computations. */
#include <math.h>
#include <string.h>

#include "metaloss/meta_internal.h"
#include "nn/vector.h"

/* ---- running ------------------------------------------------------------------------------------------ */

static int not_finite(const ml3_meta *m, const char *what, int step, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': %s is not finite at inner step %d", m->problem->name,
                       what, step);
}

/* One stage of a program; a problem's graph may gather rows by an index that none has. */
static int run(const ml3_meta *m, ml3_nn_workspace *w, int stage, ml3_error *error) {
  if (ml3_nn_run(w, stage) == ML3_OK) return ML3_OK;
  ml3_nn_run_error(w, error);
  ml3_error_prefix(error, "problem '%s'", m->problem->name);
  return ML3_ERR_ARGUMENT;
}

/* The workspace of inner step k. Steps too early to be kept share the last one, which is free again when the walk back
   comes to them. */
static ml3_nn_workspace *inner_of(const ml3_meta_work *w, int k) {
  const int from_last = w->meta->settings.inner_steps - 1 - k;
  return w->inner[from_last < w->kept ? from_last : w->kept - 1];
}

/* D_k of every task: the tasks themselves, or data collected under theta. */
static int inner_data(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random, int k,
                      const ml3_real **data, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_problem *p = m->problem;
  *data = task;
  if (!p->collect) return ML3_OK;
  ml3_real *fresh = (w->store ? w->store : w->data) + (size_t)(k - k % m->passes) * (size_t)m->batch * (size_t)p->inner_size;
  *data = fresh;
  if (k % m->passes != 0 || (w->store && w->filled)) return ML3_OK;
  int code = ML3_OK;
  for (int i = 0; i < m->batch && code == ML3_OK; i++)
    code = p->collect(p, task + (size_t)i * (size_t)p->task_size, theta + (size_t)i * (size_t)p->theta_size, &random[i],
                      fresh + (size_t)i * (size_t)p->inner_size, NULL, error);
  if (code == ML3_OK && !ml3_nn_all_finite(fresh, (size_t)m->batch * (size_t)p->inner_size))
    return not_finite(m, "the data of the rollouts", k, error);
  return code;
}

/* D' under theta_k; out of D, where that is not NULL. `place` is where D' belongs in what is stored. */
static int outer_data(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, const ml3_real *inner, int place,
                      ml3_random *random, int k, const ml3_real **data, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_problem *p = m->problem;
  *data = task;
  if (!p->collect) return ML3_OK;
  ml3_real *fresh = w->fresh;
  if (w->store)
    fresh = w->store + (size_t)m->settings.inner_steps * (size_t)m->batch * (size_t)p->inner_size +
            (size_t)place * (size_t)p->outer_size;
  *data = fresh;
  if (w->store && w->filled) return ML3_OK;
  int code = inner ? p->reuse(p, task, inner, fresh, error) : p->collect(p, task, theta, random, NULL, fresh, error);
  if (code == ML3_OK && !ml3_nn_all_finite(fresh, (size_t)p->outer_size))
    return not_finite(m, "the data of the rollouts that judge", k, error);
  return code;
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

/* theta_next and, with momentum, velocity_next: the inner step from theta and velocity, for every task. Leaves the forward
   values for the pullback. */
static int inner_step(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *theta, const ml3_real *velocity,
                      const ml3_real *data, ml3_real *theta_next, ml3_real *velocity_next, int k, ml3_error *error) {
  const ml3_meta *m = w->meta;
  ml3_nn_workspace *inner = inner_of(w, k);
  bind_inner(m, inner, loss, theta, data);
  ml3_nn_bind_output(inner, INNER_THETA, theta_next);
  if (w->velocity) {
    ml3_nn_bind_input(inner, m->in_velocity, velocity);
    ml3_nn_bind_output(inner, INNER_VELOCITY, velocity_next);
  }
  ml3_nn_bind_input(inner, m->in_slowed, &w->slowed);
  int code = run(m, inner, 0, error);
  if (code != ML3_OK) return code;
  if (!isfinite(ml3_nn_output_at(inner, INNER_VALUE)[0]))
    return not_finite(m, loss->spec.kind == ML3_LOSS_LEARNED ? "the learned loss" : "the task's inner loss", k, error);
  if (!ml3_nn_all_finite(theta_next, (size_t)(m->batch * m->problem->theta_size)))
    return not_finite(m, "the updated parameter vector", k, error);
  return ML3_OK;
}

/* value and, unless NULL, gradient of L (outer) or L_task (task) at theta. */
static int loss_at(ml3_meta_work *w, ml3_nn_workspace *outer, const ml3_real *task, const ml3_real *theta,
                   const ml3_real *inner, int place, ml3_random *random, int k, double *value, ml3_real *gradient,
                   ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_real *data;
  int code = outer_data(w, task, theta, inner, place, random, k, &data, error);
  if (code != ML3_OK) return code;

  ml3_nn_bind_input(outer, m->out_theta, theta);
  ml3_nn_bind_input(outer, m->out_data, data);
  ml3_nn_bind_input(outer, m->out_context, m->problem->context);
  if ((code = run(m, outer, 0, error)) != ML3_OK) return code;
  *value = ml3_nn_output_at(outer, OUTER_LOSS)[0];
  if (!isfinite(*value)) return not_finite(m, "the task loss", k, error);
  if (!gradient) return ML3_OK;

  ml3_nn_bind_output(outer, OUTER_GRADIENT, gradient);
  ml3_nn_run(outer, 1);
  if (!ml3_nn_all_finite(gradient, (size_t)m->problem->theta_size))
    return not_finite(m, "the task loss's gradient", k, error);
  return ML3_OK;
}

/* L of every task at theta_k, where w_k is not 0; out of D_k, where that is not NULL. */
static int losses_at(ml3_meta_work *w, const ml3_real *task, const ml3_real *inner, ml3_random *random, int k,
                     bool gradients, double *objective, double *losses, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const size_t inner_size = (size_t)m->problem->inner_size;
  const size_t size = (size_t)m->problem->theta_size, task_size = (size_t)m->problem->task_size;
  for (int i = 0; i < m->batch; i++) {
    const size_t at = ((size_t)k * (size_t)m->batch + (size_t)i) * size;
    double *const here = losses ? &losses[i * (m->settings.inner_steps + 1) + k] : NULL, value;
    if (here) *here = NAN;
    if (m->weights[k] == 0) continue;
    int code =
        loss_at(w, w->outer, task + (size_t)i * task_size, w->theta + at, inner ? inner + (size_t)i * inner_size : NULL,
                k * m->batch + i, &random[i], k, &value, gradients ? w->grads + at : NULL, error);
    if (code != ML3_OK) return code;
    objective[i] += m->weights[k] * value;
    if (here) *here = value;
  }
  return ML3_OK;
}

/* Where v_k is, or NULL without momentum. */
static ml3_real *velocity_at(const ml3_meta_work *w, int k) {
  return w->velocity ? w->velocity + (size_t)k * (size_t)w->meta->batch * (size_t)w->meta->problem->theta_size : NULL;
}

static void add_moments(ml3_meta_work *w, int k) {
  const ml3_meta *m = w->meta;
  const int inputs = m->settings.loss.net.inputs;
  const ml3_real *sums = ml3_nn_output_at(inner_of(w, k), INNER_SUMS);
  const ml3_real *squares = ml3_nn_output_at(inner_of(w, k), INNER_SQUARES);
  for (int i = 0; i < inputs; i++) w->sums[i] += sums[i], w->sums[inputs + i] += squares[i];
  w->rows += (int64_t)m->batch * m->rows;
}

/* theta_1 .. theta_K of every task from theta, and L where w_k is not 0, with its gradient when that is wanted. */
static int walk_forward(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta_0,
                        ml3_random *random, bool gradients, double *objective, double *losses, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const size_t size = (size_t)m->batch * (size_t)m->problem->theta_size;
  const bool moments = m->settings.moments && m->settings.loss.kind == ML3_LOSS_LEARNED;
  if (!ml3_nn_all_finite(task, (size_t)m->batch * (size_t)m->problem->task_size))
    return not_finite(m, "the task's data", 0, error);
  if (!ml3_nn_all_finite(theta_0, size)) return not_finite(m, "the initial parameter vector", 0, error);
  memcpy(w->theta, theta_0, size * sizeof *theta_0);
  memset(w->sums, 0, 2 * (size_t)m->settings.loss.net.inputs * sizeof *w->sums);
  w->rows = 0;
  for (int i = 0; i < m->batch; i++) objective[i] = 0;
  for (int k = 0;; k++) {
    ml3_real *theta = w->theta + (size_t)k * size;
    const bool last = k == m->settings.inner_steps, reuse = m->problem->reuse && !last;
    const ml3_real *data = NULL;
    int code = reuse ? inner_data(w, task, theta, random, k, &data, error) : ML3_OK;
    if (code == ML3_OK) code = losses_at(w, task, data, random, k, gradients, objective, losses, error);
    if (code != ML3_OK || last) return code;

    if (!reuse) code = inner_data(w, task, theta, random, k, &data, error);
    if (code == ML3_OK)
      code = inner_step(w, loss, theta, velocity_at(w, k), data, theta + size, velocity_at(w, k + 1), k, error);
    if (code != ML3_OK) return code;
    for (int i = 0; ml3_meta_teaches(m) && i < m->batch; i++)
      objective[i] += (double)ml3_nn_output_at(inner_of(w, k), INNER_TAUGHT)[i];
    if (moments) add_moments(w, k);
  }
}

/* lambda and nu of step k from those of step k + 1; the inner program has just run that step's stages 0 and 1. */
static void pull_back(ml3_meta_work *w, int k) {
  const ml3_meta *m = w->meta;
  const int n = m->batch * m->problem->theta_size;
  const ml3_real *here = w->grads + (size_t)k * (size_t)n, weight = (ml3_real)m->weights[k];
  const ml3_derivatives derivatives = m->settings.derivatives;

  if (derivatives == ML3_DERIVATIVES_GREEDY) {
    memset(w->lambda, 0, (size_t)n * sizeof *w->lambda);
    if (w->nu) memset(w->nu, 0, (size_t)n * sizeof *w->nu);
  } else if (derivatives == ML3_DERIVATIVES_EXACT || w->nu) {
    ml3_nn_workspace *inner = inner_of(w, k);
    ml3_nn_run(inner, 2);
    const ml3_real *by_theta = ml3_nn_output_at(inner, INNER_GRAD_THETA);
    for (int i = 0; i < n && derivatives == ML3_DERIVATIVES_EXACT; i++) w->lambda[i] += by_theta[i];
    if (w->nu) memcpy(w->nu, ml3_nn_output_at(inner, INNER_GRAD_VELOCITY), (size_t)n * sizeof *w->nu);
  }
  for (int i = 0; i < n && weight != 0; i++) w->lambda[i] += weight * here[i];
}

/* The gradient of a learned start: the sum over the tasks of lambda_0. */
static void add_start(const ml3_meta_work *w, const ml3_loss *loss, ml3_real *gradient) {
  const size_t size = (size_t)w->meta->problem->theta_size;
  for (int i = 0; i < w->meta->batch; i++)
    ml3_nn_add_to(gradient + ml3_loss_net_size(&loss->spec), w->lambda + (size_t)i * size, size);
}

/* lambda and grad_phi from step K back to 0. */
static int walk_back(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *gradient,
                     ml3_error *error) {
  const ml3_meta *m = w->meta;
  const int steps = m->settings.inner_steps, n = m->batch * m->problem->theta_size;
  const size_t inner_size = (size_t)m->batch * (size_t)m->problem->inner_size;
  const ml3_real *last = w->grads + (size_t)steps * (size_t)n, weight = (ml3_real)m->weights[steps];

  for (int i = 0; i < n; i++) w->lambda[i] = weight != 0 ? weight * last[i] : 0;
  if (w->nu) memset(w->nu, 0, (size_t)n * sizeof *w->nu);
  for (int k = steps - 1; k >= 0; k--) {
    const ml3_real *data = m->problem->collect ? (w->store ? w->store : w->data) + (size_t)(k - k % m->passes) * inner_size : task;
    ml3_real *theta = w->theta + (size_t)k * (size_t)n;
    const bool first = k == steps - 1;
    ml3_nn_workspace *inner = inner_of(w, k);
    if (steps - 1 - k >= w->kept) { /* its forward values are gone */
      int code = inner_step(w, loss, theta, velocity_at(w, k), data, theta + n, velocity_at(w, k + 1), k, error);
      if (code != ML3_OK) return code;
    }
    ml3_nn_bind_input(inner, m->in_lambda, w->lambda);
    if (w->nu) ml3_nn_bind_input(inner, m->in_nu, w->nu);
    ml3_nn_bind_output(inner, INNER_GRAD_PHI, first ? gradient : w->piece);
    ml3_nn_run(inner, 1);
    if (!first) ml3_nn_add_to(gradient, w->piece, (size_t)m->loss_size);
    if (k == 0 && !loss->spec.learn_start) break;
    pull_back(w, k);
    if (!ml3_nn_all_finite(w->lambda, (size_t)n)) return not_finite(m, "the adjoint", k, error);
  }
  if (loss->spec.learn_start) add_start(w, loss, gradient);
  return ml3_nn_all_finite(gradient, (size_t)m->loss_size) ? ML3_OK : not_finite(m, "the meta-gradient", 0, error);
}

/* ---- the calls of meta.h -------------------------------------------------------------------------------- */

void ml3_meta_begin(ml3_meta_work *w, const ml3_loss *loss, ml3_real *theta) {
  const size_t size = (size_t)w->meta->problem->theta_size, batch = (size_t)w->meta->batch;
  const ml3_real *start = ml3_loss_start(loss);
  for (size_t i = 0; i < batch && start; i++) memcpy(theta + i * size, start, size * sizeof *theta);
  if (w->velocity) memset(w->velocity, 0, batch * size * sizeof *w->velocity);
}

void ml3_meta_slow(ml3_meta_work *w, double factor) {
  w->slowed = (ml3_real)factor;
}

size_t ml3_meta_data_size(const ml3_meta *m) {
  const size_t steps = (size_t)m->settings.inner_steps, batch = (size_t)m->batch;
  return batch * (steps * (size_t)m->problem->inner_size + (steps + 1) * (size_t)m->problem->outer_size);
}

void ml3_meta_use_data(ml3_meta_work *w, ml3_real *data, bool filled) {
  w->store = data;
  w->filled = filled;
}

ml3_real *ml3_meta_velocity(ml3_meta_work *w) {
  return w->velocity;
}

const ml3_real *ml3_meta_adapted(const ml3_meta_work *w, const ml3_real **velocity) {
  const int steps = w->meta->settings.inner_steps;
  if (velocity) *velocity = velocity_at(w, steps);
  return w->theta + (size_t)steps * (size_t)w->meta->batch * (size_t)w->meta->problem->theta_size;
}

int64_t ml3_meta_moments(const ml3_meta_work *w, const double **sums, const double **squares) {
  *sums = w->sums;
  *squares = w->sums + w->meta->settings.loss.net.inputs;
  return w->rows;
}

int ml3_meta_gradient(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses, ml3_error *error) {
  double unused[ML3_META_MAX_BATCH];
  int code = walk_forward(w, loss, task, theta, random, true, objective ? objective : unused, losses, error);
  if (code == ML3_OK) code = walk_back(w, loss, task, gradient, error);
  w->store = NULL;
  return code;
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
  for (int i = 0; i < w->meta->passes && code == ML3_OK; i++) {
    code = inner_step(w, loss, theta, velocity_at(w, 0), data, w->theta, velocity_at(w, 1), 0, error);
    if (code != ML3_OK) break;
    if (value && i == 0) *value = ml3_nn_output_at(inner_of(w, 0), INNER_VALUE)[0];
    memcpy(theta, w->theta, bytes);
    if (w->velocity) memcpy(w->velocity, velocity_at(w, 1), bytes);
  }
  return code;
}

int ml3_meta_inner_loss(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                        ml3_random *random, double *value, ml3_error *error) {
  ml3_nn_workspace *inner = inner_of(w, 0);
  const ml3_real *data;
  int code = inner_data(w, task, theta, random, 0, &data, error);
  if (code != ML3_OK) return code;
  bind_inner(w->meta, inner, loss, theta, data);
  ml3_nn_bind_output(inner, INNER_THETA, w->theta);
  if (w->velocity) {
    ml3_nn_bind_input(inner, w->meta->in_velocity, w->velocity);
    ml3_nn_bind_output(inner, INNER_VELOCITY, w->nu);
  }
  ml3_nn_bind_input(inner, w->meta->in_slowed, &w->slowed);
  if ((code = run(w->meta, inner, 0, error)) != ML3_OK) return code;
  *value = ml3_nn_output_at(inner, INNER_VALUE)[0];
  return isfinite(*value) ? ML3_OK : not_finite(w->meta, "the inner loss", 0, error);
}

int ml3_meta_task_gradient(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           double *value, ml3_real *gradient, ml3_error *error) {
  double unused;
  return loss_at(w, w->task, task, theta, NULL, 0, random, 0, value ? value : &unused, gradient, error);
}

int ml3_meta_features(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      ml3_real *features, ml3_error *error) {
  const ml3_meta *m = w->meta;
  const ml3_real *data;
  int code = inner_data(w, task, theta, random, 0, &data, error);
  if (code != ML3_OK) return code;
  bind_inner(m, w->features, NULL, theta, data);
  ml3_nn_bind_output(w->features, 0, features);
  return run(m, w->features, 0, error);
}
