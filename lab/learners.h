/* From learner.* to a learner. */
#ifndef ML3_LAB_LEARNERS_H
#define ML3_LAB_LEARNERS_H

#include "agents/learn/learner.h"
#include "lab/config.h"

/* The owners of the keys in force with learner number i, up to NULL; false behind the last. */
enum { ML3_LAB_LEARNER_OWNERS = 8 };
bool ml3_lab_learner_owners(int i, const ml3_keys *owners[ML3_LAB_LEARNER_OWNERS]);

/* Its defaults, "key=value key=value"; NULL: there are none, or it meta-trains. */
const char *ml3_lab_learner_defaults(const ml3_lab_config *config);

/* The kind that `method` names; NULL: it meta-trains, no policy learns by itself. */
const ml3_learner_kind *ml3_lab_learner_kind(const ml3_lab_config *config);

/* learner.* as settings of a learner of that kind; what they point to is the configuration's. */
ml3_learner_settings ml3_lab_learner_settings(const ml3_lab_config *config, const ml3_learner_kind *kind,
                                              const ml3_env_spec *env, const ml3_policy *policy);

/* The one task of learner.task, *task[env->task_dim], which the caller frees; NULL: every episode draws its own. */
int ml3_lab_learner_task(const ml3_lab_config *config, const ml3_env_spec *env, double **task, ml3_error *error);

/* The learner of a configuration, for the task of learner.task; NULL with a sentence. */
ml3_learner *ml3_lab_learner_new(const ml3_lab_config *config, ml3_error *error);

#endif
