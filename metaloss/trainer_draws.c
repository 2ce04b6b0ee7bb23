/* What a trainer draws, phase by phase: a stream of random numbers for each task of each phase, which nothing but the seed, the
   phase, the task's number and the outer step tell apart. A task is drawn first, then its initial optimizee, then what is
   collected for it. */
#include "metaloss/trainer_internal.h"

ml3_random ml3_trainer_stream(const ml3_trainer *t, ml3_draws phase, int i, int64_t outer_step) {
  static const uint32_t gathered = 1u << 30; /* tasks of rounds are not those of outer steps */
  const uint32_t task = (uint32_t)i, step = (uint32_t)outer_step;
  const struct {
    ml3_purpose purpose;
    uint32_t task, step;
  } of[] = {[ML3_DRAWS_LOSS] = {ML3_PURPOSE_INIT, 0, 0},
            [ML3_DRAWS_START] = {ML3_PURPOSE_INIT, 0, 1},
            [ML3_DRAWS_FIRST_FEATURES] = {ML3_PURPOSE_INIT, task + 1, 0},
            [ML3_DRAWS_TASK] = {ML3_PURPOSE_TRAIN, task, step},
            [ML3_DRAWS_GATHER] = {ML3_PURPOSE_TRAIN, gathered + task, step},
            [ML3_DRAWS_PERTURBATION] = {ML3_PURPOSE_PERTURB, task, step},
            [ML3_DRAWS_VALIDATION] = {ML3_PURPOSE_VALIDATION, task, 0}};
  return ml3_random_stream(t->settings.seed, of[phase].purpose, of[phase].task, of[phase].step);
}

int ml3_trainer_draw(const ml3_trainer *t, ml3_draws phase, int i, int64_t outer_step, batch_task *b,
                     ml3_random *random, ml3_error *error) {
  const ml3_split split = phase == ML3_DRAWS_VALIDATION ? ML3_SPLIT_VALIDATION : ML3_SPLIT_TRAIN;
  *random = ml3_trainer_stream(t, phase, i, outer_step);
  return t->problem->sample(t->problem, split, random, b->task, b->theta, error);
}
