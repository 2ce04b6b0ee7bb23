/* EGL without a surface: Mesa's surfaceless platform, else the default display. */
#include "viewer/offscreen.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <string.h>

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
  static const EGLint wanted[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_RED_SIZE, 8,
                                  EGL_GREEN_SIZE,   8,               EGL_BLUE_SIZE,       8,              EGL_DEPTH_SIZE, 24,
                                  EGL_NONE};
  EGLConfig config;
  EGLint count = 0;
  *o = (ml3_offscreen){0};
  EGLDisplay display = find_display();
  if (display == EGL_NO_DISPLAY || !eglInitialize(display, NULL, NULL))
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "no OpenGL without a display (EGL): install a driver, such as Debian's libegl-mesa0");
  o->display = display;
  if (eglBindAPI(EGL_OPENGL_API) && eglChooseConfig(display, wanted, &config, 1, &count) && count == 1) {
    o->context = eglCreateContext(display, config, EGL_NO_CONTEXT, NULL);
    if (o->context != EGL_NO_CONTEXT && eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, o->context)) return ML3_OK;
  }
  ml3_offscreen_close(o);
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "no OpenGL context can be made without a display (EGL error %#x)",
                       (unsigned)eglGetError());
}

void ml3_offscreen_close(ml3_offscreen *o) {
  if (!o->display) return;
  eglMakeCurrent(o->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  if (o->context) eglDestroyContext(o->display, o->context);
  eglTerminate(o->display);
  *o = (ml3_offscreen){0};
}
