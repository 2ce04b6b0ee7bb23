/* Credit for actions, from a rollout: arrays are [steps][envs], as the rollout's. */
#ifndef ML3_AGENTS_ADVANTAGE_H
#define ML3_AGENTS_ADVANTAGE_H

#include <stddef.h>

#include "agents/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out_t = r_t + discount * out_{t+1} within an episode, 0 beyond its end and the rollout's. out may be reward itself. */
void ml3_rewards_to_go(const ml3_rollout *rollout, const ml3_real *reward, double discount, ml3_real *out);

/* x[t][i] -= mean over j != i of x[t][j]: a baseline that depends on time alone, and not on environment i's own actions.
   Nothing for one environment. */
void ml3_subtract_others(const ml3_rollout *rollout, ml3_real *x);

/* x[n] to mean 0 and deviation 1; all zeros where all are alike. */
void ml3_standardize(ml3_real *x, size_t n);

/* Generalised advantages (Schulman et al. 2016):

     delta_t = r_t + discount V(s_{t+1}) - V(s_t)      A_t = delta_t + discount lambda A_{t+1}

   V(s_{t+1}) is 0 where the episode terminated, and truncated_value[t][env] where it was truncated; A ends with an episode.
   value[steps][envs], last_value[envs] after the last step. returns = A + V. */
void ml3_generalized_advantages(const ml3_rollout *rollout, const ml3_real *reward, const ml3_real *value,
                                const ml3_real *last_value, const ml3_real *truncated_value, double discount,
                                double lambda, ml3_real *advantage, ml3_real *returns);

#ifdef __cplusplus
}
#endif

#endif
