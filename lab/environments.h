/* What is trained in an environment when its name is all that is given: a preset, or settings of its own. */
#ifndef ML3_LAB_ENVIRONMENTS_H
#define ML3_LAB_ENVIRONMENTS_H

#include <stdbool.h>

#include "agents/learn/learner.h"

/* The preset that `ml3 train NAME` stands for, where it has another name; NULL: none. */
const char *ml3_lab_environment_preset(const char *name);

/* Where there is none: what `ml3 train NAME` sets, "key=value key=value"; NULL: nothing. */
const char *ml3_lab_environment_settings(const char *name);

/* Defaults of every configuration with that environment and kind of problem, or where that learner (NULL: none)
   learns in it; NULL: the general ones. */
const char *ml3_lab_environment_defaults(const char *name, const char *problem, const ml3_learner_kind *learner);

/* Does the name of an environment end in .xml or .yaml: a user's own? */
bool ml3_lab_is_own_environment(const char *name);

#endif
