/* Problems from samples in memory: pairs (or more) of classes apart for meta-training and meta-test, and any table. */
#ifndef ML3_METALOSS_TABLES_H
#define ML3_METALOSS_TABLES_H

#include "metaloss/dataset.h"
#include "metaloss/supervised.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_CLASSES_MAX = 1000 };

/* ---- few classes at a time: every task is `ways` of the classes of its split, in random order ---- */
/* Classes by their numbers. */
typedef struct ml3_class_list {
  int count;
  int classes[ML3_CLASSES_MAX];
} ml3_class_list;

/* What tasks of telling classes apart are drawn from. */
typedef struct ml3_classes_settings {
  int ways;                               /* classes a task; the model's outputs */
  ml3_class_list train, validation, test; /* validation may be empty: those of train */
} ml3_classes_settings;

/* A task's samples are spread evenly over its classes; those of the task loss are others than those learned from.
   Takes over the dataset, also on failure. The model's inputs and outputs are set here. */
ml3_problem *ml3_classes_new(const ml3_classes_settings *settings, ml3_dataset *dataset,
                             const ml3_supervised_settings *supervised, ml3_error *error);

/* ---- a table: every task is one group of rows (a `task` column), or random rows ---- */
/* What tasks of a table are drawn from. */
typedef struct ml3_table_settings {
  double validation_share, test_share; /* of the groups, or of the rows; the rest is for meta-training */
  uint64_t split_seed;                 /* which are which */
} ml3_table_settings;

/* Inputs and, in regression, targets are standardised by the rows of meta-training. Takes over the dataset, also on
   failure. The model's inputs and outputs are set here. */
ml3_problem *ml3_table_new(const ml3_table_settings *settings, ml3_dataset *dataset,
                           const ml3_supervised_settings *supervised, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
