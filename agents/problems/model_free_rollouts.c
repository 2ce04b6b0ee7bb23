/* What the model-free problem collects: episodes in the simulator, credit, what the extra information needs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/advantage.h"
#include "agents/problems/model_free_internal.h"

/* ---- workspaces ------------------------------------------------------------------------------------------------ */

void ml3_model_free_free_workspace(workspace *w) {
  if (!w) return;
  ml3_sampler_free(w->inner);
  ml3_sampler_free(w->outer);
  ml3_rollout_free(w->inner_rollout);
  ml3_rollout_free(w->outer_rollout);
  free(w->extra_reward);
  free(w->value);
  free(w->fit);
  free(w);
}

/* Rows of entries need the policy that drew. An expert sees what the environment shows, not what policies make of it. */
static bool keep_more(const model_free *m, workspace *w, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  if (by_entries(m) && ml3_rollout_keep_policy(w->inner_rollout, error) != ML3_OK) return false;
  if (s->extra != ML3_MODEL_FREE_ADVICE) return true;
  if (ml3_rollout_keep_obs(w->outer_rollout, s->env->obs_dim, error) != ML3_OK) return false;
  return !advises_updates(m) || ml3_rollout_keep_obs(w->inner_rollout, s->env->obs_dim, error) == ML3_OK;
}

static workspace *new_workspace(const model_free *m, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  workspace *w = calloc(1, sizeof *w);
  if (!w) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the rollouts of '%s'", s->env->name);
    return NULL;
  }
  const int state = s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL ? s->env->state_dim : 0;
  w->inner = ml3_sampler_new(s->env, &s->policy, s->rollouts, s->horizon, 1, error);
  w->outer = w->inner ? ml3_sampler_new(s->env, &s->policy, s->outer_rollouts, s->horizon, 1, error) : NULL;
  w->inner_rollout = w->outer ? ml3_rollout_new(&s->policy, s->rollouts, s->horizon, 0, error) : NULL;
  w->outer_rollout = w->inner_rollout ? ml3_rollout_new(&s->policy, s->outer_rollouts, s->horizon, state, error) : NULL;
  w->extra_reward = calloc((size_t)outer_rows(m), sizeof *w->extra_reward);
  if (w->outer_rollout && !keep_more(m, w, error)) {
    ml3_model_free_free_workspace(w);
    return NULL;
  }
  const size_t rows = (size_t)(inner_rows(m) > outer_rows(m) ? inner_rows(m) : outer_rows(m));
  w->value = calloc(3 * rows, sizeof *w->value);
  w->fit = calloc(ml3_baseline_size(inputs(m)), sizeof *w->fit);
  if (w->outer_rollout && !(w->extra_reward && w->value && w->fit))
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the rollouts of '%s'", s->env->name);
  if (w->outer_rollout && w->extra_reward && w->value && w->fit) {
    w->zeros = w->value + rows;
    w->returns = w->zeros + rows;
    return w;
  }
  ml3_model_free_free_workspace(w);
  return NULL;
}

/* An idle workspace, or a new one when all are in use. What was done in it before leaves no trace in what is done next. */
workspace *ml3_model_free_take_workspace(const model_free *m, ml3_error *error) {
  model_free *shared = (model_free *)m; /* the list is the only part that changes */
  workspace *w;
#pragma omp critical(ml3_model_free_workspaces)
  {
    w = shared->idle;
    if (w) shared->idle = w->next;
  }
  return w ? w : new_workspace(m, error);
}

void ml3_model_free_return_workspace(const model_free *m, workspace *w) {
  model_free *shared = (model_free *)m;
#pragma omp critical(ml3_model_free_workspaces)
  {
    w->next = shared->idle;
    shared->idle = w;
  }
}

static void put(ml3_block block, ml3_real *data, const ml3_real *from) {
  memcpy(ml3_block_in(block, data), from, (size_t)ml3_block_size(block) * sizeof *from);
}

/* From rewards to go in `out`, with a baseline fitted in w->value: generalised advantages, standardised. */
static void generalize(const model_free *m, workspace *w, const ml3_rollout *r, const ml3_real *reward, double lambda,
                       ml3_real *out) {
  if (m->settings.baseline == ML3_BASELINE_EPISODES)
    ml3_subtract_others(r, out);
  else /* nothing is promised beyond the end */
    ml3_generalized_advantages(r, reward, w->value, w->zeros, w->zeros, m->settings.discount, lambda, out, w->returns);
  ml3_standardize(out, (size_t)r->envs * (size_t)r->steps);
}

static int advantages(const model_free *m, workspace *w, const ml3_rollout *r, const ml3_real *reward, ml3_real *out,
                      ml3_error *error) {
  ml3_rewards_to_go(r, reward, m->settings.discount, out);
  const int code =
      m->settings.baseline == ML3_BASELINE_LINEAR ? ml3_fit_baseline(r, out, w->fit, w->value, error) : ML3_OK;
  if (code == ML3_OK) generalize(m, w, r, reward, m->settings.lambda, out);
  return code;
}

/* The same rows by other lambdas, from the baseline that `advantages` has just fitted. */
static void put_lambdas(const model_free *m, workspace *w, ml3_real *to) {
  static const struct {
    int block;
    double lambda;
  } of[] = {{INNER_TD, 0}, {INNER_SHORT, 0.7}, {INNER_LONG, 1}};
  const ml3_rollout *r = w->inner_rollout;
  for (int i = 0; i < 3; i++) {
    ml3_real *out = ml3_block_in(m->inner[of[i].block], to);
    ml3_rewards_to_go(r, r->reward, m->settings.discount, out);
    generalize(m, w, r, r->reward, of[i].lambda, out);
  }
}

static int put_exploration(const model_free *m, workspace *w, ml3_real *to, ml3_error *error) {
  const ml3_rollout *r = w->outer_rollout;
  for (int t = 0; t < r->steps; t++)
    for (int i = 0; i < r->envs; i++) {
      const size_t at = (size_t)t * (size_t)r->envs + (size_t)i;
      const ml3_real *state = r->state + at * (size_t)r->state_dim;
      double sum = 0;
      for (int k = 0; k < r->state_dim; k++)
        sum += (state[k] - m->settings.extra_goal[k]) * (state[k] - m->settings.extra_goal[k]);
      w->extra_reward[at] = t < m->settings.extra_until_step ? (ml3_real)-sqrt(sum) : 0;
    }
  return advantages(m, w, r, w->extra_reward, to, error);
}

/* What the expert would do in each row of the rollout. It may see what a task hides. */
static void put_expert_actions(const model_free *m, const ml3_rollout *r, const ml3_real *task, ml3_real *to) {
  double goal[m->settings.env->goal_dim + 1], parameters[m->settings.env->task_dim + 1];
  for (int i = 0; i < m->settings.env->goal_dim; i++) goal[i] = ml3_block_in(m->task[TASK_GOAL], task)[i];
  ml3_model_free_task(&m->problem, task, parameters);
  ml3_expert_advise(m->settings.expert, r->obs, m->settings.env->hides_task ? parameters : goal, r->envs * r->steps, to);
}

/* The task's, which has none in validation. */
static void put_demonstration(const model_free *m, const ml3_real *task, ml3_real *outer) {
  for (int i = 0; i < DEMONSTRATION_BLOCKS; i++)
    put(m->outer[OUTER_DEMONSTRATION + i], outer, ml3_block_in(m->task[TASK_DEMONSTRATION + i], task));
}

/* Episodes for an update or a task loss, all of them: where a simulation diverges the task has failed. */
static int collect_whole(ml3_sampler *s, const ml3_real *theta, ml3_rollout *r, ml3_error *error) {
  const int code = ml3_sampler_collect(s, theta, NULL, NULL, r, error);
  if (code != ML3_OK || !r->diverged) return code;
  return ml3_error_set(error, ML3_ERR_NUMERIC, "the simulation diverged in %d of %d episodes", r->diverged_envs,
                       r->envs);
}

static int collect_inner(const model_free *m, workspace *w, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = w->inner_rollout;
  const ml3_block *d = m->inner;
  int code = collect_whole(w->inner, theta, w->inner_rollout, error);
  if (code != ML3_OK) return code;
  put(d[INNER_X], to, r->x);
  put(d[INNER_ACTION], to, r->action);
  ml3_real *credit = ml3_block_in(d[INNER_CREDIT], to), *advantage = ml3_block_in(d[INNER_ADVANTAGE], to);
  if ((code = advantages(m, w, r, r->reward, advantage, error)) != ML3_OK) return code;
  if (m->settings.credit == ML3_CREDIT_ADVANTAGE)
    put(d[INNER_CREDIT], to, advantage);
  else
    ml3_rewards_to_go(r, r->reward, m->settings.discount, credit);
  put(d[INNER_LOG_PROB], to, r->log_prob);
  put(d[INNER_GOAL], to, ml3_block_in(m->task[TASK_GOAL], task));
  if (advises_updates(m)) put_expert_actions(m, r, task, ml3_block_in(d[INNER_TARGETS], to));
  if (by_entries(m)) put_lambdas(m, w, to), ml3_model_free_put_entries(m, r, to);
  return ML3_OK;
}

static int collect_outer(const model_free *m, workspace *w, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = w->outer_rollout;
  const ml3_block *d = m->outer;
  int code = collect_whole(w->outer, theta, w->outer_rollout, error);
  if (code != ML3_OK) return code;
  put(d[OUTER_X], to, r->x);
  put(d[OUTER_ACTION], to, r->action);
  if ((code = advantages(m, w, r, r->reward, ml3_block_in(d[OUTER_ADVANTAGE], to), error)) != ML3_OK) return code;
  put(d[OUTER_LOG_PROB], to, r->log_prob);
  if (m->settings.extra == ML3_MODEL_FREE_EXPLORATION_GOAL)
    code = put_exploration(m, w, ml3_block_in(d[OUTER_EXPLORATION], to), error);
  if (m->settings.extra == ML3_MODEL_FREE_ADVICE) put_expert_actions(m, r, task, ml3_block_in(d[OUTER_ADVICE], to));
  put_demonstration(m, task, to);
  return code;
}

int ml3_model_free_collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_free *m = self(p);
  double env_task[m->settings.env->task_dim + 1];
  const uint64_t high = ml3_random_bits(random), key = high << 32 | ml3_random_bits(random);
  ml3_model_free_task(p, task, env_task);
  workspace *w = ml3_model_free_take_workspace(m, error);
  if (!w) return error ? error->code : ML3_ERR_MEMORY;
  ml3_sampler_reset(outer ? w->outer : w->inner, env_task, key);
  int code = outer ? collect_outer(m, w, task, theta, outer, error) : collect_inner(m, w, task, theta, inner, error);
  ml3_model_free_return_workspace(m, w);
  return code;
}

/* D' of D: the same rows, without credit, and what an expert said of them. */
int ml3_model_free_reuse(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer,
                         ml3_error *error) {
  const model_free *m = self(p);
  (void)error;
  put(m->outer[OUTER_X], outer, ml3_block_in(m->inner[INNER_X], inner));
  put(m->outer[OUTER_ACTION], outer, ml3_block_in(m->inner[INNER_ACTION], inner));
  put(m->outer[OUTER_ADVANTAGE], outer, ml3_block_in(m->inner[INNER_ADVANTAGE], inner));
  put(m->outer[OUTER_LOG_PROB], outer, ml3_block_in(m->inner[INNER_LOG_PROB], inner));
  if (m->settings.extra == ML3_MODEL_FREE_ADVICE)
    put(m->outer[OUTER_ADVICE], outer, ml3_block_in(m->inner[INNER_TARGETS], inner));
  put_demonstration(m, task, outer);
  return ML3_OK;
}
