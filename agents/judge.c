/* How a policy's mean does in the simulator: see rollout.h. */
#include <math.h>
#include <string.h>

#include "agents/rollout.h"

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
  for (int i = 0; i < p->env->action_dim; i++)
    action[i] = ml3_random_uniform(&p->random, p->env->action[i].low, p->env->action[i].high);
}

int ml3_judge(const ml3_env_spec *spec, const ml3_policy *policy, const ml3_real *theta, const double *task, int horizon,
              int episodes, uint64_t key, ml3_outcome *outcome, ml3_error *error) {
  double start[ML3_POLICY_MAX_OBS], goal[ML3_POLICY_MAX_OBS];
  if (spec->task_dim > ML3_POLICY_MAX_OBS || spec->goal_dim > ML3_POLICY_MAX_OBS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s' has a task of %d numbers; at most %d are possible", spec->name,
                         spec->task_dim, ML3_POLICY_MAX_OBS);
  *outcome = (ml3_outcome){0};
  ml3_env *env = ml3_env_new(spec, error);
  ml3_episode *episode = env ? ml3_episode_new(spec, horizon ? horizon : spec->horizon, error) : NULL;
  for (int i = 0; i < episodes && episode; i++) {
    ml3_random random = ml3_random_stream(key, ML3_PURPOSE_RESET, (uint32_t)i, 0);
    memcpy(start, task, (size_t)spec->task_dim * sizeof *start);
    ml3_task_draw_start(spec, &random, start);
    ml3_env_reset(env, start, &random);
    ml3_env_goal(env, goal);
    player p = {.mean = {.policy = policy, .theta = theta, .goal = goal}, .env = spec, .random = random};
    ml3_episode_record(episode, env, episode->capacity, false, play, &p);
    outcome->task_loss -= episode->episode_return / episodes;
    outcome->episode_return += episode->episode_return / episodes;
    outcome->distance += episode->final_distance / episodes;
    outcome->success += (double)episode->success / episodes;
    outcome->env_steps += episode->steps;
  }
  int code = episode ? ML3_OK : (error ? error->code : ML3_ERR_MEMORY);
  ml3_episode_free(episode);
  ml3_env_free(env);
  return code;
}
