/* Raw frames to a video, a GIF or PNG files, through ffmpeg started by argument list. */
#ifndef ML3_VIEWER_VIDEO_H
#define ML3_VIEWER_VIDEO_H

#include <sys/types.h>

#include "base/error.h"

/* An encoder that is fed with frames. */
typedef struct ml3_video {
  int pipe; /* to ffmpeg, -1 when closed */
  pid_t child;
  size_t frame_bytes;
  char target[1024], temporary[1056]; /* a file, or a folder for frames */
} ml3_video;

/* path ends in .mp4, .gif, or .png for one frame, or is a folder that does not exist. Frames: [height][width][3] bytes, bottom row first. */
int ml3_video_open(ml3_video *video, const char *path, int width, int height, double fps, ml3_error *error);
int ml3_video_frame(ml3_video *video, const unsigned char *rgb, ml3_error *error);
/* Ends ffmpeg and renames to the target. */
int ml3_video_commit(ml3_video *video, ml3_error *error);
/* Ends ffmpeg and removes what was written. */
void ml3_video_abandon(ml3_video *video);

#endif
