/* From a configuration to what the library works with: environment, problem, settings. */
#ifndef ML3_LAB_EXPERIMENT_H
#define ML3_LAB_EXPERIMENT_H

#include "agents/compare/compare.h"
#include "agents/problems/model_based.h"
#include "lab/config.h"
#include "lab/environments.h"
#include "lab/methods.h"
#include "lab/problems.h"
#include "lab/run_folder.h"
#include "lab/training.h"
#include "metaloss/options.h"
#include "metaloss/trainer.h"

/* What the public calls work on (training.h). */
struct ml3_experiment {
  ml3_lab_config config;
};

/* Threads for this process: `threads`, or of several ranks its share of the cores; 0: all. */
int ml3_lab_threads(const ml3_lab_config *config);

/* loss NULL: of the one that the configuration says; else of that one, which was learned already. */
int ml3_lab_trainer_settings(const ml3_lab_config *config, const ml3_problem *problem, const ml3_loss *loss,
                             ml3_trainer_settings *settings, ml3_error *error);
ml3_compare_settings ml3_lab_compare_settings_of(const ml3_lab_config *config);

/* Can that be trained? Makes what would be, and frees it; nothing is written. */
int ml3_lab_try(const ml3_lab_config *config, ml3_error *error);

#endif
