/* Internal: the derivative of any environment's step. */
#ifndef ML3_ENVS_DIFFERENCE_H
#define ML3_ENVS_DIFFERENCE_H

#include "envs/env.h"

/* a[state_dim][state_dim] and b[state_dim][action_dim] by differences of spec->step, centred, or one-sided where an action
   is at its bound (beyond it: 0); the state is put back with spec->set_state. */
void ml3_env_difference(ml3_env *env, const double *action, double *a, double *b);

#endif
