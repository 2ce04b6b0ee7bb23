/* Differentiable models of environments, as graphs: what back-propagation through time and planners run through.

   Analytic ones are in a table: adding one is a file with a `const ml3_dynamics` and a line in dynamics.c. Learned ones
   are made (ensemble.h) and take their parameters as `context`. */
#ifndef ML3_AGENTS_DYNAMICS_H
#define ML3_AGENTS_DYNAMICS_H

#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_dynamics ml3_dynamics;
/* A differentiable model of an environment: one step as a graph. */
struct ml3_dynamics {
  const char *environment; /* the one it is a model of */
  const char *variant;     /* another one with these equations; or NULL */
  int state_dim, action_dim;
  int context_size; /* numbers it needs from outside, such as learned parameters; 0: none */
  /* state [rows, state_dim], action [rows, action_dim], context [1, context_size] (ML3_NN_NONE when that is 0)
     -> next state [rows, state_dim]; a row of the result depends on that row alone. */
  ml3_node (*step)(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action);
  const void *user; /* the model's own */
};

/* The analytic model of that environment; NULL with a sentence when there is none. */
const ml3_dynamics *ml3_dynamics_find(const char *environment, ml3_error *error);

extern const ml3_dynamics ml3_dynamics_mountain_car, ml3_dynamics_mountain_car_continuous,
    ml3_dynamics_pendulum_swing_up, ml3_dynamics_pointmass, ml3_dynamics_reacher;

#ifdef __cplusplus
}
#endif

#endif
