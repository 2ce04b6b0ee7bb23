/* What model_free.c (making, tasks, judging), model_free_graphs.c (what is differentiated) and model_free_rollouts.c (what is
   collected) share.

   Rows of rollouts are time steps, time-major. */
#ifndef ML3_AGENTS_MODEL_FREE_INTERNAL_H
#define ML3_AGENTS_MODEL_FREE_INTERNAL_H

#include "agents/problems/model_free.h"
#include "metaloss/blocks.h"

/* What the learned loss may see, in this order. Adding one: a name, its width and its node. */
enum { SEES_STATE, SEES_MEAN, SEES_LOG_STD, SEES_LOG_PROB, SEES_CREDIT, SEES_GOAL, SEES_ACTION, FEATURES };

enum { NAME = 48 };

/* An expert's episode: what it saw, as the policy sees it, what it did, and how each step counts; all 0 where there is none. */
enum { DEMONSTRATION_X, DEMONSTRATION_ACTION, DEMONSTRATION_WEIGHT, DEMONSTRATION_BLOCKS };

/* A task. */
enum {
  TASK_PARAMETERS /* of the environment */,
  TASK_GOAL,
  TASK_DEMONSTRATION,
  TASK_BLOCKS = TASK_DEMONSTRATION + DEMONSTRATION_BLOCKS
};

/* D: rollouts to learn from. */
enum {
  INNER_X,
  INNER_ACTION,
  INNER_CREDIT,
  INNER_ADVANTAGE,
  INNER_LOG_PROB, /* when it was drawn */
  INNER_GOAL,
  INNER_TARGETS, /* an expert's actions, where it labels the states of an update */
  INNER_MEAN, /* of the policy that drew; this and what follows for rows of entries */
  INNER_LOG_STD,
  INNER_RETURN, /* rewards to go, standardised */
  INNER_TD,     /* generalised advantages of other lambdas: 0, 0.7 and 1 */
  INNER_SHORT,
  INNER_LONG,
  INNER_TIME, /* share of the episode gone */
  INNER_AGE,  /* one number: updates k that the policy has behind it, as k / (k + 10) */
  INNER_REWARD,        /* of the step; this and the next for rows of entries with states */
  INNER_REWARD_CHANGE, /* since the step before, a second; 0 in an episode's first */
  INNER_BLOCKS
};

/* D': rollouts to judge by, and what the extra information needs. */
enum {
  OUTER_X,
  OUTER_ACTION,
  OUTER_ADVANTAGE,
  OUTER_LOG_PROB,
  OUTER_EXPLORATION, /* advantages of the rewards of an exploration goal */
  OUTER_ADVICE,      /* an expert's actions */
  OUTER_DEMONSTRATION,
  OUTER_BLOCKS = OUTER_DEMONSTRATION + DEMONSTRATION_BLOCKS
};

/* Environments and buffers of one thread, handed out by a list. */
typedef struct workspace workspace;
struct workspace {
  ml3_sampler *inner, *outer;
  ml3_rollout *inner_rollout, *outer_rollout;
  ml3_real *extra_reward;            /* [outer rows] */
  ml3_real *value, *zeros, *returns; /* [rows of the larger] for advantages */
  double *fit;                       /* of the baseline */
  workspace *next;
};

/* The problem: its settings, what the loss sees, how its numbers lie, idle workspaces. */
typedef struct model_free {
  ml3_problem problem;
  ml3_model_free_settings settings;
  bool sees[FEATURES];
  char (*names)[NAME]; /* of the columns that it sees; name_list: the same, as the problem has them */
  const char **name_list;
  double *extra_goal; /* settings.extra_goal's copy, or NULL */
  workspace *idle;
  ml3_block task[TASK_BLOCKS], inner[INNER_BLOCKS], outer[OUTER_BLOCKS];
  ml3_demonstrations *demonstrations; /* owned, or NULL */
  ml3_expert *expert;                 /* owned, or NULL */
} model_free;
static inline const model_free *self(const ml3_problem *p) {
  return p->user;
}

static inline int inner_rows(const model_free *m) {
  return m->settings.rollouts * m->settings.horizon;
}
static inline int outer_rows(const model_free *m) {
  return m->settings.outer_rollouts * m->settings.horizon;
}
static inline bool by_entries(const model_free *m) {
  return m->settings.rows != ML3_ROWS_STEPS;
}
/* Does an expert say what it would do in the states of an update's episodes? */
static inline bool advises_updates(const model_free *m) {
  return m->settings.extra == ML3_MODEL_FREE_ADVICE && (m->settings.expert_targets || m->settings.reuse);
}
static inline bool with_states(const model_free *m) {
  return m->settings.rows == ML3_ROWS_ENTRIES_STATES;
}
static inline int inputs(const model_free *m) {
  return m->settings.policy.net.inputs;
}
static inline int actions(const model_free *m) {
  return m->settings.policy.action_dim;
}

/* model_free_graphs.c: as ml3_problem's */
int ml3_model_free_feature_width(const model_free *m, int feature);
ml3_node ml3_model_free_build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                       ml3_node context);
ml3_node ml3_model_free_build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context);
ml3_node ml3_model_free_build_inner_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                         ml3_node context);
ml3_node ml3_model_free_build_exploration(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                          ml3_node context);
ml3_node ml3_model_free_build_energy(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context);
ml3_node ml3_model_free_build_advice(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                     ml3_node context);
ml3_node ml3_model_free_build_targets(const ml3_problem *p, ml3_nn_graph *g, ml3_node data);
ml3_node ml3_model_free_build_imitation(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context);

/* model_free_entries.c */
int ml3_model_free_name_entries(model_free *m, ml3_error *error); /* the problem's features */
ml3_node ml3_model_free_build_entries(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                      ml3_node context);
ml3_node ml3_model_free_build_entry_targets(const ml3_problem *p, ml3_nn_graph *g, ml3_node data);
void ml3_model_free_put_entries(const model_free *m, const ml3_rollout *r, ml3_real *inner); /* all but the advantages */
void ml3_model_free_put_age(const ml3_problem *p, int64_t updates, ml3_real *inner);

/* model_free_checkpoint.c: as ml3_problem's */
int ml3_model_free_keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error);
int ml3_model_free_restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error);
void ml3_model_free_get_scaling(const ml3_problem *p, double *shift, double *scale);
void ml3_model_free_set_scaling(ml3_problem *p, const double *shift, const double *scale);

/* model_free_rollouts.c */
void ml3_model_free_free_workspace(workspace *w);                                /* may be NULL */
workspace *ml3_model_free_take_workspace(const model_free *m, ml3_error *error); /* idle or new; NULL with a sentence */
void ml3_model_free_return_workspace(const model_free *m, workspace *w);
int ml3_model_free_collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error);
int ml3_model_free_reuse(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer,
                         ml3_error *error);

#endif
