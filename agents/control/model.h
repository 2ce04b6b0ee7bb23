/* What a planner imagines with: one step of a world, and its derivatives.

     environment   the simulator itself: ml3_env_step and ml3_env_linearize (exact, MuJoCo's or differences)
     dynamics      a differentiable model (agents/control/dynamics.h), analytic or learned: a compiled nn program and its Jacobian

   An instance serves one thread; `clone` makes another. All arrays are row-major; n = state_dim, m = action_dim. */
#ifndef ML3_AGENTS_MODEL_H
#define ML3_AGENTS_MODEL_H

#include "agents/control/dynamics.h"
#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_model ml3_model;
/* A model: a table of functions with its own state. */
struct ml3_model {
  const char *name;
  int state_dim, action_dim;
  const double *low, *high; /* [m] bounds of the actions */
  double precision; /* relative rounding error of a step: DBL_EPSILON, or FLT_EPSILON of float programs */

  void (*start)(ml3_model *model, const double *state);               /* puts it there */
  void (*step)(ml3_model *model, const double *action, double *next); /* on from where it is; next[n] */
  /* a[count][n][n] and b[count][n][m] of a step from states[count][n] under actions[count][m]; `start` anew afterwards. */
  void (*linearize)(ml3_model *model, int count, const double *states, const double *actions, double *a,
                    double *b);
  ml3_model *(*clone)(ml3_model *model, ml3_error *error); /* free it before the original */
  void (*free)(ml3_model *model);
  /* The world's own words about its last step or derivative that was not finite, or ""; may be NULL. */
  const char *(*trouble)(const ml3_model *model);
};

/* An instance of its own of env's environment, with env's present task. */
ml3_model *ml3_model_of_env(const ml3_env *env, ml3_error *error);

/* The dynamics as compiled programs. context[dynamics->context_size] (NULL where that is 0) and dynamics are kept; action
   bounds are the environment's. */
ml3_model *ml3_model_of_dynamics(const ml3_dynamics *dynamics, const ml3_real *context,
                                 const ml3_env_spec *spec, ml3_error *error);

void ml3_model_free(ml3_model *model); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
