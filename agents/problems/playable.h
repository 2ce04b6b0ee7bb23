/* What a reinforcement-learning problem says of itself to those who compare methods: where its policies act, how its tasks
   look from outside, what an update costs. Adding a kind of problem: a function like the two below. */
#ifndef ML3_AGENTS_PLAYABLE_H
#define ML3_AGENTS_PLAYABLE_H

#include "agents/learn/policy.h"
#include "metaloss/loss.h"
#include "metaloss/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A problem as comparisons see it. */
typedef struct ml3_playable {
  const ml3_problem *problem; /* NULL: there is none */
  const ml3_env_spec *env;
  const ml3_policy *policy;
  int horizon;
  double update_steps;   /* of simulator or model, for one update by a learned loss */
  double gradient_steps; /* the same, for the gradient of the task loss */
  bool in_world;         /* updates see rollouts in the environment itself, not through a model of it */
  bool free_starts;      /* every episode of an update draws its own start */
  bool last_only;        /* the task loss counts the last state alone */

  /* env_task[task_dim] and, where the task says it, start[state_dim]: false, and the environment's reset draws it. */
  bool (*get)(const ml3_problem *problem, const ml3_real *task, double *env_task, double *start);
  /* task[task_size] of that environment's task and start. */
  int (*put)(const ml3_problem *problem, const double *env_task, const double *start, ml3_real *task, ml3_error *error);
  /* The environment's parameters alone: what judging and rollouts in the world then take place in. */
  void (*set_parameters)(const ml3_problem *problem, ml3_real *task, const double *env_task);
  /* What the problem makes of a recorded episode; NULL: its return, distance and success are all there is. */
  void (*judge)(const ml3_problem *problem, const ml3_real *task, const ml3_episode *episode, ml3_outcome *outcome);
  /* M_phi of each step into episode->loss; NULL: it has no value a step. */
  void (*value)(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss, ml3_episode *episode);
} ml3_playable;

ml3_playable ml3_model_based_playable(const ml3_problem *problem); /* of a problem that ml3_model_based_new has made */
ml3_playable ml3_model_free_playable(const ml3_problem *problem);  /* of a problem that ml3_model_free_new has made */

#ifdef __cplusplus
}
#endif

#endif
