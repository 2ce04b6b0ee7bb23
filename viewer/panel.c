/* Plots, legend, numbers: see panel.h. */
#include "viewer/panel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/color.h"

enum { CURSOR = ML3_VIEW_ACTORS }; /* the line of a figure that is the cursor */

/* ---- figures --------------------------------------------------------------------------------------------------- */

static void init_figure(mjvFigure *f, const char *title) {
  static const float cursor[3] = {1, 1, 1};
  mjv_defaultFigure(f);
  snprintf(f->title, sizeof f->title, "%s", title);
  snprintf(f->xformat, sizeof f->xformat, "%%.0f");
  snprintf(f->yformat, sizeof f->yformat, "%%.4g");
  snprintf(f->minwidth, sizeof f->minwidth, "-0.000");
  f->flg_extend = 0; /* ranges are set by set_range */
  f->flg_legend = 0;
  f->flg_ticklabel[0] = f->flg_ticklabel[1] = 1;
  f->gridrgb[0] = f->gridrgb[1] = f->gridrgb[2] = 0.3f;
  f->linewidth = 2.5f;
  f->figurergba[0] = f->figurergba[1] = f->figurergba[2] = 0.06f;
  f->figurergba[3] = 1;
  f->panergba[0] = f->panergba[1] = f->panergba[2] = 0.02f;
  f->panergba[3] = 1;
  memcpy(f->linergb[CURSOR], cursor, sizeof cursor);
}

void ml3_panel_init(ml3_panel *p) {
  for (int i = 0; i < ML3_VIEW_CURVES; i++) init_figure(&p->training[i], "");
  init_figure(&p->reward, "reward by step");
  init_figure(&p->loss, "learned loss by step");
  init_figure(&p->action, "action by step");
  init_figure(&p->updates, "return by number of updates");
}

/* An axis from one round number to another, with ticks at round numbers between: MuJoCo makes both ends multiples of
   the largest power of ten within the range. whole: of whole numbers. */
static void set_range(mjvFigure *f, int axis, double low, double high, bool whole) {
  static const int intervals[] = {1, 2, 4, 3, 4, 5,
                                  3, 0, 4, 0, 5}; /* of a range of so many units; 0: it gets one more */
  if (!(high > low)) low -= 0.5 * fmax(1e-3, fabs(low)), high += 0.5 * fmax(1e-3, fabs(high));
  double unit = pow(10, floor(log10(high - low) + 1e-9));
  if (ceil(high / unit - 1e-6) - floor(low / unit + 1e-6) > 10) unit *= 10;
  const double first = floor(low / unit + 1e-6);
  int units = (int)(ceil(high / unit - 1e-6) - first);
  if (!intervals[units]) units++;
  const bool odd = fabs(fmod(first, 2)) > 0.5; /* then 0 is a tick only of two intervals */
  f->range[axis][0] = (float)(unit * first);
  f->range[axis][1] = (float)(unit * (first + units));
  f->gridsize[axis] = (whole && unit < 2 && units < 7 ? units : units == 6 && odd ? 2 : intervals[units]) + 1;
}

/* A curve into a line of a figure, at most every n-th point so that it fits; notes its range. y[count * stride].
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
    memcpy(f->linergb[k], s->colour[k], sizeof f->linergb[k]);
    if (fill_line(f, k, curve(s->episode[k]), 1, s->episode[k]->steps, &low, &high)) any = true;
  }
  if (!any) return false;
  set_range(f, 0, 0, ml3_session_length(s), true);
  set_range(f, 1, low, high, false);
  fill_cursor(f, fmin(s->step, ml3_session_length(s)), f->range[1][0], f->range[1][1]);
  return true;
}

static bool fill_actions(mjvFigure *f, const ml3_session *s) {
  const ml3_episode *e = s->episode[s->focus];
  const int dim = s->spec->action_dim;
  double low = INFINITY, high = -INFINITY;
  bool any = false;
  clear(f);
  for (int i = 0; i < dim && i < ML3_VIEW_ACTORS; i++) {
    if (dim > 1)
      ml3_color_series(i, f->linergb[i]);
    else
      memcpy(f->linergb[i], s->colour[s->focus], sizeof f->linergb[i]);
    if (fill_line(f, i, e->actions + i, dim, e->steps, &low, &high)) any = true;
  }
  if (!any) return false;
  set_range(f, 0, 0, e->steps, true);
  set_range(f, 1, low, high, false);
  fill_cursor(f, fmin(s->step, e->steps), f->range[1][0], f->range[1][1]);
  return true;
}

/* A learning curve, in the colour of the first actor. */
static bool fill_training(mjvFigure *f, const ml3_session *s, int number) {
  const ml3_view_training *t = s->source.training;
  double low = INFINITY, high = -INFINITY;
  clear(f);
  if (!t || number >= t->count) return false;
  const ml3_view_curve *c = &t->curves[number];
  if (!fill_line(f, 0, c->y, 1, c->count, &low, &high)) return false;
  const int every = c->count / mjMAXLINEPNT + 1;
  for (int i = 0, points = 0; i < c->count; i += every)
    if (isfinite(c->y[i])) f->linedata[0][2 * points++] = (float)c->x[i];
  memcpy(f->linergb[0], s->colour[0], sizeof f->linergb[0]);
  snprintf(f->title, sizeof f->title, "%.90s", c->title);
  set_range(f, 0, 0, c->x[c->count - 1], true);
  set_range(f, 1, low, high, false);
  return true;
}

static bool fill_updates(mjvFigure *f, const ml3_session *s) {
  double low = INFINITY, high = -INFINITY;
  int most = 0;
  clear(f);
  for (int t = 0; t < s->source.learners; t++) {
    memcpy(f->linergb[t], s->colour[t], sizeof f->linergb[t]);
    for (int u = 0; u <= s->updates[t]; u++) {
      f->linedata[t][2 * u] = (float)u;
      f->linedata[t][2 * u + 1] = s->curve[t][u];
      if (s->updates[t]) low = fmin(low, s->curve[t][u]), high = fmax(high, s->curve[t][u]);
    }
    f->linepnt[t] = s->updates[t] ? s->updates[t] + 1 : 0;
    if (s->updates[t] > most) most = s->updates[t];
  }
  if (!most) return false;
  set_range(f, 0, 0, most, true);
  set_range(f, 1, low, high, false);
  return true;
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

static int line_height(const mjrContext *context) {
  return context->charHeight + 4;
}

static void draw_text(const char *text, int left, int bottom, float bright, const mjrContext *context) {
  const mjrRect line = {left, bottom, text_width(text, context) + 4, line_height(context)};
  mjr_label(line, mjFONT_NORMAL, text, 0, 0, 0, 0, bright, bright, bright, context);
}

/* How an episode ended, or "". */
static const char *end_of(const ml3_session *s, int k) {
  const ml3_episode *e = s->episode[k];
  const int t = ml3_session_shown_step(s, k);
  const bool there = e->passed && t >= e->success_step;
  if (s->spec->no_goal) return t == e->steps && e->terminated ? "terminated" : "";
  if (t < e->steps) return there ? "success" : "";
  return e->success ? "success" : there ? "passed the goal" : "no success";
}

static void line_text(const ml3_session *s, int k, bool number, char *text, size_t size) {
  char key[16] = "";
  if (number) snprintf(key, sizeof key, "%d  ", k + 1);
  const char *end = end_of(s, k);
  snprintf(text, size, "%s%.80s: %.1f%s%s", key, ml3_session_label(s, k), ml3_session_return(s, k), *end ? ", " : "",
           end);
}

/* An actor's line: its colour, name, return, and how its episode ended. */
static void draw_line(const ml3_session *s, int k, bool number, mjrRect line, const mjrContext *context) {
  char text[160];
  const float *c = s->colour[k], bright = s->hidden[k] ? 0.5f : 1;
  line_text(s, k, number, text, sizeof text);
  mjr_rectangle((mjrRect){line.left + 4, line.bottom + 4, line.height - 8, line.height - 8}, c[0], c[1], c[2],
                s->hidden[k] ? 0.25f : 1);
  while (*text && text_width(text, context) + line.height + 4 > line.width) text[strlen(text) - 1] = '\0';
  draw_text(text, line.left + line.height, line.bottom, bright, context);
}

/* "step  12 / 35" and so on. top: where the first one ends; returns where the last one begins. */
static int draw_numbers(const ml3_session *s, mjrRect column, int top, const mjrContext *context) {
  char texts[4][160];
  const ml3_episode *e = s->episode[s->focus];
  const int t = ml3_session_shown_step(s, s->focus), height = line_height(context);
  int n = 0;
  snprintf(texts[n++], sizeof *texts, "%.60s, task %d", s->spec->name, s->task);
  snprintf(texts[n++], sizeof *texts, "step %d of %d, %.2f s", t, s->endless ? t : ml3_session_length(s),
           fmin(s->step, e->steps) * s->spec->dt_s);
  if (s->source.training)
    snprintf(texts[n++], sizeof *texts, "%s, %ld steps", s->source.training->finished ? "trained" : "in training",
             s->source.training->steps);
  snprintf(texts[n++], sizeof *texts, "return up to this step:");
  for (int i = 0; i < n && top - height >= column.bottom; i++) {
    top -= height;
    draw_text(texts[i], column.left + 4, top, 0.85f, context);
  }
  return top;
}

/* ---- the dock ------------------------------------------------------------------------------------------------------ */

/* Wide enough for an actor's line, with room so that it does not twitch with the numbers. */
static int column_width(const ml3_session *s, const mjrContext *context) {
  char text[160];
  int width = 12 * context->charHeight;
  for (int k = 0; k < s->actors; k++) {
    snprintf(text, sizeof text, "%d  %.80s: -8888.8, no success", k + 1, ml3_session_label(s, k));
    const int wide = text_width(text, context) + line_height(context) + 8;
    if (wide > width) width = wide;
  }
  return (width / 24 + 1) * 24;
}

mjrRect ml3_panel_place(const ml3_session *s, mjrRect v, const mjrContext *context, mjrRect *dock, int *columns) {
  const int width = column_width(s, context), height = line_height(context);
  *columns = 0;
  *dock = (mjrRect){v.left + v.width, v.bottom, 0, v.height};
  if (v.height < 4 * height) return v;
  if (width > 0.4 * v.width) { /* folded: a line above the scene */
    *dock = (mjrRect){v.left, v.bottom + v.height - height, v.width, height};
    v.height -= height;
    return v;
  }
  *columns = 1; /* more where the viewport is low and wide */
  while (*columns < 4 && v.height < 12 * height && v.width - (*columns + 1) * width >= v.height * 16 / 9) ++*columns;
  dock->width = *columns * width;
  dock->left -= dock->width;
  v.width -= dock->width;
  return v;
}

/* Where the next part of the dock goes. */
typedef struct place {
  mjrRect dock;
  int columns, column, top;
} place;

/* Below the last part, or at the top of the next column. False: there is no room. */
static bool next_part(place *p, int height, mjrRect *part) {
  const int width = p->dock.width / p->columns;
  if (p->top - height < p->dock.bottom) p->column++, p->top = p->dock.bottom + p->dock.height;
  if (p->column >= p->columns || p->top - height < p->dock.bottom) return false;
  p->top -= height;
  *part = (mjrRect){p->dock.left + p->column * width, p->top, width, height};
  return true;
}

/* As many plots as fit, at the bottom of the one column, or in columns of their own. */
static void draw_plots(ml3_panel *p, const ml3_session *s, bool all, place at, const mjrContext *context) {
  enum { FIGURES = ML3_VIEW_CURVES + 4 };
  mjvFigure *figures[FIGURES] = {&p->training[0], &p->training[1], &p->updates, &p->reward, &p->loss, &p->action};
  const bool shown[FIGURES] = {fill_training(figures[0], s, 0),
                               fill_training(figures[1], s, 1),
                               fill_updates(&p->updates, s),
                               fill_actors(&p->reward, s, all, rewards_of),
                               fill_actors(&p->loss, s, all, losses_of),
                               fill_actions(&p->action, s)};
  const int least = 8 * context->charHeight, most = 14 * context->charHeight;
  int count = 0;
  for (int i = 0; i < FIGURES; i++) count += shown[i];
  if (at.columns > 1) at.column++, at.top = at.dock.bottom + at.dock.height;
  const int room = at.top - at.dock.bottom - (at.columns > 1 ? 0 : line_height(context) / 2);
  const int each = count && room / count > least ? room / count < most ? room / count : most : least;
  if (at.columns == 1) at.top = at.dock.bottom + (room / each < count ? room / each : count) * each;
  mjrRect part;
  for (int i = 0; i < FIGURES; i++)
    if (shown[i] && next_part(&at, each, &part)) mjr_figure(part, figures[i], context);
}

void ml3_panel_draw(ml3_panel *p, const ml3_session *s, const ml3_panel_parts *parts, mjrRect dock, int columns,
                    const mjrContext *context) {
  place at = {dock, columns, 0, dock.bottom + dock.height};
  mjrRect part;
  mjr_rectangle(dock, 0.06f, 0.06f, 0.06f, 1);
  if (columns == 0 && dock.width) draw_line(s, s->focus, s->actors > 1, dock, context);
  if (columns == 0) return;
  if (parts->numbers) {
    at.top = draw_numbers(s, (mjrRect){dock.left, dock.bottom, dock.width / columns, dock.height}, at.top, context);
    if (columns == 1) at.top -= line_height(context) / 2;
  }
  for (int k = 0; k < s->actors && parts->numbers; k++)
    if ((parts->all || k == s->focus) && next_part(&at, line_height(context), &part))
      draw_line(s, k, s->actors > 1, part, context);
  if (parts->plots) draw_plots(p, s, parts->all, at, context);
}

void ml3_panel_strip(const char *text, mjrRect strip, const mjrContext *context) {
  char shown[512];
  snprintf(shown, sizeof shown, "%s", text);
  while (*shown && text_width(shown, context) + 8 > strip.width) shown[strlen(shown) - 1] = '\0';
  mjr_rectangle(strip, 0.06f, 0.06f, 0.06f, 1);
  draw_text(shown, strip.left + 4, strip.bottom, 0.85f, context);
}

void ml3_panel_caption(const ml3_session *s, int k, mjrRect strip, const mjrContext *context) {
  mjr_rectangle(strip, 0.06f, 0.06f, 0.06f, 1);
  draw_line(s, k, false, strip, context);
}

int ml3_panel_line(const mjrContext *context) {
  return line_height(context);
}
