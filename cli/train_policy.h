/* `ml3 train --set method=ppo` and its like: one policy by itself. */
#ifndef ML3_CLI_TRAIN_POLICY_H
#define ML3_CLI_TRAIN_POLICY_H

#include "agents/learn/learner.h"
#include "lab/config.h"

/* Trains and leaves a run folder: config.yaml, metrics.csv (and what ml3_lab_log_open makes of `formats`), checkpoint,
   policy.safetensors, learning_curve.png, summary.json. resume (or NULL): the run folder that goes on, with the same bits. */
int cli_train_policy(ml3_lab_config *config, const char *output, const char *resume, bool force, bool quiet,
                     int formats, ml3_error *error);

#endif
