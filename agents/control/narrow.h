/* A narrower task distribution: an environment some of whose task parameters keep their default values, or whose reward has other
   weights. */
#ifndef ML3_AGENTS_NARROW_H
#define ML3_AGENTS_NARROW_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A copy of the spec whose parameters names[count] (none: a copy alone) have no range, with a tally of its own for what
   MuJoCo warns of; freed by free() after everything that uses it. An unknown name is an error that lists those that there are. */
ml3_env_spec *ml3_env_narrow(const ml3_env_spec *env, const char *const *names, int count, ml3_error *error);

/* Other weights for terms of the reward, "NAME=WEIGHT" each, in a spec of ml3_env_narrow. */
int ml3_env_reweigh(ml3_env_spec *narrowed, const char *const *weights, int count, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
