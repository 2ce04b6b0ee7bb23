/* Differentiable models of environments, as graphs: what back-propagation through time runs through.

   Adding one: a file with a `const ml3_dynamics`, a line in dynamics.c. */
#ifndef ML3_AGENTS_DYNAMICS_H
#define ML3_AGENTS_DYNAMICS_H

#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_dynamics {
  const char *environment; /* the one it is a model of */
  int state_dim, action_dim;
  /* state [rows, state_dim], action [rows, action_dim] -> next state [rows, state_dim]. */
  ml3_node (*step)(ml3_nn_graph *g, ml3_node state, ml3_node action);
} ml3_dynamics;

/* The model of that environment; NULL with a sentence when there is none. */
const ml3_dynamics *ml3_dynamics_find(const char *environment, ml3_error *error);

extern const ml3_dynamics ml3_dynamics_mountain_car, ml3_dynamics_pointmass;

#ifdef __cplusplus
}
#endif

#endif
