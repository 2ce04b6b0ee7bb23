/* The backward pass of control-limited iLQR: dynamic programming on the quadratic model.

     Q_s  = l_s + A' V_s'                Q_ss = l_ss + A' V_ss' A
     Q_u  = l_u + B' V_s'                Q_uu = l_uu + B' V_ss' B        Q_us = l_us + B' V_ss' A
     k    = argmin 1/2 d' Q~uu d + Q_u' d  with  low - u <= d <= high - u,       K = -Q~uu,ff^{-1} Q~us,f
     V_s  = Q_s + K' (Q_u + Q_uu k) + Q_us' k
     V_ss = Q_ss + K' (Q_us + Q_uu K) + Q_us' K

   ~ is regularised: Q_uu + mu D, or V_ss' + mu D inside, with D = diag(size) of the workspace (Levenberg-Marquardt's
   scaling by the diagonal, so that neither the cost's unit nor a control's matters). Tassa, Erez, Todorov (IROS 2012),
   equations 10 and 11; Tassa, Mansard, Todorov (ICRA 2014), section IV.

   The pass is inlined into callers with constant n and m for the smallest problems: their loops vanish, and what is carried
   from step to step stays in registers. */
#include <math.h>
#include <string.h>

#include "agents/control/ilqr_internal.h"

/* Of the largest: a control without curvature of its own is regularised all the same. */
static const double SIZE_LEAST = 1e-8;

/* The value's expansion at the present step, the action value's, and what regularisation makes of it. */
typedef struct local {
  double *vs, *vss;                  /* [n], [n][n] */
  double *qs, *qu, *qss, *quu, *qus; /* [n], [m], [n][n], [m][m], [m][n] */
  double *quu_reg, *qus_reg;         /* [m][m], [m][n] */
  double *va, *vb;                   /* [n][n], [n][m] scratch */
  double *qu_new, *qus_new;          /* [m], [m][n] scratch */
  const double *unit, *damping;      /* [m], [m] or [n] */
  double slope, curvature, largest;  /* as in the workspace */
} local;

/* x[rows][cols] */
typedef struct matrix {
  const double *x;
  size_t rows, cols;
} matrix;

ML3_ILQR_INLINE matrix matrix_of(const double *x, size_t rows, size_t cols) {
  return (matrix){.x = x, .rows = rows, .cols = cols};
}

ML3_ILQR_INLINE matrix vector_of(const double *x, size_t rows) {
  return matrix_of(x, rows, 1);
}

/* c[a.cols][b.cols] = a' b: the one product needed, as V_ss and Q_uu are symmetric. */
ML3_ILQR_INLINE void set_product(double *restrict c, matrix a, matrix b) {
  const double *restrict x = a.x, *restrict y = b.x;
  for (size_t i = 0; i < a.cols; i++) {
    for (size_t j = 0; j < b.cols; j++) {
      double sum = x[i] * y[j];
      for (size_t k = 1; k < a.rows; k++) sum += x[k * a.cols + i] * y[k * b.cols + j];
      c[i * b.cols + j] = sum;
    }
  }
}

/* c += a' b */
ML3_ILQR_INLINE void add_product(double *restrict c, matrix a, matrix b) {
  const double *restrict x = a.x, *restrict y = b.x;
  for (size_t i = 0; i < a.cols; i++) {
    for (size_t j = 0; j < b.cols; j++) {
      double sum = c[i * b.cols + j];
      for (size_t k = 0; k < a.rows; k++) sum += x[k * a.cols + i] * y[k * b.cols + j];
      c[i * b.cols + j] = sum;
    }
  }
}

/* The same for a result that is known to be symmetric: half of it is computed. */
ML3_ILQR_INLINE void add_symmetric_product(double *restrict c, matrix a, matrix b) {
  const double *restrict x = a.x, *restrict y = b.x;
  const size_t n = a.cols;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j <= i; j++) {
      double sum = c[i * n + j];
      for (size_t k = 0; k < a.rows; k++) sum += x[k * n + i] * y[k * n + j];
      c[i * n + j] = c[j * n + i] = sum;
    }
  }
}

ML3_ILQR_INLINE void copy(double *restrict to, const double *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

ML3_ILQR_INLINE void expand_action_value(const ml3_ilqr *w, local *l, size_t t, size_t n, size_t m) {
  const matrix a = matrix_of(w->a + t * n * n, n, n), b = matrix_of(w->b + t * n * m, n, m);
  const matrix vs = vector_of(l->vs, n), vss = matrix_of(l->vss, n, n);
  const matrix va = matrix_of(l->va, n, n), vb = matrix_of(l->vb, n, m);
  const ml3_ilqr_expansion cost = ml3_ilqr_expansion_of(w->expansion, t, n, m);
  copy(l->qs, cost.ls, n);
  copy(l->qu, cost.lu, m);
  copy(l->qss, cost.lss, n * n);
  copy(l->quu, cost.luu, m * m);
  copy(l->qus, cost.lus, m * n);
  set_product(l->va, vss, a);
  set_product(l->vb, vss, b);
  add_product(l->qs, a, vs);
  add_product(l->qu, b, vs);
  add_symmetric_product(l->qss, a, va);
  add_symmetric_product(l->quu, b, vb);
  add_product(l->qus, b, va);

  copy(l->quu_reg, l->quu, m * m);
  copy(l->qus_reg, l->qus, m * n);
  if (w->settings.regularize_state) {
    for (size_t i = 0; i < n; i++) {
      for (size_t j = 0; j < n; j++) l->va[i * n + j] = l->damping[i] * a.x[i * n + j];
      for (size_t j = 0; j < m; j++) l->vb[i * m + j] = l->damping[i] * b.x[i * m + j];
    }
    add_symmetric_product(l->quu_reg, b, vb);
    add_product(l->qus_reg, b, va);
  } else {
    for (size_t i = 0; i < m; i++) l->quu_reg[i * m + i] += l->damping[i];
  }
}

/* One control alone: the parabola's lowest point, or the bound nearer to it. gain = slope Q~us, slope 0 at a bound. */
ML3_ILQR_INLINE bool minimize_one(const local *l, double low, double high, size_t n, double *k, double *gain,
                                  double *slope) {
  const double h = l->quu_reg[0], inverse = 1 / h, best = -l->qu[0] * inverse;
  if (!(h > 0)) return false;
  const bool held = (best <= low) | (best >= high);
  *slope = held ? 0 : -inverse;
  k[0] = best <= low ? low : best >= high ? high : best;
  for (size_t j = 0; j < n; j++) gain[j] = l->qus_reg[j] * *slope;
  return true;
}

/* The value's Hessian for one control, K = slope Q~us: Q_ss + slope (P + slope R) with P and R that do not wait for slope. */
ML3_ILQR_INLINE void update_hessian_one(local *l, size_t n, double slope) {
  const double *q = l->qus, *g = l->qus_reg;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      const double p = g[i] * q[j] + q[i] * g[j], r = l->quu[0] * g[i] * g[j];
      l->vss[i * n + j] = l->vss[j * n + i] = l->qss[i * n + j] + slope * (p + slope * r);
    }
}

/* V_ss of any number: what is symmetric of K' (Q_us + Q_uu K) + Q_us' K, which it all is but for rounding. */
ML3_ILQR_INLINE void update_hessian(local *l, size_t n, size_t m, const double *gains) {
  copy(l->qus_new, l->qus, m * n);
  add_product(l->qus_new, matrix_of(l->quu, m, m), matrix_of(gains, m, n)); /* Q_us + Q_uu K */
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      double sum = 0;
      for (size_t r = 0; r < m; r++) {
        sum += gains[r * n + i] * l->qus_new[r * n + j] + l->qus[r * n + i] * gains[r * n + j];
        if (j < i) sum += gains[r * n + j] * l->qus_new[r * n + i] + l->qus[r * n + j] * gains[r * n + i];
      }
      l->vss[i * n + j] = l->vss[j * n + i] = l->qss[i * n + j] + (j < i ? 0.5 : 1) * sum;
    }
}

/* k_t and K_t. k_t starts from the next step's, whose set of clamped controls is often the same. */
ML3_ILQR_INLINE bool minimize_over_action(ml3_ilqr *w, local *l, size_t t, size_t n, size_t m, const double *low,
                                          const double *high, double *k, double *gains, double *slope) {
  const double *u = w->actions + t * m;
  if (m == 1) {
    if (!minimize_one(l, low[0] - u[0], high[0] - u[0], n, k, gains, slope)) return false;
  } else {
    for (size_t i = 0; i < m; i++) {
      w->room_low[i] = low[i] - u[i];
      w->room_high[i] = high[i] - u[i];
      k[i] = t + 1 < w->horizon ? w->feed_forward[(t + 1) * m + i] : 0;
    }
    if (ml3_boxqp_solve(w->qp, l->quu_reg, l->qu, w->room_low, w->room_high, k) < 0) return false;
    ml3_boxqp_sensitivity(w->qp, (int)n, l->qus_reg, gains);
  }
  for (size_t i = 0; i < m; i++) { /* |k| / (unit + |u|), without a division where it is not the largest */
    const double size = l->unit[i] + fabs(u[i]);
    if (fabs(k[i]) > l->largest * size) l->largest = fabs(k[i]) / size;
  }
  return true;
}

ML3_ILQR_INLINE void update_value(local *l, size_t n, size_t m, const double *k, const double *gains, double slope) {
  copy(l->qu_new, l->qu, m);
  add_product(l->qu_new, matrix_of(l->quu, m, m), vector_of(k, m)); /* Q_u + Q_uu k */
  for (size_t i = 0; i < m; i++) {
    l->slope += k[i] * l->qu[i];
    l->curvature += 0.5 * k[i] * (l->qu_new[i] - l->qu[i]);
  }
  copy(l->vs, l->qs, n);
  add_product(l->vs, matrix_of(gains, m, n), vector_of(l->qu_new, m));
  add_product(l->vs, matrix_of(l->qus, m, n), vector_of(k, m));
  if (m == 1)
    update_hessian_one(l, n, slope);
  else
    update_hessian(l, n, m, gains);
}

/* Adds to size, of which the pass has seen all steps from t on. */
ML3_ILQR_INLINE void measure(ml3_ilqr *w, const double *quu, const double *vss, size_t n, size_t m) {
  const bool states = w->settings.regularize_state;
  const double *of = states ? vss : quu;
  const size_t count = states ? n : m;
  for (size_t i = 0; i < count; i++) w->size[i] += fabs(of[i * count + i]);
  w->measured_steps++;
}

/* k and gains: [m] and [m][n], where one step's are worked on. */
ML3_ILQR_INLINE bool pass(ml3_ilqr *w, local *l, size_t n, size_t m, const double *low, const double *high, double *k,
                          double *gains) {
  const ml3_ilqr_expansion end = ml3_ilqr_expansion_at(w, w->horizon);
  copy(l->vs, end.ls, n);
  copy(l->vss, end.lss, n * n);
  for (size_t t = w->horizon; t-- > 0;) {
    expand_action_value(w, l, t, n, m);
    if (w->measuring) measure(w, l->quu, l->vss, n, m);
    double slope = 0;
    if (!minimize_over_action(w, l, t, n, m, low, high, k, gains, &slope)) return false;
    copy(w->feed_forward + t * m, k, m);
    copy(w->gains + t * m * n, gains, m * n);
    update_value(l, n, m, k, gains, slope);
  }
  w->slope = l->slope;
  w->curvature = l->curvature;
  w->largest_relative = l->largest;
  /* What is not finite anywhere stays so, down to here. */
  return isfinite(l->slope + l->curvature) && ml3_ilqr_all_finite(l->vs, n) && ml3_ilqr_all_finite(l->vss, n * n);
}

/* For constant n and m, with everything on the stack. */
#define FIXED(n, m)                                                                                             \
  static bool pass_##n##_##m(ml3_ilqr *w) {                                                                     \
    double vs[n], vss[(n) * (n)], qs[n], qu[m], qss[(n) * (n)], quu[(m) * (m)], qus[(m) * (n)];                 \
    double quu_reg[(m) * (m)], qus_reg[(m) * (n)], va[(n) * (n)], vb[(n) * (m)], qu_new[m], qus_new[(m) * (n)]; \
    double k[m], gains[(m) * (n)], low[m], high[m], unit[m], damping[n];                                        \
    copy(low, w->lanes[0].model->low, m);                                                                       \
    copy(high, w->lanes[0].model->high, m);                                                                     \
    copy(unit, w->unit, m);                                                                                     \
    copy(damping, w->damping, n);                                                                               \
    local l = {.vs = vs,                                                                                        \
               .vss = vss,                                                                                      \
               .qs = qs,                                                                                        \
               .qu = qu,                                                                                        \
               .qss = qss,                                                                                      \
               .quu = quu,                                                                                      \
               .qus = qus,                                                                                      \
               .quu_reg = quu_reg,                                                                              \
               .qus_reg = qus_reg,                                                                              \
               .va = va,                                                                                        \
               .vb = vb,                                                                                        \
               .qu_new = qu_new,                                                                                \
               .qus_new = qus_new,                                                                              \
               .unit = unit,                                                                                    \
               .damping = damping};                                                                             \
    return pass(w, &l, n, m, low, high, k, gains);                                                              \
  }
FIXED(2, 1)
FIXED(4, 1)
FIXED(4, 2)

static bool pass_of_size(ml3_ilqr *w) {
  if (w->n == 2 && w->m == 1) return pass_2_1(w);
  if (w->n == 4 && w->m == 1) return pass_4_1(w);
  if (w->n == 4 && w->m == 2) return pass_4_2(w);
  local l = {.vs = w->vs,
             .vss = w->vss,
             .qs = w->qs,
             .qu = w->qu,
             .qss = w->qss,
             .quu = w->quu,
             .qus = w->qus,
             .quu_reg = w->quu_reg,
             .qus_reg = w->qus_reg,
             .va = w->va,
             .vb = w->vb,
             .qu_new = w->qu_new,
             .qus_new = w->qus_new,
             .unit = w->unit,
             .damping = w->damping};
  return pass(w, &l, w->n, w->m, w->lanes[0].model->low, w->lanes[0].model->high, w->k_now, w->gains_now);
}

bool ml3_ilqr_backward(ml3_ilqr *w, double mu) {
  const size_t count = w->settings.regularize_state ? w->n : w->m;
  for (size_t i = 0; i < count; i++) w->damping[i] = mu * w->size[i];
  return pass_of_size(w);
}

bool ml3_ilqr_measure(ml3_ilqr *w) {
  const size_t count = w->settings.regularize_state ? w->n : w->m;
  double largest = 0;
  memset(w->size, 0, count * sizeof *w->size);
  w->measuring = true;
  w->measured_steps = 0;
  const bool good = ml3_ilqr_backward(w, 0);
  w->measuring = false;
  for (size_t i = 0; i < count; i++) {
    w->size[i] /= (double)w->measured_steps;
    largest = fmax(largest, w->size[i]);
  }
  const bool usable = largest > 0 && isfinite(largest);
  for (size_t i = 0; i < count; i++) w->size[i] = usable ? fmax(w->size[i], SIZE_LEAST * largest) : 1;
  return good;
}
