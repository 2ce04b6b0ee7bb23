/* What the model-free problem collects: episodes in the simulator, credit, what the extra information needs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/advantage.h"
#include "agents/problems/model_free_internal.h"

/* ---- crews ---------------------------------------------------------------------------------------------------- */

void ml3_model_free_free_crew(crew *c) {
  if (!c) return;
  ml3_sampler_free(c->inner);
  ml3_sampler_free(c->outer);
  ml3_sampler_free(c->guide);
  ml3_rollout_free(c->inner_rollout);
  ml3_rollout_free(c->outer_rollout);
  ml3_rollout_free(c->guide_rollout);
  free(c->extra_reward);
  free(c->value);
  free(c->fit);
  free(c);
}

/* What an expert needs: to see what policies see and, where it guides, to act. */
static bool make_expert(const model_free *m, crew *c, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  const int obs_dim = s->env->obs_dim;
  if (s->extra != ML3_MODEL_FREE_ADVICE) return true;
  if (ml3_rollout_keep_obs(c->outer_rollout, obs_dim, error) != ML3_OK) return false;
  if (s->taught && ml3_rollout_keep_obs(c->inner_rollout, obs_dim, error) != ML3_OK) return false;
  if (!s->guided) return true;
  const ml3_policy *policy = &s->expert->policy;
  c->guide = ml3_sampler_new(s->env, policy, s->guided, s->horizon, 1, error);
  c->guide_rollout = c->guide ? ml3_rollout_new(policy, s->guided, s->horizon, 0, error) : NULL;
  return c->guide_rollout && ml3_rollout_keep_obs(c->guide_rollout, obs_dim, error) == ML3_OK;
}

static crew *new_crew(const model_free *m, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  crew *c = calloc(1, sizeof *c);
  if (!c) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the rollouts of '%s'", s->env->name);
    return NULL;
  }
  const int state = s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL ? s->env->state_dim : 0;
  c->inner = ml3_sampler_new(s->env, &s->policy, s->rollouts, s->horizon, 1, error);
  c->outer = c->inner ? ml3_sampler_new(s->env, &s->policy, s->outer_rollouts, s->horizon, 1, error) : NULL;
  c->inner_rollout = c->outer ? ml3_rollout_new(&s->policy, s->rollouts, s->horizon, 0, error) : NULL;
  c->outer_rollout = c->inner_rollout ? ml3_rollout_new(&s->policy, s->outer_rollouts, s->horizon, state, error) : NULL;
  c->extra_reward = calloc((size_t)outer_rows(m), sizeof *c->extra_reward);
  if (c->outer_rollout && !make_expert(m, c, error)) {
    ml3_model_free_free_crew(c);
    return NULL;
  }
  const size_t rows = (size_t)(inner_rows(m) > outer_rows(m) ? inner_rows(m) : outer_rows(m));
  c->value = calloc(3 * rows, sizeof *c->value);
  c->fit = calloc(ml3_baseline_size(inputs(m)), sizeof *c->fit);
  if (c->outer_rollout && !(c->extra_reward && c->value && c->fit))
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the rollouts of '%s'", s->env->name);
  if (c->outer_rollout && c->extra_reward && c->value && c->fit) {
    c->zeros = c->value + rows;
    c->returns = c->zeros + rows;
    return c;
  }
  ml3_model_free_free_crew(c);
  return NULL;
}

/* An idle crew, or a new one when all are at work. What a crew did before leaves no trace in what it does next. */
crew *ml3_model_free_take_crew(const model_free *m, ml3_error *error) {
  model_free *shared = (model_free *)m; /* the list is the only part that changes */
  crew *c;
#pragma omp critical(ml3_model_free_crews)
  {
    c = shared->idle;
    if (c) shared->idle = c->next;
  }
  return c ? c : new_crew(m, error);
}

void ml3_model_free_return_crew(const model_free *m, crew *c) {
  model_free *shared = (model_free *)m;
#pragma omp critical(ml3_model_free_crews)
  {
    c->next = shared->idle;
    shared->idle = c;
  }
}

static ml3_real *put(ml3_real *to, const ml3_real *from, size_t count) {
  memcpy(to, from, count * sizeof *to);
  return to + count;
}

/* x and action of every row; returns where to write on. */
static ml3_real *put_rows(const model_free *m, const ml3_rollout *r, ml3_real *to) {
  const size_t rows = (size_t)r->envs * (size_t)r->steps;
  to = put(to, r->x, rows * (size_t)inputs(m));
  return put(to, r->action, rows * (size_t)actions(m));
}

static int advantages(const model_free *m, crew *c, const ml3_rollout *r, const ml3_real *reward, ml3_real *out,
                      ml3_error *error) {
  int code = ML3_OK;
  ml3_rewards_to_go(r, reward, m->settings.discount, out);
  if (m->settings.baseline == ML3_BASELINE_EPISODES) {
    ml3_subtract_others(r, out);
  } else if ((code = ml3_fit_baseline(r, out, c->fit, c->value, error)) ==
             ML3_OK) { /* nothing is promised beyond the end */
    ml3_generalized_advantages(r, reward, c->value, c->zeros, c->zeros, m->settings.discount, m->settings.lambda, out,
                               c->returns);
  }
  ml3_standardize(out, (size_t)r->envs * (size_t)r->steps);
  return code;
}

static int put_exploration(const model_free *m, crew *c, ml3_real *to, ml3_error *error) {
  const ml3_rollout *r = c->outer_rollout;
  for (int t = 0; t < r->steps; t++)
    for (int i = 0; i < r->envs; i++) {
      const size_t at = (size_t)t * (size_t)r->envs + (size_t)i;
      const ml3_real *state = r->state + at * (size_t)r->state_dim;
      double sum = 0;
      for (int k = 0; k < r->state_dim; k++)
        sum += (state[k] - m->settings.extra_goal[k]) * (state[k] - m->settings.extra_goal[k]);
      c->extra_reward[at] = t < m->settings.extra_until_step ? (ml3_real)-sqrt(sum) : 0;
    }
  return advantages(m, c, r, c->extra_reward, to, error);
}

static void goal_of(const model_free *m, const ml3_real *task, double goal[ML3_POLICY_MAX_OBS]) {
  for (int i = 0; i < m->settings.env->goal_dim; i++) goal[i] = task_goal(m, task)[i];
}

static void put_demonstration(const model_free *m, const ml3_real *task, ml3_real *to) {
  const ml3_demonstrations *d = m->settings.demonstrations;
  const ml3_env_spec *env = m->settings.env;
  const int number = task_demonstration(m, task), steps = d->steps;
  double goal[ML3_POLICY_MAX_OBS];
  goal_of(m, task, goal);
  ml3_real *x = to, *action = to + steps * inputs(m);
  memset(to, 0, (size_t)(steps * (inputs(m) + actions(m))) * sizeof *to);
  ml3_demonstrations_weigh(d, number, action + steps * actions(m));
  for (int t = 0; number >= 0 && t < d->length[number]; t++) {
    ml3_policy_input(&m->settings.policy, d->obs + (number * steps + t) * env->obs_dim, goal, x + t * inputs(m));
    for (int k = 0; k < actions(m); k++)
      action[t * actions(m) + k] = (ml3_real)d->action[(number * steps + t) * actions(m) + k];
  }
}

/* What the expert would do in each row. */
static void put_advice(const model_free *m, const ml3_rollout *r, const ml3_real *task, ml3_real *to) {
  double goal[ML3_POLICY_MAX_OBS];
  goal_of(m, task, goal);
  ml3_expert_advise(m->settings.expert, r->obs, goal, r->envs * r->steps, to);
}

/* Episodes for an update or a task loss, all of them: where a simulation diverges the task has failed. */
static int collect_whole(ml3_sampler *s, const ml3_real *theta, ml3_rollout *r, ml3_error *error) {
  const int code = ml3_sampler_collect(s, theta, NULL, NULL, r, error);
  if (code != ML3_OK || !r->diverged) return code;
  return ml3_error_set(error, ML3_ERR_NUMERIC, "the simulation diverged in %d of %d episodes", r->diverged_envs,
                       r->envs);
}

/* The expert's episodes in place of the first ones of the update. */
static int collect_guided(const model_free *m, crew *c, const ml3_real *task, ml3_error *error) {
  const ml3_rollout *from = c->guide_rollout;
  ml3_rollout *r = c->inner_rollout;
  double goal[ML3_POLICY_MAX_OBS];
  goal_of(m, task, goal);
  const int code = collect_whole(c->guide, m->settings.expert->theta, c->guide_rollout, error);
  for (int t = 0; t < r->steps && code == ML3_OK; t++)
    for (int i = 0; i < from->envs; i++) {
      const int at = t * r->envs + i, there = t * from->envs + i;
      ml3_policy_input(&m->settings.policy, from->obs + there * from->obs_dim, goal, r->x + at * r->inputs);
      if (r->obs) memcpy(r->obs + at * r->obs_dim, from->obs + there * r->obs_dim, (size_t)r->obs_dim * sizeof *r->obs);
      put(r->action + at * r->action_dim, from->action + there * r->action_dim, (size_t)r->action_dim);
      r->log_prob[at] = from->log_prob[there];
      r->reward[at] = from->reward[there];
      r->end[at] = from->end[there];
    }
  return code;
}

static int collect_inner(const model_free *m, crew *c, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = c->inner_rollout;
  int code = collect_whole(c->inner, theta, c->inner_rollout, error);
  if (code == ML3_OK && c->guide && task_demonstration(m, task) >= 0) code = collect_guided(m, c, task, error);
  if (code != ML3_OK) return code;
  ml3_real *credit = put_rows(m, r, to), *advantage = credit + inner_rows(m);
  if ((code = advantages(m, c, r, r->reward, advantage, error)) != ML3_OK) return code;
  if (m->settings.credit == ML3_CREDIT_ADVANTAGE)
    put(credit, advantage, (size_t)inner_rows(m));
  else
    ml3_rewards_to_go(r, r->reward, m->settings.discount, credit);
  ml3_real *goal = put(advantage + inner_rows(m), r->log_prob, (size_t)inner_rows(m));
  put(goal, task_goal(m, task), (size_t)m->settings.env->goal_dim);
  if (m->settings.taught) put_advice(m, r, task, to + targets_offset(m));
  return ML3_OK;
}

static int collect_outer(const model_free *m, crew *c, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = c->outer_rollout;
  int code = collect_whole(c->outer, theta, c->outer_rollout, error);
  if (code != ML3_OK) return code;
  ml3_real *advantage = put_rows(m, r, to);
  if ((code = advantages(m, c, r, r->reward, advantage, error)) != ML3_OK) return code;
  put(to + old_offset(m), r->log_prob, (size_t)outer_rows(m));
  if (m->settings.extra == ML3_MODEL_FREE_EXPLORATION_GOAL) code = put_exploration(m, c, to + extra_offset(m), error);
  if (m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS) put_demonstration(m, task, to + extra_offset(m));
  if (m->settings.extra == ML3_MODEL_FREE_ADVICE) put_advice(m, r, task, to + extra_offset(m));
  return code;
}

int ml3_model_free_collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_free *m = self(p);
  double env_task[ML3_POLICY_MAX_OBS];
  const uint64_t high = ml3_random_bits(random), key = high << 32 | ml3_random_bits(random);
  ml3_model_free_task(p, task, env_task);
  crew *c = ml3_model_free_take_crew(m, error);
  if (!c) return error ? error->code : ML3_ERR_MEMORY;
  ml3_sampler_reset(outer ? c->outer : c->inner, env_task, key);
  if (c->guide && !outer) ml3_sampler_reset(c->guide, env_task, ~key);
  int code = outer ? collect_outer(m, c, task, theta, outer, error) : collect_inner(m, c, task, theta, inner, error);
  ml3_model_free_return_crew(m, c);
  return code;
}

/* D' of D: the same rows, without credit. */
int ml3_model_free_reuse(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer,
                         ml3_error *error) {
  const model_free *m = self(p);
  const size_t rows = (size_t)inner_rows(m), seen = rows * (size_t)(inputs(m) + actions(m));
  (void)error;
  put(put(outer, inner, seen), inner + seen + rows, 2 * rows); /* advantage and log-probability */
  if (m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS) put_demonstration(m, task, outer + extra_offset(m));
  return ML3_OK;
}
