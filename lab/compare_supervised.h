/* Comparisons on problems without an environment: learned losses and starts beside the task's own loss (metaloss/meta_test.h), seed
   by seed, in one table. */
#ifndef ML3_LAB_COMPARE_SUPERVISED_H
#define ML3_LAB_COMPARE_SUPERVISED_H

#include "lab/comparison.h"
#include "metaloss/meta_test.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The outcome. */
typedef struct ml3_lab_supervised {
  ml3_meta_test *all; /* the tasks of each seed, one seed behind the other */
  int seeds, step_count;
  bool runs_differ;    /* each seed has runs of its own: then a seed is one sample, else a task is */
  ml3_problem problem; /* for its names alone */
} ml3_lab_supervised;

/* *supervised: is this the folder of a run on such a problem? An error when it is a run whose configuration cannot be read. */
int ml3_lab_run_find_supervised(const char *folder, bool *supervised, ml3_error *error);

/* Judges the losses of the runs that the settings name, `with` and `label` with commas between several, on held-out tasks. The
   first run's configuration with `sets` over it is that of all. NULL with a sentence. */
ml3_lab_supervised *ml3_lab_compare_supervised(const ml3_lab_compare_settings *settings, ml3_error *error);
void ml3_lab_supervised_free(ml3_lab_supervised *supervised); /* may be NULL */

ml3_lab_table *ml3_lab_supervised_table(const ml3_lab_supervised *s); /* freed by the caller; NULL without memory */
/* Lines below the table, into text[size]. */
void ml3_lab_supervised_legend(const ml3_lab_supervised *s, char *text, size_t size);
/* Sentences on the best method and the best of the others, by task loss and by success, into text[size]. */
void ml3_lab_supervised_conclusion(const ml3_lab_supervised *s, char *text, size_t size);
/* comparison.csv, .md and comparison_tasks.csv in a folder that exists; comparison.png and .svg. */
int ml3_lab_supervised_save(const ml3_lab_supervised *s, const char *folder, ml3_error *error);
int ml3_lab_supervised_plot(const ml3_lab_supervised *s, const char *folder, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
