/* A problem: what a learned loss is trained on. A table of functions and sizes; metaloss knows nothing else of it.

     task     one instance of the problem, `task_size` numbers (start states, a goal, samples ...)
     theta_0  the optimizee's initial parameters
     D        data that the features or the task loss need; by default the task itself. A problem that must act to
              get it (rollouts in a simulator) gives `collect`.
     context  numbers shared by all tasks (a learned dynamics model), or none

   A task is an array and no struct: graphs read it as data, batches, checkpoints, replay and ranks move it as numbers, and only
   its problem knows what is in it. What its parts are called stands in one table of blocks beside that problem (blocks.h).

   The three graphs are built once and compiled; their arguments are nodes: theta [1, theta_size],
   data [1, data_size], context [1, context_size]. */
#ifndef ML3_METALOSS_PROBLEM_H
#define ML3_METALOSS_PROBLEM_H

#include "base/outcome.h"
#include "base/random.h"
#include "nn/mlp.h"
#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How far a model that a problem imagines with is off the real thing, on a rollout that it has not learned from. */
typedef struct ml3_model_error {
  double step;    /* of single steps: root mean square, as share of that of the steps' own changes */
  double horizon; /* between where imagined and real rollout end, in the goal's unit */
} ml3_model_error;

/* Steps of the environment, and of a model of it, that a problem takes; 0 where it takes none. */
typedef struct ml3_problem_steps {
  double inner, outer; /* of the environment, for one D and for one D' */
  double model_inner, model_outer; /* of a model, for the features of an inner step and for L_task or its gradient */
  double gather;                   /* of the environment, for one call of `gather` */
  double judge;                    /* the same, for one call of `evaluate` */
  double made;                     /* the same, that the problem took when it was made (to fit a model) */
} ml3_problem_steps;

/* Which tasks are drawn: problems may keep goals, digits or rows of a table apart for each. */
typedef enum ml3_split { ML3_SPLIT_TRAIN, ML3_SPLIT_VALIDATION, ML3_SPLIT_TEST } ml3_split;

typedef struct ml3_problem ml3_problem;
/* A problem: sizes, names and functions. */
struct ml3_problem {
  const char *name;
  int theta_size, task_size, context_size;
  int inner_size, outer_size; /* of D for the inner step and for the task loss; task_size without collect */
  int features;               /* columns of F */
  const char *const *feature_names; /* [features], or NULL: f0, f1 ... */

  /* F(theta; D) -> [rows, features]. */
  ml3_node (*build_features)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                             ml3_node context);
  /* L_task(theta; D') -> [1,1]. */
  ml3_node (*build_task_loss)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                              ml3_node context);
  /* The task's own loss on the inner data D -> [1,1]: what MAML and the task gradient descend. NULL: L_task, for which
     D and D' must be alike. */
  ml3_node (*build_inner_loss)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                               ml3_node context);
  /* L_extra(theta; D') -> [1,1]: extra information at meta-train time; NULL when there is none. */
  ml3_node (*build_extra_loss)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                               ml3_node context);

  /* An expert's targets for that many features, from column `first_target` on, in each row of D -> [rows, targets]: extra
     information at meta-train time for a loss with targets there. NULL: there is no expert. */
  ml3_node (*build_targets)(const ml3_problem *p, ml3_nn_graph *g, ml3_node data);
  int first_target, targets;

  /* Draws a task of that split and initial parameters: task[task_size], theta[theta_size]. Thread-safe. */
  int (*sample)(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                ml3_error *error);

  /* Fresh data under theta: inner[inner_size] when outer is NULL, else outer[outer_size]. NULL: D is the task. */
  int (*collect)(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                 ml3_real *inner, ml3_real *outer, ml3_error *error);

  /* Into D, after collect: how many updates theta has behind it. NULL: nothing depends on that. */
  void (*put_age)(const ml3_problem *p, int64_t updates, ml3_real *inner);

  /* outer[outer_size] out of inner[inner_size], collected under the same theta: the loss after an update is then estimated
     from the data of the next one. NULL: every D' is collected for itself. */
  int (*reuse)(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer, ml3_error *error);

  /* What these numbers of an outcome are called here; NULL: success or distance say nothing, L_task has no other name. */
  const char *success_name, *distance_name, *task_loss_name;

  /* Judges theta on the task. Thread-safe. NULL: task_loss alone is known. */
  int (*evaluate)(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                  ml3_error *error);

  /* Problems that imagine with a model. measure: the model's error on a rollout of theta; thread-safe. NULL: no model. */
  int (*measure)(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_model_error *off,
                 ml3_error *error);

  /* Problems that learn their context while meta-training goes on (all NULL: it does not change); one thread at a time, while
     no other uses the problem. gather: what theta does on the task in the real world is added to what is learned from;
     learn: fits the context to all that was gathered, round = 1, 2 ... keep and restore take all of it. */
  int (*gather)(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_error *error);
  int (*learn)(const ml3_problem *p, int64_t round, ml3_error *error);

  /* Writes the optimizee as a file of its own (safetensors). NULL: there is none. */
  int (*save)(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error);

  /* What was fitted or planned when the problem was made or since (dynamics, normalisation, demonstrations), into a checkpoint and
     back into a problem of the same configuration. Names begin with "problem.". NULL: there is nothing of the kind. */
  int (*keep)(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error);
  int (*restore)(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error);

  /* How the optimizee's inputs are scaled, where the problem measured that when it was made: shift[scaled_inputs] and
     scale[scaled_inputs]. What updates do depends on it, so it goes with the loss (scaling.h). scaled_inputs 0: nothing was
     measured, and both are NULL. */
  int scaled_inputs;
  void (*get_scaling)(const ml3_problem *p, double *shift, double *scale);
  void (*set_scaling)(ml3_problem *p, const double *shift, const double *scale); /* no other may be using the problem */

  ml3_problem_steps steps;

  const ml3_mlp *net; /* the optimizee's network, where theta is one's parameters; else NULL */

  void (*free)(ml3_problem *p);
  const ml3_real *context; /* [context_size] */
  void *user;              /* the problem's own */
};

#ifdef __cplusplus
}
#endif

#endif
