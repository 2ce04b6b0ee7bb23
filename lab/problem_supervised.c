/* What the supervised kinds of problem share: the model and the samples of a configuration. */
#include <stddef.h>
#include "lab/problems.h"
#include "nn/mlp.h"

#define AT(field) offsetof(ml3_supervised_options, field)
static const ml3_key keys[] = {
    {"model.hidden", ML3_KEY_NUMBERS, AT(model_hidden), "[100, 10]", 1, 4096, NULL, NULL,
     "supervised problems: widths of the hidden layers"},
    {"model.activation", ML3_KEY_CHOICE, AT(model_activation), "relu", 0, 0, ML3_ACTIVATION_CHOICES, NULL,
     "of the hidden layers"},
    {"model.bias", ML3_KEY_BOOL, AT(model_bias), "true", 0, 0, NULL, NULL, "biases in every layer"},
    {"samples.inner", ML3_KEY_INT, AT(samples_inner), "100", 1, 100000, NULL, NULL,
     "samples of a task that the model learns from"},
    {"samples.outer", ML3_KEY_INT, AT(samples_outer), "0", 0, 100000, NULL, NULL,
     "other samples of a task, for the task loss and the evaluation; 0: the same samples"},
    {"extra.kind", ML3_KEY_CHOICE, AT(extra_kind), "none", 0, 0, "none|demonstration|physics", NULL,
     "extra information while meta-training"},
    {"extra.points", ML3_KEY_INT, AT(extra_points), "50", 1, 100000, NULL, "extra.kind=demonstration|physics",
     "demonstration, physics: samples of it"},
    {"extra.frequency", ML3_KEY_REAL, AT(extra_frequency), "1", 0, 1e6, NULL, "extra.kind=physics",
     "physics: w of y'' = -w^2 y"},
    {"extra.step", ML3_KEY_REAL, AT(extra_step), "0.5", 1e-6, 1e6, NULL, "extra.kind=physics",
     "physics: h of its differences"},
};
#undef AT
const ml3_keys ml3_supervised_keys = ML3_KEYS(keys, ml3_supervised_options);

int ml3_lab_supervised_settings(const ml3_lab_config *c, const char *name, ml3_supervised_settings *s,
                                ml3_error *error) {
  const ml3_supervised_options *supervised = ML3_LAB_GET(c, supervised);
  *s = (ml3_supervised_settings){.name = name,
                                 .model = {.depth = supervised->model_hidden.count,
                                           .activation = (ml3_activation)supervised->model_activation,
                                           .bias = supervised->model_bias},
                                 .inner_points = (int)supervised->samples_inner,
                                 .outer_points = (int)supervised->samples_outer,
                                 .extra = (ml3_extra)supervised->extra_kind,
                                 .extra_points = (int)supervised->extra_points,
                                 .physics_frequency = supervised->extra_frequency,
                                 .physics_step = supervised->extra_step};
  return ml3_lab_copy_widths(&supervised->model_hidden, s->model.hidden, "model.hidden", error);
}
