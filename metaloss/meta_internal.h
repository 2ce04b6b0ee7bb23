/* What meta.c (the walk) and meta_programs.c (what it runs) share. */
#ifndef ML3_METALOSS_META_INTERNAL_H
#define ML3_METALOSS_META_INTERNAL_H

#include "metaloss/meta.h"

enum { INNER_VALUE, INNER_THETA, INNER_GRAD_PHI, INNER_GRAD_THETA };
enum { OUTER_TASK, OUTER_LOSS, OUTER_GRADIENT };

struct ml3_meta {
  const ml3_problem *problem;
  ml3_meta_settings settings;
  int batch; /* tasks in the inner program */
  int loss_size, rows;
  double *weights; /* [K + 1] w_k */
  ml3_nn_program *inner, *outer, *task, *features;
  ml3_node in_theta, in_phi, in_shift, in_scale, in_data, in_context, in_lambda; /* of inner and features */
  ml3_node out_theta, out_data, out_context;                                    /* of outer and task */
};

/* The programs and the numbers of their inputs. */
int ml3_meta_compile(ml3_meta *m, ml3_error *error);

#endif
