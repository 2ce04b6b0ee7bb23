/* How a policy's mean does in the simulator: see rollout.h. */
#include <string.h>

#include "agents/learn/rollout.h"

typedef struct player {
  ml3_policy_player mean;
  const ml3_env_spec *env;
  ml3_random random;
} player;

static void play(void *user, int step, const double *obs, const double *state, double *action) {
  player *p = user;
  if (p->mean.theta) {
    ml3_policy_play(&p->mean, step, obs, state, action);
    return;
  }
  ml3_env_draw_action(p->env, &p->random, action);
}

static void record(ml3_episode *episode, ml3_env *env, const ml3_policy *policy, const ml3_real *theta,
                   const double *task, int start, uint64_t key) {
  const ml3_env_spec *spec = env->spec;
  double drawn[spec->task_dim + 1], goal[spec->goal_dim + 1];
  ml3_random random = ml3_random_stream(key, ML3_PURPOSE_RESET, (uint32_t)start, 0);
  memcpy(drawn, task, (size_t)spec->task_dim * sizeof *drawn);
  ml3_task_draw_start(spec, &random, drawn);
  ml3_env_reset(env, drawn, &random);
  ml3_env_goal(env, goal);
  player p = {.mean = {.policy = policy, .theta = theta, .goal = goal}, .env = spec, .random = random};
  ml3_episode_record(episode, env, episode->capacity, false, play, &p);
}

/* An environment and an episode for it. */
static int open(const ml3_env_spec *spec, int horizon, ml3_env **env, ml3_episode **episode, ml3_error *error) {
  *episode = NULL;
  *env = ml3_env_new(spec, error);
  *episode = *env ? ml3_episode_new(spec, horizon ? horizon : spec->horizon, error) : NULL;
  return *episode ? ML3_OK : ML3_ERR_MEMORY;
}

int ml3_judge(const ml3_env_spec *spec, const ml3_policy *policy, const ml3_real *theta, const double *task,
              int horizon, int episodes, uint64_t key, ml3_outcome *outcome, ml3_error *error) {
  ml3_env *env;
  ml3_episode *episode;
  int code = open(spec, horizon, &env, &episode, error);
  *outcome = (ml3_outcome){0};
  for (int i = 0; i < episodes && code == ML3_OK; i++) {
    record(episode, env, policy, theta, task, i, key);
    code = ml3_env_failed(spec, error);
    outcome->task_loss -= episode->episode_return / episodes;
    outcome->episode_return += episode->episode_return / episodes;
    outcome->distance += episode->final_distance / episodes;
    outcome->success += (double)episode->success / episodes;
    outcome->passed += (double)episode->passed / episodes;
    outcome->env_steps += episode->steps;
  }
  ml3_episode_free(episode);
  ml3_env_free(env);
  return code;
}

ml3_episode *ml3_judge_episode(const ml3_env_spec *spec, const ml3_policy *policy, const ml3_real *theta,
                               const double *task, int horizon, int start, uint64_t key, ml3_error *error) {
  ml3_env *env;
  ml3_episode *episode;
  if (open(spec, horizon, &env, &episode, error) == ML3_OK) record(episode, env, policy, theta, task, start, key);
  ml3_env_free(env);
  if (!episode || ml3_env_failed(spec, error) == ML3_OK) return episode;
  ml3_episode_free(episode);
  return NULL;
}
