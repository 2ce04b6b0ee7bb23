/* The backward pass of control-limited iLQR: dynamic programming on the quadratic model.

     Q_s  = l_s + A' V_s'                Q_ss = l_ss + A' V_ss' A
     Q_u  = l_u + B' V_s'                Q_uu = l_uu + B' V_ss' B        Q_us = l_us + B' V_ss' A
     k    = argmin 1/2 d' Q~uu d + Q_u' d  with  low - u <= d <= high - u,       K = -Q~uu,ff^{-1} Q~us,f
     V_s  = Q_s + K' (Q_u + Q_uu k) + Q_us' k
     V_ss = Q_ss + K' (Q_us + Q_uu K) + Q_us' K

   ~ is regularised: Q_uu + mu I, or V_ss' + mu I inside. Tassa, Erez, Todorov (IROS 2012), equations 10 and
   11; Tassa, Mansard, Todorov (ICRA 2014), section IV. */
#include "agents/ilqr_internal.h"

#include <math.h>
#include <string.h>

/* c[p][q] += scale * a' b with a[r][p], b[r][q]: the one product needed, as V_ss and Q_uu are symmetric. */
static void add_product(size_t p, size_t q, size_t r, double scale, const double *a, const double *b,
                        double *c) {
  for (size_t k = 0; k < r; k++) {
    for (size_t i = 0; i < p; i++) {
      const double factor = scale * a[k * p + i];
      for (size_t j = 0; j < q; j++) c[i * q + j] += factor * b[k * q + j];
    }
  }
}

static void copy(double *to, const double *from, size_t count) {
  memcpy(to, from, count * sizeof *to);
}

static void expand_action_value(ml3_ilqr *w, size_t t, double mu) {
  const size_t n = w->n, m = w->m;
  const double *a = w->a + t * n * n, *b = w->b + t * n * m;
  const ml3_ilqr_expansion e = ml3_ilqr_expansion_at(w, t);
  copy(w->qs, e.ls, n);
  copy(w->qu, e.lu, m);
  copy(w->qss, e.lss, n * n);
  copy(w->quu, e.luu, m * m);
  copy(w->qus, e.lus, m * n);
  memset(w->va, 0, n * n * sizeof *w->va);
  memset(w->vb, 0, n * m * sizeof *w->vb);
  add_product(n, n, n, 1, w->vss, a, w->va);
  add_product(n, m, n, 1, w->vss, b, w->vb);
  add_product(n, 1, n, 1, a, w->vs, w->qs);
  add_product(m, 1, n, 1, b, w->vs, w->qu);
  add_product(n, n, n, 1, a, w->va, w->qss);
  add_product(m, m, n, 1, b, w->vb, w->quu);
  add_product(m, n, n, 1, b, w->va, w->qus);

  copy(w->quu_reg, w->quu, m * m);
  copy(w->qus_reg, w->qus, m * n);
  if (w->settings.regularize_state) {
    add_product(m, m, n, mu, b, b, w->quu_reg);
    add_product(m, n, n, mu, b, a, w->qus_reg);
  } else {
    for (size_t i = 0; i < m; i++) w->quu_reg[i * m + i] += mu;
  }
}

/* k_t and K_t. k_t starts from the next step's, whose set of clamped controls is often the same. */
static bool minimize_over_action(ml3_ilqr *w, size_t t) {
  const size_t n = w->n, m = w->m;
  const double *u = w->actions + t * m;
  double *k = w->feed_forward + t * m;
  for (size_t i = 0; i < m; i++) {
    w->room_low[i] = w->lanes[0].model->low[i] - u[i];
    w->room_high[i] = w->lanes[0].model->high[i] - u[i];
    k[i] = t + 1 < w->horizon ? k[m + i] : 0;
  }
  if (ml3_boxqp_solve(w->qp, w->quu_reg, w->qu, w->room_low, w->room_high, k) < 0) return false;
  ml3_boxqp_sensitivity(w->qp, (int)n, w->qus_reg, w->gains + t * m * n);
  for (size_t i = 0; i < m; i++) {
    if (!isfinite(k[i])) return false;
    w->largest_relative = fmax(w->largest_relative, fabs(k[i]) / (1 + fabs(u[i])));
  }
  return true;
}

static void update_value(ml3_ilqr *w, size_t t) {
  const size_t n = w->n, m = w->m;
  const double *k = w->feed_forward + t * m, *gains = w->gains + t * m * n;
  copy(w->qu_new, w->qu, m);
  copy(w->qus_new, w->qus, m * n);
  add_product(m, 1, m, 1, w->quu, k, w->qu_new);      /* Q_u  + Q_uu k */
  add_product(m, n, m, 1, w->quu, gains, w->qus_new); /* Q_us + Q_uu K */
  for (size_t i = 0; i < m; i++) {
    w->slope += k[i] * w->qu[i];
    w->curvature += 0.5 * k[i] * (w->qu_new[i] - w->qu[i]);
  }
  copy(w->vs, w->qs, n);
  add_product(n, 1, m, 1, gains, w->qu_new, w->vs);
  add_product(n, 1, m, 1, w->qus, k, w->vs);
  copy(w->vss, w->qss, n * n);
  add_product(n, n, m, 1, gains, w->qus_new, w->vss);
  add_product(n, n, m, 1, w->qus, gains, w->vss);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < i; j++) {
      const double mean = 0.5 * (w->vss[i * n + j] + w->vss[j * n + i]);
      w->vss[i * n + j] = w->vss[j * n + i] = mean;
    }
  }
}

bool ml3_ilqr_backward(ml3_ilqr *w, double mu) {
  w->slope = w->curvature = w->largest_relative = 0;
  const ml3_ilqr_expansion end = ml3_ilqr_expansion_at(w, w->horizon);
  copy(w->vs, end.ls, w->n);
  copy(w->vss, end.lss, w->n * w->n);
  for (size_t t = w->horizon; t-- > 0;) {
    expand_action_value(w, t, mu);
    if (!minimize_over_action(w, t)) return false;
    update_value(w, t);
    if (!isfinite(w->slope + w->curvature)) return false;
  }
  return true;
}
