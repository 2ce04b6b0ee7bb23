/* Methods side by side on the same held-out tasks: of a run, of several runs, or of an environment alone. See
   agents/compare/compare.h for what is compared; here it is opened by name, repeated over seeds, and put into rows. */
#ifndef ML3_LAB_COMPARISON_H
#define ML3_LAB_COMPARISON_H

#include "agents/compare/compare.h"
#include "lab/callbacks.h"
#include "lab/statistics.h"
#include "lab/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to compare. Texts are kept by whoever gives them. */
typedef struct ml3_lab_compare_settings {
  const char *
      name; /* a run's folder, zoo:NAME, a folder of seeds, RUN with {seed} in it for a run a seed, or an environment */
  const char *with, *label; /* a second run of the same environment, and what it is called; NULL: none, its method */
  const char *const *sets;  /* "key=value"[set_count] over the run's configuration; test.* say on how many tasks */
  const char *const
      *methods; /* names[method_count] (agents/compare/method.h); none: those that a run or an environment has */
  const char *reference; /* the method, by name or by a row's name, that p values are against; NULL: none */
  int set_count, method_count, seeds; /* seeds: of tasks, or of runs; 0: one */
  long budget; /* most steps of simulator or model that a method may take on a task; 0: no bound */
  ml3_compare_error errors[ML3_COMPARE_MAX_ERRORS]; /* what the world has otherwise than models say */
  int error_count;
  int transitions,
      transitions_hold;    /* random ones that a learned model is fitted to, actions held so long; 0: 2000, 5 */
  bool transitions_states; /* from states uniform within their bounds instead of in episodes */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_compare_settings;

/* A method; where it learns by updates, at one number of them that is of interest. */
typedef struct ml3_lab_comparison_row {
  const ml3_compare_series *series;
  int updates; /* -1: the last point */
  char name[96];
} ml3_lab_comparison_row;

/* A number of a judged trial. */
typedef enum ml3_lab_quantity {
  ML3_LAB_SUCCESS,  /* at the goal in the last state, 0 to 1 */
  ML3_LAB_RETURN,   /* of the judged episode */
  ML3_LAB_DISTANCE, /* to the goal in its last state */
  ML3_LAB_TASK_LOSS,
  ML3_LAB_STEPS,   /* of simulator or model, for learning and planning on the task */
  ML3_LAB_SECONDS, /* for the same */
  ML3_LAB_UPDATES,
  ML3_LAB_PASSED, /* at the goal in any state */
  ML3_LAB_QUANTITIES
} ml3_lab_quantity;

/* The outcome. */
typedef struct ml3_lab_comparison {
  ml3_compare *compare; /* tasks of seed 0, of seed 1 ... */
  ml3_compare_settings settings;
  int seeds;
  bool runs_differ; /* each seed has a run of its own: then a seed is one sample, else a task is */
  bool no_goal;     /* of the environment: there is no success, and no distance */
  const char *reference;
  ml3_lab_comparison_row *rows;
  int count;
  struct ml3_lab_compared *first; /* what seed 0 was compared on, for ml3_lab_comparison_rollouts; NULL: not kept */
} ml3_lab_comparison;

/* names[*count] of the methods that are compared where none are asked for. */
const char *const *ml3_lab_compare_methods(bool has_run, int *count);

/* Runs the comparison. NULL with a sentence; ML3_ERR_INTERRUPTED where a callback said so. */
ml3_lab_comparison *ml3_lab_compare(const ml3_lab_compare_settings *settings, ml3_error *error);
void ml3_lab_comparison_free(ml3_lab_comparison *comparison);

/* The rows of series that are there already; `comparison` has the rest. ML3_ERR_MEMORY without memory. */
int ml3_lab_comparison_fill_rows(ml3_lab_comparison *comparison);

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

/* A trial without a point, or whose return is not finite, failed: it has no success, did not pass, and has no return, distance
   or loss (NAN, which intervals and tests leave out). */
double ml3_lab_comparison_value(const ml3_compare_point *point, ml3_lab_quantity q);
int ml3_lab_comparison_failures(const ml3_lab_comparison *c,
                                const ml3_lab_comparison_row *row); /* trials that failed */

/* x[c->compare->tasks] of one quantity; its mean and 95 % interval over tasks and seeds (statistics.h). */
void ml3_lab_comparison_values(const ml3_lab_comparison *c, const ml3_lab_comparison_row *row, ml3_lab_quantity q,
                               double *x);
ml3_lab_interval ml3_lab_comparison_interval(const ml3_lab_comparison *c, ml3_lab_quantity q, const double *x);

/* The row that is the reference: by the name of its method (at the most updates), or by its label; NULL: none is. */
const ml3_lab_comparison_row *ml3_lab_comparison_reference(const ml3_lab_comparison *c);

/* ---- tables and episodes ------------------------------------------------------------------------------------------ */

/* *shown: as a person reads it; *numbers: all of them. Freed by the caller. */
int ml3_lab_comparison_tables(const ml3_lab_comparison *c, ml3_lab_table **shown, ml3_lab_table **numbers,
                              ml3_error *error);

/* Lines below the table that say what was compared and what its columns mean, into text[size]. */
void ml3_lab_comparison_legend(const ml3_lab_comparison *c, char *text, size_t size);

/* What the comparison says, into text[size]: the best method by success and by return with the environment steps it took, and
   the learned loss (where it is the best, the next method) beside it. */
void ml3_lab_comparison_conclusion(const ml3_lab_comparison *c, char *text, size_t size);

/* comparison.csv, .md (with the conclusion below the table), .tex and comparison_tasks.csv in a folder that exists. */
int ml3_lab_comparison_save(const ml3_lab_comparison *c, const char *folder, ml3_error *error);

/* Bars of success, and success and return by steps taken, into the folder: comparison.png, comparison_success.png,
   comparison_return.png and the same as .svg. ML3_ERR_UNAVAILABLE without gnuplot. */
int ml3_lab_comparison_plot(const ml3_lab_comparison *c, const char *folder, ml3_error *error);

/* Each method's episode on one task of seed 0, at its last point: see ml3_compare_rollouts. */
int ml3_lab_comparison_rollouts(const ml3_lab_comparison *c, int task, ml3_episode **episodes, int capacity,
                                ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
