/* Buffers of a meta-gradient: making them, and where in them things lie. */
#include <stdlib.h>
#include <string.h>

#include "metaloss/meta_internal.h"

/* ---- making ------------------------------------------------------------------------------------------ */

static bool make_inner(ml3_meta_work *w, ml3_error *error) {
  w->kept = ml3_meta_kept(w->meta);
  w->inner = calloc((size_t)w->kept, sizeof(ml3_nn_workspace *));
  for (int i = 0; w->inner && i < w->kept; i++)
    if (!(w->inner[i] = ml3_nn_workspace_new(w->meta->inner, error))) return false;
  return w->inner != NULL;
}

ml3_meta_work *ml3_meta_work_new(const ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  const size_t steps = (size_t)m->settings.inner_steps, theta = m->sizes.theta, phi = (size_t)m->loss_size;
  ml3_meta_work *w = calloc(1, sizeof *w);
  if (!w) goto no_memory;

  const bool momentum = m->settings.loss.momentum > 0;
  *w = (ml3_meta_work){
      .meta = m,
      .slowed = 1,
      .outer = ml3_nn_workspace_new(m->outer, error),
      .task = ml3_nn_workspace_new(m->task, error),
      .features = ml3_nn_workspace_new(m->features, error),
      .theta = calloc((steps + 1) * theta, sizeof(ml3_real)),
      .velocity = momentum ? calloc((steps + 1) * theta, sizeof(ml3_real)) : NULL,
      .data = calloc(steps * m->sizes.inner, sizeof(ml3_real)),
      .fresh = calloc((size_t)p->outer_size, sizeof(ml3_real)),
      .lambda = calloc(theta, sizeof(ml3_real)),
      .nu = momentum ? calloc(theta, sizeof(ml3_real)) : NULL,
      .piece = calloc(phi > theta ? phi : theta, sizeof(ml3_real)),
      .grads = calloc((steps + 1) * theta, sizeof(ml3_real)),
      .sums = calloc(2 * (size_t)m->settings.loss.net.inputs + 1, sizeof(double)),
  };
  if (make_inner(w, error) && w->outer && w->task && w->features && w->theta && w->data && w->fresh && w->lambda &&
      w->piece && w->grads && w->sums && (!momentum || (w->velocity && w->nu)))
    return w;
  ml3_meta_work_free(w);
no_memory:
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the buffers of problem '%s'", p->name);
  return NULL;
}

void ml3_meta_work_free(ml3_meta_work *w) {
  if (!w) return;
  for (int i = 0; w->inner && i < w->kept; i++) ml3_nn_workspace_free(w->inner[i]);
  free(w->inner);
  ml3_nn_workspace_free(w->outer);
  ml3_nn_workspace_free(w->task);
  ml3_nn_workspace_free(w->features);
  free(w->theta);
  free(w->velocity);
  free(w->data);
  free(w->fresh);
  free(w->lambda);
  free(w->nu);
  free(w->piece);
  free(w->grads);
  free(w->sums);
  free(w);
}

/* ---- where things lie -------------------------------------------------------------------------------- */

ml3_optimizees ml3_meta_optimizees(const ml3_meta_work *w, int k) {
  const size_t at = (size_t)k * w->meta->sizes.theta;
  return (ml3_optimizees){w->theta + at, w->velocity ? w->velocity + at : NULL};
}

ml3_real *ml3_meta_gradient_slot(const ml3_meta_work *w, int k) {
  return w->grads + (size_t)k * w->meta->sizes.theta;
}

ml3_real *ml3_meta_inner_slot(const ml3_meta_work *w, int k) {
  return (w->store ? w->store : w->data) + (size_t)(k - k % w->meta->passes) * w->meta->sizes.inner;
}

ml3_real *ml3_meta_outer_slot(const ml3_meta_work *w, int k, int i) {
  const ml3_meta *m = w->meta;
  if (!w->store) return w->fresh;
  return w->store + (size_t)m->settings.inner_steps * m->sizes.inner + (size_t)k * m->sizes.outer +
         (size_t)i * (size_t)m->problem->outer_size;
}

/* ---- the calls of meta.h ------------------------------------------------------------------------------ */

ml3_nn_workspace *ml3_meta_inner_workspace(ml3_meta_work *w) {
  return w->inner[0];
}
ml3_nn_workspace *ml3_meta_outer_workspace(ml3_meta_work *w) {
  return w->outer;
}

void ml3_meta_begin(ml3_meta_work *w, const ml3_loss *loss, ml3_real *theta) {
  const size_t size = (size_t)w->meta->problem->theta_size, batch = (size_t)w->meta->batch;
  const ml3_real *start = ml3_loss_start(loss);
  for (size_t i = 0; i < batch && start; i++) memcpy(theta + i * size, start, size * sizeof *theta);
  if (w->velocity) memset(w->velocity, 0, batch * size * sizeof *w->velocity);
  memset(w->age, 0, sizeof w->age);
}

void ml3_meta_set_age(ml3_meta_work *w, int place, int64_t updates) {
  w->age[place] = updates;
}

void ml3_meta_slow(ml3_meta_work *w, double factor) {
  w->slowed = (ml3_real)factor;
}

size_t ml3_meta_data_size(const ml3_meta *m) {
  const size_t steps = (size_t)m->settings.inner_steps;
  return steps * m->sizes.inner + (steps + 1) * m->sizes.outer;
}

void ml3_meta_use_data(ml3_meta_work *w, ml3_real *data, bool filled) {
  w->store = data;
  w->filled = filled;
}

ml3_real *ml3_meta_velocity(ml3_meta_work *w) {
  return w->velocity;
}

const ml3_real *ml3_meta_adapted(const ml3_meta_work *w, const ml3_real **velocity) {
  const ml3_optimizees last = ml3_meta_optimizees(w, w->meta->settings.inner_steps);
  if (velocity) *velocity = last.velocity;
  return last.theta;
}

int64_t ml3_meta_moments(const ml3_meta_work *w, const double **sums, const double **squares) {
  *sums = w->sums;
  *squares = w->sums + w->meta->settings.loss.net.inputs;
  return w->rows;
}
