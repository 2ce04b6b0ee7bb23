/* A learned loss as a cost that iLQR minimises. */
#ifndef ML3_AGENTS_LEARNED_COST_H
#define ML3_AGENTS_LEARNED_COST_H

#include "agents/control/ilqr_cost.h"
#include "metaloss/loss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A learned loss M_phi as the cost of a step: its features are [state, action, rest], rest[features - n - m] held
   constant (for the model-based problems: the distance of the rollout's end to the goal), plus the energy
   1/2 action_weight |u|^2. A loss with a ReLU is refused: its second derivative is 0 almost everywhere. */
ml3_ilqr_cost ml3_ilqr_learned(const ml3_loss *loss, int state_dim, int action_dim, const double *rest,
                               double action_weight, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
