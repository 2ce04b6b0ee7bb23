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

/* One walk: what its call was given. */
typedef struct walk {
  ml3_meta_work *work;
  const ml3_meta *meta;
  ml3_nn_workspace *judge; /* of L, or of L_task alone */
  const ml3_loss *loss;    /* NULL where no inner step is taken */
  const ml3_real *task;    /* [batch][task_size] */
  ml3_random *random;      /* [batch] */
  ml3_error *error;
} walk;

static walk begin_walk(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_random *random,
                       ml3_error *error) {
  return (walk){w, w->meta, w->outer, loss, task, random, error};
}

/* D_k as inner steps read it: where the problem collects nothing, the tasks themselves. */
static const ml3_real *inner_data(const walk *x, int k) {
  return x->meta->problem->collect ? ml3_meta_inner_slot(x->work, k) : x->task;
}

static const ml3_real *task_of(const walk *x, int i) {
  return x->task + (size_t)i * (size_t)x->meta->problem->task_size;
}

/* The workspace of inner step k. Steps too early to be kept share the last one, which is free again when the walk back
   comes to them. */
static ml3_nn_workspace *inner_of(const ml3_meta_work *w, int k) {
  const int from_last = w->meta->settings.inner_steps - 1 - k;
  return w->inner[from_last < w->kept ? from_last : w->kept - 1];
}

/* ---- data ------------------------------------------------------------------------------------------------- */

/* Fills D_k of every task under theta, where it is neither the task nor there already. */
static int collect_inner(const walk *x, const ml3_real *theta, int k) {
  const ml3_meta *m = x->meta;
  const ml3_problem *p = m->problem;
  ml3_real *fresh = ml3_meta_inner_slot(x->work, k);
  if (!p->collect || k % m->passes != 0 || (x->work->store && x->work->filled)) return ML3_OK;
  int code = ML3_OK;
  for (int i = 0; i < m->batch && code == ML3_OK; i++)
    code = p->collect(p, task_of(x, i), theta + (size_t)i * (size_t)p->theta_size, &x->random[i],
                      fresh + (size_t)i * (size_t)p->inner_size, NULL, x->error);
  for (int i = 0; i < m->batch && p->put_age; i++)
    p->put_age(p, x->work->age[i] + k / m->passes, fresh + (size_t)i * (size_t)p->inner_size);
  if (code == ML3_OK && !ml3_nn_all_finite(fresh, m->sizes.inner))
    return not_finite(m, "the data of the rollouts", k, x->error);
  return code;
}

/* Is D' under theta_k made out of D_k? After the last update there is no D. */
static bool reuses(const walk *x, int k) {
  return x->meta->problem->reuse && x->judge == x->work->outer && k < x->meta->settings.inner_steps;
}

/* D' of task i under theta, into its slot; *data is that, or the task where the problem collects nothing. */
static int collect_outer(const walk *x, int k, int i, const ml3_real *theta, const ml3_real **data) {
  const ml3_problem *p = x->meta->problem;
  ml3_real *fresh = ml3_meta_outer_slot(x->work, k, i);
  *data = p->collect ? fresh : task_of(x, i);
  if (!p->collect || (x->work->store && x->work->filled)) return ML3_OK;
  const int code = reuses(x, k)
                       ? p->reuse(p, task_of(x, i), ml3_meta_inner_slot(x->work, k) + (size_t)i * (size_t)p->inner_size,
                                  fresh, x->error)
                       : p->collect(p, task_of(x, i), theta, &x->random[i], NULL, fresh, x->error);
  if (code == ML3_OK && !ml3_nn_all_finite(fresh, (size_t)p->outer_size))
    return not_finite(x->meta, "the data of the rollouts that judge", k, x->error);
  return code;
}

/* ---- inner steps and losses --------------------------------------------------------------------------------- */

static void bind_inner(const walk *x, ml3_nn_workspace *w, const ml3_real *theta, const ml3_real *data) {
  const ml3_meta *m = x->meta;
  ml3_nn_bind_input(w, m->in_theta, theta);
  ml3_nn_bind_input(w, m->in_data, data);
  ml3_nn_bind_input(w, m->in_context, m->problem->context);
  if (!x->loss) return;
  ml3_nn_bind_input(w, m->in_phi, x->loss->phi);
  ml3_nn_bind_input(w, m->in_shift, x->loss->shift);
  ml3_nn_bind_input(w, m->in_scale, x->loss->scale);
}

/* The inner step of every task with D_k. Leaves the forward values for the pullback. */
static int run_step(const walk *x, int k, ml3_optimizees from, ml3_optimizees to) {
  const ml3_meta *m = x->meta;
  ml3_nn_workspace *inner = inner_of(x->work, k);
  bind_inner(x, inner, from.theta, inner_data(x, k));
  ml3_nn_bind_output(inner, INNER_THETA, to.theta);
  if (x->work->velocity) {
    ml3_nn_bind_input(inner, m->in_velocity, from.velocity);
    ml3_nn_bind_output(inner, INNER_VELOCITY, to.velocity);
  }
  ml3_nn_bind_input(inner, m->in_slowed, &x->work->slowed);
  return run(m, inner, 0, x->error);
}

/* The same, with finite numbers or an error. */
static int inner_step(const walk *x, int k, ml3_optimizees from, ml3_optimizees to) {
  const int code = run_step(x, k, from, to);
  if (code != ML3_OK) return code;
  const bool learned = x->loss->spec.kind == ML3_LOSS_LEARNED;
  if (!isfinite(ml3_nn_output_at(inner_of(x->work, k), INNER_VALUE)[0]))
    return not_finite(x->meta, learned ? "the learned loss" : "the task's inner loss", k, x->error);
  if (!ml3_nn_all_finite(to.theta, x->meta->sizes.theta))
    return not_finite(x->meta, "the updated parameter vector", k, x->error);
  return ML3_OK;
}

/* value and, unless NULL, gradient of the judge's loss of task i at theta. */
static int loss_at(const walk *x, int k, int i, const ml3_real *theta, double *value, ml3_real *gradient) {
  const ml3_meta *m = x->meta;
  const ml3_real *data;
  int code = collect_outer(x, k, i, theta, &data);
  if (code != ML3_OK) return code;

  ml3_nn_bind_input(x->judge, m->out_theta, theta);
  ml3_nn_bind_input(x->judge, m->out_data, data);
  ml3_nn_bind_input(x->judge, m->out_context, m->problem->context);
  if ((code = run(m, x->judge, 0, x->error)) != ML3_OK) return code;
  *value = ml3_nn_output_at(x->judge, OUTER_LOSS)[0];
  if (!isfinite(*value)) return not_finite(m, "the task loss", k, x->error);
  if (!gradient) return ML3_OK;

  ml3_nn_bind_output(x->judge, OUTER_GRADIENT, gradient);
  ml3_nn_run(x->judge, 1);
  if (!ml3_nn_all_finite(gradient, (size_t)m->problem->theta_size))
    return not_finite(m, "the task loss's gradient", k, x->error);
  return ML3_OK;
}

/* ---- forward -------------------------------------------------------------------------------------------------- */

/* What a walk forward finds besides theta_1 .. theta_K. */
typedef struct found {
  double *objective; /* [batch] J */
  double *losses;    /* [batch][K + 1] L of theta_0 .. theta_K, NAN where w_k is 0; or NULL */
  bool gradients;    /* and grad L(theta_k) */
} found;

/* L of every task at theta_k, where w_k is not 0. */
static int losses_at(const walk *x, int k, const found *f) {
  const ml3_meta *m = x->meta;
  const size_t size = (size_t)m->problem->theta_size;
  const ml3_real *theta = ml3_meta_optimizees(x->work, k).theta;
  ml3_real *gradients = f->gradients ? ml3_meta_gradient_slot(x->work, k) : NULL;
  for (size_t i = 0; i < (size_t)m->batch; i++) {
    double *const here = f->losses ? &f->losses[i * ((size_t)m->settings.inner_steps + 1) + (size_t)k] : NULL, value;
    if (here) *here = NAN;
    if (m->weights[k] == 0) continue;
    int code = loss_at(x, k, (int)i, theta + i * size, &value, gradients ? gradients + i * size : NULL);
    if (code != ML3_OK) return code;
    f->objective[i] += m->weights[k] * value;
    if (here) *here = value;
  }
  return ML3_OK;
}

static void add_moments(ml3_meta_work *w, int k) {
  const ml3_meta *m = w->meta;
  const int inputs = m->settings.loss.net.inputs;
  const ml3_real *sums = ml3_nn_output_at(inner_of(w, k), INNER_SUMS);
  const ml3_real *squares = ml3_nn_output_at(inner_of(w, k), INNER_SQUARES);
  for (int i = 0; i < inputs; i++) w->sums[i] += sums[i], w->sums[inputs + i] += squares[i];
  w->rows += (int64_t)m->batch * m->rows;
}

/* Checks and buffers before the first step. */
static int start_forward(const walk *x, const ml3_real *theta_0, const found *f) {
  const ml3_meta *m = x->meta;
  ml3_meta_work *w = x->work;
  if (!ml3_nn_all_finite(x->task, m->sizes.task)) return not_finite(m, "the task's data", 0, x->error);
  if (!ml3_nn_all_finite(theta_0, m->sizes.theta)) return not_finite(m, "the initial parameter vector", 0, x->error);
  memcpy(w->theta, theta_0, m->sizes.theta * sizeof *theta_0);
  memset(w->sums, 0, 2 * (size_t)m->settings.loss.net.inputs * sizeof *w->sums);
  w->rows = 0;
  for (int i = 0; i < m->batch; i++) f->objective[i] = 0;
  return ML3_OK;
}

/* theta_1 .. theta_K of every task from theta_0, and what is asked for on the way. */
static int walk_forward(const walk *x, const ml3_real *theta_0, const found *f) {
  const ml3_meta *m = x->meta;
  ml3_meta_work *w = x->work;
  const bool moments = m->settings.moments && m->settings.loss.kind == ML3_LOSS_LEARNED;
  int code = start_forward(x, theta_0, f);
  for (int k = 0; code == ML3_OK; k++) {
    const ml3_optimizees here = ml3_meta_optimizees(w, k);
    const bool last = k == m->settings.inner_steps;
    if (reuses(x, k)) code = collect_inner(x, here.theta, k);
    if (code == ML3_OK) code = losses_at(x, k, f);
    if (code != ML3_OK || last) return code;

    if (!reuses(x, k)) code = collect_inner(x, here.theta, k);
    if (code == ML3_OK) code = inner_step(x, k, here, ml3_meta_optimizees(w, k + 1));
    if (code != ML3_OK) return code;
    for (int i = 0; ml3_meta_has_target_loss(m) && i < m->batch; i++)
      f->objective[i] += (double)ml3_nn_output_at(inner_of(w, k), INNER_TARGET_LOSS)[i];
    if (moments) add_moments(w, k);
  }
  return code;
}

/* ---- back ------------------------------------------------------------------------------------------------------ */

/* lambda and nu of step k from those of step k + 1; the inner program has just run that step's stages 0 and 1. */
static void pull_back(ml3_meta_work *w, int k) {
  const ml3_meta *m = w->meta;
  const size_t n = m->sizes.theta;
  const ml3_real *here = ml3_meta_gradient_slot(w, k), weight = (ml3_real)m->weights[k];
  const ml3_derivatives derivatives = m->settings.derivatives;

  if (derivatives == ML3_DERIVATIVES_GREEDY) {
    memset(w->lambda, 0, n * sizeof *w->lambda);
    if (w->nu) memset(w->nu, 0, n * sizeof *w->nu);
  } else if (derivatives == ML3_DERIVATIVES_EXACT || w->nu) {
    ml3_nn_workspace *inner = inner_of(w, k);
    ml3_nn_run(inner, 2);
    const ml3_real *by_theta = ml3_nn_output_at(inner, INNER_GRAD_THETA);
    for (size_t i = 0; i < n && derivatives == ML3_DERIVATIVES_EXACT; i++) w->lambda[i] += by_theta[i];
    if (w->nu) memcpy(w->nu, ml3_nn_output_at(inner, INNER_GRAD_VELOCITY), n * sizeof *w->nu);
  }
  for (size_t i = 0; i < n && weight != 0; i++) w->lambda[i] += weight * here[i];
}

/* The gradient of a learned start: the sum over the tasks of lambda_0. */
static void add_start(const ml3_meta_work *w, const ml3_loss *loss, ml3_real *gradient) {
  const size_t size = (size_t)w->meta->problem->theta_size;
  for (int i = 0; i < w->meta->batch; i++)
    ml3_nn_add_to(gradient + ml3_loss_net_size(&loss->spec), w->lambda + (size_t)i * size, size);
}

/* lambda and grad_phi from step K back to 0. */
static int walk_back(const walk *x, ml3_real *gradient) {
  const ml3_meta *m = x->meta;
  ml3_meta_work *w = x->work;
  const int steps = m->settings.inner_steps;
  const size_t n = m->sizes.theta;
  const ml3_real *last = ml3_meta_gradient_slot(w, steps), weight = (ml3_real)m->weights[steps];

  for (size_t i = 0; i < n; i++) w->lambda[i] = weight != 0 ? weight * last[i] : 0;
  if (w->nu) memset(w->nu, 0, n * sizeof *w->nu);
  for (int k = steps - 1; k >= 0; k--) {
    const bool first = k == steps - 1;
    ml3_nn_workspace *inner = inner_of(w, k);
    if (steps - 1 - k >= w->kept) { /* its forward values are gone */
      int code = inner_step(x, k, ml3_meta_optimizees(w, k), ml3_meta_optimizees(w, k + 1));
      if (code != ML3_OK) return code;
    }
    ml3_nn_bind_input(inner, m->in_lambda, w->lambda);
    if (w->nu) ml3_nn_bind_input(inner, m->in_nu, w->nu);
    ml3_nn_bind_output(inner, INNER_GRAD_PHI, first ? gradient : w->piece);
    ml3_nn_run(inner, 1);
    if (!first) ml3_nn_add_to(gradient, w->piece, (size_t)m->loss_size);
    if (k == 0 && !x->loss->spec.learn_start) break;
    pull_back(w, k);
    if (!ml3_nn_all_finite(w->lambda, n)) return not_finite(m, "the adjoint", k, x->error);
  }
  if (x->loss->spec.learn_start) add_start(w, x->loss, gradient);
  return ml3_nn_all_finite(gradient, (size_t)m->loss_size) ? ML3_OK : not_finite(m, "the meta-gradient", 0, x->error);
}

/* ---- the calls of meta.h -------------------------------------------------------------------------------- */

int ml3_meta_gradient(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses, ml3_error *error) {
  double unused[ML3_META_MAX_BATCH];
  const walk x = begin_walk(w, loss, task, random, error);
  const found f = {.objective = objective ? objective : unused, .losses = losses, .gradients = true};
  int code = walk_forward(&x, theta, &f);
  if (code == ML3_OK) code = walk_back(&x, gradient);
  w->store = NULL;
  return code;
}

int ml3_meta_objective(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                       ml3_random *random, ml3_real *adapted, double *objective, ml3_error *error) {
  const walk x = begin_walk(w, loss, task, random, error);
  const found f = {.objective = objective};
  int code = walk_forward(&x, theta, &f);
  if (adapted && code == ML3_OK) memcpy(adapted, ml3_meta_adapted(w, NULL), w->meta->sizes.theta * sizeof *adapted);
  return code;
}

int ml3_meta_adapt(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, ml3_real *theta, ml3_random *random,
                   double *value, ml3_error *error) {
  const size_t bytes = w->meta->sizes.theta * sizeof *theta;
  const walk x = begin_walk(w, loss, task, random, error);
  const ml3_optimizees from = {theta, w->velocity}, to = {w->theta, ml3_meta_optimizees(w, 1).velocity};
  int code = collect_inner(&x, theta, 0);
  for (int i = 0; i < w->meta->passes && code == ML3_OK; i++) {
    code = inner_step(&x, 0, from, to);
    if (code != ML3_OK) break;
    if (value && i == 0) *value = ml3_nn_output_at(inner_of(w, 0), INNER_VALUE)[0];
    memcpy(theta, to.theta, bytes);
    if (w->velocity) memcpy(w->velocity, to.velocity, bytes);
  }
  for (int i = 0; i < w->meta->batch; i++) w->age[i]++;
  return code;
}

int ml3_meta_inner_loss(ml3_meta_work *w, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                        ml3_random *random, double *value, ml3_error *error) {
  const walk x = begin_walk(w, loss, task, random, error);
  const ml3_optimizees from = {(ml3_real *)theta, w->velocity}, to = {w->theta, w->nu};
  int code = collect_inner(&x, theta, 0);
  if (code == ML3_OK) code = run_step(&x, 0, from, to);
  if (code != ML3_OK) return code;
  *value = ml3_nn_output_at(inner_of(w, 0), INNER_VALUE)[0];
  return isfinite(*value) ? ML3_OK : not_finite(w->meta, "the inner loss", 0, error);
}

int ml3_meta_task_gradient(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           double *value, ml3_real *gradient, ml3_error *error) {
  double unused;
  walk x = begin_walk(w, NULL, task, random, error);
  x.judge = w->task;
  return loss_at(&x, 0, 0, theta, value ? value : &unused, gradient);
}

int ml3_meta_features(ml3_meta_work *w, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      ml3_real *features, ml3_error *error) {
  const walk x = begin_walk(w, NULL, task, random, error);
  int code = collect_inner(&x, theta, 0);
  if (code != ML3_OK) return code;
  bind_inner(&x, w->features, theta, inner_data(&x, 0));
  ml3_nn_bind_output(w->features, 0, features);
  return run(w->meta, w->features, 0, error);
}
