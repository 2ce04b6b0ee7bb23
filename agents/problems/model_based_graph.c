/* The model-based problem's graphs: a policy's rollout through the model, its features, and losses of it. */
#include <stdlib.h>

#include "agents/problems/model_based_internal.h"

static const double LEAST_DISTANCE = 1e-3; /* below it a distance is smooth: its gradient at 0 is 0 */

typedef struct rollout {
  ml3_node states;  /* [(H + 1) * starts, n] */
  ml3_node actions; /* [H * starts, m] */
  ml3_node goal;    /* [1, goal_dim] */
} rollout;

/* The policy's actions under those observations. */
static ml3_node build_policy(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node obs, ml3_node goal) {
  if (m->settings.policy.goal_dim) {
    const int rows = ml3_nn_rows(g, obs);
    const ml3_node both[2] = {obs, ml3_nn_broadcast(g, goal, rows, m->settings.policy.goal_dim)};
    obs = ml3_nn_concat_cols(g, both, 2);
  }
  return ml3_policy_build(g, &m->settings.policy, theta, obs);
}

static ml3_node build_actions(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node states, ml3_node goal) {
  return build_policy(m, g, theta, m->geometry.build_obs(&m->geometry, g, states, goal), goal);
}

/* detach: the policy sees states as data, so that only actions carry the gradient. */
static rollout build_rollout(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context,
                             bool detach) {
  const int horizon = m->settings.horizon;
  ml3_node *states = malloc((2 * (size_t)horizon + 1) * sizeof *states), *actions = states + horizon + 1;
  if (!states) return (rollout){ml3_nn_out_of_memory(g), ML3_NN_NONE, ML3_NN_NONE};

  ml3_node goal = m->task[TASK_GOAL].cols ? ml3_block_view(g, m->task[TASK_GOAL], data) : ML3_NN_NONE;
  states[0] = ml3_block_view(g, m->task[TASK_STARTS], data);
  for (int t = 0; t < horizon; t++) {
    actions[t] = build_actions(m, g, theta, detach ? ml3_nn_stop_gradient(g, states[t]) : states[t], goal);
    states[t + 1] =
        m->dynamics->step(m->dynamics, g, m->dynamics->context_size ? context : ML3_NN_NONE, states[t], actions[t]);
  }
  rollout r = {.states = ml3_nn_concat_rows(g, states, horizon + 1),
               .actions = ml3_nn_concat_rows(g, actions, horizon),
               .goal = goal};
  free(states);
  return r;
}

ml3_node ml3_model_based_rollout_states(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  return build_rollout(m, g, theta, data, context, false).states;
}

/* ---- features ------------------------------------------------------------------------------------------------------ */

/* The same row of the last states [starts, k] under every time step: [H * starts, k]. */
static ml3_node build_under_all(const model_based *m, ml3_nn_graph *g, ml3_node last) {
  const int starts = m->settings.starts, horizon = m->settings.horizon, k = ml3_nn_cols(g, last);
  ml3_node row = ml3_nn_view(g, last, 0, 1, starts * k); /* [starts, k] -> [1, starts k] -> [H, starts k] */
  return ml3_nn_view(g, ml3_nn_broadcast(g, row, horizon, starts * k), 0, horizon * starts, k);
}

static ml3_node build_norm(ml3_nn_graph *g, ml3_node rows) {
  return ml3_nn_sqrt(g, ml3_nn_sum_cols(g, ml3_nn_square(g, rows)));
}

/* From the places of those states to the goal, [rows, place_dim]. */
static ml3_node build_to_goal(const model_based *m, ml3_nn_graph *g, ml3_node states, ml3_node goal) {
  const ml3_geometry *at = &m->geometry;
  return ml3_nn_sub(g, ml3_geometry_build_place(at, g, goal),
                    ml3_geometry_build_place(at, g, at->build_outcome(at, g, states)));
}

/* t / H of every row. */
static ml3_node build_time(const model_based *m, ml3_nn_graph *g) {
  const int starts = m->settings.starts, horizon = m->settings.horizon;
  ml3_node *times = malloc((size_t)horizon * sizeof *times);
  if (!times) return ML3_NN_NONE;
  for (int t = 0; t < horizon; t++)
    times[t] = ml3_nn_broadcast(g, ml3_nn_constant(g, 1, 1, (double)t / horizon), starts, 1);
  ml3_node all = ml3_nn_concat_rows(g, times, horizon);
  free(times);
  return all;
}

/* F of states [H * starts, n] and actions there, ending in `last` [starts, n]. */
static ml3_node join_features(const model_based *m, ml3_nn_graph *g, ml3_node states, ml3_node actions, ml3_node last,
                              ml3_node goal) {
  const ml3_geometry *at = &m->geometry;
  ml3_node off = ml3_nn_stop_gradient(g, ml3_nn_sub(g, at->build_outcome(at, g, last), goal));
  ml3_node columns[9] = {at->build_obs(at, g, states, goal), actions, build_under_all(m, g, build_norm(g, off))};
  if (!at->goal_seen) return ml3_nn_concat_cols(g, columns, 3);
  columns[3] = build_to_goal(m, g, states, goal);
  columns[4] = build_under_all(m, g, ml3_nn_stop_gradient(g, build_to_goal(m, g, last, goal)));
  for (int i = 0; i < 2; i++) /* finely near 0 */
    columns[5 + i] = ml3_nn_tanh(g, ml3_nn_scale(g, columns[3 + i], 1 / m->settings.near));
  columns[7] = build_under_all(
      m, g, ml3_nn_stop_gradient(g, ml3_geometry_build_velocity(at, g, last))); /* is it at rest there? */
  columns[8] = build_time(m, g);
  return ml3_nn_concat_cols(g, columns, 9);
}

ml3_node ml3_model_based_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context) {
  const model_based *m = ml3_model_based_self(p);
  const int starts = m->settings.starts, horizon = m->settings.horizon;
  rollout r = build_rollout(m, g, theta, data, context, m->settings.detach_state);

  ml3_node states = ml3_nn_slice_rows(g, r.states, 0, horizon * starts);
  if (m->settings.detach_state) states = ml3_nn_stop_gradient(g, states);
  return join_features(m, g, states, r.actions, ml3_nn_slice_rows(g, r.states, horizon * starts, starts), r.goal);
}

ml3_node ml3_model_based_recorded_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                           ml3_node context) {
  const model_based *m = ml3_model_based_self(p);
  const int starts = m->settings.starts, rows = m->settings.horizon * starts;
  (void)context;
  ml3_node all = ml3_block_view(g, m->recorded[RECORDED_STATES], data);
  ml3_node states = ml3_nn_slice_rows(g, all, 0, rows), last = ml3_nn_slice_rows(g, all, rows, starts);
  ml3_node goal = ml3_block_view(g, m->recorded[RECORDED_GOAL], data);
  return join_features(m, g, states, build_actions(m, g, theta, states, goal), last, goal);
}

/* ---- losses -------------------------------------------------------------------------------------------------------- */

/* Mean over starts of || outcome of S_{first..end-1} - target ||_F. */
static ml3_node build_distance(const model_based *m, ml3_nn_graph *g, ml3_node states, int first, int end,
                               ml3_node target) {
  const int starts = m->settings.starts;
  ml3_node counted = ml3_nn_slice_rows(g, states, first * starts, (end - first) * starts);
  ml3_node off = ml3_nn_sub(g, m->geometry.build_outcome(&m->geometry, g, counted), target);
  ml3_node each = ml3_nn_sum_cols(g, ml3_nn_square(g, off)); /* [steps * starts, 1] */
  ml3_node of_start = ml3_nn_sum_rows(g, ml3_nn_view(g, each, 0, end - first, starts));
  return ml3_nn_mean(g, ml3_nn_sqrt(g, of_start));
}

static ml3_node build_energy(const model_based *m, ml3_nn_graph *g, ml3_node actions) {
  return ml3_nn_mean(g, ml3_nn_sum_cols(g, ml3_nn_square(g, ml3_policy_build_shares(g, &m->settings.policy, actions))));
}

static ml3_node build_reach(const model_based *m, ml3_nn_graph *g, const rollout *r) {
  const ml3_model_based_settings *s = &m->settings;
  const int first = s->cost_from_step, steps = s->horizon + 1 - first;
  ml3_node counted = ml3_nn_slice_rows(g, r->states, first * s->starts, steps * s->starts);
  ml3_node squares = ml3_nn_sum_cols(g, ml3_nn_square(g, build_to_goal(m, g, counted, r->goal)));
  ml3_node loss = ml3_nn_mean(g, ml3_nn_sqrt(g, ml3_nn_shift(g, squares, LEAST_DISTANCE * LEAST_DISTANCE)));
  if (s->velocity_weight > 0 && m->geometry.velocity_dim > 0) {
    ml3_node v = ml3_nn_sum_cols(g, ml3_nn_square(g, ml3_geometry_build_velocity(&m->geometry, g, counted)));
    loss = ml3_nn_add(g, loss, ml3_nn_scale(g, ml3_nn_mean(g, v), s->velocity_weight));
  }
  if (s->action_weight > 0)
    loss = ml3_nn_add(g, loss, ml3_nn_scale(g, build_energy(m, g, r->actions), s->action_weight));
  return loss;
}

ml3_node ml3_model_based_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                   ml3_node context) {
  const model_based *m = ml3_model_based_self(p);
  const int horizon = m->settings.horizon;
  rollout r = build_rollout(m, g, theta, data, context, false);
  if (m->settings.cost == ML3_COST_REACH) return build_reach(m, g, &r);
  const int first = m->settings.cost == ML3_COST_FINAL ? horizon : m->settings.cost_from_step;
  return build_distance(m, g, r.states, first, horizon + 1, r.goal);
}

/* Along the expert's path, which does not depend on theta: no rollout is needed. */
static ml3_node build_imitation(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node data) {
  ml3_node obs = ml3_block_view(g, m->task[TASK_EXPERT_OBS], data);
  ml3_node expert = ml3_block_view(g, m->task[TASK_EXPERT_ACTION], data);
  ml3_node weights = ml3_block_view(g, m->task[TASK_EXPERT_WEIGHT], data);
  ml3_node goal = ml3_block_view(g, m->task[TASK_GOAL], data);
  ml3_node off = ml3_nn_sub(g, build_policy(m, g, theta, obs, goal), expert);
  return build_energy(m, g, ml3_nn_mul(g, off, weights));
}

ml3_node ml3_model_based_extra_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                    ml3_node context) {
  const model_based *m = ml3_model_based_self(p);
  if (m->settings.demonstrations) return build_imitation(m, g, theta, data);
  rollout r = build_rollout(m, g, theta, data, context, false);
  if (m->settings.energy) return build_energy(m, g, r.actions);
  const int dim = m->settings.env->goal_dim;
  ml3_node entries[dim + 1];
  for (int i = 0; i < dim; i++) entries[i] = ml3_nn_constant(g, 1, 1, m->settings.extra_goal[i]);
  ml3_node goal = ml3_nn_concat_cols(g, entries, dim);
  return build_distance(m, g, r.states, 0, m->settings.extra_until_step, goal);
}
