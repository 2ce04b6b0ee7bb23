/* The derivatives along iLQR's trajectory: the model's by stretches of time steps, one a thread; the cost's with them. */
#include <string.h>

#include "agents/ilqr_internal.h"

/* Steps first .. end - 1 (the last one may be the end of the horizon). Returns the first that is not finite, or -1. */
static int differentiate_stretch(const ml3_ilqr *w, ml3_ilqr_lane *lane, size_t first, size_t end) {
  const size_t n = w->n, m = w->m, size = ml3_ilqr_expansion_size(w);
  const size_t last = end < w->horizon ? end : w->horizon; /* the model has none at the end */
  double *a = w->a + first * n * n, *b = w->b + first * n * m;
  memset(w->expansion + first * size, 0, (end - first) * size * sizeof *w->expansion);
  if (last > first)
    lane->model->linearize(lane->model, (int)(last - first), w->states + first * n, w->actions + first * m, a,
                           b);
  for (size_t t = first; t < end; t++) {
    ml3_ilqr_expansion e = ml3_ilqr_expansion_at(w, t);
    lane->cost.evaluate(lane->cost.user, w->first_step + (int)t, w->states + t * n,
                        t < w->horizon ? w->actions + t * m : NULL, &e);
    if (!ml3_ilqr_all_finite(e.ls, size)) return (int)t;
    if (t < w->horizon &&
        !(ml3_ilqr_all_finite(w->a + t * n * n, n * n) && ml3_ilqr_all_finite(w->b + t * n * m, n * m)))
      return (int)t;
  }
  return -1;
}

int ml3_ilqr_differentiate(ml3_ilqr *w, ml3_error *error) {
  const int count = (size_t)w->lane_count < w->horizon ? w->lane_count : 1;
  int broken = -1;
#pragma omp parallel for num_threads(count) schedule(static, 1) reduction(max : broken) if (count > 1)
  for (int i = 0; i < count; i++) {
    const size_t points = w->horizon + 1, first = points * (size_t)i / (size_t)count;
    const int at = differentiate_stretch(w, &w->lanes[i], first, points * ((size_t)i + 1) / (size_t)count);
    if (at > broken) broken = at;
  }
  w->linearizations += (long)w->horizon;
  if (broken < 0) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_NUMERIC,
      "iLQR on '%s': a derivative of the model or the cost is not finite at step %d of %zu; check the "
      "model's linearisation and the cost's expansion there",
      w->lanes[0].model->name, broken, w->horizon);
}
