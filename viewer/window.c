/* The window: plays episodes, steps them, moves the camera. */
#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/scene.h"
#include "viewer/viewer.h"

typedef struct window {
  GLFWwindow *handle;
  ml3_scene scene;
  ml3_episode *const *episodes;
  int count, shown; /* episodes, and which is shown */
  double step;      /* of the episode shown, fractional while it plays */
  double speed, fps, slow_s;
  bool paused, help, plots, plain; /* plain: shadows and reflections are off */
  double mouse_x, mouse_y;
  FILE *trace;
} window;

enum { KEY_COLUMN = 13 }; /* where the text of a line begins */

static const char *const keys[] = {"space        pause or play",
                                   "right, left  one step on or back",
                                   "up, down     twice or half the speed (1/16 to 16)",
                                   "r            back to the start",
                                   "n, p         next or previous rollout",
                                   "c            next camera",
                                   "g            plots on or off",
                                   "h, F1        this help",
                                   "q, Esc       close",
                                   "mouse        left orbits, right pans, wheel zooms",
                                   NULL};

const char *const *ml3_view_keys(void) { return keys; }

/* ---- what happens ------------------------------------------------------------------------------------------- */

static const ml3_episode *episode(const window *w) { return w->episodes[w->shown]; }

static void trace(const window *w, const char *event) {
  if (!w->trace) return;
  fprintf(w->trace, "%s paused=%d step=%d episode=%d speed=%g camera=%d plots=%d help=%d\n", event, w->paused,
          (int)w->step, w->shown, w->speed, w->scene.camera.type == mjCAMERA_FIXED ? w->scene.camera.fixedcamid : -1,
          w->plots, w->help);
  fflush(w->trace);
}

static void move_step(window *w, int by) {
  w->paused = true;
  w->step = floor(w->step) + by;
  if (w->step < 0) w->step = 0;
  if (w->step > episode(w)->steps) w->step = episode(w)->steps;
}

static void next_camera(window *w) {
  mjvCamera *c = &w->scene.camera;
  int next = c->type == mjCAMERA_FIXED ? c->fixedcamid + 1 : 0;
  if (next < w->scene.model->ncam) {
    c->type = mjCAMERA_FIXED;
    c->fixedcamid = next;
  } else {
    mjv_defaultFreeCamera(w->scene.model, c);
  }
}

static void on_key(GLFWwindow *handle, int key, int code, int action, int mods) {
  window *w = glfwGetWindowUserPointer(handle);
  (void)code, (void)mods;
  if (action == GLFW_RELEASE) return;
  const char *name = "key other";
  switch (key) {
    case GLFW_KEY_SPACE: name = "key space", w->paused = !w->paused; break;
    case GLFW_KEY_RIGHT: name = "key right", move_step(w, 1); break;
    case GLFW_KEY_LEFT: name = "key left", move_step(w, -1); break;
    case GLFW_KEY_UP: name = "key up", w->speed = fmin(16, 2 * w->speed); break;
    case GLFW_KEY_DOWN: name = "key down", w->speed = fmax(1 / 16.0, w->speed / 2); break;
    case GLFW_KEY_R: name = "key r", w->step = 0; break;
    case GLFW_KEY_N:
    case GLFW_KEY_TAB: name = "key n", w->shown = (w->shown + 1) % w->count, w->step = 0; break;
    case GLFW_KEY_P: name = "key p", w->shown = (w->shown + w->count - 1) % w->count, w->step = 0; break;
    case GLFW_KEY_C: name = "key c", next_camera(w); break;
    case GLFW_KEY_G: name = "key g", w->plots = !w->plots; break;
    case GLFW_KEY_H:
    case GLFW_KEY_F1: name = "key h", w->help = !w->help; break;
    case GLFW_KEY_Q:
    case GLFW_KEY_ESCAPE: name = "key q", glfwSetWindowShouldClose(handle, GLFW_TRUE); break;
    default: return;
  }
  trace(w, name);
}

/* A fixed camera becomes a free one where it stands as soon as it is moved by hand. */
static void move_camera(window *w, mjtMouse action, double dx, double dy) {
  if (w->scene.camera.type == mjCAMERA_FIXED) mjv_defaultFreeCamera(w->scene.model, &w->scene.camera);
#if mjVERSION_HEADER < 3011000
  mjv_moveCamera(w->scene.model, action, dx, dy, &w->scene.scene, &w->scene.camera);
#else
  mjv_moveCamera(w->scene.model, action, dx, dy, &w->scene.camera);
#endif
}

static void on_mouse(GLFWwindow *handle, double x, double y) {
  window *w = glfwGetWindowUserPointer(handle);
  int width, height;
  glfwGetWindowSize(handle, &width, &height);
  double dx = x - w->mouse_x, dy = y - w->mouse_y;
  w->mouse_x = x, w->mouse_y = y;
  if (height <= 0) return;
  if (glfwGetMouseButton(handle, GLFW_MOUSE_BUTTON_LEFT) == GLFW_PRESS)
    move_camera(w, mjMOUSE_ROTATE_V, dx / height, dy / height);
  else if (glfwGetMouseButton(handle, GLFW_MOUSE_BUTTON_RIGHT) == GLFW_PRESS)
    move_camera(w, mjMOUSE_MOVE_V, dx / height, dy / height);
}

static void on_wheel(GLFWwindow *handle, double dx, double dy) {
  (void)dx;
  move_camera(glfwGetWindowUserPointer(handle), mjMOUSE_ZOOM, 0, -0.05 * dy);
}

/* ---- a frame --------------------------------------------------------------------------------------------------- */

static void advance(window *w, double seconds) {
  if (w->paused) return;
  w->step += seconds * w->speed / episode(w)->spec->dt_s;
  if (w->step > episode(w)->steps + 0.5 / episode(w)->spec->dt_s) w->step = 0; /* half a second on the last state */
}

static void draw_status(window *w, mjrRect v) {
  char status[128];
  snprintf(status, sizeof status, "%s  speed %gx  rollout %d/%d  %.0f frames/s  h: help", w->paused ? "PAUSED" : "playing",
           w->speed, w->shown + 1, w->count, w->fps);
  mjr_overlay(mjFONT_NORMAL, mjGRID_BOTTOMLEFT, v, status, "", &w->scene.context);
  if (!w->help) return;
  char names[256] = "", texts[768] = ""; /* two columns: the font is proportional */
  for (int i = 0; keys[i]; i++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%.12s", i ? "\n" : "", keys[i]);
    used = strlen(texts);
    snprintf(texts + used, sizeof texts - used, "%s%s", i ? "\n" : "", keys[i] + KEY_COLUMN);
  }
  mjr_overlay(mjFONT_NORMAL, mjGRID_TOPRIGHT, v, names, texts, &w->scene.context);
}

static void draw(window *w) {
  mjrRect v = {0, 0, 0, 0};
  glfwGetFramebufferSize(w->handle, &v.width, &v.height);
  if (v.width < 8 || v.height < 8) { /* minimised */
    glfwWaitEventsTimeout(0.1);
    return;
  }
  double step = w->step > episode(w)->steps ? episode(w)->steps : w->step;
  ml3_scene_pose(&w->scene, episode(w), step);
  ml3_scene_draw(&w->scene, v);
  if (w->plots) ml3_scene_plots(&w->scene, v, episode(w), step);
  ml3_scene_labels(&w->scene, v, episode(w), step);
  draw_status(w, v);
  glfwSwapBuffers(w->handle);
}

/* A software renderer is slow on shadows and reflections: they go when frames take long for two seconds. */
static void adapt_quality(window *w, double frame_s) {
  w->fps = 0.9 * w->fps + 0.1 / fmax(frame_s, 1e-4);
  w->slow_s = frame_s > 0.05 ? w->slow_s + frame_s : 0;
  if (w->plain || w->slow_s < 2) return;
  w->scene.scene.flags[mjRND_SHADOW] = w->scene.scene.flags[mjRND_REFLECTION] = 0;
  w->plain = true;
}

static void play(window *w) {
  double last = glfwGetTime();
  trace(w, "open");
  while (!glfwWindowShouldClose(w->handle)) {
    glfwPollEvents();
    double now = glfwGetTime(), seconds = now - last;
    last = now;
    advance(w, seconds);
    adapt_quality(w, seconds);
    draw(w);
  }
  trace(w, "close");
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int no_window(ml3_error *error, const char *what) {
  const char *reason = NULL;
  glfwGetError(&reason);
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "%s (%s); `ml3 record` writes a video without a display", what,
                       reason ? reason : "no reason given");
}

static int open_window(window *w, const ml3_view_options *o, ml3_error *error) {
  if (!glfwInit()) return no_window(error, "no window can be opened: there is no display");
  glfwWindowHint(GLFW_SAMPLES, 4);
  w->handle = glfwCreateWindow(o->width ? o->width : 1280, o->height ? o->height : 720, o->title ? o->title : "ml3", NULL,
                               NULL);
  if (!w->handle) {
    glfwWindowHint(GLFW_SAMPLES, 0);
    w->handle = glfwCreateWindow(1280, 720, "ml3", NULL, NULL);
  }
  if (!w->handle) {
    int code = no_window(error, "no window can be opened: OpenGL does not work here");
    glfwTerminate();
    return code;
  }
  glfwMakeContextCurrent(w->handle);
  glfwSwapInterval(1);
  int code = ml3_scene_open(&w->scene, w->episodes[0]->spec, 0, 0, error);
  if (code != ML3_OK) {
    glfwDestroyWindow(w->handle);
    glfwTerminate();
    return code;
  }
  glfwSetWindowUserPointer(w->handle, w);
  glfwSetKeyCallback(w->handle, on_key);
  glfwSetCursorPosCallback(w->handle, on_mouse);
  glfwSetScrollCallback(w->handle, on_wheel);
  return ML3_OK;
}

int ml3_view_window(ml3_episode *const *episodes, int count, const ml3_view_options *options, ml3_error *error) {
  const ml3_view_options defaults = {.plots = true}, *o = options ? options : &defaults;
  if (count < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no rollout to view");
  window w = {.episodes = episodes, .count = count, .speed = o->speed > 0 ? o->speed : 1, .plots = o->plots, .fps = 60};
  if (o->trace && !(w.trace = fopen(o->trace, "w")))
    return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", o->trace, strerror(errno));

  int code = open_window(&w, o, error);
  if (code == ML3_OK) {
    play(&w);
    ml3_scene_close(&w.scene);
    glfwDestroyWindow(w.handle);
    glfwTerminate();
  }
  if (w.trace) fclose(w.trace);
  return code;
}
