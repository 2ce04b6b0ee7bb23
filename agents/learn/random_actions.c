/* Uniform actions: what learning must beat. */
#include "agents/learn/learner.h"

static int create(ml3_learner *l, ml3_error *error) {
  const int size = ml3_policy_size(&l->policy);
  const ml3_nn_optimizer_settings none = ml3_nn_adam(3e-4); /* nothing descends */
  int code = ml3_learner_allocate(l, size, size, &none, error);
  ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, 0, 1);
  if (code == ML3_OK) ml3_policy_draw(&l->policy, &random, l->parameters);
  return code;
}

const ml3_learner_kind ml3_learner_random = {.name = "random",
                                             .label = "random",
                                             .summary = "actions uniform within their bounds",
                                             .defaults = ml3_on_policy_defaults,
                                             .metrics = ml3_on_policy_metrics,
                                             .create = create,
                                             .uniform = true};
