/* One immutable mjModel for all instances of an environment, freed with the last of them. */
#include "envs/mjcf.h"

#include <mujoco/mujoco.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct shared_model {
  const char *text;
  mjModel *model;
  int users;
  struct shared_model *next;
} shared_model;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static shared_model *models; /* behind the lock */

/* Stack for a simulation, in numbers. MuJoCo 2.2 reserves (and clears) ten megabytes for each mjData of the
   smallest model; the models here have a few joints and need a few thousand numbers. */
#if mjVERSION_HEADER < 230
static void shrink_stack(mjModel *model) {
  enum { STACK_NUMBERS = 1 << 15 };
  if (model->nv <= 16 && model->nstack > STACK_NUMBERS) model->nstack = STACK_NUMBERS;
}
#else
static void shrink_stack(mjModel *model) {
  (void)model;
} /* an arena, touched only where it is used */
#endif

static shared_model *load(const char *xml_text, ml3_error *error) {
  shared_model *s = calloc(1, sizeof *s);
  if (!s) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a MuJoCo model");
    return NULL;
  }

  s->text = xml_text;
  s->model = ml3_mjcf_load(xml_text, error);
  if (!s->model) {
    free(s);
    return NULL;
  }
  shrink_stack(s->model);
  return s;
}

const struct mjModel_ *ml3_mjcf_share(const char *xml_text, ml3_error *error) {
  pthread_mutex_lock(&lock);
  shared_model *s = models;
  while (s && s->text != xml_text) s = s->next;
  if (!s && (s = load(xml_text, error))) {
    s->next = models;
    models = s;
  }
  if (s) s->users++;
  pthread_mutex_unlock(&lock);
  return s ? s->model : NULL;
}

void ml3_mjcf_release(const struct mjModel_ *model) {
  pthread_mutex_lock(&lock);
  shared_model **at = &models;
  while (*at && (*at)->model != model) at = &(*at)->next;
  shared_model *s = *at;
  if (s && --s->users == 0) {
    *at = s->next;
    mj_deleteModel(s->model);
    free(s);
  }
  pthread_mutex_unlock(&lock);
}
