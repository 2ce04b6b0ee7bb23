/* Keys of meta-training, for each of its parts: the learned loss, the updates by it, the updates of it, and
   validation; and of tests afterwards. Choices are enums of loss.h, meta.h, trainer.h and nn/. */
#ifndef ML3_METALOSS_OPTIONS_H
#define ML3_METALOSS_OPTIONS_H

#include "base/keys.h"

/* loss.* */
typedef struct ml3_loss_options {
  ml3_key_numbers hidden;
  char base[ML3_KEY_TEXT_MAX];
  ml3_key_names inputs, targets, target_base, target_factor;
  int activation, output, start, weighting, normalize;
  bool bias, only_targets;
} ml3_loss_options;

/* inner.*, and loss.products, which counts for task losses as well */
typedef struct ml3_inner_options {
  int64_t steps, passes, lifetime, newton;
  double rate, momentum;
  int learn_rate, weights, derivatives, products;
  ml3_key_numbers weight_list;
  bool learn_start;
} ml3_inner_options;

/* outer.*, numerics */
typedef struct ml3_outer_options {
  int64_t steps, tasks, epochs, warmup;
  int gradient, optimizer, schedule, numerics;
  double rate, final_rate, clip_norm, task_clip_norm, task_weight, extra_weight;
} ml3_outer_options;

/* evolution.* */
typedef struct ml3_evolution_options {
  int64_t pairs;
  double deviation;
  int shape;
} ml3_evolution_options;

/* validation.* */
typedef struct ml3_validation_options {
  int64_t every, tasks, steps, patience;
  int select;
} ml3_validation_options;

/* test.tasks, test.steps */
typedef struct ml3_test_options {
  int64_t tasks;
  ml3_key_numbers steps;
} ml3_test_options;

/* test.rate, where the task's own loss is compared with */
typedef struct ml3_meta_test_options {
  double rate;
} ml3_meta_test_options;

extern const ml3_keys ml3_loss_keys, ml3_inner_keys, ml3_outer_keys, ml3_evolution_keys, ml3_validation_keys,
    ml3_test_keys, ml3_meta_test_keys;

#endif
