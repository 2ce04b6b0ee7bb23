/* The three small programs behind a meta-gradient, for any problem and any K:

     inner  stage 0: theta, phi, D -> mean M, theta'
            stage 1: lambda        -> grad_phi s       s = < theta' - theta, lambda >, so that gradients add
            stage 2:               -> grad_theta s
     outer  stage 0: theta, D'     -> L_task, L
            stage 1:               -> grad L
     task   the same for L_task alone, for baselines

   The inner program takes a batch of tasks, their theta, D and lambda one behind the other: phi is the same for all, so
   the learned loss's products are of the rows of all tasks, and grad_phi s is the sum over them. */
#include "metaloss/meta_internal.h"

#include <stdlib.h>

static ml3_node context_input(const ml3_problem *p, ml3_nn_graph *g) {
  return ml3_nn_input(g, 1, p->context_size ? p->context_size : 1);
}

/* F of every task of the batch, one below the other. */
static ml3_node batch_rows(const ml3_meta *m, ml3_nn_graph *g) {
  const ml3_problem *p = m->problem;
  ml3_node rows[ML3_META_MAX_BATCH];
  for (int i = 0; i < m->batch; i++)
    rows[i] = p->build_features(p, g, ml3_nn_view(g, m->in_theta, i * p->theta_size, 1, p->theta_size),
                                ml3_nn_view(g, m->in_data, i * p->inner_size, 1, p->inner_size), m->in_context);
  return ml3_nn_concat_rows(g, rows, m->batch);
}

/* The step size for every parameter of every task: one number, or [1, batch * theta_size]. */
static ml3_node batch_rate(const ml3_meta *m, ml3_nn_graph *g) {
  ml3_node rates[ML3_META_MAX_BATCH], rate = ml3_loss_build_rate(g, &m->settings.loss, m->in_phi);
  if (ml3_nn_cols(g, rate) == 1) return rate;
  for (int i = 0; i < m->batch; i++) rates[i] = rate;
  return ml3_nn_view(g, ml3_nn_concat_rows(g, rates, m->batch), 0, 1, m->batch * m->problem->theta_size);
}

static int compile_inner(ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  const ml3_loss_spec *spec = &m->settings.loss;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the inner step");

  ml3_nn_graph_fast_products(g, m->settings.fast_products);
  m->in_theta = ml3_nn_input(g, 1, m->batch * p->theta_size);
  m->in_phi = ml3_nn_input(g, 1, m->loss_size);
  m->in_shift = ml3_nn_input(g, 1, p->features);
  m->in_scale = ml3_nn_input(g, 1, p->features);
  m->in_data = ml3_nn_input(g, 1, m->batch * p->inner_size);
  m->in_context = context_input(p, g);
  m->in_lambda = ml3_nn_input(g, 1, m->batch * p->theta_size);

  ml3_node rows = batch_rows(m, g), step, grads[2];
  m->rows = ml3_nn_rows(g, rows) / m->batch;
  ml3_node values = ml3_loss_build(g, spec, m->in_phi, m->in_shift, m->in_scale, rows);
  ml3_node value = ml3_nn_scale(g, ml3_nn_sum(g, values), 1.0 / (m->rows > 0 ? m->rows : 1)); /* sum of the tasks' means */
  ml3_nn_gradient(g, value, &m->in_theta, 1, &step);
  step = ml3_nn_mul(g, step, batch_rate(m, g));
  ml3_node wrt[2] = {m->in_phi, m->in_theta};
  ml3_nn_gradient(g, ml3_nn_neg(g, ml3_nn_dot(g, step, m->in_lambda)), wrt, 2, grads);

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

int ml3_meta_compile(ml3_meta *m, ml3_error *error) {
  int code = compile_inner(m, error);
  return code == ML3_OK ? compile_outer(m, error) : code;
}
