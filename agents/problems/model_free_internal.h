/* What model_free.c (making, tasks, judging), model_free_graphs.c (what is differentiated) and model_free_rollouts.c (what is
   collected) share.

   A task's numbers: the environment's task [task_dim], the goal [goal_dim], the number of its demonstration, or 0 where an expert
   guides, else -1.
   D  is blocks of rows, one a time step, time-major: x [rows][inputs], action [rows][m], credit [rows],
      advantage [rows], log-probability as drawn [rows], then goal [goal_dim] and, where the loss's targets are taught, what
      the expert would do [rows][m].
   D' is x, action, advantage [rows], log-probability [rows], then what the extra information needs. */
#ifndef ML3_AGENTS_MODEL_FREE_INTERNAL_H
#define ML3_AGENTS_MODEL_FREE_INTERNAL_H

#include "agents/problems/model_free.h"

/* What the learned loss may see, in this order. Adding one: a name, its width and its node. */
enum { SEES_STATE, SEES_MEAN, SEES_LOG_STD, SEES_LOG_PROB, SEES_CREDIT, SEES_GOAL, SEES_ACTION, FEATURES };

enum { MAX_COLUMNS = 3 * ML3_POLICY_MAX_OBS, NAME = 48 };

/* Environments of one thread, handed out by a list. */
typedef struct crew crew;
struct crew {
  ml3_sampler *inner, *outer, *guide; /* guide: an expert's; NULL: none */
  ml3_rollout *inner_rollout, *outer_rollout, *guide_rollout;
  ml3_real *extra_reward;            /* [outer rows] */
  ml3_real *value, *zeros, *returns; /* [rows of the larger] for advantages */
  double *fit;                       /* of the baseline */
  crew *next;
};

/* The problem: its settings, what the loss sees, idle crews. */
typedef struct model_free {
  ml3_problem problem;
  ml3_model_free_settings settings;
  bool sees[FEATURES];
  char names[MAX_COLUMNS][NAME];
  const char *name_list[MAX_COLUMNS];
  crew *idle;
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
static inline int inputs(const model_free *m) {
  return m->settings.policy.net.inputs;
}
static inline int actions(const model_free *m) {
  return m->settings.policy.action_dim;
}
static inline int demo_steps(const model_free *m) {
  return m->settings.demonstrations->steps;
}

static inline int advantage_offset(const model_free *m) {
  return outer_rows(m) * (inputs(m) + actions(m));
}
static inline int old_offset(const model_free *m) {
  return advantage_offset(m) + outer_rows(m);
}
static inline int extra_offset(const model_free *m) {
  return old_offset(m) + outer_rows(m);
}
static inline int targets_offset(const model_free *m) {
  return inner_rows(m) * (inputs(m) + actions(m) + 3) + m->settings.env->goal_dim;
}
static inline const ml3_real *task_goal(const model_free *m, const ml3_real *task) {
  return task + m->settings.env->task_dim;
}
static inline int task_demonstration(const model_free *m, const ml3_real *task) {
  return (int)task[m->settings.env->task_dim + m->settings.env->goal_dim];
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

/* model_free_rollouts.c */
void ml3_model_free_free_crew(crew *c); /* may be NULL */
crew *ml3_model_free_take_crew(const model_free *m,
                               ml3_error *error); /* an idle one, or a new one; NULL with a sentence */
void ml3_model_free_return_crew(const model_free *m, crew *c);
int ml3_model_free_collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error);
int ml3_model_free_reuse(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer,
                         ml3_error *error);

#endif
