/* The pendulum as a graph (envs/pendulum_swing_up.c with its default mass, length and damping):

     v' = v + (u - m g l sin q) / (m l^2) dt        q' = q + v' dt */
#include "agents/control/dynamics.h"

static const double DT_S = 0.05, GRAVITY_M_S2 = 9.81; /* 1 kg at 1 m, without damping */

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  (void)dynamics, (void)context; /* constants all */
  ml3_node q = ml3_nn_slice_cols(g, state, 0, 1), v = ml3_nn_slice_cols(g, state, 1, 1);
  ml3_node acceleration = ml3_nn_sub(g, action, ml3_nn_scale(g, ml3_nn_sin(g, q), GRAVITY_M_S2));
  ml3_node v1 = ml3_nn_add(g, v, ml3_nn_scale(g, acceleration, DT_S));
  const ml3_node next[2] = {ml3_nn_add(g, q, ml3_nn_scale(g, v1, DT_S)), v1};
  return ml3_nn_concat_cols(g, next, 2);
}

const ml3_dynamics ml3_dynamics_pendulum_swing_up = {
    .environment = "pendulum_swing_up", .variant = "pendulum_hanging", .state_dim = 2, .action_dim = 1, .step = step};
