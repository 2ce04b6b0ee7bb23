/* The methods of meta-training: see methods.h. */
#include "lab/methods.h"

#include <stddef.h>

#include "lab/learners.h"
#include "metaloss/options.h"

static const ml3_keys *const of_losses[] = {&ml3_loss_keys,      &ml3_inner_keys,      &ml3_outer_keys,
                                            &ml3_evolution_keys, &ml3_validation_keys, NULL};
static const ml3_keys *const of_starts[] = {&ml3_inner_keys, &ml3_outer_keys, &ml3_evolution_keys, &ml3_validation_keys,
                                             NULL};

static const ml3_lab_meta_method methods[ML3_LAB_META_METHODS] = {
    {.name = "learned_loss", .label = "learned loss", .loss = true, .keys = of_losses},
    {.name = "maml", .label = "MAML", .keys = of_starts},
    {.name = "fomaml", .label = "first-order MAML", .first_order = true, .keys = of_starts},
    {.name = "meta_sgd", .label = "Meta-SGD", .rates = true, .keys = of_starts},
};

const ml3_lab_meta_method *ml3_lab_meta_method_at(int i) {
  return i >= 0 && i < ML3_LAB_META_METHODS ? &methods[i] : NULL;
}

const ml3_lab_meta_method *ml3_lab_meta_method_of(const ml3_lab_config *c) {
  return ml3_lab_meta_method_at(c->method);
}

const char *ml3_lab_method_name(const ml3_lab_config *c) {
  const ml3_lab_meta_method *meta = ml3_lab_meta_method_of(c);
  return meta ? meta->name : ml3_lab_learner_kind(c)->name;
}

const char *ml3_lab_method_label(const ml3_lab_config *c) {
  const ml3_lab_meta_method *meta = ml3_lab_meta_method_of(c);
  return meta ? meta->label : ml3_lab_learner_kind(c)->label;
}
