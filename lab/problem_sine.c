/* problem: sine, problem: shaped_sine. */
#include <stddef.h>
#include "lab/problems.h"
#include "metaloss/options.h"
#include "metaloss/sine.h"

typedef struct ml3_sine_options {
  ml3_key_numbers train_amplitude, train_phase, train_x, test_amplitude, test_phase, test_x;
  int validate_on;
  bool grid;
} ml3_sine_options;

typedef struct ml3_shaped_sine_options {
  ml3_key_numbers start, goal;
  bool both_signs;
  double tolerance;
  int64_t samples_inner;
  int extra_kind;
} ml3_shaped_sine_options;

#define AT(field) offsetof(ml3_sine_options, field)
static const ml3_key sine_keys[] = {
    {"sine.train_amplitude", ML3_KEY_NUMBERS, AT(train_amplitude), "[1, 1]", -1e6, 1e6, NULL, NULL,
     "y = amplitude sin(x - phase): from, to"},
    {"sine.train_phase", ML3_KEY_NUMBERS, AT(train_phase), "[3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, NULL, ""},
    {"sine.train_x", ML3_KEY_NUMBERS, AT(train_x), "[-2, 2]", -1e6, 1e6, NULL, NULL, ""},
    {"sine.test_amplitude", ML3_KEY_NUMBERS, AT(test_amplitude), "[0.2, 5]", -1e6, 1e6, NULL, NULL, ""},
    {"sine.test_phase", ML3_KEY_NUMBERS, AT(test_phase), "[-3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, NULL, ""},
    {"sine.test_x", ML3_KEY_NUMBERS, AT(test_x), "[-5, 5]", -1e6, 1e6, NULL, NULL, ""},
    {"sine.validate_on", ML3_KEY_CHOICE, AT(validate_on), "test", 0, 0, "train|test", NULL,
     "the range that validation tasks are drawn from"},
    {"sine.grid", ML3_KEY_BOOL, AT(grid), "true", 0, 0, NULL, NULL, "x on an even grid; otherwise at random"},
};
#undef AT
static const ml3_keys ml3_sine_keys = ML3_KEYS(sine_keys, ml3_sine_options);

#define AT(field) offsetof(ml3_shaped_sine_options, field)
static const ml3_key shaped_sine_keys[] = {
    {"samples.inner", ML3_KEY_INT, AT(samples_inner), "100", 1, 100000, NULL, NULL,
     "samples of a task that the model learns from"},
    {"extra.kind", ML3_KEY_CHOICE, AT(extra_kind), "none", 0, 0, "none|known_parameters", NULL,
     "extra information while meta-training"},
    {"shaped_sine.start", ML3_KEY_NUMBERS, AT(start), "[0.1, 0.1]", -1e6, 1e6, NULL, NULL,
     "theta_0 of sin(theta x): from, to"},
    {"shaped_sine.both_signs", ML3_KEY_BOOL, AT(both_signs), "false", 0, 0, NULL, NULL, "theta_0 gets a random sign"},
    {"shaped_sine.goal", ML3_KEY_NUMBERS, AT(goal), "[-5, 5]", -1e6, 1e6, NULL, NULL, "the theta to find: from, to"},
    {"shaped_sine.tolerance", ML3_KEY_REAL, AT(tolerance), "0.5", 0, 1e6, NULL, NULL,
     "success: distance of theta from the goal"},
};
#undef AT
static const ml3_keys ml3_shaped_sine_keys = ML3_KEYS(shaped_sine_keys, ml3_shaped_sine_options);

static const ml3_keys *const owners[] = {&ml3_sine_keys, &ml3_supervised_keys, &ml3_meta_test_keys, NULL};
static const ml3_keys *const shaped_owners[] = {&ml3_shaped_sine_keys, &ml3_meta_test_keys, NULL};

static int to_range(const ml3_key_numbers *list, const char *key, ml3_range *range, ml3_error *error) {
  if (list->count != 2)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s has %d entries; expected [from, to]", key, list->count);
  *range = (ml3_range){list->values[0], list->values[1]};
  return ML3_OK;
}

static ml3_problem *make_sine(const ml3_lab_config *c, ml3_error *error) {
  const ml3_sine_options *sine = ML3_LAB_GET(c, sine);
  ml3_sine_settings s = {.validate_on_test_range = sine->validate_on != 0, .grid = sine->grid};
  ml3_supervised_settings supervised;
  if (to_range(&sine->train_amplitude, "sine.train_amplitude", &s.train.amplitude, error) ||
      to_range(&sine->train_phase, "sine.train_phase", &s.train.phase, error) ||
      to_range(&sine->train_x, "sine.train_x", &s.train.x, error) ||
      to_range(&sine->test_amplitude, "sine.test_amplitude", &s.test.amplitude, error) ||
      to_range(&sine->test_phase, "sine.test_phase", &s.test.phase, error) ||
      to_range(&sine->test_x, "sine.test_x", &s.test.x, error) ||
      ml3_lab_supervised_settings(c, "sine", &supervised, error))
    return NULL;
  supervised.model.inputs = supervised.model.outputs = 1;
  supervised.feature_x = true;
  return ml3_sine_new(&s, &supervised, error);
}

static ml3_problem *make_shaped(const ml3_lab_config *c, ml3_error *error) {
  const ml3_shaped_sine_options *shaped_sine = ML3_LAB_GET(c, shaped_sine);
  ml3_shaped_sine_settings s = {.both_signs = shaped_sine->both_signs,
                                .points = (int)shaped_sine->samples_inner,
                                .extra_known = shaped_sine->extra_kind != 0,
                                .tolerance = shaped_sine->tolerance};
  if (to_range(&shaped_sine->start, "shaped_sine.start", &s.start, error) ||
      to_range(&shaped_sine->goal, "shaped_sine.goal", &s.goal, error))
    return NULL;
  return ml3_shaped_sine_new(&s, error);
}

const ml3_lab_problem_kind ml3_lab_problem_sine = {
    .name = "sine",
    .summary = "regression of y = A sin(x - phase) by a network",
    .defaults =
        "loss.inputs=[prediction,target] loss.normalize=none outer.task_clip_norm=0 extra.kind=none "
        "outer.extra_weight=0 validation.select=loss test.tasks=50 test.steps=[1,10,100]",
    .keys = owners,
    .make = make_sine};

const ml3_lab_problem_kind ml3_lab_problem_shaped_sine = {
    .name = "shaped_sine",
    .summary = "regression of y = sin(goal x) by one number, whose goal is known while meta-training",
    .defaults =
        "loss.normalize=none extra.kind=known_parameters outer.task_weight=0 outer.extra_weight=1 "
        "validation.select=loss "
        "test.tasks=200 test.steps=[1,5,10]",
    .keys = shaped_owners,
    .make = make_shaped};
