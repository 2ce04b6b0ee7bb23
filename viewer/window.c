/* The window: opens it, keeps it drawn, lowers the quality where drawing is slow. */
#define _GNU_SOURCE /* dlsym of what is loaded */
#include "viewer/window.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { KEY_COLUMN = 13, PLAINEST = 3 }; /* where the text of a line of help begins; the lowest quality */

static const double SLOW_FRAME_S = 0.05, PATIENCE_S = 1.5, LEAST_FRAME_S = 1 / 61.0;

/* ---- a frame --------------------------------------------------------------------------------------------------- */

static void draw_help(const ml3_window *w, mjrRect v) {
  const char *const *keys = ml3_view_keys();
  char names[512] = "", texts[1024] = ""; /* two columns: the font is proportional */
  size_t n = 0, m = 0;
  for (int i = 0; keys[i]; i++) {
    n += (size_t)snprintf(names + n, sizeof names - n, "%s%.12s", i ? "\n" : "", keys[i]);
    m += (size_t)snprintf(texts + m, sizeof texts - m, "%s%s", i ? "\n" : "", keys[i] + KEY_COLUMN);
  }
  mjr_overlay(mjFONT_NORMAL, mjGRID_TOPRIGHT, v, names, texts, &w->picture->scene.context);
}

static void draw_status(const ml3_window *w, mjrRect v) {
  char status[512];
  const ml3_session *s = &w->session;
  if (glfwGetTime() < w->note_end_s)
    snprintf(status, sizeof status, "%s", w->note);
  else
    snprintf(status, sizeof status, "%s  speed %gx%s  task %d  policy %d/%d  camera %s  %.0f frames/s%s  h: help",
             s->paused ? "PAUSED" : "playing", s->speed, s->endless ? "  endless" : "", s->task, s->focus + 1,
             s->actors, ml3_scene_camera_name(&w->picture->scene), w->fps, w->quality ? "  (reduced quality)" : "");
  v.height = ml3_panel_line(&w->picture->scene.context);
  ml3_panel_strip(status, v, &w->picture->scene.context);
}

static bool visible(const ml3_window *w, mjrRect *v) {
  *v = (mjrRect){0, 0, 0, 0};
  glfwGetFramebufferSize(w->handle, &v->width, &v->height);
  return v->width >= 8 && v->height >= 8 && !glfwGetWindowAttrib(w->handle, GLFW_ICONIFIED);
}

mjrRect ml3_window_view(const ml3_window *w) {
  mjrRect v = {0, 0, 0, 0};
  const int line = ml3_panel_line(&w->picture->scene.context);
  glfwGetFramebufferSize(w->handle, &v.width, &v.height);
  if (v.height > 4 * line) v.bottom = line, v.height -= line;
  return v;
}

void ml3_window_draw(ml3_window *w) {
  mjrRect v;
  if (!visible(w, &v)) return;
  ml3_picture_draw(w->picture, &w->session, ml3_window_view(w), 0.008);
  if (w->help) draw_help(w, v);
  draw_status(w, v);
}

/* ---- quality ---------------------------------------------------------------------------------------------------- */

static void set_quality(ml3_window *w, int quality) {
  mjtByte *flags = w->picture->scene.scene.flags;
  w->quality = quality;
  w->slow_s = 0;
  flags[mjRND_REFLECTION] = quality < 1;
  flags[mjRND_SHADOW] = quality < 2;
  flags[mjRND_HAZE] = flags[mjRND_FOG] = quality < 3;
  ml3_window_trace(w, "quality");
}

/* Reflections, shadows and haze go one after the other while frames take long. */
static void adapt_quality(ml3_window *w, double frame_s) {
  w->fps += 0.1 * (1 / fmax(frame_s, 1e-4) - w->fps);
  w->slow_s = frame_s > SLOW_FRAME_S ? w->slow_s + frame_s : fmax(0, w->slow_s - frame_s);
  if (w->slow_s > PATIENCE_S && w->quality < PLAINEST) set_quality(w, w->quality + 1);
}

static void on_resize(GLFWwindow *handle, int width, int height) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  if (width < 8 || height < 8) return;
  set_quality(w, 0); /* a smaller picture may be quick enough for all of it */
}

static void on_scale(GLFWwindow *handle, float x, float y) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  int scale = (int)lroundf(2 * fmaxf(x, y)) * 50;
  mjr_changeFont(scale < 100 ? 100 : scale > 300 ? 300 : scale, &w->picture->scene.context);
}

/* ---- a lost display ------------------------------------------------------------------------------------------------ */

/* Xlib ends the process when its connection breaks, unless both of its handlers say otherwise (from libX11 1.7 on). */
static void on_lost(void *display, void *user) {
  (void)display;
  ((ml3_window *)user)->lost = true;
}

static int say_nothing(void *display) {
  (void)display;
  return 0;
}

/* A function of a library that is loaded already; NULL where it has none of that name. */
static bool find(void *library, const char *name, void *function, size_t size) {
  void *found = dlsym(library, name);
  if (found) memcpy(function, &found, size); /* ISO C has no cast from object to function pointers */
  return found != NULL;
}

static void survive_loss(ml3_window *w) {
  void *(*display)(void);
  void (*set_exit)(void *display, void (*handler)(void *display, void *user), void *user);
  void *(*set_error)(int (*handler)(void *display));
  void *x11 = dlopen("libX11.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (!x11 || !find(RTLD_DEFAULT, "glfwGetX11Display", &display, sizeof display) ||
      !find(x11, "XSetIOErrorExitHandler", &set_exit, sizeof set_exit) ||
      !find(x11, "XSetIOErrorHandler", &set_error, sizeof set_error) || !display())
    return;
  set_error(say_nothing);
  set_exit(display(), on_lost, w);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

/* Frames no faster than a screen shows them; nothing at all while the window is minimised. */
static void wait_for_events(ml3_window *w, double began_s) {
  mjrRect v;
  const double left_s = LEAST_FRAME_S - (glfwGetTime() - began_s);
  if (!visible(w, &v))
    glfwWaitEventsTimeout(0.25);
  else if (left_s > 0)
    glfwWaitEventsTimeout(left_s);
  else
    glfwPollEvents();
}

/* A training that goes on is looked at every second; not while the hand holds something. */
static void follow(ml3_window *w, double now) {
  ml3_error error = {0};
  if (!w->session.source.refresh || now - w->refreshed_s < 1 || w->hand.hold != ML3_HOLD_NOTHING) return;
  w->refreshed_s = now;
  if (ml3_session_refresh(&w->session, &error))
    ml3_window_trace(w, "refresh");
  else if (error.code != ML3_OK)
    snprintf(w->note, sizeof w->note, "%.250s", error.message), w->note_end_s = now + 4;
}

/* Until the window is closed, or its caller wants no more of it: then false. */
static bool play(ml3_window *w, bool (*stop)(void)) {
  double last = glfwGetTime();
  mjrRect v;
  bool stopped = false;
  ml3_window_trace(w, "open");
  while (!w->lost && !glfwWindowShouldClose(w->handle) && !(stopped = stop && stop())) {
    const double now = glfwGetTime(), frame_s = now - last;
    last = now;
    follow(w, now);
    if (visible(w, &v)) {
      ml3_window_apply_hand(w);
      ml3_session_advance(&w->session, fmin(frame_s, 0.25));
      ml3_session_foresee(&w->session, 0.005);
      adapt_quality(w, frame_s);
      ml3_window_draw(w);
      if (!w->lost) glfwSwapBuffers(w->handle);
    }
    if (!w->lost) wait_for_events(w, now);
  }
  if (!w->lost) ml3_window_trace(w, "close");
  return !stopped;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int no_window(ml3_error *error, const char *what) {
  const char *reason = NULL;
  glfwGetError(&reason);
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "%s (%s); `ml3 record` writes a video without a display", what,
                       reason ? reason : "no reason given");
}

/* Is OpenGL done by the processor here? Then samples and large shadow maps are beyond it. */
static bool by_software(void) {
  typedef const unsigned char *(*get_string)(unsigned name);
  enum { RENDERER = 0x1F01 };
  get_string get = (get_string)glfwGetProcAddress("glGetString");
  const char *name = get ? (const char *)get(RENDERER) : NULL;
  return name &&
         (strstr(name, "llvmpipe") || strstr(name, "softpipe") || strstr(name, "swrast") || strstr(name, "Software"));
}

static GLFWwindow *create(const ml3_view_options *o, int samples) {
  glfwWindowHint(GLFW_SAMPLES, samples);
  glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
  GLFWwindow *handle = glfwCreateWindow(o->width ? o->width : 1280, o->height ? o->height : 720,
                                        o->title ? o->title : "ml3", NULL, NULL);
  if (handle) glfwMakeContextCurrent(handle);
  return handle;
}

static int create_window(ml3_window *w, const ml3_view_options *o, bool *modest, ml3_error *error) {
  if (!glfwInit()) return no_window(error, "no window can be opened: there is no display");
  glfwWindowHint(GLFW_VISIBLE, GLFW_FALSE);
  w->handle = create(o, 4);
  *modest = !w->handle || by_software();
  if (*modest) {
    if (w->handle) glfwDestroyWindow(w->handle);
    w->handle = create(o, 0);
  }
  if (w->handle) return ML3_OK;
  int code = no_window(error, "no window can be opened: OpenGL does not work here");
  glfwTerminate();
  return code;
}

static int open_window(ml3_window *w, const ml3_view_options *o, ml3_error *error) {
  float x = 1, y = 1;
  bool modest = false;
  int code = create_window(w, o, &modest, error);
  if (code != ML3_OK) return code;
  glfwSwapInterval(1);
  glfwGetWindowContentScale(w->handle, &x, &y);
  const ml3_scene_settings scene = {.pixel_scale = fmaxf(x, y), .modest = modest};
  if (!(w->picture = ml3_picture_new(&w->session, &scene, o, error))) {
    glfwDestroyWindow(w->handle);
    glfwTerminate();
    return error ? error->code : ML3_ERR_UNAVAILABLE;
  }
  ml3_window_listen(w);
  glfwSetFramebufferSizeCallback(w->handle, on_resize);
  glfwSetWindowContentScaleCallback(w->handle, on_scale);
  survive_loss(w);
  glfwShowWindow(w->handle);
  return ML3_OK;
}

/* When the display is gone, so are its context and window: nothing of them may be touched. */
static int close_window(ml3_window *w, ml3_error *error) {
  if (w->lost)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "the window is lost: the connection to the display broke; `ml3 record` needs no display");
  ml3_picture_free(w->picture);
  glfwDestroyWindow(w->handle);
  glfwTerminate();
  return ML3_OK;
}

int ml3_view_window(const ml3_view_source *source, const ml3_view_options *options, ml3_error *error) {
  const ml3_view_options defaults = {.plots = true, .labels = true, .layout = ML3_VIEW_GHOSTS};
  const ml3_view_options *o = options ? options : &defaults;
  ml3_window w = {.fps = 60};
  int code = ml3_session_open(&w.session, source, o->task, error);
  if (code != ML3_OK) return code;
  if (o->speed > 0) w.session.speed = o->speed;
  if (o->trace && !(w.trace = fopen(o->trace, "w")))
    code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", o->trace, strerror(errno));
  if (code == ML3_OK) code = open_window(&w, o, error);
  if (code == ML3_OK) {
    const bool closed = play(&w, o->stop);
    code = close_window(&w, error);
    if (code == ML3_OK && !closed) code = ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted; the window is closed");
  }
  if (w.trace) fclose(w.trace);
  ml3_session_close(&w.session);
  return code;
}
