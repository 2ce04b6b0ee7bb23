/* From learner.* to a learner. */
#ifndef ML3_LAB_LEARNERS_H
#define ML3_LAB_LEARNERS_H

#include "agents/learn/learner.h"
#include "lab/config.h"

/* The kind that `method` names; NULL: it meta-trains, no policy learns by itself. */
const ml3_learner_kind *ml3_lab_learner_kind(const ml3_lab_config *config);

/* learner.* as settings. */
ml3_learner_settings ml3_lab_learner_settings(const ml3_lab_config *config, const ml3_env_spec *env,
                                              const ml3_policy *policy);

/* The learner of a configuration, for the task of learner.task; NULL with a sentence. */
ml3_learner *ml3_lab_learner_new(const ml3_lab_config *config, ml3_error *error);

#endif
