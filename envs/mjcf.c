/* MJCF text to mjModel through MuJoCo's virtual file system, whose interface changed in 3.1.3.

   MuJoCo reports what it cannot do by a global handler, and exits the process where none is set. The handler here jumps
   back to the call that a model was loaded or stepped for; a handler of the caller's own is put back after a load. The
   compiler of 2.2 sets the same globals itself, so loads take turns. */
#include "envs/mjcf.h"

#include <mujoco/mujoco.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FILE_NAME[] = "model.xml";

/* Where a failed call lands. MuJoCo's handlers take no user pointer, hence one a thread. */
typedef struct landing {
  jmp_buf back;
  char message[512];
  void (*old_error)(const char *);
  void (*old_warning)(const char *);
} landing;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local landing *here; /* NULL unless this thread is in a call that can be jumped out of */

static void land(const char *message) {
  if (!here) { /* MuJoCo would run on with broken data */
    fprintf(stderr, "MuJoCo: %s\n", message);
    abort();
  }
  snprintf(here->message, sizeof here->message, "%s", message);
  longjmp(here->back, 1);
}

/* Without a handler MuJoCo writes warnings to the terminal and to MUJOCO_LOG.TXT in the working folder. */
static void keep_quiet(const char *message) {
  (void)message;
}

static void take_turn(landing *l) {
  pthread_mutex_lock(&turn);
  l->message[0] = 0;
  l->old_error = mju_user_error;
  l->old_warning = mju_user_warning;
  here = l;
  mju_user_error = land;
  mju_user_warning = keep_quiet;
}

/* A caller's own handlers come back; where there were none, errors of a step still land, and simulation stays quiet: a
   step says when its state diverged. */
static void end_turn(const landing *l) {
  if (l->old_error) mju_user_error = l->old_error;
  mju_user_warning = l->old_warning ? l->old_warning : keep_quiet;
  here = NULL;
  pthread_mutex_unlock(&turn);
}

#if mjVERSION_HEADER < 313
static int add_file(mjVFS *vfs, const char *text) {
  size_t size = strlen(text);
  int failed = mj_makeEmptyFileVFS(vfs, FILE_NAME, (int)size);
  if (!failed) memcpy(vfs->filedata[mj_findFileVFS(vfs, FILE_NAME)], text, size);
  return failed;
}
#else
static int add_file(mjVFS *vfs, const char *text) {
  return mj_addBufferVFS(vfs, FILE_NAME, text, (int)strlen(text));
}
#endif

static mjModel *load(landing *l, mjVFS *vfs, const char *xml) {
  if (setjmp(l->back)) return NULL;
  if (xml[0] != '<') return mj_loadXML(xml, NULL, l->message, (int)sizeof l->message);
  if (add_file(vfs, xml)) {
    snprintf(l->message, sizeof l->message, "the text did not fit MuJoCo's virtual file system");
    return NULL;
  }
  return mj_loadXML(FILE_NAME, vfs, l->message, (int)sizeof l->message);
}

static mjData *make_data(landing *l, const mjModel *model) {
  return setjmp(l->back) ? NULL : mj_makeData(model);
}

struct mjModel_ *ml3_mjcf_load(const char *xml, ml3_error *error) {
  mjVFS *vfs = malloc(sizeof *vfs); /* two megabytes in 2.2: too much for a stack */
  if (!vfs) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for loading a MuJoCo model");
    return NULL;
  }

  landing l;
  take_turn(&l);
  mj_defaultVFS(vfs);
  mjModel *model = load(&l, vfs, xml);
  mj_deleteVFS(vfs);
  end_turn(&l);
  free(vfs);

  for (char *c = l.message; *c; c++) {
    if (*c == '\n') *c = ' ';
  }
  if (!model)
    ml3_error_set(error, ML3_ERR_FORMAT, "MuJoCo %s cannot load the model: %s", mj_versionString(), l.message);
  return model;
}

struct mjData_ *ml3_mjcf_data(const struct mjModel_ *model, ml3_error *error) {
  landing l;
  take_turn(&l);
  mjData *data = make_data(&l, model);
  end_turn(&l);

  if (!data) ml3_error_set(error, ML3_ERR_MEMORY, "MuJoCo cannot make data for a model: %s", l.message);
  return data;
}

static bool make_steps(landing *l, const mjModel *model, mjData *data, int count) {
  if (setjmp(l->back)) return false;
  for (int i = 0; i < count; i++) mj_step(model, data);
  return true;
}

bool ml3_mjcf_step(const struct mjModel_ *model, struct mjData_ *data, int count) {
  landing l;
  here = &l;
  bool done = make_steps(&l, model, data, count);
  here = NULL;
  return done;
}

static int make_call(landing *l, void (*call)(void *user), void *user) {
  if (setjmp(l->back)) return 1;
  call(user);
  return 0;
}

int ml3_mjcf_guard(void (*call)(void *user), void *user, const char *doing, ml3_error *error) {
  landing l;
  take_turn(&l);
  int failed = make_call(&l, call, user);
  end_turn(&l);
  return failed ? ml3_error_set(error, ML3_ERR_UNAVAILABLE, "MuJoCo cannot %s: %s", doing, l.message) : ML3_OK;
}

void ml3_mjcf_push(const struct mjModel_ *model, struct mjData_ *data, int body, const double *point,
                   const double *force) {
  const mjtNum no_torque[3] = {0};
  mju_zero(data->qfrc_applied, model->nv);
  mj_comPos(model, data); /* what the Jacobian is made of */
  if (body > 0 && body < model->nbody && mju_norm3(force) > 0)
    mj_applyFT(model, data, force, no_torque, point, body, data->qfrc_applied);
}
