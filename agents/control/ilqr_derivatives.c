/* The derivatives along iLQR's trajectory: the model's by stretches of time steps, one a thread; the cost's with them. */
#include <stdio.h>
#include <string.h>

#include "agents/control/ilqr_internal.h"
#include "base/threads.h"

/* Steps first .. end - 1 (the last one may be the end of the horizon). */
ML3_ILQR_INLINE void differentiate_sized(const ml3_ilqr *w, ml3_ilqr_lane *lane, size_t first, size_t end, size_t n,
                                         size_t m) {
  const size_t size = n + m + n * n + m * m + m * n;
  const size_t last = end < w->horizon ? end : w->horizon; /* the model has none at the end */
  memset(w->expansion + first * size, 0, (end - first) * size * sizeof *w->expansion);
  if (last > first)
    lane->model->linearize(lane->model, (int)(last - first), w->states + first * n, w->actions + first * m,
                           w->a + first * n * n, w->b + first * n * m);
  for (size_t t = first; t < end; t++) {
    ml3_ilqr_expansion e = ml3_ilqr_expansion_at(w, t);
    if (t < w->horizon) e.a = w->a + t * n * n, e.b = w->b + t * n * m;
    lane->cost.evaluate(lane->cost.user, w->first_step + (int)t, w->states + t * n,
                        t < w->horizon ? w->actions + t * m : NULL, &e);
  }
}

static void differentiate_stretch(const ml3_ilqr *w, ml3_ilqr_lane *lane, size_t first, size_t end) {
  if (w->n == 2 && w->m == 1)
    differentiate_sized(w, lane, first, end, 2, 1);
  else
    differentiate_sized(w, lane, first, end, w->n, w->m);
}

/* One stretch a lane. */
static void differentiate_apart(const ml3_ilqr *w, int count) {
#pragma omp parallel for num_threads(ml3_threads(count)) schedule(static, 1)
  for (int i = 0; i < count; i++) {
    const size_t points = w->horizon + 1, first = points * (size_t)i / (size_t)count;
    differentiate_stretch(w, &w->lanes[i], first, points * ((size_t)i + 1) / (size_t)count);
  }
}

void ml3_ilqr_differentiate(ml3_ilqr *w) {
  const int count = (size_t)w->lane_count < w->horizon ? w->lane_count : 1;
  if (count > 1)
    differentiate_apart(w, count);
  else
    differentiate_stretch(w, &w->lanes[0], 0, w->horizon + 1);
  w->linearizations += (long)w->horizon;
}

const char *ml3_ilqr_trouble(const ml3_ilqr *w, char *text, size_t size) {
  *text = '\0';
  for (int i = 0; i < w->lane_count && !*text; i++) {
    const ml3_model *model = w->lanes[i].model;
    const char *said = model->trouble ? model->trouble(model) : "";
    if (*said) snprintf(text, size, "; the simulation says: %s", said);
  }
  return text;
}

int ml3_ilqr_check_derivatives(const ml3_ilqr *w, ml3_error *error) {
  const size_t n = w->n, m = w->m;
  for (size_t t = 0; t <= w->horizon; t++) {
    if (ml3_ilqr_all_finite(ml3_ilqr_expansion_at(w, t).ls, ml3_ilqr_expansion_size(w->n, w->m)) &&
        (t == w->horizon ||
         (ml3_ilqr_all_finite(w->a + t * n * n, n * n) && ml3_ilqr_all_finite(w->b + t * n * m, n * m))))
      continue;
    char said[256];
    return ml3_error_set(error, ML3_ERR_NUMERIC,
                         "iLQR on '%s': a derivative of the model or the cost is not finite at step %zu of %zu; check "
                         "the model's linearisation and the cost's expansion there%s",
                         w->lanes[0].model->name, t, w->horizon, ml3_ilqr_trouble(w, said, sizeof said));
  }
  return ML3_OK;
}
