/* How something that was learned did on a task: what problems, learners and rollouts are judged by. */
#ifndef ML3_BASE_OUTCOME_H
#define ML3_BASE_OUTCOME_H

#ifdef __cplusplus
extern "C" {
#endif

/* How an optimizee did on its task, judged from outside (in the simulator, on all data ...). */
typedef struct ml3_outcome {
  double task_loss;      /* L_task as meta-training defines it, without extra information */
  double episode_return; /* RL: undiscounted; 0 elsewhere */
  double distance;       /* RL: final distance to the goal; 0 elsewhere */
  double success;        /* share of successes, 0 .. 1; RL: of episodes at the goal in their last state */
  double passed;         /* RL: share of episodes at the goal in any state; 0 elsewhere */
  double env_steps;      /* simulator steps that this judgement took */
} ml3_outcome;

#ifdef __cplusplus
}
#endif

#endif
