/* What the trainer's files share: trainer_make.c, trainer_draws.c (random numbers), trainer.c (an outer step), evolution.c (one by evolution
   strategies), trainer_features.c (normalisation), trainer_validation.c, trainer_ranks.c and trainer_checkpoint.c. */
#ifndef ML3_METALOSS_TRAINER_INTERNAL_H
#define ML3_METALOSS_TRAINER_INTERNAL_H

#include "metaloss/evolution.h"
#include "metaloss/scaling.h"
#include "metaloss/trainer.h"

/* One task of a batch: where it starts and what came of it. */
typedef struct batch_task {
  ml3_real *task, *theta, *gradient; /* the gradient is its unit's; in validation, theta_K */
  double *moments;                   /* its unit's: sums, sums of squares [inputs each], number of rows; or NULL */
  double objective;
  ml3_outcome outcome;
  ml3_model_error model;
  int code;
  int halved;      /* times that its inner step size was */
  ml3_error error; /* of the first try */
} batch_task;

typedef struct batch {
  batch_task *items;
  int count, unit;  /* tasks, in all and in a unit */
  ml3_real *memory; /* all tasks, all theta, then a gradient a unit */
  double *moments;  /* a unit each, or NULL */
} batch;

/* Running mean and sum of squared deviations of what the loss's network sees. */
typedef struct running {
  double count, *mean, *squares; /* [inputs] */
} running;

/* Optimizees that live for several outer steps. */
typedef struct lifetimes {
  int64_t *birth;     /* [tasks] outer step; -1: draw it anew */
  ml3_real *theta;    /* [tasks][theta_size] */
  ml3_real *velocity; /* the same; NULL without momentum */
} lifetimes;

struct ml3_trainer {
  const ml3_problem *problem;
  ml3_trainer_settings settings;
  ml3_meta *meta, *unit_meta; /* of one task; of a unit, NULL when that is one task */
  ml3_meta *long_meta;        /* of one task with validation_steps updates, NULL when they are as many as in training */
  ml3_loss *loss, *best;
  ml3_nn_optimizer optimizer;
  ml3_meta_work **works, **unit_works, **long_works; /* [threads] */
  ml3_real **pieces;  /* [threads][loss size] a task's gradient, when a unit is taken apart */
  ml3_real *received; /* [loss size] another rank's sum; NULL without ranks */
  double *shared;     /* what ranks tell each other of tasks; NULL without */
  int threads;
  batch train, validation;
  running running;
  lifetimes lifetimes;
  ml3_evolution *evolution; /* NULL where the gradient is exact */
  ml3_real *stored; /* [tasks][data size] where data serve several epochs, else NULL */
  int epochs;       /* >= 1 */
  int64_t outer_step, tried_step; /* done so far; the one that the batch is of */
  bool has_best;
  int64_t stale; /* validations since the best */
  ml3_trainer_report best_report;
};

/* trainer_draws.c */
typedef enum ml3_draws {
  ML3_DRAWS_LOSS,           /* the initial loss */
  ML3_DRAWS_START,          /* the optimizee at which a learned start begins */
  ML3_DRAWS_FIRST_FEATURES, /* tasks whose features give shift and scale */
  ML3_DRAWS_TASK,           /* a task of an outer step. One that goes on learning is that of the step at which it was drawn, while
                               its data come from the stream of the present step */
  ML3_DRAWS_GATHER,         /* a task of a round of data for a learned model */
  ML3_DRAWS_PERTURBATION,   /* of phi, a pair's: its entries in their order */
  ML3_DRAWS_VALIDATION
} ml3_draws;
ml3_random ml3_trainer_stream(const ml3_trainer *t, ml3_draws phase, int i, int64_t outer_step);
/* Task i of that phase and its optimizee into b; *random goes on behind them. */
int ml3_trainer_draw(const ml3_trainer *t, ml3_draws phase, int i, int64_t outer_step, batch_task *b, ml3_random *random,
                     ml3_error *error);

/* trainer_make.c: the scaling that the problem has measured, or that a checkpoint has brought back, into the losses */
int ml3_trainer_keep_scaling(ml3_trainer *t, ml3_error *error);

/* trainer_features.c */
enum { ML3_TRAINER_FIRST_TASKS = 32 };
int ml3_trainer_first_features(ml3_trainer *t, ml3_error *error);             /* shift and scale from the first tasks */
void ml3_trainer_clear_moments(const batch_task *b, const ml3_loss *loss);    /* of b's unit */
void ml3_trainer_add_moments(const batch_task *b, const ml3_meta_work *work); /* of work's last meta-gradient */
void ml3_trainer_merge_moments(ml3_trainer *t); /* the batch's into the running ones, and shift and scale from these */

/* trainer_gather.c: a round of data and learning from it, when there is one before the next outer step */
int ml3_trainer_gather(ml3_trainer *t, ml3_error *error);

enum { ML3_TRAINER_SHARED = 11 }; /* numbers of a task that ranks share, at most */

/* trainer_ranks.c: over several ranks, an allgather of what their tasks have come to */
int ml3_trainer_share_batch(
    ml3_trainer *t, batch *b,
    ml3_error *error); /* codes, objectives, outcomes, moments; sentences of the first with trouble */
int ml3_trainer_sum_gradients(ml3_trainer *t, ml3_error *error);     /* allreduce: items[0].gradient of all units */
int ml3_trainer_share_lives(const ml3_trainer *t, ml3_error *error); /* before a checkpoint */

/* trainer.c: one update of phi. When the gradient's norm, which the report gets, is not finite, phi stays as it was. */
int ml3_trainer_update(ml3_trainer *t, const ml3_real *gradient, ml3_trainer_report *report, ml3_error *error);

/* Mean over the tasks that succeeded; their number is returned. */
int ml3_trainer_mean_objective(const batch *b, double *objective);
const batch_task *ml3_trainer_first_trouble(const batch *b); /* a failure or smaller steps; or NULL */
const batch_task *ml3_trainer_first_failure(const batch *b); /* that is not one of numbers, else of any kind; or NULL */

#endif
