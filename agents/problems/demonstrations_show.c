/* Demonstrations by an expert's policy: see demonstrations.h. */
#include <stdlib.h>

#include "agents/problems/demonstrations_internal.h"

/* Task `i`, and what the expert's mean does there. */
static void show(ml3_demonstrations *d, int i, const ml3_expert *expert, uint64_t seed, ml3_env *env, double *goal) {
  const ml3_env_spec *spec = d->env;
  ml3_demonstrations_begin(d, i, seed, env);
  ml3_env_goal(env, goal);
  for (int t = 0; t < d->steps; t++) {
    double *obs = d->obs + (i * d->steps + t) * spec->obs_dim,
           *action = d->action + (i * d->steps + t) * spec->action_dim;
    ml3_env_observe(env, obs);
    ml3_policy_act(&expert->policy, expert->theta, obs, goal, action);
    d->episode_return += ml3_env_step(env, action).reward / d->count;
  }
}

ml3_demonstrations *ml3_demonstrations_show(const ml3_env_spec *spec, const ml3_expert *expert, int count, int steps,
                                            uint64_t seed, ml3_error *error) {
  ml3_env *env = ml3_env_new(spec, error);
  double *goal = calloc((size_t)spec->goal_dim + 1, sizeof *goal);
  ml3_demonstrations *d = NULL;
  if (!goal) ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a goal");
  if (env && goal) d = ml3_demonstrations_new(spec, count, steps, error);
  for (int i = 0; d && i < count; i++) show(d, i, expert, seed, env, goal);
  free(goal);
  ml3_env_free(env);
  return d;
}
