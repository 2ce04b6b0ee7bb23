/* Learning through an update: the inner step, the task loss after it, and the exact meta-gradient.

     inner step   theta_{k+1} = theta_k - alpha * grad_theta mean M_phi(F(theta_k; D_k))
     objective    J = sum_k w_k L(theta_k),  L = task_weight * L_task + extra_weight * L_extra

   The gradient of J by phi is an adjoint walk back over the K steps (memory: K copies of theta and D, not of the
   computation):

     lambda_K = w_K grad L(theta_K)
     s_k      = - < alpha * grad_theta M(theta_k, phi), lambda_{k+1} >
     grad_phi J += grad_phi s_k,   lambda_k = lambda_{k+1} + grad_theta s_k + w_k grad L(theta_k) */
#ifndef ML3_METALOSS_META_H
#define ML3_METALOSS_META_H

#include "metaloss/loss.h"
#include "metaloss/problem.h"
#include "nn/program.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ml3_step_weights {
  ML3_WEIGHTS_LAST,  /* w_K = 1 */
  ML3_WEIGHTS_ALL,   /* w_k = 1/K, k = 1..K */
  ML3_WEIGHTS_LINEAR /* w_k proportional to k */
} ml3_step_weights;

typedef struct ml3_meta_settings {
  ml3_loss_spec loss;
  int inner_steps; /* K >= 1 */
  ml3_step_weights weights;
  double task_weight, extra_weight;
  int batch;          /* tasks that one call works on; 0 or 1: one */
  bool fast_products; /* ml3_nn_graph_fast_products for the programs with the learned loss */
  bool greedy; /* each update answers only for the loss right after it: lambda_k = w_k grad L(theta_k). Biased, but it
                  does not multiply derivatives over many steps */
} ml3_meta_settings;

enum { ML3_META_MAX_BATCH = 64 };

typedef struct ml3_meta ml3_meta;           /* compiled programs; immutable, shared */
typedef struct ml3_meta_work ml3_meta_work; /* buffers, one a thread */

/* Keeps the pointer to problem, whose context may change between calls. */
ml3_meta *ml3_meta_new(const ml3_problem *problem, const ml3_meta_settings *settings, ml3_error *error);
void ml3_meta_free(ml3_meta *meta);
const ml3_meta_settings *ml3_meta_settings_of(const ml3_meta *meta);
const ml3_problem *ml3_meta_problem(const ml3_meta *meta);
int ml3_meta_batch(const ml3_meta *meta); /* >= 1 */
/* The programs, for reports and profiles: features, inner (stages: step, grad_phi, grad_theta), outer. */
const ml3_nn_program *ml3_meta_inner_program(const ml3_meta *meta);
const ml3_nn_program *ml3_meta_outer_program(const ml3_meta *meta);

ml3_meta_work *ml3_meta_work_new(const ml3_meta *meta, ml3_error *error);
void ml3_meta_work_free(ml3_meta_work *work);
ml3_nn_workspace *ml3_meta_inner_workspace(ml3_meta_work *work);
ml3_nn_workspace *ml3_meta_outer_workspace(ml3_meta_work *work);

/* The whole meta-gradient on a batch of tasks, task[batch][task_size], from theta[batch][theta_size], with random[batch]
   streams. gradient[loss size] is overwritten with the sum over the tasks. objective[batch], and losses[batch][K + 1]
   (the L of theta_0 .. theta_K; those with weight 0 are NAN) may be NULL. A value that is not finite gives
   ML3_ERR_NUMERIC naming the quantity and the inner step; which task it was, batches of one tell. */
int ml3_meta_gradient(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                      ml3_random *random, ml3_real *gradient, double *objective, double *losses,
                      ml3_error *error);

/* objective[batch]: J alone, without its gradient; adapted[batch][theta_size] (may be NULL) gets theta_K. */
int ml3_meta_objective(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, const ml3_real *theta,
                       ml3_random *random, ml3_real *adapted, double *objective, ml3_error *error);

/* One inner step in place: theta[batch][theta_size] descends the learned loss on fresh data of the task. This is all that
   meta-test needs. value (may be NULL) gets mean M before the step, summed over the batch. */
int ml3_meta_adapt(ml3_meta_work *work, const ml3_loss *loss, const ml3_real *task, ml3_real *theta,
                   ml3_random *random, double *value, ml3_error *error);

/* L_task (without extra information) and, unless gradient is NULL, its gradient by theta: for baselines. */
int ml3_meta_task_gradient(ml3_meta_work *work, const ml3_real *task, const ml3_real *theta,
                           ml3_random *random, double *value, ml3_real *gradient, ml3_error *error);

/* For batches of one. The rows of features under theta: features[rows][features of the problem]; rows by ml3_meta_rows. */
int ml3_meta_rows(const ml3_meta *meta);
int ml3_meta_features(ml3_meta_work *work, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                      ml3_real *features, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
