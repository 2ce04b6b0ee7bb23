/* EGL without a surface: Mesa's surfaceless platform, else the default display. EGL has one connection for the whole
   process, and ending it ends all contexts: the last one to close does that. */
#include "viewer/offscreen.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* A leak checker names a driver's leaks by its library, which must still be there then: tests/lsan.supp. */
#ifdef __SANITIZE_ADDRESS__
enum { KEEP_CONNECTION = true };
#else
enum { KEEP_CONNECTION = false };
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users; /* open contexts, behind the lock */

static EGLDisplay find_display(void) {
  const char *client = eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  EGLDisplay display = EGL_NO_DISPLAY;
#ifdef EGL_PLATFORM_SURFACELESS_MESA
  if (client && strstr(client, "EGL_MESA_platform_surfaceless")) {
    PFNEGLGETPLATFORMDISPLAYEXTPROC get =
        (PFNEGLGETPLATFORMDISPLAYEXTPROC)eglGetProcAddress("eglGetPlatformDisplayEXT");
    if (get) display = get(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
  }
#endif
  return display != EGL_NO_DISPLAY ? display : eglGetDisplay(EGL_DEFAULT_DISPLAY);
}

int ml3_offscreen_open(ml3_offscreen *o, ml3_error *error) {
  static const EGLint attributes[] = {EGL_SURFACE_TYPE,
                                  EGL_PBUFFER_BIT,
                                  EGL_RENDERABLE_TYPE,
                                  EGL_OPENGL_BIT,
                                  EGL_RED_SIZE,
                                  8,
                                  EGL_GREEN_SIZE,
                                  8,
                                  EGL_BLUE_SIZE,
                                  8,
                                  EGL_DEPTH_SIZE,
                                  24,
                                  EGL_NONE};
  EGLConfig config;
  EGLint count = 0;
  *o = (ml3_offscreen){0};
  pthread_mutex_lock(&lock);
  EGLDisplay display = find_display();
  bool ready = display != EGL_NO_DISPLAY && eglInitialize(display, NULL, NULL);
  users += ready;
  pthread_mutex_unlock(&lock);
  if (!ready)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "no OpenGL without a display (EGL): install a driver, such as Debian's libegl-mesa0");
  o->display = display;
  if (eglBindAPI(EGL_OPENGL_API) && eglChooseConfig(display, attributes, &config, 1, &count) && count == 1) {
    o->context = eglCreateContext(display, config, EGL_NO_CONTEXT, NULL);
    if (o->context != EGL_NO_CONTEXT && eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, o->context))
      return ML3_OK;
  }
  ml3_offscreen_close(o);
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "no OpenGL context can be made without a display (EGL error %#x)",
                       (unsigned)eglGetError());
}

int ml3_offscreen_use(ml3_offscreen *o, ml3_error *error) {
  if (o->context && eglMakeCurrent(o->display, EGL_NO_SURFACE, EGL_NO_SURFACE, o->context)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                       "the OpenGL context is not at hand (EGL error %#x); pictures are drawn "
                       "by the thread that asked for the first one",
                       (unsigned)eglGetError());
}

void ml3_offscreen_close(ml3_offscreen *o) {
  if (!o->display) return;
  eglMakeCurrent(o->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  if (o->context) eglDestroyContext(o->display, o->context);
  pthread_mutex_lock(&lock);
  if (--users == 0 && !KEEP_CONNECTION) eglTerminate(o->display);
  pthread_mutex_unlock(&lock);
  *o = (ml3_offscreen){0};
}
