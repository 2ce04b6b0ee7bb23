/* The model-free problem: see model_free.h.

   A task's numbers: the environment's task [task_dim], the goal [goal_dim], the number of its demonstration or -1.
   D  is blocks of rows, one a time step, time-major: x [rows][inputs], action [rows][m], credit [rows],
      advantage [rows], log-probability as drawn [rows], then goal [goal_dim].
   D' is x, action, advantage [rows], log-probability [rows], then what the extra information needs. */
#include "agents/model_free.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/advantage.h"

/* What the learned loss may see, in this order. Adding one: a name, its width and its node. */
enum { SEES_STATE, SEES_MEAN, SEES_LOG_STD, SEES_LOG_PROB, SEES_CREDIT, SEES_GOAL, SEES_ACTION, FEATURES };
static const char *const feature_names[FEATURES] = {"state", "mean", "log_std", "log_prob", "credit", "goal", "action"};
static const char *const usual_inputs = "state mean log_std log_prob credit goal";

enum { MAX_COLUMNS = 3 * ML3_POLICY_MAX_OBS, NAME = 48 };

/* Environments of one thread, handed out by a list. */
typedef struct crew crew;
struct crew {
  ml3_sampler *inner, *outer;
  ml3_rollout *inner_rollout, *outer_rollout;
  ml3_real *extra_reward;            /* [outer rows] */
  ml3_real *value, *zeros, *returns; /* [rows of the larger] for advantages */
  double *fit;                       /* of the baseline */
  crew *next;
};

typedef struct model_free {
  ml3_problem problem;
  ml3_model_free_settings settings;
  bool sees[FEATURES];
  char names[MAX_COLUMNS][NAME];
  const char *name_list[MAX_COLUMNS];
  crew *idle;
  ml3_demonstrations *demonstrations; /* owned, or NULL */
} model_free;

static const model_free *self(const ml3_problem *p) {
  return p->user;
}

static int inner_rows(const model_free *m) {
  return m->settings.rollouts * m->settings.horizon;
}
static int outer_rows(const model_free *m) {
  return m->settings.outer_rollouts * m->settings.horizon;
}
static int inputs(const model_free *m) {
  return m->settings.policy.net.inputs;
}
static int actions(const model_free *m) {
  return m->settings.policy.action_dim;
}
static int demo_steps(const model_free *m) {
  return m->settings.demonstrations->steps;
}

/* ---- graphs ------------------------------------------------------------------------------------------------- */

static int feature_width(const model_free *m, int feature) {
  switch (feature) {
    case SEES_STATE:
      return inputs(m);
    case SEES_GOAL:
      return m->settings.env->goal_dim;
    case SEES_LOG_PROB:
    case SEES_CREDIT:
      return 1;
    default:
      return actions(m);
  }
}

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  const model_free *m = self(p);
  const int rows = inner_rows(m), n = inputs(m), a = actions(m), goal = m->settings.env->goal_dim;
  (void)context;
  ml3_node x = ml3_nn_view(g, data, 0, rows, n), action = ml3_nn_view(g, data, rows * n, rows, a);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, x);
  const ml3_node all[FEATURES] = {
      [SEES_STATE] = x,
      [SEES_MEAN] = at.mean,
      [SEES_LOG_STD] = at.log_std,
      [SEES_LOG_PROB] = ml3_policy_build_log_prob(g, at, action),
      [SEES_CREDIT] = ml3_nn_view(g, data, rows * (n + a), rows, 1),
      [SEES_GOAL] = ml3_nn_broadcast(g, ml3_nn_view(g, data, rows * (n + a + 3), 1, goal), rows, goal),
      [SEES_ACTION] = action};
  ml3_node seen[FEATURES];
  int count = 0;
  for (int i = 0; i < FEATURES; i++)
    if (m->sees[i]) seen[count++] = all[i];
  return ml3_nn_concat_cols(g, seen, count);
}

/* - mean of weight * log pi(a|s) over the rows of D or D'; weight is the block of numbers at `offset`. With a clip, where
   data may be of an older policy, weight * log pi becomes min(weight r, weight clamp(r, 1 - clip, 1 + clip)) with
   r = pi(a|s) / pi_old(a|s): the same gradient where the policy is the one that drew. `old` is the block of log pi_old. */
static ml3_node build_surrogate(const model_free *m, ml3_nn_graph *g, ml3_node theta, ml3_node data, int rows,
                                int offset, int old) {
  const double clip = m->settings.clip;
  const int n = inputs(m), a = actions(m);
  ml3_node x = ml3_nn_view(g, data, 0, rows, n), action = ml3_nn_view(g, data, rows * n, rows, a);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &m->settings.policy, theta, x);
  ml3_node weight = ml3_nn_view(g, data, offset, rows, 1);
  ml3_node log_prob = ml3_policy_build_log_prob(g, at, action);
  if (clip <= 0) return ml3_nn_neg(g, ml3_nn_mean(g, ml3_nn_mul(g, weight, log_prob)));
  ml3_node ratio = ml3_nn_exp(g, ml3_nn_sub(g, log_prob, ml3_nn_view(g, data, old, rows, 1)));
  ml3_node free = ml3_nn_neg(g, ml3_nn_mul(g, weight, ratio));
  ml3_node clipped = ml3_nn_neg(g, ml3_nn_mul(g, weight, ml3_nn_clamp(g, ratio, 1 - clip, 1 + clip)));
  return ml3_nn_mean(g, ml3_nn_max(g, free, clipped));
}

static int advantage_offset(const model_free *m) {
  return outer_rows(m) * (inputs(m) + actions(m));
}
static int old_offset(const model_free *m) {
  return advantage_offset(m) + outer_rows(m);
}
static int extra_offset(const model_free *m) {
  return old_offset(m) + outer_rows(m);
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  (void)context;
  return build_surrogate(self(p), g, theta, data, outer_rows(self(p)), advantage_offset(self(p)), old_offset(self(p)));
}

/* What MAML and the task's own gradient descend: the surrogate on the data of the update. */
static ml3_node build_inner_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  const model_free *m = self(p);
  const int rows = inner_rows(m);
  (void)context;
  return build_surrogate(m, g, theta, data, rows, rows * (inputs(m) + actions(m) + 1),
                         rows * (inputs(m) + actions(m) + 2));
}

/* The policy's mean as share of half the width of its bounds. */
static ml3_node build_share(const model_free *m, ml3_nn_graph *g, ml3_node action) {
  ml3_node columns[ML3_POLICY_MAX_ACTIONS];
  for (int i = 0; i < actions(m); i++) {
    const double half = (m->settings.policy.high[i] - m->settings.policy.low[i]) / 2;
    columns[i] = ml3_nn_scale(g, ml3_nn_slice_cols(g, action, i, 1), isfinite(half) ? 1 / half : 1);
  }
  return ml3_nn_concat_cols(g, columns, actions(m));
}

static ml3_node build_exploration(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context) {
  (void)context;
  return build_surrogate(self(p), g, theta, data, outer_rows(self(p)), extra_offset(self(p)), old_offset(self(p)));
}

static ml3_node build_energy(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  const model_free *m = self(p);
  (void)context;
  ml3_node x = ml3_nn_view(g, data, 0, outer_rows(m), inputs(m));
  ml3_node mean = ml3_policy_build_from_input(g, &m->settings.policy, theta, x).mean;
  return ml3_nn_mean(g, ml3_nn_square(g, build_share(m, g, mean)));
}

/* Behind the advantages: x [steps][inputs], action [steps][m], and 1, or 0 for a task without demonstration. */
static ml3_node build_imitation(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  const model_free *m = self(p);
  const int steps = demo_steps(m), n = inputs(m), a = actions(m), from = extra_offset(m);
  (void)context;
  ml3_node x = ml3_nn_view(g, data, from, steps, n), expert = ml3_nn_view(g, data, from + steps * n, steps, a);
  ml3_node weight = ml3_nn_view(g, data, from + steps * (n + a), 1, 1);
  ml3_node off = ml3_nn_sub(g, ml3_policy_build_from_input(g, &m->settings.policy, theta, x).mean, expert);
  return ml3_nn_mul(g, weight, ml3_nn_mean(g, ml3_nn_square(g, build_share(m, g, off))));
}

/* ---- crews ---------------------------------------------------------------------------------------------------- */

static void free_crew(crew *c) {
  if (!c) return;
  ml3_sampler_free(c->inner);
  ml3_sampler_free(c->outer);
  ml3_rollout_free(c->inner_rollout);
  ml3_rollout_free(c->outer_rollout);
  free(c->extra_reward);
  free(c->value);
  free(c->fit);
  free(c);
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
  free_crew(c);
  return NULL;
}

/* An idle crew, or a new one when all are at work. What a crew did before leaves no trace in what it does next. */
static crew *take_crew(const model_free *m, ml3_error *error) {
  model_free *shared = (model_free *)m; /* the list is the only part that changes */
  crew *c;
#pragma omp critical(ml3_model_free_crews)
  {
    c = shared->idle;
    if (c) shared->idle = c->next;
  }
  return c ? c : new_crew(m, error);
}

static void return_crew(const model_free *m, crew *c) {
  model_free *shared = (model_free *)m;
#pragma omp critical(ml3_model_free_crews)
  {
    c->next = shared->idle;
    shared->idle = c;
  }
}

/* ---- tasks and data --------------------------------------------------------------------------------------------- */

/* A default that float rounds is the default still: environments copy their model for any other value. */
void ml3_model_free_task(const ml3_problem *problem, const ml3_real *task, double *env_task) {
  const ml3_env_spec *env = self(problem)->settings.env;
  for (int i = 0; i < env->task_dim; i++)
    env_task[i] = task[i] == (ml3_real)env->task[i].value ? env->task[i].value : task[i];
}

static const ml3_real *task_goal(const model_free *m, const ml3_real *task) {
  return task + m->settings.env->task_dim;
}
static int task_demonstration(const model_free *m, const ml3_real *task) {
  return (int)task[m->settings.env->task_dim + m->settings.env->goal_dim];
}

static void put_task(const model_free *m, const double *env_task, int demonstration, ml3_real *task) {
  const ml3_env_spec *env = m->settings.env;
  double goal[ML3_POLICY_MAX_OBS] = {0};
  crew *c = take_crew(m, NULL);
  if (c) {
    ml3_sampler_goal(c->inner, env_task, goal);
    return_crew(m, c);
  }
  for (int i = 0; i < env->task_dim; i++) task[i] = (ml3_real)env_task[i];
  for (int i = 0; i < env->goal_dim; i++) task[env->task_dim + i] = (ml3_real)goal[i];
  task[env->task_dim + env->goal_dim] = (ml3_real)demonstration;
}

void ml3_model_free_set_task(const ml3_problem *problem, const double *env_task, ml3_real *task) {
  put_task(self(problem), env_task, -1, task);
}

static void sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta) {
  const model_free *m = self(p);
  const ml3_env_spec *env = m->settings.env;
  const ml3_demonstrations *d = m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS ? m->settings.demonstrations : NULL;
  double env_task[ML3_POLICY_MAX_OBS];
  int demonstration = -1;
  ml3_env_sample_task(env, random, env_task);
  if (d && split == ML3_SPLIT_TRAIN) {
    demonstration = (int)ml3_random_below(random, (uint32_t)d->count);
    memcpy(env_task, d->task + demonstration * env->task_dim, (size_t)env->task_dim * sizeof *env_task);
  }
  put_task(m, env_task, demonstration, task);
  ml3_policy_draw(&m->settings.policy, random, theta);
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

static void put_demonstration(const model_free *m, const ml3_real *task, ml3_real *to) {
  const ml3_demonstrations *d = m->settings.demonstrations;
  const ml3_env_spec *env = m->settings.env;
  const int number = task_demonstration(m, task), steps = d->steps;
  double goal[ML3_POLICY_MAX_OBS];
  for (int i = 0; i < env->goal_dim; i++) goal[i] = task_goal(m, task)[i];
  ml3_real *x = to, *action = to + steps * inputs(m), *weight = action + steps * actions(m);
  memset(to, 0, (size_t)(steps * (inputs(m) + actions(m)) + 1) * sizeof *to);
  if (number < 0) return;
  for (int t = 0; t < steps; t++) {
    ml3_policy_input(&m->settings.policy, d->obs + (number * steps + t) * env->obs_dim, goal, x + t * inputs(m));
    for (int k = 0; k < actions(m); k++)
      action[t * actions(m) + k] = (ml3_real)d->action[(number * steps + t) * actions(m) + k];
  }
  *weight = 1;
}

static int collect_inner(const model_free *m, crew *c, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = c->inner_rollout;
  int code = ml3_sampler_collect(c->inner, theta, NULL, NULL, c->inner_rollout, error);
  if (code != ML3_OK) return code;
  ml3_real *credit = put_rows(m, r, to), *advantage = credit + inner_rows(m);
  if ((code = advantages(m, c, r, r->reward, advantage, error)) != ML3_OK) return code;
  if (m->settings.credit == ML3_CREDIT_ADVANTAGE)
    put(credit, advantage, (size_t)inner_rows(m));
  else
    ml3_rewards_to_go(r, r->reward, m->settings.discount, credit);
  ml3_real *goal = put(advantage + inner_rows(m), r->log_prob, (size_t)inner_rows(m));
  put(goal, task_goal(m, task), (size_t)m->settings.env->goal_dim);
  return ML3_OK;
}

static int collect_outer(const model_free *m, crew *c, const ml3_real *task, const ml3_real *theta, ml3_real *to,
                         ml3_error *error) {
  const ml3_rollout *r = c->outer_rollout;
  int code = ml3_sampler_collect(c->outer, theta, NULL, NULL, c->outer_rollout, error);
  if (code != ML3_OK) return code;
  ml3_real *advantage = put_rows(m, r, to);
  if ((code = advantages(m, c, r, r->reward, advantage, error)) != ML3_OK) return code;
  put(to + old_offset(m), r->log_prob, (size_t)outer_rows(m));
  if (m->settings.extra == ML3_MODEL_FREE_EXPLORATION_GOAL) code = put_exploration(m, c, to + extra_offset(m), error);
  if (m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS) put_demonstration(m, task, to + extra_offset(m));
  return code;
}

static int collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                   ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_free *m = self(p);
  double env_task[ML3_POLICY_MAX_OBS];
  const uint64_t high = ml3_random_bits(random), key = high << 32 | ml3_random_bits(random);
  ml3_model_free_task(p, task, env_task);
  crew *c = take_crew(m, error);
  if (!c) return error ? error->code : ML3_ERR_MEMORY;
  ml3_sampler_reset(outer ? c->outer : c->inner, env_task, key);
  int code = outer ? collect_outer(m, c, task, theta, outer, error) : collect_inner(m, c, task, theta, inner, error);
  return_crew(m, c);
  return code;
}

/* D' of D: the same rows, without credit. */
static int reuse(const ml3_problem *p, const ml3_real *task, const ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_free *m = self(p);
  const size_t rows = (size_t)inner_rows(m), seen = rows * (size_t)(inputs(m) + actions(m));
  (void)error;
  put(put(outer, inner, seen), inner + seen + rows, 2 * rows); /* advantage and log-probability */
  if (m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS) put_demonstration(m, task, outer + extra_offset(m));
  return ML3_OK;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static const uint64_t JUDGE_KEY = 0x6a756467; /* every policy is judged from the same starts */

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[ML3_POLICY_MAX_OBS];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge(s->env, &s->policy, theta, env_task, s->horizon, s->judge_episodes, JUDGE_KEY, outcome, error);
}

ml3_episode *ml3_model_free_episode(const ml3_problem *p, const ml3_real *task, int start, const ml3_real *theta,
                                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[ML3_POLICY_MAX_OBS];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge_episode(s->env, &s->policy, theta, env_task, s->horizon, start, JUDGE_KEY, error);
}

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  return ml3_policy_save(&self(p)->settings.policy, theta, path, error);
}

/* ---- checkpoints: how observations are normalised, and the demonstrations ----------------------------------------- */

typedef struct kept {
  const char *name;
  double *numbers;
  int count;
} kept;

enum { KEPT = 6 };

/* All that was fitted or planned; their number. */
static int list_kept(const ml3_problem *p, kept list[KEPT]) {
  model_free *m = p->user;
  ml3_policy *policy = &m->settings.policy;
  ml3_demonstrations *d = m->demonstrations;
  int n = 0;
  list[n++] = (kept){"problem.shift", policy->shift, policy->net.inputs};
  list[n++] = (kept){"problem.scale", policy->scale, policy->net.inputs};
  if (!d || m->settings.extra != ML3_MODEL_FREE_DEMONSTRATIONS) return n;
  list[n++] = (kept){"problem.demonstration_tasks", d->task, d->count * d->env->task_dim};
  list[n++] = (kept){"problem.demonstration_observations", d->obs, d->count * d->steps * d->env->obs_dim};
  list[n++] = (kept){"problem.demonstration_actions", d->action, d->count * d->steps * d->env->action_dim};
  list[n++] = (kept){"problem.demonstration_return", &d->episode_return, 1};
  return n;
}

static int keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error) {
  kept list[KEPT];
  int code = ML3_OK;
  for (int i = 0, n = list_kept(p, list); i < n && code == ML3_OK; i++)
    code = ml3_nn_tensors_put_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code;
}

static int restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error) {
  kept list[KEPT];
  int code = ML3_OK;
  for (int i = 0, n = list_kept(p, list); i < n && code == ML3_OK; i++)
    code = ml3_nn_tensors_get_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void free_problem(ml3_problem *p) {
  model_free *m = p->user;
  while (m->idle) {
    crew *next = m->idle->next;
    free_crew(m->idle);
    m->idle = next;
  }
  ml3_demonstrations_free(m->demonstrations);
  free(m->settings.owned);
  free(m);
}

static int check(ml3_model_free_settings *s, ml3_error *error) {
  if (s->horizon == 0) s->horizon = s->env->horizon;
  if (s->rollouts < 1 || s->outer_rollouts < 1 || s->rollouts > 4096 || s->outer_rollouts > 4096)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollouts are %d for an update and %d for the task loss; 1 to 4096 are possible", s->rollouts,
                         s->outer_rollouts);
  if (!(s->clip >= 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the clip of the ratio of probabilities is %g; at least 0 is possible", s->clip);
  if (s->reuse && s->rollouts != s->outer_rollouts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollout.reuse: an update has %d episodes and the task loss %d; they must be as many",
                         s->rollouts, s->outer_rollouts);
  if (s->reuse && s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "rollout.reuse: an exploration goal needs states, which the rollouts of an update do not keep");
  if (s->judge_episodes < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a policy is judged by %d episodes; at least 1 is needed",
                         s->judge_episodes);
  if (!(s->discount > 0 && s->discount <= 1) || !(s->lambda >= 0 && s->lambda <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "discount %g and lambda %g must be within 0 and 1", s->discount,
                         s->lambda);
  if (s->env->task_dim > ML3_POLICY_MAX_OBS || s->env->goal_dim > ML3_POLICY_MAX_OBS ||
      s->env->state_dim > ML3_POLICY_MAX_OBS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s': task, goal or state has more than %d numbers",
                         s->env->name, ML3_POLICY_MAX_OBS);
  if (s->extra == ML3_MODEL_FREE_DEMONSTRATIONS && (!s->demonstrations || s->demonstrations->env != s->env))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the extra information is demonstrations, but there are none of '%s'",
                         s->env->name);
  return ML3_OK;
}

/* Reads settings.inputs into sees[]. */
static int choose_inputs(model_free *m, ml3_error *error) {
  const char *at = m->settings.inputs && *m->settings.inputs ? m->settings.inputs : usual_inputs;
  for (;;) {
    at += strspn(at, " ,");
    const size_t length = strcspn(at, " ,");
    int found = -1;
    if (length == 0) break;
    for (int i = 0; i < FEATURES; i++)
      if (strlen(feature_names[i]) == length && strncmp(feature_names[i], at, length) == 0) found = i;
    if (found < 0)
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "loss.inputs: there is no '%.*s'; state, mean, log_std, log_prob, credit, goal and action are possible",
          (int)length, at);
    m->sees[found] = true;
    at += length;
  }
  if (!m->sees[SEES_MEAN] && !m->sees[SEES_LOG_STD] && !m->sees[SEES_LOG_PROB])
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "loss.inputs: without mean, log_std or log_prob the learned loss does not depend on the policy");
  m->settings.inputs = NULL; /* the caller's; no longer looked at */
  return ML3_OK;
}

/* The name of column i of a feature: of what it is, or a number. */
static void name_column(const model_free *m, int feature, int i, char *name) {
  const ml3_env_spec *env = m->settings.env;
  const ml3_env_field *fields = feature == SEES_GOAL ? env->goal : feature == SEES_STATE ? env->obs : env->action;
  if (feature == SEES_STATE && i >= env->obs_dim) fields = env->goal, i -= env->obs_dim;
  if (feature == SEES_LOG_PROB || feature == SEES_CREDIT)
    snprintf(name, NAME, "%s", feature_names[feature]);
  else
    snprintf(name, NAME, "%s.%s", feature_names[feature], fields[i].name);
}

static int name_features(model_free *m, ml3_error *error) {
  int count = 0;
  for (int f = 0; f < FEATURES; f++)
    for (int i = 0; m->sees[f] && i < feature_width(m, f); i++) {
      if (count == MAX_COLUMNS)
        return ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss would see more than %d numbers", MAX_COLUMNS);
      name_column(m, f, i, m->names[count]);
      m->name_list[count] = m->names[count];
      count++;
    }
  m->problem.features = count;
  m->problem.feature_names = m->name_list;
  return ML3_OK;
}

/* Normalises the policy's inputs by what initial policies see on 32 tasks. */
static int set_normalization(model_free *m, ml3_error *error) {
  enum { TASKS = 32 };
  ml3_policy *policy = &m->settings.policy, plain = *policy;
  ml3_normalizer normalizer;
  ml3_real *theta = calloc((size_t)ml3_policy_size(policy), sizeof *theta);
  crew *c = take_crew(m, error);
  int code = c && theta ? ML3_OK : ML3_ERR_MEMORY;
  ml3_normalizer_init(&normalizer, policy->net.inputs);
  for (int i = 0; i < TASKS && code == ML3_OK; i++) {
    ml3_random random = ml3_random_stream(m->settings.normalize_seed, ML3_PURPOSE_INIT, (uint32_t)i, 1);
    ml3_policy_draw(policy, &random, theta);
    ml3_sampler_reset(c->inner, NULL, (uint64_t)ml3_random_bits(&random));
    *policy = plain; /* acts on what it sees as it is */
    code = ml3_sampler_collect(c->inner, theta, NULL, NULL, c->inner_rollout, error);
    for (int row = 0; row < inner_rows(m) && code == ML3_OK; row++) {
      double x[ML3_POLICY_MAX_OBS];
      for (int k = 0; k < policy->net.inputs; k++) x[k] = c->inner_rollout->x[row * policy->net.inputs + k];
      ml3_normalizer_add(&normalizer, x, 1);
    }
  }
  if (code == ML3_OK) ml3_normalizer_apply(&normalizer, policy);
  if (c) return_crew(m, c);
  free(theta);
  return code;
}

static int make(model_free *m, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  int code = check(&m->settings, error);
  if (code == ML3_OK) code = choose_inputs(m, error);
  if (code == ML3_OK) code = name_features(m, error);
  if (code != ML3_OK) return code;
  const int row = inputs(m) + actions(m) + 2;
  ml3_problem *p = &m->problem;
  p->theta_size = ml3_policy_size(&s->policy);
  p->task_size = s->env->task_dim + s->env->goal_dim + 1;
  p->inner_size = inner_rows(m) * (row + 1) + s->env->goal_dim;
  p->outer_size = outer_rows(m) * row;
  switch (s->extra) {
    case ML3_MODEL_FREE_EXPLORATION_GOAL:
      p->build_extra_loss = build_exploration, p->outer_size += outer_rows(m);
      break;
    case ML3_MODEL_FREE_ENERGY:
      p->build_extra_loss = build_energy;
      break;
    case ML3_MODEL_FREE_DEMONSTRATIONS:
      p->build_extra_loss = build_imitation, p->outer_size += demo_steps(m) * (row - 2) + 1;
      break;
    default:
      break;
  }
  if (s->reuse) p->reuse = reuse;
  crew *c = new_crew(m, error); /* what is wrong with the policy or the environment shows here */
  if (!c) return error ? error->code : ML3_ERR_MEMORY;
  return_crew(m, c);
  return s->normalize ? set_normalization(m, error) : ML3_OK;
}

void ml3_model_free_own(ml3_problem *problem, ml3_demonstrations *demonstrations) {
  model_free *m = problem->user;
  m->demonstrations = demonstrations;
}

ml3_problem *ml3_model_free_new(const ml3_model_free_settings *settings, ml3_error *error) {
  model_free *m = calloc(1, sizeof *m);
  if (!m) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", settings->env->name);
    free(settings->owned);
    return NULL;
  }
  m->settings = *settings;
  m->problem = (ml3_problem){.name = settings->env->name,
                             .success_name = "success",
                             .distance_name = "distance",
                             .build_features = build_features,
                             .build_task_loss = build_task_loss,
                             .build_inner_loss = build_inner_loss,
                             .sample = sample,
                             .collect = collect,
                             .evaluate = evaluate,
                             .save = save,
                             .keep = keep,
                             .restore = restore,
                             .free = free_problem,
                             .user = m};
  if (make(m, error) == ML3_OK) return &m->problem;
  free_problem(&m->problem);
  return NULL;
}

const ml3_model_free_settings *ml3_model_free_settings_of(const ml3_problem *problem) {
  return &self(problem)->settings;
}
