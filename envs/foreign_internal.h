/* What foreign.c (descriptions, names) and foreign_instance.c (instances) share. Not for users. */
#ifndef ML3_ENVS_FOREIGN_INTERNAL_H
#define ML3_ENVS_FOREIGN_INTERNAL_H

#include <pthread.h>

#include "envs/foreign.h"

enum { FOREIGN_SPLITS = 4 };

/* What an instance does elsewhere, and nobody has waited for. */
typedef enum foreign_begun { FOREIGN_IDLE, FOREIGN_RESETS, FOREIGN_STEPS } foreign_begun;

/* env->data */
typedef struct foreign_instance {
  ml3_foreign_record record;
  struct foreign_instance *next; /* in the pool */
  double *made;           /* [horizon][action_dim] actions since the reset; NULL where there is a state to read */
  double *action;         /* [action_dim] within bounds */
  double *task;           /* [task_dim] as reset gets it */
  int made_count, replay; /* how many; how many of them the reset is to make again */
  uint64_t seed;
  bool pending; /* the reset that was asked for has not been made */
  foreign_begun begun;
} foreign_instance;

struct ml3_foreign {
  ml3_foreign_description own; /* its texts and arrays are copies */
  ml3_env_spec specs[FOREIGN_SPLITS];
  void **owned; /* [owned_count] memory of the copies */
  int owned_count;
  struct ml3_foreign *next; /* of those that are registered */
  pthread_mutex_t lock;     /* for all below */
  foreign_instance *pool;
  ml3_foreign_counts counts;
  ml3_error failure; /* the first one; code 0: none */
};

/* The same as ml3_foreign_register without asking whether there is one of that name. */
void ml3_foreign_put(ml3_foreign *foreign);

/* Fills the functions of a spec. */
void ml3_foreign_put_functions(ml3_env_spec *spec, const ml3_foreign_description *description);

/* Destroys an instance that nobody uses. */
void ml3_foreign_destroy(ml3_foreign *foreign, foreign_instance *instance);

#endif
