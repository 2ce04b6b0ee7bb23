/* Hand-written losses of how a policy's probabilities moved since its data was drawn, to be descended for several epochs. With r =
   pi(a|s) / pi_old(a|s) and A the advantage, the mean over rows of

     clipped  - min(r A, clamp(r, 0.8, 1.2) A)                      PPO's surrogate (Schulman et al. 2017)
     drift    - (r A - f(r, A)),   Discovered Policy Optimisation (Lu et al. 2022), alpha 2, beta 0.6:
                f = relu((r - 1) A - alpha tanh((r - 1) A / alpha))     A >= 0
                f = relu(log(r) A - beta tanh(log(r) A / beta))         A < 0 */
#ifndef ML3_AGENTS_SURROGATE_H
#define ML3_AGENTS_SURROGATE_H

#include "nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which of them. */
typedef enum ml3_surrogate { ML3_SURROGATE_CLIPPED, ML3_SURROGATE_DRIFT } ml3_surrogate;

/* log r [n, 1], A [n, 1] -> [1, 1]. */
ml3_node ml3_surrogate_build(ml3_nn_graph *g, ml3_surrogate kind, ml3_node log_ratio, ml3_node advantage);

#ifdef __cplusplus
}
#endif

#endif
