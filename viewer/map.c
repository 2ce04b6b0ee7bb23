/* The heat map: see map.h. */
#define _POSIX_C_SOURCE 200809L
#include "viewer/map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { CONTOURS = 12 };

void ml3_map_reset(ml3_map *m) {
  *m = (ml3_map){.row = 0, .changes = -1};
}

bool ml3_map_possible(const ml3_session *s) {
  return s->spec->plane && s->source.value_at;
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static double at(double low, double high, int cell) {
  return low + (high - low) * (cell + 0.5) / ML3_MAP_CELLS;
}

/* Everything but the two entries is as in the state that the actor starts from. */
static void work_row(ml3_map *m, ml3_session *s, int row) {
  const ml3_env_plane *p = s->spec->plane;
  double state[s->spec->state_dim];
  const ml3_episode *e = s->episode[s->focus];
  memcpy(state, e->states, (size_t)s->spec->state_dim * sizeof *state);
  state[p->along_y] = at(p->low[1], p->high[1], row);
  for (int x = 0; x < ML3_MAP_CELLS; x++) {
    state[p->along_x] = at(p->low[0], p->high[0], x);
    m->value[row][x] = (float)s->source.value_at(s->source.user, s->focus, e, state);
  }
}

/* ---- picture ------------------------------------------------------------------------------------------------- */

/* The colours of viridis (matplotlib's default map, CC0) at nine places, straight lines between. */
static void viridis(float x, float *rgb) {
  static const float stops[9][3] = {{0.267f, 0.005f, 0.329f}, {0.278f, 0.176f, 0.482f}, {0.229f, 0.322f, 0.546f},
                                    {0.173f, 0.449f, 0.558f}, {0.128f, 0.567f, 0.551f}, {0.158f, 0.684f, 0.502f},
                                    {0.369f, 0.789f, 0.383f}, {0.678f, 0.864f, 0.190f}, {0.993f, 0.906f, 0.144f}};
  float place = fminf(fmaxf(x, 0), 1) * 8;
  int i = place >= 8 ? 7 : (int)place;
  for (int k = 0; k < 3; k++) rgb[k] = stops[i][k] + (place - (float)i) * (stops[i + 1][k] - stops[i][k]);
}

static float between(const ml3_map *m, float x, float y) {
  const float most = ML3_MAP_CELLS - 1;
  x = fminf(fmaxf(x, 0), most), y = fminf(fmaxf(y, 0), most);
  int i = (int)fminf(x, most - 1), j = (int)fminf(y, most - 1);
  float a = x - (float)i, b = y - (float)j;
  return (1 - b) * ((1 - a) * m->value[j][i] + a * m->value[j][i + 1]) +
         b * ((1 - a) * m->value[j + 1][i] + a * m->value[j + 1][i + 1]);
}

static void paint(ml3_map *m, ml3_scene *scene) {
  static const float scale = (float)ML3_MAP_CELLS / ML3_SCENE_MAP;
  unsigned char rgb[ML3_SCENE_MAP][ML3_SCENE_MAP][3];
  m->low = INFINITY, m->high = -INFINITY;
  for (int j = 0; j < ML3_MAP_CELLS; j++)
    for (int i = 0; i < ML3_MAP_CELLS; i++)
      if (isfinite(m->value[j][i])) m->low = fminf(m->low, m->value[j][i]), m->high = fmaxf(m->high, m->value[j][i]);
  const float span = m->high > m->low ? m->high - m->low : 1;
  for (int j = 0; j < ML3_SCENE_MAP; j++)
    for (int i = 0; i < ML3_SCENE_MAP; i++) {
      float x = ((float)i + 0.5f) * scale - 0.5f, y = ((float)j + 0.5f) * scale - 0.5f, colour[3];
      float level = (between(m, x, y) - m->low) / span;
      float right = (between(m, x + scale, y) - m->low) / span, above = (between(m, x, y + scale) - m->low) / span;
      bool line =
          floorf(level * CONTOURS) != floorf(right * CONTOURS) || floorf(level * CONTOURS) != floorf(above * CONTOURS);
      viridis(isfinite(level) ? level : 0, colour);
      for (int k = 0; k < 3; k++) rgb[j][i][k] = (unsigned char)(255 * colour[k] * (line ? 0.72f : 1));
    }
  ml3_scene_paint_map(scene, &rgb[0][0][0]);
  m->painted = true;
}

void ml3_map_work(ml3_map *m, ml3_session *s, ml3_scene *scene, double seconds) {
  const double deadline_s = ml3_clock_s() + seconds;
  if (!ml3_map_possible(s)) return;
  if (m->changes != s->changes || m->actor != s->focus) {
    if (!s->valued[s->focus] && isfinite(seconds)) return; /* its rollout is not whole yet */
    m->changes = s->changes;
    m->actor = s->focus;
    m->row = 0;
  }
  if (m->row >= ML3_MAP_CELLS) return;
  do work_row(m, s, m->row++);
  while (m->row < ML3_MAP_CELLS && ml3_clock_s() < deadline_s);
  if (m->row == ML3_MAP_CELLS) paint(m, scene);
}

/* ---- axes and ways --------------------------------------------------------------------------------------------- */

static void place(const ml3_env_plane *p, const double *state, double above, double *point) {
  const int entry[2] = {p->along_x, p->along_y};
  for (int i = 0; i < 2; i++) {
    double part = (state[entry[i]] - p->low[i]) / (p->high[i] - p->low[i]);
    point[i] = p->from[i] + fmin(fmax(part, 0), 1) * (p->to[i] - p->from[i]);
  }
  point[2] = p->height + above;
}

static void frame(const ml3_env_plane *p, ml3_scene *scene, double radius) {
  static const float rgba[4] = {0.1f, 0.1f, 0.12f, 1};
  const double z = p->height + 0.5 * radius;
  const double corner[5][3] = {{p->from[0], p->from[1], z},
                               {p->to[0], p->from[1], z},
                               {p->to[0], p->to[1], z},
                               {p->from[0], p->to[1], z},
                               {p->from[0], p->from[1], z}};
  for (int i = 0; i < 4; i++) ml3_scene_line(scene, corner[i], corner[i + 1], 2, rgba);
}

/* A text begins at its point. */
static void name_axes(const ml3_map *m, const ml3_session *s, ml3_scene *scene, double off) {
  const ml3_env_plane *p = s->spec->plane;
  const ml3_env_field *x = &s->spec->state[p->along_x], *y = &s->spec->state[p->along_y];
  char text[100];
  snprintf(text, sizeof text, "right: %s %.3g to %.3g %s,  up: %s %.3g to %.3g %s", x->name, p->low[0], p->high[0],
           x->unit, y->name, p->low[1], p->high[1], y->unit);
  ml3_scene_text(scene, (double[3]){p->from[0], p->from[1] - off, p->height}, text);
  if (!m->painted) return;
  snprintf(text, sizeof text, "learned loss: %.3g (dark) to %.3g (light)", (double)m->low, (double)m->high);
  ml3_scene_text(scene, (double[3]){p->from[0], p->to[1] + off, p->height}, text);
}

void ml3_map_decorate(const ml3_map *m, const ml3_session *s, ml3_scene *scene, const float (*colours)[3]) {
  const ml3_env_plane *p = s->spec->plane;
  if (!p) return;
  const double size = fmin(fabs(p->to[0] - p->from[0]), fabs(p->to[1] - p->from[1])), radius = 0.006 * size;
  const int n = s->spec->state_dim;
  frame(p, scene, radius);
  name_axes(m, s, scene, 0.08 * size);
  for (int k = 0; k < s->actors; k++) {
    const ml3_episode *e = s->episode[k];
    if (s->hidden[k]) continue;
    int every = e->steps / 200 + 1;
    double from[3], to[3];
    place(p, e->states, radius, from);
    for (int t = every; t <= e->steps; t += every) {
      float rgba[4] = {colours[k][0], colours[k][1], colours[k][2], t <= s->step ? 1 : 0.45f};
      place(p, e->states + t * n, radius, to);
      ml3_scene_line(scene, from, to, k == s->focus ? 4 : 2.5, rgba);
      memcpy(from, to, sizeof from);
    }
    const float solid[4] = {colours[k][0], colours[k][1], colours[k][2], 1};
    place(p, e->states + ml3_session_shown_step(s, k) * n, radius, from);
    ml3_scene_dot(scene, from, 3 * radius, solid);
  }
}
