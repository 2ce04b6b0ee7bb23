/* Reward-to-go, baselines, generalised advantages: see advantage.h. */
#include "agents/learn/advantage.h"

#include <math.h>

static size_t at(const ml3_rollout *r, int t, int env) {
  return (size_t)t * (size_t)r->envs + (size_t)env;
}

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

/* ---- linear baseline ------------------------------------------------------------------------------------------- */

static int columns(int inputs) {
  return 2 * inputs + 4;
}

size_t ml3_baseline_size(int inputs) {
  const size_t n = (size_t)columns(inputs);
  return n * n + 2 * n;
}

static void fill_row(const ml3_rollout *r, int t, int env, double *row) {
  const ml3_real *x = r->x + at(r, t, env) * (size_t)r->inputs;
  const double time = r->steps > 1 ? (double)t / (r->steps - 1) : 0;
  for (int k = 0; k < r->inputs; k++) row[k] = x[k], row[r->inputs + k] = (double)x[k] * x[k];
  double *rest = row + 2 * r->inputs;
  rest[0] = 1, rest[1] = time, rest[2] = time * time, rest[3] = time * time * time;
}

/* Solves a w = b for a symmetric positive a[n][n] by Cholesky in place; b becomes w. False where a is not positive. */
static bool solve(double *a, double *b, int n) {
  for (int j = 0; j < n; j++) {
    for (int k = 0; k < j; k++) a[j * n + j] -= a[j * n + k] * a[j * n + k];
    if (!(a[j * n + j] > 0)) return false;
    a[j * n + j] = sqrt(a[j * n + j]);
    for (int i = j + 1; i < n; i++) {
      for (int k = 0; k < j; k++) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < i; k++) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (int i = n - 1; i >= 0; i--) {
    for (int k = i + 1; k < n; k++) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

int ml3_fit_baseline(const ml3_rollout *r, const ml3_real *target, double *work, ml3_real *value, ml3_error *error) {
  const int n = columns(r->inputs);
  double *a = work, *b = work + n * n, *row = b + n;
  for (int i = 0; i < n * n + n; i++) work[i] = 0;
  for (int t = 0; t < r->steps; t++)
    for (int env = 0; env < r->envs; env++) {
      fill_row(r, t, env, row);
      for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) a[i * n + j] += row[i] * row[j];
        b[i] += row[i] * target[at(r, t, env)];
      }
    }
  for (int i = 0; i < n; i++) a[i * n + i] += 1e-4 * r->steps * r->envs;
  if (!solve(a, b, n))
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "the baseline of a rollout has no least-squares fit: its observations are not finite");
  for (int t = 0; t < r->steps; t++)
    for (int env = 0; env < r->envs; env++) {
      double sum = 0;
      fill_row(r, t, env, row);
      for (int i = 0; i < n; i++) sum += row[i] * b[i];
      value[at(r, t, env)] = (ml3_real)sum;
    }
  return ML3_OK;
}

/* ---- advantages -------------------------------------------------------------------------------------------------- */

void ml3_standardize(ml3_real *x, size_t n) {
  if (n < 2) return; /* one number has no deviation: less its mean it would be 0 whatever it says */
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
