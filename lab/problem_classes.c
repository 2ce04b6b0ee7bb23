/* problem: digits, problem: idx. Tasks of a few classes of images. */
#include <math.h>

#include "lab/problems.h"
#include "metaloss/tables.h"

static int to_classes(const ml3_key_numbers *list, const char *key, ml3_class_list *classes, ml3_error *error) {
  classes->count = list->count;
  for (int i = 0; i < list->count; i++) {
    if (list->values[i] != floor(list->values[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %g is no class; classes are whole numbers", key,
                           list->values[i]);
    classes->classes[i] = (int)list->values[i];
  }
  return ML3_OK;
}

static ml3_problem *make(const ml3_lab_config *c, const char *name, ml3_dataset *dataset, ml3_error *error) {
  if (!dataset) return NULL;
  ml3_classes_settings s = {.ways = (int)ML3_LAB_GET(c, classes)->ways};
  ml3_supervised_settings supervised;
  if (to_classes(&ML3_LAB_GET(c, classes)->train, "classes.train", &s.train, error) ||
      to_classes(&ML3_LAB_GET(c, classes)->validation, "classes.validation", &s.validation, error) ||
      to_classes(&ML3_LAB_GET(c, classes)->test, "classes.test", &s.test, error) ||
      ml3_lab_supervised_settings(c, name, &supervised, error)) {
    ml3_dataset_free(dataset);
    return NULL;
  }
  return ml3_classes_new(&s, dataset, &supervised, error);
}

static ml3_problem *make_digits(const ml3_lab_config *c, ml3_error *error) {
  return make(c, "digits", ml3_digits(error), error);
}

static ml3_problem *make_idx(const ml3_lab_config *c, ml3_error *error) {
  if (!*ML3_LAB_GET(c, idx)->images || !*ML3_LAB_GET(c, idx)->labels) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "problem 'idx' needs the keys idx.images and idx.labels: files in MNIST's format");
    return NULL;
  }
  return make(c, "idx",
              ml3_idx_read(ML3_LAB_GET(c, idx)->images, ML3_LAB_GET(c, idx)->labels, (int)ML3_LAB_GET(c, idx)->classes,
                           (int)ML3_LAB_GET(c, idx)->pool, error),
              error);
}

#define DEFAULTS                                                                                                  \
  "loss.inputs=[p,log_p,target] loss.normalize=none outer.task_clip_norm=0 extra.kind=none outer.extra_weight=0 " \
  "validation.select=loss model.hidden=[32] model.activation=tanh "                                               \
  "samples.inner=20 samples.outer=60 test.tasks=100 test.steps=[1,5,20]"

const ml3_lab_problem_kind ml3_lab_problem_digits = {
    .name = "digits",
    .summary = "tell two handwritten digits apart: pairs that meta-training has not seen (UCI, 8 x 8)",
    .defaults = DEFAULTS,
    .make = make_digits};

const ml3_lab_problem_kind ml3_lab_problem_idx = {.name = "idx",
                                                  .summary = "the same with images of yours in MNIST's format",
                                                  .defaults = DEFAULTS,
                                                  .make = make_idx};
