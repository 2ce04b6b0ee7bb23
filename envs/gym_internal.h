/* The parts of a name gym:ID?KEY=VALUE&...#OPTION=VALUE&... Internal; gym.h says what they mean. */
#ifndef ML3_ENVS_GYM_INTERNAL_H
#define ML3_ENVS_GYM_INTERNAL_H

#include "base/error.h"

typedef struct gym_name {
  char id[256];
  double timeout_s;
  int workers, horizon; /* 0: not said */
} gym_name;

/* *kwargs: JSON, to be freed. */
int gym_name_read(const char *name, gym_name *parts, char **kwargs, ml3_error *error);

#endif
