/* Evolution strategies: the trainer's other outer gradient. See evolution.c. Internal. */
#ifndef ML3_METALOSS_EVOLUTION_H
#define ML3_METALOSS_EVOLUTION_H

#include "metaloss/trainer.h"

typedef struct ml3_evolution ml3_evolution; /* what a generation needs */

/* Whether the problem and the other settings go with evolution strategies: 0, or ML3_ERR_ARGUMENT with a sentence. */
int ml3_evolution_check(const ml3_problem *problem, const ml3_trainer_settings *settings, ml3_error *error);

int ml3_evolution_make(ml3_trainer *t, ml3_error *error); /* t->evolution, after t's programs and workspaces */
void ml3_evolution_free(ml3_evolution *e, int threads);   /* may be NULL */

/* One update of phi by a generation: an outer step without its bookkeeping. */
int ml3_evolution_step(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error);

/* What was not finite in the first evaluation that failed in the last generation: ml3_trainer_trouble. */
bool ml3_evolution_trouble(const ml3_trainer *t, ml3_error *what);

/* ---- the mathematics ---------------------------------------------------------------------------------------- */

/* A value and where it was. */
typedef struct ml3_ranked {
  double value;
  int at;
} ml3_ranked;

/* shaped[count]: the ranks of values[count], centred: -1/2 for the least, 1/2 for the greatest; equal values share the
   mean of their ranks. room[count] is scratch. All are finite; shaped may be values. */
void ml3_evolution_ranks(const double *values, int count, double *shaped, ml3_ranked *room);

/* values[pairs][2], of phi + eps and phi - eps, from evaluations[pairs][2][tasks], NAN where one failed. By ranks, a
   failed one counts as the worst on its task; with `none` the task is left out of that pair's values, which are NAN where
   no task is left. */
void ml3_evolution_values(const ml3_evolution_settings *s, int tasks, const double *evaluations, double *values);

/* weights[pairs] by which the pairs' eps are summed to the gradient, from those values, which are shaped in place. Returns
   how many pairs have values; the others weigh 0. */
int ml3_evolution_weights(const ml3_evolution_settings *s, double *values, double *weights, ml3_ranked *room);

#endif
