/* Model-based RL with a learned loss: rollouts through a differentiable model, differentiated by
   back-propagation through time.

     features, one row a time step   [o_t, u_t, distance of s_H to the goal (detached)], and where o tells the goal, the way d
                                     to it from s_t and from s_H (detached), tanh(d / near), velocities at s_H
                                     (detached), and t / H
     L_task                          trajectory: || S_{from..H} - goal ||_F        final: || s_H - goal ||_2
                                     reach: mean over t = from..H of (distance of place t to the goal + w_v ||v_t||^2)
                                     + w_u mean ||u_t||^2, u in half widths of its bounds
     L_extra                         exploration goal: || S_{0..until-1} - g_x ||_F;  energy: mean ||u_t||^2;
                                     demonstrations: mean ||u(o_t) - expert's u_t||^2 along the expert's path, whose task
                                     the training task is

   o is the observation, s - goal is of what geometry.h says is held against the goal: the state, or the reacher's fingertip.

   A task: one task drawn from the environment's ranges (goal, masses ...), whose parameters that begin with "start_" are
   drawn anew for each of its start states (rows of `starts` x state_dim); and a fresh initial policy. */
#ifndef ML3_AGENTS_MODEL_BASED_H
#define ML3_AGENTS_MODEL_BASED_H

#include "agents/problems/demonstrations.h"
#include "agents/control/ensemble.h"
#include "agents/control/geometry.h"
#include "agents/learn/policy.h"
#include "metaloss/loss.h"
#include "metaloss/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which states the task loss counts. */
typedef enum ml3_cost_kind { ML3_COST_TRAJECTORY, ML3_COST_FINAL, ML3_COST_REACH } ml3_cost_kind;

/* What a model-based problem is. */
typedef struct ml3_model_based_settings {
  const ml3_env_spec *env;
  const ml3_ensemble *ensemble; /* the model that rollouts go through; NULL: the environment's analytic one */
  ml3_policy policy; /* copied */
  int horizon;       /* H; 0: the environment's */
  int starts;        /* start states a task */
  bool detach_state; /* in the inner step, features and policy see the states as data */
  bool
      recorded; /* ... and those are of rollouts in the environment itself, not through the model; needs detach_state */
  double near;  /* of features, in the goal's unit; 0: 0.05 */
  ml3_cost_kind cost;
  int cost_from_step;                       /* trajectory, reach */
  double velocity_weight, action_weight;    /* reach */
  bool extra;                               /* exploration goal */
  bool energy;                              /* L_extra is the actions' squares instead */
  const ml3_demonstrations *demonstrations; /* ... or how far the policy is off an expert. Kept; NULL: not */
  const double *extra_goal;                 /* [goal_dim] of the exploration goal. Copied */
  int extra_until_step;
} ml3_model_based_settings;

/* ML3_ERR_UNAVAILABLE when there is no differentiable model of that environment. */
ml3_problem *ml3_model_based_new(const ml3_model_based_settings *settings, ml3_error *error);

/* The analytic model of that environment. Environments `X_goal` and `X_joints` have X's, where all but goal and start are as there. NULL with a
   sentence when there is none. */
const ml3_dynamics *ml3_model_based_dynamics(const ml3_env_spec *env, ml3_error *error);

/* Hands over what the problem shall free with itself: the environment (as malloc gave it) and the ensemble of its settings;
   NULL: not. */
void ml3_model_based_own(ml3_problem *problem, void *env, ml3_ensemble *ensemble);
void ml3_model_based_own_demonstrations(ml3_problem *problem,
                                        ml3_demonstrations *demonstrations); /* the same for these */

/* Lets the ensemble that the problem owns be learned on: `data`, which it was fitted to, is handed over and grows by what
   problem->gather adds; problem->learn fits again. */
void ml3_model_based_let_learn(ml3_problem *problem, ml3_transitions *data, const ml3_ensemble_fit_settings *fit);
const ml3_ensemble *ml3_model_based_ensemble(
    const ml3_problem *problem); /* as it is now; NULL: the model is analytic */

/* Judges and films: rolls theta out in the real environment from start state number `start` of the task.
   The caller frees the episode. When loss is not NULL, episode->loss is filled with M_phi of each step. */

ml3_episode *ml3_model_based_episode(const ml3_problem *problem, const ml3_real *task, int start, const ml3_real *theta,
                                     const ml3_loss *loss, ml3_error *error);

/* The environment's task vector and start state of start number `start`, for other methods (iLQR) to work on
   the same. env_task[task_dim], state[state_dim]. */
void ml3_model_based_start(const ml3_problem *problem, const ml3_real *task, int start, double *env_task,
                           double *state);

/* Puts the environment's task vector into the task's numbers, for all its starts: what judging and recorded rollouts then
   take place in. Start states and the goal, and with them the model's rollouts, stay as they are. */
void ml3_model_based_set_parameters(const ml3_problem *problem, ml3_real *task, const double *env_task);

const ml3_model_based_settings *ml3_model_based_settings_of(
    const ml3_problem *problem); /* of a problem that ml3_model_based_new has made */

/* The reverse: puts start number `start` there; what all starts share, such as the goal, becomes that environment
   task's. */
int ml3_model_based_set_start(const ml3_problem *problem, ml3_real *task, int start, const double *env_task,
                              const double *state, ml3_error *error);

/* M_phi of the state and action at time step `step` of a rollout that ends in last[state_dim]. */
double ml3_model_based_value(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss, int step,
                             const double *state, const double *action, const double *last);

/* The same of every step of an episode of the task, into its `loss`. */
void ml3_model_based_value_steps(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss,
                                 ml3_episode *episode);

/* Judges any recorded episode of `horizon` steps from that start, as `evaluate` does. */
void ml3_model_based_judge(const ml3_problem *problem, const ml3_real *task, const ml3_episode *episode,
                           ml3_outcome *outcome);

#ifdef __cplusplus
}
#endif

#endif
