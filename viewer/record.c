/* Rollouts as video or frames, without a display. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "viewer/offscreen.h"
#include "viewer/picture.h"
#include "viewer/record_drawn.h"
#include "viewer/video.h"

static const double HOLD_S = 2;

typedef struct recording {
  const ml3_view_options *options;
  ml3_session session;
  ml3_offscreen offscreen;
  ml3_picture *picture;
  ml3_video video;
  unsigned char *pixels, *fine; /* a frame; a panel at twice its size, or NULL: letters are not smoothed */
  mjrRect viewport;
  double fps;
  bool last_alone; /* one picture of the end */
  int frames, total;
  int (*progress)(void *user, int done, int total);
  void *user;
} recording;

/* Frames of so many steps: their time at the video's rate, and HOLD_S on the last state, where the results can be read. */
static int frames_of(const recording *r, int steps) {
  if (r->last_alone) return 1;
  return (int)(steps * r->session.spec->dt_s * r->fps) + 1 + (int)(r->fps * HOLD_S);
}

/* Each 2 x 2 pixels of `fine` become one of the frame's: letters and curves get smooth. */
static void shrink(recording *r, mjrRect to) {
  const size_t row = 2 * (size_t)to.width * 3;
  for (int y = 0; y < to.height; y++)
    for (int x = 0; x < to.width; x++)
      for (int c = 0; c < 3; c++) {
        const unsigned char *from = r->fine + 2 * (size_t)y * row + 6 * (size_t)x + c;
        const int sum = from[0] + from[3] + from[row] + from[row + 3];
        r->pixels[((size_t)(to.bottom + y) * (size_t)r->viewport.width + (size_t)(to.left + x)) * 3 + (size_t)c] =
            (unsigned char)((sum + 2) / 4);
      }
}

/* A frame; its panels are drawn at twice their size, where the buffer has room for that. */
static void draw_frame(recording *r) {
  ml3_picture *p = r->picture;
  mjrContext *context = &p->scene.context;
  ml3_picture_panels panels;
  const int font = context->fontScale;
  ml3_picture_draw_scene(p, &r->session, r->viewport, INFINITY);
  ml3_picture_place(p, &r->session, r->viewport, &panels);
  for (int i = 0; i < panels.count; i++)
    if (!r->fine || 2 * panels.rects[i].width > r->viewport.width)
      ml3_picture_draw_panel(p, &r->session, &panels, i, panels.rects[i]);
  mjr_readPixels(r->pixels, NULL, r->viewport, context);
  bool changed = false;
  for (int i = 0; i < panels.count && r->fine; i++) {
    const mjrRect large = {0, 0, 2 * panels.rects[i].width, 2 * panels.rects[i].height};
    if (large.width > r->viewport.width) continue;
    if (!changed) mjr_changeFont(2 * font, context);
    changed = true;
    ml3_picture_draw_panel(p, &r->session, &panels, i, large);
    mjr_readPixels(r->fine, NULL, large, context);
    shrink(r, panels.rects[i]);
  }
  if (changed) mjr_changeFont(font, context);
}

/* Everything that the layout shows at once, from start to end. */
static int record_pass(recording *r, int steps, ml3_error *error) {
  for (int i = 0, count = frames_of(r, steps); i < count; i++) {
    const double step = r->last_alone ? steps : fmin(steps, i / (r->fps * r->session.spec->dt_s));
    if (i == 0 || step != r->session.step) { /* else the last state is held: the same frame again */
      r->session.step = step;
      draw_frame(r);
    }
    int code = ml3_video_frame(&r->video, r->pixels, error);
    if (code != ML3_OK) return code;
    r->frames++;
    if (r->progress && r->progress(r->user, r->frames, r->total))
      return ml3_error_set(error, ML3_ERR_INTERRUPTED, "the recording was interrupted; nothing is left of it");
  }
  return ML3_OK;
}

/* Single: one actor after the other; else all at once. */
static int record_all(recording *r, ml3_error *error) {
  ml3_session *s = &r->session;
  const bool single = r->options->layout == ML3_VIEW_SINGLE;
  const int passes = single && !r->last_alone ? s->actors : 1;
  int code = ML3_OK;
  for (int k = 0; k < passes; k++) r->total += frames_of(r, single ? s->episode[k]->steps : ml3_session_length(s));
  for (int k = 0; k < passes && code == ML3_OK; k++) {
    ml3_session_focus(s, k);
    code = record_pass(r, single ? s->episode[k]->steps : ml3_session_length(s), error);
  }
  return code;
}

static int open_recording(recording *r, const ml3_view_source *source, ml3_error *error) {
  const ml3_view_options *o = r->options;
  const int width = o->width ? o->width : 1280, height = o->height ? o->height : 720;
  int code = ml3_session_open(&r->session, source, o->task, error);
  if (code != ML3_OK) return code;
  ml3_session_foresee(&r->session, INFINITY);
  const double dt = source->spec->dt_s;
  r->viewport = (mjrRect){0, 0, width, height};
  r->fps = o->fps > 0 ? o->fps : 1 / dt > 25 ? 1 / dt : 25;
  r->pixels = malloc((size_t)width * (size_t)height * 3);
  if (!r->pixels) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a frame of %d x %d", width, height);

  const ml3_scene_settings scene = {.width = width, .height = height, .spare = height};
  code = ml3_offscreen_open(&r->offscreen, error);
  if (code == ML3_OK && !(r->picture = ml3_picture_new(&r->session, &scene, o, error)))
    code = error ? error->code : ML3_ERR_UNAVAILABLE;
  if (code != ML3_OK) return code;
  mjrContext *context = &r->picture->scene.context;
  mjr_setBuffer(mjFB_OFFSCREEN, context);
  mjrRect most = mjr_maxViewport(context);
  if (context->currentBuffer != mjFB_OFFSCREEN || most.width < width || most.height < height)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "frames of %d x %d cannot be drawn; this driver allows %d x %d",
                         width, height, most.width, most.height);
  if (most.height >= 2 * height && 2 * context->fontScale <= mjFONTSCALE_300 && (o->labels || o->plots))
    r->fine = malloc(2 * (size_t)width * (size_t)height * 3); /* none: as well without */
  return ML3_OK;
}

int ml3_view_record(const ml3_view_source *source, const char *path, const ml3_view_options *options,
                    int (*progress)(void *user, int done, int total), void *user, int *frames, ml3_error *error) {
  if (source->spec->draw && !source->episodes)
    return ml3_view_record_drawn(source, path, options, progress, user, frames, error);
  const ml3_view_options defaults = {.plots = true, .labels = true};
  recording r = {.options = options ? options : &defaults,
                 .video = {.pipe = -1},
                 .last_alone = ml3_file_ends_in(path, ".png"),
                 .progress = progress,
                 .user = user};
  int code = open_recording(&r, source, error);
  if (code == ML3_OK) code = ml3_video_open(&r.video, path, r.viewport.width, r.viewport.height, r.fps, error);
  if (code == ML3_OK) {
    code = record_all(&r, error);
    if (code == ML3_OK)
      code = ml3_video_commit(&r.video, error);
    else
      ml3_video_abandon(&r.video);
  }
  if (frames) *frames = r.frames;
  ml3_picture_free(r.picture);
  ml3_offscreen_close(&r.offscreen);
  if (r.session.spec) ml3_session_close(&r.session);
  free(r.pixels);
  free(r.fine);
  return code;
}
