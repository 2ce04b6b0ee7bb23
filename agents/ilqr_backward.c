/* The backward pass of control-limited iLQR: dynamic programming on the quadratic model.

     Q_s  = l_s + A' V_s'                Q_ss = l_ss + A' V_ss' A
     Q_u  = l_u + B' V_s'                Q_uu = l_uu + B' V_ss' B        Q_us = l_us + B' V_ss' A
     k    = argmin 1/2 d' Q~uu d + Q_u' d  with  low - u <= d <= high - u,       K = -Q~uu,ff^{-1} Q~us,f
     V_s  = Q_s + K' (Q_u + Q_uu k) + Q_us' k
     V_ss = Q_ss + K' (Q_us + Q_uu K) + Q_us' K

   ~ is regularised: Q_uu + mu I, or V_ss' + mu I inside. Tassa, Erez, Todorov (IROS 2012), equations 10 and
   11; Tassa, Mansard, Todorov (ICRA 2014), section IV.

   The pass is inlined into callers with constant n and m for the smallest problems, whose loops then vanish. */
#include <math.h>
#include <string.h>

#include "agents/ilqr_internal.h"

#define INLINE static inline __attribute__((always_inline))

/* c[p][q] = or += a' b with a[r][p], b[r][q]: the one product needed, as V_ss and Q_uu are symmetric. */
INLINE void product(size_t p, size_t q, size_t r, bool add, double scale, const double *restrict a,
                    const double *restrict b, double *restrict c) {
  for (size_t i = 0; i < p; i++) {
    for (size_t j = 0; j < q; j++) {
      double sum = add ? c[i * q + j] : 0;
      for (size_t k = 0; k < r; k++) sum += scale * a[k * p + i] * b[k * q + j];
      c[i * q + j] = sum;
    }
  }
}

INLINE void copy(double *restrict to, const double *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

INLINE void expand_action_value(ml3_ilqr *w, size_t t, double mu, size_t n, size_t m) {
  const double *a = w->a + t * n * n, *b = w->b + t * n * m;
  const double *ls = w->expansion + t * (n + m + n * n + m * m + m * n), *lu = ls + n, *lss = lu + m;
  const double *luu = lss + n * n, *lus = luu + m * m;
  copy(w->qs, ls, n);
  copy(w->qu, lu, m);
  copy(w->qss, lss, n * n);
  copy(w->quu, luu, m * m);
  copy(w->qus, lus, m * n);
  product(n, n, n, false, 1, w->vss, a, w->va);
  product(n, m, n, false, 1, w->vss, b, w->vb);
  product(n, 1, n, true, 1, a, w->vs, w->qs);
  product(m, 1, n, true, 1, b, w->vs, w->qu);
  product(n, n, n, true, 1, a, w->va, w->qss);
  product(m, m, n, true, 1, b, w->vb, w->quu);
  product(m, n, n, true, 1, b, w->va, w->qus);

  copy(w->quu_reg, w->quu, m * m);
  copy(w->qus_reg, w->qus, m * n);
  if (w->settings.regularize_state) {
    product(m, m, n, true, mu, b, b, w->quu_reg);
    product(m, n, n, true, mu, b, a, w->qus_reg);
  } else {
    for (size_t i = 0; i < m; i++) w->quu_reg[i * m + i] += mu;
  }
}

/* One control alone: the parabola's lowest point, or the bound nearer to it. */
INLINE bool minimize_one(const ml3_ilqr *w, double low, double high, size_t n, double *k, double *gain) {
  const double h = w->quu_reg[0], g = w->qu[0];
  if (!(h > 0) || !isfinite(h)) return false;
  const double best = -g / h;
  const bool held = best <= low || best >= high;
  k[0] = best <= low ? low : best >= high ? high : best;
  for (size_t j = 0; j < n; j++) gain[j] = held ? 0 : -w->qus_reg[j] / h;
  return true;
}

/* k_t and K_t. k_t starts from the next step's, whose set of clamped controls is often the same. */
INLINE bool minimize_over_action(ml3_ilqr *w, size_t t, size_t n, size_t m) {
  const ml3_model *model = w->lanes[0].model;
  const double *u = w->actions + t * m;
  double *k = w->feed_forward + t * m, *gains = w->gains + t * m * n;
  if (m == 1) {
    if (!minimize_one(w, model->low[0] - u[0], model->high[0] - u[0], n, k, gains)) return false;
  } else {
    for (size_t i = 0; i < m; i++) {
      w->room_low[i] = model->low[i] - u[i];
      w->room_high[i] = model->high[i] - u[i];
      k[i] = t + 1 < w->horizon ? k[m + i] : 0;
    }
    if (ml3_boxqp_solve(w->qp, w->quu_reg, w->qu, w->room_low, w->room_high, k) < 0) return false;
    ml3_boxqp_sensitivity(w->qp, (int)n, w->qus_reg, gains);
  }
  for (size_t i = 0; i < m; i++) {
    if (!isfinite(k[i])) return false;
    const double relative = fabs(k[i]) / (1 + fabs(u[i]));
    if (relative > w->largest_relative) w->largest_relative = relative;
  }
  return true;
}

INLINE void update_value(ml3_ilqr *w, size_t t, size_t n, size_t m) {
  const double *k = w->feed_forward + t * m, *gains = w->gains + t * m * n;
  copy(w->qu_new, w->qu, m);
  copy(w->qus_new, w->qus, m * n);
  product(m, 1, m, true, 1, w->quu, k, w->qu_new);      /* Q_u  + Q_uu k */
  product(m, n, m, true, 1, w->quu, gains, w->qus_new); /* Q_us + Q_uu K */
  for (size_t i = 0; i < m; i++) {
    w->slope += k[i] * w->qu[i];
    w->curvature += 0.5 * k[i] * (w->qu_new[i] - w->qu[i]);
  }
  copy(w->vs, w->qs, n);
  product(n, 1, m, true, 1, gains, w->qu_new, w->vs);
  product(n, 1, m, true, 1, w->qus, k, w->vs);
  copy(w->vss, w->qss, n * n);
  product(n, n, m, true, 1, gains, w->qus_new, w->vss);
  product(n, n, m, true, 1, w->qus, gains, w->vss);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < i; j++) {
      const double mean = 0.5 * (w->vss[i * n + j] + w->vss[j * n + i]);
      w->vss[i * n + j] = w->vss[j * n + i] = mean;
    }
  }
}

INLINE bool pass(ml3_ilqr *w, double mu, size_t n, size_t m) {
  w->slope = w->curvature = w->largest_relative = 0;
  const ml3_ilqr_expansion end = ml3_ilqr_expansion_at(w, w->horizon);
  copy(w->vs, end.ls, n);
  copy(w->vss, end.lss, n * n);
  for (size_t t = w->horizon; t-- > 0;) {
    expand_action_value(w, t, mu, n, m);
    if (!minimize_over_action(w, t, n, m)) return false;
    update_value(w, t, n, m);
    if (!isfinite(w->slope + w->curvature)) return false;
  }
  return true;
}

bool ml3_ilqr_backward(ml3_ilqr *w, double mu) {
  if (w->n == 2 && w->m == 1) return pass(w, mu, 2, 1);
  if (w->n == 4 && w->m == 1) return pass(w, mu, 4, 1);
  if (w->n == 4 && w->m == 2) return pass(w, mu, 4, 2);
  return pass(w, mu, w->n, w->m);
}
