/* The trainer over several ranks: see trainer.h and base/ranks.h. A rank owns neighbouring units of a batch, and works on
   those alone. */
#include <stdlib.h>
#include <string.h>

#include "metaloss/trainer_internal.h"

/* A task as ranks share it; outcomes are of validation alone. */
enum {
  CODE,
  HALVED,
  OBJECTIVE,
  TASK_LOSS,
  RETURN,
  DISTANCE,
  SUCCESS,
  PASSED,
  STEPS,
  MODEL_STEP,
  MODEL_HORIZON,
  SHARED_MOST
};
_Static_assert((int)SHARED_MOST == (int)ML3_TRAINER_SHARED, "room for all");

static void pack(const batch_task *item, double *to, int count) {
  const ml3_outcome *o = &item->outcome;
  const double all[SHARED_MOST] = {[CODE] = item->code,
                                 [HALVED] = item->halved,
                                 [OBJECTIVE] = item->objective,
                                 [TASK_LOSS] = o->task_loss,
                                 [RETURN] = o->episode_return,
                                 [DISTANCE] = o->distance,
                                 [SUCCESS] = o->success,
                                 [PASSED] = o->passed,
                                 [STEPS] = o->env_steps,
                                 [MODEL_STEP] = item->model.step,
                                 [MODEL_HORIZON] = item->model.horizon};
  memcpy(to, all, (size_t)count * sizeof *to);
}

static void unpack(batch_task *item, const double *from, int count) {
  item->code = (int)from[CODE], item->halved = (int)from[HALVED], item->objective = from[OBJECTIVE];
  if (count != SHARED_MOST) return;
  item->outcome = (ml3_outcome){.task_loss = from[TASK_LOSS],
                                .episode_return = from[RETURN],
                                .distance = from[DISTANCE],
                                .success = from[SUCCESS],
                                .passed = from[PASSED],
                                .env_steps = from[STEPS]};
  item->model = (ml3_model_error){.step = from[MODEL_STEP], .horizon = from[MODEL_HORIZON]};
}

/* An owner's sentence about a task, to all. */
static int share_error(const ml3_trainer *t, const batch *b, const batch_task *item, ml3_error *error) {
  if (!item) return ML3_OK;
  const int i = (int)(item - b->items), owner = ml3_ranks_owner(t->settings.ranks, i / b->unit, b->count / b->unit);
  return ml3_ranks_broadcast(t->settings.ranks, owner, &b->items[i].error, sizeof item->error, error);
}

int ml3_trainer_share_batch(ml3_trainer *t, batch *b, ml3_error *error) {
  const int count = b == &t->validation ? SHARED_MOST : OBJECTIVE + 1, units = b->count / b->unit;
  if (!t->shared) return ML3_OK;
  for (int i = 0; i < b->count; i++) pack(&b->items[i], t->shared + (size_t)i * (size_t)count, count);
  int code = ml3_ranks_share(t->settings.ranks, t->shared, units, (size_t)(b->unit * count) * sizeof(double), error);
  if (code != ML3_OK) return code;
  for (int i = 0; i < b->count; i++) unpack(&b->items[i], t->shared + (size_t)i * (size_t)count, count);
  code = share_error(t, b, ml3_trainer_first_trouble(b), error);
  if (code == ML3_OK) code = share_error(t, b, ml3_trainer_first_failure(b), error);
  if (code != ML3_OK || !b->moments) return code;
  const size_t moments = 2 * (size_t)t->loss->spec.net.inputs + 1;
  return ml3_ranks_share(t->settings.ranks, b->moments, units, moments * sizeof *b->moments, error);
}

int ml3_trainer_sum_gradients(ml3_trainer *t, ml3_error *error) {
  const batch *b = &t->train;
  return ml3_ranks_sum(t->settings.ranks, b->items[0].gradient, b->count / b->unit, t->loss->size, t->received,
                       t->threads, error);
}

int ml3_trainer_share_lives(const ml3_trainer *t, ml3_error *error) {
  const ml3_ranks *ranks = t->settings.ranks;
  const batch *b = &t->train;
  const int units = b->count / b->unit;
  const size_t unit = (size_t)b->unit, theta = unit * (size_t)t->problem->theta_size * sizeof(ml3_real);
  if (!t->lifetimes.birth) return ML3_OK;
  int code = ml3_ranks_share(ranks, t->lifetimes.birth, units, unit * sizeof *t->lifetimes.birth, error);
  if (code == ML3_OK) code = ml3_ranks_share(ranks, t->lifetimes.theta, units, theta, error);
  if (code == ML3_OK && t->lifetimes.velocity) code = ml3_ranks_share(ranks, t->lifetimes.velocity, units, theta, error);
  return code;
}
