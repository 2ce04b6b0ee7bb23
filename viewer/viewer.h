/* Pictures of recorded rollouts: a window (GLFW), frames without a display (EGL), video.

   The viewer plays episodes; it decides nothing about policies. Episodes stay the caller's. */
#ifndef ML3_VIEWER_VIEWER_H
#define ML3_VIEWER_VIEWER_H

#include "envs/episode.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_view_options {
  int width, height;   /* pixels; 0: 1280 x 720 */
  double fps;          /* recording: frames a second of video; 0: one frame an environment step at real time, at least 25 */
  double speed;        /* 1: real time; 0: 1 */
  bool plots;          /* reward and learned loss along the rollout, drawn in the picture */
  bool labels;         /* environment, policy, step, return */
  const char *title;   /* window title; NULL: "ml3" */
  const char *trace;   /* a file that gets one line per handled event and state; NULL: none */
} ml3_view_options;

/* Opens a window and plays until it is closed. Needs a display: without one ML3_ERR_UNAVAILABLE with a
   sentence that names `ml3 record`. Keys: see ml3_view_keys. */
int ml3_view_window(ml3_episode *const *episodes, int count, const ml3_view_options *options,
                    ml3_error *error);

/* Lines "key  what it does" for --help, README and the window's own overlay; NULL-terminated. */
const char *const *ml3_view_keys(void);

/* Renders all episodes one after the other without a display. `path` ends in .mp4 or .gif (through
   ffmpeg, started by argument list) or is a folder for frame_000000.png ...; the file or folder appears
   only when whole. frames (may be NULL) gets the number written. progress may be NULL: called with
   frames done and to do, a non-zero answer stops with ML3_ERR_INTERRUPTED. */
int ml3_view_record(ml3_episode *const *episodes, int count, const char *path,
                    const ml3_view_options *options,
                    int (*progress)(void *user, int done, int total), void *user, int *frames,
                    ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
