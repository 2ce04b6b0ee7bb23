/* Recording a rollout. */
#include "envs/episode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ml3_episode *ml3_episode_new(const ml3_env_spec *spec, int capacity, ml3_error *error) {
  if (capacity < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "an episode of %d steps was asked for; it needs room for at least 1",
                  capacity);
    return NULL;
  }

  ml3_episode *e = calloc(1, sizeof *e);
  size_t t = (size_t)capacity;
  if (e) {
    *e = (ml3_episode){.spec = spec, .capacity = capacity, .success_step = -1};
    e->task = calloc((size_t)spec->task_dim + 1, sizeof(double));
    e->states = calloc((t + 1) * (size_t)spec->state_dim, sizeof(double));
    e->obs = calloc((t + 1) * (size_t)spec->obs_dim, sizeof(double));
    e->actions = calloc(t * (size_t)spec->action_dim, sizeof(double));
    e->rewards = calloc(t, sizeof(double));
    e->loss = calloc(t, sizeof(double));
  }
  if (!e || !e->task || !e->states || !e->obs || !e->actions || !e->rewards || !e->loss) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an episode of %d steps", capacity);
    ml3_episode_free(e);
    return NULL;
  }
  return e;
}

void ml3_episode_free(ml3_episode *e) {
  if (!e) return;
  free(e->task);
  free(e->states);
  free(e->obs);
  free(e->actions);
  free(e->rewards);
  free(e->loss);
  free(e);
}

/* Writes down state `t` of the rollout, the last one so far, and whether it is at the goal. */
static void note_state(ml3_episode *e, const ml3_env *env, int t) {
  ml3_env_get_state(env, e->states + (size_t)t * (size_t)e->spec->state_dim);
  ml3_env_observe(env, e->obs + (size_t)t * (size_t)e->spec->obs_dim);
  e->final_distance = ml3_env_distance(env);
  e->success = ml3_env_success(env);
  if (e->success && !e->passed) {
    e->passed = true;
    e->success_step = t;
  }
}

void ml3_episode_begin(ml3_episode *e, const ml3_env *env) {
  memcpy(e->task, env->task, (size_t)e->spec->task_dim * sizeof *e->task);
  e->steps = 0;
  e->episode_return = 0;
  e->terminated = e->cut = e->success = e->passed = false;
  e->success_step = -1;
  note_state(e, env, 0);
}

bool ml3_episode_extend(ml3_episode *e, ml3_env *env, ml3_env_policy policy, void *user) {
  const ml3_env_spec *spec = e->spec;
  const int t = e->steps;
  if (t >= e->capacity || e->terminated || e->cut) return false;

  double *action = e->actions + (size_t)t * (size_t)spec->action_dim;
  policy(user, t, e->obs + (size_t)t * (size_t)spec->obs_dim, e->states + (size_t)t * (size_t)spec->state_dim, action);
  ml3_env_result result = ml3_env_step(env, action);
  e->rewards[t] = result.reward;
  e->loss[t] = NAN;
  e->episode_return += result.reward;
  e->terminated = result.terminated || result.code < 0;
  e->cut = result.truncated && env->steps < spec->horizon;
  e->steps = t + 1;
  note_state(e, env, t + 1);
  return true;
}

void ml3_episode_cut(ml3_episode *e, ml3_env *env, int t) {
  if (t < 0 || t > e->steps) return;
  e->terminated = e->terminated && t == e->steps;
  e->cut = e->cut && t == e->steps;
  e->steps = t;
  e->episode_return = 0;
  for (int i = 0; i < t; i++) e->episode_return += e->rewards[i];
  if (e->success_step > t) e->passed = false, e->success_step = -1;
  ml3_env_set_state(env, e->states + (size_t)t * (size_t)e->spec->state_dim);
  e->final_distance = ml3_env_distance(env);
  e->success = ml3_env_success(env);
}

void ml3_episode_record(ml3_episode *e, ml3_env *env, int horizon, bool stop_at_success, ml3_env_policy policy,
                        void *user) {
  ml3_episode_begin(e, env);
  while (e->steps < horizon && !(stop_at_success && e->success))
    if (!ml3_episode_extend(e, env, policy, user)) break;
}
