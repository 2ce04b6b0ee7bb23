/* Rollouts of iLQR and its line search.

     u_t = clip(u_t + alpha k_t + K_t (s_t - s~_t)),   alpha = 1 ... line_search_min
     accept when  J - J_new > accept_ratio * -(alpha slope + alpha^2 curvature)

   The trials of the line search go to as many threads as there are, in waves; the first good one in the order of alpha is
   taken, so that threads change neither the answer nor the steps counted. */
#include <math.h>
#include <string.h>

#include "agents/control/ilqr_internal.h"
#include "base/threads.h"

static double clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

ML3_ILQR_INLINE void control(const ml3_ilqr *w, size_t t, double alpha, const double *state, double *action, size_t n,
                             size_t m) {
  const ml3_model *model = w->lanes[0].model;
  const double *nominal = w->states + t * n;
  for (size_t i = 0; i < m; i++) {
    const double *gain = w->gains + (t * m + i) * n;
    double u = w->actions[t * m + i] + alpha * w->feed_forward[t * m + i];
    for (size_t j = 0; j < n; j++) u += gain[j] * (state[j] - nominal[j]);
    action[i] = clip(u, model->low[i], model->high[i]);
  }
}

void ml3_ilqr_control(const ml3_ilqr *w, size_t t, double alpha, const double *state, double *action) {
  control(w, t, alpha, state, action, w->n, w->m);
}

/* Fills the lane's trajectory, its cost and where it broke. */
ML3_ILQR_INLINE void roll_out_sized(const ml3_ilqr *w, ml3_ilqr_lane *lane, double alpha, size_t n, size_t m) {
  ml3_model *model = lane->model;
  double total = 0, magnitude = 0;
  lane->trial = NAN;
  memcpy(lane->states, w->start, n * sizeof *w->start);
  model->start(model, w->start);
  for (size_t t = 0; t <= w->horizon; t++) {
    const double *state = lane->states + t * n;
    double *action = t < w->horizon ? lane->actions + t * m : NULL;
    lane->broken = t;
    if (action) control(w, t, alpha, state, action, n, m);
    if (!ml3_ilqr_all_finite(state, n) || (action && !ml3_ilqr_all_finite(action, m))) return;
    const double cost = lane->cost.evaluate(lane->cost.user, w->first_step + (int)t, state, action, NULL);
    total += cost;
    magnitude += fabs(cost);
    if (!isfinite(total)) return;
    if (action) model->step(model, action, lane->states + (t + 1) * n);
  }
  lane->trial = total;
  lane->magnitude = magnitude;
}

static void roll_out(const ml3_ilqr *w, ml3_ilqr_lane *lane, double alpha) {
  if (w->n == 2 && w->m == 1)
    roll_out_sized(w, lane, alpha, 2, 1);
  else
    roll_out_sized(w, lane, alpha, w->n, w->m);
}

static void keep(ml3_ilqr *w, ml3_ilqr_lane *lane) {
  double *states = w->states, *actions = w->actions;
  w->states = lane->states;
  w->actions = lane->actions;
  w->magnitude = lane->magnitude;
  lane->states = states;
  lane->actions = actions;
}

double ml3_ilqr_first_rollout(ml3_ilqr *w) {
  ml3_ilqr_lane *lane = &w->lanes[0];
  roll_out(w, lane, 0);
  w->rollout_steps += (long)lane->broken;
  if (isfinite(lane->trial)) keep(w, lane);
  return lane->trial;
}

static void roll_out_apart(const ml3_ilqr *w, int wave, int first) {
#pragma omp parallel for num_threads(ml3_threads(wave)) schedule(static, 1)
  for (int i = 0; i < wave; i++) roll_out(w, &w->lanes[i], w->step_sizes[first + i]);
}

double ml3_ilqr_search_line(ml3_ilqr *w, double *cost) {
  const int count = w->settings.line_search_steps;
  for (int first = 0; first < count; first += w->lane_count) {
    int wave = count - first < w->lane_count ? count - first : w->lane_count;
    while (wave > 0 && !ml3_ilqr_affords(w, (size_t)wave * w->horizon)) wave--;
    if (wave == 0) return 0;
    if (wave == 1)
      roll_out(w, &w->lanes[0], w->step_sizes[first]);
    else
      roll_out_apart(w, wave, first);

    for (int i = 0; i < wave; i++) {
      const double alpha = w->step_sizes[first + i], actual = *cost - w->lanes[i].trial;
      const double expected = -alpha * (w->slope + alpha * w->curvature);
      w->rollout_steps += (long)w->lanes[i].broken;
      if (actual > 0 && actual >= w->settings.accept_ratio * expected) {
        *cost = w->lanes[i].trial;
        keep(w, &w->lanes[i]);
        return alpha;
      }
    }
  }
  return 0;
}
