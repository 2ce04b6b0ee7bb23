/* A probabilistic ensemble as a model of an environment (Chua et al. 2018): each member is a network that maps the normalised
   state and action to mean and variance of the normalised change,

     x = ([s, u] - in_shift) * in_scale,   [mu, raw] = net(x),   sigma^2 = softplus(raw) + variance_min
     s' = s + mu / out_scale + out_shift, then straight-through clamps to the state's bounds

   fitted by the Gaussian likelihood, 1/2 ((y - mu)^2 / sigma^2 + log sigma^2), with Adam; every member leaves out another
   part of the transitions and stops when those are predicted no better. Means alone make the rollout.

   A second-order ensemble takes the state as (q, v) in halves, predicts the change of v and moves q by v' dt.

   With `moving` entries, s is those of the state, in that order; the others stay as they are and are not looked at, such as
   where a target is.

   All its numbers are one vector, the `context` of its dynamics: the problem of a learned loss can take it as context, and
   fitting again changes the numbers, not the programs. */
#ifndef ML3_AGENTS_ENSEMBLE_H
#define ML3_AGENTS_ENSEMBLE_H

#include "agents/control/dynamics.h"
#include "agents/control/transitions.h"
#include "base/ranks.h"
#include "nn/mlp.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_ENSEMBLE_MAX_MEMBERS = 32 };

/* The shape of an ensemble. */
typedef struct ml3_ensemble_settings {
  int members;
  int hidden[ML3_MLP_MAX_DEPTH], depth;
  bool second_order;   /* state (q, v); dt from the environment */
  double variance_min; /* of the normalised change */
  const int *moving;   /* [moving_count] entries of the state. Copied */
  int moving_count;    /* 0: all of them */
} ml3_ensemble_settings;
ml3_ensemble_settings ml3_ensemble_defaults(void); /* 3 members, 100-30 tanh, first order, 1e-3 */

/* An ensemble of networks as dynamics. */
typedef struct ml3_ensemble {
  ml3_dynamics dynamics; /* environment: the spec's name */
  ml3_ensemble_settings settings; /* settings.moving: its copy */
  const ml3_env_spec *spec;
  int *entries;      /* what settings.moving points to */
  int moving;        /* k, entries of the state that it is about */
  ml3_mlp net;       /* of one member: k + m inputs, mean and raw variance of each predicted entry out */
  int predicted;     /* entries that are predicted: k, or the last k / 2 */
  ml3_real *context; /* [dynamics.context_size]: members' parameters, in_shift, in_scale [k + m], out_shift, out_scale
                        [predicted] */
} ml3_ensemble;

/* Which entry of the state is number i of those that move. */
int ml3_ensemble_moving(const ml3_ensemble *ensemble, int i);

/* Members with initial parameters from the streams (seed, BASELINE, member, 1). */
ml3_ensemble *ml3_ensemble_new(const ml3_env_spec *spec, const ml3_ensemble_settings *settings, uint64_t seed,
                               ml3_error *error);
void ml3_ensemble_free(ml3_ensemble *ensemble);

/* How an ensemble is fitted. */
typedef struct ml3_ensemble_fit_settings {
  int epochs, patience; /* at most, and without a better held-out likelihood before a member stops; 0: never */
  int batch;
  double rate;             /* Adam's */
  bool keep_normalization; /* when fitting again on more data; false: taken from the data */
  int threads;             /* members at a time; 0: all cores, or OMP_NUM_THREADS. The bits do not depend on it */
  const ml3_ranks *ranks;  /* share out the members; the bits do not depend on them either. NULL: there is one */
  uint64_t seed;           /* batches of member i in epoch e are drawn from the stream (seed, BASELINE, i, 2 + e) */
} ml3_ensemble_fit_settings;
ml3_ensemble_fit_settings ml3_ensemble_fit_defaults(uint64_t seed); /* 500 epochs, patience 30, batch 64, rate 1e-3 */

/* What came of a fit. */
typedef struct ml3_ensemble_fit_report {
  int epochs[ML3_ENSEMBLE_MAX_MEMBERS];      /* taken */
  double held_out[ML3_ENSEMBLE_MAX_MEMBERS]; /* mean negative log-likelihood there, of the parameters kept */
  double error[ML3_ENSEMBLE_MAX_MEMBERS];    /* there: root mean square of the normalised error */
} ml3_ensemble_fit_report;

/* Goes on from the present parameters. Needs at least two transitions a part. A likelihood that is not finite is
   ML3_ERR_NUMERIC naming the member, and leaves the ensemble as it was. report may be NULL. Of several ranks each fits its own
   members to the same transitions, and all get all of them, or the same error. */
int ml3_ensemble_fit(ml3_ensemble *ensemble, const ml3_transitions *data, const ml3_ensemble_fit_settings *settings,
                     ml3_ensemble_fit_report *report, ml3_error *error);

/* Nodes: mean and variance [rows, predicted] of the change of member i, in the state's units. */
void ml3_ensemble_build_member(const ml3_ensemble *ensemble, ml3_nn_graph *g, int member, ml3_node context,
                               ml3_node state, ml3_node action, ml3_node *mean, ml3_node *variance);

/* ensemble.safetensors. Loading checks that the file is of that environment's dimensions. */
int ml3_ensemble_save(const ml3_ensemble *ensemble, const char *path, ml3_error *error);
ml3_ensemble *ml3_ensemble_load(const ml3_env_spec *spec, const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
