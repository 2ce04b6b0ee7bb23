/* How an optimizee's inputs are scaled goes with the loss that was learned on it. A problem may measure that scaling when it is
   made, by rollouts whose number, seed and simulator are its own: measured anew it would be another, and the same loss would do
   something else. So it is data of the loss (loss.safetensors), and is put back into the problem at meta-test. */
#ifndef ML3_METALOSS_SCALING_H
#define ML3_METALOSS_SCALING_H

#include "metaloss/loss.h"
#include "metaloss/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The problem's scaling into the loss; nothing for a problem that has measured none. */
int ml3_loss_keep_scaling(ml3_loss *loss, const ml3_problem *problem, ml3_error *error);

/* The loss's scaling into the problem, before programs or tasks are made of that. *missing (may be NULL): the problem has
   measured one, but the loss is of a file of before and has none; the problem keeps its own. A loss for another number of inputs
   is ML3_ERR_ARGUMENT. A problem that measures none is left as it is. */
int ml3_loss_use_scaling(const ml3_loss *loss, ml3_problem *problem, bool *missing, ml3_error *error);

/* Whether both have the same, or both none. */
bool ml3_loss_same_scaling(const ml3_loss *a, const ml3_loss *b);

#ifdef __cplusplus
}
#endif

#endif
