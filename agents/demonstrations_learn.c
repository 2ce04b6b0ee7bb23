/* Demonstrations by a learner, which first learns all tasks at once: see demonstrations.h. */
#include <stdlib.h>

#include "agents/demonstrations_internal.h"

static int learn(ml3_learner *learner, int (*observe)(void *user, const ml3_learner_report *report), void *user,
                 ml3_error *error) {
  const int64_t updates = learner->settings.updates;
  while (learner->updates < updates) {
    ml3_learner_report report;
    const int code = ml3_learner_update(learner, &report, error);
    if (code != ML3_OK) return code;
    if (observe && observe(user, &report))
      return ml3_error_set(error, ML3_ERR_INTERRUPTED,
                           "the expert was interrupted at update %lld of %lld; nothing of it is kept",
                           (long long)learner->updates, (long long)updates);
  }
  return ML3_OK;
}

/* Task `i`, and what the policy's mean does there. */
static void show(ml3_demonstrations *d, int i, const ml3_learner *learner, ml3_env *env, double *goal) {
  const ml3_env_spec *spec = d->env;
  ml3_demonstrations_begin(d, i, learner->settings.seed, env);
  ml3_env_goal(env, goal);
  for (int t = 0; t < d->steps; t++) {
    double *obs = d->obs + (i * d->steps + t) * spec->obs_dim,
           *action = d->action + (i * d->steps + t) * spec->action_dim;
    ml3_env_observe(env, obs);
    ml3_policy_act(&learner->policy, learner->parameters, obs, goal, action);
    d->episode_return += ml3_env_step(env, action).reward / d->count;
  }
}

ml3_demonstrations *ml3_demonstrations_learn(const ml3_learner_kind *kind, const ml3_learner_settings *settings,
                                             int count, int steps,
                                             int (*observe)(void *user, const ml3_learner_report *report), void *user,
                                             ml3_error *error) {
  const ml3_env_spec *spec = settings->env;
  ml3_learner *learner = ml3_learner_new(kind, settings, error);
  ml3_env *env = learner ? ml3_env_new(spec, error) : NULL;
  double *goal = calloc((size_t)spec->goal_dim + 1, sizeof *goal);
  ml3_demonstrations *d = NULL;
  if (!goal) ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a goal");
  if (env && goal && learn(learner, observe, user, error) == ML3_OK)
    d = ml3_demonstrations_new(spec, count, steps, error);
  for (int i = 0; d && i < count; i++) show(d, i, learner, env, goal);
  free(goal);
  ml3_env_free(env);
  ml3_learner_free(learner);
  return d;
}
