/* The reward of a task as a cost for planners: its quadratic expansion. Internal.

   With x = [s, u] and s' the next state, a register i of the program is a function of s', u and what is kept of the step
   before. Its derivative
     J_i = [di/ds' A + di/dpast dpast/ds,  di/ds' B + di/du]
   comes from centred differences of the program over what MuJoCo computes for a state (frames, velocities, sensors: no step),
   and the chain rule through the step's A and B. Contact forces and accelerations are taken as they are.
   The Hessian is Gauss-Newton's, generalised: from the reward backwards, with v_i = d(-reward)/d(register i), every instruction
   y = f(x) adds max(0, v_y f''(x)) J_x' J_x; a product adds the positive part of its cross term. For weighted norms of
   residuals that is J' (d2 norm) J, and it is positive semidefinite for every reward. (Schraudolph 2002, "Fast curvature
   matrix-vector products"; Howell et al. 2022, arXiv 2212.00541, section 3.) */
#ifndef ML3_ENVS_TASK_EXPAND_H
#define ML3_ENVS_TASK_EXPAND_H

#include "envs/task/task.h"

typedef struct ml3_task_expansion ml3_task_expansion;

/* Working memory for that task; NULL without. */
ml3_task_expansion *ml3_task_expansion_new(const ml3_task *task);
void ml3_task_expansion_free(ml3_task_expansion *x);

#endif
