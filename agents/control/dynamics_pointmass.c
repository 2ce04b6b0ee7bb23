/* The point mass as a graph (envs/tasks/pointmass.yaml with its default mass and damping). Five substeps of h = 0.01 s, each
   implicit in the damping as MuJoCo's Euler method is,

     v1 = (m v + h u) / (m + h d)        p1 = p + h v1

   make one linear step, away from the rails exactly the simulation's. At a rail, on the values alone (the gradient passes
   straight through): p to +-1 m, v = 0 when it moves on into it; MuJoCo's rail gives way by a few millimetres. */
#include "agents/control/dynamics.h"

enum { SUBSTEPS = 5, AXES = 2 };
static const double H_S = 0.01, MASS_KG = 0.5, DAMPING_N_S_M = 0.2;

/* Factors of one whole step: v' = v_of_v v + v_of_u u,  p' = p + p_of_v v + p_of_u u. */
typedef struct factors {
  double v_of_v, v_of_u, p_of_v, p_of_u;
} factors;

static factors whole_step(void) {
  const double keep = MASS_KG / (MASS_KG + H_S * DAMPING_N_S_M), gain = H_S / (MASS_KG + H_S * DAMPING_N_S_M);
  factors f = {.v_of_v = 1};
  for (int i = 0; i < SUBSTEPS; i++) {
    f.v_of_v *= keep;
    f.v_of_u = keep * f.v_of_u + gain;
    f.p_of_v += H_S * f.v_of_v;
    f.p_of_u += H_S * f.v_of_u;
  }
  return f;
}

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  (void)dynamics, (void)context; /* constants all */
  const factors f = whole_step();
  ml3_node p = ml3_nn_slice_cols(g, state, 0, AXES), v = ml3_nn_slice_cols(g, state, AXES, AXES);
  ml3_node v1 = ml3_nn_add(g, ml3_nn_scale(g, v, f.v_of_v), ml3_nn_scale(g, action, f.v_of_u));
  ml3_node p1 = ml3_nn_add(g, p, ml3_nn_add(g, ml3_nn_scale(g, v, f.p_of_v), ml3_nn_scale(g, action, f.p_of_u)));

  ml3_node zero = ml3_nn_constant(g, 1, 1, 0), one = ml3_nn_constant(g, 1, 1, 1), minus = ml3_nn_constant(g, 1, 1, -1);
  ml3_node into_high = ml3_nn_mul(g, ml3_nn_greater_equal(g, p1, one), ml3_nn_greater(g, v1, zero));
  ml3_node into_low = ml3_nn_mul(g, ml3_nn_greater_equal(g, minus, p1), ml3_nn_greater(g, zero, v1));
  ml3_node v_kept = ml3_nn_select(g, ml3_nn_add(g, into_high, into_low), zero, v1);

  ml3_node next[2] = {ml3_nn_straight_through(g, ml3_nn_clamp(g, p1, -1, 1), p1),
                      ml3_nn_straight_through(g, v_kept, v1)};
  return ml3_nn_concat_cols(g, next, 2);
}

const ml3_dynamics ml3_dynamics_pointmass = {
    .environment = "pointmass", .state_dim = 2 * AXES, .action_dim = AXES, .step = step};
