/* Credit for actions, from a rollout: arrays are [steps][envs], as the rollout's. */
#ifndef ML3_AGENTS_ADVANTAGE_H
#define ML3_AGENTS_ADVANTAGE_H

#include <stddef.h>

#include "agents/learn/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out_t = r_t + discount * out_{t+1} within an episode, 0 beyond its end and the rollout's. out may be reward itself. */
void ml3_rewards_to_go(const ml3_rollout *rollout, const ml3_real *reward, double discount, ml3_real *out);

/* x[t][i] -= mean over j != i of x[t][j]: a baseline that depends on time alone, and not on environment i's own actions.
   Nothing for one environment. */
void ml3_subtract_others(const ml3_rollout *rollout, ml3_real *x);

/* value[t][i]: the least-squares fit to target of 1, x, x^2 of the inputs and t, t^2, t^3 of the time within the rollout, with
   a little ridge (Duan et al. 2016): what return a state of this rollout promises. Fitted and used on the same rows, which
   biases an advantage by some of its own noise, the less the more rows there are. `work` holds what ml3_baseline_size says. */
size_t ml3_baseline_size(int inputs);
int ml3_fit_baseline(const ml3_rollout *rollout, const ml3_real *target, double *work, ml3_real *value,
                     ml3_error *error);

/* x[n] to mean 0 and deviation 1; all zeros where all are alike, and a single number stays as it is. */
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
