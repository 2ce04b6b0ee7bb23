/* Learning through an update: the inner step, the task loss after it, and the exact meta-gradient.

     inner step   v_{k+1} = momentum v_k + grad_theta I(theta_k; D_k, phi),  theta_{k+1} = theta_k - alpha v_{k+1}
                  or a Gauss-Newton step in place of the gradient (loss.h), through which the walk below goes as well
                  I: the (weighted) mean of M_phi over the rows of F(theta_k; D_k), or the task's own inner loss (loss.h)
     objective    J = sum_k w_k L(theta_k),  L = task_weight * L_task + extra_weight * L_extra
                  and for a loss with targets h (loss.h), where an expert says what they should be, the mean over k < K of
                  target_weight * T(D_k, phi),  T: the mean of 1/2 ||its targets - h||^2 over the rows of D_k (DAgger, Ross et al. 2011)

   The gradient of J by phi is an adjoint walk back over the K steps (memory: K copies of theta and D, not of the
   computation), with lambda the adjoint of theta and nu that of v:

     lambda_K = w_K grad L(theta_K),  nu_K = 0
     n        = nu_{k+1} - alpha lambda_{k+1}
     s_k      = < grad_theta I(theta_k, phi), n > + target_weight / K T(D_k, phi)
                                                                     (lambda, nu held fixed; alpha as a function of phi)
     grad_phi J += grad_phi s_k,   lambda_k = lambda_{k+1} + grad_theta s_k + w_k grad L(theta_k),   nu_k = momentum n

   A learned start is theta_0, and gets lambda_0 as its gradient. */
#ifndef ML3_METALOSS_META_H
#define ML3_METALOSS_META_H

#include "metaloss/loss.h"
#include "metaloss/problem.h"
#include "nn/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the losses after each inner step count in the objective. */
typedef enum ml3_step_weights {
  ML3_WEIGHTS_LAST,   /* w_K = 1 */
  ML3_WEIGHTS_ALL,    /* w_k = 1/K, k = 1..K */
  ML3_WEIGHTS_LINEAR, /* w_k proportional to k */
  ML3_WEIGHTS_LIST    /* as listed */
} ml3_step_weights;

/* What of the chain of inner steps the meta-gradient sees. The derivative by phi of each step's own gradient is always
   in it: it is a second derivative (by phi and theta), and without it a learned loss would have no gradient at all. */
typedef enum ml3_derivatives {
  ML3_DERIVATIVES_EXACT,
  ML3_DERIVATIVES_FIRST_ORDER, /* d theta_{k+1} / d theta_k = 1: no second derivatives by theta (first-order MAML) */
  ML3_DERIVATIVES_GREEDY /* each update answers only for the loss right after it: lambda_k = w_k grad L(theta_k). Biased,
                            but it does not multiply derivatives over many steps */
} ml3_derivatives;

enum { ML3_META_MAX_WEIGHTS = 64 };

/* What programs are made for: loss, inner steps, objective. */
typedef struct ml3_meta_settings {
  ml3_loss_spec loss;
  int inner_steps; /* K >= 1 */
  int passes;      /* steps that descend the same data; K is a multiple, and 0 is 1. An update is so many steps */
  ml3_step_weights weights;
  double weight_list[ML3_META_MAX_WEIGHTS]; /* w_1 .. w_K, none negative, for ML3_WEIGHTS_LIST */
  int weight_count;
  double task_weight, extra_weight;
  double target_weight; /* without effect where the problem has no build_targets */
  int batch;          /* tasks that one call works on; 0 or 1: one */
  bool fast_products; /* ml3_nn_graph_fast_products for the programs with the learned loss */
  size_t keep_bytes;  /* a thread: memory for forward values of earlier inner steps, which are computed again where it ends */
  ml3_derivatives derivatives;
  bool moments; /* for ml3_meta_moments */
} ml3_meta_settings;

/* Updates in a chain of inner steps: inner_steps / passes. */
int ml3_meta_updates(const ml3_meta_settings *settings);

enum { ML3_META_MAX_BATCH = 64, ML3_META_KEEP_BYTES = 32 << 20 /* a good keep_bytes */ };

typedef struct ml3_meta ml3_meta;           /* compiled programs; immutable, shared */
typedef struct ml3_meta_work ml3_meta_work; /* buffers, one a thread */

/* Keeps the pointer to problem, whose context may change between calls. */
ml3_meta *ml3_meta_new(const ml3_problem *problem, const ml3_meta_settings *settings, ml3_error *error);
void ml3_meta_free(ml3_meta *meta);
const ml3_meta_settings *ml3_meta_settings_of(const ml3_meta *meta);
const ml3_problem *ml3_meta_problem(const ml3_meta *meta);
int ml3_meta_batch(const ml3_meta *meta); /* >= 1 */
double ml3_meta_weight(const ml3_meta *meta, int update); /* w of the loss after that update, 1 .. ml3_meta_updates */
int ml3_meta_kept(const ml3_meta *meta);  /* inner steps whose forward values are kept, 1 .. K */
/* The programs, for reports and profiles: features, inner (stages: step, grad_phi, grad_theta), outer. */
const ml3_nn_program *ml3_meta_inner_program(const ml3_meta *meta);
const ml3_nn_program *ml3_meta_outer_program(const ml3_meta *meta);

ml3_meta_work *ml3_meta_work_new(const ml3_meta *meta, ml3_error *error); /* NULL with a sentence */
void ml3_meta_work_free(ml3_meta_work *work); /* may be NULL */
ml3_nn_workspace *ml3_meta_inner_workspace(ml3_meta_work *work); /* for profiles */
ml3_nn_workspace *ml3_meta_outer_workspace(ml3_meta_work *work); /* for profiles */

/* A new optimizee: where the start is learned, theta[batch][theta_size] becomes it; the velocity becomes 0. Call it before
   the first ml3_meta_adapt, ml3_meta_gradient or ml3_meta_objective with an optimizee. */
void ml3_meta_begin(ml3_meta_work *work, const ml3_loss *loss, ml3_real *theta);
/* An optimizee that goes on: number `place` of the batch has so many updates behind it. Until ml3_meta_begin; ml3_meta_adapt counts
   on from there. */
void ml3_meta_set_age(ml3_meta_work *work, int place, int64_t updates);

/* v_0 [batch][theta_size], from which the next call starts: ml3_meta_adapt moves it, the others leave it as it is. NULL
   without momentum. */
ml3_real *ml3_meta_velocity(ml3_meta_work *work);

/* Inner steps are that much shorter from now on, learned step sizes too: 1 is as they are. */
void ml3_meta_slow(ml3_meta_work *work, double factor);

/* Whether that loss can be used with these programs: 0, or ML3_ERR_ARGUMENT with a sentence. */
int ml3_meta_fits(const ml3_meta *meta, const ml3_loss *loss, ml3_error *error);

/* The whole meta-gradient on a batch of tasks, task[batch][task_size], from theta[batch][theta_size], with random[batch]
   streams. gradient[loss size] is overwritten with the sum over the tasks. objective[batch], and losses[batch][K + 1]
   (the L of theta_0 .. theta_K; those with weight 0 are NAN) may be NULL. A value that is not finite gives
   ML3_ERR_NUMERIC naming the quantity and the inner step; which task it was, batches of one tell. */
int ml3_meta_gradient(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses, ml3_error *error);

/* For problems that collect: the numbers of all data of one ml3_meta_gradient. */
size_t ml3_meta_data_size(const ml3_meta *meta);
/* Where the next ml3_meta_gradient keeps what it collects, data[ml3_meta_data_size]; with `filled` it collects nothing and
   takes what is there, which was drawn under the optimizees of an earlier phi. NULL: it collects into buffers of its own. */
void ml3_meta_use_data(ml3_meta_work *work, ml3_real *data, bool filled);

/* objective[batch]: J alone, without its gradient; adapted[batch][theta_size] (may be NULL) gets theta_K. */
int ml3_meta_objective(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                       ml3_random *random, ml3_real *adapted, double *objective, ml3_error *error);

/* theta_K [batch][theta_size] of the last ml3_meta_gradient or ml3_meta_objective, and v_K unless NULL is given or there
   is no momentum. */
const ml3_real *ml3_meta_adapted(const ml3_meta_work *work, const ml3_real **velocity);

/* Over all rows that the last ml3_meta_gradient saw: sums and sums of squares of what the loss's network saw, [inputs].
   Returns the number of rows. */
int64_t ml3_meta_moments(const ml3_meta_work *work, const double **sums, const double **squares);

/* One update in place: theta[batch][theta_size] descends the learned loss, `passes` steps on fresh data of the task. This is all that
   meta-test needs. value (may be NULL) gets mean M before the step, summed over the batch. */
int ml3_meta_adapt(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, ml3_real *theta, ml3_random *random,
                   double *value, ml3_error *error);

/* The inner loss of a batch of one at theta, which an inner step would descend. */
int ml3_meta_inner_loss(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                        ml3_random *random, double *value, ml3_error *error);

/* L_task (without extra information) and, unless gradient is NULL, its gradient by theta: for baselines. */
int ml3_meta_task_gradient(ml3_meta_work *work, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           double *value, ml3_real *gradient, ml3_error *error);

/* For batches of one. The rows of features under theta: features[rows][features of the problem]; rows by ml3_meta_rows. */
int ml3_meta_rows(const ml3_meta *meta);
int ml3_meta_features(ml3_meta_work *work, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      ml3_real *features, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
