/* problem: sine, problem: shaped_sine. */
#include "lab/problems.h"
#include "metaloss/sine.h"

static int to_range(const ml3_key_numbers *list, const char *key, ml3_range *range, ml3_error *error) {
  if (list->count != 2)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s has %d entries; expected [from, to]", key, list->count);
  *range = (ml3_range){list->values[0], list->values[1]};
  return ML3_OK;
}

static ml3_problem *make_sine(const ml3_lab_config *c, ml3_error *error) {
  ml3_sine_settings s = {.validate_on_test_range = ML3_LAB_GET(c, sine)->validate_on != 0,
                         .grid = ML3_LAB_GET(c, sine)->grid};
  ml3_supervised_settings supervised;
  if (to_range(&ML3_LAB_GET(c, sine)->train_amplitude, "sine.train_amplitude", &s.train.amplitude, error) ||
      to_range(&ML3_LAB_GET(c, sine)->train_phase, "sine.train_phase", &s.train.phase, error) ||
      to_range(&ML3_LAB_GET(c, sine)->train_x, "sine.train_x", &s.train.x, error) ||
      to_range(&ML3_LAB_GET(c, sine)->test_amplitude, "sine.test_amplitude", &s.test.amplitude, error) ||
      to_range(&ML3_LAB_GET(c, sine)->test_phase, "sine.test_phase", &s.test.phase, error) ||
      to_range(&ML3_LAB_GET(c, sine)->test_x, "sine.test_x", &s.test.x, error) ||
      ml3_lab_supervised_settings(c, "sine", &supervised, error))
    return NULL;
  supervised.model.inputs = supervised.model.outputs = 1;
  supervised.feature_x = true;
  return ml3_sine_new(&s, &supervised, error);
}

static ml3_problem *make_shaped(const ml3_lab_config *c, ml3_error *error) {
  ml3_shaped_sine_settings s = {.both_signs = ML3_LAB_GET(c, shaped_sine)->both_signs,
                                .points = (int)ML3_LAB_GET(c, supervised)->samples_inner,
                                .extra_known = ML3_LAB_GET(c, extra)->kind == ML3_LAB_EXTRA_KNOWN_PARAMETERS,
                                .tolerance = ML3_LAB_GET(c, shaped_sine)->tolerance};
  if (to_range(&ML3_LAB_GET(c, shaped_sine)->start, "shaped_sine.start", &s.start, error) ||
      to_range(&ML3_LAB_GET(c, shaped_sine)->goal, "shaped_sine.goal", &s.goal, error))
    return NULL;
  if (ML3_LAB_GET(c, extra)->kind != ML3_LAB_EXTRA_NONE && !s.extra_known) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.kind: problem 'shaped_sine' takes none or known_parameters");
    return NULL;
  }
  return ml3_shaped_sine_new(&s, error);
}

const ml3_lab_problem_kind ml3_lab_problem_sine = {
    .name = "sine",
    .summary = "regression of y = A sin(x - phase) by a network",
    .defaults =
        "loss.inputs=[prediction,target] loss.normalize=none outer.task_clip_norm=0 extra.kind=none "
        "outer.extra_weight=0 validation.select=loss test.tasks=50 test.steps=[1,10,100]",
    .make = make_sine};

const ml3_lab_problem_kind ml3_lab_problem_shaped_sine = {
    .name = "shaped_sine",
    .summary = "regression of y = sin(goal x) by one number, whose goal is known while meta-training",
    .defaults =
        "loss.normalize=none extra.kind=known_parameters outer.task_weight=0 outer.extra_weight=1 "
        "validation.select=loss "
        "test.tasks=200 test.steps=[1,5,10]",
    .make = make_shaped};
