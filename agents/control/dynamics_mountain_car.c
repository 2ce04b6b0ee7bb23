/* The mountain car as a graph (Bechtle et al. 2019; the same equations as envs/mountain_car.c):

     v1 = v + (-1.96 cos 3p + u / 0.2 - 0.3 v) 0.1        p1 = p + 0.1 v1

   then, on the values alone (the gradient passes straight through): v to +-1.5; p to [-1.2, 0.5]; v = 0 at the left
   wall when it moves on into it. */
#include "agents/control/dynamics.h"

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state,
                     ml3_node action) {
  (void)dynamics, (void)context; /* constants all */
  ml3_node p = ml3_nn_slice_cols(g, state, 0, 1), v = ml3_nn_slice_cols(g, state, 1, 1);

  ml3_node gravity = ml3_nn_scale(g, ml3_nn_cos(g, ml3_nn_scale(g, p, 3)), -1.96);
  ml3_node push = ml3_nn_scale(g, action, 1 / 0.2);
  ml3_node force = ml3_nn_sub(g, ml3_nn_add(g, gravity, push), ml3_nn_scale(g, v, 0.3));
  ml3_node v1 = ml3_nn_add(g, v, ml3_nn_scale(g, force, 0.1));
  ml3_node p1 = ml3_nn_add(g, p, ml3_nn_scale(g, v1, 0.1));

  ml3_node zero = ml3_nn_constant(g, 1, 1, 0), wall = ml3_nn_constant(g, 1, 1, -1.2);
  ml3_node v_kept = ml3_nn_clamp(g, v1, -1.5, 1.5), p_kept = ml3_nn_clamp(g, p1, -1.2, 0.5);
  ml3_node at_wall = ml3_nn_greater_equal(g, wall, p1), into_wall = ml3_nn_greater(g, zero, v_kept);
  v_kept = ml3_nn_select(g, ml3_nn_mul(g, at_wall, into_wall), zero, v_kept);

  ml3_node next[2] = {ml3_nn_straight_through(g, p_kept, p1), ml3_nn_straight_through(g, v_kept, v1)};
  return ml3_nn_concat_cols(g, next, 2);
}

const ml3_dynamics ml3_dynamics_mountain_car = {
    .environment = "mountain_car", .state_dim = 2, .action_dim = 1, .step = step};
