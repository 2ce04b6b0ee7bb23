/* MJCF text to mjModel through MuJoCo's virtual file system, whose interface changed in 3.1.3.

   MuJoCo reports what it cannot do by a global handler, and exits the process where none is set. The handler here jumps
   back to the call of MuJoCo that this thread is in; a handler of the caller's own is put back after a load. The compiler
   of 2.2 sets the same globals itself, so loads take turns. */
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
  ml3_mjcf_said *said;
  struct landing *outer; /* of a call within which this one is made */
  void (*old_error)(const char *);
  void (*old_warning)(const char *);
} landing;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local landing *here; /* NULL unless this thread is in a call that can be jumped out of */

/* A sentence of MuJoCo's on one line. */
static void keep(char *to, size_t size, const char *message) {
  snprintf(to, size, "%s", message);
  for (char *c = to; *c; c++) {
    if (*c == '\n') *c = ' ';
  }
}

static void land(const char *message) {
  if (!here) { /* MuJoCo would run on with broken data */
    fprintf(stderr, "MuJoCo: %s\n", message);
    abort();
  }
  keep(here->said->error, sizeof here->said->error, message);
  longjmp(here->back, 1);
}

/* Without a handler MuJoCo writes warnings to the terminal and to MUJOCO_LOG.TXT in the working folder. */
static void note(const char *message) {
  if (here) keep(here->said->warning, sizeof here->said->warning, message);
}

static void enter(landing *l, ml3_mjcf_said *said) {
  said->warning[0] = said->error[0] = '\0';
  l->said = said;
  l->outer = here;
  here = l;
}

static void leave(const landing *l) {
  here = l->outer;
}

static void take_turn(landing *l, ml3_mjcf_said *said) {
  pthread_mutex_lock(&turn);
  l->old_error = mju_user_error;
  l->old_warning = mju_user_warning;
  enter(l, said);
  mju_user_error = land;
  mju_user_warning = note;
}

/* A caller's own handlers come back; where there were none, errors of later calls still land, and their warnings are
   heard by the call that they belong to. */
static void end_turn(const landing *l) {
  if (l->old_error) mju_user_error = l->old_error;
  mju_user_warning = l->old_warning ? l->old_warning : note;
  leave(l);
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
  char *said = l->said->error;
  const int size = (int)sizeof l->said->error;
  if (setjmp(l->back)) return NULL;
  if (xml[0] != '<') return mj_loadXML(xml, NULL, said, size);
  if (add_file(vfs, xml)) {
    snprintf(said, (size_t)size, "the text did not fit MuJoCo's virtual file system");
    return NULL;
  }
  return mj_loadXML(FILE_NAME, vfs, said, size);
}

struct mjModel_ *ml3_mjcf_load(const char *xml, ml3_error *error) {
  mjVFS *vfs = malloc(sizeof *vfs); /* two megabytes in 2.2: too much for a stack */
  if (!vfs) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for loading a MuJoCo model");
    return NULL;
  }

  landing l;
  ml3_mjcf_said said;
  take_turn(&l, &said);
  mj_defaultVFS(vfs);
  mjModel *model = load(&l, vfs, xml);
  mj_deleteVFS(vfs);
  end_turn(&l);
  free(vfs);

  for (char *c = said.error; *c; c++) {
    if (*c == '\n') *c = ' ';
  }
  if (!model)
    ml3_error_set(error, ML3_ERR_FORMAT, "MuJoCo %s cannot load the model: %s", mj_versionString(), said.error);
  return model;
}

/* ---- calls that can be jumped out of ------------------------------------------------------------------------ */

static bool make_call(landing *l, void (*call)(void *user), void *user) {
  if (setjmp(l->back)) return false;
  call(user);
  return true;
}

bool ml3_mjcf_try(void (*call)(void *user), void *user, ml3_mjcf_said *said) {
  landing l;
  enter(&l, said);
  bool done = make_call(&l, call, user);
  leave(&l);
  return done;
}

int ml3_mjcf_guard(void (*call)(void *user), void *user, const char *doing, ml3_error *error) {
  landing l;
  ml3_mjcf_said said;
  take_turn(&l, &said);
  bool done = make_call(&l, call, user);
  end_turn(&l);
  return done ? ML3_OK : ml3_error_set(error, ML3_ERR_UNAVAILABLE, "MuJoCo cannot %s: %s", doing, said.error);
}

/* ---- data --------------------------------------------------------------------------------------------------- */

typedef struct making {
  const mjModel *model;
  mjData *data;
} making;

static void make_data(void *user) {
  making *m = user;
  m->data = mj_makeData(m->model);
}

struct mjData_ *ml3_mjcf_data(const struct mjModel_ *model, ml3_error *error) {
  making m = {model, NULL};
  ml3_error why = {0};
  if (ml3_mjcf_guard(make_data, &m, "make data for a model", &why) == ML3_OK && m.data) return m.data;
  ml3_error_set(error, ML3_ERR_MEMORY, "%s",
                why.code ? why.message : "MuJoCo cannot make data for a model: there is no memory");
  return NULL;
}

static void clear_data(void *user) {
  const making *m = user;
  mj_resetData(m->model, m->data);
}

bool ml3_mjcf_clear(const struct mjModel_ *model, struct mjData_ *data, ml3_mjcf_said *said) {
  making m = {model, data};
  return ml3_mjcf_try(clear_data, &m, said);
}

typedef struct pushing {
  const mjModel *model;
  mjData *data;
  int body;
  const double *point, *force;
} pushing;

static void apply_force(void *user) {
  const pushing *p = user;
  const mjtNum no_torque[3] = {0};
  mj_comPos(p->model, p->data); /* what the Jacobian is made of */
  mj_applyFT(p->model, p->data, p->force, no_torque, p->point, p->body, p->data->qfrc_applied);
}

void ml3_mjcf_push(const struct mjModel_ *model, struct mjData_ *data, int body, const double *point,
                   const double *force) {
  pushing p = {model, data, body, point, force};
  ml3_mjcf_said said;
  mju_zero(data->qfrc_applied, model->nv);
  if (body <= 0 || body >= model->nbody || mju_norm3(force) <= 0) return;
  if (!ml3_mjcf_try(apply_force, &p, &said)) mju_zero(data->qfrc_applied, model->nv);
}
