/* An OpenGL context without a display (EGL). */
#ifndef ML3_VIEWER_OFFSCREEN_H
#define ML3_VIEWER_OFFSCREEN_H

#include "base/error.h"

/* A place to draw without a display. */
typedef struct ml3_offscreen {
  void *display, *context;
} ml3_offscreen;

/* Makes a context and makes it current. */
int ml3_offscreen_open(ml3_offscreen *offscreen, ml3_error *error);
/* Makes it current again, after another one was. */
int ml3_offscreen_use(ml3_offscreen *offscreen, ml3_error *error);
void ml3_offscreen_close(ml3_offscreen *offscreen);

#endif
