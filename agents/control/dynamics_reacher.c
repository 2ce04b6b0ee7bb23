/* The reacher as a graph (envs/tasks/reacher_goal.yaml with its default lengths, masses and damping). Each joint has an armature of 1 kg m^2,
   beside which the links' inertia, 1e-3 at most, and their coupling are left out:

     q'' = 200 u - q'        v1 = v e + 200 u (1 - e)      q1 = q + v (1 - e) + 200 u (dt - (1 - e)),   e = exp(-dt)

   exactly, dt = 0.02 s. At the elbow's stop, on the values alone (the gradient passes straight through): q to +-3 rad, v = 0
   when it moves on into it. The target stays. */
#include <math.h>

#include "agents/control/dynamics.h"

enum { ARM = 2, STATE = 8, TARGET_AT = 2, VELOCITY_AT = 4, TARGET_VELOCITY_AT = 6 };
static const double DT_S = 0.02, GEAR_N_M = 200, INERTIA_KG_M2 = 1.0005, STOP_RAD = 3;

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  (void)dynamics, (void)context; /* constants all */
  const double rate = 1 / INERTIA_KG_M2, keep = exp(-rate * DT_S), moved = (1 - keep) / rate;
  ml3_node q = ml3_nn_slice_cols(g, state, 0, ARM), v = ml3_nn_slice_cols(g, state, VELOCITY_AT, ARM);
  ml3_node v1 = ml3_nn_add(g, ml3_nn_scale(g, v, keep), ml3_nn_scale(g, action, GEAR_N_M * (1 - keep)));
  ml3_node q1 =
      ml3_nn_add(g, q, ml3_nn_add(g, ml3_nn_scale(g, v, moved), ml3_nn_scale(g, action, GEAR_N_M * (DT_S - moved))));

  ml3_node elbow = ml3_nn_slice_cols(g, q1, 1, 1), speed = ml3_nn_slice_cols(g, v1, 1, 1);
  ml3_node zero = ml3_nn_constant(g, 1, 1, 0);
  ml3_node high =
      ml3_nn_mul(g, ml3_nn_greater(g, elbow, ml3_nn_constant(g, 1, 1, STOP_RAD)), ml3_nn_greater(g, speed, zero));
  ml3_node low =
      ml3_nn_mul(g, ml3_nn_greater(g, ml3_nn_constant(g, 1, 1, -STOP_RAD), elbow), ml3_nn_greater(g, zero, speed));
  ml3_node stopped = ml3_nn_select(g, ml3_nn_add(g, high, low), zero, speed);
  const ml3_node next[6] = {ml3_nn_slice_cols(g, q1, 0, 1),
                            ml3_nn_straight_through(g, ml3_nn_clamp(g, elbow, -STOP_RAD, STOP_RAD), elbow),
                            ml3_nn_slice_cols(g, state, TARGET_AT, 2),
                            ml3_nn_slice_cols(g, v1, 0, 1),
                            ml3_nn_straight_through(g, stopped, speed),
                            ml3_nn_slice_cols(g, state, TARGET_VELOCITY_AT, 2)};
  return ml3_nn_concat_cols(g, next, 6);
}

const ml3_dynamics ml3_dynamics_reacher = {
    .environment = "reacher", .state_dim = STATE, .action_dim = ARM, .step = step};
