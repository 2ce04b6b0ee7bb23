/* Rollouts as video or frames, without a display. */
#include <stdlib.h>

#include "viewer/offscreen.h"
#include "viewer/scene.h"
#include "viewer/video.h"
#include "viewer/viewer.h"

typedef struct recording {
  ml3_offscreen offscreen;
  ml3_scene scene;
  ml3_video video;
  unsigned char *pixels;
  mjrRect viewport;
  double fps;
  int frames, total;
} recording;

/* Frames of an episode: its time at the video's rate, and half a second on the last state. */
static int frames_of(const recording *r, const ml3_episode *e) {
  return (int)(e->steps * e->spec->dt_s * r->fps) + 1 + (int)(r->fps / 2);
}

static int record_episode(recording *r, const ml3_episode *e, const ml3_view_options *o,
                          int (*progress)(void *user, int done, int total), void *user, ml3_error *error) {
  for (int i = 0, count = frames_of(r, e); i < count; i++) {
    double step = i / (r->fps * e->spec->dt_s);
    if (step > e->steps) step = e->steps;
    ml3_scene_pose(&r->scene, e, step);
    ml3_scene_draw(&r->scene, r->viewport);
    if (o->plots) ml3_scene_plots(&r->scene, r->viewport, e, step);
    if (o->labels) ml3_scene_labels(&r->scene, r->viewport, e, step);
    mjr_readPixels(r->pixels, NULL, r->viewport, &r->scene.context);
    int code = ml3_video_frame(&r->video, r->pixels, error);
    if (code != ML3_OK) return code;
    r->frames++;
    if (progress && progress(user, r->frames, r->total))
      return ml3_error_set(error, ML3_ERR_INTERRUPTED, "the recording was interrupted; nothing is left of it");
  }
  return ML3_OK;
}

static int open_recording(recording *r, ml3_episode *const *episodes, int count, const ml3_view_options *o,
                          ml3_error *error) {
  const int width = o->width ? o->width : 1280, height = o->height ? o->height : 720;
  const double dt = episodes[0]->spec->dt_s;
  r->viewport = (mjrRect){0, 0, width, height};
  r->fps = o->fps > 0 ? o->fps : 1 / dt > 25 ? 1 / dt : 25;
  for (int i = 0; i < count; i++) r->total += frames_of(r, episodes[i]);
  r->pixels = malloc((size_t)width * (size_t)height * 3);
  if (!r->pixels) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a frame of %d x %d", width, height);
  int code = ml3_offscreen_open(&r->offscreen, error);
  if (code == ML3_OK) code = ml3_scene_open(&r->scene, episodes[0]->spec, width, height, error);
  if (code != ML3_OK) return code;
  mjr_setBuffer(mjFB_OFFSCREEN, &r->scene.context);
  mjrRect most = mjr_maxViewport(&r->scene.context);
  if (r->scene.context.currentBuffer != mjFB_OFFSCREEN || most.width < width || most.height < height)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "frames of %d x %d cannot be drawn; this driver allows %d x %d", width,
                         height, most.width, most.height);
  return ML3_OK;
}

int ml3_view_record(ml3_episode *const *episodes, int count, const char *path, const ml3_view_options *options,
                    int (*progress)(void *user, int done, int total), void *user, int *frames, ml3_error *error) {
  const ml3_view_options defaults = {.plots = true, .labels = true}, *o = options ? options : &defaults;
  if (count < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no rollout to record");
  recording r = {.video = {.pipe = -1}};
  int code = open_recording(&r, episodes, count, o, error);
  if (code == ML3_OK) code = ml3_video_open(&r.video, path, r.viewport.width, r.viewport.height, r.fps, error);
  if (code == ML3_OK) {
    for (int i = 0; i < count && code == ML3_OK; i++) code = record_episode(&r, episodes[i], o, progress, user, error);
    if (code == ML3_OK)
      code = ml3_video_commit(&r.video, error);
    else
      ml3_video_abandon(&r.video);
  }
  if (frames) *frames = r.frames;
  ml3_scene_close(&r.scene);
  ml3_offscreen_close(&r.offscreen);
  free(r.pixels);
  return code;
}
