/* problem: digits, problem: idx. Tasks of a few classes of images. */
#include <math.h>
#include <stddef.h>

#include "lab/problems.h"
#include "metaloss/options.h"
#include "metaloss/tables.h"

typedef struct ml3_classes_options {
  int64_t ways;
  ml3_key_numbers train, validation, test;
} ml3_classes_options;

typedef struct ml3_idx_options {
  char images[ML3_KEY_TEXT_MAX], labels[ML3_KEY_TEXT_MAX];
  int64_t classes, pool;
} ml3_idx_options;

#define AT(field) offsetof(ml3_classes_options, field)
static const ml3_key classes_keys[] = {
    {"classes.ways", ML3_KEY_INT, AT(ways), "2", 2, 1000, NULL, NULL, "digits, idx: classes of a task"},
    {"classes.train", ML3_KEY_NUMBERS, AT(train), "[0, 1, 2, 3, 4, 5]", 0, 999, NULL, NULL,
     "classes of meta-training tasks"},
    {"classes.validation", ML3_KEY_NUMBERS, AT(validation), "[]", 0, 999, NULL, NULL,
     "of validation tasks; empty: those of training"},
    {"classes.test", ML3_KEY_NUMBERS, AT(test), "[6, 7, 8, 9]", 0, 999, NULL, NULL, "of test tasks"},
};
#undef AT
static const ml3_keys ml3_classes_keys = ML3_KEYS(classes_keys, ml3_classes_options);

#define AT(field) offsetof(ml3_idx_options, field)
static const ml3_key idx_keys[] = {
    {"idx.images", ML3_KEY_TEXT, AT(images), "", 0, 0, NULL, NULL, "file in MNIST's format"},
    {"idx.labels", ML3_KEY_TEXT, AT(labels), "", 0, 0, NULL, NULL, "file in MNIST's format"},
    {"idx.classes", ML3_KEY_INT, AT(classes), "10", 2, 256, NULL, NULL, "labels are below this"},
    {"idx.pool", ML3_KEY_INT, AT(pool), "1", 1, 256, NULL, NULL, "side of the blocks of pixels that are averaged"},
};
#undef AT
static const ml3_keys ml3_idx_keys = ML3_KEYS(idx_keys, ml3_idx_options);

static const ml3_keys *const digits_owners[] = {&ml3_classes_keys, &ml3_supervised_keys, &ml3_meta_test_keys, NULL};
static const ml3_keys *const idx_owners[] = {&ml3_idx_keys, &ml3_classes_keys, &ml3_supervised_keys,
                                             &ml3_meta_test_keys, NULL};

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
  const ml3_classes_options *classes = ML3_LAB_GET(c, classes);
  if (!dataset) return NULL;
  ml3_classes_settings s = {.ways = (int)classes->ways};
  ml3_supervised_settings supervised;
  if (to_classes(&classes->train, "classes.train", &s.train, error) ||
      to_classes(&classes->validation, "classes.validation", &s.validation, error) ||
      to_classes(&classes->test, "classes.test", &s.test, error) ||
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
  const ml3_idx_options *idx = ML3_LAB_GET(c, idx);
  if (!*idx->images || !*idx->labels) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "problem 'idx' needs the keys idx.images and idx.labels: files in MNIST's format");
    return NULL;
  }
  return make(c, "idx", ml3_idx_read(idx->images, idx->labels, (int)idx->classes, (int)idx->pool, error), error);
}

#define DEFAULTS                                                                                                  \
  "loss.inputs=[p,log_p,target] loss.normalize=none outer.task_clip_norm=0 extra.kind=none outer.extra_weight=0 " \
  "validation.select=loss model.hidden=[32] model.activation=tanh "                                               \
  "samples.inner=20 samples.outer=60 test.tasks=100 test.steps=[1,5,20]"

const ml3_lab_problem_kind ml3_lab_problem_digits = {
    .name = "digits",
    .summary = "tell two handwritten digits apart: pairs that meta-training has not seen (UCI, 8 x 8)",
    .defaults = DEFAULTS,
    .keys = digits_owners,
    .make = make_digits};

const ml3_lab_problem_kind ml3_lab_problem_idx = {.name = "idx",
                                                  .summary = "the same with images of yours in MNIST's format",
                                                  .defaults = DEFAULTS,
                                                  .keys = idx_owners,
                                                  .make = make_idx};
