/* A recorded rollout: what viewers play, planners branch from and plots show. */
#ifndef ML3_ENVS_EPISODE_H
#define ML3_ENVS_EPISODE_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An episode as it was: states, observations, actions, rewards. */
typedef struct ml3_episode {
  const ml3_env_spec *spec;
  char label[96]; /* for a legend: "learned loss, 5 steps" */
  int steps;      /* T, at most capacity */
  int capacity;
  double *task;    /* [task_dim] */
  double *states;  /* [T + 1][state_dim] */
  double *obs;     /* [T + 1][obs_dim] */
  double *actions; /* [T][action_dim] */
  double *rewards; /* [T] */
  double *loss;    /* [T] the learned loss along the rollout; NAN where it is not known */
  double episode_return;
  double final_distance;
  bool terminated;  /* the environment ended it */
  bool cut;         /* it truncated it, before its horizon */
  bool success;     /* at the goal in the last state */
  bool passed;      /* at the goal in some state */
  int success_step; /* the first such state, or -1 */
} ml3_episode;

/* A policy for a rollout: writes action[action_dim]; step is the time step from 0. */
typedef void (*ml3_env_policy)(void *user, int step, const double *obs, const double *state, double *action);

/* An empty episode with room for capacity steps. Freed by ml3_episode_free. */
ml3_episode *ml3_episode_new(const ml3_env_spec *spec, int capacity, ml3_error *error);
void ml3_episode_free(ml3_episode *episode);

/* Rolls env out from its present state for at most `horizon` steps (episode->capacity bounds it) and
   records into episode. Stops early at `terminated`, and in the first state at the goal when stop_at_success. */
void ml3_episode_record(ml3_episode *episode, ml3_env *env, int horizon, bool stop_at_success, ml3_env_policy policy,
                        void *user);

/* The same in pieces, for those who look on: begin with env's present state; go on by one step (false: there is no room,
   or the episode has ended); take back what came after state t, which env is put into as well. */
void ml3_episode_begin(ml3_episode *episode, const ml3_env *env);
bool ml3_episode_extend(ml3_episode *episode, ml3_env *env, ml3_env_policy policy, void *user);
void ml3_episode_cut(ml3_episode *episode, ml3_env *env, int t);

#ifdef __cplusplus
}
#endif

#endif
