/* Internal. Worker processes that step Gymnasium environments: python/ml3/worker.py, which the library has in it,
   started by the user's Python (ML3_PYTHON, or python3 in PATH). One memory is shared with each:

     header   64 KiB: numbers, a ring of the slots that have a command, what the environment is (JSON)
     slots    one an environment: command, answer, and the numbers that one record has

   ml3 puts a slot into the ring and rings the bell, a futex; the worker takes them in turn, and counts `done` of the
   slot up, another futex. So one thread keeps many workers busy, and several threads may ask one worker. A worker
   ends with this process, since a pipe to it closes. */
#ifndef ML3_ENVS_WORKER_INTERNAL_H
#define ML3_ENVS_WORKER_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { ML3_WORKER_ERROR = 512, ML3_WORKER_CAPACITY = 1024 };

/* worker.py has the same numbers at the same places. */
typedef struct ml3_worker_slot {
  uint32_t command;
  _Atomic uint32_t done; /* commands that were answered */
  uint32_t status;       /* of the answer: 0, or `error` says why */
  int32_t terminated, truncated, success;
  uint32_t seed, picture; /* the latter: width << 16 | height of what was drawn */
  double reward, distance;
  char error[ML3_WORKER_ERROR];
  double numbers[]; /* observation, goal, action */
} ml3_worker_slot;

typedef enum ml3_worker_command {
  ML3_WORKER_RESET = 2,
  ML3_WORKER_STEP = 3,
  ML3_WORKER_DESTROY = 4,
  ML3_WORKER_DRAW = 5
} ml3_worker_command;

typedef struct ml3_worker ml3_worker;

/* Starts one for gymnasium.make(id, **kwargs), kwargs as JSON, and waits until it has said what the environment is;
   NULL with a sentence. Freed by ml3_worker_free, which ends the process. */
ml3_worker *ml3_worker_new(const char *id, const char *kwargs, double timeout_s, ml3_error *error);
void ml3_worker_free(ml3_worker *worker);

/* What it said, as JSON. */
const char *ml3_worker_description(const ml3_worker *worker);

/* Room for ML3_WORKER_CAPACITY environments of these sizes, once. */
int ml3_worker_make_slots(ml3_worker *worker, int obs_dim, int goal_dim, int action_dim, ml3_error *error);

/* Takes a free slot, or NULL; and gives it back. */
ml3_worker_slot *ml3_worker_take(ml3_worker *worker);
void ml3_worker_return(ml3_worker *worker, ml3_worker_slot *slot);
int ml3_worker_used(const ml3_worker *worker); /* slots that are taken */

/* Has it not died, and not been stopped? */
bool ml3_worker_lives(const ml3_worker *worker);

/* Asks, at once; and waits for the answer: 0, or another number with a line in error[ML3_WORKER_ERROR]: what the
   environment raised, how the worker died, or that it did not answer in time, after which it is stopped. */
void ml3_worker_ask(ml3_worker *worker, ml3_worker_slot *slot, ml3_worker_command command);
int ml3_worker_wait(ml3_worker *worker, ml3_worker_slot *slot, char *error);

/* What was drawn, [height][width][3] bytes, valid until the next call; NULL without memory, or where nothing was. */
const unsigned char *ml3_worker_picture(ml3_worker *worker, const ml3_worker_slot *slot, int *width, int *height);

#endif
