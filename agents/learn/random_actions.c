/* Uniform actions: what learning must beat. */
#include "agents/learn/learner.h"

static int create(ml3_learner *l, ml3_error *error) {
  int code = ml3_learner_allocate(l, ml3_policy_size(&l->policy), error);
  ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, 0, 1);
  if (code == ML3_OK) ml3_policy_draw(&l->policy, &random, l->parameters);
  return code;
}

const ml3_learner_kind ml3_learner_random = {
    .name = "random", .summary = "actions uniform within their bounds", .create = create, .uniform = true};
