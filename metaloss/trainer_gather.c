/* Rounds of data for problems that learn a model while meta-training goes on: what optimizees do in the real world on their way
   from theta_0 to theta_K by the present loss. Everything follows from the seed, the outer step and what the checkpoint holds. */
#include <string.h>

#include "metaloss/trainer_internal.h"

static int gather_task(ml3_trainer *t, int i, ml3_error *error) {
  const ml3_problem *p = t->problem;
  batch_task *b = &t->train.items[0];
  ml3_meta_work *work = t->works[0];
  ml3_random random;
  int code = ml3_trainer_draw(t, ML3_DRAWS_GATHER, i, t->outer_step, b, &random, error);
  if (code != ML3_OK) return code;
  ml3_meta_begin(work, t->loss, b->theta);
  const int updates = ml3_meta_updates(&t->settings.meta);
  for (int k = 0; k <= updates; k++) {
    code = p->gather(p, b->task, b->theta, error);
    if (code != ML3_OK) return code;
    if (k < updates &&
        ml3_meta_adapt(work, t->loss, b->task, b->theta, &random, NULL, NULL) != ML3_OK)
      return ML3_OK; /* not finite: there is no next optimizee */
  }
  return ML3_OK;
}

int ml3_trainer_gather(ml3_trainer *t, ml3_error *error) {
  const int every = t->settings.gather_every;
  if (!t->problem->gather || every <= 0 || t->outer_step == 0 || t->outer_step % every != 0) return ML3_OK;
  int code = ML3_OK;
  for (int i = 0; i < t->settings.gather_tasks && code == ML3_OK; i++) code = gather_task(t, i, error);
  if (code == ML3_OK) code = t->problem->learn(t->problem, t->outer_step / every, error);
  return code == ML3_OK ? ML3_OK : ml3_error_prefix(error, "outer step %lld, new data", (long long)t->outer_step);
}
