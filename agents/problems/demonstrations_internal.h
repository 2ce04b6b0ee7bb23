/* What demonstrations share, whoever shows them. */
#ifndef ML3_AGENTS_DEMONSTRATIONS_INTERNAL_H
#define ML3_AGENTS_DEMONSTRATIONS_INTERNAL_H

#include "agents/problems/demonstrations.h"

/* Draws task `i` from the stream (seed, INIT, i, 2) into d, and lets env begin it. */
void ml3_demonstrations_begin(ml3_demonstrations *d, int i, uint64_t seed, ml3_env *env);

#endif
