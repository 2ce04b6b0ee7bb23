/* `ml3 train --set method=ppo` and its like: one policy by itself. */
#ifndef ML3_CLI_TRAIN_POLICY_H
#define ML3_CLI_TRAIN_POLICY_H

#include "agents/learn/learner.h"
#include "cli/config.h"

/* learner.* as settings. */
ml3_learner_settings cli_learner_settings(const cli_config *config, const ml3_env_spec *env, const ml3_policy *policy);

/* The learner of a configuration, for the task of learner.task; NULL with a sentence. */
ml3_learner *cli_learner_new(const cli_config *config, ml3_error *error);

/* Trains and leaves a run folder: config.yaml, metrics.csv (and what cli_log_open makes of `formats`), checkpoint,
   policy.safetensors, learning_curve.png, summary.json. resume (or NULL): the run folder that goes on, with the same bits. */
int cli_train_policy(cli_config *config, const char *output, const char *resume, bool force, bool quiet, int formats,
                     ml3_error *error);

#endif
