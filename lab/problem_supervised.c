/* What the supervised kinds of problem share: the model and the samples of a configuration. */
#include "lab/problems.h"

int ml3_lab_supervised_settings(const ml3_lab_config *c, const char *name, ml3_supervised_settings *s,
                                ml3_error *error) {
  *s = (ml3_supervised_settings){.name = name,
                                 .model = {.depth = ML3_LAB_GET(c, supervised)->model_hidden.count,
                                           .activation = (ml3_activation)ML3_LAB_GET(c, supervised)->model_activation,
                                           .bias = ML3_LAB_GET(c, supervised)->model_bias},
                                 .inner_points = (int)ML3_LAB_GET(c, supervised)->samples_inner,
                                 .outer_points = (int)ML3_LAB_GET(c, supervised)->samples_outer,
                                 .extra_points = (int)ML3_LAB_GET(c, supervised)->extra_points,
                                 .physics_frequency = ML3_LAB_GET(c, supervised)->extra_frequency,
                                 .physics_step = ML3_LAB_GET(c, supervised)->extra_step};
  if (ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_DEMONSTRATION) s->extra = ML3_EXTRA_DEMONSTRATION;
  if (ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_PHYSICS) s->extra = ML3_EXTRA_PHYSICS;
  if (ML3_LAB_GET(c, extra)->kind != ML3_LAB_EXTRA_NONE && s->extra == ML3_EXTRA_NOTHING)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: problem '%s' takes none, demonstration or physics",
                         name);
  return ml3_lab_copy_widths(&ML3_LAB_GET(c, supervised)->model_hidden, s->model.hidden, "model.hidden", error);
}
