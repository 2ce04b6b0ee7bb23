/* Costs for iLQR, with their quadratic expansions. All Hessians are positive semidefinite: of a cost that is not convex the
   negative eigenvalues are cut off (the joint Hessian by state and action), as the backward pass would otherwise climb. */
#ifndef ML3_AGENTS_ILQR_COST_H
#define ML3_AGENTS_ILQR_COST_H

#include "envs/env.h"
#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Quadratic expansion of a cost at one point (both Hessians symmetric). n = state_dim, m = action_dim; u's parts are
   untouched at the end of the horizon. Arrays are row-major and cleared before each call. */
typedef struct ml3_ilqr_expansion {
  double *ls;  /* [n] */
  double *lu;  /* [m] */
  double *lss; /* [n][n] */
  double *luu; /* [m][m] */
  double *lus; /* [m][n] */
  const double *a, *b; /* given where they are known: the model's derivatives of the step, [n][n] and [n][m] */
} ml3_ilqr_expansion;

/* A cost: a function with its data. */
typedef struct ml3_ilqr_cost {
  /* Cost of step t, or of the last state when action is NULL. Fills expansion unless it is NULL. */
  double (*evaluate)(void *user, int step, const double *state, const double *action, ml3_ilqr_expansion *expansion);
  void *user;
  /* Where evaluate writes into user: another one for another thread, freed by `free` before the first. Else both NULL. */
  void *(*clone)(void *user, ml3_error *error);
  void (*free)(void *user);
} ml3_ilqr_cost;

/* Frees what a function below has made. */
void ml3_ilqr_cost_free(ml3_ilqr_cost *cost);

/* Goal tracking: 1/2 state_weight |s - goal|^2 + 1/2 action_weight |u|^2 a step and
   1/2 final_weight |s_T - goal|^2, each state entry weighted. With state_weight and final_weight 0 it is the energy of
   the controls alone.
   An angle is a number here: see ml3_ilqr_goal_near. */
typedef struct ml3_ilqr_goal_cost {
  int state_dim, action_dim;
  const double *goal;    /* [state_dim] */
  const double *weights; /* [state_dim] */
  double state_weight, action_weight, final_weight;
} ml3_ilqr_goal_cost;
ml3_ilqr_cost ml3_ilqr_goal(const ml3_ilqr_goal_cost *cost); /* keeps the pointer */

/* Moves angles of goal[state_dim] that have no bounds (in rad: a turn further they are there again) by whole turns to
   where they are nearest to state[state_dim], the start: the shortest way counts. A goal as far away to one side as to the
   other, to a tenth of a turn, stays: for a swing-up from near the bottom either way is as long. To be asked once an
   episode: were the error of each state wrapped instead, the cost would have a kink half a turn off the goal, where its
   gradient changes sign, and a swing-up would end in it. */
void ml3_ilqr_goal_near(const ml3_env_spec *env, const double *state, double *goal);

/* weights[state_dim] to begin with: 1, but 0.1 for rates (units of "... / s") whose goal is 0: to come to rest counts less than
   to be there, or a swing-up would cost more on its way than it gains. */
void ml3_ilqr_goal_weights(const ml3_env_spec *env, const double *goal, double *weights);

/* Energy: 1/2 weight |u|^2 a step, to be added to another cost. */
typedef struct ml3_ilqr_energy_cost {
  int action_dim;
  double weight;
} ml3_ilqr_energy_cost;
ml3_ilqr_cost ml3_ilqr_energy(const ml3_ilqr_energy_cost *cost); /* keeps the pointer */

/* A sum of costs. Keeps the terms' users. NULL evaluate with a sentence on failure. */
ml3_ilqr_cost ml3_ilqr_sum(const ml3_ilqr_cost *terms, int count, int state_dim, int action_dim, ml3_error *error);

/* The environment's own reward, turned: -reward(s, u) of the step that starts in s, plus 1/2 action_weight |u|^2, which keeps the
   problem definite where the reward does not see the action; nothing at the end of the horizon. Where the environment has an
   expansion of its reward (ml3_env_expand: tasks as data), gradient and Hessian are that, through the model's derivatives. Else
   centred differences with h = 1e-4 (1 + |x|): 1 + k + k^2 simulator steps a point, k = n + m; ML3_ERR_UNAVAILABLE where k > 256.
   The simulator is an instance of its own with env's task; it serves under any model, also a learned one. */
ml3_ilqr_cost ml3_ilqr_reward(const ml3_env *env, double action_weight, ml3_error *error);

/* Any cost that is a graph: of one number, whose gradient and Hessian are exact, by differentiating it twice; or of least
   squares, 1/2 |r|^2 for residuals r [1, k], whose Hessian is Gauss-Newton's, J' J: positive semidefinite as it is, and the
   better guide far from the optimum. */
typedef struct ml3_ilqr_graph_cost {
  int state_dim, action_dim;
  ml3_node (*build)(void *user, ml3_nn_graph *g, const ml3_node *inputs, ml3_node state, ml3_node action);
  ml3_node (*build_final)(void *user, ml3_nn_graph *g, const ml3_node *inputs, ml3_node state); /* NULL: 0 */
  bool least_squares;
  void *user; /* theirs; state is [1, n], action [1, m], the result [1, 1] or, of least squares, [1, k] */
  int inputs; /* vectors that the graph reads (parameters), at most 4, each [1, input_size] */
  int input_size[4];
  const ml3_real *input[4]; /* kept */
  double action_weight;     /* of the energy 1/2 |u|^2 that is added to each step */
  void *owned;              /* freed with the cost, or when it cannot be made; NULL: nothing */
} ml3_ilqr_graph_cost;
ml3_ilqr_cost ml3_ilqr_graph(const ml3_ilqr_graph_cost *cost,
                             ml3_error *error); /* the cost of that graph; keeps the pointer */

/* Internal: h[k][k] symmetric, its negative eigenvalues cut off; scratch[2 k k]. (Jacobi's method.) */
void ml3_ilqr_make_semidefinite(int k, double *h, double *scratch);

#ifdef __cplusplus
}
#endif

#endif
