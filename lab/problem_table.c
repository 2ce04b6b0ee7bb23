/* problem: table. Regression or classification from a CSV file. */
#include <stddef.h>
#include <stdio.h>

#include "lab/callbacks.h"
#include "lab/problems.h"
#include "metaloss/options.h"
#include "metaloss/tables.h"

typedef struct ml3_table_options {
  char task[ML3_KEY_TEXT_MAX], data[ML3_KEY_TEXT_MAX];
  int kind;
  ml3_key_names inputs, targets;
  int64_t classes, split_seed;
  double validation_share, test_share;
} ml3_table_options;

#define AT(field) offsetof(ml3_table_options, field)
static const ml3_key keys[] = {
    {"data", ML3_KEY_TEXT, AT(data), "", 0, 0, NULL, NULL, "table: the CSV file; its first line names the columns"},
    {"table.kind", ML3_KEY_CHOICE, AT(kind), "regression", 0, 0, "regression|classification", NULL,
     "what is predicted"},
    {"table.inputs", ML3_KEY_NAMES, AT(inputs), "[]", 0, 0, NULL, NULL,
     "input columns; empty: all named columns but targets and task"},
    {"table.targets", ML3_KEY_NAMES, AT(targets), "[]", 0, 0, NULL, NULL, "columns to predict; classification: one"},
    {"table.task", ML3_KEY_TEXT, AT(task), "", 0, 0, NULL, NULL,
     "column that identifies the task; empty: tasks are random rows"},
    {"table.classes", ML3_KEY_INT, AT(classes), "0", 0, 1000, NULL, NULL,
     "labels are 0 .. classes - 1; 0: whatever there is"},
    {"table.validation_share", ML3_KEY_REAL, AT(validation_share), "0.2", 0, 1, NULL, NULL, "of the tasks, or rows"},
    {"table.test_share", ML3_KEY_REAL, AT(test_share), "0.2", 0, 1, NULL, NULL, "of the tasks, or rows"},
    {"table.split_seed", ML3_KEY_INT, AT(split_seed), "0", 0, 9e15, NULL, NULL, "seed of that split"},
};
#undef AT
static const ml3_keys ml3_table_keys = ML3_KEYS(keys, ml3_table_options);

static const ml3_keys *const owners[] = {&ml3_table_keys, &ml3_supervised_keys, &ml3_meta_test_keys, NULL};

static ml3_problem *make(const ml3_lab_config *c, ml3_error *error) {
  const ml3_table_options *table = ML3_LAB_GET(c, table);
  const char *inputs[ML3_KEY_LIST_MAX], *targets[ML3_KEY_LIST_MAX];
  for (int i = 0; i < table->inputs.count; i++) inputs[i] = table->inputs.values[i];
  for (int i = 0; i < table->targets.count; i++) targets[i] = table->targets.values[i];
  if (!*table->data) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "problem 'table' needs the key data: a CSV file");
    return NULL;
  }
  if (table->targets.count == 0) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "problem 'table' needs the key table.targets: which columns of '%s' to predict", table->data);
    return NULL;
  }
  const ml3_csv_columns columns = {.inputs = inputs,
                                   .input_count = table->inputs.count,
                                   .targets = targets,
                                   .target_count = table->targets.count,
                                   .task = table->task,
                                   .classification = table->kind != 0,
                                   .classes = (int)table->classes};
  const ml3_table_settings s = {.validation_share = table->validation_share,
                                .test_share = table->test_share,
                                .split_seed = (uint64_t)table->split_seed};
  ml3_supervised_settings supervised;
  if (ml3_lab_supervised_settings(c, "table", &supervised, error) != ML3_OK) return NULL;
  ml3_dataset *dataset = ml3_csv_read(table->data, &columns, error);
  if (!dataset) return NULL;
  if (dataset->unnamed && (!c->ranks || c->ranks->rank == 0))
    ml3_lab_message(
        c->callbacks, "'%s': %d column%s without a name %s left out, as row numbers; name what is to be an input",
        table->data, dataset->unnamed, dataset->unnamed == 1 ? "" : "s", dataset->unnamed == 1 ? "is" : "are");
  supervised.feature_x = dataset->inputs <= 16; /* more would make the loss's input mostly x */
  return ml3_table_new(&s, dataset, &supervised, error);
}

const ml3_lab_problem_kind ml3_lab_problem_table = {
    .name = "table",
    .summary = "regression or classification of a CSV file of yours",
    .defaults =
        "loss.normalize=none outer.task_clip_norm=0 extra.kind=none outer.extra_weight=0 validation.select=loss "
        "model.hidden=[32] model.activation=tanh "
        "samples.inner=20 samples.outer=40 test.tasks=50 test.steps=[1,5,20]",
    .keys = owners,
    .make = make};
