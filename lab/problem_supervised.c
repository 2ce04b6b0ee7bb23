/* What the supervised kinds of problem share: the model and the samples of a configuration. */
#include "lab/problems.h"

int ml3_lab_supervised_settings(const ml3_lab_config *c, const char *name, ml3_supervised_settings *s,
                                ml3_error *error) {
  *s = (ml3_supervised_settings){.name = name,
                                 .model = {.depth = c->model_hidden.count,
                                           .activation = (ml3_activation)c->model_activation,
                                           .bias = c->model_bias},
                                 .inner_points = (int)c->samples_inner,
                                 .outer_points = (int)c->samples_outer,
                                 .extra_points = (int)c->extra_points,
                                 .physics_frequency = c->extra_frequency,
                                 .physics_step = c->extra_step};
  if (c->extra_kind == ML3_LAB_EXTRA_DEMONSTRATION) s->extra = ML3_EXTRA_DEMONSTRATION;
  if (c->extra_kind == ML3_LAB_EXTRA_PHYSICS) s->extra = ML3_EXTRA_PHYSICS;
  if (c->extra_kind != ML3_LAB_EXTRA_NONE && s->extra == ML3_EXTRA_NOTHING)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: problem '%s' takes none, demonstration or physics",
                         name);
  return ml3_lab_copy_widths(&c->model_hidden, s->model.hidden, "model.hidden", error);
}
