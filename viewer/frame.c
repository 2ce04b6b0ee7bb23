/* See frame.h: the scene of an episode of no steps. */
#include "viewer/frame.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/offscreen.h"
#include "viewer/scene.h"

struct ml3_frame {
  ml3_offscreen offscreen;
  ml3_scene scene;
  ml3_episode *episode;
  mjrRect viewport;
  unsigned char *row; /* [width][3] */
};

static int open_frame(ml3_frame *f, const ml3_env_spec *spec, ml3_error *error) {
  const int width = f->viewport.width, height = f->viewport.height;
  int code = ml3_offscreen_open(&f->offscreen, error);
  const ml3_scene_settings settings = {.width = width, .height = height};
  if (code == ML3_OK) code = ml3_scene_open(&f->scene, spec, &settings, error);
  if (code != ML3_OK) return code;

  mjr_setBuffer(mjFB_OFFSCREEN, &f->scene.context);
  mjrRect most = mjr_maxViewport(&f->scene.context);
  if (f->scene.context.currentBuffer != mjFB_OFFSCREEN || most.width < width || most.height < height)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "pictures of %d x %d cannot be drawn; this driver allows %d x %d",
                         width, height, most.width, most.height);

  f->episode = ml3_episode_new(spec, 1, error);
  f->row = malloc((size_t)width * 3);
  if (!f->episode || !f->row)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a picture of %d x %d", width, height);
  return ML3_OK;
}

ml3_frame *ml3_frame_new(const ml3_env_spec *spec, int width, int height, ml3_error *error) {
  if (width < 16 || height < 16 || width > 8192 || height > 8192) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a picture of %d x %d pixels was asked for; 16 to 8192 are possible", width,
                  height);
    return NULL;
  }

  ml3_frame *f = calloc(1, sizeof *f);
  if (!f) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a picture of '%s'", spec->name);
    return NULL;
  }
  f->viewport = (mjrRect){0, 0, width, height};
  if (open_frame(f, spec, error)) {
    ml3_frame_free(f);
    return NULL;
  }
  return f;
}

void ml3_frame_free(ml3_frame *f) {
  if (!f) return;
  ml3_offscreen_use(&f->offscreen, NULL);
  ml3_scene_close(&f->scene);
  ml3_offscreen_close(&f->offscreen);
  ml3_episode_free(f->episode);
  free(f->row);
  free(f);
}

/* OpenGL's first row is at the bottom. */
static void turn_over(unsigned char *rgb, unsigned char *row, int width, int height) {
  const size_t bytes = (size_t)width * 3;
  for (int i = 0; i < height / 2; i++) {
    unsigned char *upper = rgb + (size_t)i * bytes, *lower = rgb + (size_t)(height - 1 - i) * bytes;
    memcpy(row, upper, bytes);
    memcpy(upper, lower, bytes);
    memcpy(lower, row, bytes);
  }
}

int ml3_frame_draw(ml3_frame *f, const double *task, const double *state, unsigned char *rgb, ml3_error *error) {
  const ml3_env_spec *spec = f->episode->spec;
  int code = ml3_offscreen_use(&f->offscreen, error);
  if (code != ML3_OK) return code;

  memcpy(f->episode->task, task, (size_t)spec->task_dim * sizeof *task);
  memcpy(f->episode->states, state, (size_t)spec->state_dim * sizeof *state);
  ml3_scene_begin(&f->scene, f->episode, 0, NULL, 0);
  ml3_scene_draw(&f->scene, f->viewport);
  mjr_readPixels(rgb, NULL, f->viewport, &f->scene.context);
  turn_over(rgb, f->row, f->viewport.width, f->viewport.height);
  return ML3_OK;
}
