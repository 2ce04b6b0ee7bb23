/* Policies: from an observation to an action. A deterministic MLP on the scaled observation, whose output is kept
   within the action's bounds. */
#ifndef ML3_AGENTS_POLICY_H
#define ML3_AGENTS_POLICY_H

#include "envs/episode.h"
#include "nn/mlp.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_POLICY_MAX_ACTIONS = 32, ML3_POLICY_MAX_OBS = 256 };

/* How the network's output x is kept within [low, high]. */
typedef enum ml3_squash {
  ML3_SQUASH_CLAMP, /* clamp(x), gradient 1 inside and at the bounds, else 0: a saturated policy cannot learn */
  ML3_SQUASH_TANH   /* mid + half tanh((x - mid) / half): smooth; needs finite bounds */
} ml3_squash;

typedef struct ml3_policy {
  ml3_mlp net; /* inputs: observation; outputs: action */
  double scale[ML3_POLICY_MAX_OBS]; /* observations are multiplied by this; 1 from ml3_policy_init */
  ml3_squash squash;
  double low[ML3_POLICY_MAX_ACTIONS], high[ML3_POLICY_MAX_ACTIONS];
} ml3_policy;

/* A policy for that environment: its observation in, its action and bounds out. */
int ml3_policy_init(ml3_policy *policy, const ml3_env_spec *env, const int *hidden, int depth,
                    ml3_activation activation, bool bias, ml3_error *error);

/* action[action_dim] = squash(net(scale * obs)). */
void ml3_policy_act(const ml3_policy *policy, const ml3_real *theta, const double *obs, double *action);

/* obs [rows, obs_dim] -> [rows, action_dim]. */
ml3_node ml3_policy_build(ml3_nn_graph *g, const ml3_policy *policy, ml3_node theta, ml3_node obs);

/* policy.safetensors. Loading checks the size against policy. */
int ml3_policy_save(const ml3_policy *policy, const ml3_real *theta, const char *path, ml3_error *error);
int ml3_policy_load(const ml3_policy *policy, ml3_real *theta, const char *path, ml3_error *error);

/* For ml3_episode_record: user is a ml3_policy_player. */
typedef struct ml3_policy_player {
  const ml3_policy *policy;
  const ml3_real *theta;
} ml3_policy_player;
void ml3_policy_play(void *user, int step, const double *obs, const double *state, double *action);

#ifdef __cplusplus
}
#endif

#endif
