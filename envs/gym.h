/* Environments of Gymnasium by name, stepped by worker processes of the user's Python (worker_internal.h):

     gym:ID                              gymnasium.make("ID"); ID may be MODULE:ID or NAMESPACE/ID
     gym:ID?KEY=VALUE&KEY=VALUE          gymnasium.make("ID", KEY=VALUE ...); a VALUE is JSON, or else text
     gym:ID#timeout_s=60&workers=2       seconds that a step may take; most processes at once (0: as many as processors)
     gym:ID#horizon=1000                 steps of an episode where the environment does not say

   Pictures are those of its render() in the mode rgb_array. Observations are what gymnasium.spaces.flatten makes of
   them; success is info["success"] or info["is_success"]. */
#ifndef ML3_ENVS_GYM_H
#define ML3_ENVS_GYM_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Is that a name of such an environment? */
bool ml3_gym_is(const char *name);

/* Its spec, which stays to the end of the process; NULL with a sentence. The first call starts a worker, which takes
   about a second. What failed once fails again with the same sentence. */
const ml3_env_spec *ml3_gym_find(const char *name, ml3_error *error);

/* name with one setting changed, into changed[size]: key "kwargs.KEY", "timeout_s", "workers" or "horizon". */
int ml3_gym_set(const char *name, const char *key, const char *value, char *changed, size_t size, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
