/* What the files of the model-based problem share: model_based.c (tasks, making), model_based_graph.c (rollouts and losses as
   graphs), model_based_judge.c (episodes in the real environment),
   model_based_learn.c (the model's error, and learning it).

   Rows of a rollout are time-major: all starts at t = 0, all starts at t = 1 ... */
#ifndef ML3_AGENTS_MODEL_BASED_INTERNAL_H
#define ML3_AGENTS_MODEL_BASED_INTERNAL_H

#include "agents/problems/model_based.h"
#include "metaloss/blocks.h"

typedef struct ml3_model_check ml3_model_check; /* programs that measure the model's error */

/* A task, which is D and D' as well. */
enum {
  TASK_STARTS, /* states [starts][n] */
  TASK_GOAL,
  TASK_PARAMETERS, /* what the environment calls the task of each start, [starts][task_dim] */
  TASK_EXPERT_OBS, /* an expert's path: [H][obs_dim], its actions [H][m] and how each step counts [H]; all 0 where the */
  TASK_EXPERT_ACTION, /* task has none */
  TASK_EXPERT_WEIGHT,
  TASK_BLOCKS
};

/* D of recorded rollouts. */
enum { RECORDED_STATES /* [(H + 1) * starts][n] */, RECORDED_GOAL, RECORDED_BLOCKS };

typedef struct model_based {
  ml3_problem problem;
  ml3_block task[TASK_BLOCKS], recorded[RECORDED_BLOCKS];
  ml3_model_based_settings settings;
  const ml3_dynamics *dynamics;
  ml3_geometry geometry;
  const char **names; /* of the features; the last ones point into made_names */
  char (*made_names)[ML3_LOSS_NAME_MAX];
  double *extra_goal;                 /* settings.extra_goal's copy, or NULL */
  void *env;                          /* owned, or NULL */
  ml3_ensemble *ensemble;             /* owned, or NULL */
  ml3_demonstrations *demonstrations; /* owned, or NULL */

  /* Of a model that is learned on the way. */
  ml3_transitions *transitions; /* owned, or NULL */
  ml3_ensemble_fit_settings fit;
  ml3_model_check *check; /* made when it is first needed */
} model_based;

static inline const model_based *ml3_model_based_self(const ml3_problem *p) {
  return p->user;
}

static inline ml3_real *ml3_model_based_state(const model_based *m, const ml3_real *task, int start) {
  return ml3_block_in(m->task[TASK_STARTS], task) + start * m->settings.env->state_dim;
}
static inline ml3_real *ml3_model_based_goal(const model_based *m, const ml3_real *task) {
  return ml3_block_in(m->task[TASK_GOAL], task);
}
static inline ml3_real *ml3_model_based_env(const model_based *m, const ml3_real *task, int start) {
  return ml3_block_in(m->task[TASK_PARAMETERS], task) + start * m->settings.env->task_dim;
}

/* model_based_graph.c */
ml3_node ml3_model_based_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context);
ml3_node ml3_model_based_recorded_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                           ml3_node context); /* D: recorded */
ml3_node ml3_model_based_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                   ml3_node context);
ml3_node ml3_model_based_extra_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                    ml3_node context);

ml3_node ml3_model_based_rollout_states(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context); /* [(H + 1) * starts, n] */

/* model_based_learn.c */
int ml3_model_based_measure(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_model_error *off,
                            ml3_error *error);
int ml3_model_based_keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error);
int ml3_model_based_restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error);
void ml3_model_check_free(ml3_model_check *check);

/* model_based_judge.c */
int ml3_model_based_evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                             ml3_error *error);
int ml3_model_based_record(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error); /* `collect` of recorded rollouts */

#endif
