/* Adapting step by step, for the lab and the command. */
#ifndef ML3_LAB_ADAPT_INTERNAL_H
#define ML3_LAB_ADAPT_INTERNAL_H

#include "lab/adapt.h"
#include "lab/experiment.h"

/* A learned loss and what learns by it. */
typedef struct ml3_lab_adapting {
  ml3_lab_config config;
  const ml3_lab_problem_kind *kind;
  ml3_problem *problem;
  ml3_loss *loss;
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_real *task, *theta; /* present, and its policy or model */
  ml3_random random;
} ml3_lab_adapting;

/* First the loss and the configuration (see ml3_lab_adapt_settings: what, loss), which may then be changed; then all that it takes
   to adapt. Closed by ml3_lab_adapting_close, whatever came of it. */
int ml3_lab_adapting_open(ml3_lab_adapting *a, const char *what, const char *loss, const ml3_lab_callbacks *callbacks,
                          ml3_error *error);
int ml3_lab_adapting_make(ml3_lab_adapting *a, ml3_error *error);
void ml3_lab_adapting_close(ml3_lab_adapting *a);

/* A fresh policy or model for that held-out task. */
int ml3_lab_adapting_begin(ml3_lab_adapting *a, int task, ml3_error *error);
/* One update; value (may be NULL): the loss before it. */
int ml3_lab_adapting_step(ml3_lab_adapting *a, double *value, ml3_error *error);
/* How it does now. */
int ml3_lab_adapting_judge(const ml3_lab_adapting *a, ml3_outcome *outcome, ml3_error *error);

#endif
