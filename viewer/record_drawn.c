/* Pictures that an environment of others draws itself, one a step: see record_drawn.h. */
#include "viewer/record_drawn.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "viewer/video.h"

typedef struct recording {
  const ml3_view_source *source;
  ml3_env *env;
  ml3_video video;
  unsigned char *flipped; /* bottom row first, as the encoder has it */
  int width, height;      /* of the video: even, which H.264 needs */
  int frames, horizon;
  bool last_alone; /* one picture of the end */
} recording;

/* The picture of the present state; the first one says how large the video is. */
static int add_frame(recording *r, const char *path, double fps, bool write, ml3_error *error) {
  const unsigned char *rgb;
  int width, height;
  int code = r->env->spec->draw(r->env, &rgb, &width, &height, error);
  if (code == ML3_OK && !r->flipped) {
    r->width = width & ~1, r->height = height & ~1;
    r->flipped = malloc((size_t)width * (size_t)height * 3 + 1);
    if (!r->flipped) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a frame of %d x %d", width, height);
    code = ml3_video_open(&r->video, path, r->width, r->height, fps, error);
  }
  if (code != ML3_OK || !write) return code;
  if (width < r->width || height < r->height)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "environment '%s' draws %d x %d pixels, and %d x %d before",
                         r->env->spec->name, width, height, r->width, r->height);
  const size_t row = (size_t)r->width * 3;
  for (int y = 0; y < r->height; y++)
    memcpy(r->flipped + (size_t)y * row, rgb + (size_t)(r->height - 1 - y) * (size_t)width * 3, row);
  r->frames++;
  return ml3_video_frame(&r->video, r->flipped, error);
}

/* An episode of one actor; the last picture stays for half a second. */
static int record_actor(recording *r, int actor, int task, const char *path, double fps, ml3_error *error) {
  const ml3_env_spec *spec = r->env->spec;
  double env_task[spec->task_dim + 1], state[spec->state_dim], obs[spec->obs_dim], action[spec->action_dim];
  ml3_random reset = ml3_random_stream(0, ML3_PURPOSE_RESET, (uint32_t)task, 0);
  int code = r->source->start(r->source->user, task, env_task, state, error);
  if (code != ML3_OK) return code;
  ml3_env_reset(r->env, env_task, &reset);
  code = add_frame(r, path, fps, !r->last_alone, error);
  for (int t = 0; t < r->horizon && code == ML3_OK; t++) {
    ml3_env_result result;
    ml3_env_observe(r->env, obs);
    ml3_env_get_state(r->env, state);
    r->source->act(r->source->user, actor, t, obs, state, action);
    code = ml3_env_step_checked(r->env, action, &result, error);
    if (code != ML3_OK) return code;
    const bool last = result.terminated || result.truncated || t + 1 == r->horizon;
    code = add_frame(r, path, fps, !r->last_alone || (last && actor == 0), error);
    for (int i = 0; last && !r->last_alone && code == ML3_OK && i < (int)(fps / 2); i++)
      code = ml3_video_frame(&r->video, r->flipped, error);
    if (last) break;
  }
  return code;
}

int ml3_view_record_drawn(const ml3_view_source *source, const char *path, const ml3_view_options *options,
                          int (*progress)(void *user, int done, int total), void *user, int *frames, ml3_error *error) {
  recording r = {.source = source, .video = {.pipe = -1}, .last_alone = ml3_file_ends_in(path, ".png")};
  const double fps = options && options->fps > 0 ? options->fps : 1 / source->spec->dt_s;
  const int task = options ? options->task : 0, actors = r.last_alone ? 1 : source->actors;
  r.horizon = source->horizon > 0 ? source->horizon : source->spec->horizon;
  r.env = ml3_env_new(source->spec, error);
  int code = r.env ? ML3_OK : ML3_ERR_UNAVAILABLE;
  for (int k = 0; k < actors && code == ML3_OK; k++) {
    code = record_actor(&r, k, task, path, fps, error);
    if (code == ML3_OK && progress && progress(user, k + 1, actors))
      code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "the recording was interrupted; nothing is left of it");
  }
  if (code == ML3_OK)
    code = ml3_video_commit(&r.video, error);
  else if (r.flipped)
    ml3_video_abandon(&r.video);
  if (frames) *frames = r.frames;
  ml3_env_free(r.env);
  free(r.flipped);
  return code;
}
