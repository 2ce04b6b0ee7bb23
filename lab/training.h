/* The lab: experiments as a library. What is to be learned is an experiment, made by name and settings as on the command line;
   training it leaves a run, a folder, which can go on (here), be evaluated (evaluate.h), adapt fresh policies (adapt.h), and be
   compared (comparison.h). The lab prints nothing, ends no process and starts none but gnuplot, for pictures; it speaks through callbacks
   (callbacks.h).
   Every function answers ML3_OK, or the negative code that it has stored in `error` (which may be NULL) with a sentence.
   examples/lab.c is a program.

   Training is of whatever an experiment describes: a learned loss, a learned start (MAML and its like), or a policy by a learner.
   One loop: step, validate, save, stop.

   A run's folder gets config.yaml, build.json, metrics.csv with what the log's formats add, checkpoint and
   checkpoint.previous, what was learned (loss.safetensors, or policy.safetensors), and in the end summary.json. Every file is
   whole or not there. The same seed gives the same bits on any number of threads and ranks, and after a resume. */
#ifndef ML3_LAB_TRAINING_H
#define ML3_LAB_TRAINING_H

#include "base/error.h"
#include "base/ranks.h"
#include "lab/callbacks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is to be learned, where and how: a complete configuration. */
typedef struct ml3_experiment ml3_experiment;

/* By the name of a preset, a FILE.yaml, an environment (or a FILE.xml), a kind of problem, or the folder of a run, whose
   experiment goes on; NULL: the defaults. Over it come settings[count], "key=value" each, as --set takes them (they may be
   NULL when count is 0). callbacks are for messages of this call; NULL: none. NULL with a sentence; freed by
   ml3_lab_experiment_free. */
ml3_experiment *ml3_lab_experiment_new(const char *name, const char *const *settings, int count,
                                       const ml3_lab_callbacks *callbacks, ml3_error *error);
void ml3_lab_experiment_free(ml3_experiment *experiment); /* may be NULL */

/* Where and how to train; all zero: a new folder runs/DATE-ENVIRONMENT-SEED. */
typedef struct ml3_lab_train_settings {
  const char *output; /* the new run's folder; NULL: named by the date, with a number behind it when taken */
  const char
      *resume; /* in place of it: the run that goes on from its last checkpoint. The experiment is that folder's, or one
                         like it with more steps, say; it may not be in another environment */
  bool force;  /* a folder that exists is taken, and cleared of what would be mistaken for this run's */
  const char *
      log; /* besides metrics.csv: "tensorboard", "json", both with a comma, "none"; NULL: tensorboard, or of a run that
                         goes on what it has */
  const ml3_lab_callbacks
      *callbacks; /* NULL: it is silent. Of several ranks the first alone speaks; `training` is called on each */
  const ml3_ranks *ranks; /* that share out the tasks of an outer step; NULL: one process */
  int cores;              /* threads where the experiment has `threads: 0`; 0: all cores */
} ml3_lab_train_settings;

/* What came of it. Numbers are NAN where there is no such thing. */
typedef struct ml3_lab_result {
  char folder[1024]; /* of the run; "" when it failed before there was one */
  bool is_policy;    /* it was a policy by a learner: then `best` is not set, and what follows it is */
  int64_t steps;     /* outer steps, or updates, done */
  int updates;       /* of the learned loss (or start) in a validation */
  ml3_lab_validation best;
  char success_name[64]; /* what the problem calls its success: "near the goal"; "": it has none */

  bool no_goal; /* the environment has none: success and distance say nothing */
  int judged, judged_diverged; /* episodes that the policy was judged by; those of them whose simulation diverged */
  double episode_return, success, passed,
      distance;                     /* their means; success: at the goal in the last state, passed: in any */
  int64_t env_steps, diverged;      /* of the environment in training; episodes whose simulation diverged there */
  double seconds, steps_per_second; /* of this call */

  /* Of several ranks: whether one is gone, or this one alone has failed, so that the others wait in vain; which one is to tell
     the error that all have answered. */
  bool lost;
  int speaker;
} ml3_lab_result;

/* Trains. result may be NULL. Interrupted (callbacks->interrupted): ML3_ERR_INTERRUPTED once the checkpoint is kept.
   ML3_ERR_ARGUMENT for what cannot be trained and for a finished run that would go on to nothing new, of which nothing is changed
   then. Over several ranks all call this together. */
int ml3_lab_train(const ml3_experiment *experiment, const ml3_lab_train_settings *settings, ml3_lab_result *result,
                  ml3_error *error);

/* Whether it could be trained: makes all that is needed for the first step, without what is learned before, and frees it. */
int ml3_lab_train_check(const ml3_experiment *experiment, ml3_error *error);

/* For several ranks that have each done something by themselves, such as reading a file, and came to `code`: ML3_OK when all
   came to ML3_OK, else the code of the first that did not, which result names as the speaker. Called by all together. */
int ml3_lab_train_agree(const ml3_ranks *ranks, int code, ml3_lab_result *result, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
