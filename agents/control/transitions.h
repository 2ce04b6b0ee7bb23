/* Transitions of an environment, to fit models to: (state, action) -> next state. */
#ifndef ML3_AGENTS_TRANSITIONS_H
#define ML3_AGENTS_TRANSITIONS_H

#include "envs/episode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Steps of an environment: state, action, next state. */
typedef struct ml3_transitions {
  int state_dim, action_dim, count, capacity;
  double *states, *actions, *next; /* [count][n], [count][m], [count][n] */
} ml3_transitions;

ml3_transitions *ml3_transitions_new(int state_dim, int action_dim, int capacity,
                                     ml3_error *error);  /* room for so many; NULL with a sentence */
void ml3_transitions_free(ml3_transitions *transitions); /* may be NULL */

int ml3_transitions_reserve(ml3_transitions *t, int capacity,
                            ml3_error *error); /* room for at least so many; those there stay */

/* Adds one, or those of an episode; what does not fit is left out. Returns the number added. */
int ml3_transitions_add(ml3_transitions *t, const double *state, const double *action, const double *next);
int ml3_transitions_add_episode(ml3_transitions *t, const ml3_episode *episode);

/* How random transitions come about. */
typedef enum ml3_exploration {
  ML3_EXPLORE_ROLLOUTS, /* episodes from starts of the task distribution, a uniform action held for `hold` steps */
  ML3_EXPLORE_STATES /* every transition from a state uniform within its bounds; needs finite ones, and a simulator that
                           can be put anywhere */
} ml3_exploration;

/* count transitions of random actions. Episode (or transition) i draws from the stream (seed, BASELINE, i, 0). task[task_dim]
   or NULL: parameters whose names begin with "start_" are drawn from their ranges, the others are the task's, or with
   NULL the default ones. */
ml3_transitions *ml3_transitions_explore(const ml3_env_spec *spec, const double *task, ml3_exploration how, int hold,
                                         int count, uint64_t seed, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
