/* Model-free RL with a learned loss: no model, rollouts in the simulator.

     task      a goal, and whatever else the environment's task distribution draws; parameters whose names begin with
               "start_" are drawn anew for every episode. theta_0 is a fresh initial policy.
     D_k       `rollouts` episodes under theta_k
     features  one row a time step: [s, mean, log_std, log pi(a|s), credit, goal]; s, credit and goal are data, the others
               carry the gradient by theta. credit: discounted reward-to-go, or the advantage below.
               Or one row an entry of the action of a time step, whose columns have no dimension and are the same in every
               environment (model_free_entries.c), so that a loss which sees them fits any environment and policy; or those
               and the state and reward of the time step, for one environment and what is hidden in it
     L_task    - mean A_t log pi_theta'(a_t|s_t) on `outer_rollouts` *fresh* episodes of theta'
     A_t       generalised advantages by a linear baseline of state and time (advantage.h), or, with `baseline` episodes, the
               reward-to-go minus its mean over the other episodes at the same step; then to mean 0 and deviation 1

   The estimator. The gradient of L_task at theta' = theta'(phi) is the score-function estimate of -grad E[return] by theta'
   on its own data: the baseline of the other episodes leaves it unbiased; the linear one, fitted on the same rows, and a
   lambda below 1 bias it a little and quieten it much, above all where episodes start far apart. The scaling makes it a
   direction whose length does not tell the return's size, and a discount below 1 favours early rewards. The pullback then carries it to phi
   through the updates alone. With K = 1 nothing is left out: theta_0's data does not depend on phi. With K > 1 the
   data D_1 .. D_{K-1} was drawn under policies that phi has shaped, and that dependence is not differentiated (the score
   terms grad log pi_{theta_k}(D_k) that E-MAML keeps, Stadie et al. 2018): biased, with much less variance.

   Extra information, at meta-train time only, in L_extra:
     exploration goal  the same surrogate for the rewards - ||s_{t+1} - g_x||, t < until, instead of the environment's
     energy            mean over actions and steps of the squared mean action, as share of its bounds
     demonstrations    mean squared distance of the policy's mean from an expert's actions along its path, in half bounds
     advice            the same, of what an expert would do in each state of those episodes of theta' (DAgger, Ross et al.
                       2011). With `expert_targets` it labels the states of an update as well: what the mean actions, as
                       targets of the loss, should be there (target_weight, meta.h)
   At meta-test an update needs the learned loss with the scaling of inputs that it was learned under (metaloss/scaling.h), the
   rewards as the environment gives them, and no gradient of the task. */
#ifndef ML3_AGENTS_MODEL_FREE_H
#define ML3_AGENTS_MODEL_FREE_H

#include "agents/problems/demonstrations.h"
#include "agents/learn/rollout.h"
#include "metaloss/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the learned loss sees of rewards. */
typedef enum ml3_credit { ML3_CREDIT_ADVANTAGE, ML3_CREDIT_REWARD_TO_GO } ml3_credit;

/* What is subtracted from rewards to go. */
typedef enum ml3_baseline_kind { ML3_BASELINE_LINEAR, ML3_BASELINE_EPISODES } ml3_baseline_kind;

/* What a row of features is. */
typedef enum ml3_feature_rows { ML3_ROWS_STEPS, ML3_ROWS_ENTRIES, ML3_ROWS_ENTRIES_STATES } ml3_feature_rows;

/* Extra information while meta-training. */
typedef enum ml3_model_free_extra {
  ML3_MODEL_FREE_NONE,
  ML3_MODEL_FREE_EXPLORATION_GOAL,
  ML3_MODEL_FREE_ENERGY,
  ML3_MODEL_FREE_DEMONSTRATIONS,
  ML3_MODEL_FREE_ADVICE
} ml3_model_free_extra;

/* What a model-free problem is. */
typedef struct ml3_model_free_settings {
  const ml3_env_spec *env;
  void *owned;             /* freed with the problem, or when making it fails: the narrowed env; or NULL */
  ml3_policy policy;       /* Gaussian. Copied */
  int horizon;             /* steps of an episode; 0: the environment's */
  int rollouts;            /* episodes for one update */
  int outer_rollouts;      /* episodes for L_task */
  bool reuse;              /* an update's episodes also judge the policy that made them; outer_rollouts = rollouts */
  int judge_episodes;      /* when a policy is judged */
  double clip;             /* of the ratio of probabilities, where data serve several outer updates; 0: they do not */
  double discount, lambda; /* lambda: of the linear baseline's advantages */
  ml3_baseline_kind baseline;
  ml3_credit credit;
  ml3_feature_rows rows;
  const char *inputs; /* which features, by name, blanks or commas between them; NULL or "": all */
  bool
      normalize; /* set the policy's normalisation from rollouts of `normalize_seed`'s initial policies; a loss that was
                         learned under another brings its own (metaloss/scaling.h) */
  uint64_t normalize_seed;
  ml3_model_free_extra extra;
  const double *extra_goal; /* [state_dim], for ML3_MODEL_FREE_EXPLORATION_GOAL. Copied */
  int extra_until_step;
  const ml3_demonstrations
      *demonstrations;      /* for ML3_MODEL_FREE_DEMONSTRATIONS: training tasks are drawn from them. Kept */
  const ml3_expert *expert; /* for ML3_MODEL_FREE_ADVICE. Kept */
  bool expert_targets;      /* with advice: its actions are the targets of all mean actions in the states of an update */
} ml3_model_free_settings;

/* The problem frees settings->owned, not demonstrations and expert (or NULL) unless ml3_model_free_own says so. */
void ml3_model_free_own(ml3_problem *problem, ml3_demonstrations *demonstrations, ml3_expert *expert);
ml3_problem *ml3_model_free_new(const ml3_model_free_settings *settings,
                                ml3_error *error); /* NULL with a sentence; freed by problem->free */

/* What are the rows of so many features, of which that is the first? */
ml3_feature_rows ml3_model_free_rows_of(const char *first, int count);

/* With the normalisation that was set. */
const ml3_model_free_settings *ml3_model_free_settings_of(const ml3_problem *problem);

/* env_task[task_dim] of a task of the problem. */
void ml3_model_free_task(const ml3_problem *problem, const ml3_real *task, double *env_task);

/* The reverse: task[task_size] of that environment task, without demonstration. */
int ml3_model_free_set_task(const ml3_problem *problem, const double *env_task, ml3_real *task, ml3_error *error);

/* What hand-written losses read of the data of an update, a row a time step, [rows, 1]: log pi(a|s) - log pi_old(a|s) of the whole
   action, and its advantage. */
typedef struct ml3_model_free_nodes {
  ml3_node log_ratio, advantage;
} ml3_model_free_nodes;
/* Of theta [1, theta_size] and data [1, inner_size]. */
ml3_model_free_nodes ml3_model_free_build_nodes(const ml3_problem *problem, ml3_nn_graph *g, ml3_node theta,
                                                ml3_node data);

/* Plays and films an episode of theta's mean from start number `start` of the task. The caller frees it. */
ml3_episode *ml3_model_free_episode(const ml3_problem *problem, const ml3_real *task, int start, const ml3_real *theta,
                                    ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
