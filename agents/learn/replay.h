/* A replay buffer: the last transitions that were seen, from which minibatches are drawn uniformly, with replacement.

   A transition is what one step of one environment was: input, action, reward, next input. An episode that the time limit cut
   goes on in it (its next state has a value), one that terminated does not. Memory: capacity rows, touched as they fill. */
#ifndef ML3_AGENTS_REPLAY_H
#define ML3_AGENTS_REPLAY_H

#include "agents/learn/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A ring of transitions. */
typedef struct ml3_replay {
  int inputs, actions, width;    /* of a row: input, action as a share in [-1, 1], reward, goes on, next input */
  int64_t capacity, count, next; /* rows there may be, rows there are, where the next goes */
  ml3_real *rows;                /* [capacity][width] */
} ml3_replay;

/* Room for `capacity` transitions of that policy; freed by ml3_replay_free. */
int ml3_replay_init(ml3_replay *replay, const ml3_policy *policy, int64_t capacity, ml3_error *error);
void ml3_replay_free(ml3_replay *replay); /* also after ml3_replay_init has failed */

/* Every step of a rollout, in order, over the oldest where it is full. The policy's bounds make shares of actions. */
void ml3_replay_add(ml3_replay *replay, const ml3_policy *policy, const ml3_rollout *rollout);

/* A minibatch: */
typedef struct ml3_replay_batch {
  ml3_real *x, *x_action; /* [rows][inputs], [rows][inputs + actions] with the action behind the input */
  ml3_real *reward;       /* [rows] */
  ml3_real *goes_on;      /* [rows] 0 where the episode terminated, else 1 */
  ml3_real *next_x;       /* [rows][inputs] */
} ml3_replay_batch;
/* Fills batch with `rows` transitions drawn uniformly, with replacement. */
void ml3_replay_draw(const ml3_replay *replay, ml3_random *random, int rows, const ml3_replay_batch *batch);

/* What is in it, into a checkpoint and back into one of the same shape, or with more room: it goes on behind the newest. */
int ml3_replay_put(const ml3_replay *replay, ml3_nn_tensors *file, ml3_error *error);
int ml3_replay_get(ml3_replay *replay, const ml3_nn_tensors *file, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
