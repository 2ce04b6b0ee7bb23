/* The scaling of an optimizee's inputs, from problem to loss and back: see scaling.h. */
#include "metaloss/scaling.h"

#include <string.h>

int ml3_loss_keep_scaling(ml3_loss *loss, const ml3_problem *p, ml3_error *error) {
  if (!p->scaled_inputs) return ML3_OK;
  const int code = ml3_loss_reserve_scaling(loss, p->scaled_inputs, error);
  if (code == ML3_OK) p->get_scaling(p, loss->scaling, loss->scaling + p->scaled_inputs);
  return code;
}

int ml3_loss_use_scaling(const ml3_loss *loss, ml3_problem *p, bool *missing, ml3_error *error) {
  if (missing) *missing = p->scaled_inputs && !loss->scaled_inputs;
  if (!p->scaled_inputs || !loss->scaled_inputs) return ML3_OK;
  if (p->scaled_inputs != loss->scaled_inputs)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "the loss was learned on policies of %d inputs, and those of '%s' have %d; take what it was learned on, or "
        "policy.normalize=false",
        loss->scaled_inputs, p->name, p->scaled_inputs);
  p->set_scaling(p, loss->scaling, loss->scaling + loss->scaled_inputs);
  return ML3_OK;
}

bool ml3_loss_same_scaling(const ml3_loss *a, const ml3_loss *b) {
  if (a->scaled_inputs != b->scaled_inputs) return false;
  return !a->scaled_inputs || memcmp(a->scaling, b->scaling, 2 * (size_t)a->scaled_inputs * sizeof *a->scaling) == 0;
}
