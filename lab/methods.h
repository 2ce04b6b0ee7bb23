/* What `method` can be: methods of meta-training, and behind them the learners of agents/learn/learner.h, each with
   the owners of its keys. */
#ifndef ML3_LAB_METHODS_H
#define ML3_LAB_METHODS_H

#include "agents/learn/learners.h"
#include "lab/config.h"

/* What is meta-learned. */
typedef struct ml3_lab_meta_method {
  const char *name, *label; /* as a user writes it; for tables and plots */
  bool loss;                /* a loss; else a start for descent by the task's own */
  bool rates;               /* with a step size of any sign for each parameter */
  bool first_order;         /* nothing of second order by the parameters */
  const ml3_keys *const *keys;
} ml3_lab_meta_method;

/* The choices of the key, in that order. */
#define ML3_LAB_METHOD_CHOICES "learned_loss|maml|fomaml|meta_sgd" ML3_LEARNER_CHOICES

/* Method number i; NULL behind the last of meta-training. */
const ml3_lab_meta_method *ml3_lab_meta_method_at(int i);

/* That of a configuration; NULL: a policy learns by itself (lab/learners.h). */
const ml3_lab_meta_method *ml3_lab_meta_method_of(const ml3_lab_config *config);

const char *ml3_lab_method_name(const ml3_lab_config *config);  /* "learned_loss", "ppo" ... */
const char *ml3_lab_method_label(const ml3_lab_config *config); /* "learned loss", "MAML" ... */

#endif
