/* Reward-to-go, baselines, generalised advantages: see advantage.h. */
#include "agents/advantage.h"

#include <math.h>

static size_t at(const ml3_rollout *r, int t, int env) { return (size_t)t * (size_t)r->envs + (size_t)env; }

void ml3_rewards_to_go(const ml3_rollout *r, const ml3_real *reward, double discount, ml3_real *out) {
  for (int i = 0; i < r->envs; i++) {
    double sum = 0;
    for (int t = r->steps - 1; t >= 0; t--) {
      if (r->end[at(r, t, i)] != ML3_GOES_ON) sum = 0;
      sum = reward[at(r, t, i)] + discount * sum;
      out[at(r, t, i)] = (ml3_real)sum;
    }
  }
}

void ml3_subtract_others(const ml3_rollout *r, ml3_real *x) {
  if (r->envs < 2) return;
  for (int t = 0; t < r->steps; t++) {
    double sum = 0;
    for (int i = 0; i < r->envs; i++) sum += x[at(r, t, i)];
    for (int i = 0; i < r->envs; i++) {
      const double own = x[at(r, t, i)];
      x[at(r, t, i)] = (ml3_real)(own - (sum - own) / (r->envs - 1));
    }
  }
}

void ml3_standardize(ml3_real *x, size_t n) {
  double mean = 0, squares = 0;
  for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
  for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / (sqrt(squares / (double)n) + 1e-8);
  for (size_t i = 0; i < n; i++) x[i] = (ml3_real)((x[i] - mean) * scale);
}

void ml3_generalized_advantages(const ml3_rollout *r, const ml3_real *reward, const ml3_real *value,
                                const ml3_real *last_value, const ml3_real *truncated_value, double discount,
                                double lambda, ml3_real *advantage, ml3_real *returns) {
  for (int i = 0; i < r->envs; i++) {
    double sum = 0;
    for (int t = r->steps - 1; t >= 0; t--) {
      const size_t k = at(r, t, i);
      double next = t + 1 < r->steps ? value[at(r, t + 1, i)] : last_value[i];
      if (r->end[k] != ML3_GOES_ON) {
        next = r->end[k] == ML3_TRUNCATED ? truncated_value[k] : 0;
        sum = 0;
      }
      sum = reward[k] + discount * next - value[k] + discount * lambda * sum;
      advantage[k] = (ml3_real)sum;
      returns[k] = (ml3_real)(sum + value[k]);
    }
  }
}
