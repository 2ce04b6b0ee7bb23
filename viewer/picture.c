/* Scene, layout, overlays: see picture.h. */
#include "viewer/picture.h"

#include <math.h>
#include <stdlib.h>

static const float TINT_PART = 0.75f; /* of the actor's colour in what is solid */

ml3_picture *ml3_picture_new(const ml3_session *session, const ml3_scene_settings *settings, const ml3_view_options *o,
                             ml3_error *error) {
  ml3_picture *p = calloc(1, sizeof *p);
  if (!p) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a picture");
    return NULL;
  }
  ml3_panel_init(&p->panel);
  ml3_map_reset(&p->heat);
  p->layout = o->layout;
  p->plots = o->plots;
  p->labels = o->labels;
  int code = ml3_scene_open(&p->scene, session->spec, settings, error);
  p->scene.widen = true;
  if (code == ML3_OK && o->map && !ml3_picture_show_map(p, session, true))
    code = ml3_error_set(
        error, ML3_ERR_UNAVAILABLE,
        "there is no map of a learned loss here: environment '%s' has no plane for it, or no loss is known",
        session->spec->name);
  if (code == ML3_OK && o->camera) code = ml3_scene_set_camera(&p->scene, o->camera, error);
  if (code == ML3_OK) return p;
  ml3_picture_free(p);
  return NULL;
}

void ml3_picture_free(ml3_picture *p) {
  if (!p) return;
  ml3_scene_close(&p->scene);
  free(p);
}

bool ml3_picture_show_map(ml3_picture *p, const ml3_session *s, bool shown) {
  if (shown && !ml3_map_possible(s)) return false;
  const bool here = p->map;
  p->map = shown;
  ml3_scene_show_map(&p->scene, shown);
  if (shown) {
    ml3_scene_set_camera(&p->scene, "map", NULL);
  } else if (here && mj_name2id(p->scene.model, mjOBJ_CAMERA, "map") == p->scene.camera.fixedcamid &&
             p->scene.camera.type == mjCAMERA_FIXED) {
    p->scene.camera.type = mjCAMERA_USER; /* back to the first */
    ml3_scene_next_camera(&p->scene);
  }
  return true;
}

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

static int shown_actors(const ml3_session *s) {
  int count = 0;
  for (int k = 0; k < s->actors; k++) count += !s->hidden[k];
  return count;
}

/* Columns and rows of tiles that waste least of a viewport for pictures of 16 : 9. */
static void grid(int count, mjrRect v, int *columns, int *rows) {
  double best = -1;
  *columns = *rows = 1;
  for (int c = 1; c <= count; c++) {
    int r = (count + c - 1) / c;
    double width = (double)v.width / c, height = (double)v.height / r;
    double area = fmin(width, height * 16 / 9) * fmin(height, width * 9 / 16);
    if (area > best) best = area, *columns = c, *rows = r;
  }
}

/* The tile of an actor with the strip of its caption. */
static mjrRect whole_tile(const ml3_session *s, int actor, mjrRect v) {
  int columns, rows, place = 0;
  grid(shown_actors(s), v, &columns, &rows);
  for (int k = 0; k < actor; k++) place += !s->hidden[k];
  int column = place % columns, row = rows - 1 - place / columns;
  int left = v.width * column / columns, bottom = v.height * row / rows;
  return (mjrRect){v.left + left, v.bottom + bottom, v.width * (column + 1) / columns - left,
                   v.height * (row + 1) / rows - bottom};
}

/* How high the strip above a tile is; 0 where there is none. */
static int caption_height(const ml3_picture *p, mjrRect tile) {
  const int line = ml3_panel_line(&p->scene.context);
  return p->labels && tile.height > 4 * line ? line : 0;
}

mjrRect ml3_picture_tile(const ml3_picture *p, const ml3_session *s, int actor, mjrRect v) {
  mjrRect dock;
  int columns;
  if (p->layout == ML3_VIEW_TILES) {
    v = whole_tile(s, actor, v);
    v.height -= caption_height(p, v);
  } else if (p->labels || p->plots) {
    v = ml3_panel_place(s, v, &p->scene.context, &dock, &columns);
  }
  return v;
}

static void draw_pull(ml3_picture *p) {
  static const float rgba[4] = {1, 0.35f, 0.25f, 0.9f};
  const double radius = 0.004 * p->scene.model->stat.extent;
  ml3_scene_line(&p->scene, p->pull_from, p->pull_to, 4, rgba);
  ml3_scene_dot(&p->scene, p->pull_to, 3 * radius, rgba);
}

static void draw_scene(ml3_picture *p, const ml3_session *s, int solid, bool ghosts, mjrRect v) {
  const bool tinted = p->layout != ML3_VIEW_SINGLE && s->actors > 1;
  ml3_scene_begin(&p->scene, s->episode[solid], s->step, tinted ? s->colour[solid] : NULL, TINT_PART);
  for (int k = 0; k < s->actors && ghosts; k++)
    if (k != solid && !s->hidden[k]) ml3_scene_ghost(&p->scene, s->episode[k], s->step, s->colour[k]);
  if (p->map) ml3_map_decorate(&p->heat, s, &p->scene, s->colour);
  if (p->pulling && solid == s->focus) draw_pull(p);
  ml3_scene_draw(&p->scene, v);
}

void ml3_picture_draw_scene(ml3_picture *p, ml3_session *s, mjrRect v, double map_s) {
  const bool tiles = p->layout == ML3_VIEW_TILES, single = p->layout == ML3_VIEW_SINGLE;
  if (p->map) ml3_map_work(&p->heat, s, &p->scene, map_s);
  if (tiles) mjr_rectangle(v, 0.06f, 0.06f, 0.06f, 1);
  for (int i = 0; i < s->actors; i++) {
    int k = tiles ? (s->focus + 1 + i) % s->actors : s->focus; /* the one looked at last: a mouse picks in it */
    if (tiles && s->hidden[k]) continue;
    draw_scene(p, s, k, !tiles && !single, ml3_picture_tile(p, s, k, v));
    if (!tiles) break;
  }
}

void ml3_picture_place(const ml3_picture *p, const ml3_session *s, mjrRect v, ml3_picture_panels *panels) {
  *panels = (ml3_picture_panels){.count = 0};
  if (!p->labels && !p->plots) return;
  if (p->layout != ML3_VIEW_TILES) {
    ml3_panel_place(s, v, &p->scene.context, &panels->rects[0], &panels->columns);
    panels->count = panels->rects[0].width > 0;
    return;
  }
  for (int k = 0; k < s->actors; k++) {
    const mjrRect tile = whole_tile(s, k, v);
    const int caption = caption_height(p, tile);
    if (s->hidden[k] || caption == 0) continue;
    panels->actors[panels->count] = k;
    panels->rects[panels->count++] = (mjrRect){tile.left, tile.bottom + tile.height - caption, tile.width, caption};
  }
}

void ml3_picture_draw_panel(ml3_picture *p, const ml3_session *s, const ml3_picture_panels *panels, int number,
                            mjrRect where) {
  const ml3_panel_parts parts = {.numbers = p->labels, .plots = p->plots, .all = p->layout != ML3_VIEW_SINGLE};
  if (p->layout == ML3_VIEW_TILES)
    ml3_panel_caption(s, panels->actors[number], where, &p->scene.context);
  else
    ml3_panel_draw(&p->panel, s, &parts, where, panels->columns, &p->scene.context);
}

void ml3_picture_draw(ml3_picture *p, ml3_session *s, mjrRect v, double map_s) {
  ml3_picture_panels panels;
  ml3_picture_draw_scene(p, s, v, map_s);
  ml3_picture_place(p, s, v, &panels);
  for (int i = 0; i < panels.count; i++) ml3_picture_draw_panel(p, s, &panels, i, panels.rects[i]);
}
