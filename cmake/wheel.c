/* What the library of a wheel has in place of libraries that a machine may lack: see wheel.cmake. */
#include <EGL/egl.h>
#include <dlfcn.h>
#include <stdio.h>

/* The streams of archives that were not compiled for shared libraries. */
FILE *ml3_stdin, *ml3_stdout, *ml3_stderr;
__attribute__((constructor)) static void find_streams(void) {
  ml3_stdin = stdin, ml3_stdout = stdout, ml3_stderr = stderr;
}

/* EGL where the machine has it: loaded at the first call, which frames make from one thread at a time. */
static void *egl(const char *name) {
  static void *library;
  if (!library) library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, name) : NULL;
}
#define FORWARD(type, name, parameters, arguments, otherwise) \
  type name parameters {                                      \
    type(*call) parameters;                                   \
    *(void **)&call = egl(#name);                             \
    return call ? call arguments : otherwise;                 \
  }
FORWARD(EGLBoolean, eglBindAPI, (EGLenum api), (api), EGL_FALSE)
FORWARD(EGLBoolean, eglChooseConfig, (EGLDisplay d, const EGLint *a, EGLConfig *c, EGLint n, EGLint *found),
        (d, a, c, n, found), EGL_FALSE)
FORWARD(EGLContext, eglCreateContext, (EGLDisplay d, EGLConfig c, EGLContext s, const EGLint *a), (d, c, s, a),
        EGL_NO_CONTEXT)
FORWARD(EGLBoolean, eglDestroyContext, (EGLDisplay d, EGLContext c), (d, c), EGL_FALSE)
FORWARD(EGLDisplay, eglGetDisplay, (EGLNativeDisplayType id), (id), EGL_NO_DISPLAY)
FORWARD(EGLint, eglGetError, (void), (), EGL_NOT_INITIALIZED)
FORWARD(__eglMustCastToProperFunctionPointerType, eglGetProcAddress, (const char *name), (name), NULL)
FORWARD(EGLBoolean, eglInitialize, (EGLDisplay d, EGLint *major, EGLint *minor), (d, major, minor), EGL_FALSE)
FORWARD(EGLBoolean, eglMakeCurrent, (EGLDisplay d, EGLSurface w, EGLSurface r, EGLContext c), (d, w, r, c), EGL_FALSE)
FORWARD(const char *, eglQueryString, (EGLDisplay d, EGLint name), (d, name), NULL)
FORWARD(EGLBoolean, eglTerminate, (EGLDisplay d), (d), EGL_FALSE)

/* There is no window in Python: GLFW cannot be initialised, and so nothing else of it is called. */
#define NONE(name)  \
  long name(void);  \
  long name(void) { \
    return 0;       \
  }
NONE(glfwCreateWindow)
NONE(glfwDestroyWindow)
NONE(glfwGetCursorPos)
NONE(glfwGetError)
NONE(glfwGetFramebufferSize)
NONE(glfwGetMouseButton)
NONE(glfwGetProcAddress)
NONE(glfwGetTime)
NONE(glfwGetWindowAttrib)
NONE(glfwGetWindowContentScale)
NONE(glfwGetWindowSize)
NONE(glfwGetWindowUserPointer)
NONE(glfwInit)
NONE(glfwMakeContextCurrent)
NONE(glfwPollEvents)
NONE(glfwSetCursorPosCallback)
NONE(glfwSetFramebufferSizeCallback)
NONE(glfwSetKeyCallback)
NONE(glfwSetMouseButtonCallback)
NONE(glfwSetScrollCallback)
NONE(glfwSetWindowContentScaleCallback)
NONE(glfwSetWindowShouldClose)
NONE(glfwSetWindowUserPointer)
NONE(glfwShowWindow)
NONE(glfwSwapBuffers)
NONE(glfwSwapInterval)
NONE(glfwTerminate)
NONE(glfwWaitEventsTimeout)
NONE(glfwWindowHint)
NONE(glfwWindowShouldClose)
