/* Gymnasium's mountain car as a graph (envs/mountain_car_continuous.c):

     v1 = v + 0.0015 u - 0.0025 cos 3p        p1 = p + v1

   then, on the values alone (the gradient passes straight through): v to +-0.07; p to [-1.2, 0.6]; v = 0 at the left wall when
   it moves on into it. At the flag an episode ends: a car that is there stays as it is. */
#include "agents/control/dynamics.h"

static const double POWER = 0.0015, GRAVITY = 0.0025, SPEED_MAX = 0.07, LEFT = -1.2, RIGHT = 0.6, FLAG = 0.45;

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  (void)dynamics, (void)context; /* constants all */
  ml3_node p = ml3_nn_slice_cols(g, state, 0, 1), v = ml3_nn_slice_cols(g, state, 1, 1);
  ml3_node gravity = ml3_nn_scale(g, ml3_nn_cos(g, ml3_nn_scale(g, p, 3)), -GRAVITY);
  ml3_node v1 = ml3_nn_add(g, v, ml3_nn_add(g, gravity, ml3_nn_scale(g, action, POWER)));
  ml3_node v_kept = ml3_nn_clamp(g, v1, -SPEED_MAX, SPEED_MAX);
  ml3_node p1 = ml3_nn_add(g, p, ml3_nn_straight_through(g, v_kept, v1));
  ml3_node p_kept = ml3_nn_clamp(g, p1, LEFT, RIGHT);

  ml3_node zero = ml3_nn_constant(g, 1, 1, 0), wall = ml3_nn_constant(g, 1, 1, LEFT);
  ml3_node stopped = ml3_nn_mul(g, ml3_nn_greater_equal(g, wall, p1), ml3_nn_greater(g, zero, v_kept));
  v_kept = ml3_nn_select(g, stopped, zero, v_kept);

  ml3_node next[2] = {ml3_nn_straight_through(g, p_kept, p1), ml3_nn_straight_through(g, v_kept, v1)};
  ml3_node there =
      ml3_nn_mul(g, ml3_nn_greater_equal(g, p, ml3_nn_constant(g, 1, 1, FLAG)), ml3_nn_greater_equal(g, v, zero));
  return ml3_nn_select(g, ml3_nn_broadcast(g, there, ml3_nn_rows(g, state), 2), state, ml3_nn_concat_cols(g, next, 2));
}

const ml3_dynamics ml3_dynamics_mountain_car_continuous = {
    .environment = "mountain_car_continuous", .state_dim = 2, .action_dim = 1, .step = step};
