/* The three small programs behind a meta-gradient, for any problem and any K:

     inner  stage 0: theta, v, phi, D -> I, theta', v'
            stage 1: lambda, nu       -> grad_phi s       s = < theta' - theta, lambda > + < v', nu >, so that gradients add,
                                                          and what the targets add to J
            stage 2:                  -> grad_theta s, grad_v s
     outer  stage 0: theta, D'        -> L_task, L
            stage 1:                  -> grad L
     task   the same for L_task alone, for baselines

   The inner program takes a batch of tasks, their theta, D and lambda one behind the other: phi is the same for all, so
   the learned loss's products are of the rows of all tasks, and grad_phi s is the sum over them. */
#include "metaloss/meta_internal.h"

#include <stdlib.h>

static ml3_node context_input(const ml3_problem *p, ml3_nn_graph *g) {
  return ml3_nn_input(g, 1, p->context_size ? p->context_size : 1);
}

static ml3_node theta_of(const ml3_meta *m, ml3_nn_graph *g, int i) {
  return ml3_nn_view(g, m->in_theta, i * m->problem->theta_size, 1, m->problem->theta_size);
}
static ml3_node data_of(const ml3_meta *m, ml3_nn_graph *g, int i) {
  return ml3_nn_view(g, m->in_data, i * m->problem->inner_size, 1, m->problem->inner_size);
}

/* F of every task of the batch, one below the other. */
static ml3_node batch_rows(const ml3_meta *m, ml3_nn_graph *g) {
  ml3_node rows[ML3_META_MAX_BATCH];
  for (int i = 0; i < m->batch; i++)
    rows[i] = m->problem->build_features(m->problem, g, theta_of(m, g, i), data_of(m, g, i), m->in_context);
  return ml3_nn_concat_rows(g, rows, m->batch);
}

/* target_weight / K times the mean squared distance of h from an expert's targets, each task's: [batch, 1]. */
static ml3_node batch_target_losses(const ml3_meta *m, ml3_nn_graph *g, ml3_node rows) {
  ml3_node targets[ML3_META_MAX_BATCH];
  for (int i = 0; i < m->batch; i++) targets[i] = m->problem->build_targets(m->problem, g, data_of(m, g, i));
  ml3_node off = ml3_loss_build_off_target(g, &m->settings.loss, m->in_phi, m->in_shift, m->in_scale, rows,
                                           ml3_nn_concat_rows(g, targets, m->batch));
  return ml3_nn_scale(g, ml3_nn_sum_cols(g, ml3_nn_view(g, off, 0, m->batch, m->rows)),
                      m->settings.target_weight / m->settings.inner_steps / m->rows);
}

/* Sum of the tasks' own losses on their inner data. */
static ml3_node batch_task_losses(const ml3_meta *m, ml3_nn_graph *g) {
  const ml3_problem *p = m->problem;
  ml3_node sum = ML3_NN_NONE;
  for (int i = 0; i < m->batch; i++) {
    ml3_node (*const build)(const ml3_problem *, ml3_nn_graph *, ml3_node, ml3_node, ml3_node) =
        p->build_inner_loss ? p->build_inner_loss : p->build_task_loss;
    ml3_node one = build(p, g, theta_of(m, g, i), data_of(m, g, i), m->in_context);
    sum = i ? ml3_nn_add(g, sum, one) : one;
  }
  return sum;
}

/* The step size for every parameter of every task, slowed: one number, or [1, batch * theta_size]. */
static ml3_node batch_rate(const ml3_meta *m, ml3_nn_graph *g) {
  ml3_node rates[ML3_META_MAX_BATCH];
  ml3_node rate = ml3_nn_mul(g, ml3_loss_build_rate(g, &m->settings.loss, m->in_phi), m->in_slowed);
  if (ml3_nn_cols(g, rate) == 1) return rate;
  for (int i = 0; i < m->batch; i++) rates[i] = rate;
  return ml3_nn_view(g, ml3_nn_concat_rows(g, rates, m->batch), 0, 1, m->batch * m->problem->theta_size);
}

static void make_inputs(ml3_meta *m, ml3_nn_graph *g) {
  const ml3_problem *p = m->problem;
  const ml3_loss_spec *spec = &m->settings.loss;
  const int n = m->batch * p->theta_size, inputs = spec->kind == ML3_LOSS_LEARNED ? spec->net.inputs : 1;
  m->in_theta = ml3_nn_input(g, 1, n);
  m->in_phi = ml3_nn_input(g, 1, m->loss_size > 0 ? m->loss_size : 1);
  m->in_shift = ml3_nn_input(g, 1, inputs);
  m->in_scale = ml3_nn_input(g, 1, inputs);
  m->in_data = ml3_nn_input(g, 1, m->batch * p->inner_size);
  m->in_context = context_input(p, g);
  m->in_lambda = ml3_nn_input(g, 1, n);
  m->in_velocity = ml3_nn_input(g, 1, n);
  m->in_nu = ml3_nn_input(g, 1, n);
  m->in_slowed = ml3_nn_input(g, 1, 1);
}

/* The inner step and its pullback, as outputs[INNER_OUTPUTS]; value is the sum of the tasks' inner losses. */
static void build_step(const ml3_meta *m, ml3_nn_graph *g, ml3_node rows, ml3_node value, ml3_nn_output *outputs) {
  const double momentum = m->settings.loss.momentum;
  ml3_node gradient, velocity, grads[3], rate = batch_rate(m, g), nothing = ml3_nn_constant(g, 1, 1, 0), target_loss = nothing;
  ml3_nn_gradient(g, value, &m->in_theta, 1, &gradient);
  if (m->settings.loss.newton) gradient = ml3_meta_build_newton(m, g, rows, gradient);
  velocity = momentum > 0 ? ml3_nn_add(g, ml3_nn_scale(g, m->in_velocity, momentum), gradient) : gradient;
  ml3_node step = ml3_nn_mul(g, velocity, rate);
  ml3_node s = ml3_nn_neg(g, ml3_nn_dot(g, step, m->in_lambda));
  if (momentum > 0) s = ml3_nn_add(g, s, ml3_nn_dot(g, velocity, m->in_nu));
  if (ml3_meta_has_target_loss(m)) {
    target_loss = batch_target_losses(m, g, rows);
    s = ml3_nn_add(g, s, ml3_nn_sum(g, target_loss));
  }
  const ml3_node wrt[3] = {m->in_phi, m->in_velocity, m->in_theta};
  const bool exact = m->settings.derivatives == ML3_DERIVATIVES_EXACT;
  ml3_nn_gradient(g, s, wrt, exact ? 3 : 2, grads);

  outputs[INNER_VALUE] = (ml3_nn_output){value, 0};
  outputs[INNER_THETA] = (ml3_nn_output){ml3_nn_sub(g, m->in_theta, step), 0};
  outputs[INNER_GRAD_PHI] = (ml3_nn_output){grads[0], 1};
  outputs[INNER_GRAD_THETA] = (ml3_nn_output){exact ? grads[2] : nothing, exact ? 2 : 0};
  outputs[INNER_VELOCITY] = (ml3_nn_output){momentum > 0 ? velocity : nothing, 0};
  outputs[INNER_GRAD_VELOCITY] = (ml3_nn_output){momentum > 0 ? grads[1] : nothing, momentum > 0 ? 2 : 0};
  outputs[INNER_TARGET_LOSS] = (ml3_nn_output){target_loss, 0};
  outputs[INNER_SUMS] = outputs[INNER_SQUARES] = (ml3_nn_output){nothing, 0};
}

static int compile_inner(ml3_meta *m, ml3_error *error) {
  const ml3_problem *p = m->problem;
  const ml3_loss_spec *spec = &m->settings.loss;
  ml3_nn_output outputs[INNER_OUTPUTS];
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the inner step");

  ml3_nn_graph_fast_products(g, m->settings.fast_products);
  make_inputs(m, g);
  ml3_node rows = batch_rows(m, g);
  m->rows = ml3_nn_rows(g, rows) / m->batch;
  const bool learned = spec->kind == ML3_LOSS_LEARNED;
  build_step(m, g, rows,
             learned ? ml3_loss_build_total(g, spec, m->in_phi, m->in_shift, m->in_scale, rows, m->batch)
                     : batch_task_losses(m, g),
             outputs);
  if (m->settings.moments && learned) {
    ml3_node seen = ml3_loss_build_inputs(g, spec, m->in_shift, m->in_scale, rows);
    outputs[INNER_SUMS].node = ml3_nn_sum_rows(g, seen);
    outputs[INNER_SQUARES].node = ml3_nn_sum_rows(g, ml3_nn_square(g, seen));
  }
  const ml3_nn_output only_rows = {rows, 0};
  m->inner = ml3_nn_compile(g, outputs, INNER_OUTPUTS, error);
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
