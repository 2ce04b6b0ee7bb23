/* What meta.c (checks, making), meta_programs.c (what is run), meta_work.c (buffers) and meta_walk.c (running) share. */
#ifndef ML3_METALOSS_META_INTERNAL_H
#define ML3_METALOSS_META_INTERNAL_H

#include "metaloss/meta.h"

enum {
  INNER_VALUE,
  INNER_THETA,
  INNER_GRAD_PHI,
  INNER_GRAD_THETA,    /* a constant unless derivatives are exact */
  INNER_VELOCITY,      /* a constant without momentum, as is */
  INNER_GRAD_VELOCITY, /* this one */
  INNER_SUMS,          /* of the network's inputs, with moments; else a constant, as are */
  INNER_SQUARES,       /* their squares */
  INNER_TARGET_LOSS,        /* [batch, 1]: each task's share of J by target_weight; else a constant */
  INNER_OUTPUTS
};
enum { OUTER_TASK, OUTER_LOSS, OUTER_GRADIENT };

struct ml3_meta {
  const ml3_problem *problem;
  ml3_meta_settings settings;
  int batch;  /* tasks in the inner program */
  int passes; /* >= 1 */
  struct {
    size_t theta, task, inner, outer;
  } sizes; /* numbers in theta, task, D and D' of the whole batch */
  int loss_size, rows;
  double *weights; /* [K + 1] w_k */
  ml3_nn_program *inner, *outer, *task, *features;
  /* Inputs of inner and features; of outer and task. */
  ml3_node in_theta, in_phi, in_shift, in_scale, in_data, in_context, in_lambda, in_velocity, in_nu, in_slowed;
  ml3_node out_theta, out_data, out_context;
};

struct ml3_meta_work {
  const ml3_meta *meta;
  ml3_nn_workspace **inner; /* [kept]: of the last inner steps, the last one first */
  int kept;
  ml3_nn_workspace *outer, *task, *features;
  ml3_real slowed;    /* times the step size; 1 unless ml3_meta_slow said otherwise */
  ml3_real *theta;    /* [K + 1][batch][theta_size] */
  ml3_real *velocity; /* [K + 1][batch][theta_size]; NULL without momentum */
  ml3_real *data;     /* [K][batch][inner_size]; unused when D is the task */
  ml3_real *fresh;    /* [outer_size] */
  ml3_real *store;    /* of ml3_meta_use_data, not owned: D [K][batch][inner_size], D' [K + 1][batch][outer_size]; or NULL */
  bool filled;
  int64_t age[ML3_META_MAX_BATCH]; /* updates that the optimizees of the next call have behind them */
  ml3_real *lambda;   /* [batch][theta_size] */
  ml3_real *nu;       /* [batch][theta_size]; NULL without momentum */
  ml3_real *piece;    /* [max(loss_size, batch * theta_size)] */
  ml3_real *grads;    /* [K + 1][batch][theta_size] grad L(theta_k) */
  double *sums;       /* [2][inputs] */
  int64_t rows;       /* that are in the sums */
};

/* theta_k [batch][theta_size] of every task, and v_k, or NULL without momentum. */
typedef struct ml3_optimizees {
  ml3_real *theta, *velocity;
} ml3_optimizees;

/* meta_work.c: where things lie in the buffers. */
ml3_optimizees ml3_meta_optimizees(const ml3_meta_work *w, int k);
ml3_real *ml3_meta_gradient_slot(const ml3_meta_work *w, int k);     /* grad L(theta_k), [batch][theta_size] */
ml3_real *ml3_meta_inner_slot(const ml3_meta_work *w, int k);        /* D_k [batch][inner_size]: the passes of an update share it */
ml3_real *ml3_meta_outer_slot(const ml3_meta_work *w, int k, int i); /* D' of task i under theta_k, [outer_size]: behind all D
                                                                        in what is stored, else one place for all */

/* meta_newton.c: the Gauss-Newton step of every task of the batch, [1, batch * theta_size]. */
ml3_node ml3_meta_build_newton(const ml3_meta *m, ml3_nn_graph *g, ml3_node rows, ml3_node gradient);

/* Whether the targets of the loss are held against what an expert wants. */
bool ml3_meta_has_target_loss(const ml3_meta *m);

/* The programs and the numbers of their inputs. */
int ml3_meta_compile(ml3_meta *m, ml3_error *error);

#endif
