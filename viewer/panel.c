/* Plots, legend, numbers: see panel.h. */
#include "viewer/panel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Okabe and Ito's palette, without its black. */
const float ml3_actor_colours[ML3_VIEW_ACTORS][4] = {
    {0.90f, 0.62f, 0.00f, 1}, {0.34f, 0.71f, 0.91f, 1}, {0.80f, 0.80f, 0.80f, 1}, {0.80f, 0.47f, 0.65f, 1},
    {0.94f, 0.89f, 0.26f, 1}, {0.84f, 0.37f, 0.00f, 1}, {0.00f, 0.62f, 0.45f, 1}, {0.00f, 0.45f, 0.70f, 1}};

enum { CURSOR = ML3_VIEW_ACTORS }; /* the line of a figure that is the cursor */

/* ---- figures --------------------------------------------------------------------------------------------------- */

static void init_figure(mjvFigure *f, const char *title) {
  static const float cursor[3] = {1, 1, 1};
  mjv_defaultFigure(f);
  snprintf(f->title, sizeof f->title, "%s", title);
  snprintf(f->xformat, sizeof f->xformat, "%%.0f");
  snprintf(f->yformat, sizeof f->yformat, "%%.2g");
  snprintf(f->minwidth, sizeof f->minwidth, "-0.00");
  f->flg_extend = 1;
  f->range[0][0] = f->range[1][0] = 1; /* low above high: the curves decide */
  f->range[0][1] = f->range[1][1] = -1;
  f->flg_legend = 0;
  f->flg_ticklabel[0] = f->flg_ticklabel[1] = 1;
  f->gridsize[0] = f->gridsize[1] = 3;
  f->gridrgb[0] = f->gridrgb[1] = f->gridrgb[2] = 0.3f;
  f->linewidth = 2.5f;
  f->figurergba[0] = f->figurergba[1] = f->figurergba[2] = 0.06f;
  f->figurergba[3] = 0.72f;
  f->panergba[0] = f->panergba[1] = f->panergba[2] = 0.02f;
  f->panergba[3] = 0.5f;
  for (int k = 0; k < ML3_VIEW_ACTORS; k++) memcpy(f->linergb[k], ml3_actor_colours[k], 3 * sizeof(float));
  memcpy(f->linergb[CURSOR], cursor, sizeof cursor);
}

void ml3_panel_init(ml3_panel *p) {
  init_figure(&p->reward, "reward");
  init_figure(&p->loss, "learned loss");
  init_figure(&p->action, "action");
  init_figure(&p->updates, "return over updates");
}

/* A curve into a line of a figure, at most every n-th point so that it fits; takes note of its range. y[count * stride].
   False when nothing is known. */
static bool fill_line(mjvFigure *f, int line, const double *y, int stride, int count, double *low, double *high) {
  int every = count / mjMAXLINEPNT + 1, points = 0;
  for (int t = 0; t < count; t += every) {
    double value = y[t * stride];
    if (!isfinite(value)) continue;
    f->linedata[line][2 * points] = (float)t;
    f->linedata[line][2 * points + 1] = (float)value;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
    points++;
  }
  f->linepnt[line] = points;
  return points > 1;
}

static void fill_cursor(mjvFigure *f, double x, double low, double high) {
  f->linedata[CURSOR][0] = f->linedata[CURSOR][2] = (float)x;
  f->linedata[CURSOR][1] = (float)low;
  f->linedata[CURSOR][3] = (float)high;
  f->linepnt[CURSOR] = 2;
}

static void clear(mjvFigure *f) {
  for (int i = 0; i <= CURSOR; i++) f->linepnt[i] = 0;
}

/* The one of an episode's curves that a figure shows. */
static const double *rewards_of(const ml3_episode *e) {
  return e->rewards;
}
static const double *losses_of(const ml3_episode *e) {
  return e->loss;
}

static bool fill_actors(mjvFigure *f, const ml3_session *s, bool all, const double *(*curve)(const ml3_episode *e)) {
  double low = INFINITY, high = -INFINITY;
  bool any = false;
  clear(f);
  for (int i = 0; i < s->actors; i++) {
    int k = (s->focus + 1 + i) % s->actors; /* the one looked at last, above the others */
    if (k != s->focus && (!all || s->hidden[k])) continue;
    if (curve == losses_of && !s->valued[k]) continue;
    if (fill_line(f, k, curve(s->episode[k]), 1, s->episode[k]->steps, &low, &high)) any = true;
  }
  if (any) fill_cursor(f, fmin(s->step, ml3_session_length(s)), low, high);
  return any;
}

static bool fill_actions(mjvFigure *f, const ml3_session *s) {
  const ml3_episode *e = s->episode[s->focus];
  const int dim = s->spec->action_dim;
  double low = INFINITY, high = -INFINITY;
  bool any = false;
  clear(f);
  for (int i = 0; i < dim && i < ML3_VIEW_ACTORS; i++) {
    int colour = (s->focus + i) % ML3_VIEW_ACTORS;
    if (fill_line(f, colour, e->actions + i, dim, e->steps, &low, &high)) any = true;
  }
  if (any) fill_cursor(f, fmin(s->step, e->steps), low, high);
  return any;
}

static bool fill_updates(mjvFigure *f, const ml3_session *s) {
  bool any = false;
  clear(f);
  for (int t = 0; t < s->source.learners; t++) {
    for (int u = 0; u <= s->updates[t]; u++) {
      f->linedata[t][2 * u] = (float)u;
      f->linedata[t][2 * u + 1] = s->curve[t][u];
    }
    f->linepnt[t] = s->updates[t] ? s->updates[t] + 1 : 0;
    any = any || s->updates[t];
  }
  return any;
}

void ml3_panel_plots(ml3_panel *p, const ml3_session *s, bool all, mjrRect v, const mjrContext *context) {
  const bool shown[4] = {fill_actors(&p->reward, s, all, rewards_of), fill_actors(&p->loss, s, all, losses_of),
                         fill_actions(&p->action, s), fill_updates(&p->updates, s)};
  mjvFigure *figures[4] = {&p->reward, &p->loss, &p->action, &p->updates};
  /* a share of the picture, but room for the letters; as many as fit */
  const int least = 8 * context->charHeight, share = v.height * 21 / 100, gap = v.height / 200 + 1;
  const int height = share > least ? share : least,
            width = v.width * 23 / 100 > least * 3 / 2 ? v.width * 23 / 100 : least * 3 / 2;
  int bottom = v.bottom + gap;
  for (int i = 0; i < 4; i++) {
    if (!shown[i] || bottom + height > v.bottom + v.height) continue;
    mjr_figure((mjrRect){v.left + v.width - width - gap, bottom, width, height}, figures[i], context);
    bottom += height + gap;
  }
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static int text_width(const char *text, const mjrContext *context) {
  int width = 0;
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    width += context->charWidth[c < 127 ? c : 'x'];
  }
  return width;
}

void ml3_panel_numbers(const ml3_session *s, mjrRect v, const mjrContext *context) {
  char names[256], values[512];
  const ml3_episode *e = s->episode[s->focus];
  const int t = ml3_session_shown_step(s, s->focus);
  const char *result = s->spec->no_goal                    ? "none"
                       : e->passed && t >= e->success_step ? (t < e->steps || e->success ? "reached" : "passed")
                       : t < e->steps                      ? "..."
                       : e->terminated                     ? "ended"
                                                           : "not reached";
  int n = snprintf(names, sizeof names, "%.40s\nstep\ntime\nreturn\ngoal", s->spec->name);
  int m = snprintf(values, sizeof values, "%.96s\n%d / %d\n%.2f s\n%.2f\n%s", ml3_session_label(s, s->focus), t,
                   s->endless ? t : ml3_session_length(s), fmin(s->step, e->steps) * s->spec->dt_s,
                   ml3_session_return(s, s->focus), result);
  for (int i = 0; i < s->source.learners; i++) {
    n += snprintf(names + n, sizeof names - (size_t)n, "\nupdates%s", i ? " " : "");
    m += snprintf(values + m, sizeof values - (size_t)m, "\n%d by %.60s", s->updates[i],
                  s->source.rule(s->source.user, i));
  }
  mjr_overlay(mjFONT_NORMAL, mjGRID_TOPLEFT, v, names, values, context);
}

static void draw_line(const ml3_session *s, int k, const char *text, int left, int bottom, int width,
                      const mjrContext *context) {
  const float *c = ml3_actor_colours[k];
  const int height = context->charHeight + 4;
  mjr_rectangle((mjrRect){left, bottom, width, height}, 0.06f, 0.06f, 0.06f, 0.72f);
  mjr_rectangle((mjrRect){left + 4, bottom + 4, height - 8, height - 8}, c[0], c[1], c[2], s->hidden[k] ? 0.25f : 1);
  int wide = text_width(text, context) + 4;
  float bright = s->hidden[k] ? 0.5f : 1;
  mjr_label((mjrRect){left + height, bottom, wide, height}, mjFONT_NORMAL, text, 0, 0, 0, 0, bright, bright, bright,
            context);
}

static void line_text(const ml3_session *s, int k, bool number, char *text, size_t size) {
  char key[16] = "";
  if (number) snprintf(key, sizeof key, "%d  ", k + 1);
  const ml3_episode *e = s->episode[k];
  const int t = ml3_session_shown_step(s, k);
  const bool there = e->passed && t >= e->success_step;
  snprintf(text, size, "%s%.80s: %.1f%s", key, ml3_session_label(s, k), ml3_session_return(s, k),
           !there                       ? ""
           : t < e->steps || e->success ? ", goal"
                                        : ", passed");
}

void ml3_panel_legend(const ml3_session *s, mjrRect v, const mjrContext *context) {
  char text[160];
  const int height = context->charHeight + 4;
  int width = 0;
  for (int k = 0; k < s->actors; k++) {
    line_text(s, k, true, text, sizeof text);
    int wide = text_width(text, context) + height + 12;
    if (wide > width) width = wide;
  }
  width = (width / 24 + 1) * 24; /* so that it does not twitch with the numbers */
  int bottom = v.bottom + 2 * height;
  for (int k = s->actors - 1; k >= 0; k--, bottom += height) {
    line_text(s, k, true, text, sizeof text);
    draw_line(s, k, text, v.left + 5, bottom, width, context);
  }
}

void ml3_panel_caption(const ml3_session *s, int k, mjrRect v, const mjrContext *context) {
  char text[160];
  const int height = context->charHeight + 4;
  line_text(s, k, false, text, sizeof text);
  int width = text_width(text, context) + height + 12;
  draw_line(s, k, text, v.left + 5, v.bottom + v.height - height - 5, width < v.width - 10 ? width : v.width - 10,
            context);
}
