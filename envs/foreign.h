/* Environments of others: a spec made from callbacks, which fill one record a step. The callbacks may be Python's
   (ctypes), or talk to a worker process (envs/worker_internal.h); ml3 knows nothing of what is behind them.

   Instances are pooled: ml3_env_free puts one aside, ml3_env_new takes one from there. Resets are lazy: ml3_env_reset
   notes task and seed, and the callback is called once, when an observation, a goal or a step is asked for.

   An error of a callback stays: every later step has a negative code, and ml3_env_failed gives the sentence, until
   all instances have been freed and a new one is made.

   Without get_state and set_state the spec's state is its observation, and set_state is NULL. The full state
   (ml3_env_get_full) is then the seed and the actions since the reset, which are made again: the same bits where the
   environment is deterministic. */
#ifndef ML3_ENVS_FOREIGN_H
#define ML3_ENVS_FOREIGN_H

#include "envs/env.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a callback fills. It stays at its place as long as the instance is there, and so do its arrays. */
typedef struct ml3_foreign_record {
  void *instance;  /* the callbacks' own; create sets it */
  double *obs;     /* [obs_dim] after the reset or step */
  double *goal;    /* [goal_dim] what an oracle may know (where the goal is), NULL where goal_dim is 0 */
  double reward;   /* of the step */
  double distance; /* to the goal; 0 where there is none */
  int32_t terminated, truncated, success; /* 0 or 1 */
  char error[512];                        /* why a callback returned something else than 0: one line */
} ml3_foreign_record;

/* What an environment is. Everything is copied but `user`. */
typedef struct ml3_foreign_description {
  const char *name;
  const char *summary; /* NULL: "" */
  double dt_s;         /* 0: 1 */
  int horizon;         /* steps until truncation, at least 1 */
  int obs_dim, action_dim, goal_dim, task_dim;
  int state_dim; /* numbers of get_state; 0: the state cannot be read or set */
  bool no_goal;  /* nothing is to be reached: distance and success mean nothing */
  int choices;   /* of discrete actions (action_dim is then 1); 0: numbers */
  const ml3_env_field *obs, *action, *goal,
      *state;                    /* [their dim]; NULL: obs_0, obs_1 ... without bounds; actions in [-1, 1] */
  const ml3_env_parameter *task; /* [task_dim] names, units, ranges; NULL: task_0 ..., in [0, 0] */

  /* Lists of tasks[count][task_dim] by split: train, validation, test, ood. reset gets such a task to the bit, though
     ml3 keeps tasks in single precision here and there. No list of training tasks: tasks are drawn from the ranges.
     Another list that is missing is the training tasks'. An empty one (a pointer, but a count of 0) is an error. */
  const double *tasks[4];
  int task_counts[4];

  /* How many threads may be in callbacks at once. 1: the one that calls ml3; 0: any number, one at a time for an
     instance. */
  int threads;
  void *user;

  /* 0, or something else and record->error. create sets record->instance. */
  int (*create)(void *user, ml3_foreign_record *record);
  void (*destroy)(void *user, ml3_foreign_record *record);
  int (*reset)(void *user, ml3_foreign_record *record, const double *task, uint64_t seed); /* seed < 2^31 */
  int (*step)(void *user, ml3_foreign_record *record, const double *action); /* action is finite, within its bounds */
  int (*get_state)(void *user, ml3_foreign_record *record, double *state);   /* [state_dim]; NULL where that is 0 */
  int (*set_state)(void *user, ml3_foreign_record *record, const double *state); /* fills the record too */

  /* Optional: a picture of the present state, as ml3_env_spec's draw. */
  int (*draw)(void *user, ml3_foreign_record *record, const unsigned char **rgb, int *width, int *height);

  /* Optional: begins a reset or a step elsewhere, and returns at once; the next reset or step of the instance,
     whatever its arguments, then waits for its end. So the calling thread keeps many instances busy. */
  void (*begin_reset)(void *user, ml3_foreign_record *record, const double *task, uint64_t seed);
  void (*begin_step)(void *user, ml3_foreign_record *record, const double *action);
} ml3_foreign_description;

typedef struct ml3_foreign ml3_foreign; /* the specs of one description, and its pool */

/* NULL with a sentence when the description is not possible. */
ml3_foreign *ml3_foreign_new(const ml3_foreign_description *description, ml3_error *error);

/* Destroys what is in the pool. No instance may be left, and nobody may use the specs any more. NULL is allowed. */
void ml3_foreign_free(ml3_foreign *foreign);

/* The spec of a split: 0 train, 1 validation, 2 test, 3 ood. */
const ml3_env_spec *ml3_foreign_spec(const ml3_foreign *foreign, int split);

/* From now on ml3_env_find finds it by its name (and NAME:ood ...), until it is freed. The name must be new. */
int ml3_foreign_register(ml3_foreign *foreign, ml3_error *error);

/* The spec that is registered by this name; NULL: none. */
const ml3_env_spec *ml3_foreign_find(const char *name);

/* How many instances have been created, are in use, and how often reset has been called: for tests and for `check`. */
typedef struct ml3_foreign_counts {
  long created, in_use, resets, steps;
} ml3_foreign_counts;
/* Those of one environment so far. */
ml3_foreign_counts ml3_foreign_count(const ml3_foreign *foreign);

#ifdef __cplusplus
}
#endif

#endif
