/* The window's parts: window.c opens it and keeps it drawn, input.c answers keys and mouse. */
#ifndef ML3_VIEWER_WINDOW_H
#define ML3_VIEWER_WINDOW_H

#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>
#include <stdio.h>

#include "viewer/picture.h"

typedef enum ml3_hold { ML3_HOLD_NOTHING, ML3_HOLD_CAMERA, ML3_HOLD_GOAL, ML3_HOLD_BODY } ml3_hold;

/* What the left button holds. */
typedef struct ml3_hand {
  ml3_hold hold;
  int body;
  double local[3];                  /* where on the body, in its frame */
  double plane_point[3], normal[3]; /* the hand moves in this plane */
  double target[3];                 /* where it is */
  double stiffness;                 /* N/m */
  bool moved;                       /* since the last frame */
} ml3_hand;

/* The window: GLFW's, with what it draws and listens to. */
typedef struct ml3_window {
  GLFWwindow *handle;
  ml3_session session;
  ml3_picture *picture;
  ml3_hand hand;
  double mouse_x, mouse_y; /* in the window's coordinates */
  double fps, slow_s, refreshed_s;
  int quality;     /* 0: all; rises as frames take long: reflections, then shadows go, then pixels are drawn larger */
  bool help, lost; /* lost: the connection to the display broke */
  char note[256];  /* what is to be said, until note_end_s */
  double note_end_s;
  FILE *trace;
} ml3_window;

void ml3_window_listen(ml3_window *window);
/* What a held goal or body does, once a frame. */
void ml3_window_apply_hand(ml3_window *window);
/* One line of the trace. */
void ml3_window_trace(const ml3_window *window, const char *event);
void ml3_window_draw(ml3_window *window);
/* Where the picture is, in pixels of the frame: all but the line of the status. */
mjrRect ml3_window_view(const ml3_window *window);

#endif
