/* Samples from files: MNIST-format IDX, CSV. What is wrong with a file is told with its name and, where there is one, its
   line, and nothing is kept of it. */
#ifndef ML3_METALOSS_DATASET_H
#define ML3_METALOSS_DATASET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/real.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of inputs and targets, in memory. */
typedef struct ml3_dataset {
  int rows, inputs, outputs; /* outputs: columns of y; 1 for classes */
  int classes;               /* 0: regression; else y holds class numbers 0 .. classes - 1 */
  int groups;                /* what the `task` column tells apart; 0: there is none */
  int unnamed;               /* columns of a CSV file that have no name, as row numbers of other programs; left out */
  ml3_real *x;               /* [rows][inputs] */
  ml3_real *y;               /* [rows][outputs] */
  int *group;                /* [rows], NULL without groups */
} ml3_dataset;

void ml3_dataset_free(ml3_dataset *dataset); /* may be NULL */

/* Images and labels in IDX format (unsigned bytes). Values become 0 .. 1 by the greatest in the file; blocks of pool x pool
   pixels become their mean (1: none). Labels of `classes` or more are an error. */
ml3_dataset *ml3_idx_read(const char *images, const char *labels, int classes, int pool, ml3_error *error);

/* The 1,797 handwritten digits of 8 x 8 that come with the library (data/README.md). */
ml3_dataset *ml3_digits(ml3_error *error);

/* Which columns of a CSV file are what. Names are those of its first line; none may stand there twice. */
typedef struct ml3_csv_columns {
  const char *const *inputs; /* no targets; empty: all that have a name and are not targets or the task */
  int input_count;
  const char *const *targets;
  int target_count;
  const char *task;    /* "" or NULL: none */
  bool classification; /* one target: its distinct texts, in order, are the classes */
  int classes;         /* the target is a number 0 .. classes - 1; 0: take what there is */
} ml3_csv_columns;

/* Separated by commas, semicolons or tabs, whichever the first line has; double quotes as in RFC 4180. */
ml3_dataset *ml3_csv_read(const char *path, const ml3_csv_columns *columns, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
