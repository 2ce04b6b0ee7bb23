/* Policies: from an observation to an action.

     input          x = clamp((obs - shift) * scale, +-10), with the goal's entries behind it where `goal_dim` is not 0;
                    entries may be taken relative to others first (`minus`), such as a position to the goal's
     deterministic  action = squash(net(x))
     Gaussian       action ~ N(squash(net(x)), sigma^2), sigma = exp(log_std): one number an action at the end of theta,
                    or a second half of the network's outputs, kept within [log_std_min, log_std_max]; beyond them the
                    gradient of a free one passes as if there were no bounds, so that it can come back
     categorical    action ~ softmax(net(x)) among an environment's discrete actions (policy_categorical.c)
     linear         any of them without hidden layers

   theta is one flat vector: the network's parameters, then the log_std that do not depend on the state. What does not
   depend on theta (shapes, bounds, the observations' normalisation) is the policy; both are in policy.safetensors.
   A Gaussian policy's action is clipped to its bounds by the environment; its log-probability is of the action drawn. */
#ifndef ML3_AGENTS_POLICY_H
#define ML3_AGENTS_POLICY_H

#include "envs/episode.h"
#include "nn/mlp.h"
#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a policy makes of an observation: an action, a Gaussian of actions, or the probabilities of discrete ones. */
typedef enum ml3_policy_kind {
  ML3_POLICY_DETERMINISTIC,
  ML3_POLICY_GAUSSIAN,       /* log_std are parameters */
  ML3_POLICY_GAUSSIAN_STATE, /* log_std depend on the state */
  ML3_POLICY_CATEGORICAL,    /* where the environment's actions are discrete: the one kind there is then */
  ML3_POLICY_SQUASHED        /* a Gaussian of what is squashed into the bounds: squashed.h */
} ml3_policy_kind;

/* How the network's output x is kept within [low, high]. Clamp is for deterministic policies: a Gaussian's mean is x. */
typedef enum ml3_squash {
  ML3_SQUASH_CLAMP, /* clamp(x), gradient 1 inside and at the bounds, else 0: a saturated policy cannot learn */
  ML3_SQUASH_TANH   /* mid + half tanh((x - mid) / half): smooth; needs finite bounds */
} ml3_squash;

/* A policy's shape, bounds and normalisation; its parameters are elsewhere. */
typedef struct ml3_policy {
  ml3_mlp net; /* inputs: observation, goal; outputs: actions, and log_std where they depend on the state; or logits */
  ml3_policy_kind kind;
  int obs_dim, goal_dim, action_dim; /* goal_dim 0: the goal is not an input */
  int choices;                       /* of a categorical policy; else 0 */
  /* [inputs] What is made of an input, from ml3_policy_reserve; NULL: nothing. They are this policy's: a copy of the struct
     has the same ones, ml3_policy_copy makes others. */
  double *shift, *scale;
  int *minus;      /* 1 + the input that is taken away from it first; 0: none */
  bool clip_input; /* x within +-10; false from ml3_policy_init: rollouts through models differentiate x */
  ml3_squash squash;
  const ml3_env_field *action; /* [action_dim] with their bounds. The environment's, which outlives the policy */
  double log_std_init, log_std_min, log_std_max;
  double output_gain; /* of ml3_policy_draw: the last layer's parameters times this; 1 from ml3_policy_init */
} ml3_policy;

/* A policy for that environment: its observation in, its action and bounds out. Deterministic, and categorical where
   actions are discrete. It has as many inputs and actions as the environment; memory alone bounds them. */
int ml3_policy_init(ml3_policy *policy, const ml3_env_spec *env, const int *hidden, int depth,
                    ml3_activation activation, bool bias, ml3_error *error);
/* Makes it Gaussian, sigma starting at exp(log_std_init). */
int ml3_policy_make_gaussian(ml3_policy *policy, ml3_policy_kind kind, double log_std_init, ml3_error *error);
/* Room for shift, scale and minus, which change nothing yet: 0, 1 and 0; nothing where there is room already. */
int ml3_policy_reserve(ml3_policy *policy, ml3_error *error);
/* Another policy with the same numbers, in memory of its own. */
int ml3_policy_copy(ml3_policy *to, const ml3_policy *from, ml3_error *error);
void ml3_policy_free(ml3_policy *policy); /* what it has reserved; the struct is the caller's */
/* Does a policy of that kind fit the environment's actions? Else a sentence. */
int ml3_policy_expects(const ml3_env_spec *env, ml3_policy_kind kind, ml3_error *error);
const char *ml3_policy_kind_name(ml3_policy_kind kind); /* as in files and configurations: "gaussian_state" */
/* Puts the goal behind the observation. */
int ml3_policy_add_goal(ml3_policy *policy, const ml3_env_spec *env, ml3_error *error);

/* Input i becomes its difference to input j. */
int ml3_policy_make_relative(ml3_policy *policy, int i, int j, ml3_error *error);

int ml3_policy_size(const ml3_policy *policy); /* of theta */
/* Puts log_std at the end of theta back within its bounds: for after a step of an optimizer. Others: nothing. */
void ml3_policy_bound_log_std(const ml3_policy *policy, ml3_real *theta);
/* Fresh parameters: weights as ml3_mlp_init, log_std at log_std_init. */
void ml3_policy_draw(const ml3_policy *policy, ml3_random *random, ml3_real *theta);
/* Orthogonal weights with gain sqrt 2 in the hidden layers and `gain` in the last, no biases (Saxe et al. 2013), as usual
   for PPO. */
int ml3_policy_draw_orthogonal(const ml3_policy *policy, double gain, ml3_random *random, ml3_real *theta,
                               ml3_error *error);
int ml3_mlp_draw_orthogonal(const ml3_mlp *mlp, double gain, ml3_random *random, ml3_real *parameters,
                            ml3_error *error);

/* ---- one observation -------------------------------------------------------------------------------- */

/* action[action_dim]: the deterministic policy's, the Gaussian's mean (squashed, where that is its kind), or the likeliest
   choice. goal may be NULL where it is no input. */
void ml3_policy_act(const ml3_policy *policy, const ml3_real *theta, const double *obs, const double *goal,
                    double *action);

/* x[inputs] from obs[obs_dim] and goal[goal_dim]. */
void ml3_policy_input(const ml3_policy *policy, const double *obs, const double *goal, ml3_real *x);

/* Half the width of an action's bounds; 1 where there are none. */
double ml3_policy_half_width(const ml3_policy *policy, int action);

/* ---- many, as graph ----------------------------------------------------------------------------------- */

/* obs [rows, net.inputs], not yet normalised -> action or mean [rows, action_dim]. Not of a categorical policy. */
ml3_node ml3_policy_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node obs);

/* A policy's outputs in a graph; ML3_NN_NONE for what it does not have. */
typedef struct ml3_policy_nodes {
  ml3_node mean;      /* [rows, action_dim] of all but a categorical policy; of a squashed one before it is squashed */
  ml3_node log_std;   /* [rows, action_dim] of a Gaussian policy */
  ml3_node log_probs; /* [rows, choices] of a categorical policy */
} ml3_policy_nodes;
/* From inputs x that are normalised already. */
ml3_policy_nodes ml3_policy_build_from_input(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node x);
/* log pi(action | s), [rows, 1], of a Gaussian or categorical policy. */
ml3_node ml3_policy_build_log_prob(ml3_nn_graph *g, ml3_policy_nodes at, ml3_node actions);
/* Actions [rows, action_dim] as shares of half the width of their bounds. */
ml3_node ml3_policy_build_shares(ml3_nn_graph *g, const ml3_policy *policy, ml3_node actions);
/* Entropy of each row, [rows, 1]. */
ml3_node ml3_policy_build_entropy(ml3_nn_graph *g, ml3_policy_nodes at);

/* ---- normalisation ------------------------------------------------------------------------------------- */

/* Running mean and squared deviations of the inputs (Chan et al. 1979), so that policies see mean 0 and deviation 1. */
typedef struct ml3_normalizer {
  int size;
  double count, *mean, *squares; /* [size] */
} ml3_normalizer;

/* Of vectors of that size; nothing seen yet. */
int ml3_normalizer_init(ml3_normalizer *n, int size, ml3_error *error);
void ml3_normalizer_free(ml3_normalizer *n); /* its memory */
void ml3_normalizer_add(ml3_normalizer *n, const double *rows, int count); /* rows[count][size] */
/* Sets the policy's shift and scale, which are reserved, from what was seen; inputs that never change keep scale 1. */
void ml3_normalizer_apply(const ml3_normalizer *n, ml3_policy *policy);

/* ---- files ----------------------------------------------------------------------------------------------- */

/* policy.safetensors. Loading checks that the file's policy has the shape of `policy`, and takes its normalisation, for which
   it reserves room. */
int ml3_policy_save(const ml3_policy *policy, const ml3_real *theta, const char *path, ml3_error *error);
int ml3_policy_load(ml3_policy *policy, ml3_real *theta, const char *path, ml3_error *error);
/* The policy of a file, of the shape that the file says, for an environment that it must fit. The caller frees *theta, and the
   policy by ml3_policy_free; after an error there is nothing to free. */
int ml3_policy_open(const char *path, const ml3_env_spec *env, ml3_policy *policy, ml3_real **theta, ml3_error *error);

/* Its normalisation into a checkpoint, as PREFIXshift and PREFIXscale, and back into a policy of as many inputs. */
int ml3_policy_put_scaling(const ml3_policy *policy, const char *prefix, ml3_nn_tensors *file, ml3_error *error);
int ml3_policy_get_scaling(ml3_policy *policy, const char *prefix, const ml3_nn_tensors *file, ml3_error *error);

/* For ml3_episode_record: user is a ml3_policy_player. Acts by the mean. */
typedef struct ml3_policy_player {
  const ml3_policy *policy;
  const ml3_real *theta;
  const double *goal; /* [goal_dim]; may be NULL where it is no input */
} ml3_policy_player;
void ml3_policy_play(void *user, int step, const double *obs, const double *state,
                     double *action); /* an ml3_env_policy; user: an ml3_policy_player */

#ifdef __cplusplus
}
#endif

#endif
