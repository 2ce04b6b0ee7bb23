/* The outer loop: batches of tasks over threads, an optimizer on phi, validation, the best loss kept.

   Same seed, same bits, by one build, MuJoCo and instruction set: task i of outer step n draws from the stream
   (seed, TRAIN, i, n); gradients are added in task order by a fixed pairwise tree; a checkpoint holds everything.

   Over several ranks (base/ranks.h) each has a trainer of the same problem and settings: they share out the tasks of a step
   and of a validation, and all end with the same loss, the one that a single rank would have. Every rank calls
   ml3_trainer_step, _validate, _save and _load alike; an answer other than ML3_OK is the same on all of them, unless a rank
   is gone (ML3_ERR_UNAVAILABLE) or cannot write. */
#ifndef ML3_METALOSS_TRAINER_H
#define ML3_METALOSS_TRAINER_H

#include "base/ranks.h"
#include "metaloss/meta.h"
#include "nn/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is the best of all validations. */
typedef enum ml3_select {
  ML3_SELECT_LOSS,
  ML3_SELECT_SUCCESS,
  ML3_SELECT_TASK_LOSS,
  ML3_SELECT_DISTANCE /* the median one */
} ml3_select;

/* How the inputs of a learned loss are shifted and scaled to mean 0 and deviation 1. */
typedef enum ml3_normalize {
  ML3_NORMALIZE_NONE,
  ML3_NORMALIZE_FIRST, /* by the initial optimizees' features on the first tasks, once */
  ML3_NORMALIZE_RUNNING /* from there on by all features seen, theta_0 .. theta_{K-1} of every task: each outer step moves
                           it less */
} ml3_normalize;

/* What is done about a task of an outer step whose numbers become NaN or infinite. */
typedef enum ml3_numerics {
  ML3_NUMERICS_SKIP,  /* it is left out of the batch, and counted */
  ML3_NUMERICS_STOP,  /* the outer step fails, and the loss is as it was */
  ML3_NUMERICS_REDUCE /* it is tried again with half the inner step size, up to four times, then left out; counted too */
} ml3_numerics;

/* How the outer gradient is made. */
typedef enum ml3_outer_gradient {
  ML3_GRADIENT_EXACT,    /* through the inner steps: meta.h */
  ML3_GRADIENT_EVOLUTION /* from the values of perturbed losses: evolution.c */
} ml3_outer_gradient;

/* What evolution strategies weigh perturbations by. */
typedef enum ml3_evolution_shape {
  ML3_SHAPE_RANKS, /* ranks of the values in the generation, from -1/2 (best) to 1/2 */
  ML3_SHAPE_NONE   /* the values themselves */
} ml3_evolution_shape;

/* Settings of evolution strategies. */
typedef struct ml3_evolution_settings {
  int pairs;        /* of perturbations +eps and -eps, in a generation, which is an outer step; >= 1 */
  double deviation; /* of a perturbation's entries */
  ml3_evolution_shape shape;
} ml3_evolution_settings;

/* The outer loop's settings. */
typedef struct ml3_trainer_settings {
  ml3_meta_settings meta; /* its batch is not looked at */
  ml3_nn_optimizer_settings optimizer; /* its steps are updates of phi: outer steps times ml3_trainer_epochs */
  ml3_outer_gradient gradient;
  ml3_evolution_settings evolution; /* for ML3_GRADIENT_EVOLUTION */
  uint64_t seed;
  int threads;           /* 0: all cores, or OMP_NUM_THREADS */
  int tasks;             /* a batch, one outer step */
  int epochs; /* updates of phi by the data of an outer step, which is collected once; 0 or 1: one. Without effect on a
                           problem that collects none */
  double task_clip_norm; /* each task's exact meta-gradient is clipped to this norm before the mean; 0: not */
  ml3_normalize normalize;
  ml3_numerics numerics;
  int lifetime; /* outer steps that a task and its optimizee live: each goes on from where the last left theta and
                           velocity. 0 or 1: drawn anew each step */
  int validation_tasks; /* fixed, from the stream VALIDATION */
  int validation_steps; /* updates in validation; the objective is then the loss after the last. 0: as in training */
  ml3_select select;    /* best by validation objective, by success and then objective, or by the task loss as judged */
  int gather_every; /* outer steps between rounds of data for problems that learn a model: before steps gather_every, 2
                           gather_every ... 0: never */
  int gather_tasks; /* tasks of a round: theta_0 .. theta_K of each are rolled out in the real world */
  int patience;     /* validations without a new best after which ml3_trainer_stale says so; 0: never */
  bool from_checkpoint;   /* ml3_trainer_load follows: no task is drawn before, since the problem may be empty till then */
  const ml3_ranks *ranks; /* kept; NULL: there is one */
} ml3_trainer_settings;

typedef struct ml3_trainer ml3_trainer; /* the outer loop's state */

/* What an outer step or a validation found; means over tasks. */
typedef struct ml3_trainer_report {
  int64_t outer_step;   /* done so far */
  double objective;     /* J of the batch (step) or of the validation tasks */
  double gradient_norm; /* before clipping */
  double inner_rate;
  int evaluations;        /* tasks of the batch or of the validation; of a generation, perturbed losses times tasks */
  int skipped;            /* those of them left out because their numbers were not finite */
  int reduced;            /* tasks taken with a smaller inner step size (ML3_NUMERICS_REDUCE) */
  ml3_outcome outcome;    /* validation only: after K inner steps. Success is of all tasks, a failed one has none; the other
                             means are of the tasks that did not fail, NAN when all did */
  double median_distance; /* validation only: of all tasks, a failed one is infinitely far off */
  ml3_model_error model;  /* validation only: means over tasks; NAN without a model */
  bool is_best;           /* validation only: this loss is now the best */
} ml3_trainer_report;

/* Updates of phi in an outer step: `epochs` where the problem collects data that can serve them, else one. */
int ml3_trainer_epochs(const ml3_problem *problem, int epochs);

/* Keeps the pointer to problem. The loss starts from the stream (seed, INIT). */
ml3_trainer *ml3_trainer_new(const ml3_problem *problem, const ml3_trainer_settings *settings, ml3_error *error);
void ml3_trainer_free(ml3_trainer *trainer);

/* What was not finite in the first task that the last outer step left out or took with a smaller step: a sentence that names
   outer step, task, quantity and inner step. False when there was none. */
bool ml3_trainer_trouble(const ml3_trainer *trainer, ml3_error *what);

/* One outer step. Tasks whose numbers are not finite are treated as settings.numerics says; when more than half are left
   out, or the sum is not finite, phi stays as it was and the answer is ML3_ERR_NUMERIC with a sentence. */
int ml3_trainer_step(ml3_trainer *trainer, ml3_trainer_report *report, ml3_error *error);

/* Judges the present loss on the validation tasks and remembers it when it is the best so far. */
int ml3_trainer_validate(ml3_trainer *trainer, ml3_trainer_report *report, ml3_error *error);

/* Early stop: have so many validations gone by without a new best? */
bool ml3_trainer_stale(const ml3_trainer *trainer);

const ml3_loss *ml3_trainer_loss(const ml3_trainer *trainer);      /* present */
const ml3_loss *ml3_trainer_best_loss(const ml3_trainer *trainer); /* best validated; present before any validation */
const ml3_trainer_report *ml3_trainer_best_report(const ml3_trainer *trainer); /* NULL before any validation */
const ml3_meta *ml3_trainer_meta(const ml3_trainer *trainer);                  /* its programs, for batches of one */
int64_t ml3_trainer_outer_step(const ml3_trainer *trainer);                    /* outer steps done so far */

/* Steps of the environment and of a model of it that so many outer steps of meta-training take, rollouts for inner steps,
   for task losses and for learning the model; validation is not counted, nor what is computed twice. */
void ml3_trainer_count_steps(const ml3_problem *problem, const ml3_trainer_settings *settings, int64_t outer_steps,
                             double *environment, double *model);

/* Everything to go on with the same bits, as nn/checkpoint.h writes it: parameters, optimizer, counters, normalisation,
   optimizees that live on, the best so far, and what the problem has fitted. Loading checks that the file is whole and fits
   this problem and these settings. Of several ranks the first writes, and all read. ml3_nn_checkpoint_find tells which of
   two generations is to be loaded. */
int ml3_trainer_save(const ml3_trainer *trainer, const char *path, ml3_error *error);
int ml3_trainer_load(ml3_trainer *trainer, const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
